"""Batches and requests as they are on the wire, for tests of the server."""

from __future__ import annotations

import requests

from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op

WRITER = "0123456789abcdef" * 2


def post(server: Server, body: bytes, writer: str = WRITER, **headers: str) -> requests.Response:
    """Send a batch as it is."""
    known = {"Content-Type": protocol.CONTENT_TYPE, protocol.WRITER: writer}
    return requests.post(server.url + protocol.BATCHES, data=body, headers={**known, **headers}, timeout=30)


def append(seq: int, data: bytes = b"x", key: str = "run/a") -> bytes:
    """Build one frame that appends."""
    return frames.encode(seq, Op.APPEND, key.encode(), data)


def get(server: Server, path: str, **headers: str) -> requests.Response:
    """Get a path as it is."""
    return requests.get(server.url + path, headers=headers, timeout=30)
