"""A sign of life up, signals down: a thread that writes one small file of a run now and then, and reads another."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from ml_logger.errors import KeyNotFound
from ml_logger.stores.base import Store

#: Seconds between two signs of life, unless told otherwise.
INTERVAL = 120.0
#: The most that is read of the file of signals at once.
_PIECE = 1 << 20


class Target(NamedTuple):
    """Where the signs of life go, and where signals come from."""

    store: Store
    heartbeat: str
    signals: str


class Heartbeat:
    """Tell every `interval` seconds that a run lives, and collect the signals that others have left for it.

    The thread is a daemon, and is never waited for. How far the signals are read stands in the heartbeat itself, so
    that each is given out once, also when the program is started again.

    Args:
        clock: returns seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.RLock()  # a signal handler may ping in the middle of a ping
        self._changed = threading.Event()
        self._signals: deque[Any] = deque()
        self._target: Target | None = None
        self._status = ""
        self._interval = INTERVAL
        self._read: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._stopped = False

    def ping(self, target: Target, status: str, interval: float | None) -> tuple[Any, ...]:
        """Set what is told from now on, and return the signals that have come since the last call; never waits."""
        with self._lock:
            news = (target, status) != (self._target, self._status) or interval not in (None, self._interval)
            self._target, self._status = target, status
            self._interval = self._interval if interval is None else max(0.01, interval)
            if self._thread is None:
                self._start()
            elif news:
                self._changed.set()
        signals = []
        while self._signals:
            signals.append(self._signals.popleft())
        return tuple(signals)

    def stop(self) -> None:
        """Tell nothing more; the thread ends by itself, and is not waited for."""
        with self._lock:  # held for one write at most, which waits for no network
            self._stopped = True
            self._changed.set()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="ml-logger-heartbeat", daemon=True)
        try:
            thread.start()
            self._thread = thread
        except RuntimeError:
            pass  # the program ends, or has too many threads: there is nobody to hear it

    def _run(self) -> None:
        while not self._stopped:
            target, interval = self._target, self._interval
            assert target is not None
            try:
                self._tell(target)
            except Exception:  # nosec B110 # a heartbeat is not worth the training; the next one may succeed
                pass
            self._changed.wait(interval)
            self._changed.clear()

    def _tell(self, target: Target) -> None:
        try:
            self._collect(target)
        except Exception:  # a server that does not answer: what is told waits in the spool
            if target.signals not in self._read:
                return  # what an earlier program has read would be forgotten
        with self._lock:
            if not self._stopped:
                target.store.write(target.heartbeat, self._sign(target))

    def _sign(self, target: Target) -> bytes:
        sign = {
            "status": self._status,
            "time": self._clock(),
            "interval": self._interval,
            "pid": os.getpid(),
            "signals_read": self._read.get(target.signals, 0),
        }
        return json.dumps(sign).encode() + b"\n"

    def _collect(self, target: Target) -> None:
        if target.signals not in self._read:
            self._read[target.signals] = _read_before(target)
        begin = self._read[target.signals]
        try:
            if target.store.stat(target.signals).size < begin:
                begin = 0  # the file was removed, and begun anew
            data = target.store.read(target.signals, begin, begin + _PIECE)
        except KeyNotFound:
            self._read[target.signals] = 0
            return
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.splitlines():
            try:
                self._signals.append(json.loads(line)["signal"])
            except (ValueError, KeyError, TypeError):
                continue  # a line that somebody else has written
        self._read[target.signals] = begin + len(whole)


def _read_before(target: Target) -> int:
    """Return how far an earlier program of this run has read the signals."""
    try:
        return max(0, int(json.loads(target.store.read(target.heartbeat, 0, _PIECE))["signals_read"]))
    except (KeyNotFound, ValueError, KeyError, TypeError):
        return 0
