"""The index of runs: what is told of each, kept up with what changes, and who knows which part of it."""

from __future__ import annotations

import math
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from pathlib import Path

from ml_logger import keys
from ml_logger.dashboard import memory
from ml_logger.dashboard.known import LARGEST, Given, Known, Notes, Which, given_of, notes_of, sign_of
from ml_logger.dashboard.listing import News
from ml_logger.dashboard.places import METRICS, NOTES, PARAMETERS, SIGN, TELLING, Places, Seen, Stamp
from ml_logger.dashboard.shelf import Shelf
from ml_logger.errors import StorageFailed
from ml_logger.stores.folder import Folder

#: Opens a file by its key for a reader: a descriptor, its status, and the bytes that are committed.
Opener = Callable[[str], tuple[int, os.stat_result, int]]

#: Seconds between two looks at the rows of one run: what is on the screen has a way of its own.
ROWS_EVERY = 1.0
#: Runs that are gone, and still told of to those who knew them.
MOST_REMOVED = 10_000


class Index:
    """What is known of all runs below a folder. One thread at a time brings it up to date; `since` is for any.

    What is changed is told to it (`change`), or found (`look`); both only note what is to be read, and `read` does so.
    All three go step by step, so that they can be left, and others have their turn.

    Args:
        folder: the data folder.
        opener: opens a file for reading.
        shelf: where rows are read.
        name: what no other index is called; versions of others are not taken for its own.

    Attributes:
        complete: whether all folders were looked at once, and all runs are there.
        number: goes up with each change.
    """

    def __init__(self, folder: Folder, opener: Opener, shelf: Shelf, name: str) -> None:
        self.complete = False
        self.number = 0
        self._opener = opener
        self._shelf = shelf
        self._name = name
        self._places = Places(folder)
        self._has_looked = False
        self._doubted: set[str] = set()  # runs that are remembered, and were not seen yet
        self._runs: dict[str, Known] = {}
        self._files: OrderedDict[str, set[str]] = OrderedDict()  # of which runs which small files are to be read
        self._rows: dict[str, float] = {}  # and of which the rows, and not before when
        self._lock = threading.Lock()  # of all below, which `since` reads
        self._order: OrderedDict[str, Known] = OrderedDict()  # as they were changed
        self._removed: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0

    def remember(self, path: Path) -> Generator[None, None, None]:
        """Begin with what was known when a file was written: only what has changed since then is read.

        It is told at once; which of it is gone is known when all folders were looked at.
        """
        for known in memory.remembered(path):
            self._runs[known.name] = known
            self._doubted.add(known.name)
            self._publish(known)
            yield

    def keep(self, path: Path) -> Generator[None, None, None]:
        """Write what is known into a file."""
        with self._lock:
            runs = [known for known in self._order.values() if known.name not in self._files]
        yield from memory.keep(path, runs)

    # -- what is there ------------------------------------------------------------------------------------------------

    def look(self, folder: str = "") -> Generator[None, None, None]:
        """Look for runs in a folder and all below it, and at what has changed of those that are known."""
        with closing(self._places.look(folder)) as found:
            for seen in found:
                self._see(seen)
                yield
        if not folder:
            self._has_looked = True
            for run in list(self._doubted):
                self._remove(run)
            self._see_if_complete()

    def change(self, files: Iterable[str], names: Iterable[str]) -> Generator[None, None, None]:
        """Take in that files have changed, and that something has become of names: of files, or of whole folders."""
        for key in files:
            folder, _, name = key.rpartition("/")
            if name == METRICS and folder in self._runs:
                self._rows.setdefault(folder, self._runs[folder].read + ROWS_EVERY)  # looked at when it is read
            else:
                self._change(key)
                yield
        for key in names:
            status = self._places.status(key)
            if status is not None and stat.S_ISDIR(status.st_mode):
                self._places.doubt(key)
                yield from self.look(key)
                continue
            if status is None:
                for seen in list(self._places.drop(key)):
                    self._see(seen)
            self._change(key)
            yield

    def _change(self, key: str) -> None:
        folder, _, name = key.rpartition("/")
        if name not in TELLING:
            self._places.doubt(folder)
            return
        stamp = self._stamp(key)
        if stamp is not None:
            self._places.add(folder)
        known = self._runs.get(folder)
        if known is None:
            found = {name: self._stamp(_in(folder, name)) for name in TELLING}
        else:
            found = {**known.files, name: stamp}
        self._see(Seen(folder, {name: each for name, each in found.items() if each is not None}))

    def _stamp(self, key: str) -> Stamp | None:
        status = self._places.status(key)
        return Stamp.of(status) if status is not None and stat.S_ISREG(status.st_mode) else None

    def _see(self, seen: Seen) -> None:
        """Note what is to be read of a folder, as its files are now."""
        known = self._runs.get(seen.folder)
        if seen.files is None or not (METRICS in seen.files or PARAMETERS in seen.files):
            if known is not None:
                self._remove(seen.folder)
            return
        if known is None:
            known = self._runs[seen.folder] = Known(seen.folder)
        self._doubted.discard(seen.folder)
        changed = {name for name in TELLING if known.files.get(name) != seen.files.get(name)}
        size = self._places.size(seen.folder, self._runs)
        if METRICS in changed:
            self._rows.setdefault(seen.folder, known.read + ROWS_EVERY)
        if changed - {METRICS} or not known.head or size != known.size:
            self._files.setdefault(seen.folder, set()).update(changed)
        known.files, known.size = seen.files, size

    def _remove(self, run: str) -> None:
        known = self._runs.pop(run)
        self._doubted.discard(run)
        self._files.pop(run, None)
        self._rows.pop(run, None)
        self._shelf.forget(run)
        if known.head:
            with self._lock:
                self.number += 1
                del self._order[run]
                self._removed[run] = self.number
                if len(self._removed) > MOST_REMOVED:
                    self._forgotten = self._removed.popitem(last=False)[1]

    # -- what is in it ------------------------------------------------------------------------------------------------

    @property
    def has_files(self) -> bool:
        """Whether there are small files to read."""
        return bool(self._files)

    def due(self) -> float | None:
        """Return when there are rows to read, in seconds of `time.monotonic`; None where there are none."""
        return min(self._rows.values(), default=None)

    def hurry(self) -> None:
        """Have all rows read that are new, also of runs that were looked at a moment ago."""
        self._rows = dict.fromkeys(self._rows, -math.inf)

    def read_files(self) -> Generator[None, None, None]:
        """Read the small files that have changed."""
        while self._files:
            run, names = self._files.popitem(last=False)
            for name in names - {METRICS}:
                self._read(self._runs[run], name)
            self._publish(self._runs[run])
            yield
        self._see_if_complete()

    def _see_if_complete(self) -> None:
        if self._has_looked and not self._files and not self.complete:
            with self._lock:
                self.complete, self.number = True, self.number + 1

    def read_rows(self) -> Generator[None, None, None]:
        """Read the rows that are due."""
        now = time.monotonic()
        for run in [run for run, due in self._rows.items() if due <= now]:
            known = self._runs.get(run)
            if known is not None and self._rows.pop(run, None) is not None:
                yield from self._read_rows(known)
                yield

    def _read(self, known: Known, name: str) -> None:
        stamp = known.files.get(name)
        data = b"" if stamp is None else self._bytes(_in(known.name, name))
        if name == PARAMETERS:
            known.given = given_of(data) if data else Given()
        elif name == NOTES:
            known.notes = notes_of(data) if data else Notes()
        elif name == SIGN:
            known.sign = sign_of(data, stamp) if stamp is not None else None

    def _bytes(self, key: str) -> bytes:
        """Return what is committed of a small file; nothing of one that is large, or cannot be read."""
        try:
            descriptor, _, length = self._opener(key)
        except OSError:
            return b""
        try:
            most = LARGEST.get(key.rpartition("/")[2], LARGEST[""])
            return os.pread(descriptor, length, 0) if length <= most else b""
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def _read_rows(self, known: Known) -> Generator[None, None, None]:
        known.read = time.monotonic()
        stamp = self._committed(_in(known.name, METRICS))
        if stamp is not None and stamp == known.counted:
            return  # told of once more
        if stamp is not None:
            known.files = {**known.files, METRICS: stamp}
        try:
            rows = yield from self._shelf.reading(known.name)
        except StorageFailed:
            return
        with rows.lock:
            which = Which.of(rows, -1 if stamp is None else stamp.inode)
            summary, count = rows.summary(), rows.rows
        if self._runs.get(known.name) is not known:
            return  # removed meanwhile
        is_other = count < known.rows or (known.which is not None and not which.continues(known.which))
        if is_other and known.rows:
            known.replaced = self.number + 1
        known.rows, known.which, known.counted = count, which, stamp
        known.sum_up(summary)
        self._publish(known)

    def _committed(self, key: str) -> Stamp | None:
        """Return the stamp of what is committed of a file: more may be written, and be committed without a change."""
        try:
            descriptor, status, length = self._opener(key)
        except OSError:
            return None
        os.close(descriptor)
        return Stamp.of(status)._replace(size=length)

    def watch_signs(self) -> None:
        """See which signs of life have become old."""
        now = time.time()
        for known in list(self._order.values()):
            if known.sign is not None and (known.sign.until < now) == (b'"alive":true' in known.head):
                self._publish(known)

    def _publish(self, known: Known) -> None:
        head = known.told(time.time())
        if known.version and (head, known.given.parameters) == (known.head, known.parameters):
            return
        with self._lock:
            self.number += 1
            known.head, known.parameters, known.version = head, known.given.parameters, self.number
            self._removed.pop(known.name, None)
            self._order[known.name] = known
            self._order.move_to_end(known.name)

    # -- who knows what -----------------------------------------------------------------------------------------------

    def since(self, version: str | None, below: str = "") -> News:
        """Return what has changed since a version, of the runs at a key or below it; all for one that is not known."""
        with self._lock:
            number = self._number_of(version)
            runs = []
            for known in reversed(self._order.values()):
                if number is not None and known.version <= number:
                    break
                if keys.within(known.name, below):
                    runs.append(known)
            gone: list[str] = []
            for name, at in reversed(self._removed.items()):
                if number is None or at <= number:
                    break
                gone += [name] if keys.within(name, below) else []
            told = f"{self._name}-{self.number}"
            return News(told, self.complete, number is None, runs[::-1], gone)

    def replaced_since(self, run: str, version: str | None) -> bool:
        """Tell whether the rows of a run were found to be others since a version."""
        known = self._order.get(run)
        number = self._number_of(version)
        return known is not None and number is not None and known.replaced > number

    def _number_of(self, version: str | None) -> int | None:
        name, _, number = (version or "").rpartition("-")
        if name != self._name or not (number.isascii() and number.isdigit() and len(number) < 20):
            return None
        return int(number) if self._forgotten <= int(number) <= self.number else None


def _in(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
