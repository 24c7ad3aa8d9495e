"""Measure how fast a server takes rows in and commits them.

For 1, 8 and 50 writers that send at once, with either durability: rows and megabytes a second, how many groups were
committed and how often the disk was synced in a second. Each row is the frame of a `logger.log` with ten scalars; the
batches are made beforehand, since what is measured is the server. They have 4 MiB, as of a client that catches up, or
25 rows, as of a training that logs 500 rows a second. For comparison, the same bytes are written to one
file in the same batches, each with an fdatasync. Prints one table; does not gate.
"""

import argparse
import os
import pickle
import platform
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import requests

from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from ml_logger.transport.http import HttpTransport

random.seed(0)
SCALARS = {f"metric_{i}": random.random() for i in range(10)}


class Result(NamedTuple):
    """What one case took: seconds, rows, bytes, groups that were committed, and syncs."""

    name: str
    seconds: float
    rows: int
    size: int
    commits: int
    syncs: int


#: Rows of a small batch.
SMALL = 25


def batches(rows: int, key: bytes, most: int | None = None) -> list[bytes]:
    """Return the batches that a writer sends for so many rows, with at most `most` rows in each."""
    made, current, size = [], [], 0
    for step in range(rows):
        row = {"_step": step, "_timestamp": time.time(), **SCALARS}
        current.append(frames.encode(step + 1, Op.APPEND, key, pickle.dumps(row, 4)))
        size += len(current[-1])
        if size >= protocol.BATCH_SIZE or step == rows - 1 or len(current) == most:
            made.append(b"".join(current))
            current, size = [], 0
    return made


def bare(folder: Path, work: list[bytes]) -> float:
    """Write batches to a file, each with an fdatasync; return the seconds that it takes."""
    file = os.open(folder / f"{time.time_ns()}", os.O_WRONLY | os.O_CREAT)
    begin = time.perf_counter()
    for batch in work:
        os.write(file, batch)
        os.fdatasync(file)
    took = time.perf_counter() - begin
    os.close(file)
    return took


def ingest(folder: Path, name: str, durability: str, work: list[list[bytes]], rows: int) -> Result:
    """Let writers send their batches to a fresh server at once."""
    server = Server(folder / f"{time.time_ns()}", options=("--durability", durability))
    server.start()

    def send(number: int) -> None:
        transport = HttpTransport(server.url, None, 120.0)
        for batch in work[number]:
            reply = transport.post_batch(f"{number:032x}", batch)
            assert reply.status == 200, reply
        transport.close()

    def counts() -> dict[str, int]:
        return dict(requests.get(server.url + protocol.HEALTH, timeout=30).json())

    try:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(len(work))]
        before, begin = counts(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds, after = time.perf_counter() - begin, counts()
    finally:
        server.stop()
    size = sum(len(batch) for batches in work for batch in batches)
    return Result(name, seconds, rows, size, after["commits"] - before["commits"], after["syncs"] - before["syncs"])


def measure(folder: Path, rows: int, rounds: int) -> list[Result]:
    """Measure all cases in turns; return the median round of each."""
    cases = [(writers, most) for most in (None, SMALL) for writers in (1, 8, 50)]
    found: dict[str, list[Result]] = {}
    for _ in range(rounds):
        for writers, most in cases:
            each = rows // writers // (1 if most is None else 10)
            for durability in ("power", "process"):
                work = [batches(each, b"run/%d/metrics.pkl" % number, most) for number in range(writers)]
                name = f"{writers:2} writer{'s' if writers > 1 else ' '}, {durability}{', small' if most else ''}"
                found.setdefault(name, []).append(ingest(folder, name, durability, work, each * writers))
        work = batches(rows, b"run/metrics.pkl")
        size = sum(map(len, work))
        plain = Result("write + fdatasync, bare", bare(folder, work), rows, size, len(work), len(work))
        found.setdefault(plain.name, []).append(plain)
    return [sorted(results, key=lambda result: result.seconds)[len(results) // 2] for results in found.values()]


def table(results: list[Result]) -> str:
    """Lay the results out."""
    lines = [
        f"{'':26} │{'rows/s':>12}{'MB/s':>9}{'commits/s':>11}{'syncs/s':>9}{'rows/commit':>13}",
        "─" * 27 + "┼" + "─" * 54,
    ]
    for result in results:
        lines.append(
            f"{result.name:26} │{result.rows / result.seconds:12,.0f}{result.size / result.seconds / 1e6:9.1f}"
            f"{result.commits / result.seconds:11.1f}{result.syncs / result.seconds:9.1f}"
            f"{result.rows / result.commits:13,.0f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000, help="rows of each case (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median is shown (%(default)s)")
    parser.add_argument("--folder", help="where to write, to measure another disk (the folder for temporary files)")
    parser.add_argument("--quick", action="store_true", help="5,000 rows, once: to see that it works")
    args = parser.parse_args()
    rows, rounds = (5_000, 1) if args.quick else (args.rows, args.rounds)

    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        results = measure(Path(folder), rows, rounds)
    print(table(results))
    print(f"Python {platform.python_version()}, {sys.platform}, {os.cpu_count()} cores, {rows:,} rows of ten scalars")


if __name__ == "__main__":
    main()
