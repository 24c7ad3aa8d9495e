"""The rows of runs that were looked at lately: so many bytes of them, the longest unused make room."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Generator
from functools import partial
from typing import TYPE_CHECKING

from ml_logger.dashboard.places import METRICS
from ml_logger.errors import KeyNotFound
from ml_logger.stores.folder import missing_or_failed

if TYPE_CHECKING:
    from ml_logger.dashboard.rows import Decoding, Rows


class Shelf:
    """A cache of rows by run. Safe for threads.

    Args:
        opener: opens a file by its key for a reader: a descriptor, its status, and the bytes that are committed.
        limit: bytes that all may take together.
        eager: as long as less is held, all columns of a run are, before anybody asks; half of the limit.

    Attributes:
        nbytes: the bytes that all take, as they were weighed.
    """

    def __init__(
        self, opener: Callable[[str], tuple[int, os.stat_result, int]], limit: int, eager: int | None = None
    ) -> None:
        self._opener = opener
        self.limit = limit
        self._eager = limit // 2 if eager is None else eager
        self._lock = threading.Lock()
        self._decoding: Decoding | None = None
        self._held: OrderedDict[str, Rows] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self.nbytes = 0

    def reading(self, run: str, keys: Collection[str] = ()) -> Generator[None, None, Rows]:
        """Read what is new of a run's file, step by step of some milliseconds, and return its rows.

        Args:
            run: the key of the folder of the run, "" for the data folder itself.
            keys: the columns to hold; the others are only summed up.

        Raises:
            StorageFailed: there is such a file, and it cannot be read.
        """
        with self._lock:
            rows = self._held.get(run) or self._place(run)
            self._held.move_to_end(run)
            room = max(0, self._eager - self.nbytes)
        yield from rows.reading(partial(self._open, file_of(run)), keys, room=room)
        self.weigh(run, rows)
        return rows

    def held(self, run: str, keys: Collection[str]) -> Rows | None:
        """Return the rows of a run as they were read last, if they hold these columns and were not let go of."""
        with self._lock:
            rows = self._held.get(run)
        return rows if rows is not None and rows.has(keys) else None

    def rows(self, run: str, keys: Collection[str] = ()) -> Rows:
        """Read what is new of a run's file at once, and return its rows; see `reading`."""
        reading = self.reading(run, keys)
        while True:
            try:
                next(reading)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]

    def _place(self, run: str) -> Rows:
        from ml_logger.dashboard.rows import Decoding, Rows  # numpy takes its time: not before somebody looks

        if self._decoding is None:
            self._decoding = Decoding()
        self._held[run] = Rows(self._decoding, self.limit)
        return self._held[run]

    def forget(self, run: str) -> None:
        """Let go of a run that is removed."""
        with self._lock:
            self._held.pop(run, None)
            self.nbytes -= self._sizes.pop(run, 0)

    def _open(self, key: str) -> tuple[int, os.stat_result, int]:
        try:
            return self._opener(key)
        except OSError as error:
            failed = missing_or_failed(error, key)
            if isinstance(failed, KeyNotFound):
                raise FileNotFoundError(key) from None
            raise failed from None

    def weigh(self, run: str, rows: Rows) -> None:
        """Note what a run takes now, and let go of the longest unused ones, but not of it."""
        size = rows.nbytes
        with self._lock:
            if self._held.get(run) is rows:
                self.nbytes += size - self._sizes.get(run, 0)
                self._sizes[run] = size
            while self.nbytes > self.limit and next(iter(self._held), run) != run:
                name, _ = self._held.popitem(last=False)
                self.nbytes -= self._sizes.pop(name, 0)


def file_of(run: str) -> str:
    """Return the key of the file that holds the rows of a run."""
    return f"{run}/{METRICS}" if run else METRICS
