"""A directory on this machine: one `write` per record, whole files by renaming."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import BinaryIO

from ml_logger import keys
from ml_logger.forks import in_child
from ml_logger.notices import notice
from ml_logger.stores.base import LOOK_BACK, SETTLED, Data, Entry, Receipt, Store
from ml_logger.stores.folder import Folder, failed, missing_or_failed

#: How many files are kept open for appending.
MAX_OPEN = 64
#: Seconds between looks whether somebody has removed the file that is appended to.
LOOK_EVERY = 0.1

#: For a suffix: where the last whole record of an open file ends.
Boundaries = Mapping[str, Callable[[BinaryIO], int]]


class LocalStore(Store):
    """A store in a directory. Safe for threads, and for several processes that append to one file.

    Args:
        root: the directory; it is created when something is first written.
        boundaries: for suffixes of files that hold records, the function that finds the end of the last whole one; a
            torn tail is set aside in `NAME.torn` before the first append.
    """

    def __init__(self, root: Path, boundaries: Boundaries | None = None) -> None:
        self.root = root
        self.address = str(root.absolute())
        self.folder = Folder(root, follow_links=True)
        self._boundaries = boundaries or {}
        self._files: OrderedDict[str, int] = OrderedDict()
        self._look_again = 0.0
        self._lock = threading.RLock()
        in_child(self._after_fork)

    def __repr__(self) -> str:
        return f"LocalStore({str(self.root)!r})"

    def _after_fork(self) -> None:
        # Another thread of the parent may hold the lock; descriptors stay good, each append is one write of its own.
        self._lock = threading.RLock()

    def append(self, key: str, data: bytes) -> Receipt:
        """Add bytes at the end of a file with one write, whole or not at all."""
        with self._lock:
            if monotonic() >= self._look_again:
                self._close_removed()
            file = self._files.get(key)
            try:
                if file is None:
                    key = keys.check(key)
                    file = self._files.get(key)
                if file is None:
                    file = self._open(key)
                written = os.write(file, data)
                if written != len(data):
                    _take_back(file, written)
            except OSError as error:
                if error.errno is None:
                    raise  # not from the system: a signal handler raised, TimeoutError say
                self._close_file(key)
                raise failed(error, key) from None
        return SETTLED

    def holds(self, key: str, data: bytes) -> bool:
        """Tell whether data is among the last that was appended to a file."""
        with self._lock:
            file = self._files.get(keys.check(key))
            if file is None:
                return False
            start = max(0, os.fstat(file).st_size - len(data) - LOOK_BACK)
            return data in os.pread(file, len(data) + LOOK_BACK, start)

    def _close_removed(self) -> None:
        # A file that someone removed has no name left: what is written to it would be gone. Looked at every now and
        # then only, since a look costs more than a write.
        self._look_again = monotonic() + LOOK_EVERY
        for key in [key for key, file in self._files.items() if _is_gone(file)]:
            self._close_file(key)

    def _open(self, key: str) -> int:
        self._close_file(key)
        while len(self._files) >= MAX_OPEN:
            os.close(self._files.popitem(last=False)[1])
        file = self.folder.open(key, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        self._files[key] = file
        boundary = self._boundaries.get(keys.suffix(key))
        try:
            if boundary is not None:
                self._set_torn_aside(file, key, boundary)
            # Held while the file is open: nobody cuts a tail that is being written.
            fcntl.flock(file, fcntl.LOCK_SH)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                raise  # a file system without locks still takes appends
        return file

    def _set_torn_aside(self, file: int, key: str, boundary: Callable[[BinaryIO], int]) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another process appends to it now, so the tail is no wreck
        size = os.fstat(file).st_size
        with os.fdopen(file, "rb", closefd=False) as reader:
            whole = boundary(reader) if size else 0
        if whole < size:
            torn = os.pread(file, size - whole, whole)
            aside = self.folder.open(f"{key}.torn", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.write(aside, torn)
            finally:
                os.close(aside)
            os.ftruncate(file, whole)
            notice(f"{key!r} ended in a torn record: its {size - whole:,} bytes were set aside in {key + '.torn'!r}")

    def _close_file(self, key: str) -> None:
        file = self._files.pop(key, None)
        if file is not None:
            with suppress(OSError):  # closed by somebody else: a daemon that closes all it has inherited
                os.close(file)

    def _close_below(self, key: str) -> None:
        for name in [name for name in self._files if name == key or name.startswith(f"{key}/")]:
            self._close_file(name)

    def write(self, key: str, data: Data) -> Receipt:
        """Create or replace a file by renaming a finished one into its place."""
        key = keys.check(key)
        return self._change(key, lambda: self.folder.publish(self.folder.stage(data), key))

    def remove(self, key: str) -> Receipt:
        """Remove a file, or a folder with all that is in it; nothing there is no error."""
        key = keys.check(key)
        return self._change(key, lambda: self.folder.remove(key))

    def move(self, source: str, target: str) -> Receipt:
        """Rename a file or a folder; a file in the way is replaced."""
        source, target = keys.check_apart(source, target)
        with self._lock:
            self._close_below(source)
            self._check_there(source)
            return self._change(target, lambda: self.folder.move(source, target))

    def copy(self, source: str, target: str) -> Receipt:
        """Copy a file, or a folder with all that is in it; files in the way are replaced."""
        source, target = keys.check_apart(source, target)
        self._check_there(source)
        return self._change(target, lambda: self.folder.copy(source, target))

    def _check_there(self, source: str) -> None:
        try:
            self.folder.stat(source)
        except OSError as error:
            raise missing_or_failed(error, source) from None

    def _change(self, key: str, change: Callable[[], None]) -> Receipt:
        with self._lock:
            self._close_below(key)
            try:
                change()
            except OSError as error:
                raise failed(error, key) from None
        return SETTLED

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` of a file, as long as it was when opened."""
        return self.folder.stream(keys.check(key), start, stop)

    def open_file(self, key: str) -> BinaryIO:
        """Open a file for reading, at any place in it."""
        try:
            return os.fdopen(self.folder.open(keys.check(key), os.O_RDONLY), "rb")
        except OSError as error:
            raise missing_or_failed(error, key) from None

    def entries(self, pattern: str = "**") -> list[Entry]:
        """Return the files whose key matches a glob, sorted by key."""
        return self.folder.entries(pattern)

    def stat(self, key: str) -> Entry:
        """Return what is known of one file."""
        return self.folder.entry(keys.check(key))

    def close(self, timeout: float | None = None, silence: float | None = None) -> None:
        """Close the files that are open for appending; a later write opens them again."""
        with self._lock:
            for key in list(self._files):
                self._close_file(key)


def _is_gone(file: int) -> bool:
    try:
        return not os.fstat(file).st_nlink
    except OSError as error:
        if error.errno is None:
            raise  # not from the system: a signal handler raised
        return True


def _take_back(file: int, written: int) -> None:
    """Cut what a short write left of a record, unless someone has appended behind it; then say the disk is full."""
    end = os.lseek(file, 0, os.SEEK_CUR)
    if os.fstat(file).st_size == end:
        os.ftruncate(file, end - written)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
