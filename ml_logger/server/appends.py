"""The files that the committer appends to: open descriptors, committed lengths, and what others did to them.

They are opened with `O_APPEND`, so that not one byte of somebody else, who may append at the same moment, is ever
overwritten; where our bytes went is looked up after the write.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
import threading
from collections import OrderedDict
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ml_logger.notices import notice
from ml_logger.server.catalog import Catalog, FileState
from ml_logger.stores.folder import Folder

#: How many files are kept open, where the process may open four times as many.
MAX_OPEN = 256

#: How often something that others have appended into the middle of is appended anew.
TRIES = 3
#: Bytes of a file that are appended with one write; Linux takes a little less than 2 GiB.
ONE_WRITE = 2**30

#: What is appended: bytes, or a file whose bytes are copied piece by piece.
Source = bytes | Path


class OpenFile:
    """One file that is being appended to: its descriptor, what is committed of it, and what was written behind that.

    Attributes:
        start, stop: where our last bytes in one piece lie, which can be cut back.
        written: how many bytes of ours are not committed, in all.
    """

    __slots__ = ("created", "descriptor", "key", "start", "state", "stop", "written")

    def __init__(self, key: str, descriptor: int, state: FileState, *, created: bool) -> None:
        self.key = key
        self.descriptor = descriptor
        self.state = state
        self.created = created
        self.begin_anew()

    def begin_anew(self) -> None:
        """Count what is written from the committed length on."""
        self.start = self.stop = self.state.length
        self.written = 0


class Appends:
    """Append to files, behind what is committed. Used by the committer's thread; `open_view` is for readers."""

    def __init__(self, folder: Folder, catalog: Catalog) -> None:
        self._folder = folder
        self._catalog = catalog
        self._open: OrderedDict[str, OpenFile] = OrderedDict()
        self._held: set[str] = set()
        self._evicted: set[str] = set()
        self.limit = min(MAX_OPEN, max(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))
        self._in_flight: dict[str, int] = {}
        self._view = threading.Lock()
        self._told: set[str] = set()

    def get(self, key: str) -> OpenFile:
        """Return a file ready for appending; created where there is none. What others did to it is taken as the truth.

        It stays open until the next `shrink`.

        Raises:
            OSError: it cannot be opened, or is no regular file.
        """
        file = self._open.get(key)
        if file is not None and self._is_same(file):
            self._open.move_to_end(key)
        else:
            self._drop(key)
            file = self._open_or_make_room(key)
        self._held.add(key)
        self._adopt_foreign(file)
        if not file.written:
            file.begin_anew()
        return file

    def shrink(self) -> None:
        """Close files beyond the limit, the longest unused first. Between stages only: a stage holds descriptors."""
        self._held.clear()
        self._close_idle(self.limit)

    def _close_idle(self, keep: int) -> None:
        for key in [key for key in self._open if key not in self._held][: max(0, len(self._open) - keep)]:
            os.close(self._open.pop(key).descriptor)
            self._evicted.add(key)

    def _is_same(self, file: OpenFile) -> bool:
        try:
            there, here = self._folder.stat(file.key), os.fstat(file.descriptor)
        except OSError:
            return False
        return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)

    def _open_or_make_room(self, key: str) -> OpenFile:
        try:
            return self._open_file(key)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        self._close_idle(0)
        return self._open_file(key)

    def _open_file(self, key: str) -> OpenFile:
        known = self._catalog.file(key)
        try:
            descriptor, created = self._folder.open(key, os.O_RDWR | os.O_APPEND), False
        except FileNotFoundError:
            descriptor, created = self._folder.open(key, os.O_RDWR | os.O_APPEND | os.O_CREAT), True
        state = known or FileState(1, os.fstat(descriptor).st_size, False)
        file = self._open[key] = OpenFile(key, descriptor, state, created=created)
        return file

    def _adopt_foreign(self, file: OpenFile) -> None:
        size, state = os.fstat(file.descriptor).st_size, file.state
        if size == state.length:
            return
        if size > state.length:
            self._tell_appended(file.key, size - state.length)
            file.state = FileState(state.generation, size, False)
        else:
            notice(f"{file.key!r} was cut or replaced by somebody else: going on behind its {size:,} bytes")
            file.state = FileState(state.generation + 1, size, False)

    def _tell_appended(self, key: str, size: int) -> None:
        if key not in self._told:  # once: a program that logs into the same file does it again and again
            self._told.add(key)
            notice(f"{key!r} has {size:,} bytes that somebody else appended: they are kept, and so are later ones")

    def mark_dirty(self, files: Iterable[OpenFile]) -> None:
        """Commit that files may hold more than is committed, before anything is written to them."""
        unmarked = [file for file in files if not file.state.dirty]
        if not unmarked:
            return
        with self._catalog.transaction():
            self._catalog.set_files((file.key, file.state._replace(dirty=True)) for file in unmarked)
        for file in unmarked:
            file.state = file.state._replace(dirty=True)

    def write(self, file: OpenFile, sources: list[Source]) -> int:
        """Write behind all that is there, and return the new length. Readers do not see it until `settle`."""
        with self._view:
            self._in_flight.setdefault(file.key, file.state.length)
        for block in _blocks(sources):
            self._write_whole(file, block)
        foreign = file.stop - file.state.length - file.written
        if foreign:
            self._tell_appended(file.key, foreign)
        return file.stop

    def _write_whole(self, file: OpenFile, block: bytes | mmap.mmap) -> None:
        """Append one block, again where others appended into the middle of it.

        Raises:
            OSError: the disk does not take it; EAGAIN when others append all the time.
        """
        for _ in range(TRIES):
            if self._write_once(file, block):
                return
            notice(f"somebody else appended to {file.key!r} in the middle of a record: it is appended once more, whole")
        raise OSError(errno.EAGAIN, f"others append to {file.key!r} all the time")

    def _write_once(self, file: OpenFile, block: bytes | mmap.mmap) -> bool:
        """Append one block; return False when somebody else's bytes are in the middle of it."""
        whole, at = True, 0
        while at < len(block):  # a write may be short, near the end of a disk or a limit
            with memoryview(block) as view, view[at : at + ONE_WRITE] as rest:
                written = os.write(file.descriptor, rest)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            stop = os.lseek(file.descriptor, 0, os.SEEK_CUR)
            if stop - written != file.stop:  # others were here since our last write: never cut back over them
                file.start = stop - written
                whole = whole and at == 0
            file.stop = stop
            file.written += written
            at += written
        return whole

    def settle(self, lengths: dict[OpenFile, int]) -> None:
        """Show readers what is committed now."""
        with self._view:
            for file, length in lengths.items():
                file.state = file.state._replace(length=length)
                file.begin_anew()
                file.created = False
                self._in_flight.pop(file.key, None)

    def take_back(self, files: Iterable[OpenFile], written: Container[OpenFile]) -> None:
        """Cut the written among some files back to what is committed, and remove those that were new.

        Raises:
            OSError: EIO, when that is impossible: only recovery can tell now what is committed.
        """
        failure: OSError | None = None
        for file in files:
            try:
                if file in written:
                    self._cut_back(file)
            except OSError as error:
                failure = error
            with suppress(OSError):  # an empty file does no harm, and removing one takes a descriptor
                if file.created and not os.fstat(file.descriptor).st_size:
                    self._drop(file.key)
                    self._folder.remove(file.key)
            with self._view:
                self._in_flight.pop(file.key, None)
        if failure is not None:
            raise OSError(errno.EIO, f"what was not committed cannot be taken back: {failure.strerror}") from failure

    def _cut_back(self, file: OpenFile) -> None:
        left = file.written
        if os.fstat(file.descriptor).st_size == file.stop:
            os.ftruncate(file.descriptor, file.start)
            left -= file.stop - file.start
        if left:
            # Cutting would take what others have appended behind ours; both are the truth now.
            notice(f"{left:,} bytes of {file.key!r} were not committed, and others appended behind them: they stay")
        file.begin_anew()

    def open_view(self, key: str) -> tuple[int, os.stat_result, int]:
        """Open a file for a reader: its descriptor, status, and the length that is committed. For any thread.

        Raises:
            OSError: there is no such file.
        """
        descriptor = self._folder.open(key, os.O_RDONLY)
        with self._view:
            status = os.fstat(descriptor)
            length = min(status.st_size, self._in_flight.get(key, status.st_size))
        return descriptor, status, length

    def committed(self, key: str, size: int) -> int:
        """Return how much of a file's size is committed. For any thread."""
        with self._view:
            return min(size, self._in_flight.get(key, size))

    def forget(self, key: str) -> None:
        """Close a file, and all below a folder, before it is removed, replaced or moved."""
        for name in [name for name in self._open if name == key or name.startswith(f"{key}/")]:
            self._drop(name)

    def _drop(self, key: str) -> None:
        # Nothing below it: the very stage that asks may hold that, and its descriptor would become another file's.
        file = self._open.pop(key, None)
        if file is not None:
            os.close(file.descriptor)
            self._evicted.discard(key)

    def clean(self, *, evicted_only: bool) -> list[str]:
        """Return the files that hold nothing but what is committed, for `Catalog.mark_clean`."""
        cleaned = [key for key in self._evicted if key not in self._open]
        self._evicted.clear()
        if not evicted_only:
            for file in self._open.values():
                if file.state.dirty:
                    cleaned.append(file.key)
                    file.state = file.state._replace(dirty=False)
        return cleaned

    def close(self) -> None:
        """Close every file."""
        while self._open:
            os.close(self._open.popitem()[1].descriptor)


def _blocks(sources: Iterable[Source]) -> Iterator[bytes | mmap.mmap]:
    """Yield what is to be appended with one write each, so that nobody gets between: bytes joined, files mapped."""
    together: list[bytes] = []
    for source in sources:
        if isinstance(source, bytes):
            together.append(source)
            continue
        if together:
            yield b"".join(together)
            together = []
        if source.stat().st_size:
            with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                yield mapped
    if together:
        yield b"".join(together)
