"""A server: writes go to the spool on this machine and a thread carries them there; reads ask the server."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ml_logger import keys
from ml_logger.errors import DeliveryTimeout, Refused, ServerUnavailable, StorageFailed
from ml_logger.forks import in_child
from ml_logger.notices import ProgressLine, amount, plural
from ml_logger.stores.base import Data, Deadline, Entry, Health, NumberedReceipt, Receipt, Store
from ml_logger.transport import frames
from ml_logger.transport.access import token_for
from ml_logger.transport.adoption import Adoption
from ml_logger.transport.frames import Op
from ml_logger.transport.http import HttpTransport
from ml_logger.transport.sender import Sender
from ml_logger.transport.spool import ClosedSpool
from ml_logger.transport.spools import Spools

#: How often somebody who waits looks whether waiting has become pointless, in seconds.
_GLANCE = 0.2
#: Seconds that the end of a program gives a server even when it has waited for other ones already.
_CHANCE = 0.3

#: How many keys are kept in their encoded form.
MAX_KEYS = 1024


class Limits(NamedTuple):
    """Seconds: how long to linger for more records, to wait at the end, and to wait for a server that is silent."""

    linger: float
    exit_timeout: float
    exit_silence: float


class RemoteStore(Store):
    """A store on a server. Safe for threads; the child of a fork becomes a writer of its own.

    Making one starts to send what processes that are gone have left for this server.
    """

    def __init__(self, transport: HttpTransport, home: Spools, limits: Limits) -> None:
        self.transport = transport
        self.address = transport.url
        self._home = home
        self._limits = limits
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._sender: Sender | None = None
        self._encoded: dict[str, bytes] = {}
        self._leaving_since: float | None = None
        self._uploads = itertools.count(time.time_ns())  # no two uploads of a writer have one number
        self._adoption = Adoption(home, transport)
        self._adoption.start()
        in_child(self._after_fork)

    def __repr__(self) -> str:
        return f"RemoteStore({self.transport.url!r})"

    def _after_fork(self) -> None:
        # The parent's thread is not here, its locks may be held for ever, and its spool is its own.
        sender, self._sender = self._sender, None
        self._lock = threading.RLock()
        self._pid = os.getpid()
        if sender is not None:
            sender.spool.abandon()
        self._adoption.abandon()

    def _started(self) -> Sender:
        with self._lock:
            sender = self._sender
            if sender is None:
                made = Sender(self._home.create(), self.transport, self._limits.linger)
                sender = self._sender = self._sender or made
                if sender is not made:  # a signal handler that logs has made another one meanwhile
                    made.spool.close()
            # While the interpreter ends no thread can be had (asking for one can wait for ever): `close` sends.
            if sender.thread is None and threading.main_thread().is_alive():
                sender.start()
            return sender  # a signal handler may have closed it meanwhile: then it takes no more

    def _put(self, op: Op, key: str, payload: bytes, flags: int = 0) -> Receipt:
        if self._pid != os.getpid():
            self._after_fork()
        sender = self._sender
        if sender is None or sender.thread is None:
            sender = self._started()
        encoded = self._encoded.get(key)
        if encoded is None:
            encoded = self._encode(key)
        try:
            seq = sender.spool.append(op, encoded, payload, flags)
        except ClosedSpool:  # by `close`, in another thread, since it was looked up
            self._forget(sender)
            return self._put(op, key, payload, flags)
        if sender.idle:
            sender.poke()
        if not seq:
            sender.progress.refused[0] = StorageFailed("dropped: the spool and the queue in memory were full")
        return NumberedReceipt(sender.progress, seq)

    def _forget(self, sender: Sender) -> None:
        with self._lock:
            if self._sender is sender:
                self._sender = None

    def _encode(self, key: str) -> bytes:
        # Checked and encoded once for each key; forgotten all at once when there are many.
        if len(self._encoded) >= MAX_KEYS:
            self._encoded.clear()
        encoded = self._encoded[key] = keys.check(key).encode()
        return encoded

    def append(self, key: str, data: bytes) -> Receipt:
        """Add bytes at the end of a file: they are in the spool when the call returns."""
        if len(data) > frames.PIECE_SIZE:
            return self._put_pieces(key, (data,), frames.APPENDED)
        return self._put(Op.APPEND, key, data)

    def holds(self, key: str, data: bytes) -> bool:
        """Tell whether data is among the last that was put into the spool."""
        return self._sender is not None and self._sender.spool.holds(data)

    def write(self, key: str, data: Data) -> Receipt:
        """Create or replace a file; large ones travel in pieces and appear when they are whole."""
        if isinstance(data, bytes) and len(data) <= frames.PIECE_SIZE:
            return self._put(Op.WRITE, key, data)
        return self._put_pieces(key, (data,) if isinstance(data, bytes) else data, 0)

    def _put_pieces(self, key: str, data: Data, flags: int) -> Receipt:
        assert not isinstance(data, bytes)
        upload, offset = next(self._uploads), 0
        for block in data:
            view = memoryview(block)
            for start in range(0, len(view), frames.PIECE_SIZE):
                piece = view[start : start + frames.PIECE_SIZE]
                self._put(Op.CHUNK, key, frames.piece(upload, offset, piece))
                offset += len(piece)
        return self._put(Op.COMMIT, key, frames.commit(upload, offset), flags)

    def remove(self, key: str) -> Receipt:
        """Remove a file or a folder, in its order among the writes."""
        return self._put(Op.REMOVE, key, b"")

    def move(self, source: str, target: str) -> Receipt:
        """Rename a file or a folder, in its order among the writes."""
        source, target = keys.check_apart(source, target)
        return self._put(Op.MOVE, source, target.encode())

    def copy(self, source: str, target: str) -> Receipt:
        """Copy a file or a folder, in its order among the writes."""
        source, target = keys.check_apart(source, target)
        return self._put(Op.COPY, source, target.encode())

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` of a file as they arrive from the server."""
        return self.transport.stream(keys.check(key), start, stop)

    def entries(self, pattern: str = "**") -> list[Entry]:
        """Return the files on the server whose key matches a glob, sorted by key."""
        return self.transport.entries(pattern)

    def stat(self, key: str) -> Entry:
        """Return what the server knows of one file."""
        return self.transport.stat(keys.check(key))

    def tables(self, question: Mapping[str, Any]) -> Iterator[bytes] | None:
        """Return the server's answer to a question about rows as it arrives; None where it cannot tell."""
        return self.transport.tables(question)

    def said(self, text: object) -> str:
        """Return what the server has said as one short line, without the token."""
        return self.transport.said(text)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until the server has everything written before.

        Raises:
            Refused: the server wants another token; nothing is lost.
            ServerUnavailable: the last attempts failed, with why; nothing is lost.
            DeliveryTimeout: the server takes longer than `timeout` seconds; nothing is lost.
        """
        sender = self._sender
        if sender is None or self._pid != os.getpid():
            return
        last = sender.spool.last
        sender.hurry()
        deadline = Deadline(timeout)
        while not sender.progress.wait(last, Deadline(min(_GLANCE, deadline.left() or _GLANCE))):
            left = f"{plural(last - sender.progress.settled, 'record')} not delivered, kept in the spool"
            if sender.outage.denied:
                raise Refused(f"{left}: {sender.outage.error}")
            if deadline.passed() and sender.outage.error:
                raise ServerUnavailable(f"{left}: {sender.outage.error}")
            if deadline.passed():
                raise DeliveryTimeout(f"{left}: the server takes longer than {timeout:g} s")

    def authorize(self, token: str | None) -> None:
        """Come with another token from now on, also for what waits; the one that settings name when None is given."""
        if self.transport.authorize(token_for(self.transport.url, token)):
            self._adoption.poke()
            if self._sender is not None and self._pid == os.getpid():
                self._sender.poke()

    def hurry(self) -> None:
        """Send what waits without lingering, and let nobody wait for room; the patience of `close` counts from now."""
        self._leaving_since = time.monotonic()
        if self._sender is not None and self._pid == os.getpid():
            self._sender.hurry()
            self._sender.spool.leave()

    def close(self, timeout: float | None = None, silence: float | None = None) -> None:
        """Send what is left for at most `timeout` seconds, and say what stays unsent.

        A server that does not answer at all is given `silence` seconds. Both are the settings' by default; somebody
        who names a timeout, but no silence, wants to wait for that long.
        """
        if silence is None:
            silence = self._limits.exit_silence if timeout is None else timeout
        if self._pid != os.getpid():
            self._after_fork()
        deadline = Deadline(self._limits.exit_timeout if timeout is None else timeout)
        sender = self._sender
        try:
            if sender is not None:
                sender.hurry()
                self._drain(sender, deadline, silence)
            if sender is None or sender.spool.unsent()[0] == 0:
                self._adoption.wait(deadline, silence)
        finally:
            self._leaving_since = None
            self._adoption.stop()
            if sender is not None:
                self._leave(sender)
            self.transport.close()

    def _drain(self, sender: Sender, deadline: Deadline, silence: float) -> None:
        line = ProgressLine()

        def show() -> None:
            unsent, size = sender.spool.unsent()
            line.show(
                f"sending {plural(unsent, 'record')} ({amount(size)}) to {self.transport.url}, for at most "
                f"{deadline.left() or 0:.0f} s; Ctrl-C leaves them for later"
            )

        try:
            self._wait_for_delivery(sender, deadline, silence, show)
        finally:
            line.clear()

    def _wait_for_delivery(self, sender: Sender, deadline: Deadline, silence: float, show: Callable[[], None]) -> None:
        started, last = self._leaving_since or time.monotonic(), sender.spool.last
        if self._thread_of(sender) is None:
            patience = max(_CHANCE, started + silence - time.monotonic())
            sender.meanwhile = show
            sender.send_pending(Deadline(min(deadline.left() or 0.0, patience)))
            return
        while not sender.progress.wait(last, Deadline(min(_GLANCE, deadline.left() or 0.0))):
            if deadline.passed() or time.monotonic() >= max(started, sender.last_answer) + silence:
                return
            show()

    def _thread_of(self, sender: Sender) -> threading.Thread | None:
        """Return the thread that sends, unless there is none, or a signal handler has interrupted its start."""
        with self._lock:  # another thread may be about to start it
            thread = sender.thread
        return thread if thread is not None and thread.is_alive() else None

    def _leave(self, sender: Sender) -> None:
        thread = self._thread_of(sender)
        sender.spool.leave()
        in_memory = sender.spool.rescue()  # while it is ours: when the thread has closed it, others may adopt it
        sender.stop()
        if thread is not None:
            # It may sit in a request that is never answered: it is a daemon.
            thread.join(0.05 if sender.spool.unsent()[0] else 2.0)
        sender.spool.close()  # by the thread, if it has ended; from here on it takes no more
        unsent, size = sender.spool.unsent()
        self._forget(sender)
        if unsent:
            sender.say_unsent(unsent, size, in_memory)

    def health(self) -> Health:
        """Return what is not delivered, since when, and why."""
        sender = self._sender
        if sender is None:
            return Health()
        unsent, size = sender.spool.unsent()
        refused = next((str(error) for error in reversed(sender.progress.refused.values())), None)
        made = sender.spool.oldest()
        return Health(
            unsent=unsent,
            unsent_bytes=size,
            rejected=sender.rejected,
            dropped=sender.spool.dropped,
            error=sender.outage.error or refused,
            oldest=None if made is None else max(0.0, time.time() - made),
        )
