"""`GET /v1/runs`: what is told of each run, from an index that is kept up as long as anybody looks."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanic import Blueprint, HTTPResponse, Request
from sanic.response import ResponseStream

from ml_logger.notices import notice
from ml_logger.server.journal import Changes
from ml_logger.transport import protocol

if TYPE_CHECKING:
    from ml_logger.dashboard.index import Index
    from ml_logger.dashboard.listing import News

routes = Blueprint("runs", strict_slashes=True)

#: Seconds that one step may take in a thread.
STEP = 0.01
#: Seconds that a request waits for runs to be found, then for the rows of all of them, or of those that have changed.
PATIENCE, PATIENCE_FOR_ALL, PATIENCE_FOR_CHANGES = 0.25, 0.05, 1.0
#: Seconds between two looks through the whole folder for what others write into it, as long as somebody looks; a look
#: that takes long is paid for with a pause so many times as long.
LOOK_EVERY, REST = 2.0, 25.0
#: Seconds between two looks for signs of life that have become old.
SIGNS_EVERY = 1.0
#: Seconds between two times that what is known is kept for the next start, beside the end of the server.
KEEP_EVERY = 600.0
#: Bytes of a list from which on it is compressed, and up to which for those on this machine: a longer one is not.
PACKED, PACKED_HERE = 2**10, 2**21


class Keeper:
    """Keeps the index of a server: made when somebody first asks, then brought up to date, step by step.

    Args:
        service: what the server works with.

    Attributes:
        threads: the one thread for what is short; what takes long has its turn in `service.turns`.
        on_changes: called with what the journal tells, at once.
        on_news: called with the number of the index, which goes up with each change.
    """

    def __init__(self, service: Any) -> None:
        self.threads = ThreadPoolExecutor(1, thread_name_prefix="ml-logger-live")
        self.on_changes: Callable[[Changes], object] = lambda changes: None
        self.on_news: Callable[[int], object] = lambda number: None
        self._service = service
        self._journal = service.committer.journal
        self._awake, self._found, self._settled = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._is_asked = False
        self._changes: list[Changes] = []
        self._listeners = 0
        self._begun: asyncio.Future[Index] | None = None
        self._task: asyncio.Task[None] | None = None
        self._work: dict[str, Generator[None, None, None]] = {}  # what is under way, by its kind
        self._look_at = self._signs_at = 0.0
        self._took = 0.0  # seconds of the look that is under way
        self._path = service.folder.private("runs.jsonl")
        self._keep_at, self._kept = 0.0, 0

    async def index(self) -> Index:
        """Return the index; it need not know of anything yet."""
        if self._begun is None:
            self._journal.begin()
            self._begun = asyncio.ensure_future(self._service.in_thread(self._make))
            self._task = asyncio.ensure_future(self._keep())
        return await asyncio.shield(self._begun)

    def _make(self) -> Index:
        from ml_logger.dashboard.index import Index

        service = self._service
        name = f"{service.catalog.id[:8]}.{secrets.token_hex(4)}"
        index = Index(service.folder, service.committer.appends.open_view, service.shelf, name)
        for _ in index.remember(self._path):
            pass
        return index

    async def news(self, version: str | None, below: str) -> News:
        """Return the runs that have changed since a version, of those at a key or below it."""
        index = await self.index()
        self._found.clear()
        self._settled.clear()
        self._is_asked = True
        self._take()
        self._awake.set()
        rows = PATIENCE_FOR_CHANGES if self._kept else PATIENCE_FOR_ALL
        for event, seconds in ((self._found, PATIENCE), (self._settled, rows)):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)
        news: News = await self._service.soon(index.since, version, below)
        return news

    def listen(self, more: int) -> None:
        """Count those who want to hear of changes when they happen."""
        self._listeners += more
        self._journal.listen(self._take if self._listeners else None)
        self._awake.set()

    def note(self, files: set[str]) -> None:
        """Take in that others have changed files."""
        self._changed(Changes(files, set(), False))

    async def close(self) -> None:
        """End; what is under way is left, and what is known is kept for the next start."""
        if self._task is not None:
            self._task.cancel()
        self.threads.shutdown(wait=False)  # the steps of streams that are just ending are done
        if self._begun is not None and self._begun.done() and not self._begun.exception():
            index = self._begun.result()
            if index.complete and index.number != self._kept:
                left = [*self._changes, self._journal.take()]
                with suppress(OSError, RuntimeError):  # a full disk, or a step that has not ended: all is read again
                    await self._service.in_thread(_finish, index, left, self._path)

    def _take(self) -> None:
        changes = self._journal.take()
        if changes:
            self._changed(changes)

    def _changed(self, changes: Changes) -> None:
        self._changes.append(changes)
        self.on_changes(changes)
        self._awake.set()

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        """Do a short step in the thread for them, in the order of coming."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work, *args)

    async def _keep(self) -> None:
        index = await self.index()
        while True:
            try:
                await self._go_on(index)
            except Exception as error:  # the disk, say: it may go better later
                notice(f"the index of runs is not up to date: {type(error).__name__}: {error}")
                self._work.clear()
                await asyncio.sleep(LOOK_EVERY)

    async def _go_on(self, index: Index) -> None:
        """Do a step of each kind of work that there is; where there is none, wait for some."""
        self._awake.clear()
        changes, self._changes = self._changes, []
        if changes:
            await self._drive(_take_in(index, changes))
        if self._is_asked:
            self._is_asked = False
            index.hurry()
        now = time.monotonic()
        self._begin(index, now)
        for kind in [*self._work]:
            await self._step(kind)
        if now >= self._signs_at:
            self._signs_at = now + SIGNS_EVERY
            await self.run(index.watch_signs)
        self.on_news(index.number)
        if self._changes or index.has_files or "look" in self._work:
            return
        self._found.set()
        if not self._work and now >= self._keep_at and index.number != self._kept:
            self._keep_at, self._kept = now + KEEP_EVERY, index.number
            self._work["keep"] = index.keep(self._path)
        if not self._work:
            await self._rest(index)

    def _begin(self, index: Index, now: float) -> None:
        """Begin each kind of work that there is to do, and that is not under way."""
        due = index.due()
        if index.has_files:
            self._work.setdefault("files", index.read_files())
        if now >= self._look_at:
            self._work.setdefault("look", index.look())
        if due is not None and due <= now and "look" not in self._work:  # all runs first, then what is in them
            self._work.setdefault("rows", index.read_rows())

    async def _step(self, kind: str) -> None:
        going, took = await self._service.turns.take("the index of runs", partial(_steps, self._work[kind]))
        self._took += took if kind == "look" else 0.0
        if going:
            return
        del self._work[kind]
        if kind == "look":
            self._look_at, self._took = time.monotonic() + max(LOOK_EVERY, REST * self._took), 0.0

    async def _drive(self, work: Generator[None, None, None]) -> None:
        while (await self.run(_steps, work))[0]:
            pass

    async def _rest(self, index: Index) -> None:
        """Wait until there is something to do, and somebody who wants to know of it."""
        self._settled.set()
        pause = None
        if self._listeners:
            times = (self._look_at, self._signs_at, index.due() or math.inf)
            pause = max(0.0, min(times) - time.monotonic())
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._awake.wait(), pause)


