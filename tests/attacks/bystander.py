"""Somebody who has nothing to do with it: posts small batches all the time, and tells how long each took.

    python -m tests.attacks.bystander PORT KEY

Runs until its stdin ends. It is a process of its own, so that an attacker who is busy does not slow it by himself.
"""

from __future__ import annotations

import os
import select
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op

ROOT = Path(__file__).parents[2]
#: What it logs each time.
LINE = b"x" * 99 + b"\n"
#: Seconds between two batches, and those that one may take.
PAUSE, PATIENCE = 0.005, 60.0


class Sample(NamedTuple):
    """One batch: when it was sent, by the monotonic clock, and the seconds until it was acknowledged."""

    at: float
    took: float


class Bystander:
    """The process, for as long as a block lasts.

    Args:
        port: of the server.
        key: the file that it logs to.
    """

    def __init__(self, port: int, key: str) -> None:
        self.samples: list[Sample] = []
        self.trouble = ""
        command = [sys.executable, "-m", "tests.attacks.bystander", str(port), key]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)  # type: ignore[call-overload]
        self._thread = threading.Thread(target=self._read)
        self._grown = threading.Condition()

    def __enter__(self) -> Bystander:
        self._thread.start()
        self.wait_for(5)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(2 * PATIENCE)
        finally:
            self._process.kill()
            self._thread.join(PATIENCE)
            self._process.wait()
            self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            words = line.split()
            with self._grown:
                if words[0] == "took":
                    self.samples.append(Sample(float(words[1]), float(words[2])))
                else:
                    self.trouble = line.strip()
                self._grown.notify_all()

    def wait_for(self, batches: int) -> None:
        """Wait until so many further batches are acknowledged.

        Raises:
            AssertionError: one was not, or not in time.
        """
        wanted = len(self.samples) + batches
        with self._grown:
            enough = self._grown.wait_for(lambda: len(self.samples) >= wanted or self.trouble, 4 * PATIENCE)
        assert enough and not self.trouble, f"the bystander is not served: {self.trouble or 'no answer'}"


def worst(samples: Sequence[Sample]) -> float:
    """Return the longest time that a batch took."""
    return max((sample.took for sample in samples), default=0.0)


def median(samples: Sequence[Sample]) -> float:
    """Return the median of the times that batches took."""
    return statistics.median([sample.took for sample in samples] or [0.0])


def longest_stretch(samples: Sequence[Sample], limit: float) -> float:
    """Return the longest time in which every batch took longer than a limit, from its first to the end of its last."""
    longest, began = 0.0, None
    for sample in samples:
        if sample.took <= limit:
            began = None
            continue
        began = sample.at if began is None else began
        longest = max(longest, sample.at + sample.took - began)
    return longest


def main(port: int, key: str) -> None:
    """Post until stdin ends."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Content-Type": protocol.CONTENT_TYPE, protocol.WRITER: os.urandom(16).hex()}
    seq = 0
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        seq += 1
        body = frames.encode(seq, Op.APPEND, key.encode(), LINE)
        began = time.monotonic()
        try:
            status = _post(connection, body, headers)
        except (OSError, HTTPException) as error:
            connection.close()  # once more: who has the place of an idle connection may have lost it
            try:
                status = _post(connection, body, headers)
            except (OSError, HTTPException):
                status = f"{type(error).__name__}: {error}"
        if status != "200":
            print(f"failed {seq}: {status}", flush=True)
            return
        print(f"took {began} {time.monotonic() - began}", flush=True)


def _post(connection: HTTPConnection, body: bytes, headers: dict[str, str]) -> str:
    connection.request("POST", protocol.BATCHES, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    return "200" if answer.status == 200 else f"{answer.status} {text[:100]!r}"


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
