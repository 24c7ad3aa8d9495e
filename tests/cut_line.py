"""A line to a server on which answers are cut in the middle, or arrive damaged."""

from __future__ import annotations

import re
import socket
import socketserver
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from ml_logger.testing.faults.proxy import reset
from tests.slow_line import Passage, length, running


class Cut(NamedTuple):
    """What happens to the answer to one GET.

    Fields:
        after: bytes of its body that pass; None for all.
        end: how the connection ends then: `"close"`, as a server that stops does, or `"reset"`, as one that crashes.
        flip: the byte of its body in which a bit flips.
        meanwhile: called when that has passed, before the connection ends.
        whole: whether the request loses its range on the way.
    """

    after: int | None = None
    end: str = "close"
    flip: int | None = None
    meanwhile: Callable[[], object] = int
    whole: bool = False


class CutLine(socketserver.ThreadingTCPServer):
    """Passes requests and answers on; takes one of `cuts` for each GET of a file while there are any.

    `asked` has the offsets that files were asked for from, in order.
    """

    daemon_threads = True

    def __init__(self, server: int, cuts: list[Cut]) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.server_port = server
        self.cuts = deque(cuts)
        self.asked: list[int] = []

    @property
    def url(self) -> str:
        """The address of our end."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def cut_of(self, head: bytes) -> Cut | None:
        """Note a request, and return what happens to its answer."""
        if not head.startswith(b"GET /v1/files/"):
            return None
        found = re.search(rb"\r\nrange: bytes=(\d+)-", head, re.IGNORECASE)
        self.asked.append(int(found[1]) if found else 0)
        return self.cuts.popleft() if self.cuts else None


class _Passage(socketserver.StreamRequestHandler):
    """One connection; each of its requests has one of its own to the server, which may be another one by then."""

    server: CutLine

    def handle(self) -> None:
        """Pass requests on until one side hangs up, or an answer is cut."""
        while head := Passage.message(self.rfile):
            if head.startswith(b"POST /v1/tables"):  # as a server that is older: columns come of files then, too
                self.rfile.read(length(head))
                self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                continue
            cut = self.server.cut_of(head)
            if cut is not None and cut.whole:
                head = re.sub(rb"\r\nrange: [^\r]*", b"", head, flags=re.IGNORECASE)
            try:
                there = socket.create_connection(("127.0.0.1", self.server.server_port), 30)
            except OSError:
                return
            with there, there.makefile("rb") as answers:
                there.sendall(head + self.rfile.read(length(head)))
                answer = Passage.message(answers)
                body = b"" if head.startswith(b"HEAD ") else answers.read(length(answer))
            if cut is not None and cut.flip is not None:
                body = body[: cut.flip] + bytes([body[cut.flip] ^ 4]) + body[cut.flip + 1 :]
            passed = body if cut is None or cut.after is None else body[: cut.after]
            self.wfile.write(answer + passed)
            if cut is not None:
                self.wfile.flush()
                cut.meanwhile()
            if len(passed) < len(body):
                if cut is not None and cut.end == "reset":
                    reset(self.connection)
                return


def cut_line(server: int, *cuts: Cut) -> AbstractContextManager[CutLine]:
    """Run such a line to a port for as long as the block lasts."""
    return running(CutLine(server, list(cuts)))