def _steps(work: Generator[None, None, None]) -> tuple[bool, float]:
    """Go on with some work for a moment; return whether there is more of it, and the seconds that it took."""
    begin = time.monotonic()
    for _ in work:
        if time.monotonic() > begin + STEP:
            return True, time.monotonic() - begin
    return False, time.monotonic() - begin


def _finish(index: Index, left: list[Changes], path: Path) -> None:
    """Note what has changed and was not looked at, then keep what is known."""
    for work in (_take_in(index, left), index.keep(path)):
        deque(work, 0)


def _take_in(index: Index, taken: list[Changes]) -> Generator[None, None, None]:
    for changes in taken:
        yield from index.look() if changes.lost else index.change(changes.files, changes.names)


@routes.get(protocol.RUNS, ctx_keeps_prefix=True)
async def get_runs(request: Request) -> HTTPResponse | ResponseStream | None:
    """Tell of all runs, or of those that have changed since a version."""
    service, keeper = request.app.ctx.service, request.app.ctx.keeper
    news = await keeper.news(request.args.get("since"), request.ctx.token.prefix)
    pieces = news.encoded()
    first = await service.soon(next, pieces, b"")
    second = await service.soon(next, pieces, b"")
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    packer = None
    if _is_packed(request, len(first) if not second else math.inf):
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        headers["Content-Encoding"] = "gzip"
    response = await request.respond(content_type="application/json", headers=headers)
    for piece in (first, second):
        await _send(service, response, packer, piece)
    while second and (piece := await service.soon(next, pieces, b"")):
        await _send(service, response, packer, piece)
    if packer is not None:
        await response.send(await service.soon(packer.flush))
    await response.eof()
    return None


def _is_packed(request: Request, size: float) -> bool:
    """Tell whether a list goes out compressed."""
    if "gzip" not in request.headers.get("accept-encoding", "") or size < PACKED:
        return False
    is_here = request.ip in ("127.0.0.1", "::1") and "x-forwarded-for" not in request.headers
    return not is_here or size < PACKED_HERE


async def _send(service: Any, response: Any, packer: Any, piece: bytes) -> None:
    if packer is not None and piece:
        piece = await service.soon(packer.compress, piece)
    if piece:
        await response.send(piece)
