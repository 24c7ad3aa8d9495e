"""`POST /v1/tables`: the rows of files go out as columns, and only those that are asked for. Nothing is unpickled."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from sanic import Blueprint, HTTPResponse, Request
from sanic.exceptions import SanicException
from sanic.response import ResponseStream

from ml_logger import keys
from ml_logger.errors import CorruptData, KeyNotFound, StorageFailed, UntrustedData
from ml_logger.server.appends import Appends
from ml_logger.server.committer import RETRY_AFTER
from ml_logger.server.questions import Json, question
from ml_logger.server.tokens import allowed
from ml_logger.server.turns import client_of
from ml_logger.stores.folder import Folder, missing_or_failed
from ml_logger.transport import protocol

if TYPE_CHECKING:
    from ml_logger.columns.portions import Event, Mark, Source
    from ml_logger.columns.segments import Shapes

routes = Blueprint("tables")

#: How many answers are under way, and how many of them for one client: each holds a file open, and a piece of it.
MOST, MOST_OF_ONE = 16, 12
#: Seconds that a request waits for its turn, before the client is told to read the files itself.
PATIENCE = 5.0
#: Bytes of a file that become one table of the answer.
PIECE = 2**23
#: Bytes of the largest row that is decoded here: eight frames full. A length can claim any, and each answer that is
#: under way may hold one; a file with a larger one is left to the client, who knows how much memory it has.
LARGEST = 2**25
#: An answer goes out when so many bytes of it are ready, or after so many seconds.
READY, AT_LEAST_EVERY = 2**18, 0.25
#: Bytes of columns that are held at once to choose the rows which show their curves; of more, all are sent.
HELD = 2**27
#: How much longer than the file its columns may be: they are few bytes then, and not worth another request.
LONGER = 2**14
#: Damaged places of one file; one with more is read by the client.
MOST_DAMAGE = 1000


class Question(NamedTuple):
    """What is asked for: one key, or all that match a glob and come after a key; which columns; what is known.

    `marks` is None where the client does not want to know how to go on another time; `points` where it wants all rows
    and not only those that show the shape of curves over `x`. `shapes` are those of the rows met so far.
    """

    key: str | None
    pattern: str
    after: str
    columns: list[str] | None
    marks: dict[str, Mark] | None
    x: str
    points: int | None
    shapes: Shapes


class Places:
    """The places of those who are being answered: so many, and not all of them for one client."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(MOST)
        self._taken: Counter[str] = Counter()

    @asynccontextmanager
    async def one(self, client: str) -> AsyncIterator[None]:
        """Wait for a place, not for long, and keep it as long as the block lasts.

        Raises:
            SanicException: 503, there is none.
        """
        if self._taken[client] >= MOST_OF_ONE:
            raise _busy("many questions of yours are being answered")
        self._taken[client] += 1
        try:
            try:
                await asyncio.wait_for(self._places.acquire(), PATIENCE)
            except asyncio.TimeoutError:
                raise _busy("many others are being answered") from None
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._taken[client] -= 1
            self._taken = +self._taken  # who has none is forgotten


def _busy(text: str) -> SanicException:
    return SanicException(text, status_code=503, headers={"Retry-After": str(RETRY_AFTER)})


@routes.post(protocol.TABLES, stream=True, ctx_scope="read", ctx_keeps_prefix=True)
async def post_tables(request: Request) -> HTTPResponse | ResponseStream | None:
    """Answer with the columns of files, file by file, as they are decoded."""
    service = request.app.ctx.service
    asked = await question(request, question_of, "a question is a JSON object")
    below = allowed(request, "read", *([] if asked.key is None else [asked.key])).prefix
    async with service.places.one(client_of(request)):
        answer = _answer(service.folder, service.committer.appends, asked, below)
        async with service.turns.through(client_of(request), _step, answer) as go_on:
            data = await go_on()  # a key that is not there raises here
            response = await request.respond(content_type=protocol.TABLES_TYPE, headers={"Cache-Control": "no-store"})
            while data is not None:
                if data:
                    await response.send(data)
                data = await go_on()
            await response.eof()
    return None


