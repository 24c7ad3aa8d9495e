"""`POST /v1/live`: one stream for a page, of what it watches. Nothing is sent while nothing happens."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from sanic import Blueprint, HTTPResponse, Request
from sanic import json as sanic_json
from sanic.exceptions import SanicException
from sanic.response import ResponseStream

from ml_logger import keys
from ml_logger.errors import LoggerError
from ml_logger.server.committer import RETRY_AFTER
from ml_logger.server.journal import Changes
from ml_logger.server.questions import question
from ml_logger.server.runs import Keeper
from ml_logger.server.tokens import allowed
from ml_logger.server.turns import client_of
from ml_logger.tokens import Token
from ml_logger.transport import protocol

if TYPE_CHECKING:
    from ml_logger.dashboard.watching import Question, Stream

routes = Blueprint("live", strict_slashes=True)

#: Streams in all, and those of one client.
MOST, MOST_OF_ONE = 256, 64
#: Seconds in which changes are gathered into one message, once one was sent.
GATHER = 0.02
#: Seconds after which it is looked whether the token of a stream still lets it in.
LOOK_AT_TOKEN = 2.0
#: Names that are compared with those that are watched, product of both; of more, all that is watched is looked at.
MOST_COMPARED = 50_000
#: Seconds between two looks at watched files, for what others write; and how many times as long as a look the pause is.
POLL_EVERY, REST = 0.3, 20.0


class Page:
    """One page that is connected: what it watches, and what wakes it.

    Attributes:
        is_over: whether it is to be ended.
        is_sending: whether the page has not taken yet what was sent.
    """

    def __init__(self, stream: Stream, request: Request) -> None:
        self.stream = stream
        self.connection: Any = request.transport.get_protocol() if request.transport is not None else None
        self.awake = asyncio.Event()
        self.is_over = self.is_sending = False

    def end(self) -> None:
        """End it: at once, or when it wakes."""
        self.is_over = True
        self.awake.set()
        if self.is_sending:
            self.connection.abort()


class Live:
    """The pages that are connected, and who of them is to be told of what."""

    def __init__(self, keeper: Keeper, root: os.PathLike[str]) -> None:
        self._keeper = keeper
        self._root = os.fspath(root)
        self._pages: set[Page] = set()
        self._taken: Counter[str] = Counter()
        self._watching: dict[str, set[Page]] = {}  # by key
        self._poll: asyncio.Task[None] | None = None
        self._stamps: dict[str, tuple[int, int, int] | None] = {}
        self._number = -1
        self._is_over = False
        keeper.on_changes = self._changed
        keeper.on_news = self._news

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Have a place for a page as long as the block lasts.

        Raises:
            SanicException: 503 or 429, there is none.
        """
        if self._is_over or self._taken.total() >= MOST:
            why = "the server is shutting down" if self._is_over else f"{MOST:,} pages are connected already"
            raise SanicException(why, status_code=503, headers={"Retry-After": str(RETRY_AFTER)})
        if self._taken[client] >= MOST_OF_ONE:
            text = f"a client has at most {MOST_OF_ONE:,} pages connected: close some"
            raise SanicException(text, status_code=429, headers={"Retry-After": str(RETRY_AFTER)})
        self._taken[client] += 1
        self._keeper.listen(1)
        try:
            yield
        finally:
            self._keeper.listen(-1)
            self._taken[client] -= 1
            self._taken = +self._taken  # who has none is forgotten

    def add(self, page: Page) -> None:
        """Tell a page of changes from now on."""
        self._pages.add(page)
        for key in page.stream.question.touched():
            self._watching.setdefault(key, set()).add(page)
        if self._poll is None:
            self._poll = asyncio.ensure_future(self._look_again_and_again())

    def remove(self, page: Page) -> None:
        """Forget a page."""
        self._pages.discard(page)
        for key in page.stream.question.touched():
            watching = self._watching.get(key, set())
            watching.discard(page)
            if not watching:
                self._watching.pop(key, None)
                self._stamps.pop(key, None)

    def close(self) -> None:
        """End all pages, at once."""
        self._is_over = True
        if self._poll is not None:
            self._poll.cancel()
        for page in self._pages:
            page.end()

    async def steps(self, page: Page) -> AsyncIterator[bytes]:
        """Yield what a page is to be told, as soon as there is something and it has taken what was before.

        Nothing is yielded now and then, too: so that who asks can see whether it should go on.
        """
        stream, sent = page.stream, 0.0
        while not page.is_over:
            page.awake.clear()
            step: asyncio.Future[bytes | None] = asyncio.ensure_future(self._keeper.run(stream.step))
            try:
                data = await asyncio.shield(step)
            except asyncio.CancelledError:
                step.add_done_callback(lambda done: stream.close())
                raise
            if data is None:
                await self._wait(page)
                pause = sent + GATHER - time.monotonic()
                if pause > 0:
                    await asyncio.sleep(pause)
                yield b""
            elif data:
                sent = time.monotonic()
                yield data

    async def _wait(self, page: Page) -> None:
        """Wait until there may be something to tell; the connection is not taken for a stalled one meanwhile."""
        page.connection.keep()
        due = page.stream.due()
        pause = LOOK_AT_TOKEN if due is None else min(LOOK_AT_TOKEN, due - time.monotonic())
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(page.awake.wait(), max(0.0, pause))

    def _news(self, number: int) -> None:
        """Wake all: there is something new in the index."""
        if number != self._number:
            self._number = number
            for page in self._pages:
                page.awake.set()

    def _changed(self, changes: Changes) -> None:
        """Wake those who watch what has changed."""
        if not self._pages:
            return
        changed = changes.files & self._watching.keys()
        for key in (*changes.files, *changes.names):
            folder = key.rpartition("/")[0]
            if folder in self._watching:
                changed.add(folder)
        if changes.lost or len(changes.names) * len(self._watching) > MOST_COMPARED:
            changed = {*self._watching}
        else:
            changed |= {key for name in changes.names for key in self._watching if keys.within(key, name)}
        self._mark(changed)

    def _mark(self, changed: Iterable[str]) -> None:
        marked: dict[Page, list[str]] = {}
        for key in changed:
            for page in self._watching.get(key, ()):
                marked.setdefault(page, []).append(key)
        for page, found in marked.items():
            page.stream.mark(found)
            page.awake.set()

    async def _look_again_and_again(self) -> None:
        """Look at what is watched for what others have written, as long as somebody watches."""
        while self._pages:
            begin = time.monotonic()
            fresh, changed = await self._keeper.run(self._look, list(self._watching))
            self._mark(fresh)
            if changed:
                self._keeper.note(changed)
            await asyncio.sleep(max(POLL_EVERY, REST * (time.monotonic() - begin)))
        self._poll = None

    def _look(self, watched: list[str]) -> tuple[set[str], set[str]]:
        """Return which files were not looked at before, and which are not what they were the last time."""
        fresh, changed = set(), set()
        for key in watched:
            try:
                # Without a look at each folder on the way, which takes longer; what is told of it is looked at so.
                status = os.stat(f"{self._root}/{key}", follow_symlinks=False)
                stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            except OSError:
                stamp = None
            if key not in self._stamps:
                fresh.add(key)  # it may have changed since its page looked at it
            elif stamp != self._stamps[key]:
                changed.add(key)
            self._stamps[key] = stamp
        return fresh, changed


