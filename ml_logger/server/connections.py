"""Connections: as Sanic has them, but they are counted, and what dribbles in does not stay for ever."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sanic import Request
from sanic.exceptions import RequestTimeout, SanicException
from sanic.http import Http, Stage
from sanic.server import HttpProtocol

from ml_logger.server.admission import ALWAYS, DOWNLOAD
from ml_logger.server.committer import RETRY_AFTER
from ml_logger.server.limits import Limits

#: What a connection is told that finds no place.
_BUSY = b'{"error": "the server has too many open connections"}'
_HEADERS = {
    "Content-Type": "application/json",
    "Content-Length": len(_BUSY),
    "Connection": "close",
    "Retry-After": RETRY_AFTER,
    **ALWAYS,
    **DOWNLOAD,
}
_LINES = ["HTTP/1.1 503 Service Unavailable", *(f"{name}: {value}" for name, value in _HEADERS.items()), "", ""]
_NO_PLACE = "\r\n".join(_LINES).encode() + _BUSY


#: Seconds between requests that were sent without waiting for answers, of all clients together.
PAUSE = 0.001
#: Connections that find no place and are told so at one time, and the seconds that each has to read it.
MOST_LEAVING, LEAVING_TIME = 64, 1.0


class Traffic:
    """How many connections may be open, and how many requests of one client are worked on."""

    def __init__(self, limits: Limits) -> None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if files == resource.RLIM_INFINITY:
            files = 2 * limits.max_connections
        # The others are for the files that are written and read; where there are few, for those of the server itself.
        self.connections = min(limits.max_connections, files // 2 if files >= 256 else max(4, files // 4))
        self.leaving = 0
        self.behind = asyncio.Lock()
        self._most = limits.max_in_flight
        self._in_flight: Counter[str] = Counter()

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Count a request of a client for as long as the block lasts.

        Raises:
            SanicException: 429, the client has too many under way.
        """
        if self._in_flight[client] >= self._most:
            raise SanicException(
                f"a client has at most {self._most:,} requests under way: wait for some to be answered",
                status_code=429,
                headers={"Retry-After": str(RETRY_AFTER)},
            )
        self._in_flight[client] += 1
        try:
            yield
        finally:
            self._in_flight[client] -= 1
            if not self._in_flight[client]:
                del self._in_flight[client]


class Exchange(Http):
    """Requests and answers of one connection: an address that cannot be read is answered, too."""

    def create_empty_request(self) -> None:
        """Make the request that stands for one whose head could not be read; the address may be what is wrong."""
        self.url = None
        super().create_empty_request()


class Connection(HttpProtocol):
    """A connection that has a place among a limited number.

    Its time for the head of a request counts from the first byte, and not from the last; that for the rest of a body
    which was answered before it was read, from the answer.
    """

    HTTP_CLASS = Exchange
    __slots__ = ("_asked", "_given_up", "_taken")

    def _setup(self) -> None:
        super()._setup()  # type: ignore[no-untyped-call]
        self.request_handler = self._handle
        self._taken, self._given_up, self._asked = True, False, 0

    async def _handle(self, request: Request) -> None:
        # A token stands for its owner, wherever he sends from; one that is wrong is turned away before it costs much.
        client = request.headers.get("authorization") or request.ip
        self._asked += 1
        if self._asked > 1:
            # It came together with the one before, and who sends without waiting for answers does not wait for us
            # either: of all that came so, one is begun at a time, and not before the others have had their turn. A
            # loop that only went round would not let the other threads go on either.
            async with self.app.ctx.traffic.behind:
                await asyncio.sleep(PAUSE)
        with self.app.ctx.traffic.one(client):
            await self.app.handle_request(request)

    def connection_made(self, transport: Any) -> None:
        """Give a connection a place: where none is free, that of the one which waits longest for a request."""
        if len(self.connections) < self.app.ctx.traffic.connections or self._make_room():
            super().connection_made(transport)  # type: ignore[no-untyped-call]
            return
        self._taken = False
        traffic = self.app.ctx.traffic
        traffic.leaving += 1
        if traffic.leaving > MOST_LEAVING or not transport.can_write_eof():
            transport.abort()
            return
        # Closed at once, what it has sent meanwhile would cost it the answer.
        transport.write(_NO_PLACE)
        transport.write_eof()
        self.loop.call_later(LEAVING_TIME, transport.abort)

    def _make_room(self) -> bool:
        waiting = [other for other in self.connections if other.waits()]
        if not waiting:
            return False
        min(waiting, key=lambda other: other._time).give_up()
        return True

    def waits(self) -> bool:
        """Tell whether nothing is done for it: it has sent no request, or not the whole head of one."""
        return not self._given_up and self.http is not None and self.http.stage in (Stage.IDLE, Stage.REQUEST)

    def give_up(self) -> None:
        """End it, with an answer if it is in the middle of a head."""
        self._given_up = True
        if self.http.stage is Stage.REQUEST:
            self.http.exception = RequestTimeout("others wait for the place of this connection: send the head at once")
        if self._task is not None:
            self._task.cancel()

    def keep(self) -> None:
        """Begin its time anew: nothing is sent because nothing happens, and not because the other end is stuck."""
        self._time = time.monotonic()

    def connection_lost(self, error: Exception | None) -> None:
        """Give the place back."""
        if self._taken:
            super().connection_lost(error)  # type: ignore[no-untyped-call]
        else:
            self.app.ctx.traffic.leaving -= 1

    def data_received(self, data: bytes) -> None:
        """Take bytes in; those of a head, or of a body that is answered already, do not begin its time anew."""
        if not self._taken:
            return
        began, http, self._asked = self._time, self.http, 0
        in_head = http is not None and http.stage is Stage.REQUEST
        is_answered = http is not None and http.stage is Stage.IDLE and http.request_body
        super().data_received(data)
        if in_head or is_answered:
            self._time = began