def question_of(asked: Json) -> Question:
    """Return the question that an object asks.

    Raises:
        CorruptData: it is none.
        InvalidKey: its key is none.
    """
    from ml_logger.columns.portions import mark_from
    from ml_logger.columns.segments import Shapes

    key, pattern, after = asked.get("key"), asked.get("pattern", "**"), asked.get("after", "")
    columns, marks = asked.get("columns"), asked.get("marks")
    x, points = asked.get("x", ""), asked.get("points")
    texts = [pattern, after, x, *([] if key is None else [key])]
    if columns is not None and type(columns) is list:
        texts += columns
    if any(type(text) is not str for text in texts) or type(columns) not in (list, type(None)):
        raise CorruptData("key, pattern, after and x are texts, and columns a list of texts")
    if type(marks) not in (dict, type(None)) or not (points is None or (type(points) is int and points >= 4)):
        raise CorruptData("marks are an object, and points an integer of 4 or more")
    known = None if marks is None else {name: mark_from(mark) for name, mark in marks.items()}
    return Question(None if key is None else keys.check(key), pattern, after, columns, known, x, points, Shapes())


def _step(answer: Iterator[bytes]) -> bytes | None:
    """Return the next bytes of an answer: so many, or those of some time, but one piece at least; None at its end."""
    pieces, size, until = [], 0, time.monotonic() + AT_LEAST_EVERY
    for piece in answer:
        pieces.append(piece)
        size += len(piece)
        if size >= READY or time.monotonic() > until:
            return b"".join(pieces)
    return b"".join(pieces) or None


def _answer(folder: Folder, appends: Appends, question: Question, below: str) -> Generator[bytes, None, None]:
    """Yield the blocks of an answer; empty ones while nothing is found, so that it can be left."""
    from ml_logger.columns import wire

    if question.key is not None:
        yield from _file(appends, question.key, question)
        yield wire.note(kind="stop")
        return
    try:
        with closing(folder.look(question.pattern, question.after, below)) as files:
            for entry, matches in files:
                with suppress(KeyNotFound):  # removed since it was listed
                    yield from _file(appends, entry.key, question) if matches else (b"",)
    except StorageFailed as error:
        yield wire.note(kind="failed", error=str(error))
        return
    yield wire.note(kind="stop")


def _file(appends: Appends, key: str, question: Question) -> Iterator[bytes]:
    """Yield the blocks of one file; where the decoder of plain values cannot tell, the client reads it itself."""
    from ml_logger.columns import portions, wire

    try:
        descriptor, status, length = appends.open_view(key)
    except OSError as error:
        raise missing_or_failed(error, key) from None
    try:
        source = portions.source_of(descriptor, status, length)
        start = portions.start_of((question.marks or {}).get(key), source)
        yield wire.note(kind="file", key=key, size=length, start=start)
        yield from _blocks(source, start, question)
    except (UntrustedData, CorruptData, RecursionError):
        yield wire.note(kind="fetch")
    finally:
        os.close(descriptor)


def _blocks(source: Source, start: int, question: Question) -> Iterator[bytes]:
    from ml_logger.columns import portions, wire
    from ml_logger.columns.table import Columns

    sent, damage = 0, 0
    options: Any = {"piece": PIECE, "marked": question.marks is not None, "shapes": question.shapes, "most": LARGEST}
    decoded = portions.decode(source, question.columns, start, **options)
    for event in decoded if question.points is None else _sampled(decoded, question.x, question.points):
        if isinstance(event, Columns):
            pieces = wire.encode(event)
            sent += sum(map(len, pieces))
            if sent > source.size - start + LONGER:
                raise CorruptData("the columns are longer than the file")
            yield from pieces
            continue
        damage += len(event.damage)
        if damage > MOST_DAMAGE:
            raise CorruptData("a file with that much damage")
        yield wire.note(kind=type(event).__name__.lower(), **event._asdict())


def _sampled(events: Iterator[Event], x: str, points: int) -> Iterator[Event]:
    """Put one table of the rows that show the curves in the place of all tables, if they are not too large to hold."""
    from ml_logger.columns import sampling
    from ml_logger.columns.table import Columns, concat

    held: list[Columns] | None = [] if sampling.is_available() else None
    for event in events:
        if held is None:
            yield event
        elif isinstance(event, Columns):
            held.append(event)
            if sum(table.nbytes for table in held) > HELD:
                yield from held
                held = None
            yield Columns(0, {})  # so that the client hears something
        else:
            yield sampling.sample(concat(held), x, points)
            yield event
            held = None
