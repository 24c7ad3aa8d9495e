"""What one page is told, step by step, without a server."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from ml_logger.dashboard.index import Index
from ml_logger.dashboard.shelf import Shelf
from ml_logger.dashboard.watching import Stream, question_of
from ml_logger.encoders import records
from ml_logger.stores.folder import Folder

RUNS = [f"run-{number}" for number in range(200)]


def write_rows(root: Path, step: int) -> None:
    """Add a row to each run."""
    for run in RUNS:
        (root / run).mkdir(exist_ok=True)
        with (root / run / "metrics.pkl").open("ab") as file:
            file.write(records.encode({"_step": step, "loss": step / 7}))


def stream_over(root: Path) -> Stream:
    """Return the stream of a page that watches all runs, and knows of no rows."""
    folder = Folder(root, follow_links=False)

    def opener(key: str) -> tuple[int, os.stat_result, int]:
        descriptor = folder.open(key, os.O_RDONLY)
        return descriptor, os.fstat(descriptor), os.fstat(descriptor).st_size

    shelf = Shelf(opener, 2**24)
    asked = {"runs": None, "watch": {"keys": ["loss"], "xs": ["_step"], "runs": dict.fromkeys(RUNS, 0)}}
    index = Index(folder, opener, shelf, "name")
    return Stream(question_of(asked), "", index, shelf, folder.stat, committed)


def committed(key: str, size: int) -> int:
    """Return how much of a file is committed: all of it."""
    return size


def steps_of(stream: Stream) -> int:
    """Return in how many steps all is told."""
    steps = 1
    while stream.step() is not None:
        steps += 1
    return steps


def test_a_step_tells_as_much_while_others_work(tmp_path: Path) -> None:
    """A step ends after its share of work, and not because other threads had the processor meanwhile."""
    write_rows(tmp_path, 0)
    stream, stop, alone = stream_over(tmp_path), threading.Event(), []
    for step in range(1, 4):
        steps_of(stream)
        write_rows(tmp_path, step)
        stream.mark(f"{run}/metrics.pkl" for run in RUNS)
        alone.append(steps_of(stream))
    threads = [threading.Thread(target=_work, args=(stop,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        write_rows(tmp_path, 4)
        stream.mark(f"{run}/metrics.pkl" for run in RUNS)
        beside = steps_of(stream)
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert {*alone} == {beside} and beside > 3


def _work(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(1000))
