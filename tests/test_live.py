"""`POST /v1/live`: what is watched comes once, in order, and when it happens; nothing comes while nothing does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from ml_logger import ML_Logger, tokens
from ml_logger.encoders import records
from ml_logger.server import live
from ml_logger.testing import Server
from ml_logger.transport import frames
from ml_logger.transport.frames import Op
from tests.live import Page, question, settled_runs
from tests.wire import WRITER, post


def rows(first: int, stop: int) -> bytes:
    """Return rows of a metric that counts, each behind a step ten times as large."""
    return b"".join(records.encode({"_step": 10 * n, "loss": n + 0.5}) for n in range(first, stop))


def version(server: Server, **headers: str) -> str:
    """Return the version of the runs as they are, with all rows read."""
    return str(settled_runs(server, {}, headers)["version"])


@pytest.fixture
def remote(server: Server) -> Iterator[ML_Logger]:
    """A logger into a run of the server, that prints nothing."""
    with ML_Logger(root=server.url, prefix="me/run", silent=True) as opened:
        yield opened


def test_new_rows_come_once_and_in_order_across_connections(server: Server, remote: ML_Logger) -> None:
    """Each row that is logged is told exactly once, in the order of the file, also to a page that comes back."""
    told: list[float] = []
    known = 0
    for connection in range(3):
        with closing(Page(server, question("loss", runs={"me/run": known}, xs=("_step",)))) as page:
            for n in range(100):
                remote.log(n, loss=100.0 * connection + n)
                if n % 10 == 9:
                    remote.flush()
            for line in page.points(100):
                assert (line.head["run"], line.head["key"], line.head["x"]) == ("me/run", "loss", "_step")
                assert line.head["start"] == known and line.head["rows"] - known >= len(line.ys)
                assert line.xs == tuple(value % 100 for value in line.ys)
                told += line.ys
                known = line.head["rows"]
        remote.log(0, other=1.0, flush=True)  # nobody listens
    assert told == [float(n) for n in range(300)]


def test_rows_logged_while_nobody_listened_come_first(server: Server) -> None:
    """A page that knows so many rows is told what has come since, and not what it knows."""
    post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", rows(0, 5)))
    with closing(Page(server, question("loss", runs={"a": 2}))) as page:
        (line,) = page.points(3)

        assert line.xs == (2, 3, 4) and line.ys == (2.5, 3.5, 4.5)
        assert (line.head["start"], line.head["rows"]) == (2, 5)


def test_lines_begin_where_the_last_ones_ended(server: Server) -> None:
    """Of metrics that come in other rows, each line says from which row on it holds all."""
    post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", rows(0, 2)))
    with closing(Page(server, question("loss", "rare", runs={"a": 2}))) as page:
        post(server, frames.encode(2, Op.APPEND, b"a/metrics.pkl", rows(2, 3)))
        assert [line.head["key"] for line in page.points(1)] == ["loss"]
        post(server, frames.encode(3, Op.APPEND, b"a/metrics.pkl", records.encode({"rare": 1})))
        (line,) = page.points(1)

        assert (line.head["key"], line.head["start"], line.head["rows"], line.xs) == ("rare", 2, 4, (3,))


def test_any_x_can_be_watched(server: Server) -> None:
    """Rows are told over their numbers, a metric, or the seconds since the first; without that x they are not."""
    post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", records.encode({"_timestamp": 100.0, "loss": 0})))
    with closing(Page(server, question("loss", runs={"a": 1}, xs=("", "_relative", "loss", "none")))) as page:
        post(server, frames.encode(2, Op.APPEND, b"a/metrics.pkl", records.encode({"_timestamp": 107.0, "loss": 4})))
        found = {line.head["x"]: line for line in page.points(3)}

    assert {x: line.xs for x, line in found.items()} == {"": (1,), "_relative": (7,), "loss": (4,)}


def test_odd_numbers_come_as_they_are(server: Server) -> None:
    """NaN, infinities and large integers are numbers; texts and lists are not told."""
    values = [float("nan"), float("inf"), float("-inf"), 2**70, True, "text", [1], None]
    with closing(Page(server, question("loss", runs={"a": 0}))) as page:
        body = b"".join(records.encode({"loss": value}) for value in values)
        post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", body))
        (line,) = page.points(5)

    assert line.xs == (0, 1, 2, 3, 4)
    assert line.ys[0] != line.ys[0]
    assert line.ys[1:] == (float("inf"), float("-inf"), float(2**70), 1.0)


def test_a_replaced_file_is_told(server: Server) -> None:
    """A page hears that what it knows of a run is wrong, and then of the rows that come from there on."""
    post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", rows(0, 5)))
    with closing(Page(server, question("loss", runs={"a": 4}))) as page:
        page.points(1)  # it listens
        post(server, frames.encode(2, Op.WRITE, b"a/metrics.pkl", rows(20, 28)))
        assert page.kind("reset") == {"kind": "reset", "run": "a"}
        post(server, frames.encode(3, Op.APPEND, b"a/metrics.pkl", rows(28, 30)))
        (line,) = page.points(2)

        assert line.xs == (8, 9) and line.ys == (28.5, 29.5) and line.head["start"] == 8


def test_a_page_that_knows_too_much_is_told_so(server: Server) -> None:
    """Who knows more rows than there are, or of a file from before it was replaced, begins anew."""
    post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", rows(0, 5)))
    known = version(server)
    with closing(Page(server, question("loss", runs={"a": 9}))) as page:
        assert page.kind("reset")["run"] == "a"
    post(server, frames.encode(2, Op.WRITE, b"a/metrics.pkl", rows(5, 20)))
    version(server)
    with closing(Page(server, question("loss", runs={"a": 5}, version=known))) as page:
        assert page.kind("reset")["run"] == "a"


def test_very_many_rows_are_not_told_one_by_one(server: Server) -> None:
    """A page that is far behind is told to ask anew, which gives it few points that look like all."""
    for number in range(3):
        post(
            server,
            frames.encode(1 + number, Op.APPEND, b"a/metrics.pkl", rows(10_000 * number, 10_000 * number + 9_000)),
        )
    with closing(Page(server, question("loss", runs={"a": 0}))) as page:
        assert page.kind("reset")["run"] == "a"


def test_runs_are_told_of_as_they_change(server: Server) -> None:
    """A page hears of a new run, of what it logs, and that it was removed; and of nothing that it knows."""
    post(server, frames.encode(1, Op.APPEND, b"a/parameters.pkl", records.encode({"Args": {"lr": 0.1}})))
    with closing(Page(server, question(runs={}, version=version(server)))) as page:
        post(server, frames.encode(2, Op.APPEND, b"b/parameters.pkl", records.encode({"Args": {"lr": 0.2}})))
        told = page.kind("runs")
        assert not told["reset"] and [run["run"] for run in told["runs"]] == ["b"]
        assert told["runs"][0]["parameters"] == {"Args.lr": 0.2}
        post(server, frames.encode(3, Op.APPEND, b"b/metrics.pkl", rows(0, 3)))
        while (run := page.kind("runs")["runs"][0])["rows"] < 3:
            assert run["run"] == "b"
        assert run["metrics"]["loss"] == [2.5, 0.5, 2.5]
        post(server, frames.encode(4, Op.REMOVE, b"b", b""))
        while not (told := page.kind("runs"))["removed"]:
            pass
        assert told["removed"] == ["b"]


def test_a_page_without_a_version_is_told_of_all_runs(server: Server) -> None:
    """Nothing known, or what another server has said, is nothing."""
    post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", rows(0, 1)))
    for known in (None, "another-7"):
        with closing(Page(server, question(runs={}, version=known))) as page:
            told = page.kind("runs")
            while not told["runs"]:
                told = page.kind("runs")
            assert told["runs"][0]["run"] == "a"


def test_a_removed_run_is_told(server: Server) -> None:
    """The rows of a watched run that is removed, by itself or with its folder, are no longer what they were."""
    post(server, frames.encode(1, Op.APPEND, b"all/a/metrics.pkl", rows(0, 5)))
    with closing(Page(server, question("loss", runs={"all/a": 5}, version=version(server)))) as page:
        post(server, frames.encode(2, Op.REMOVE, b"all", b""))
        assert page.kind("reset")["run"] == "all/a"
        while page.kind("runs")["removed"] != ["all/a"]:
            pass
        post(server, frames.encode(3, Op.APPEND, b"all/a/metrics.pkl", rows(7, 8)))  # it begins anew
        (line,) = page.points(1)
        assert line.ys == (7.5,)


def test_what_others_write_into_the_folder_is_noticed(server: Server) -> None:
    """Rows that a program appends to the very files, and runs that it makes there, are told as well."""
    with ML_Logger(root=str(server.data_dir), prefix="local", silent=True) as local:
        local.log(0, loss=0.5, flush=True)
        with closing(Page(server, question("loss", runs={"local": 1}, version=version(server)))) as page:
            local.log(1, loss=1.5, flush=True)
            (line,) = page.points(1)
            assert line.ys == (1.5,)
            (server.data_dir / "new").mkdir()
            shutil.copy(server.data_dir / "local/metrics.pkl", server.data_dir / "new/metrics.pkl")
            names: set[str] = set()
            while "new" not in names:
                names |= {run["run"] for run in page.kind("runs")["runs"]}
            shutil.rmtree(server.data_dir / "new")
            while page.kind("runs")["removed"] != ["new"]:
                pass


def test_watched_files_are_told_of(server: Server) -> None:
    """A page hears what the files that it watches are, and what becomes of them; of a folder, that it has changed."""
    with closing(Page(server, question(runs={}, version=version(server), files=["a/log.txt", "a/images"]))) as page:
        assert page.kind("files")["files"] == {"a/log.txt": None, "a/images": None}

        def comes(**expected: int | None) -> None:
            """Wait for what is told of files; a folder may be told of twice, when it is made and when it is filled."""
            wanted = {f"a/{name.replace('_', '.')}": size for name, size in expected.items()}
            heard: dict[str, int | None] = {}
            while not wanted.items() <= heard.items():
                heard |= page.kind("files")["files"]

        post(server, frames.encode(1, Op.APPEND, b"a/log.txt", b"12345"))
        comes(log_txt=5)
        post(server, frames.encode(2, Op.WRITE, b"a/images/1.png", b"123"))
        comes(images=0)
        post(server, frames.encode(3, Op.WRITE, b"a/log.txt", b"54321"))
        comes(log_txt=5)
        with (server.data_dir / "a/log.txt").open("a") as file:
            file.write("678")
        comes(log_txt=8)
        post(server, frames.encode(4, Op.REMOVE, b"a", b""))
        comes(log_txt=None, images=None)


def test_nothing_is_sent_while_nothing_happens(server: Server) -> None:
    """Not one byte comes while others write what nobody watches, and while the server looks at its folder again."""
    post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", rows(0, 5)))
    known = version(server)
    with closing(Page(server, question("loss", runs={"a": 5}, version=known, files=["a/x"]))) as page:
        assert page.kind("files")["files"] == {"a/x": None}
        for number in range(30):
            post(server, frames.encode(2 + number, Op.APPEND, b"elsewhere/notes.txt", b"x"))
            assert version(server) == known
        post(server, frames.encode(32, Op.APPEND, b"a/x", b"1"))

        assert page.next() == {"kind": "files", "files": {"a/x": 1}}


def test_a_page_that_does_not_read_costs_no_more(server: Server, remote: ML_Logger) -> None:
    """Who reads late is told all the same rows, or that he has missed them; the server does not hold them for him."""
    with closing(Page(server, question("loss", "text", runs={"me/run": 0}, xs=("", "_step", "_relative")))) as page:
        for n in range(30_000):
            remote.log(n, loss=float(n))
        remote.flush()
        last, done = -1.0, False
        while not done:
            message = page.next()
            for line in message if isinstance(message, list) else ():
                if line.head["x"] == "":
                    assert line.ys == tuple(range(int(last) + 1, int(line.ys[-1]) + 1))
                    last = line.ys[-1]
                    done = last == 29_999
            if isinstance(message, dict) and message.get("kind") == "reset":
                remote.log(30_000, loss=-1.0, flush=True)
                assert page.until(lambda one: isinstance(one, list) and one[-1].ys[-1] == -1.0)
                done = True
    size = int((Path("/proc") / str(server.pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert size < 400 * 2**20


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with tokens, one of them for one folder only, and their headers."""
    data = tmp_path / "data"
    path = tokens.path_in(data)
    secrets = {"all": tokens.add(path, "all"), "mine": tokens.add(path, "mine", scope="read", prefix="mine")}
    server = Server(data)
    server.start()
    yield server, {name: f"Bearer {secret}" for name, secret in secrets.items()}
    server.stop()


