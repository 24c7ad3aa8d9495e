"""`POST /v1/batches`: frames of one writer come in, the answer goes out when they are durable."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress

from sanic import Blueprint, HTTPResponse, Request, json

from ml_logger import keys
from ml_logger.errors import CorruptData
from ml_logger.server import groups
from ml_logger.server.audit import what
from ml_logger.server.committer import RETRY_AFTER
from ml_logger.server.tokens import allowed
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op

routes = Blueprint("batches")

_WRITER = re.compile(r"[0-9a-f]{32}")
#: SQLite's integers end here; at a million records a second it is reached after 290,000 years.
MAX_SEQ = 2**63 - 1
#: Bytes of a batch that is decoded in the event loop: a few rows, a tenth of a millisecond.
SHORT = 2**10


@routes.post(protocol.BATCHES, stream=True, ctx_keeps_prefix=True)
async def post_batch(request: Request) -> HTTPResponse:
    """Verify a batch, have it committed, and answer with the last committed number.

    Of a batch that touches very many files only the first are taken: the client comes again for the rest.
    """
    if request.headers.get("content-type") != protocol.CONTENT_TYPE:
        return json({"error": f"the content type must be {protocol.CONTENT_TYPE}"}, 415)
    writer = request.headers.get(protocol.WRITER, "")
    if not _WRITER.fullmatch(writer):
        return json({"error": f"{protocol.WRITER} must be 32 hexadecimal digits"}, 400)
    service = request.app.ctx.service
    async with service.bodies.read(request) as body:
        # What is short is decoded sooner than it is handed to a thread.
        is_short = len(body) <= SHORT
        batch = _take(request, writer, body) if is_short else await service.soon(_take, request, writer, body)
        del body
        answer = service.committer.submit(batch)
        try:
            return _answered(await asyncio.wrap_future(answer))
        except asyncio.CancelledError:
            # The client has gone, the batch is committed all the same: the audit log is told what became of it.
            request.ctx.line_follows = True
            answer.add_done_callback(lambda done: service.audit.note(request, _answered(done.result())))
            raise


def _answered(answer: groups.Answer) -> HTTPResponse:
    headers = {"Retry-After": str(RETRY_AFTER)} if answer.status in (503, 507) else None
    return json(answer.body, answer.status, headers=headers)


def _take(request: Request, writer: str, body: bytes) -> groups.Request:
    """Decode a batch, and see that its token reaches all of it.

    One key out of reach refuses the whole batch, and uses no number up. Refused for good, frame by frame, records would
    be gone from the stream when somebody mends the token; so the client keeps them all, says why, and sends them then.
    """
    batch = _decode(body)
    request.ctx.what = what(batch, _touched(batch))
    if request.ctx.token.prefix:
        allowed(request, "write", *_touched(batch))
    taken = _within(batch, request.app.ctx.service.limits.max_batch_files)
    if len(taken) < len(batch):
        request.ctx.what = what(taken, _touched(taken))
    return groups.Request.of(writer, taken)


def _touched(batch: list[frames.Frame]) -> Iterator[str]:
    for frame in batch:
        yield frame.key
        if frame.op in (Op.MOVE, Op.COPY):
            yield frame.payload.decode("utf-8", "replace")


def _decode(body: bytes) -> list[frames.Frame]:
    batch = frames.decode(body)
    if not batch:
        raise CorruptData("the batch is empty")
    first = batch[0].seq
    if not 0 < first <= MAX_SEQ - len(batch):
        raise CorruptData(f"frames are numbered from 1: {first} is no number of a frame")
    for number, frame in enumerate(batch):
        if frame.seq != first + number:
            raise CorruptData(
                f"frame {frame.seq} follows frame {first + number - 1}: the numbers of a batch are consecutive"
            )
    return [_normal(frame) for frame in batch]


def _within(batch: list[frames.Frame], most_files: int) -> list[frames.Frame]:
    """Return the frames at the beginning of a batch that touch no more than some number of files."""
    touched: set[str] = set()
    for number, frame in enumerate(batch):
        touched.add(frame.key)
        if len(touched) > most_files:
            return batch[:number]
    return batch


def _normal(frame: frames.Frame) -> frames.Frame:
    """Spell the keys of a frame in the one way: from here on two of them are one file when they are equal."""
    if frame.op in (Op.MOVE, Op.COPY):
        with suppress(UnicodeDecodeError):  # it is refused, with its number, when its turn comes
            frame = frame._replace(payload=keys.normal(str(frame.payload, "utf-8")).encode())
    return frame if frame.key.isascii() else frame._replace(key=keys.normal(frame.key))
