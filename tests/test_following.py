"""Following a file: every row once, in order, as it comes, from a folder and from a server."""

from __future__ import annotations

import itertools
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_logger import ML_Logger
from ml_logger.columns.boundaries import DamagedRecords
from ml_logger.columns.decoder import OtherRecords
from ml_logger.errors import InvalidSetting, ServerUnavailable, UntrustedData
from ml_logger.testing import Server
from tests import programs
from tests.row_files import file_of, identical

QUICK = 0.005
ROWS: list[dict[str, Any]] = [{"_step": n, "loss": n / 7} for n in range(40)]

Followed = Iterator[dict[str, Any]]


def take(rows: Followed, count: int) -> list[dict[str, Any]]:
    """Return the next rows."""
    return list(itertools.islice(rows, count))


@pytest.fixture
def path(root: str, request: pytest.FixtureRequest) -> Path:
    """The file of a run, where it lies on the disk."""
    if "://" in root:
        return Path(request.getfixturevalue("server").data_dir) / "me" / "run" / "metrics.pkl"
    return Path(root) / "me" / "run" / "metrics.pkl"


@pytest.fixture
def followed(logger: ML_Logger, path: Path) -> Followed:
    """The rows of that file, which is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return logger.follow("metrics.pkl", poll=QUICK, timeout=30)


def add(path: Path, data: bytes) -> None:
    """Append to a file."""
    with path.open("ab", buffering=0) as file:
        file.write(data)


def test_rows_come_as_they_are_logged(logger: ML_Logger, root: str) -> None:
    """While another program logs, every row comes once, in order, with the types that it had."""
    code = """
        import sys
        from ml_logger import ML_Logger
        with ML_Logger(root=sys.argv[1], prefix="me/run", silent=True) as logger:
            for step in range(2000):
                logger.log(step, loss=step / 7, word="a" * (step % 5))
    """
    with programs.start(code, root) as program:
        rows = take(logger.follow("metrics.pkl", poll=QUICK), 2000)
        assert program.wait(programs.PATIENCE) == 0
    for row in rows:
        del row["_timestamp"]
    assert identical(rows, [{"_step": n, "loss": n / 7, "word": "a" * (n % 5)} for n in range(2000)])


def test_what_is_there_comes_first_and_the_timeout_ends_it(logger: ML_Logger) -> None:
    """Rows that are there come at once, also those of this logger; without a new one in time it is over."""
    for step in range(300):
        logger.log(step, loss=step / 7)
    assert [row["_step"] for row in logger.follow("metrics.pkl", poll=QUICK, timeout=0.05)] == list(range(300))
    assert [row["_step"] for row in logger.follow("metrics.pkl", timeout=0)] == list(range(300))
    assert list(logger.follow("nothing.pkl", poll=QUICK, timeout=0.05)) == []


def test_a_file_that_is_not_there_yet_is_waited_for(logger: ML_Logger, followed: Followed) -> None:
    """Following may begin before the run does."""
    found: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: found.append(next(followed)))
    waiting.start()
    logger.log(0, loss=1.5, flush=True)
    waiting.join(programs.PATIENCE)
    assert [row["loss"] for row in found] == [1.5]


def test_a_row_that_is_being_written_comes_when_it_is_whole(followed: Followed, path: Path) -> None:
    """However the bytes of rows come, each row is there once."""
    data = file_of(ROWS)
    found: list[dict[str, Any]] = []
    reading = threading.Thread(target=lambda: found.extend(take(followed, len(ROWS))))
    reading.start()
    for at in range(0, len(data), 13):
        add(path, data[at : at + 13])
    reading.join(programs.PATIENCE)
    assert identical(found, ROWS)


def test_a_file_that_is_replaced_starts_over(followed: Followed, path: Path) -> None:
    """Replaced by more or less, written over, or removed and made anew: the new file's rows come, from its first."""
    others = [{**row, "loss": -1.0} for row in ROWS]
    path.write_bytes(file_of(ROWS))
    assert take(followed, 40) == ROWS
    path.with_name("new").write_bytes(file_of(others + ROWS))
    path.with_name("new").rename(path)
    assert take(followed, 80) == others + ROWS
    path.write_bytes(file_of(others[:5]))
    assert take(followed, 5) == others[:5]
    path.unlink()
    path.write_bytes(file_of(ROWS[7:]))
    assert take(followed, 33) == ROWS[7:]


def test_damage_costs_only_itself(followed: Followed, path: Path) -> None:
    """Rows behind a damaged place come as soon as they are there, with a warning that names the file."""
    path.write_bytes(file_of(ROWS) + bytes(50))
    assert take(followed, 40) == ROWS
    add(path, file_of([1, *ROWS]))
    with pytest.warns(DamagedRecords, match=r"50 bytes inside me/run/metrics\.pkl"):
        assert take(followed, 40) == ROWS
    add(path, file_of(ROWS))
    with pytest.warns(OtherRecords, match="1 records"):
        assert take(followed, 40) == ROWS


def test_a_server_that_is_restarted_is_waited_for(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A server may be killed at any moment and come back: no row is missing, none comes twice."""
    path = server.data_dir / "metrics.pkl"
    path.write_bytes(file_of(ROWS))
    with ML_Logger(root=server.url, silent=True) as logger:
        followed = logger.follow("metrics.pkl", poll=QUICK)
        assert take(followed, 25) == ROWS[:25]
        server.kill()
        assert take(followed, 15) == ROWS[25:]
        found: list[dict[str, Any]] = []
        reading = threading.Thread(target=lambda: found.extend(take(followed, 40)))
        reading.start()
        programs.wait_until(lambda: "still following" in capsys.readouterr().err)
        add(path, file_of(ROWS))
        server.start()
        reading.join(programs.PATIENCE)
        assert found == ROWS


def test_a_server_that_was_never_there_is_said(tmp_path: Path) -> None:
    """A wrong address raises at the first row, and a time that makes no sense at once."""
    server = Server(tmp_path / "data")
    server.start()
    server.stop()
    logger = ML_Logger(root=server.url, silent=True)
    with pytest.raises(ServerUnavailable):
        next(logger.follow("metrics.pkl"))
    for poll, timeout in ((0, None), (-1, None), (1, -1), (float("nan"), None)):
        with pytest.raises(InvalidSetting, match="seconds"):
            logger.follow("metrics.pkl", poll=poll, timeout=timeout)


def test_only_data_is_built(followed: Followed, path: Path) -> None:
    """A row that names a class raises, and is not built."""
    path.write_bytes(pickle.dumps({"a": ML_Logger}))
    with pytest.raises(UntrustedData, match="ML_Logger"):
        next(followed)


def test_a_loop_can_be_left(server: Server) -> None:
    """After breaking out of the loop in the middle of a file, the logger reads on as before."""
    (server.data_dir / "metrics.pkl").write_bytes(file_of(ROWS * 2000))
    with ML_Logger(root=server.url, silent=True) as logger:
        for row in logger.follow("metrics.pkl"):
            assert row == ROWS[0]
            break
        assert len(logger.load_pkl("metrics.pkl") or []) == 80_000
