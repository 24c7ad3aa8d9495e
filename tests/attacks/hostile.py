"""A server that answers what it likes: raw bytes, for each case of a table, below an address of its own."""

from __future__ import annotations

import itertools
import json
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from tests.slow_line import Passage, length, running


class Asked(NamedTuple):
    """One request: its first line's words, its head and body as they came, and the event that ends the server."""

    method: str
    path: str
    head: bytes
    body: bytes
    over: threading.Event


Answer = Callable[[Asked], Iterable[bytes]]


class Hostile(socketserver.ThreadingTCPServer):
    """Answers the requests below `/N` as the case number N of a table does; one for each connection.

    Args:
        cases: the answers, by the names of the cases.
        times: how often each case answers; after that its requests are passed on to `good`. None is for ever.
        good: the port of a server of ours.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, cases: Mapping[str, Answer], times: int | None = None, good: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.names = list(cases)
        self.cases = cases
        self.times = times
        self.good = good
        self.asked: list[Asked] = []
        self.counts: Counter[str] = Counter()
        self.over = threading.Event()

    @property
    def port(self) -> int:
        """The port."""
        return int(self.server_address[1])

    def url(self, case: str, scheme: str = "http") -> str:
        """Return the address at which a case is answered."""
        return f"{scheme}://127.0.0.1:{self.port}/{self.names.index(case)}"


class _Conversation(socketserver.StreamRequestHandler):
    server: Hostile

    def handle(self) -> None:
        """Answer one request, or pass on all that come."""
        with suppress(OSError):
            while head := Passage.message(self.rfile):
                body = self.rfile.read(length(head))
                method, path = head.split(b"\r\n")[0].decode("latin-1").split(" ")[:2]
                asked = Asked(method, path, head, body, self.server.over)
                self.server.asked.append(asked)
                case = self.server.names[int(path.split("/")[1])]
                self.server.counts[case] += 1
                if self.server.times is not None and self.server.counts[case] > self.server.times:
                    self._pass_on(asked)
                    continue
                for piece in self.server.cases[case](asked):
                    if self.server.over.is_set():
                        return
                    self.wfile.write(piece)
                return

    def _pass_on(self, asked: Asked) -> None:
        number = asked.path.split("/")[1].encode()
        with socket.create_connection(("127.0.0.1", self.server.good), 30) as there, there.makefile("rb") as answers:
            there.sendall(asked.head.replace(b" /" + number + b"/", b" /", 1) + asked.body)
            answer = Passage.message(answers)
            self.wfile.write(answer + answers.read(length(answer)))


@contextmanager
def hostile(cases: Mapping[str, Answer], times: int | None = None, good: int = 0) -> Iterator[Hostile]:
    """Run such a server for as long as the block lasts."""
    with running(Hostile(cases, times, good)) as server:
        try:
            yield server
        finally:
            server.over.set()


# -- what it answers with ---------------------------------------------------------------------------------------------


def head(status: str = "200 OK", *fields: str) -> bytes:
    """Return a head."""
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1")


def whole(body: bytes, status: str = "200 OK", *fields: str) -> Answer:
    """Answer with a body and its length."""
    return lambda asked: [head(status, f"Content-Length: {len(body)}", *fields), body]


def raw(*pieces: bytes) -> Answer:
    """Answer with bytes as they are, and hang up."""
    return lambda asked: pieces


def endless(first: bytes, piece: bytes) -> Answer:
    """Answer with bytes, and then with others over and over, as fast as they are taken."""
    return lambda asked: itertools.chain([first], itertools.repeat(piece))


def dribble(first: bytes, piece: bytes = b"x") -> Answer:
    """Answer with bytes, and then with others over and over, slowly."""

    def answer(asked: Asked) -> Iterator[bytes]:
        yield first
        while not asked.over.wait(0.05):
            yield piece

    return answer


def silence(first: bytes = b"") -> Answer:
    """Answer with bytes, and then with nothing more, while the connection stays open."""

    def answer(asked: Asked) -> Iterator[bytes]:
        yield first
        asked.over.wait()

    return answer


def told(**body: object) -> Answer:
    """Answer with JSON."""
    return whole(json.dumps(body).encode(), "200 OK", "Content-Type: application/json")
