"""Measure how soon a page hears of what is logged.

Many trainings log rows at a steady pace, each in its run, and one page watches one metric of all of them over the
stream of `POST /v1/live`. Of each row it is known when `logger.log` was called, when the server's answer came that it
is durable, and when its bytes were on the stream. Prints percentiles of the times between; the share of a core that the
server took, with the page and without one; and what came in as much time in which nothing was logged. Does not gate.
"""

import argparse
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import requests

from ml_logger import ML_Logger
from ml_logger.testing import Server
from ml_logger.transport import protocol

#: Metrics that each row has, besides the one that is watched.
OTHERS = {f"metric_{number}": 0.1 * number for number in range(9)}


class Logger(ML_Logger):
    """A logger that keeps the receipt of what it has stored last."""

    def _append(self, key: str, data: bytes) -> Any:
        self.receipt = super()._append(key, data)
        return self.receipt


def train(url: str, first: int, runs: int, rows: int, rate: float) -> None:
    """Log rows into some runs in turns, and print for each when it was logged, and when it was acknowledged."""
    loggers = [Logger(root=url, prefix=f"run-{first + number:03}", silent=True) for number in range(runs)]
    told: list[tuple[int, int, float, float]] = []
    begin = time.time()
    for row in range(rows):
        for number, logger in enumerate(loggers):
            wait = begin + (row + number / runs) / rate - time.time()
            if wait > 0:
                time.sleep(wait)
            called = time.time()
            logger.log(row, watched=called, **OTHERS, flush=True)
            logger.receipt.add_done_callback(
                lambda _, told=told, who=(first + number, row, called): told.append((*who, time.time()))
            )
    for logger in loggers:
        logger.close()
    print(json.dumps(told))


class Page:
    """A page that watches, in a thread: when which row came."""

    def __init__(self, url: str, runs: int) -> None:
        question = {
            "runs": requests.get(url + protocol.RUNS, timeout=60).json()["version"],
            "watch": {"keys": ["watched"], "xs": ["_step"], "runs": {f"run-{number:03}": 0 for number in range(runs)}},
        }
        self.came: dict[tuple[int, int], float] = {}
        self.size = self.messages = 0
        self._answer = requests.post(url + protocol.LIVE, json=question, stream=True, timeout=600)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the server has ended the stream."""
        self._thread.join(60)

    def _listen(self) -> None:
        try:
            while head := self._read(5):
                size, kind = struct.unpack("<IB", head)
                body, now = self._read(size), time.time()
                self.size += 5 + size
                self.messages += 1
                if kind == 83:
                    self._take(body, now)
        except requests.RequestException:
            return  # cut

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (piece := self._answer.raw.read(size - len(data))):
            data += piece
        return data

    def _take(self, body: bytes, now: float) -> None:
        (length,) = struct.unpack("<I", body[:4])
        at = (4 + length + 7) // 8 * 8
        for line in json.loads(body[4 : 4 + length])["lines"]:
            for step in struct.unpack(f"<{line['n']}d", body[at : at + 8 * line["n"]]):
                self.came[int(line["run"][4:]), int(step)] = now
            at += 16 * line["n"]


def spent(pid: int) -> float:
    """Return the seconds of processor that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def log(server: Server, args: argparse.Namespace) -> tuple[list[list[Any]], float]:
    """Let all trainings log; return when which row was logged and acknowledged, and the share that the server took."""
    each = args.runs // args.processes
    before, begin = spent(server.pid), time.perf_counter()
    words = [sys.executable, __file__, "--train", server.url, "--rows", str(args.rows), "--rate", str(args.rate)]
    programs = [
        subprocess.Popen([*words, "--first", str(number * each), "--runs", str(each)], stdout=subprocess.PIPE)
        for number in range(args.processes)
    ]
    told = [row for program in programs for row in json.loads(program.communicate()[0])]
    return told, (spent(server.pid) - before) / (time.perf_counter() - begin)


def show(name: str, times: list[float]) -> None:
    """Print the median and percentiles of some times."""
    times.sort()
    parts = [f"{1000 * times[min(len(times) - 1, int(len(times) * part))]:9.1f}" for part in (0.5, 0.95, 0.99, 1.0)]
    print(f"{name:36} │{''.join(parts)}   {len(times):,} rows")


def measure(folder: Path, args: argparse.Namespace) -> None:
    """Measure with a page and without, then nothing at all, and print what was found."""
    server = Server(folder / "data")
    server.start()
    try:
        _, without = log(server, args)
        server.stop()
        server = Server(folder / "other")
        server.start()
        page = Page(server.url, args.runs)
        told, watched = log(server, args)
        until = time.monotonic() + 10
        while len(page.came) < len(told) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(3.0)  # the last news of runs
        missing, messages, size = len(told) - len(page.came), page.messages, page.size
        before, begin = spent(server.pid), time.perf_counter()
        time.sleep(args.rows / args.rate)
        idle = (spent(server.pid) - before) / (time.perf_counter() - begin)
        print(f"{'milliseconds':36} │{'median':>9}{'95 %':>9}{'99 %':>9}{'most':>9}")
        print("─" * 37 + "┼" + "─" * 50)
        came = [
            (called, answered, page.came[run, row]) for run, row, called, answered in told if (run, row) in page.came
        ]
        show("from the call to the stream", [now - called for called, _, now in came])
        show("from the answer to the stream", [now - answered for _, answered, now in came])
        show("from the call to the answer", [answered - called for called, answered, _ in came])
        print(f"{missing} rows missing; {messages:,} messages, {size:,} bytes")
        print(
            f"server: {without:.0%} of a core without a page, {watched:.0%} with one, {idle:.1%} when nothing is logged"
        )
        print(f"meanwhile came {page.size - size:,} bytes in {page.messages - messages} messages")
        server.stop()
        page.join()
    finally:
        server.stop()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="trainings that log at once (%(default)s)")
    parser.add_argument("--rows", type=int, default=200, help="rows of each (%(default)s)")
    parser.add_argument("--rate", type=float, default=10.0, help="rows a second of each (%(default)s)")
    parser.add_argument("--processes", type=int, default=5, help="programs that the trainings share (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="ten trainings, ten rows: to see that it works")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        train(args.train, args.first, args.runs, args.rows, args.rate)
        return
    if args.quick:
        args.runs, args.rows, args.processes = 10, 10, 2
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ML_LOGGER_SPOOL"] = f"{folder}/spool"
        measure(Path(folder), args)
    print(
        f"Python {platform.python_version()}, {sys.platform}, {os.cpu_count()} cores, {args.runs} runs, "
        f"{args.rate:g} rows a second each, of eleven values"
    )


if __name__ == "__main__":
    main()
