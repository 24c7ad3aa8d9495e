"""Answers of a server, within bounds: of the bytes of a head, of the bytes of a body, and of the time both take.

`http.client` reads a head for as long as more of it comes, and takes any byte for a sign of life. A server that is
broken, or somebody else's, must cost its client neither memory nor hours.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from email.errors import MultipartInvariantViolationDefect, StartBoundaryNotFoundDefect
from typing import Any

from ml_logger.notices import amount

#: Bytes of lines: of heads, also of answers that only say that another one follows, and of what is behind a body.
MAX_HEAD = 64 * 2**10
#: Bytes of lines for each byte of a body: what is sent byte by byte has a line before each.
LINES = 8
#: Bytes of an error that are read: its text is shown to a person.
MAX_ERROR = 64 * 2**10
#: Bytes of one page of a listing: ten thousand of the longest keys.
MAX_PAGE = 32 * 2**20
#: Bytes a second that an answer must make, on average, once it has been waited for.
SLOWEST = 4 * 2**10
#: What the parser of heads finds odd in honest answers, too.
_HARMLESS = (StartBoundaryNotFoundDefect, MultipartInvariantViolationDefect)


class Answer(http.client.HTTPResponse):
    """One answer. Its time limit is that of the socket, for each silence, and `PAUSES` times that for all together.

    Who reads it may take as long as he likes: only the time that nothing came counts.
    """

    #: A server may think for a while more than once: a table comes when it is made.
    PAUSES = 4

    def __init__(self, sock: socket.socket, *args: Any, **kw: Any) -> None:
        super().__init__(sock, *args, **kw)
        timeout = sock.gettimeout()
        self.fp = _Reader(_Line(self.fp.detach(), None if timeout is None else timeout * self.PAUSES))

    def begin(self) -> None:
        """Read the head.

        Raises:
            http.client.HTTPException: it is too long, or is none.
        """
        super().begin()
        # Told by us: urllib3 goes on with what it could make of it, and shows people a traceback.
        odd = [defect for defect in self.msg.defects if not isinstance(defect, _HARMLESS)]
        if odd or (not self.msg.is_multipart() and self.msg.get_payload()):
            raise http.client.HTTPException("its head is no HTTP")
        lengths = self.msg.get_all("Content-Length", [])
        if len(lengths) > 1 or (lengths and "Transfer-Encoding" in self.msg):
            raise http.client.HTTPException("its head tells two lengths")
        if not all(length.strip().isascii() and length.strip().isdigit() for length in lengths):
            raise http.client.HTTPException("its head tells a length that is no number")


class PromptAnswer(Answer):
    """An answer that is short, and comes at once or not at all."""

    PAUSES = 1


class _Reader(io.BufferedReader):
    """The bytes of one answer as they are read: as lines only so many, unless there is a body between them."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._room = MAX_HEAD

    def readline(self, size: int | None = -1) -> bytes:
        """Read a line of a head, of a chunk, or of what is behind them."""
        line = super().readline(size)
        self._room -= len(line)
        if self._room < 0:
            raise http.client.HTTPException(f"its lines have more than {amount(MAX_HEAD)}")
        return line

    def read(self, size: int | None = -1) -> bytes:
        """Read bytes of a body."""
        data = super().read(size)
        self._room += LINES * len(data)
        return data

    def read1(self, size: int = -1) -> bytes:
        """Read bytes of a body that are there."""
        data = super().read1(size)
        self._room += LINES * len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Read bytes of a body into a buffer."""
        count = super().readinto(buffer)
        self._room += LINES * count
        return count


class _Line(io.RawIOBase):
    """The bytes of one answer as they come, timed."""

    def __init__(self, raw: io.RawIOBase, patience: float | None) -> None:
        self._raw = raw
        self._patience = patience
        self._come = 0
        self._waited = 0.0

    def readable(self) -> bool:
        """Tell that this is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next; 0 at the end."""
        begun = time.monotonic()
        count = self._raw.readinto(buffer) or 0
        self._waited += time.monotonic() - begun
        self._come += count
        if self._patience is not None and self._waited > self._patience + self._come / SLOWEST:
            raise TimeoutError(f"it sends less than {amount(SLOWEST)} a second")
        return count

    def close(self) -> None:
        """Let go of the connection."""
        self._raw.close()
        super().close()
