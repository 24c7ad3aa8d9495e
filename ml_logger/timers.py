"""Time and counting: stopwatches and counters by name, and the time of day."""

from __future__ import annotations

import datetime
import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Any

#: How many durations of one name are kept for their mean.
_KEPT = 1000


class Timers:
    """Stopwatches by name, in seconds of a clock that never goes back. Safe for threads.

    Args:
        clock: returns seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begun: dict[str, float] = {}
        self._durations: dict[str, deque[float]] = {}

    def start(self, *keys: str) -> Any:
        """Start stopwatches, and return the reading of the clock: a number, or a list for several names."""
        now = self._clock()
        for key in keys or ("default",):
            self._begun[key] = now
        return _one_or_all([now for _ in keys or ("default",)])

    def since(self, *keys: str) -> Any:
        """Return the seconds since each was started; None, and it starts, for one that was not."""
        now = self._clock()
        # Looked up before any is started: a name that is given twice gets the same answer twice.
        found = [self._begun.get(key) for key in keys or ("default",)]
        for key in keys or ("default",):
            self._begun.setdefault(key, now)
        return _one_or_all([None if begun is None else now - begun for begun in found])

    def split(self, *keys: str) -> Any:
        """Return the seconds since each was started or split, None at first; and start them again."""
        now = self._clock()
        found = [self._begun.get(key) for key in keys or ("default",)]
        for key in keys or ("default",):
            self._begun[key] = now
        return _one_or_all([None if begun is None else now - begun for begun in found])

    def lap(self, key: str, seconds: float) -> None:
        """Keep a duration under a name."""
        self._durations.setdefault(key, deque(maxlen=_KEPT)).append(seconds)

    def laps(self, key: str) -> list[float]:
        """Return the durations that were kept under a name, and forget them."""
        return list(self._durations.pop(key, ()))

    def now(self) -> float:
        """Return the reading of the clock."""
        return self._clock()


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


class Counters:
    """Counters by name, safe for threads without a lock, so that a fork cannot leave one locked."""

    def __init__(self) -> None:
        self._counts: dict[str, itertools.count[int]] = {}

    def count(self, key: str = "default") -> int:
        """Count up, and return the number: 1 at first.

        >>> counters = Counters()
        >>> counters.count(), counters.count(), counters.count("other")
        (1, 2, 1)
        """
        return next(self._counts.setdefault(key, itertools.count(1)))

    def every(self, n: int, key: str = "default", start_on: int = 0) -> bool:
        """Count up, and tell whether it is the turn: every `n` calls, the first time at call `start_on` or `n`.

        >>> counters = Counters()
        >>> [counters.every(3) for _ in range(6)]
        [False, False, True, False, False, True]
        >>> [counters.every(3, "first", start_on=1) for _ in range(6)]
        [True, False, False, True, False, False]
        """
        number = self.count(key)
        return bool(n) and number >= start_on and (number - start_on) % n == 0

    def clear(self, key: str = "default") -> None:
        """Begin again at 1."""
        self._counts.pop(key, None)


def now(fmt: str | None = None) -> Any:
    """Return the local time: a datetime, or a text in a format of `strftime`.

    >>> now("%Y-%m-%d") == f"{now():%Y-%m-%d}"
    True
    """
    moment = datetime.datetime.now()
    return moment.strftime(fmt) if fmt else moment


def utcnow(fmt: str | None = None) -> Any:
    """Return the time in UTC: a datetime that knows its zone, or a text in a format of `strftime`."""
    moment = datetime.datetime.now(datetime.timezone.utc)
    return moment.strftime(fmt) if fmt else moment


def duration(seconds: float) -> str:
    """Return a duration as people read it.

    >>> duration(0.0000042), duration(0.0512), duration(2.5), duration(90)
    ('4.2 µs', '51.2 ms', '2.5 s', '90 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"
