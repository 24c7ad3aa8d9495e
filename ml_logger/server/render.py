"""`GET /v1/render` and `POST /v1/render`: reports as HTML, those in the folder and those that somebody is writing."""

from __future__ import annotations

from typing import Any

from sanic import Blueprint, HTTPResponse, Request
from sanic import json as sanic_json
from sanic.exceptions import SanicException

from ml_logger import keys
from ml_logger.errors import CorruptData, KeyNotFound
from ml_logger.server import markdown, trash
from ml_logger.server.questions import expect_json, object_in
from ml_logger.server.tokens import allowed
from ml_logger.server.turns import client_of
from ml_logger.transport import protocol

routes = Blueprint("render")

#: Bytes of a question: the longest text, with what JSON adds to it.
LONGEST = 2**22


@routes.get(protocol.RENDER, ctx_keeps_prefix=True)
async def get_render(request: Request) -> HTTPResponse:
    """Give a report: as HTML, as it is written, and its etag."""
    service, key = request.app.ctx.service, keys.check(request.args.get("key", ""))
    allowed(request, "read", key)
    data = await service.in_thread(_read, service.folder, key)
    if data is None:
        raise KeyNotFound(f"no file is stored under {key!r}")
    if len(data) > trash.MOST_TEXT:
        raise SanicException(f"a report has at most {trash.MOST_TEXT:,} bytes", status_code=413)
    text = data.decode("utf-8", "replace")
    rendered = await service.renders.take(client_of(request), markdown.render, text, key)
    return sanic_json(
        {"html": rendered, "text": text, "etag": trash.etag_of(data)}, headers={"Cache-Control": "no-store"}
    )


def _read(folder: Any, key: str) -> bytes | None:
    try:
        return trash.text_in(folder, key, trash.MOST_TEXT + 1)
    except OSError:
        return None  # a folder, a link, a pipe: no file


@routes.post(protocol.RENDER, stream=True, ctx_scope="read", ctx_keeps_prefix=True)
async def post_render(request: Request) -> HTTPResponse:
    """Render a text as if it stood under a key: what the writer of a report sees."""
    service = request.app.ctx.service
    expect_json(request)
    async with service.bodies.read(request, LONGEST) as body:
        text, key = await service.soon(_question, body)
        del body
        allowed(request, "read", key)
        rendered = await service.renders.take(client_of(request), markdown.render, text, key)
    return sanic_json({"html": rendered, "text": text, "etag": None})


def _question(body: bytes) -> tuple[str, str]:
    otherwise = "what is rendered is a JSON object with a text and a key"
    asked = object_in(body, otherwise)
    text, key = asked.get("text"), asked.get("key", "")
    if type(text) is not str or type(key) is not str:
        raise CorruptData(otherwise)
    text = text.encode("utf-8", "replace").decode()
    if len(text) > markdown.LONGEST:
        raise SanicException(f"a report has at most {markdown.LONGEST:,} characters", status_code=413)
    return text, keys.check(key)
