"""Reading a file from a server over a line that may break: verified piece by piece, and on from where it was cut."""

from __future__ import annotations

import random
import re
import time
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ml_logger.errors import CorruptData, FileReplaced, KeyNotFound, ServerUnavailable
from ml_logger.stores.base import Deadline
from ml_logger.transport import pieces, protocol
from ml_logger.transport.wire import reason_of

if TYPE_CHECKING:
    import requests

    from ml_logger.transport.http import HttpTransport

#: How often a read is taken up again without a piece in between, before it is given up.
TRIES = 8
#: Seconds before the first of these tries, about; twice as many before each next one, and these at most.
DELAY, LONGEST_DELAY = 0.1, 5.0

_RANGE = re.compile(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)


class Fetch:
    """One read of the bytes `[start, stop)` of a file: what has come of it, and how it goes on.

    After a cut the server is asked for the rest of the same file: of the very version (`If-Match`), or of one that
    begins with what has come already, byte for byte, as a file does that was appended to meanwhile. It ends where the
    file ended when the read began.

    Args:
        transport: the server.
        key: the file.
        start, stop: offsets in bytes; None is the end of the file.
    """

    def __init__(self, transport: HttpTransport, key: str, start: int, stop: int | None) -> None:
        self._transport = transport
        self._key = key
        self._start = self._at = start
        self._wanted = stop
        self._stop = start  # known from the first answer
        self._crc = 0
        self._etag = ""
        self._failures = 0
        self._damaged_at = -1
        self._deadline = Deadline(None)

    def open(self) -> Iterator[bytes]:
        """Ask for the file, and return an iterator over its bytes as they arrive.

        Raises:
            KeyNotFound: there is no such file; raised at once, not at the first piece.
            ServerUnavailable: the server cannot be reached; from the iterator, when it stays away.
            FileReplaced: from the iterator: the line was cut, and the file is another one now.
            CorruptData: from the iterator: bytes came damaged, twice.
        """
        return self._all(self._ask())

    def _all(self, answer: requests.Response) -> Iterator[bytes]:
        while True:
            try:
                yield from self._verified(answer)
                return
            except ServerUnavailable as error:
                answer = self._resume(error)

    def _resume(self, error: ServerUnavailable) -> requests.Response:
        """Wait a little, and ask for the rest, until there is an answer, or patience is at its end."""
        if not self._failures:
            self._deadline = Deadline(self._transport.timeout)
        while self._failures < TRIES and not self._deadline.passed():
            ceiling = min(LONGEST_DELAY, DELAY * 2**self._failures)
            self._failures += 1
            time.sleep(random.uniform(0.5, 1.0) * ceiling)  # nosec B311 # spreads clients, hides nothing
            try:
                return self._ask()
            except KeyNotFound:
                raise self._replaced("removed") from None
            except ServerUnavailable as again:
                error = again
        raise error

    def _ask(self) -> requests.Response:
        """Ask for what has not come yet, and return the answer, whose body is to be read."""
        headers = {"Accept": protocol.PIECES}
        if self._at or self._wanted is not None:
            stop = self._stop if self._at > self._start else self._wanted
            headers["Range"] = f"bytes={self._at}-{'' if stop is None else stop - 1}"
        if self._at > self._start:
            headers["If-Match"] = self._etag
            headers[protocol.PREFIX] = f"{self._start}-{self._at} {self._crc:08x}"
        answer = self._transport.get_file(self._key, headers)
        try:
            self._check(answer)
        except BaseException:
            answer.close()
            raise
        return answer

    def _check(self, answer: requests.Response) -> None:
        """Look what the answer is about to bring."""
        if answer.status_code == 416 and self._at == self._start:  # starts at or behind the end of the file
            self._stop = self._start
            return
        if answer.status_code in (412, 416):
            raise self._replaced("replaced")
        url, match = self._transport.url, _RANGE.fullmatch(answer.headers.get(protocol.RANGE, ""))
        if match is None or answer.headers.get("Content-Type") != protocol.PIECES:
            raise ServerUnavailable(f"{url} sends {self._key!r} without checksums: it is older than this client")
        start, stop = map(int, match.groups())
        if start != self._at or stop < start or (self._wanted is not None and stop > self._wanted):
            raise ServerUnavailable(f"{url} ignores ranges: something between us and the server rewrites requests")
        if self._at == self._start:
            self._stop = stop
        elif stop != self._stop:
            raise self._replaced("cut")
        self._etag = answer.headers.get("ETag", "")

    def _verified(self, answer: requests.Response) -> Iterator[bytes]:
        """Yield what an answer brings, each piece when it is whole and right."""
        try:
            while self._at < self._stop:
                size, crc = pieces.HEAD.unpack(self._read(answer.raw, pieces.HEAD.size))
                left = self._stop - self._at
                # No shorter than the first one either: a byte at a time would look like progress for years.
                if not min(pieces.FIRST, left) <= size <= min(pieces.LARGEST, left):
                    raise self._damaged()
                piece = self._read(answer.raw, size)
                if zlib.crc32(piece, self._crc) != crc:
                    raise self._damaged()
                self._at, self._crc, self._failures = self._at + size, crc, 0
                yield piece
        finally:
            answer.close()

    def _read(self, raw: Any, size: int) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            data: bytes = raw.read(size, decode_content=False)
        except (OSError, HTTPError, ValueError) as error:
            raise self._stopped(f": {reason_of(error)}") from None
        if len(data) != size:
            raise self._stopped("")
        return data

    def _stopped(self, why: str) -> ServerUnavailable:
        came = f"after {self._at - self._start:,} of {self._stop - self._start:,} bytes"
        return ServerUnavailable(f"{self._transport.url} stopped in the middle of {self._key!r}, {came}{why}")

    def _damaged(self) -> ServerUnavailable | CorruptData:
        """Return what damage is: a reason to ask again, and the second time in one place an error."""
        text = f"what {self._transport.url} sends of {self._key!r} arrives damaged, from byte {self._at:,} on"
        if self._damaged_at == self._at:
            return CorruptData(f"{text}, twice: the checksum is another one. Something on the way changes bytes")
        self._damaged_at = self._at
        return ServerUnavailable(text)

    def _replaced(self, how: str) -> FileReplaced:
        return FileReplaced(
            f"{self._key!r} was {how} on {self._transport.url} while it was being read: the line was cut after "
            f"{self._at - self._start:,} bytes, and the rest of that file is gone. Read it again"
        )