@routes.post(protocol.LIVE, stream=True, ctx_scope="read", ctx_keeps_prefix=True)
async def post_live(request: Request) -> HTTPResponse | ResponseStream | None:
    """Tell a page of what it watches, until it or the server ends it."""
    from ml_logger.dashboard.watching import TooMuch, question_of

    live = request.app.ctx.live
    try:
        asked = await question(request, question_of, "what is watched is a JSON object")
    except TooMuch as error:
        return sanic_json({"error": str(error)}, 413)
    token = allowed(request, "read", *asked.touched())
    async with live.place(client_of(request)):
        page = Page(await _stream(request, asked, token.prefix), request)
        live.add(page)
        try:
            await _send(request, page, live)
        finally:
            live.remove(page)
    return None


async def _stream(request: Request, asked: Question, below: str) -> Stream:
    from ml_logger.dashboard.watching import Stream

    service = request.app.ctx.service
    index = await request.app.ctx.keeper.index()
    return Stream(asked, below, index, service.shelf, service.folder.stat, service.committer.appends.committed)


async def _send(request: Request, page: Page, live: Live) -> None:
    from ml_logger.dashboard.watching import told

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = await request.respond(content_type=protocol.LIVE_TYPE, headers=headers)
    await response.send(told(kind="hello"))
    token, look_at = request.ctx.token, time.monotonic() + LOOK_AT_TOKEN
    async for data in live.steps(page):
        if data:
            page.is_sending = True
            await response.send(data)
            page.is_sending = False
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + LOOK_AT_TOKEN
            if not await _is_let_in(request, token):
                break
    await response.eof()


async def _is_let_in(request: Request, token: Token) -> bool:
    """Tell whether the token with which a stream began would still begin it."""
    try:
        found, why = await request.app.ctx.tokens.of(request)
    except LoggerError:
        return False
    return not why and found == token
