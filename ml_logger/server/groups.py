"""Which batches are committed together, and which first: short ones, in groups, and long ones behind them."""

from __future__ import annotations

import queue
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, NamedTuple

from ml_logger.transport.frames import Frame, Op, Own

#: Most bytes of batches that are committed together.
GROUP_SIZE = 4 * 2**20
#: Frames of a short batch, and those among them that make a file anew: each may take a commit of its own.
SHORT, SHORT_WRITES = 500, 16
#: Seconds that long batches are worked on while short ones wait, and while other long ones do.
SLICE, LONG_SLICE = 0.001, 0.25
#: What takes long may be one frame, too: a folder with all that is in it.
_SLOW = (Op.REMOVE, Op.MOVE, Op.COPY, Own.EMPTY)


class Answer(NamedTuple):
    """What a batch is answered with."""

    status: int
    body: dict[str, Any]


class Request(NamedTuple):
    """One verified batch: consecutive frames of one writer, and the future that its answer goes into.

    Fields:
        is_long: whether it may take so long that others should not wait for its end.
        is_slow: whether each frame of it may take long; what appends alone is quick, and long by its length only.
    """

    writer: str
    frames: list[Frame]
    size: int
    is_long: bool
    is_slow: bool
    answer: Future[Answer]

    @classmethod
    def of(cls, writer: str, frames: list[Frame]) -> Request:
        """Return a request for some frames; looks at each of them, which nobody who is in a hurry should do again."""
        size, ops = 0, Counter[Op | Own]()
        for frame in frames:
            size += len(frame.payload) + 64
            ops[frame.op] += 1
        is_long = len(frames) > SHORT or ops[Op.WRITE] > SHORT_WRITES or any(op in ops for op in _SLOW)
        return cls(writer, frames, size, is_long, ops.keys() != {Op.APPEND}, Future())


class Waiting:
    """The batches that wait for the committer. `put` is for any thread, all else for that of the committer.

    Attributes:
        ended: whether no more will come.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._short: deque[Request] = deque()
        self._long: deque[Request] = deque()
        self.ended = False

    def put(self, request: Request | None) -> None:
        """Add a batch; None says that no more will come."""
        self._queue.put(request)

    def look(self, patience: float) -> bool:
        """Take in what has come, and wait for it where nothing is there; return whether anything waits."""
        block = not (self._short or self._long or self.ended)
        try:
            while True:
                request = self._queue.get(block, patience)
                block = False
                if request is None:
                    self.ended = True
                else:
                    (self._long if request.is_long else self._short).append(request)
        except queue.Empty:
            return bool(self._short or self._long)

    def has_short(self) -> bool:
        """Tell whether short batches wait, of those that were taken in."""
        return bool(self._short)

    def short(self) -> list[Request]:
        """Take the short batches that are committed next, together; none where none waits."""
        return _group(self._short)

    def long(self) -> list[Request]:
        """Take the long batches that are worked on next: one that is slow by itself, others together."""
        if self._long and self._long[0].is_slow:
            return [self._long.popleft()]
        return _group(self._long, lambda request: request.is_slow)

    def again(self, requests: Iterable[Request]) -> None:
        """Put long batches back, behind all others."""
        self._long += requests

    def want(self, elapsed: float) -> bool:
        """Tell whether others should have their turn, of long batches that were worked on for some seconds."""
        if elapsed < SLICE:
            return False
        self.look(0.0)
        return bool(self._short) or self.ended or (bool(self._long) and elapsed >= LONG_SLICE)


def _group(waiting: deque[Request], alone: Callable[[Request], bool] = lambda request: False) -> list[Request]:
    group, size = [], 0
    while waiting and size < GROUP_SIZE and not alone(waiting[0]):
        group.append(waiting.popleft())
        size += group[-1].size
    return group
