"""Time and turns: stopwatches, counters, the time of day, and parts of paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ml_logger import timers
from ml_logger.facade.checkpoints import Checkpoints
from ml_logger.facade.files import PathLike


class Timing(Checkpoints):
    """The verbs for time and counting; they log nothing, but for `time`."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        self._timers = timers.Timers()
        self._counters = timers.Counters()
        super().__init__(*args, **kw)

    def start(self, *keys: str) -> Any:
        """Start stopwatches by name: `start("epoch")`, then `since("epoch")`; without a name, the default one.

        Returns:
            The reading of the clock in seconds, of which only differences mean something; a list for several names.
        """
        return self._timers.start(*keys)

    def since(self, *keys: str) -> Any:
        """Return the seconds since each stopwatch was started; None, and it starts, for one that was not."""
        return self._timers.since(*keys)

    def split(self, *keys: str) -> Any:
        """Return the seconds since the last split or start, None at first; a list for several names."""
        return self._timers.split(*keys)

    @contextmanager
    def time(self, key: str = "default", interval: int = 1) -> Iterator[None]:
        """Time a block, and print and log its duration: `with logger.time("forward"):`.

        Args:
            key: the name.
            interval: print every so many times, and then the mean and the standard deviation of them.
        """
        began = self._timers.now()
        yield
        self._timers.lap(key, self._timers.now() - began)
        if self._counters.every(interval, f"time.{key}"):
            laps = self._timers.laps(key)
            mean = sum(laps) / len(laps)
            spread = (sum((lap - mean) ** 2 for lap in laps) / len(laps)) ** 0.5
            line = f"{key}: {timers.duration(mean)}"
            if len(laps) > 1:
                line += f" ± {timers.duration(spread)} ({len(laps)} times)"
            self.log_line(line)
            if not self._silent:
                self._echo(line)

    def every(self, n: int = 1, key: str = "default", start_on: int = 0) -> bool:
        """Tell whether it is the turn: True every `n` calls; with `start_on=1`, at the first one already."""
        return self._counters.every(n, key, start_on)

    def count(self, key: str = "default") -> int:
        """Count up by name, and return the number: 1 at first. `every` counts on the same counter."""
        return self._counters.count(key)

    def clear(self, key: str = "default") -> None:
        """Let a counter begin again at 1."""
        self._counters.clear(key)

    @staticmethod
    def now(fmt: str | None = None) -> Any:
        """Return the local time: a datetime, or a text, `now("%Y-%m-%d")`."""
        return timers.now(fmt)

    @staticmethod
    def utcnow(fmt: str | None = None) -> Any:
        """Return the time in UTC: a datetime that knows its zone, or a text."""
        return timers.utcnow(fmt)

    @staticmethod
    def truncate(path: PathLike, depth: int = -1) -> str:
        """Return a path without its first `depth` parts; by default only its last one.

        >>> Timing.truncate("home/me/project/train.py"), Timing.truncate("home/me/project/train.py", 2)
        ('train.py', 'project/train.py')
        """
        return "/".join(os.fspath(path).split("/")[depth:])

    @staticmethod
    def stem(path: PathLike) -> str:
        """Return a path without the suffix of its last part.

        >>> Timing.stem("project/train.py")
        'project/train'
        """
        return os.path.splitext(os.fspath(path))[0]
