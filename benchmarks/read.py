"""Measure how fast a file of rows is read: a loop of `pickle.load` against one column, and all of them, as arrays.

The file is what `logger.log(step, **ten_floats)` writes, row by row: a step, a time stamp and ten floats. All ways of
reading take turns, and the median round of each is shown, with how much faster it is than the loop, which keeps one
value of each row and throws the others away. Two more files have rows that are not all alike. Memory is measured in a
program of its own for each way: how much more it needed, at its peak, than before it began to read. Then a server on
this machine serves the same file: one column from it and from the folder in turns; the same again after 1,000 more
rows, with a cache; and one column of 1,000 runs of 1,000 rows. Without a word about it nothing is cached. Prints three
tables; does not gate.
"""

import argparse
import os
import pickle
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ml_logger import readers
from ml_logger.stores import open_store
from ml_logger.testing import serve

NAMES = [f"metric_{i}" for i in range(10)]

Way = Callable[[Path, str], Any]


def alike(rows: int) -> Iterator[dict[str, Any]]:
    """Yield rows of a step, a time stamp and ten floats."""
    for step in range(rows):
        yield {"_step": step, "_timestamp": 1.7e9 + step, **{name: random.random() for name in NAMES}}


def in_turns(rows: int) -> Iterator[dict[str, Any]]:
    """Yield rows of training and of evaluation in turns, with other names."""
    for step, row in enumerate(alike(rows)):
        yield row if step % 2 else {f"eval/{name}" if name in NAMES else name: row[name] for name in row}


def of_any_width(rows: int) -> Iterator[dict[str, Any]]:
    """Yield rows with a text and counters, whose lengths differ from row to row."""
    for step, row in enumerate(alike(rows)):
        yield {**row, "tokens": step * 613, "seen": random.getrandbits(random.choice([7, 15, 31])), "note": f"n{step}"}


FILES = {"alike": alike, "in turns": in_turns, "any width": of_any_width}


def write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """Write rows as the logger does, one pickle after another."""
    with open(path, "wb") as file:
        for row in rows:
            file.write(pickle.dumps(row, 4))


def loop(root: Path, key: str) -> list[Any]:
    """Read with nothing but the standard library, and keep one value of each row, which is the least."""
    found = []
    with open(root / key, "rb") as file:
        while True:
            try:
                found.append(pickle.load(file).get("metric_3"))
            except EOFError:
                return found


def one(root: Path, key: str) -> Any:
    """Read one column as an array."""
    return readers.read_columns(open_store(str(root), None, {}), key, ["metric_3"])["metric_3"].to_numpy()


def every(root: Path, key: str) -> Any:
    """Read all columns as arrays."""
    table = readers.read_columns(open_store(str(root), None, {}), key)
    return table, [column.to_numpy() for column in table.values()]


WAYS: dict[str, Way] = {"pickle.load loop": loop, "one column": one, "all columns": every}


def seconds(way: Way, root: Path, key: str) -> float:
    """Return the seconds that one way takes once."""
    begin = time.perf_counter()
    way(root, key)
    return time.perf_counter() - begin


def peak(name: str, root: Path, key: str) -> tuple[float, float]:
    """Return the MiB that a way needs at its peak, and those of the columns that it returns (0 for the loop)."""
    command = [sys.executable, __file__, "--measure", name, str(root), key]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    more, size = done.stdout.split()
    return float(more), float(size)


def measure_peak(name: str, root: str, key: str) -> None:
    """Read once, in a program of its own, and print the MiB that it took."""
    every_small = Path(root) / "small.pkl"  # so that imports are not counted
    WAYS[name](Path(root), every_small.name)
    reset_peak()
    before = memory("VmRSS")
    found = WAYS[name](Path(root), key)
    size = found[0].nbytes if name == "all columns" else getattr(found, "nbytes", 0)
    print((memory("VmHWM") - before) / 2**20, size / 2**20)


