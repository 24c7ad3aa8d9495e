"""`POST /v1/batches`: frames of one writer come in, the answer goes out when they are durable."""

from __future__ import annotations

import asyncio
import re

from sanic import Blueprint, HTTPResponse, Request, json

from ml_logger.errors import CorruptData
from ml_logger.server.committer import RETRY_AFTER
from ml_logger.transport import frames, protocol

routes = Blueprint("batches")

_WRITER = re.compile(r"[0-9a-f]{32}")
#: SQLite's integers end here; at a million records a second it is reached after 290,000 years.
_MAX_SEQ = 2**63 - 1


@routes.post(protocol.BATCHES, stream=True)
async def post_batch(request: Request) -> HTTPResponse:
    """Verify a batch, have it committed, and answer with the last committed number."""
    if request.headers.get("content-type") != protocol.CONTENT_TYPE:
        return json({"error": f"the content type must be {protocol.CONTENT_TYPE}"}, 415)
    writer = request.headers.get(protocol.WRITER, "")
    if not _WRITER.fullmatch(writer):
        return json({"error": f"{protocol.WRITER} must be 32 hexadecimal digits"}, 400)
    service = request.app.ctx.service
    async with service.bodies.read(request) as body:
        batch = await service.in_thread(_decode, body)
        del body
        answer = await asyncio.wrap_future(service.committer.submit(writer, batch))
    headers = {"Retry-After": str(RETRY_AFTER)} if answer.status in (503, 507) else None
    return json(answer.body, answer.status, headers=headers)


def _decode(body: bytes) -> list[frames.Frame]:
    batch = frames.decode(body)
    if not batch:
        raise CorruptData("the batch is empty")
    first = batch[0].seq
    if not 0 < first <= _MAX_SEQ - len(batch):
        raise CorruptData(f"frames are numbered from 1: {first} is no number of a frame")
    for number, frame in enumerate(batch):
        if frame.seq != first + number:
            raise CorruptData(
                f"frame {frame.seq} follows frame {first + number - 1}: the numbers of a batch are consecutive"
            )
    return batch
