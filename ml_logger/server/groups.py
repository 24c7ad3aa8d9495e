"""Which batches are committed together: short ones in a group, and long ones behind them, each by itself."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from typing import Any, NamedTuple

from ml_logger.transport.frames import Frame, Op

#: Most bytes of batches that are committed together.
GROUP_SIZE = 4 * 2**20
#: Frames of a short batch, and those among them that make a file anew: each may take a commit of its own.
SHORT, SHORT_WRITES = 500, 16
#: What takes long may be one frame, too: a folder with all that is in it.
_LONG = (Op.REMOVE, Op.MOVE, Op.COPY)


class Answer(NamedTuple):
    """What a batch is answered with."""

    status: int
    body: dict[str, Any]


class Request(NamedTuple):
    """One verified batch: consecutive frames of one writer, and the future that its answer goes into."""

    writer: str
    frames: list[Frame]
    size: int
    answer: Future[Answer]


def at_hand(waiting: queue.SimpleQueue[Request | None], first: Request) -> tuple[list[Request], list[Request]]:
    """Take a request and those that wait behind it, up to a size; return the short ones, and the long ones.

    None, which says that no more will come, stays in the queue.
    """
    group, size = [first], first.size
    while size < GROUP_SIZE:
        try:
            request = waiting.get_nowait()
        except queue.Empty:
            break
        if request is None:
            waiting.put(None)
            break
        group.append(request)
        size += request.size
    return [request for request in group if not is_long(request)], list(filter(is_long, group))


def is_long(request: Request) -> bool:
    """Tell whether a batch may take so long that others should not wait for its end."""
    ops = [frame.op for frame in request.frames]
    return len(ops) > SHORT or ops.count(Op.WRITE) > SHORT_WRITES or any(op in ops for op in _LONG)
