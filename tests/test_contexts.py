"""Blocks: a prefix, names of metrics, and waiting, each for as long as a block lasts, in threads and in tasks."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from ml_logger import ML_Logger, errors
from ml_logger.testing import Server
from tests import programs


def rows(logger: ML_Logger, file: str = "metrics.pkl") -> list[dict[str, Any]]:
    """Read the rows back, without their time stamps."""
    found = logger.load_pkl(file) or []
    assert all(isinstance(row.pop("_timestamp"), float) for row in found)
    return found


def test_a_prefix_holds_for_its_block(logger: ML_Logger) -> None:
    """Everything that is logged within the block is below its prefix, and nothing afterwards."""
    with logger.Prefix("eval", "first") as same:
        assert same is logger
        assert logger.prefix == "me/run/eval/first"
        logger.log(0, loss=1, flush=True)
        logger.log_line("within")
        logger.save_json({"a": 1}, "a.json")
        assert logger.glob("**") == ["a.json", "metrics.pkl", "outputs.log"]
    assert logger.prefix == "me/run"

    assert logger.glob("**") == ["eval/first/a.json", "eval/first/metrics.pkl", "eval/first/outputs.log"]


def test_prefixes_nest_and_go_up(logger: ML_Logger) -> None:
    """A block within a block is below it; `..` goes up, and a `/` in front means the root."""
    with logger.PrefixContext("a"):
        with logger.Prefix("b/c"):
            with logger.Prefix("../d"):
                assert logger.prefix == "me/run/a/b/d"
            with logger.Prefix("..", "..", None, "e"):
                assert logger.prefix == "me/run/a/e"
            with logger.Prefix("/other", "x"):
                assert logger.prefix == "other/x"
            assert logger.prefix == "me/run/a/b/c"
        assert logger.prefix == "me/run/a"
    with pytest.raises(errors.InvalidKey, match=r"above the root"), logger.Prefix("../../.."):
        pass
    assert logger.prefix == "me/run"


def test_an_error_in_a_block_ends_it(logger: ML_Logger) -> None:
    """A block that is left by an error is left."""
    with pytest.raises(KeyError), logger.Prefix("a", metrics="b"), logger.Sync():
        raise KeyError
    logger.log(0, loss=1)

    assert rows(logger) == [{"_step": 0, "loss": 1}]


def test_names_of_metrics_get_a_prefix(logger: ML_Logger) -> None:
    """`metrics=` is put before the names, and blocks put theirs one behind the other; a step by name stays `step`."""
    with logger.Prefix(metrics="eval"):
        logger.log(1, {"top": {"5": 0.9}}, loss=0.5)
        with logger.Prefix(metrics="ema", sep="."):
            logger.log_key_value("loss", 0.25)
        logger.log(step=2, loss=0.125)
    logger.log(loss=4)

    assert rows(logger) == [
        {"_step": 1, "eval/top/5": 0.9, "eval/loss": 0.5, "eval/ema.loss": 0.25},
        {"_step": 2, "step": 2, "eval/loss": 0.125, "loss": 4},
    ]


def test_a_pending_row_belongs_to_the_prefix_it_was_logged_in(logger: ML_Logger) -> None:
    """Rows of two prefixes are pending side by side: a block neither writes the row around it nor joins it."""
    for step in range(3):
        logger.log(step, train=step)
        with logger.Prefix("eval"):
            logger.log(step, a=step)
            logger.log(b=step)
        logger.log(step, more=step)

    assert rows(logger) == [{"_step": n, "train": n, "more": n} for n in range(3)]
    assert rows(logger, "eval/metrics.pkl") == [{"_step": n, "a": n, "b": n} for n in range(3)]


def test_a_call_that_flushes_writes_its_own_row(logger: ML_Logger) -> None:
    """`flush=True`, also that of a summary, tears no row of another prefix, file or cache apart."""
    for step in range(3):
        logger.log(step, train=step)
        logger.log(step, test=step, cache="test")
        logger.log(step, other=step, file="other.pkl")
        with logger.Prefix("eval"):
            logger.log(step, a=step, flush=True)
            logger.log({"b": step}, step=step, flush=True)
            logger.store(c=step)
            logger.log_metrics_summary()
        logger.log(step, more=step, flush=True)
        logger.log(step, more=step, cache="test")
        logger.log(step, more=step, file="other.pkl")

    found = rows(logger)
    assert [row for row in found if "train" in row] == [{"_step": n, "train": n, "more": n} for n in range(3)]
    assert [row for row in found if "test" in row] == [{"_step": n, "test": n, "more": n} for n in range(3)]
    assert rows(logger, "other.pkl") == [{"_step": n, "other": n, "more": n} for n in range(3)]
    assert len(rows(logger, "eval/metrics.pkl")) == 9


def test_many_prefixes_do_not_fill_the_memory(tmp_path: Path) -> None:
    """A program with a prefix for each of many things has a bounded number of pending rows, and loses none."""
    logger = ML_Logger(tmp_path, silent=True)
    for number in range(1000):
        with logger.Prefix(f"{number % 10}/{number}"):
            logger.log(0, number=number)
    assert len(logger._rows) <= 256
    logger.flush()

    assert sorted(rows(logger, key)[0]["number"] for key in logger.glob("**/metrics.pkl")) == [*range(1000)]


def test_threads_in_different_prefixes_leave_each_row_in_its_own(logger: ML_Logger) -> None:
    """Two threads that log at the same time, each in its block, never mix."""
    ready = threading.Barrier(2)
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            with logger.Prefix(name, metrics=name):
                ready.wait(programs.PATIENCE)
                for step in range(300):
                    logger.log(step, value=step)
                    logger.log(step, again=name)
                    logger.log_line(name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(programs.PATIENCE)
    assert failures == []

    for name in ("one", "two"):
        expected = [{"_step": n, f"{name}/value": n, f"{name}/again": name} for n in range(300)]
        assert rows(logger, f"{name}/metrics.pkl") == expected
        assert logger.load_text(f"{name}/outputs.log") == f"{name}\n" * 300
    assert logger.load_pkl("metrics.pkl") is None


def test_tasks_in_different_prefixes_leave_each_row_in_its_own(logger: ML_Logger) -> None:
    """asyncio tasks that take turns, each in its block, never mix; a task begins in the block that creates it."""

    async def work(name: str) -> None:
        with logger.Prefix(name):
            for step in range(50):
                logger.log(step, value=step)
                await asyncio.sleep(0)
                logger.log(step, again=name)
                await asyncio.sleep(0)

    async def main() -> None:
        with logger.Prefix("tasks"):
            tasks = [asyncio.create_task(work(name)) for name in "abc"]
        await asyncio.gather(*tasks)
        assert logger.prefix == "me/run"

    asyncio.run(main())

    for name in "abc":
        expected = [{"_step": n, "value": n, "again": name} for n in range(50)]
        assert rows(logger, f"tasks/{name}/metrics.pkl") == expected
    assert logger.glob("**/metrics.pkl") == [f"tasks/{name}/metrics.pkl" for name in "abc"]


def test_a_prefix_is_filled_in(logger: ML_Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """`{now:...}`, `{USER}` and `$NAME` are filled in as in `configure`, with the user that was given there."""
    monkeypatch.setenv("JOB", "42")
    logger.configure(user="ada")
    with logger.Prefix("{USER}", "$JOB"):
        assert logger.prefix == "me/run/ada/42"


def test_configuring_within_a_block_takes_effect(logger: ML_Logger) -> None:
    """What is said last holds: a prefix that is configured within a block replaces that of the block."""
    with logger.Prefix("eval"):
        logger.configure("other")
        logger.log(0, loss=1, flush=True)
        assert logger.prefix == "other"

    assert rows(logger, "/other/metrics.pkl") == [{"_step": 0, "loss": 1}]


def test_calls_of_a_sync_block_wait_for_the_server(server: Server) -> None:
    """What a call of a `Sync` block has written is on the server when it returns; the end of the block flushes."""
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        with logger.Sync():
            for number in range(5):
                logger.log(number, value=number, flush=True)
                assert logger.health().unsent == 0
                assert len(programs_rows(server, "run/metrics.pkl")) == number + 1
            logger.log(5, value=5)
        assert logger.health().unsent == 0
        assert len(programs_rows(server, "run/metrics.pkl")) == 6
        with logger.SyncContext():
            assert logger.log_line("y").done()


def programs_rows(server: Server, key: str) -> list[Any]:
    """Read the rows that are on the disk of a server now, without asking it."""
    import pickle

    found = []
    with open(server.data_dir / key, "rb") as file:
        while True:
            try:
                found.append(pickle.load(file))
            except EOFError:
                return found


def test_an_async_block_does_not_wait_where_the_logger_does(server: Server) -> None:
    """Within an `Async` block a logger that waits for each call does not: a frozen server holds up nothing."""
    import signal

    with ML_Logger(root=server.url, prefix="run", silent=True, asynchronous=False) as logger:
        logger.log_line("begun")
        server.send(signal.SIGSTOP)
        try:
            with logger.AsyncContext(), logger.Async():
                receipt = logger.log_line("not waited for")
                assert not receipt.done()
        finally:
            server.send(signal.SIGCONT)
        logger.log_line("waited for")
        assert receipt.done()


def test_a_clone_logs_beside_the_original(logger: ML_Logger, root: str) -> None:
    """A clone logs to the same place with rows of its own; configuring it leaves the original alone."""
    logger.configure(summary_cache_opts={"mode": "rolling", "window": 2}, user="ada")
    with logger.Prefix("below"):
        twin = logger.clone()
    assert (twin.root, twin.prefix) == (logger.root, "me/run/below")
    logger.log(0, loss=1)
    twin.log(0, loss=2)
    assert twin.summary_cache.window == 2
    twin.configure("{USER}/twin")
    twin.log(0, loss=3)
    twin.close()

    assert logger.prefix == "me/run"
    assert rows(logger) == [{"_step": 0, "loss": 1}]
    assert rows(logger, "below/metrics.pkl") == [{"_step": 0, "loss": 2}]
    assert rows(logger, "/ada/twin/metrics.pkl") == [{"_step": 0, "loss": 3}]


@pytest.mark.parametrize("key", ["a\\b.txt", "C:\\data\\x.txt", "..\\x"])
def test_backslashes_are_refused(logger: ML_Logger, key: str) -> None:
    """A path of Windows is no key: the error shows it, and says what to write."""
    with pytest.raises(errors.InvalidKey, match="backslash: separate folders with '/'"):
        logger.log_text("x", key)
    with pytest.raises(errors.InvalidKey, match="backslash"), logger.Prefix(key):
        pass
    with pytest.raises(errors.InvalidKey, match="backslash"):
        logger.configure(key)
