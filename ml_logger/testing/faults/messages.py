"""Requests and answers of HTTP/1.1 as bytes, whole: for the proxy, which looks at them and takes them apart."""

from __future__ import annotations

import re
import socket
import threading
from typing import NamedTuple

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")


class Closed(Exception):
    """The other side has closed the connection, or this one is to be reset."""


class Message(NamedTuple):
    """A request or an answer: all before its body, and the body."""

    head: bytes
    body: bytes

    @property
    def start(self) -> bytes:
        """The first line."""
        return self.head.partition(b"\r\n")[0]

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.start.split()[1])

    def encoded(self) -> bytes:
        """Return it as it is on the wire."""
        return self.head + self.body

    def with_body(self, body: bytes) -> Message:
        """Return the same with another body, and the length that goes with it."""
        return Message(_LENGTH.sub(b"\r\nContent-Length: %d" % len(body), self.head), body)


def read_message(one: socket.socket, rate: float = 0.0, *, bodyless: bool = False) -> Message:
    """Read one message to its end, by its Content-Length.

    Args:
        one: where from.
        rate: bytes per second; 0 takes all there is.
        bodyless: no body follows, whatever the length says: the answer to HEAD.

    Raises:
        Closed: the connection ended before it was whole.
        OSError: the connection failed.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(one, 65536, rate)
    head, separator, rest = data.partition(b"\r\n\r\n")
    head += separator
    match = _LENGTH.search(head)
    size = int(match[1]) if match and not bodyless and not head.startswith(b"HTTP/1.1 304") else 0
    parts, have = [rest], len(rest)
    while have < size:
        parts.append(_receive(one, min(2**20, size - have), rate))
        have += len(parts[-1])
    return Message(head, b"".join(parts))


def _receive(one: socket.socket, size: int, rate: float) -> bytes:
    if rate:
        size = max(1, min(size, int(rate / 10)))
        threading.Event().wait(0.1)
    data = one.recv(size)
    if not data:
        raise Closed
    return data