def test_a_prefix_narrows_a_stream(guarded: tuple[Server, dict[str, str]]) -> None:
    """A token for some keys hears of runs below them, and may watch no others."""
    server, headers = guarded
    mine, everybody = {"Authorization": headers["mine"]}, {"Authorization": headers["all"]}
    for number, run in enumerate((b"mine/a", b"other/b", b"mine/c")):
        post(server, frames.encode(1 + number, Op.APPEND, run + b"/metrics.pkl", rows(0, 1)), **everybody)
    listed = requests.get(f"{server.url}/v1/runs", headers=mine, timeout=30).json()
    assert sorted(run["run"] for run in listed["runs"]) == ["mine/a", "mine/c"]
    with closing(Page(server, question("loss", runs={"mine/a": 1}, version=listed["version"]), **mine)) as page:
        post(server, frames.encode(4, Op.APPEND, b"other/new/metrics.pkl", rows(0, 1)), **everybody)
        post(server, frames.encode(5, Op.REMOVE, b"other/b", b""), **everybody)
        post(server, frames.encode(6, Op.APPEND, b"mine/new/metrics.pkl", rows(0, 1)), **everybody)
        heard: list[str] = []
        while "mine/new" not in heard:
            told = page.kind("runs")
            heard += [run["run"] for run in told["runs"]] + told["removed"]
        assert all(name.startswith("mine/") for name in heard)
    for watched in (
        question("loss", runs={"other/b": 0}),
        question(runs={}, files=["other/x"]),
        question(runs={"": 0}),
    ):
        assert Page(server, watched, **mine).answer.status_code == 403
    assert Page(server, question(runs={})).answer.status_code == 401


