"""The spool: what one writer has logged and no server has acknowledged, as frames in files.

A spool is a folder `<spools>/<server>/<writer>/`::

    seg-00000000000000000001   frames 1, 2, 3..., one `write` each; the name is the number of the first
    seg-00000000000000004096   the next ones
    ack                        number of the last acknowledged frame
    writer                     id under which the frames are sent, the number that goes before its frame 1, and the id
                               of the catalog that acknowledged the last ones
    lock                       held (flock) by the living owner; a folder whose lock is free may be adopted

Beside it, in `rejected/`, are frames that the server refused for good, each with the reason.

Where the disk refuses, frames wait in a bounded queue in memory (`overflow`), until they are sent or the disk takes
them. Frames that wait for longer than a moment are synced, so that a power loss costs no more than that moment.
"""

from __future__ import annotations

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
from ml_logger.transport import frames
from ml_logger.transport.batches import Batch
from ml_logger.transport.overflow import DROP, Overflow
from ml_logger.transport.private import close, held, write_private
from ml_logger.transport.segments import Segments

#: Seconds between two notes of what is acknowledged.
REMEMBER_EVERY = 1.0
#: Seconds between two attempts to move frames from memory to the disk, where nothing is synced.
RESCUE_EVERY = 1.0
#: Bytes that are moved from memory to disk at a time: a call that logs waits for it.
RESCUED_AT_ONCE = 2**20


class ClosedSpool(Exception):
    """A spool that takes no more frames: its store begins another one."""


class SpoolLimits(NamedTuple):
    """How large a spool becomes, and what happens then.

    Fields:
        segment_size: bytes after which a new file is begun; whole files are deleted once acknowledged.
        queue_size: most bytes that wait in memory when the disk refuses.
        when_full: what happens when that is full too, see `Overflow`.
        sync_every: seconds after which frames that still wait are synced; 0 never does.
    """

    segment_size: int
    queue_size: int
    when_full: str = DROP
    sync_every: float = 1.0


