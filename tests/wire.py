"""Batches and requests as they are on the wire, for tests of the server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import requests

from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests import programs

WRITER = "0123456789abcdef" * 2


def post(server: Server, body: bytes, writer: str = WRITER, **headers: str) -> requests.Response:
    """Send a batch as it is."""
    known = {"Content-Type": protocol.CONTENT_TYPE, protocol.WRITER: writer}
    return requests.post(server.url + protocol.BATCHES, data=body, headers={**known, **headers}, timeout=120)


def append(seq: int, data: bytes = b"x", key: str = "run/a") -> bytes:
    """Build one frame that appends."""
    return frames.encode(seq, Op.APPEND, key.encode(), data)


def get(server: Server, path: str, **headers: str) -> requests.Response:
    """Get a path as it is."""
    return requests.get(server.url + path, headers=headers, timeout=30)


class Raw(NamedTuple):
    """An answer as it came: its status, its headers with names in lower case, and its body."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(server: Server, request: bytes) -> bytes:
    """Send bytes as they are, and return everything that comes back until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        with suppress(ConnectionError):  # hung up on what it did not read: what it said before that counts
            while piece := connection.recv(65536):
                answer += piece
        return answer


def raw(
    server: Server, method: str, target: str, *fields: str, body: bytes = b"", host: str | None = "localhost"
) -> Raw:
    """Send a request that no library would send, on a connection of its own, and return the last answer to it.

    Args:
        server: whom.
        method, target: the first line.
        fields: headers, as `Name: value`.
        body: sent with its length.
        host: for the Host header; None sends none.
    """
    lines = [f"{method} {target} HTTP/1.1", "Connection: close", *fields]
    if host is not None:
        lines.insert(1, f"Host: {host}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return parsed(ask(server, "\r\n".join([*lines, "", ""]).encode("latin-1") + body))


def parsed(answer: bytes) -> Raw:
    """Take an answer apart."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    assert first.startswith("HTTP/1.1 "), answer[:200]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Raw(int(first.split(" ")[1]), headers, body)


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Give the address of a web server that is not ours, for as long as the block lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(programs.PATIENCE)