def test_a_revoked_token_ends_its_stream(guarded: tuple[Server, dict[str, str]]) -> None:
    """Who may no longer ask is no longer told."""
    server, headers = guarded
    page = Page(
        server, question(runs={}, version=version(server, Authorization=headers["all"])), Authorization=headers["mine"]
    )
    tokens.revoke(tokens.path_in(server.data_dir), "mine")
    while page.next() is not None:
        pass


def test_a_stream_ends_with_the_server(server: Server) -> None:
    """A server that stops ends its streams as they should end, and does not wait for pages that do not read."""
    pages = [Page(server, question("loss", runs={"a": 0})) for _ in range(3)]

    assert server.stop() == 0
    for page in pages:
        while page.next() is not None:
            pass


def test_pages_that_are_gone_leave_their_places(server: Server) -> None:
    """A client has so many streams at most, and who closes some can open others."""
    for _ in range(2):
        pages = []
        while len(pages) < live.MOST_OF_ONE:
            page = Page(server, question(runs={}))
            pages += [page] if page.answer.ok else []  # those of the round before are found gone in a moment
        assert Page(server, question(runs={})).answer.status_code == 429
        for page in pages:
            page.close()


def test_nothing_is_told_of_what_lies_behind_a_link(server: Server, tmp_path: Path) -> None:
    """A link to a folder leads nowhere: neither the sizes of files outside are told, nor of our own, nor of others."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"s" * 4242)
    (server.data_dir / "link").symlink_to(outside)
    (server.data_dir / "private").symlink_to(server.data_dir / ".ml_logger")
    watched = ["link/secret", "private/catalog.db", "link"]
    with closing(Page(server, question(runs={}, files=watched))) as page:
        assert page.kind("files")["files"] == dict.fromkeys(watched)


def test_a_metric_that_is_half_a_character_ends_no_stream(server: Server) -> None:
    """A column whose name is no text that can be written is told under its name, in JSON's own way."""
    post(server, frames.encode(1, Op.APPEND, b"r/metrics.pkl", b"\x80\x04}\x8c\x03\xed\xa0\x80K\x01s."), WRITER)
    with closing(Page(server, question("\ud800", runs={"r": 0}))) as page:
        (line,) = page.points(1)
        assert (line.head["key"], line.ys) == ("\ud800", (1.0,))


