"""Measure how fast a server answers what charts ask for: one long run, and a screen of many, from cold to warm.

Each question is one request of `POST /v1/series`; what is measured is the time until its last byte has come. A cold one
is the first after a start of the server, which begins to look at all runs at that moment; the next one is the first
after it has; warm ones find their columns in memory. Beside it is the time that the server worked, which tells more on
a machine that does other things, too. Last comes the memory of the server. Prints two tables; does not gate.
"""

import argparse
import os
import pickle
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from ml_logger.dashboard.series_wire import decode
from ml_logger.testing import Server, serve
from ml_logger.transport import protocol

#: Runs on the screen, and metrics of each.
RUNS, METRICS = 100, 20
PATIENCE = 120.0


def write(path: Path, rows: int, metrics: int, seed: int) -> None:
    """Write the rows of a run; one value of the first metric sticks out."""
    rng = random.Random(seed)
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        for number in range(rows):
            row = {"_step": number, "_timestamp": 1.7e9 + number / 100}
            row |= {f"group{metric // 5}/metric{metric}": rng.random() for metric in range(metrics)}
            if number == rows * 7 // 10 + 123:
                row["group0/metric0"] = 1000.0
            file.write(pickle.dumps(row, 4))


def metric(number: int) -> str:
    """Return the name of a metric."""
    return f"group{number // 5}/metric{number}"


#: Of one question: the seconds until it was answered, those that the server worked, and the bytes of the answer.
Took = dict[str, list[tuple[float, float, int]]]


def worked(server: Server) -> float:
    """Return the seconds that all threads of a server have worked, where the system tells it."""
    told = Path(f"/proc/{server.pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in told) / 1e9


class Asking:
    """Asks one server, and notes how long it takes."""

    def __init__(self, server: Server, took: Took) -> None:
        self._server, self._url = server, server.url
        self._session = requests.Session()
        self._took = took

    def wait_for_the_index(self, rows: int) -> None:
        """Wait until the server has looked at all runs, which have so many rows together."""
        until = time.monotonic() + PATIENCE
        while sum(run["rows"] for run in self._runs()) < rows:
            if time.monotonic() > until:
                raise TimeoutError("the server does not come to an end with looking at runs")
            time.sleep(0.05)

    def _runs(self) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = self._session.get(self._url + protocol.RUNS, timeout=PATIENCE).json()["runs"]
        return told

    def ask(self, name: str, **question: Any) -> list[dict[str, Any]]:
        """Ask a question; return the lines."""
        begin, before = time.perf_counter(), worked(self._server)
        answer = self._session.post(self._url + protocol.SERIES, json=question, timeout=PATIENCE)
        took = time.perf_counter() - begin
        answer.raise_for_status()
        self._took.setdefault(name, []).append((took, worked(self._server) - before, len(answer.content)))
        return decode(answer.content)[0]

    def long_run(self, rows: int, name: str, zooms: int) -> None:
        """Look at the long run: first at all of it, then at ever smaller parts around what sticks out."""
        part = {"run": "long", "key": metric(0), "x": "_step", "from": None, "to": None}
        self.ask(f"one run, {name}", lines=[part], points=2000, precision=64)
        for number in range(zooms):
            size = max(10, int(rows * 0.8**number))
            begin = max(0, rows * 7 // 10 + 123 - size // 3)
            [line] = self.ask("one run, zoom", lines=[{**part, "from": begin, "to": begin + size}], points=2000)
            assert 1000.0 in line["ys"]

    def screen(self, runs: int, name: str, points: int) -> None:
        """Look at all metrics of all runs, as lines and as bands."""
        names = [f"many/run{number:03}" for number in range(runs)]
        each = [{"run": run, "key": metric(number), "x": "_step"} for number in range(METRICS) for run in names]
        self.ask(f"screen of lines, {name}", lines=each, points=points, precision=32)
        bands = [{"runs": names, "key": metric(number), "x": "_step", "bins": 200} for number in range(METRICS)]
        self.ask(f"screen of bands, {name}", bands=bands)


def memory(server: Server) -> str:
    """Return the memory of a server, now and at most, where the system tells it."""
    path = Path(f"/proc/{server.pid}/status")
    if not path.exists():
        return "not told by this system"
    told = dict(line.split(":", 1) for line in path.read_text().splitlines())
    now, most = (int(told[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return f"{now:,.0f} MiB, at most {most:,.0f} MiB"


def main() -> None:
    """Make the runs, ask, and print the tables."""
    parser = argparse.ArgumentParser(description="Measure answers to charts.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the long run (1000000)")
    parser.add_argument("--steps", type=int, default=1000, help="rows of each of the others (1000)")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"how many others ({RUNS})")
    parser.add_argument("--rounds", type=int, default=5, help="starts of the server (5)")
    parser.add_argument("--quick", action="store_true", help="a little of everything, to see that it works")
    args = parser.parse_args()
    if args.quick:
        args.rows, args.steps, args.runs, args.rounds = 20_000, 50, 5, 1
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{args.rows:,} rows of 5 columns; {args.runs} runs, {METRICS} metrics, {args.steps:,} steps")
    took: Took = {}
    memories: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "long" / "long" / "metrics.pkl", args.rows, 3, 0)
        for number in range(args.runs):
            write(Path(folder) / "screen" / f"many/run{number:03}" / "metrics.pkl", args.steps, METRICS, number)
        for _ in range(args.rounds):
            with serve(Path(folder) / "long") as server:
                Asking(server, took).long_run(args.rows, "cold", 10)
                memories["one run"] = memory(server)
            with serve(Path(folder) / "long") as server:
                asking = Asking(server, took)
                asking.wait_for_the_index(args.rows)
                asking.long_run(args.rows, "in the index", 10)
                asking.long_run(args.rows, "warm", 0)
            with serve(Path(folder) / "screen") as server:
                Asking(server, took).screen(args.runs, "cold", 200)
            with serve(Path(folder) / "screen") as server:
                asking = Asking(server, took)
                asking.wait_for_the_index(args.runs * args.steps)
                for name in ("in the index", "warm"):
                    asking.screen(args.runs, name, 200)
                memories["screen"] = memory(server)
                asking.screen(args.runs, "all points", args.steps)
                memories["screen, all points"] = memory(server)
    report(took, memories)


def report(took: Took, memories: dict[str, str]) -> None:
    """Print the tables."""
    print(f"\n{'':34} │{'median ms':>11}{'least':>9}{'most':>9}{'work ms':>9}{'MiB':>8}")
    print("─" * 35 + "┼" + "─" * 47)
    for name, each in took.items():
        times = [seconds * 1e3 for seconds, _, _ in each]
        work, size = (statistics.median(one[field] for one in each) for field in (1, 2))
        told = f"{statistics.median(times):11,.1f}{min(times):9,.1f}{max(times):9,.1f}{work * 1e3:9,.1f}"
        print(f"{name:34} │{told}{size / 2**20:8.2f}")
    print(f"\n{'memory of the server':34} │")
    print("─" * 35 + "┼" + "─" * 47)
    for name, told in memories.items():
        print(f"{name:34} │ {told}")


if __name__ == "__main__":
    main()