class Spool:
    """The unsent frames of one writer. `append` is for any thread, everything else for the one that sends.

    Args:
        folder: where the frames are kept; None keeps them in memory only.
        limits: how large it becomes.
    """

    def __init__(self, folder: Path | None, limits: SpoolLimits) -> None:
        self.folder = folder
        self.writer = secrets.token_hex(16)
        self.base = 0  # frame `n` goes to the server as number `n - base` of `writer`
        self.catalog = ""  # the server's memory that has acknowledged what went before
        self.last = 0
        self.acknowledged = 0
        self.dropped = 0
        self.appended_bytes = 0
        self.acknowledged_bytes = 0
        self._sync_every = limits.sync_every
        self._lock = threading.RLock()
        self._segments = Segments(limits.segment_size, self._lock)
        self._queue = Overflow(limits.queue_size, limits.when_full, self._lock)
        self._lock_file: int | None = None
        self._remember_next = 0.0
        self._refused = False
        self._seen_last = self._synced = 0
        self._secure_next = 0.0
        self._writing = False
        self._closed = False
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
        if self._deferred:
            self._append_deferred()
        return seq

    def _append_deferred(self) -> None:
        """Store what signal handlers have left while this thread held the lock; called wherever it lets go of it."""
        while self._deferred and not self._lock._is_owned():  # type: ignore[attr-defined]
            with self._lock:
                while self._deferred:
                    self._append(*self._deferred.popleft())

    def _append(self, op: int, key: bytes, payload: bytes, flags: int) -> int:
        if self._closed:
            raise ClosedSpool
        if self._writing:
            self._settle_interrupted()
        queued = self._queue.frames
        if queued and not self._queue.has_room():
            self.dropped += 1
            return 0
        seq = self.last + 1
        frame = frames.encode(seq, op, key, payload, flags)
        self._writing = True
        if queued or not self._write(seq, frame):
            self._queue.put(seq, frame)
        self.appended_bytes += len(frame)
        self.last = seq  # last of all: the sender reads up to this number
        self._writing = False
        return seq

    def leave(self) -> None:
        """Let no call wait for room any longer, since the program ends."""
        with self._lock:
            self._queue.leave()
        self._append_deferred()

    def holds(self, payload: bytes) -> bool:
        """Tell whether a payload is among the last frames: for a caller whose append was interrupted."""
        with self._lock:
            if self._writing:
                self._settle_interrupted()
            found = self._queue.holds(payload) or self._segments.holds(payload)
        self._append_deferred()
        return found

    def _settle_interrupted(self) -> None:
        """Go by what is there, after Ctrl-C, or a handler that raised, has ended an append at any point of it."""
        if self._queue.frames:
            self._queue.count_again()
            self.last = max(self.last, self._queue.last)
        else:
            self.last = max(self.last, self._segments.settle())
        self._writing = False

    def _write(self, seq: int, data: bytes) -> bool:
        try:
            self._segments.write(self.folder, seq, data)
        except OSError as error:
            if error.errno is None:
                raise  # not from the system: a signal handler raised, TimeoutError say
            if not self._refused and self.folder is not None:
                self._refused = True
                notice(f"the spool {self.folder} takes no more ({error.strerror}): records now wait in memory")
            return False
        return True

    # ---------------------------------------------------------------- the sender's side

    def batch(self, limit: int) -> Batch | None:
        """Return the next frames that are not acknowledged, of about `limit` bytes; None when there are none.

        Where a file is damaged or gone, those behind the gap: `first` tells.
        """
        if self.acknowledged >= self.last:
            return None
        # `last` is read first: every frame up to it is whole where it is.
        if not self._queue.frames:
            batch = self._segments.batch(self.acknowledged + 1, self.last, limit)
            if batch is not None:
                return batch
        with self._lock:  # while nothing moves from memory to the disk
            return self._segments.batch(self.acknowledged + 1, self.last, limit) or self._queue.batch(limit)

    def acknowledge(self, batch: Batch, seq: int) -> None:
        """Forget the frames of a batch up to a number: delete whole files, and make room in memory."""
        count = seq - batch.first + 1
        if count <= 0:
            return
        size = batch.stops[min(count, len(batch.stops)) - 1]
        self.acknowledged_bytes += size
        self.acknowledged = seq
        with self._lock:
            self._queue.forget(seq)
        self._segments.acknowledge(batch, size, seq)
        self._remember_acknowledged()

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
            first = self._segments.first
            if first is not None:
                return first
            return self._queue.first if self._queue.frames else self.last + 1

    def rewind(self, seq: int) -> None:
        """Send again from a number that is still here."""
        self._go_on_behind(seq - 1)

    def start_over(self, first: int) -> None:
        """Go on under a new writer, whose number 1 is our frame `first`: the server has forgotten what went before."""
        self.writer = secrets.token_hex(16)
        self.base = first - 1
        self._go_on_behind(first - 1)
        self._save_writer_if_possible()

    def _go_on_behind(self, seq: int) -> None:
        self.acknowledged = seq
        self._segments.close_reading()
        with self._lock:
            last, appended = self.last, self.appended_bytes
            queued = sum(len(frame) for number, frame in self._queue.frames if number > seq)
        self.acknowledged_bytes = appended - queued - self._segments.bytes_between(seq, last)

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
        self._segments.take(path)
        self.last = max(self.last, last)
        self.appended_bytes += unsent_bytes

    def unsent(self) -> tuple[int, int]:
        """Return the number of records that are not acknowledged, and their bytes."""
        return self.last - self.acknowledged, self.appended_bytes - self.acknowledged_bytes

    def oldest(self) -> float | None:
        """Return when the oldest frame that is not acknowledged was made, in seconds since the epoch."""
        if self.acknowledged >= self.last:
            return None
        made = self._segments.made(self.acknowledged + 1)
        with self._lock:
            queued = self._queue.batch(1)
        self._append_deferred()
        return made if made is not None or queued is None else frames.time_of(queued.data, frames.Span(0, 0, 0))

    # ---------------------------------------------------------------- safety of what waits

    def secure(self) -> None:
        """Make safe what waits for longer than a moment: move it from memory to the disk, and sync it."""
        now = monotonic()
        if now < self._secure_next:
            return
        self._secure_next = now + (self._sync_every or RESCUE_EVERY)
        seen, self._seen_last = self._seen_last, self.last
        if self._queue.frames:
            self.rescue()
        if self.folder is not None and self._sync_every and max(self.acknowledged, self._synced) < seen:
            self._sync()

    def _sync(self) -> None:
        last = self.last
        try:
            self._segments.sync(max(self.acknowledged, self._synced) + 1)
            with self._lock:
                self._synced = min(last, self._queue.first - 1) if self._queue.frames else last
        except OSError as error:
            self._sync_every = 0.0
            notice(f"the spool {self.folder} cannot be synced ({error.strerror}): a power loss may cost records")

    def rescue(self) -> int:
        """Move frames from memory to the disk, where it takes them again; return how many are left in memory."""
        while self._queue.frames and self.folder is not None:
            with self._lock:
                batch = self._queue.batch(RESCUED_AT_ONCE)
                if batch is None or not self._write(batch.first, batch.data):
                    break
                self._queue.forget(batch.last)
        if self._refused and not self._queue.frames:
            self._refused = False
            notice(f"the spool {self.folder} takes records again")
        self._append_deferred()
        return len(self._queue.frames)

    # ---------------------------------------------------------------- being found, and going away

    def close(self) -> None:
        """Let go of the spool; the folder goes too when everything in it was acknowledged."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            done = self.acknowledged >= self.last
        self._remember_next = 0.0
        self._remember_acknowledged()
        if self.folder is not None and self._lock_file is not None and done:
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
        self._segments.close_writing()
        self._segments.close_reading()
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
