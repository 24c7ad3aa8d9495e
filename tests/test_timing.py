"""Stopwatches, counters, the time of day and parts of paths."""

from __future__ import annotations

import datetime
import re
import threading
from pathlib import Path

import pytest

from ml_logger import ML_Logger, now
from ml_logger.timers import Counters, Timers


@pytest.fixture
def quiet(tmp_path: Path) -> ML_Logger:
    """A logger that prints nothing."""
    return ML_Logger(tmp_path / "root", silent=True)


def test_split() -> None:
    """`split` gives None at first, then the seconds since the last one; several names give a list."""
    times = iter([10.0, 11.0, 13.5, 20.0, 21.0])
    watch = Timers(lambda: next(times))

    assert watch.split() is None
    assert watch.split() == 1.0
    assert watch.split("a", "default", "a") == [None, 2.5, None]
    assert watch.split("a", "a") == [6.5, 6.5]
    assert watch.split("default") == 7.5


def test_start_and_since() -> None:
    """`since` gives the seconds since `start`, again and again; a stopwatch that was not started starts then."""
    times = iter([10.0, 12.0, 15.0, 16.0, 18.0, 20.0])
    watch = Timers(lambda: next(times))

    assert watch.start("loop", "iter") == [10.0, 10.0]
    assert watch.since("loop") == 2.0
    assert watch.split("iter") == 5.0
    assert watch.since("loop", "iter", "new") == [6.0, 1.0, None]
    assert watch.since("new") == 2.0
    assert watch.start() == 20.0


def test_the_logger_times(quiet: ML_Logger) -> None:
    """The verbs of the logger measure real seconds, by name."""
    assert quiet.split() is None
    assert quiet.split() >= 0
    assert quiet.since("other") is None
    assert isinstance(quiet.start("a"), float)
    assert isinstance(quiet.start("a", "b"), list)
    assert quiet.since("a", "b")[0] >= 0


def test_every_and_count(quiet: ML_Logger) -> None:
    """`every` is true every n calls by name, from the first with `start_on=1`; `count` counts; `clear` begins anew."""
    assert [number for number in range(1, 10) if quiet.every(3)] == [3, 6, 9]
    assert [number for number in range(1, 10) if quiet.every(4, "a", start_on=1)] == [1, 5, 9]
    assert [number for number in range(1, 10) if quiet.every(n=3, key="b", start_on=5)] == [5, 8]
    assert [quiet.every(0, "never"), quiet.every(None, "never")] == [False, False]  # type: ignore[arg-type]
    assert [quiet.count(), quiet.count("c"), quiet.count("c")] == [10, 1, 2]
    quiet.clear("c")
    quiet.clear("unknown")
    assert quiet.count(key="c") == 1
    quiet.clear()
    assert quiet.count() == 1


def test_counters_are_safe_for_threads() -> None:
    """No number is given out twice, whatever the threads do."""
    counters, seen = Counters(), []

    def count() -> None:
        seen.extend([counters.count() for _ in range(2000)])

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(seen) == list(range(1, 16_001))


def test_time_of_a_block(logger: ML_Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`time` prints and logs how long a block took, or the mean of several; an error in it passes."""
    for _ in range(4):
        with logger.time("forward", interval=2):
            pass
    with logger.time():
        pass
    with pytest.raises(ValueError, match="inside"), logger.time("failed"):
        raise ValueError("inside")
    lines = logger.load_text("outputs.log").splitlines()

    assert len(lines) == 3
    assert all(re.fullmatch(r"forward: [\d.e+-]+ \S+ ± [\d.e+-]+ \S+ \(2 times\)", line) for line in lines[:2])
    assert re.fullmatch(r"default: [\d.e+-]+ (s|ms|µs)", lines[2])
    assert capsys.readouterr().out == ""
    loud = ML_Logger(tmp_path / "loud")
    with loud.time("x"):
        pass
    assert capsys.readouterr().out == loud.load_text("outputs.log")


def test_now(quiet: ML_Logger) -> None:
    """`now` is the local time, `utcnow` the one in UTC, as datetimes or in a format."""
    before = datetime.datetime.now()
    assert before <= quiet.now() <= datetime.datetime.now()
    assert before <= now() <= datetime.datetime.now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}", quiet.now("%Y-%m-%d-%f"))
    assert re.fullmatch(r"\d\d:\d\d", now("%H:%M"))
    assert quiet.utcnow().utcoffset() == datetime.timedelta(0)
    assert abs(quiet.utcnow() - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(minutes=1)
    assert re.fullmatch(r"\d{4}", quiet.utcnow("%Y"))


def test_parts_of_paths(quiet: ML_Logger) -> None:
    """`truncate` leaves out the first parts, by default all but the last; `stem` leaves out the suffix."""
    path = "/home/me/some-proj/experiments/rope.cnn.py"

    assert quiet.truncate(path) == "rope.cnn.py"
    assert quiet.truncate(path, depth=4) == "experiments/rope.cnn.py"
    assert quiet.truncate(Path(path), 4) == "experiments/rope.cnn.py"
    assert quiet.stem(path) == "/home/me/some-proj/experiments/rope.cnn"
    assert quiet.stem(quiet.truncate(path, 4)) == "experiments/rope.cnn"
