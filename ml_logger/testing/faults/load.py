"""Faults: very many writers at once, and records that are huge, empty, or very many."""

from __future__ import annotations

import os
import pickle
import re
import statistics
import threading
from pathlib import Path
from typing import Any

from ml_logger.testing.faults.report import Report
from ml_logger.testing.faults.scene import Scene

#: What the server may use under any load, in bytes and in descriptors.
MEMORY = 300 * 2**20
OPEN_FILES = 1024
#: Seconds that a million rows may take.
PATIENCE = 1200.0
#: Rows of each of many writers.
ROWS = 60

# Each writer is a logger of its own, with a connection of its own: to a file of its own, and to one that all share.
_MANY = f"""
import os, sys, threading, time
from ml_logger.testing.faults.writer import Teller
root, prefix, name, count = sys.argv[1:]
tellers = [Teller(root, prefix, f"{{name}}.{{number}}") for number in range(int(count))]
def log(teller):
    began = time.monotonic()
    for number in range({ROWS}):
        teller.row(number, file="shared.pkl" if number % 2 else f"{{teller.name}}.pkl")
    teller.logger.close(60)
    os.write(2, f"took {{time.monotonic() - began:.3f}}\\n".encode())
threads = [threading.Thread(target=log, args=(teller,)) for teller in tellers]
sys.stdin.readline()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def many_writers(scene: Scene, rounds: int) -> Report:
    """Let 500 writers of 50 processes (in short: 60 of 6) log at once: all is there, from bounded memory and files."""
    processes = 50 if scene.long else 6
    report = Report()
    server = scene.server()
    server.start()
    watch = _Watch(server.pid)
    programs = [scene.start(_MANY, server.url, 10) for _ in range(processes)]
    for program in programs:  # they begin together
        assert program.process.stdin is not None
        program.process.stdin.write(b"\n")
        program.process.stdin.flush()
    times: list[float] = []
    for program in programs:
        status = program.finish()
        said = program.log.read_text()
        report.expect(status == 0 and "not sent yet" not in said, f"ended with {status}, {said[-500:]}")
        times += [float(found) for found in re.findall(r"took ([0-9.]+)", said)]
    memory, files = watch.end()
    report.happened("writers", len(times), 10 * processes)
    report.happened("rows", sum(program.count() for program in programs), 10 * processes * ROWS)
    report.tried["MiB of the server at most"] = memory // 2**20
    report.tried["descriptors of it at most"] = files
    report.tried["ms of the median writer"] = int(statistics.median(times or [0]) * 1000)
    report.tried["ms of the slowest"] = int(max(times, default=0) * 1000)
    report.expect(0 < memory < MEMORY, f"the server used {memory:,} bytes")
    report.expect(0 < files < OPEN_FILES, f"the server had {files} descriptors open")
    report.judge(scene.settle(server))
    return report


class _Watch:
    """Looks at the descriptors of a process, again and again, and at the most memory that it had."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self._most = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(0.02):
            self._most = max(self._most, len(os.listdir(self._folder / "fd")))

    def end(self) -> tuple[int, int]:
        """Return the most bytes in memory, and the most descriptors."""
        self._stopped.set()
        self._thread.join()
        found = re.search(r"VmHWM:\s+([0-9]+) kB", (self._folder / "status").read_text())
        return int(found[1]) * 1024 if found else 0, self._most


_HUGE = """
import os, sys
from ml_logger import ML_Logger
root, prefix, name, size = sys.argv[1:]
block = os.urandom(2**20)
logger = ML_Logger(root, prefix=prefix, silent=True)
for number in range(2):
    logger.log_data({"number": number, "data": block * int(size)}, "huge.data")
    logger.log_line("between", file="lines.log")
logger.log_data(block * int(size), "whole.data", overwrite=True)
logger.log_text("", "empty.txt")
logger.log_text("", "empty.txt")
logger.log_data(None, "none.data")
logger.log_data(b"", "none.data")
logger.close(100)
"""


def records_huge_and_empty(scene: Scene, rounds: int) -> Report:
    """Log records of 200 MB (in short: 20), and empty ones: they are there, whole."""
    size = 200 if scene.long else 20
    report = Report()
    server = scene.server()
    server.start()
    program = scene.start(_HUGE, server.url, size)
    status = program.finish()
    report.expect(status == 0 and not program.log.read_text(), f"ended with {status}, {program.log.read_text()}")
    scene.push(server.url)
    folder = scene.data / "run"
    huge = _load(folder / "huge.data")
    report.happened(f"records of {size} MiB", sum(len(one["data"]) == size * 2**20 for one in huge), 2)
    report.expect([one["number"] for one in huge] == [0, 1], "the huge records are not those that were logged")
    (whole,) = _load(folder / "whole.data")
    report.expect(whole == huge[0]["data"] == huge[1]["data"], "a huge file is not what was saved")
    report.expect((folder / "lines.log").read_text() == "between\nbetween\n", "what was logged in between is not there")
    nothing = (folder / "empty.txt").read_bytes().strip() == b"" and _load(folder / "none.data") == [None, b""]
    report.happened("empty records", 4 * int(nothing), 4)
    report.judge(scene.settle(server))
    return report


def _load(path: Path) -> list[Any]:
    found = []
    with path.open("rb") as file:
        while True:
            try:
                found.append(pickle.load(file))
            except EOFError:
                return found


def records_many(scene: Scene, rounds: int) -> Report:
    """Log to 10,000 files in one run (in short: 500), and a million tiny rows (in short: 10,000)."""
    files, rows = (10_000, 1_000_000) if scene.long else (500, 10_000)
    report = Report()
    server = scene.server()
    server.start()
    wide = scene.writer(server.url, "--files", files, "--count", 2 * files, "--size", 100, prefix="wide")
    deep = scene.writer(server.url, "--count", rows, "--size", 0, prefix="deep")
    for writer in (wide, deep):
        report.expect(writer.process.wait(PATIENCE) == 0, f"{writer.name} ended with {writer.process.returncode}")
    report.judge(scene.settle(server))
    report.happened("files of one run", len(list((scene.data / "wide").iterdir())), files)
    report.happened("tiny rows", deep.count(), rows)
    return report
