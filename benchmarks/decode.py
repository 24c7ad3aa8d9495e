"""Measure what paranoid reading costs: records by the C unpickler, and the same by the machine of our own.

Both read the same bytes in memory, a file of records of one kind, in turns; the median round of each is shown, and how
many times the first the second takes. Prints one table; does not gate.
"""

import argparse
import os
import pickle
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ml_logger.encoders import record_reader

#: What a record is, and for how many records of a file of `--rows` rows there is one of this kind.
KINDS: dict[str, tuple[Callable[[int], Any], int]] = {
    "row of 12 numbers": (lambda i: {"_step": i, **{f"metric_{k}": random.random() for k in range(11)}}, 1),
    "row with a numpy.float32": (lambda i: {"_step": i, "loss": np.float32(i)}, 1),
    "array of 8 kB": (lambda i: np.full(1000, i, "f8"), 10),
    "array of 1 MB": (lambda i: np.full(1 << 17, i, "f8"), 200),
}


def seconds(data: bytes, paranoid: bool) -> float:
    """Return the seconds that it takes to read all records."""
    begin = time.perf_counter()
    for _ in record_reader.decode([data], paranoid=paranoid):
        pass
    return time.perf_counter() - begin


def measured(rows: int, rounds: int) -> Iterator[tuple[str, float, float]]:
    """Yield the kinds of records, and the microseconds that one takes in either way."""
    for name, (make, each) in KINDS.items():
        count = max(1, rows // each)
        data = b"".join(pickle.dumps(make(number), 4) for number in range(count))
        took: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(rounds):
            for paranoid, times in took.items():
                times.append(seconds(data, paranoid) / count * 1e6)
        yield name, statistics.median(took[False]), statistics.median(took[True])


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the file (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median is shown (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="1,000 rows, once: to see that it works")
    args = parser.parse_args()
    rows, rounds = (1000, 1) if args.quick else (args.rows, args.rounds)
    random.seed(0)
    print(f"{'us for each record':26} │{'default':>10}{'paranoid':>10}{'times':>8}")
    print("─" * 27 + "┼" + "─" * 28)
    for name, default, paranoid in measured(rows, rounds):
        print(f"{name:26} │{default:10.1f}{paranoid:10.1f}{paranoid / default:8.1f}")
    print(f"Python {platform.python_version()}, {sys.platform}, {os.cpu_count()} cores, {rows:,} rows")


if __name__ == "__main__":
    main()
