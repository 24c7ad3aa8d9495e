"""A line to a server on which large requests never come through."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar


class SlowLine(socketserver.ThreadingTCPServer):
    """Passes requests and answers on; a request with a body of more than `limit` bytes is cut, and counted."""

    daemon_threads = True

    def __init__(self, server: int, limit: int) -> None:
        super().__init__(("127.0.0.1", 0), Passage)
        self.server_port = server
        self.limit = limit
        self.cut = 0

    @property
    def port(self) -> int:
        """The port of our end."""
        return int(self.server_address[1])


class Passage(socketserver.StreamRequestHandler):
    """One connection."""

    server: SlowLine

    def handle(self) -> None:
        """Pass requests on until one side hangs up, or one is too large."""
        with socket.create_connection(("127.0.0.1", self.server.server_port)) as there:
            answers = there.makefile("rb")
            while head := self.message(self.rfile):
                size = length(head)
                if size > self.server.limit:
                    self.server.cut += 1
                    return
                there.sendall(head + self.rfile.read(size))
                answer = self.message(answers)
                self.wfile.write(answer + answers.read(length(answer)))

    @staticmethod
    def message(stream: object) -> bytes:
        """Read the head of a request or an answer; nothing at the end of a connection."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()  # type: ignore[attr-defined]
            if not line:
                return b""
            head += line
        return head


def length(head: bytes) -> int:
    """Return what a head says of the length of the body."""
    found = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0


Line = TypeVar("Line", bound=socketserver.ThreadingTCPServer)


def slow_line(server: int, limit: int) -> AbstractContextManager[SlowLine]:
    """Run a slow line to a port for as long as the block lasts."""
    return running(SlowLine(server, limit))


@contextmanager
def running(line: Line) -> Iterator[Line]:
    """Run a line for as long as the block lasts."""
    with line:
        thread = threading.Thread(target=line.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield line
        finally:
            line.shutdown()
            thread.join(30)