@pytest.mark.parametrize(
    ("status", "watched"),
    [
        (400, []),
        (400, {"runs": 7}),
        (400, {"watch": []}),
        (400, {"watch": {"keys": "loss"}}),
        (400, {"watch": {"keys": [1]}}),
        (400, {"watch": {"runs": {"a": -1}}}),
        (400, {"watch": {"runs": {"a": 1.5}}}),
        (400, {"watch": {"runs": {"../out": 0}}}),
        (400, {"watch": {"runs": {".ml_logger": 0}}}),
        (400, {"files": ["/etc/passwd"]}),
        (400, {"files": [".ml_logger/tokens.json"]}),
        (400, {"files": [None]}),
        (413, {"watch": {"runs": {f"r{n}": 0 for n in range(10_001)}}}),
        (413, {"watch": {"keys": [f"k{n}" for n in range(1001)]}}),
        (413, {"watch": {"xs": [f"k{n}" for n in range(17)]}}),
        (413, {"files": [f"f{n}" for n in range(1001)]}),
        (413, {"watch": {"keys": [f"k{n}" for n in range(101)], "runs": {f"r{n}": 0 for n in range(1000)}}}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_odd_questions_are_refused(status: int, watched: Any, shared_server: Server) -> None:
    """What makes no sense is answered with one sentence, and no stream begins."""
    answer = Page(shared_server, watched).answer

    assert answer.status_code == status
    assert [*answer.json()] == ["error"]


def test_large_questions_are_answered(server: Server) -> None:
    """A page may watch thousands of runs, also such that are not there."""
    post(server, frames.encode(1, Op.APPEND, b"r7/metrics.pkl", rows(0, 5)), WRITER)
    watched = question(*(f"k{n}" for n in range(9)), "loss", runs={f"r{n}": 3 for n in range(9000)} | {"r7": 4})
    with closing(Page(server, watched)) as page:
        (line,) = page.points(1)
        assert (line.head["run"], line.ys) == ("r7", (4.5,))
