"""The contract of a store: bytes under a key. Every store passes `tests/test_store_contract.py`."""

from __future__ import annotations

import abc
import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, TypeVar

from ml_logger.errors import DeliveryTimeout, FileReplaced
from ml_logger.notices import printable

T = TypeVar("T")

#: What a write takes: all bytes at once, or pieces of any size for data that need not fit into memory.
Data = bytes | Iterable[bytes]


#: How often something that reads a whole file begins anew, where the file is replaced each time.
TRIES = 3


class Entry(NamedTuple):
    """One file: its key, its size in bytes, and when it last changed, in seconds since the epoch."""

    key: str
    size: int
    mtime: float


class Health(NamedTuple):
    """What a store still owes: all zero and None when everything is where it belongs.

    Fields:
        unsent, unsent_bytes: records, and bytes of them, that wait to be acknowledged.
        rejected: records that were refused for good, and are kept aside.
        dropped: records that are lost, since nothing had room for them.
        error: why the last attempt failed.
        oldest: seconds since the oldest waiting record was logged.
    """

    unsent: int = 0
    unsent_bytes: int = 0
    rejected: int = 0
    dropped: int = 0
    error: str | None = None
    oldest: float | None = None


class Receipt:
    """A light future of one write: settled when the data is where it belongs. This one is settled from the start."""

    __slots__ = ()

    def done(self) -> bool:
        """Tell whether the data is where it belongs, or was refused for good."""
        return True

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Wait as `result` does, and return why the data was refused, or None."""
        return None

    def result(self, timeout: float | None = None) -> None:
        """Wait until the data is where it belongs.

        Raises:
            DeliveryTimeout: it is not, after `timeout` seconds. Nothing is lost by that.
            Refused: it never will be.
        """
        error = self.exception(timeout)
        if error is not None:
            raise error

    def add_done_callback(self, callback: Callable[[Receipt], object]) -> None:
        """Call `callback(receipt)` once the receipt is settled, at once if it is."""
        callback(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'done' if self.done() else 'on its way'})"

    def _ipython_display_(self) -> None:
        """Show nothing where a call that writes is the last line of a notebook's cell; `print(receipt)` shows it."""


SETTLED = Receipt()


class Receipts(list[Receipt]):
    """The receipts of a call that writes several files: a list, of which notebooks show nothing either."""

    def _ipython_display_(self) -> None:
        """Show nothing, as one receipt does."""


