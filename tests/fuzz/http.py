"""Requests: whatever is sent to a server, no answer is a 500, its log tells of no mistake, and it goes on."""

from __future__ import annotations

import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from tests.fuzz.inputs import Cut

#: Seconds that an answer may take.
PATIENCE = 20.0
#: Seconds without an answer after which the server is told that no more comes.
AT_ONCE = 0.05
#: After how many inputs the server is asked how it is.
EVERY = 200

_HEAD = "Host: localhost\r\nConnection: close\r\n"
_WRITER = f"{protocol.WRITER}: {'0123456789abcdef' * 2}\r\n"
_BATCH = f"POST /v1/batches HTTP/1.1\r\n{_HEAD}Content-Type: {protocol.CONTENT_TYPE}\r\n{_WRITER}"
_ASK = f"POST /v1/tables HTTP/1.1\r\n{_HEAD}Content-Type: application/json\r\n"

_QUESTIONS = (
    b'{"pattern": "**", "columns": ["loss"], "marks": {}, "x": "_step", "points": 10}',
    b'{"key": "run/metrics.pkl", "marks": {"run/metrics.pkl": ["a", 1, 2.0, 3, "d"]}}',
    b'{"pattern": "\\ud800/**"}',
    b'{"pattern": "a\\u0000b/**", "after": "\\ud800"}',
    b'{"key": "run/metrics.pkl", "columns": ["\\ud800", ""], "points": 99999999999999999999999}',
    b'{"key": "run/metrics.pkl", "marks": {"run/metrics.pkl": ["", 99999999999999999999, 1e999, 5, "d"]}}',
)
_GETS = (
    "GET /v1/files/run/metrics.pkl HTTP/1.1\r\nRange: bytes=0-9\r\nIf-Range: x\r\n",
    f"GET /v1/files/run/metrics.pkl HTTP/1.1\r\nAccept: {protocol.PIECES}\r\n{protocol.PREFIX}: 0-5 00000000\r\n",
    'GET /v1/files/run/metrics.pkl HTTP/1.1\r\nIf-Match: "x"\r\nIf-None-Match: *\r\n',
    "HEAD /v1/files/run/%ff%2e%2e HTTP/1.1\r\n",
    "GET /v1/entries?pattern=**/*.pkl&limit=10&after=a HTTP/1.1\r\n",
    "GET /v1/entries?pattern=%00/**&after=%ff HTTP/1.1\r\n",
    "GET /v1/health HTTP/1.1\r\nAuthorization: Bearer x\r\n",
    "OPTIONS /v1/openapi.json HTTP/1.1\r\nOrigin: http://x\r\nAccess-Control-Request-Method: GET\r\n",
)


def _sent(head: str, body: bytes = b"") -> bytes:
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def seeds() -> list[bytes]:
    """Return requests; the first byte tells what is put right in them once they are changed."""
    batch = frames.encode(1, frames.Op.APPEND, b"run/a", b"0123456789")
    made = [_sent(_BATCH, batch), *(_sent(_ASK, question) for question in _QUESTIONS)]
    made += [_sent(get + _HEAD) for get in _GETS]
    mended = [bytes([how]) + request for how in range(3) for request in made]
    return [
        *mended,
        b"\x00" + made[0] + made[-1],
        b"\x02" + _sent(_BATCH, b"\x01\x05run/b\x04data\x05\x05run/b\x05run/c"),
    ]


def request_of(data: bytes) -> bytes:
    """Return what is sent: the bytes behind the first, as they are, with the right length, or with good frames."""
    how, request = data[0] % 3 if data else 0, data[1:]
    head, end, body = request.partition(b"\r\n\r\n")
    if how == 0 or not end:
        return request
    if how == 2 and b"/v1/batches" in head:
        body = _frames(Cut(body))
    head = re.sub(rb"(?i)content-length: *[^\r\n]*", b"Content-Length: %d" % len(body), head)
    return head + end + body


def _frames(cut: Cut) -> bytes:
    """Make frames with good checksums, and numbers that follow each other, of any bytes."""
    made, first = [], cut.number(3)
    for number in range(1 + cut.number(4)):
        op = cut.number(9)
        key, payload = cut.take(cut.number(24)), cut.take(cut.number(40))
        made.append(frames.encode(first + number, op, key, payload, cut.number(3)))
    return b"".join(made)


@contextmanager
def live() -> Iterator[Callable[[bytes], None]]:
    """Give the target, with a server that it asks; at the end, too, nothing has gone wrong in it."""
    with tempfile.TemporaryDirectory() as scratch:
        server = Server(Path(scratch) / "data")
        server.start()
        try:
            run = Run(server)
            yield run.target
            run.check()
        finally:
            status = server.stop()
        assert status == 0, f"the server ended with status {status}"
        assert {path.name for path in Path(scratch).iterdir()} == {"data", "data.log"}


class Run:
    """The requests that one server is sent."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._count = 0

    def target(self, data: bytes) -> None:
        """Send a request on a connection of its own."""
        answer = self._ask(request_of(data))
        assert not re.search(rb"HTTP/1\.1 (?!503|507)5", answer), answer[:500]
        self._count += 1
        if self._count % EVERY == 0:
            self.check()

    def check(self) -> None:
        """Ask how the server is, and look into its log."""
        assert requests.get(f"{self._server.url}/v1/health", timeout=PATIENCE).json()["status"] == "ok"
        log = self._server.log.read_bytes()
        self._server.log.write_bytes(b"")
        for sign in (b"Traceback", b" failed: ", b"Exception"):
            assert sign not in log, log[-3000:]

    def _ask(self, request: bytes) -> bytes:
        answer = b""
        with socket.create_connection(("127.0.0.1", self._server.port), timeout=PATIENCE) as connection:
            connection.settimeout(AT_ONCE)  # a server that keeps the connection open is told that no more comes
            with suppress(ConnectionError):  # hung up on what it did not read
                connection.sendall(request)
                with suppress(TimeoutError):
                    while piece := connection.recv(65536):
                        answer += piece
                connection.settimeout(PATIENCE)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    answer += piece
        return answer
