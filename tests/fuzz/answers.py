"""Answers to batches: whatever a server says, the sender neither stops nor believes what makes no sense."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ml_logger.columns.portions import told_by
from ml_logger.errors import CorruptData
from ml_logger.notices import printable
from ml_logger.stores.base import Deadline
from ml_logger.transport.frames import Op
from ml_logger.transport.outage import LONGEST_DELAY
from ml_logger.transport.sender import Sender
from ml_logger.transport.spool import Spool, SpoolLimits
from ml_logger.transport.wire import Reply, reply_of
from tests.fuzz.inputs import Cut, text_of

STATUSES = [200, 409, 400, 401, 403, 408, 413, 429, 500, 503, 507, 404, 302, 999]
WRITTEN = 3


def seeds() -> list[bytes]:
    """Return answers as servers give them, and as they do not."""
    bodies = [
        b'{"catalog":"c","committed":2,"rejected":[{"seq":1,"error":"why"}]}',
        b'{"catalog":"c","committed":3,"rejected":[]}',
        b'{"catalog":"c","error":"frame 3 is expected, not 9","expected":3}',
        b'{"error":"no"}',
        b'{"committed":1e999,"rejected":{}}',
        b'{"expected":-1}',
        b"[[[[",
        b'{"kind":"ended","damage":[[0,1,true]],"others":0}',
    ]
    return [bytes([number, 2]) + b"10" + body for number in range(4) for body in bodies]


class Answering:
    """A way to a server that answers each batch the same."""

    url, timeout = "http://127.0.0.1:9", 1.0

    def __init__(self, reply: Reply) -> None:
        self.told: dict[str, object] = {}
        self._reply = reply

    def masked(self, text: str) -> str:
        """Return it: there is no token."""
        return text

    def said(self, text: object) -> str:
        """Return it as a person may be shown it."""
        return printable(str(text))

    def post_batch(self, writer: str, body: bytes, timeout: float, meanwhile: Callable[[], object]) -> Reply:
        """Answer."""
        return self._reply


def target(data: bytes) -> None:
    """Have a sender hear an answer a few times; then read it as the head of a block."""
    cut = Cut(data)
    status, after = cut.choice(STATUSES), text_of(cut.take(cut.number(8)))
    reply = reply_of(status, cut.rest(), after or None)
    transport: Any = Answering(reply)
    spool = Spool(None, SpoolLimits(10**6, 10**6))
    for number in range(WRITTEN):
        spool.append(Op.APPEND, b"key", b"%d" % number)
    sender = Sender(spool, transport, linger=0.0)
    for _ in range(3):
        batch = spool.batch(10**6)
        if batch is None:
            break
        delay = sender._send(batch, Deadline(None))
        assert math.isfinite(delay)
        assert 0 <= delay <= LONGEST_DELAY
        assert 0 <= spool.acknowledged <= WRITTEN
    if status != 200 and status not in (409, 400):
        assert spool.acknowledged == 0
    try:
        told_by(reply.body)
    except CorruptData:
        pass
