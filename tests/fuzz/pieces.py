"""Pieces: what a server sends of a file, whatever it is, is passed on only as far as its checksums hold."""

from __future__ import annotations

import io
import os
import tempfile
from typing import Any

import requests
from urllib3 import HTTPResponse

from ml_logger.errors import LoggerError
from ml_logger.transport import pieces, protocol
from ml_logger.transport.fetches import Fetch
from tests.fuzz.inputs import Cut, text_of

CONTENT = bytes(range(256)) * 600  # several pieces


def _wire(start: int, stop: int) -> bytes:
    with tempfile.TemporaryFile() as file:
        file.write(CONTENT)
        file.flush()
        return b"".join(pieces.read(file.fileno(), start, stop, 0))


WIRE = _wire(0, len(CONTENT))
RANGE = f"0-{len(CONTENT)}"


def seeds() -> list[bytes]:
    """Return how a good answer is changed, and answers that are made of nothing else."""
    return [b"\x00", b"\x01\x01\x05\x00\x00\x01x", b"\x02\x03\x00\x00" + RANGE.encode(), b"\x03\x04" + WIRE[:40]]


class Sending:
    """A way to a server that sends one answer."""

    url, timeout = "http://127.0.0.1:9", 0.0

    def __init__(self, status: int, body: bytes, told: str) -> None:
        self.answer = requests.Response()
        self.answer.status_code = status
        self.answer.headers.update({protocol.RANGE: told, "Content-Type": protocol.PIECES, "ETag": '"1"'})
        self.answer.raw = HTTPResponse(body=io.BytesIO(body), status=status, preload_content=False)

    def get_file(self, key: str, headers: dict[str, str]) -> requests.Response:
        """Send it."""
        return self.answer


def target(data: bytes) -> None:
    """Read an answer that was changed, or is made of the bytes; what comes of a changed one begins the file."""
    cut = Cut(data)
    how = cut.number(4)
    told = text_of(cut.some()) if how == 2 else RANGE
    body = cut.rest() if how == 3 else _place(cut)
    sending: Any = Sending(cut.choice([200, 206, 412, 416]) if how == 1 else 200, body, told)
    fetch, came = Fetch(sending, "key", 0, None), b""
    try:
        for piece in fetch._verified(fetch._ask()):
            came += piece
    except LoggerError:
        pass
    if how != 3:
        assert CONTENT.startswith(came), f"{len(came)} bytes came that are not of the file"
    assert len(came) <= os.sysconf("SC_PAGE_SIZE") + len(CONTENT)


def _place(cut: Cut) -> bytes:
    """Return the good answer with one byte changed, or cut short."""
    at = cut.number(len(WIRE))
    bits = cut.number(256)
    return WIRE[:at] + (bytes([WIRE[at] ^ bits]) + WIRE[at + 1 :] if bits else b"")
