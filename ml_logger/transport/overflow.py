"""The overflow of a spool: frames that the disk does not take, in memory, up to a limit."""

from __future__ import annotations

import threading
from collections import deque
from itertools import islice

from ml_logger.errors import SpoolFull
from ml_logger.notices import notice
from ml_logger.transport.batches import Batch

#: How long a call waits for room before its record is dropped, in seconds.
ROOM_TIMEOUT = 1.0

#: What happens to a record when there is no room for it: see the setting ML_LOGGER_WHEN_FULL.
DROP, WAIT, RAISE = "drop", "wait", "raise"


class Overflow:
    """A bounded queue of frames with their numbers. Every method is called with the spool's lock held.

    Args:
        size: most bytes that wait.
        when_full: `drop` waits a second for room, then gives the record up; `wait` waits for as long as it takes;
            `raise` raises at once.
        lock: the lock of the spool, let go of while a call waits for room.
    """

    def __init__(self, size: int, when_full: str, lock: threading.RLock) -> None:
        self._size = size
        self._when_full = when_full
        #: Numbers and frames. Public, since whether there are any is asked at every append.
        self.frames: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._room = threading.Condition(lock)
        self._gave_up = False
        self._is_leaving = False
        self._said_waiting = False

    @property
    def first(self) -> int:
        """The number of the oldest frame; there is one."""
        return self.frames[0][0]

    @property
    def last(self) -> int:
        """The number of the newest frame; there is one."""
        return self.frames[-1][0]

    def has_room(self) -> bool:
        """Tell whether one more frame may come, after waiting for that as the policy says.

        With `drop` one call waits; the next ones are told at once, until there is room.

        Raises:
            SpoolFull: there is no room, and the policy is `raise`.
        """
        if self._bytes < self._size:
            self._gave_up = False
            return True
        if self._when_full == RAISE:
            raise SpoolFull(
                "no room is left for records on their way to the server, on disk or in memory: make room where the "
                "spool is (ml-logger status), or set ML_LOGGER_WHEN_FULL to drop or wait"
            )
        if self._when_full == DROP and self._gave_up:
            return False
        timeout = None if self._when_full == WAIT else 0.0 if self._is_leaving else ROOM_TIMEOUT
        if self._when_full == WAIT and not self._said_waiting:
            self._said_waiting = True
            notice("the spool and the queue in memory are full: the program waits whenever there is no room")
        self._room.wait_for(lambda: self._bytes < self._size or self._is_leaving, timeout)
        if self._bytes < self._size:
            return True
        self._gave_up = True
        notice("the spool and the queue in memory are full: records are dropped from here on until there is room")
        return False

    def leave(self) -> None:
        """Let nobody wait for room any longer, since the program ends: what finds none is dropped."""
        self._is_leaving = True
        if self._when_full == WAIT:
            self._when_full = DROP
        self._room.notify_all()

    def put(self, seq: int, frame: bytes) -> None:
        """Add a frame at the end."""
        self.frames.append((seq, frame))
        self._bytes += len(frame)

    def holds(self, payload: bytes) -> bool:
        """Tell whether one of the last frames ends in a payload."""
        return any(frame.endswith(payload) for _, frame in islice(reversed(self.frames), 100))

    def count_again(self) -> None:
        """Count the bytes anew, after an exception has ended `put` or `forget` at any point."""
        self._bytes = sum(len(frame) for _, frame in self.frames)

    def forget(self, seq: int) -> None:
        """Drop the frames up to a number, and let in those who wait for room."""
        while self.frames and self.frames[0][0] <= seq:
            self._bytes -= len(self.frames.popleft()[1])
            self._room.notify_all()

    def batch(self, limit: int) -> Batch | None:
        """Return the oldest frames, of about `limit` bytes but at least one; None when there are none."""
        taken: list[bytes] = []
        stops: list[int] = []
        for _, frame in self.frames:
            if stops and stops[-1] + len(frame) > limit:
                break
            taken.append(frame)
            stops.append((stops[-1] if stops else 0) + len(frame))
        if not taken:
            return None
        return Batch(self.first, self.first + len(taken) - 1, b"".join(taken), stops)