class FailedReceipt(Receipt):
    """A receipt of data that could not be stored."""

    __slots__ = ("_error",)

    def __init__(self, error: Exception) -> None:
        self._error = error

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Return why the data could not be stored."""
        return self._error


class Deadline:
    """A point of monotonic time; None never passes."""

    __slots__ = ("_at",)

    def __init__(self, timeout: float | None) -> None:
        self._at = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Return the seconds left, never below 0; None when there is no limit."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def passed(self) -> bool:
        """Tell whether no time is left."""
        return self._at is not None and time.monotonic() >= self._at


#: Bytes behind some data that may have been appended before it is looked for, see `Store.holds`.
LOOK_BACK = 2**20


class Store(abc.ABC):
    """A place for bytes under keys.

    Writes of one thread take effect in their order. They return a receipt at once; what they raise is a mistake of the
    caller (a bad key) or, in a store on this machine, a disk that refuses. Reads see the writes that went before them
    once `flush` has returned.

    Attributes:
        address: where it is, for a cache of what was read from it; empty where nothing outlives the program.
    """

    address = ""

    @abc.abstractmethod
    def append(self, key: str, data: bytes) -> Receipt:
        """Add bytes at the end of a file, which is created where there is none."""

    @abc.abstractmethod
    def write(self, key: str, data: Data) -> Receipt:
        """Create or replace a file: a reader sees the old bytes or the new ones, never a mixture."""

    @abc.abstractmethod
    def remove(self, key: str) -> Receipt:
        """Remove a file, or a folder with all that is in it; nothing there is no error."""

    @abc.abstractmethod
    def move(self, source: str, target: str) -> Receipt:
        """Rename a file or a folder; a file in the way is replaced."""

    @abc.abstractmethod
    def copy(self, source: str, target: str) -> Receipt:
        """Copy a file, or a folder with all that is in it; files in the way are replaced."""

    @abc.abstractmethod
    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` of a file in pieces, as they were when the stream began.

        Raises:
            KeyNotFound: there is no such file.
        """

    @abc.abstractmethod
    def entries(self, pattern: str = "**") -> list[Entry]:
        """Return the files whose key matches a glob (see `keys.pattern`), sorted by key."""

    @abc.abstractmethod
    def stat(self, key: str) -> Entry:
        """Return what is known of one file.

        Raises:
            KeyNotFound: there is no such file.
        """

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes `[start, stop)` of a file; fewer where it ends earlier.

        Raises:
            KeyNotFound: there is no such file.
        """

        def read() -> bytes:
            whole = io.BytesIO()  # joining pieces would take their memory twice
            for piece in self.stream(key, start, stop):
                whole.write(piece)
            return whole.getvalue()

        return anew(read)

    def open_file(self, key: str) -> BinaryIO:
        """Open a file for reading at any place: this one, where it is on this machine, else an unnamed copy.

        Raises:
            KeyNotFound: there is no such file.
        """
        import tempfile

        def copy() -> BinaryIO:
            file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it, which removes it
            try:
                for piece in self.stream(key):
                    file.write(piece)
                file.flush()
                file.seek(0)
            except BaseException:
                file.close()
                raise
            return file

        return anew(copy)

    def tables(self, question: Mapping[str, Any]) -> Iterator[bytes] | None:
        """Return the answer to a question about rows of files, as `docs/protocol.rst` tells it; None without one.

        Only a server of ours has one: a store need not know what its bytes are.
        """
        return None

    def said(self, text: object) -> str:
        """Return what whoever keeps the files has said, as a person may be shown it."""
        return printable(str(text))

    def holds(self, key: str, data: bytes) -> bool:
        """Tell whether data is among the last that was appended to a file: for a caller whose append was interrupted.

        The data must be unlike any other, and must not be larger than what is appended in one piece.
        """
        return False

    def flush(self, timeout: float | None = None) -> None:  # noqa: B027 - right as it is where nothing waits
        """Wait until everything written before is where it belongs.

        Raises:
            DeliveryTimeout: it is not, after `timeout` seconds.
        """

    def authorize(self, token: str | None) -> None:  # noqa: B027 - right as it is where nobody asks for a token
        """Come with another token from now on, also for what was written before and waits."""

    def hurry(self) -> None:  # noqa: B027 - the same
        """Begin to leave: deliver what waits, wait for room no longer; the patience of `close` counts from now."""

    def close(self, timeout: float | None = None, silence: float | None = None) -> None:  # noqa: B027 - the same
        """Flush, and let go of files, threads and connections. A closed store takes no more writes.

        Args:
            timeout: most seconds to wait for that.
            silence: most seconds to wait for somebody who does not answer.
        """

    def health(self) -> Health:
        """Return what the store still owes."""
        return Health()


def anew(work: Callable[[], T]) -> T:
    """Do something that reads a whole file; again from the beginning where the file was replaced meanwhile.

    Raises:
        FileReplaced: it was, `TRIES` times.
    """
    for _ in range(TRIES - 1):
        try:
            return work()
        except FileReplaced:
            continue
    return work()


class Progress:
    """The number of the last operation that is settled, for many waiting threads."""

    def __init__(self) -> None:
        self.settled = 0
        self.refused: dict[int, Exception] = {}
        self._changed = threading.Condition()
        self._callbacks: list[tuple[int, Callable[[], object]]] = []

    def advance(self, seq: int) -> None:
        """Settle everything up to a number, and tell those who wait for it."""
        with self._changed:
            self.settled = max(self.settled, seq)
            self._changed.notify_all()
            due = [call for at, call in self._callbacks if at <= self.settled]
            self._callbacks = [(at, call) for at, call in self._callbacks if at > self.settled]
        for call in due:
            call()

    def wait(self, seq: int, deadline: Deadline) -> bool:
        """Wait until a number is settled; return False when the deadline passed before."""
        with self._changed:
            return self._changed.wait_for(lambda: self.settled >= seq, deadline.left())

    def call_when_settled(self, seq: int, call: Callable[[], object]) -> None:
        """Call once a number is settled: from the thread that settles it, or here if it is."""
        with self._changed:
            if self.settled < seq:
                self._callbacks.append((seq, call))
                return
        call()


class NumberedReceipt(Receipt):
    """A receipt that compares its number with the settled one, so that it costs next to nothing."""

    __slots__ = ("_progress", "_seq")

    def __init__(self, progress: Progress, seq: int) -> None:
        self._progress = progress
        self._seq = seq

    def done(self) -> bool:
        """Tell whether the data is where it belongs, or was refused for good."""
        return self._progress.settled >= self._seq

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Wait as `result` does, and return why the data was refused, or None."""
        if not self._progress.wait(self._seq, Deadline(timeout)):
            raise DeliveryTimeout(f"not delivered within {timeout:g} s; it stays in the spool and is sent later")
        return self._progress.refused.get(self._seq)

    def add_done_callback(self, callback: Callable[[Receipt], object]) -> None:
        """Call `callback(receipt)` once the receipt is settled, at once if it is."""
        self._progress.call_when_settled(self._seq, lambda: callback(self))
