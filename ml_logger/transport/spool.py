"""The spool: what one writer has logged and no server has acknowledged, as frames in files.

A spool is a folder `<spools>/<server>/<writer>/`::

    seg-00000000000000000001   frames 1, 2, 3..., one `write` each; the name is the number of the first
    seg-00000000000000004096   the next ones
    ack                        number of the last acknowledged frame
    writer                     id under which the frames are sent, the number that goes before its frame 1, and the id
                               of the catalog that acknowledged the last ones
    lock                       held (flock) by the living owner; a folder whose lock is free may be adopted

Beside it, in `rejected/`, are frames that the server refused for good, each with the reason.

Where the disk refuses, frames wait in a bounded queue in memory instead.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import threading
from collections import deque
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from ml_logger.notices import notice
from ml_logger.transport import batches, frames
from ml_logger.transport.batches import Batch
from ml_logger.transport.private import close, held, write_private

#: How long a call waits for room in the memory queue before its record is dropped, in seconds.
ROOM_TIMEOUT = 1.0
#: Seconds between two notes of what is acknowledged.
REMEMBER_EVERY = 1.0


class Segment(NamedTuple):
    """One file of a spool and the number of its first frame."""

    first: int
    path: Path


class Spool:
    """The unsent frames of one writer. `append` is for any thread, everything else for the one that sends.

    Args:
        folder: where the frames are kept; None keeps them in memory only.
        segment_size: bytes after which a new file is begun; whole files are deleted once acknowledged.
        queue_size: most bytes that wait in memory when the disk refuses.
    """

    def __init__(self, folder: Path | None, *, segment_size: int, queue_size: int) -> None:
        self.folder = folder
        self.writer = secrets.token_hex(16)
        self.base = 0  # frame `n` goes to the server as number `n - base` of `writer`
        self.catalog = ""  # the server's memory that has acknowledged what went before
        self.last = 0
        self.acknowledged = 0
        self.dropped = 0
        self.appended_bytes = 0
        self.acknowledged_bytes = 0
        self._segment_size = segment_size
        self._queue_size = queue_size
        self._segments: deque[Segment] = deque()
        self._file: int | None = None
        self._size = 0
        self._reading: tuple[Segment, int] | None = None
        self._read_offset = 0
        self._queue: deque[tuple[int, bytes]] = deque()
        self._queued_bytes = 0
        self._lock_file: int | None = None
        self._remember_next = 0.0
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._full = False
        self._writing = False
        self._deferred: deque[tuple[int, bytes, bytes, int]] = deque()

    # ---------------------------------------------------------------- the writer's side

    def append(self, op: int, key: bytes, payload: bytes, flags: int = 0) -> int:
        """Store one frame, with one `write`, and return its number; 0 when it had to be dropped."""
        if self._lock._is_owned():  # type: ignore[attr-defined]
            # A signal handler that logs has interrupted an append of this very thread: that one stores it too.
            # (Asked as threading.Condition does it: a flag of our own would stay set when Ctrl-C ends an append.)
            self._deferred.append((op, key, payload, flags))
            return self.last + 1 + len(self._deferred)
        with self._lock:
            seq = self._append(op, key, payload, flags)
            while self._deferred:
                self._append(*self._deferred.popleft())
            return seq

    def _append(self, op: int, key: bytes, payload: bytes, flags: int) -> int:
        if self._writing:
            self._settle_interrupted()
        if self._queue and not self._has_room():
            self.dropped += 1
            return 0
        seq = self.last + 1
        frame = frames.encode(seq, op, key, payload, flags)
        size = len(frame)
        self._writing = True
        if not self._queue and self._write(seq, frame, size):
            self._size += size
        else:
            self._queue.append((seq, frame))
            self._queued_bytes += size
        self.appended_bytes += size
        self.last = seq  # last of all: the sender reads up to this number
        self._writing = False
        return seq

    def _settle_interrupted(self) -> None:
        """Go by what is there, after Ctrl-C, or a handler that raised, has ended an append at any point of it."""
        if self._queue:
            self.last = max(self.last, self._queue[-1][0])
            self._queued_bytes = sum(len(frame) for _, frame in self._queue)
        elif self._file is not None:
            whole = list(batches.readable(self._segments[-1].path.read_bytes()))
            self._size = whole[-1].stop if whole else 0
            os.ftruncate(self._file, self._size)
            self.last = max(self.last, whole[-1].seq if whole else 0)
        self._writing = False

    def _write(self, seq: int, frame: bytes, size: int) -> bool:
        try:
            if self._file is None or self._size >= self._segment_size:
                if self.folder is None:
                    return False
                self._begin_segment(seq)
            written = os.write(self._file, frame)  # type: ignore[arg-type]
            if written != size:
                os.ftruncate(self._file, self._size)  # type: ignore[arg-type]
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            notice(f"the spool {self.folder} takes no more ({error.strerror}): records now wait in memory")
            self._close_segment()
            return False
        return True

    def _begin_segment(self, first: int) -> None:
        self._close_segment()
        assert self.folder is not None
        path = self.folder / f"seg-{first:020d}"
        self._size = 0
        if not self._segments or self._segments[-1].first != first:
            self._segments.append(Segment(first, path))
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC, 0o600)

    def _close_segment(self) -> None:
        # Forgotten before it is closed: a fork in between must not find a number that may be another file's by then.
        file, self._file = self._file, None
        close(file)

    def _has_room(self) -> bool:
        """Wait for room in the memory queue once; after that, records are dropped at once until there is some."""
        if self._queued_bytes < self._queue_size:
            self._full = False
            return True
        if self._full:
            return False
        if self._room.wait_for(lambda: self._queued_bytes < self._queue_size, ROOM_TIMEOUT):
            return True
        self._full = True
        notice("the spool and the queue in memory are full: records are dropped from here on until there is room")
        return False

    # ---------------------------------------------------------------- the sender's side

    def batch(self, limit: int) -> Batch | None:
        """Return the next frames that are not acknowledged, of about `limit` bytes; None when there are none.

        Where a file is damaged or gone, those behind the gap: `first` tells.
        """
        if self.acknowledged >= self.last:
            return None
        return self._batch_from_disk(limit) or self._batch_from_queue(limit)

    def _batch_from_disk(self, limit: int) -> Batch | None:
        wanted, last = self.acknowledged + 1, self.last  # read first: every frame up to `last` is whole in its file
        with self._lock:
            segments = list(self._segments)
        start = max((n for n, segment in enumerate(segments) if segment.first <= wanted), default=0)
        for segment in segments[start:]:
            if not self._is_open_for_reading(segment):
                continue
            found = self._read_frames(wanted, last, limit)
            if found is not None:
                return found
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
        self._close_reading()
        try:
            self._reading = (segment, os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            return False  # somebody has deleted it: the sender goes on behind it, and says what is missing
        self._read_offset = 0
        return True

    def _close_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            close(reading[1])

    def _batch_from_queue(self, limit: int) -> Batch | None:
        with self._lock:
            waiting = list(self._queue)
        taken: list[bytes] = []
        stops: list[int] = []
        for _, frame in waiting:
            if stops and stops[-1] + len(frame) > limit:
                break
            taken.append(frame)
            stops.append((stops[-1] if stops else 0) + len(frame))
        if not taken:
            return None
        return Batch(waiting[0][0], waiting[0][0] + len(taken) - 1, b"".join(taken), stops)

    def acknowledge(self, batch: Batch, seq: int) -> None:
        """Forget the frames of a batch up to a number: delete whole files, and make room in memory."""
        count = seq - batch.first + 1
        if count <= 0:
            return
        size = batch.stops[min(count, len(batch.stops)) - 1]
        self.acknowledged_bytes += size
        self.acknowledged = seq
        with self._lock:
            from_queue = bool(self._queue) and self._queue[0][0] <= seq
            while self._queue and self._queue[0][0] <= seq:
                self._queued_bytes -= len(self._queue.popleft()[1])
                self._room.notify_all()
        if not from_queue:
            self._read_offset += size
        self._delete_acknowledged()
        self._remember_acknowledged()

    def _delete_acknowledged(self) -> None:
        while len(self._segments) > 1 and self._segments[1].first <= self.acknowledged + 1:
            if self._reading is not None and self._reading[0] == self._segments[0]:
                self._close_reading()
            with self._lock:
                segment = self._segments.popleft()
            segment.path.unlink(missing_ok=True)

    def _remember_acknowledged(self) -> None:
        # Only a hint that saves work after a crash: a server drops what it has had before.
        if self.folder is None or monotonic() < self._remember_next:
            return
        self._remember_next = monotonic() + REMEMBER_EVERY
        try:
            write_private(self.folder / "ack.new", b"%d" % self.acknowledged)
            (self.folder / "ack.new").replace(self.folder / "ack")
        except OSError:
            pass

    def first_available(self) -> int:
        """Return the number of the oldest frame still here; `last + 1` when there is none."""
        with self._lock:
            if self._segments:
                return self._segments[0].first
            return self._queue[0][0] if self._queue else self.last + 1

    def rewind(self, seq: int) -> None:
        """Send again from a number that is still here."""
        self.acknowledged = seq - 1
        self._close_reading()

    def start_over(self, first: int) -> None:
        """Go on under a new writer, whose number 1 is our frame `first`: the server has forgotten what went before."""
        self.writer = secrets.token_hex(16)
        self.base = first - 1
        self.acknowledged = first - 1
        self._close_reading()
        self._save_writer_if_possible()

    def _save_writer_if_possible(self) -> None:
        if self.folder is not None:
            try:
                self.save_writer()
            except OSError as error:
                notice(f"the spool {self.folder} is not writable: {error.strerror}")

    def save_writer(self) -> None:
        """Keep the id and the base where whoever adopts the spool finds them."""
        assert self.folder is not None
        staged = self.folder / "writer.new"
        write_private(staged, json.dumps({"writer": self.writer, "base": self.base, "catalog": self.catalog}).encode())
        staged.replace(self.folder / "writer")

    def remember_catalog(self, catalog: str) -> None:
        """Note which memory of the server has acknowledged what went before."""
        if catalog != self.catalog:
            self.catalog = catalog
            self._save_writer_if_possible()

    def reject(self, batch: Batch, seq: int, reason: str) -> None:
        """Keep one frame that the server refused for good, with the reason."""
        if self.folder is None or not batch.first <= seq <= batch.last:
            return
        index = seq - batch.first
        frame = batch.data[batch.stops[index - 1] if index else 0 : batch.stops[index]]
        try:
            # Beside the spools, where it stays when this one is done with.
            rejected = self.folder.parent / "rejected"
            rejected.mkdir(mode=0o700, exist_ok=True)
            write_private(rejected / f"{self.writer}-{seq}.frame", frame)
            write_private(rejected / f"{self.writer}-{seq}.txt", f"{reason}\n".encode())
        except OSError as error:
            notice(f"a refused record could not be kept: {error.strerror}")

    def take_segment(self, path: Path, last: int, unsent_bytes: int) -> None:
        """Add a file that an earlier owner left, by the number of its last good frame; 0 when it has none."""
        if not last:
            path.unlink()
            return
        self._segments.append(Segment(int(path.name[4:]), path))
        self.last = max(self.last, last)
        self.appended_bytes += unsent_bytes

    def unsent(self) -> tuple[int, int]:
        """Return the number of records that are not acknowledged, and their bytes."""
        return self.last - self.acknowledged, self.appended_bytes - self.acknowledged_bytes

    # ---------------------------------------------------------------- being found, and going away

    def close(self) -> None:
        """Let go of the spool; the folder goes too when everything in it was acknowledged."""
        self._remember_next = 0.0
        self._remember_acknowledged()
        self._close_segment()
        self._close_reading()
        if self.folder is not None and self._lock_file is not None and self.acknowledged >= self.last:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._remove_empty_home()
        self.abandon()

    def _remove_empty_home(self) -> None:
        # A server on a free port is never seen again: its folder must not stay for ever.
        assert self.folder is not None
        home = self.folder.parent
        try:
            with held(home.parent, alone=True) as alone:
                if alone and [path.name for path in home.iterdir()] == ["server"]:
                    (home / "server").unlink()
                    home.rmdir()
        except OSError:
            pass  # it is gone, or not ours to remove

    def abandon(self) -> None:
        """Close every file and touch nothing: for the child of a fork, and for a spool that others will adopt."""
        self._close_segment()
        self._close_reading()
        lock, self._lock_file = self._lock_file, None
        close(lock)

    def take_lock(self) -> bool:
        """Become the owner of the folder; False when somebody else is."""
        assert self.folder is not None
        file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._lock_file = file
        return True
