"""The journal: what the committer has changed since somebody looked, for those who show it live.

Nobody pays for it before the first one has looked; then a commit costs one update of a set, and wakes the event loop at
most once, whatever else is committed before the loop gets to it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ml_logger import keys

#: Names that are remembered; of more it is only known that there were too many.
MOST = 100_000


class Changes(NamedTuple):
    """What has changed.

    Fields:
        files: the keys of files that were appended to or written.
        names: keys of files or folders that were removed, or moved from or to.
        lost: whether there were more than are remembered: then anything may have changed.
    """

    files: set[str]
    names: set[str]
    lost: bool

    def __bool__(self) -> bool:
        return bool(self.files or self.names or self.lost)


class Journal:
    """Takes in what was committed, in the committer's thread, and gives it out to the event loop.

    Attributes:
        is_on: whether anything is taken in.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._lock = threading.Lock()
        self._changes = Changes(set(), set(), False)
        self._wake: Callable[[], object] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_told = False

    def begin(self) -> None:
        """Take in what is committed from now on."""
        self.is_on = True

    def listen(self, wake: Callable[[], object] | None) -> None:
        """Have something called in the running event loop when there are changes; None ends that."""
        with self._lock:
            self._wake, self._loop = wake, asyncio.get_running_loop() if wake is not None else None
            if wake is not None and self._changes:
                self._tell()

    def note(self, files: Iterable[str], names: Iterable[str]) -> None:
        """Note what was committed. For any thread; it never waits."""
        with self._lock:
            changes = self._changes
            changes.files.update(files)
            changes.names.update(names)
            if len(changes.files) + len(changes.names) > MOST:
                self._changes = Changes(set(), set(), True)
            self._tell()

    def take(self) -> Changes:
        """Return what has changed since the last call."""
        with self._lock:
            taken, self._changes, self._is_told = self._changes, Changes(set(), set(), False), False
        return Changes(_public(taken.files), _public(taken.names), taken.lost)

    def _tell(self) -> None:
        if self._loop is None or self._wake is None or self._is_told:
            return
        try:
            self._loop.call_soon_threadsafe(self._wake)
            self._is_told = True
        except RuntimeError:  # the loop has ended: what the committer still does is its last
            self._wake = self._loop = None


def _public(found: set[str]) -> set[str]:
    """Return the keys that are none of our own bookkeeping."""
    return {key for key in found if not key.startswith(f"{keys.PRIVATE}/")}