def reset_peak() -> None:
    """Let Linux forget the highest memory so far."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def memory(field: str) -> int:
    """Return the bytes of one field of this process's memory, as Linux tells it."""
    with open("/proc/self/status") as file:
        [line] = [line for line in file if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024


def compare(root: Path, rows: int, rounds: int) -> None:
    """Print the table of times."""
    print(f"{'':29} │{'ms':>10}{'us/row':>9}{'MB/s':>9}{'times the loop':>16}")
    print("─" * 30 + "┼" + "─" * 44)
    for file, made in FILES.items():
        key = f"{file.replace(' ', '-')}.pkl"
        write(root / key, made(rows))
        size = (root / key).stat().st_size
        took: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(rounds):
            for name, way in WAYS.items():
                took[name].append(seconds(way, root, key))
        medians = {name: statistics.median(each) for name, each in took.items()}
        for name, median in medians.items():
            print(
                f"{file:10} {name:18} │{median * 1e3:10,.1f}{median / rows * 1e6:9.3f}{size / median / 1e6:9,.0f}"
                f"{medians['pickle.load loop'] / median:16.1f}"
            )


def weigh(root: Path) -> None:
    """Print the table of memory."""
    write(root / "small.pkl", alike(100))
    print(f"\n{'':29} │{'peak MiB':>10}{'columns MiB':>13}{'2.5 x columns + 200':>22}")
    print("─" * 30 + "┼" + "─" * 45)
    for name in WAYS:
        more, size = peak(name, root, "alike.pkl")
        limit = f"{2.5 * size + 200:22,.1f}" if size else ""
        print(f"{'alike':10} {name:18} │{more:10,.1f}{size:13,.1f}{limit}")


class Metered:
    """A store that counts the answers about rows, and their bytes."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.answers = self.received = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def tables(self, question: Any) -> Iterator[bytes]:
        """Pass an answer on."""
        self.answers += 1
        for piece in self._store.tables(question):
            self.received += len(piece)
            yield piece


def serve_and_read(root: Path, rows: int, runs: int, rounds: int) -> None:
    """Print the table of reading from a server."""
    for number in range(runs):
        (root / f"runs/{number:04}").mkdir(parents=True)
        write(root / f"runs/{number:04}/metrics.pkl", alike(rows // runs))
    took: dict[str, list[float]] = {}
    with serve(root) as server:
        local, remote = open_store(str(root), None, {}), Metered(open_store(server.url, None, {}))
        readers.read_columns(remote, "small.pkl")  # the server has imported then what it needs
        for _ in range(rounds):
            for place, store in (("folder", local), ("server", remote)):
                note(took, f"one column, {place}", one_of, store)
                remote.answers = 0
                note(took, f"{runs:,} runs, {place}", all_of, store)
        answers, received = remote.answers, read_again(took, root, remote, rounds)
    print(f"\n{'':29} │{'ms':>10}{'times the folder':>18}")
    print("─" * 30 + "┼" + "─" * 55)
    besides = {
        "again, server": f"  {received / 2**10:,.1f} KiB received",
        f"{runs:,} runs, server": f"  {answers} request",
    }
    medians = {name: statistics.median(each) for name, each in took.items()}
    for name in ("one column, folder", "one column, server", "again, server", *(n for n in took if n[0].isdigit())):
        folder = medians.get(name.replace("server", "folder"), medians["one column, folder"])
        print(f"{name:29} │{medians[name] * 1e3:10,.1f}{medians[name] / folder:18.2f}{besides.get(name, '')}")


def read_again(took: dict[str, list[float]], root: Path, store: Metered, rounds: int) -> float:
    """Read one column after each 1,000 rows more, what was read before being cached; return the bytes received."""
    received = []
    os.environ["ML_LOGGER_CACHE_SIZE"] = "1024"
    one_of(store)
    for _ in range(rounds):
        with open(root / "alike.pkl", "ab") as file:
            for row in alike(1000):
                file.write(pickle.dumps(row, 4))
        store.received = 0
        note(took, "again, server", one_of, store)
        received.append(store.received)
    return statistics.median(received)


def one_of(store: Any) -> None:
    """Read one column of the long file."""
    readers.read_columns(store, "alike.pkl", ["metric_3"])


def all_of(store: Any) -> None:
    """Read one column of all runs."""
    for _ in readers.read_tables(store, "runs/**", ["metric_3"]):
        pass


def note(took: dict[str, list[float]], name: str, read: Callable[[Any], None], store: Any) -> None:
    """Note the seconds that reading takes once."""
    begin = time.perf_counter()
    read(store)
    took.setdefault(name, []).append(time.perf_counter() - begin)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each file (%(default)s)")
    parser.add_argument("--runs", type=int, default=1000, help="runs that as many rows are in, in all (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median is shown (%(default)s)")
    parser.add_argument("--folder", help="where to write, to measure another disk (the folder for temporary files)")
    parser.add_argument("--quick", action="store_true", help="10,000 rows, 10 runs, once: to see that it works")
    parser.add_argument("--measure", nargs=3, metavar=("WAY", "ROOT", "KEY"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure_peak(*args.measure)
        return
    rows, runs, rounds = (10_000, 10, 1) if args.quick else (args.rows, args.runs, args.rounds)
    os.environ["ML_LOGGER_CACHE_SIZE"] = "0"
    random.seed(0)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        compare(Path(folder), rows, rounds)
        if Path("/proc/self/clear_refs").exists():
            weigh(Path(folder))
        write(Path(folder) / "small.pkl", alike(100))
        os.environ["ML_LOGGER_CACHE"] = f"{folder}/cache"
        serve_and_read(Path(folder), rows, runs, rounds)
    print(f"Python {platform.python_version()}, {sys.platform}, {os.cpu_count()} cores, {rows:,} rows of each file")


if __name__ == "__main__":
    main()
