"""Measure what one `logger.log(step, **ten_scalars, silent=True)` costs the training thread.

Into a folder, to a server, to a server that is frozen, and to one that is not there; before and after these, for
comparison, pickling the same row and writing it to a file. Prints one table; does not gate.
"""

import argparse
import contextlib
import io
import os
import pickle
import platform
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ml_logger import ML_Logger
from ml_logger.testing import serve

RATE = 1_000  # calls a second, paced

random.seed(0)
SCALARS = {f"metric_{i}": random.random() for i in range(10)}

Log = Callable[[int], None]


class Result(NamedTuple):
    """The times of the calls of a case, sorted, in microseconds."""

    name: str
    tight: list[float]
    paced: list[float]


# ------------------------------------------------------------------------------------------------------------ measuring


def tight(log: Log, calls: int) -> list[float]:
    """Call without a pause; return the sorted times in microseconds."""
    times = []
    for step in range(calls):
        start = time.perf_counter_ns()
        log(step)
        times.append((time.perf_counter_ns() - start) / 1e3)
    return sorted(times)


def paced(log: Log, seconds: float) -> list[float]:
    """Call 1,000 times a second, asleep between the calls as a training that waits for its accelerator."""
    times = []
    begin = time.perf_counter()
    for step in range(int(seconds * RATE)):
        time.sleep(max(0.0, begin + step / RATE - time.perf_counter()))
        start = time.perf_counter_ns()
        log(step)
        times.append((time.perf_counter_ns() - start) / 1e3)
    return sorted(times)


def percentile(times: list[float], share: float) -> float:
    """Return the time that this share of the sorted calls does not exceed."""
    return times[min(len(times) - 1, int(share * len(times)))]


# -------------------------------------------------------------------------------------------------------------- cases


@contextlib.contextmanager
def bare(folder: Path) -> Iterator[Log]:
    """Pickle and write, and nothing else."""
    file = os.open(folder / f"{time.time_ns()}.pkl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def log(step: int) -> None:
        os.write(file, pickle.dumps({"_step": step, "_timestamp": time.time(), **SCALARS}))

    yield log
    os.close(file)


@contextlib.contextmanager
def logging_to(root: str, prefix: str = "run", leave_after: float | None = None) -> Iterator[Log]:
    """Log to a folder or a server; at the end, wait this many seconds for what is not delivered."""
    logger = ML_Logger(root=root, prefix=prefix)

    def log(step: int) -> None:
        logger.log(step, **SCALARS, silent=True)

    with contextlib.redirect_stderr(io.StringIO()):  # which says that a server does not answer: here that is the point
        yield log
        logger.close(leave_after)


@contextlib.contextmanager
def logging_to_frozen_server() -> Iterator[Log]:
    """Log to a server that accepts connections and never answers."""
    with serve() as server, logging_to(server.url, leave_after=0) as log:
        server.send(signal.SIGSTOP)
        try:
            yield log
        finally:
            server.send(signal.SIGCONT)


@contextlib.contextmanager
def logging_to_nobody() -> Iterator[Log]:
    """Log to a port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with logging_to(f"http://127.0.0.1:{taken.getsockname()[1]}", leave_after=0) as log:
            yield log


@contextlib.contextmanager
def logging_to_server() -> Iterator[Log]:
    """Log to a server on this machine, in a process of its own."""
    with serve() as server, logging_to(server.url) as log:
        yield log


def measure(folder: Path, calls: int, seconds: float) -> Iterator[Result]:
    """Measure all cases, each kind of call with a logger of its own."""
    cases = {
        "pickle + write, before": lambda: bare(folder),
        "folder": lambda: logging_to(str(folder), prefix=str(time.time_ns())),
        "server": logging_to_server,
        "server, frozen": logging_to_frozen_server,
        "server, not there": logging_to_nobody,
        "pickle + write, after": lambda: bare(folder),
    }
    for name, case in cases.items():
        with case() as log:
            slow = paced(log, seconds)
        with case() as log:
            yield Result(name, tight(log, calls), slow)


def table(results: list[Result], calls: int, seconds: float) -> str:
    """Lay the results out, times in microseconds."""
    base = min(percentile(result.tight, 0.5) for result in results if result.name.startswith("pickle"))
    left, right = f"no pause, {calls:,} calls", f"{RATE:,} a second for {seconds:g} s"
    lines = [
        f"{'microseconds a call':24} │ {left:^27} │ {right:^29}",
        f"{'':24} │ {'median':>9}{'p99':>9}{'ratio':>9} │ {'median':>9}{'p99':>9}{'max':>11}",
        "─" * 25 + "┼" + "─" * 29 + "┼" + "─" * 31,
    ]
    for name, fast, slow in results:
        median = percentile(fast, 0.5)
        lines.append(
            f"{name:24} │ {median:9.1f}{percentile(fast, 0.99):9.1f}{median / base:9.1f}"
            f" │ {percentile(slow, 0.5):9.1f}{percentile(slow, 0.99):9.1f}{slow[-1]:11.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=50_000, help="calls without a pause (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of 1,000 calls each (%(default)s)")
    parser.add_argument("--folder", help="where to write, to measure another disk (the folder for temporary files)")
    parser.add_argument("--quick", action="store_true", help="2,000 calls and half a second: to see that it works")
    args = parser.parse_args()
    calls, seconds = (2_000, 0.5) if args.quick else (args.calls, args.seconds)

    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        os.environ["ML_LOGGER_SPOOL"] = str(Path(folder, "spool"))
        results = list(measure(Path(folder), calls, seconds))
    print(table(results, calls, seconds))
    print(f"Python {platform.python_version()}, {sys.platform}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
