"""Work that takes long, in a few threads: each client waits for its own, and not for all that another has asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from sanic import Request

T = TypeVar("T")

#: Work that waits for its turn: what is told when it is done, and what to do.
Waiting = tuple["asyncio.Future[Any]", Callable[[], Any]]


class Turns:
    """A few threads, of which the clients that wait have one after the other.

    Work is cut by those who give it into steps of a quarter of a second or so: a client that asks for much gets a turn
    for each, between those of the others.

    Args:
        threads: how many steps are worked on at one time.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ml-logger-turns")
        self._free = threads
        self._waiting: dict[str, deque[Waiting]] = {}  # by client; whoever comes first here is next

    def take(self, client: str, work: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Do work when it is the turn of a client; cancel the future, and it is left out, if it has not begun."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append((future, partial(work, *args)))
        self._begin()
        return future

    @asynccontextmanager
    async def through(
        self, client: str, step: Callable[..., T], work: Generator[Any, None, Any]
    ) -> AsyncIterator[Callable[[], Awaitable[T]]]:
        """Give what does the next step of work, in a turn of its own; the work is closed when the block is left.

        Args:
            client: who waits for it.
            step: is called with the work.
            work: what is done step by step.
        """
        future: asyncio.Future[T] | None = None

        def go_on() -> Awaitable[T]:
            nonlocal future
            future = self.take(client, step, work)
            return asyncio.shield(future)  # a step that has begun ends, also where its client goes away

        try:
            yield go_on
        finally:
            if future is None:
                work.close()
            else:
                future.add_done_callback(partial(_close, work))

    def _begin(self) -> None:
        while self._free and self._waiting:
            client, queue = next(iter(self._waiting.items()))
            del self._waiting[client]
            future, work = queue.popleft()
            if queue:
                self._waiting[client] = queue  # at the end
            if not future.done():
                self._free -= 1
                running = asyncio.get_running_loop().run_in_executor(self._pool, work)
                running.add_done_callback(partial(self._end, future))

    def _end(self, future: asyncio.Future[Any], running: asyncio.Future[Any]) -> None:
        self._free += 1
        if running.cancelled():
            future.cancel()
        elif not future.done():
            error = running.exception()
            future.set_result(running.result()) if error is None else future.set_exception(error)
        else:
            running.exception()  # looked at: nobody waits for it any more
        self._begin()

    def close(self) -> None:
        """Begin nothing new."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _close(work: Generator[Any, None, Any], step: asyncio.Future[Any]) -> None:
    if not step.cancelled():
        step.exception()  # looked at: nobody waits for it any more
    work.close()


def client_of(request: Request) -> str:
    """Return who asks, as turns are counted: the owner of a token, wherever he asks from, else an address."""
    return str(request.ctx.token.name or request.ip)
