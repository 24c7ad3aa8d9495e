"""The files of a spool: frames one after another, begun anew when one is large, deleted once all of it is sent."""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from pathlib import Path
from typing import NamedTuple

from ml_logger.stores.base import LOOK_BACK
from ml_logger.transport import batches, frames
from ml_logger.transport.batches import Batch
from ml_logger.transport.private import close, sync_folder


class Segment(NamedTuple):
    """One file of a spool and the number of its first frame."""

    first: int
    path: Path


class Segments:
    """The files of one spool.

    Args:
        size: bytes after which a new file is begun.
        lock: the lock of the spool; `write` and `settle` are called with it held.
    """

    def __init__(self, size: int, lock: threading.RLock) -> None:
        self._limit = size
        self._lock = lock
        self._segments: deque[Segment] = deque()
        self._current: Segment | None = None
        self._file: int | None = None
        self._size = 0
        self._start = 0  # of what was written last: all before it is good
        self._reading: tuple[Segment, int] | None = None
        self._read_offset = 0
        self._last_read: Batch | None = None
        self._synced_names: set[int] = set()

    # ---------------------------------------------------------------- the writer's side

    def write(self, folder: Path | None, seq: int, data: bytes) -> None:
        """Add frames, the first of them with the number `seq`, with one `write`: all of it or nothing.

        Raises:
            OSError: the disk does not take them.
        """
        try:
            if self._file is None or self._size >= self._limit:
                self._begin(folder, seq)
            self._start = self._size
            written = os.write(self._file, data)  # type: ignore[arg-type]
            if written != len(data):
                os.ftruncate(self._file, self._size)  # type: ignore[arg-type]
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if error.errno is not None:  # else a signal handler raised, and `settle` finds out what was written
                self.close_writing()
            raise
        self._size += written

    def _begin(self, folder: Path | None, first: int) -> None:
        self.close_writing()
        if folder is None:
            raise OSError(errno.ENOENT, "there is no folder")
        self._current = Segment(first, folder / f"seg-{first:020d}")
        self._size = self._start = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.open(self._current.path, flags, 0o600)
        self._list_current()

    def _list_current(self) -> None:
        if self._current is not None and (not self._segments or self._segments[-1].first != self._current.first):
            self._segments.append(self._current)

    def close_writing(self) -> None:
        """Let go of the file that is written to; the next frame begins a new one."""
        # Forgotten before it is closed: a fork in between must not find a number that may be another file's by then.
        file, self._file = self._file, None
        close(file)

    def settle(self) -> int:
        """Cut a torn end, after an exception has ended `write` at any point; return the number of the last frame."""
        if self._file is None:
            return 0
        self._list_current()
        rest = os.fstat(self._file).st_size - self._start
        whole = list(batches.readable(os.pread(self._file, rest, self._start)))
        self._size = self._start + (whole[-1].stop if whole else 0)
        os.ftruncate(self._file, self._size)
        return whole[-1].seq if whole else 0

    def holds(self, payload: bytes) -> bool:
        """Tell whether a payload is in one of the last frames that were written."""
        for segment in [*self._segments][-2:]:  # a new one may have been begun since
            try:
                with segment.path.open("rb") as file:
                    file.seek(max(0, file.seek(0, os.SEEK_END) - len(payload) - LOOK_BACK))
                    if payload in file.read():
                        return True
            except FileNotFoundError:
                continue  # all of it was acknowledged, or somebody has deleted it
        return False

    def take(self, path: Path) -> None:
        """Add a file that an earlier owner left."""
        self._segments.append(Segment(int(path.name[4:]), path))

    # ---------------------------------------------------------------- the sender's side

    @property
    def first(self) -> int | None:
        """The number of the oldest frame that has not been deleted; None when there is no file."""
        with self._lock:
            return self._segments[0].first if self._segments else None

    def _from(self, wanted: int) -> list[Segment]:
        with self._lock:
            segments = list(self._segments)
        start = max((n for n, segment in enumerate(segments) if segment.first <= wanted), default=0)
        return segments[start:]

    def batch(self, wanted: int, last: int, limit: int) -> Batch | None:
        """Return frames from `wanted` on, none behind `last`, of about `limit` bytes; None when there are none.

        Where a file is damaged or gone, those behind the gap.
        """
        for segment in self._from(wanted):
            if not self._is_open_for_reading(segment):
                continue
            self._last_read = self._read_frames(wanted, last, limit)
            if self._last_read is not None:
                return self._last_read
        return None

    def _read_frames(self, wanted: int, last: int, limit: int) -> Batch | None:
        assert self._reading is not None
        file, size = self._reading[1], limit
        while data := os.pread(file, size, self._read_offset):
            spans = [span for span in batches.readable(data) if span.seq <= last]
            if not spans and size == limit:
                size += frames.MAX_FRAME  # one frame larger than the limit
                continue
            if not spans or spans[0].seq >= wanted:
                return batches.cut(data, spans) if spans else None
            self._read_offset += next((span.start for span in spans if span.seq >= wanted), spans[-1].stop)
        return None

    def _is_open_for_reading(self, segment: Segment) -> bool:
        if self._reading is not None and self._reading[0] == segment:
            return True
        self.close_reading()
        try:
            self._reading = (segment, os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            return False  # somebody has deleted it: the sender goes on behind it, and says what is missing
        self._read_offset = 0
        return True

    def close_reading(self) -> None:
        """Let go of the file that is read from; the next batch is looked for from its start."""
        reading, self._reading = self._reading, None
        if reading is not None:
            close(reading[1])

    def acknowledge(self, batch: Batch, size: int, seq: int) -> None:
        """Go on behind the first `size` bytes of a batch; delete files that hold nothing behind the number `seq`."""
        if batch is self._last_read:
            self._read_offset += size
        while len(self._segments) > 1 and self._segments[1].first <= seq + 1:
            if self._reading is not None and self._reading[0] == self._segments[0]:
                self.close_reading()
            with self._lock:
                segment = self._segments.popleft()
            self._synced_names.discard(segment.first)
            segment.path.unlink(missing_ok=True)

    def made(self, wanted: int) -> float | None:
        """Return when the frame `wanted`, or the next one that is there, was made, in seconds since the epoch."""
        for segment in self._from(wanted):
            try:
                data = segment.path.read_bytes()
            except OSError:
                continue  # acknowledged and deleted since
            for span in batches.readable(data):
                if span.seq >= wanted:
                    return frames.time_of(data, span)
        return None

    def bytes_between(self, seq: int, last: int) -> int:
        """Return the bytes of the frames behind `seq`, up to `last`, that are here."""
        size = 0
        for segment in self._from(seq + 1):
            try:
                data = segment.path.read_bytes()
            except OSError:
                continue  # somebody has deleted it
            size += sum(span.stop - span.start for span in batches.readable(data) if seq < span.seq <= last)
        return size

    def sync(self, wanted: int) -> None:
        """Make the frames from `wanted` on durable.

        Raises:
            OSError: the disk has failed.
        """
        for segment in self._from(wanted):
            try:
                file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # acknowledged and deleted since
            try:
                os.fdatasync(file)
            finally:
                os.close(file)
            if segment.first not in self._synced_names:
                self._synced_names.add(segment.first)
                sync_folder(segment.path.parent)
