"""Bodies of requests: read into bounded memory, however many clients send at once and however slowly."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from sanic import Request
from sanic.exceptions import PayloadTooLarge, RequestTimeout, SanicException

#: Bytes of a body that are read without asking for room: what every connection may cost.
SMALL = 64 * 2**10
#: Bytes of larger bodies that are in memory at one time, from their first byte until they are answered.
ROOM = 32 * 2**20
#: Bytes a second that the rest of a large body must make: it keeps others waiting.
SLOWEST = 64 * 2**10


class Room:
    """Bytes that may be in use at one time; who finds too few free waits, in the order of coming."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Wait until `size` bytes are free, and take them for as long as the block lasts."""
        size = min(size, self._size)
        await self._take(size)
        try:
            yield
        finally:
            self._give(size)

    async def _take(self, size: int) -> None:
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            # Gone away: what was just given is given back, and who waited behind may come in now.
            self._give(0 if turn.cancelled() else size)
            raise

    def _give(self, size: int) -> None:
        self._free += size
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._free):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= wanted
                turn.set_result(None)


class Bodies:
    """Reads the bodies of one server's requests.

    Args:
        limit: the longest body that is taken, in bytes.
        patience: seconds in which a small body, or the beginning of a large one, must have come.
    """

    def __init__(self, limit: int, patience: float) -> None:
        self._limit = limit
        self._patience = patience
        self._room = Room(ROOM)

    @asynccontextmanager
    async def read(self, request: Request, most: int | None = None) -> AsyncIterator[bytes]:
        """Read a body, of `most` bytes where that is less, and count it as memory in use until the block is left.

        Raises:
            SanicException: 411, 413 or 408: no length, too long, or too slow; the connection is closed after it.
        """
        length = self._length(request, self._limit if most is None else min(most, self._limit))
        body = bytearray()
        if not _is_here(request, length):
            await _within(self._patience, _receive(request, body, min(length, SMALL)), request)
        if len(body) >= length or _is_here(request, length):
            await _receive(request, body, length + 1)  # the end: else Sanic takes it for a body that nobody has read
            yield bytes(body)
            return
        async with self._room.taken(length):
            await _within(self._patience + length / SLOWEST, _receive(request, body, length + 1), request)
            yield bytes(body)

    def _length(self, request: Request, limit: int) -> int:
        text = request.headers.get("content-length", "")
        if not (text.isascii() and text.isdigit()):
            hang_up(request)
            raise SanicException("a body needs a Content-Length", status_code=411)
        if len(text) > 19 or int(text) > limit:
            hang_up(request)
            raise PayloadTooLarge(f"a body has at most {limit:,} bytes")
        return int(text)


def _is_here(request: Request, length: int) -> bool:
    """Tell whether a small body has come with the head: then nobody waits for it, and no clock need be set."""
    stream: Any = request.stream
    return length <= SMALL and len(stream.recv_buffer) >= length


async def _receive(request: Request, body: bytearray, size: int) -> None:
    """Add to a body until it has `size` bytes, or is at its end."""
    stream: Any = request.stream
    while len(body) < size and (piece := await stream.read()):
        body += piece


async def _within(seconds: float, reading: Awaitable[None], request: Request) -> None:
    try:
        await asyncio.wait_for(reading, seconds)
    except asyncio.CancelledError:
        hang_up(request)  # nothing came for so long that Sanic gave up: it would read the rest without any limit
        raise
    except asyncio.TimeoutError:
        hang_up(request)
        raise RequestTimeout(f"the body did not come within {seconds:.0f} s: send smaller batches") from None


def hang_up(request: Request) -> None:
    """Close the connection after the answer, without reading what is left of the body."""
    stream: Any = request.stream
    stream.keep_alive = False
    stream.request_body = None
