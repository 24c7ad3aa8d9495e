"""`GET /v1/files/KEY` and `GET /v1/entries`: what is committed goes out, as bytes."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import stat
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from email.utils import formatdate
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote

from sanic import Blueprint, HTTPResponse, Request, raw
from sanic.exceptions import SanicException
from sanic.response import ResponseStream

from ml_logger import keys
from ml_logger.errors import InvalidKey, KeyNotFound
from ml_logger.server.appends import Appends
from ml_logger.server.listings import Looked, looked
from ml_logger.server.tokens import allowed
from ml_logger.server.turns import client_of
from ml_logger.stores.folder import READ_SIZE, missing_or_failed
from ml_logger.transport import pieces, protocol

routes = Blueprint("files")

_LIMIT = re.compile("[1-9][0-9]{0,17}", re.ASCII)
_RANGE = re.compile(r"bytes=(?:([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19}))", re.ASCII)

#: Seconds that a page of a listing looks at files.
LOOK = 0.25

_PREFIX = re.compile(r"([0-9]{1,19})-([0-9]{1,19}) ([0-9a-f]{8})", re.ASCII)

#: That they are shown to nobody's browser as a page of ours is seen to by `admission`.
_HEADERS = {"Accept-Ranges": "bytes", "Cache-Control": "no-cache", "Vary": "Accept"}


class Prefix(NamedTuple):
    """What a client has of a file: the bytes `[start, stop)`, and their CRC-32."""

    start: int
    stop: int
    crc: int


class View(NamedTuple):
    """A file opened at one commit point: descriptor, committed length, and its validators."""

    descriptor: int
    length: int
    etag: str
    mtime: float


@routes.get(f"{protocol.FILES}/<path:path>", name="get_file", ctx_keeps_prefix=True)
async def get_file(request: Request, path: str) -> HTTPResponse | ResponseStream | None:
    """Stream a file, or the range of it that is asked for."""
    service = request.app.ctx.service
    async with _opened(request, path) as view:
        headers = _headers_of(view)
        prefix = _prefix(request)
        if not await _matches(request, view, prefix):
            return _without_body(412, headers)
        if request.headers.get("if-none-match") == view.etag:
            return _without_body(304, headers)
        same = request.headers.get("if-range", view.etag) == view.etag
        start, stop, status = _range(request.headers.get("range") if same else None, view.length)
        if status == 416:
            return _without_body(416, {**headers, "Content-Range": f"bytes */{view.length}"})
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{view.length}"
        source: Iterator[bytes | bytearray] = _plain(view.descriptor, start, stop)
        kind, size = "application/octet-stream", stop - start
        if request.headers.get("accept") == protocol.PIECES:
            source = pieces.read(view.descriptor, start, stop, prefix.crc if prefix else 0)
            kind, size = protocol.PIECES, pieces.wire_length(size)
            headers[protocol.RANGE] = f"{start}-{stop}"
        headers["Content-Length"] = str(size)
        response = await request.respond(status=status, headers=headers, content_type=kind)
        await _send(service, response, source)
        return None


async def _send(service: Any, response: Any, source: Iterator[bytes | bytearray]) -> None:
    """Send what a source reads in a thread, piece by piece; what the system buffers goes out meanwhile."""
    while piece := await service.in_thread(next, source, b""):
        await response.send(piece)
    await response.eof()  # a file that was cut meanwhile is too short for its head: Sanic hangs up, the client sees it


@routes.head(f"{protocol.FILES}/<path:path>", name="head_file", ctx_keeps_prefix=True)
async def head_file(request: Request, path: str) -> HTTPResponse:
    """Tell the committed size of a file, when it changed, and its validator."""
    async with _opened(request, path) as view:
        headers = {**_headers_of(view), "Content-Length": str(view.length)}
    return HTTPResponse(status=200, headers=headers, content_type="application/octet-stream")


@routes.get(protocol.ENTRIES, ctx_keeps_prefix=True)
async def get_entries(request: Request) -> HTTPResponse:
    """List the files whose key matches a glob, or what lies directly in a folder, a page at a time.

    Of each its key, size in bytes, and time of the last change.
    """
    service, args = request.app.ctx.service, request.args
    limit = args.get("limit")
    if limit is not None and not _LIMIT.fullmatch(limit):
        raise SanicException("limit is a number of files, 1 or more", status_code=400)
    most = min(int(limit or service.limits.max_entries), service.limits.max_entries)
    asked = request.get_args(keep_blank_values=True)
    look = looked(service.folder, service.scanned, asked, request.ctx.token.prefix)
    work = partial(_listing, service.committer.appends, look, most)
    listing, goes_on = await service.turns.take(client_of(request), work)
    if limit is None and goes_on:
        # Half a list under the address of a whole one would be believed.
        raise SanicException("that is more than one page: ask for pages, with limit= and after=", status_code=413)
    return raw(listing, content_type="application/json")


@asynccontextmanager
async def _opened(request: Request, path: str) -> AsyncIterator[View]:
    """Open a file for as long as the block lasts; also when the client goes away while a thread is opening it."""
    service, key = request.app.ctx.service, _key(path)
    allowed(request, "read", key)
    opening = asyncio.ensure_future(service.in_thread(_open, service.committer.appends, key))
    try:
        view = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)
        raise
    try:
        yield view
    finally:
        os.close(view.descriptor)


def _close_late(opening: asyncio.Future[View]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result().descriptor)


def _key(path: str) -> str:
    # Sanic hands the path over as it came; decoded here, exactly once.
    try:
        return keys.check(unquote(path, errors="strict"))
    except UnicodeDecodeError:
        raise InvalidKey("the key is not UTF-8") from None


def _open(appends: Appends, key: str) -> View:
    try:
        descriptor, status, length = appends.open_view(key)
    except OSError as error:
        raise missing_or_failed(error, key) from None
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise KeyNotFound(f"no file is stored under {key!r}")
    return View(descriptor, length, f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{length:x}"', status.st_mtime)


def _headers_of(view: View) -> dict[str, str]:
    modified = formatdate(view.mtime, usegmt=True)
    return {**_HEADERS, "ETag": view.etag, "Last-Modified": modified, protocol.MTIME: repr(view.mtime)}


def _plain(file: int, start: int, stop: int) -> Iterator[bytes]:
    while start < stop and (piece := os.pread(file, min(pieces.MOST_SENT, stop - start), start)):
        yield piece
        start += len(piece)


def _prefix(request: Request) -> Prefix | None:
    match = _PREFIX.fullmatch(request.headers.get(protocol.PREFIX, ""))
    return Prefix(int(match[1]), int(match[2]), int(match[3], 16)) if match else None


async def _matches(request: Request, view: View, prefix: Prefix | None) -> bool:
    """Tell whether `If-Match` holds; where it does not, whether the file still has what the client has of it.

    That is decided by the bytes: numbers of inodes and times come again, and generations end with a catalog.
    """
    wanted = request.headers.get("if-match", "*").strip()
    if wanted == "*" or view.etag in (tag.strip() for tag in wanted.split(",")):
        return True
    if prefix is None or not prefix.start <= prefix.stop <= view.length:
        return False
    at, crc = prefix.start, 0
    while at < prefix.stop:  # in steps: a client that goes away does not keep a thread
        size = min(READ_SIZE, prefix.stop - at)
        read, crc = await request.app.ctx.service.in_thread(_summed, view.descriptor, size, at, crc)
        if not read:
            return False
        at += read
    return crc == prefix.crc


def _summed(descriptor: int, size: int, at: int, crc: int) -> tuple[int, int]:
    piece = os.pread(descriptor, size, at)
    return len(piece), zlib.crc32(piece, crc)


def _without_body(status: int, headers: dict[str, str]) -> HTTPResponse:
    return HTTPResponse(status=status, headers=headers, content_type="application/octet-stream")


def _range(header: str | None, length: int) -> tuple[int, int, int]:
    """Return start, stop and status (200, 206 or 416) for a Range header; one range only, as RFC 9110 allows."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None:
        return 0, length, 200
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(0, length - int(suffix)), length
    else:
        start, stop = int(first), min(length, int(last) + 1) if last else length
        if last and int(last) < int(first):
            return 0, length, 200
    return (start, stop, 206) if start < stop else (0, 0, 416)


def _listing(appends: Appends, look: Looked, most: int) -> tuple[bytes, bool]:
    """Return a page of a listing, and whether there is a next one: it ends when it is full, or took its time."""
    found: list[str] = []
    last, until, more = "", math.inf, ""
    with closing(look) as files:
        for entry, matches in files:
            if last and ((matches and len(found) == most) or time.monotonic() > until):
                more = f',"next":{_json(last)}'
                break
            if not last:
                until = time.monotonic() + LOOK  # from the first file on: so each page comes further, whatever it takes
            last = entry.key
            if matches:
                # One by one: a long list in one go would hold up all threads, as the encoder never lets go.
                size = entry.size and appends.committed(entry.key, entry.size)
                found.append(_json([entry.key, size, entry.mtime]))
    return f'{{"entries":[{",".join(found)}]{more}}}'.encode(), more != ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
