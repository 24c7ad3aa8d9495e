"""`GET /v1/openapi.json`: every route, what it takes, and every answer, as OpenAPI 3.1.

One place and not beside the handlers: most answers are those of all routes, and what a program is told about them
reads as one. `tests/test_openapi.py` fails for a route that is not here, and for an answer that is not as told.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from sanic import Blueprint, HTTPResponse, Request, raw

from ml_logger.server.schemas import KEY, SCHEMAS, TEXT, Json
from ml_logger.transport import protocol
from ml_logger.version import __version__

Answers = dict[int, Json]

routes = Blueprint("openapi", strict_slashes=True)

#: What any request may be answered with, whatever it asks for, before its route is reached or where it fails.
ALWAYS = {
    400: "A head, an address, a key or a value in it that makes no sense.",
    403: "A token that does not reach as far, a name that the server does not go by, or a page of another site.",
    408: "The head or the body came too slowly.",
    411: "A body without a Content-Length in ASCII digits, or with a Transfer-Encoding.",
    413: "A body that is too large, or a listing that takes pages.",
    414: "An address that is too long.",
    415: "Another content type, or a Content-Encoding.",
    429: "Too many requests of this token, or this address, are under way.",
    431: "A head that is too large, or too many headers.",
    500: "A mistake in the server.",
    503: "Busy, shutting down, or the disk cannot be written.",
}
#: And what else some are.
OFTEN = {
    401: "The token is missing, not known, or expired.",
    404: "No such file.",
    507: "The disk is full.",
}

_VALIDATORS: Json = {
    "ETag": "Names this version of the file.",
    "Last-Modified": "In whole seconds.",
    "Accept-Ranges": "Always `bytes`.",
    protocol.MTIME: "Seconds since 1970, with a fraction.",
}
_AS_PIECES: Json = {protocol.RANGE: "With pieces: which bytes of the file they are, `START-STOP`."}
_BYTES: Json = {"application/octet-stream": {}, protocol.PIECES: {}}


def _answer(text: str, content: Json | None = None, headers: Json | None = None) -> Json:
    """Describe one answer: what it is, its bodies by media type, its headers by what they tell."""
    told: Json = {"description": text}
    if content is not None:
        told["content"] = content
    if headers:
        told["headers"] = {name: {"description": about, "schema": TEXT} for name, about in headers.items()}
    return told


def _ref(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _refusal(status: int, text: str) -> Json:
    headers: Json = {protocol.ERROR: "The kind of error, where it is one of the client's, too."}
    if status in (429, 503, 507):
        headers["Retry-After"] = "Seconds."
    if status == 401:
        headers["WWW-Authenticate"] = "What kind of token is asked for, and what was wrong with the one that came."
    return _answer(text, _ref("Error"), headers)


def _operation(
    name: str, about: str, answers: Answers, also: tuple[int, ...] = (), parameters: Json | None = None, **more: Any
) -> Json:
    """Describe what one method of one address does: its own answers, those of `OFTEN` that it has, and `ALWAYS`."""
    told = {str(status): answer for status, answer in answers.items()}
    for status in (*ALWAYS, *also):
        bare = _answer(ALWAYS.get(status) or OFTEN[status])
        told.setdefault(str(status), bare if name.startswith("head") else {"$ref": f"#/components/responses/{status}"})
    operation = {"operationId": name, "summary": about, **more, "responses": dict(sorted(told.items()))}
    if parameters:
        operation["parameters"] = [
            {"name": key, "schema": TEXT, "required": parameter["in"] == "path", **parameter}
            for key, parameter in parameters.items()
        ]
    return operation


def _header(about: str, **more: Any) -> Json:
    return {"in": "header", "description": about, **more}


def _query(about: str, **more: Any) -> Json:
    return {"in": "query", "description": about, **more}


def _body(kind: str, schema: Json) -> Json:
    return {"required": True, "content": {kind: {"schema": schema} if schema else {}}}


_PATH: Json = {"key": {"in": "path", "schema": KEY, "description": "Percent-encoded once; a `/` may stay as it is."}}


def _files() -> Json:
    empty: Answers = {
        304: _answer("It is the version of If-None-Match.", {}, _VALIDATORS),
        412: _answer("It is none of the versions of If-Match, nor begins as the prefix says.", {}, _VALIDATORS),
        416: _answer("It ends before the range begins.", {}, {**_VALIDATORS, "Content-Range": "How long it is."}),
    }
    found: Answers = {
        200: _answer("All of it.", _BYTES, {**_VALIDATORS, **_AS_PIECES}),
        206: _answer("A range of it.", _BYTES, {**_VALIDATORS, **_AS_PIECES, "Content-Range": "Which bytes."}),
    }
    asked = {
        **_PATH,
        "Range": _header("One range: bytes=5-9, bytes=5-, bytes=-5."),
        "If-Match": _header("Only one of these versions, or one that begins as the prefix says."),
        "If-None-Match": _header("Only another version than this one."),
        "If-Range": _header("The range of this version; of another one, all of it."),
        protocol.PREFIX: _header("What the client has of the file: START-STOP CRC, the last in hexadecimal."),
    }
    head: Answers = {200: _answer("Its size, in Content-Length, and times.", None, _VALIDATORS)}
    return {
        "get": _operation(
            "get_file", "The bytes of a file, or of a range of it.", {**found, **empty}, (401, 404), asked
        ),
        "head": _operation("head_file", "The size of a file, and when it changed.", head, (401, 404), _PATH),
    }


def _batches() -> Json:
    writer = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    answers: Answers = {
        200: _answer("Every frame up to `committed` is durable, or was refused for good.", _ref("Acknowledgement")),
        409: _answer("Something is missing before the first frame.", _ref("Gap")),
    }
    return {
        "post": _operation(
            "post_batch",
            "Consecutive frames of one writer; each is applied exactly once.",
            answers,
            (401, 507),
            {protocol.WRITER: _header("The id of the writer.", schema=writer, required=True)},
            requestBody=_body(protocol.CONTENT_TYPE, {}),
        )
    }


def _entries() -> Json:
    asked = {
        "pattern": _query("A glob over keys; all files without one."),
        "folder": _query("Instead: what lies directly in this folder; empty for the data folder."),
        "limit": _query("How many are wanted.", schema={"type": "integer", "minimum": 1}),
        "after": _query("Only keys behind this one: the `next` of the page before."),
    }
    answers: Answers = {200: _answer("Sorted by key: key, bytes, time of the last change.", _ref("Listing"))}
    return {"get": _operation("get_entries", "The files whose key matches.", answers, (401,), asked)}


def _tables() -> Json:
    answers: Answers = {200: _answer("Blocks of columns, file by file.", {protocol.TABLES_TYPE: {}})}
    question = {"$ref": "#/components/schemas/Question"}
    return {
        "post": _operation(
            "post_tables",
            "Columns of the rows in files.",
            answers,
            (401, 404),
            requestBody=_body("application/json", question),
        )
    }


def _edits() -> Json:
    answers: Answers = {
        200: _answer("It is made, and durable.", _ref("Edited")),
        409: _answer("Something is in the way, or was changed meanwhile; then with what it is now.", _ref("Conflict")),
    }
    body = _body("application/json", {"$ref": "#/components/schemas/Edit"})
    return {
        "post": _operation(
            "post_edit", "Delete, restore, rename, describe.", answers, (401, 404, 507), requestBody=body
        )
    }


def _trash() -> Json:
    answers: Answers = {200: _answer("What was deleted, the newest first.", _ref("Trash"))}
    return {"get": _operation("get_trash", "What can be restored.", answers, (401,))}


def _series() -> Json:
    answers: Answers = {200: _answer("Lines and bands, as docs/protocol.rst tells.", {protocol.SERIES_TYPE: {}})}
    body = _body("application/json", {"$ref": "#/components/schemas/SeriesQuestion"})
    told = "Lines and bands of series, few points that look like all."
    return {"post": _operation("post_series", told, answers, (401,), requestBody=body)}


def _histograms() -> Json:
    number: Json = {"type": "integer", "minimum": 2}
    asked = {
        "key": _query("The file, such as run/histograms.pkl.", schema=KEY, required=True),
        "points": _query("About how many histograms of each name.", schema=number),
        "bins": _query("How many bins a histogram has at most.", schema=number),
    }
    answers: Answers = {200: _answer("By name, in the order of the rows.", _ref("Histograms"))}
    return {"get": _operation("get_histograms", "The histograms of a file over its steps.", answers, (401, 404), asked)}


def _render() -> Json:
    answers: Answers = {200: _answer("As HTML, sanitized, and as it is written.", _ref("Report"))}
    body = _body("application/json", {"$ref": "#/components/schemas/Text"})
    asked = {"key": _query("The file.", required=True)}
    return {
        "get": _operation("get_render", "A report, rendered.", answers, (401, 404), asked),
        "post": _operation("post_render", "A text, rendered as it would be there.", answers, (401,), requestBody=body),
    }


def _runs() -> Json:
    asked = {"since": _query("A version, of an answer before: only what has changed since then is told.")}
    answers: Answers = {200: _answer("What is told of them, and the version that it is.", _ref("Runs"))}
    return {"get": _operation("get_runs", "All runs: parameters, metrics, state.", answers, (401,), asked)}


def _live() -> Json:
    answers: Answers = {200: _answer("Messages, until one of both sides ends it.", {protocol.LIVE_TYPE: {}})}
    body = _body("application/json", {"$ref": "#/components/schemas/Watch"})
    return {"post": _operation("post_live", "What is new, when it is.", answers, (401,), requestBody=body)}


def _panels() -> Json:
    asked = {"folder": _query("The folder of a run, say; empty is the data folder.", schema=TEXT)}
    answers: Answers = {200: _answer("Where the file is, its panels, and what is wrong with it.", _ref("Panels"))}
    return {"get": _operation("get_panels", "What the nearest .charts.yml asks to show.", answers, (401,), asked)}


def _open(name: str, about: str, content: Json, *also: int, **more: Any) -> Json:
    return {"get": _operation(name, about, {200: _answer(about, content)}, also, security=[], **more)}


def _session() -> Json:
    found, cookie = _ref("Session"), {"Set-Cookie": "The session, for pages of the server alone."}
    ends = {200: _answer("Nothing is left of it.", found, cookie)}
    begins = {200: _answer("What the token may do, and a cookie that counts as it.", found, cookie)}
    return {
        **_open("get_session", "What the one who asks may do.", found),
        "post": _operation("post_session", "Begin a session of a browser, with a token.", begins, (401,)),
        "delete": _operation("delete_session", "End the session of the cookie that came.", ends, security=[]),
    }


def _pages() -> Json:
    assets: Json = {kind: {} for kind in ("text/javascript; charset=utf-8", "text/css; charset=utf-8", "image/svg+xml")}
    return {
        "/": _open("get_page", "The dashboard, or a page that says how to build it.", {"text/html; charset=utf-8": {}}),
        "/assets/{key}": _open("get_asset", "A file that the dashboard loads.", assets, 404, parameters=_PATH),
    }


@lru_cache(maxsize=1)
def document() -> Json:
    """Return the description of all that the server answers."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ML-Logger",
            "version": __version__,
            "summary": "Collects what trainings log, and serves it as files.",
            "description": "What frames and blocks are is told in docs/protocol.rst. Other addresses are answered "
            "with 404, other methods with 405, and redirects are never sent.",
        },
        "servers": [{"url": ".."}],
        "security": [{"token": []}, {}],
        "paths": {
            protocol.BATCHES: _batches(),
            f"{protocol.FILES}/{{key}}": _files(),
            protocol.ENTRIES: _entries(),
            protocol.TABLES: _tables(),
            protocol.EDITS: _edits(),
            protocol.TRASH: _trash(),
            protocol.HISTOGRAMS: _histograms(),
            protocol.RENDER: _render(),
            protocol.RUNS: _runs(),
            protocol.LIVE: _live(),
            protocol.PANELS: _panels(),
            protocol.SERIES: _series(),
            protocol.HEALTH: _open("health", "That the server is there, and what it serves.", _ref("Health")),
            protocol.OPENAPI: _open("get_openapi", "This description.", {"application/json": {}}),
            protocol.SESSION: _session(),
            **_pages(),
        },
        "components": {
            "schemas": SCHEMAS,
            "responses": {str(status): _refusal(status, text) for status, text in {**ALWAYS, **OFTEN}.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Where the server has tokens."}
            },
        },
    }


@routes.get(protocol.OPENAPI, ctx_open=True)
async def get_openapi(request: Request) -> HTTPResponse:
    """Tell what the server answers, as OpenAPI."""
    return raw(json.dumps(document(), ensure_ascii=False).encode(), content_type="application/json")
