"""`POST /v1/edits` and `GET /v1/trash`: what people change in the dashboard: runs that go, come back, and get names.

Each edit is one frame of a writer of the server's own, and so committed, ordered and recovered as all that is logged.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

from sanic import Blueprint, HTTPResponse, Request
from sanic import json as sanic_json
from sanic.exceptions import SanicException

from ml_logger import keys
from ml_logger.dashboard.places import NOTES
from ml_logger.errors import CorruptData, KeyNotFound
from ml_logger.server import groups, trash
from ml_logger.server.committer import RETRY_AFTER, Committer
from ml_logger.server.questions import Json, expect_json, object_in
from ml_logger.server.tokens import allowed
from ml_logger.transport import protocol
from ml_logger.transport.frames import Frame, Own

routes = Blueprint("edits")

#: Bytes of a question: the longest text, with what JSON adds to it.
LONGEST = 2**22
#: What can be written in the dashboard, by the last name of its key.
WRITABLE = ("README.md", ".charts.yml")
#: Tags of a run, characters of one, and characters of a note.
MOST_TAGS, MOST_TAG, MOST_NOTE = 100, 200, 65_536
#: How much of the trash is listed: the newest.
MOST_LISTED = 1000
#: How often an edit is made again when somebody else changes the same file at the same moment.
TRIES = 5


class Editor:
    """Makes edits, one after another, as a writer of the server's own.

    Args:
        committer: what they are handed to.
    """

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._lock = asyncio.Lock()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._writer, self._seq = secrets.token_hex(16), 0

    async def make(self, op: Own, key: str, payload: bytes = b"") -> str:
        """Have an edit committed, also when nobody waits for it any more; return why it was refused, or nothing.

        Raises:
            SanicException: it was not committed, and may be tried again.
        """
        return await asyncio.shield(asyncio.ensure_future(self._commit(op, key, payload)))

    async def _commit(self, op: Own, key: str, payload: bytes) -> str:
        async with self._lock:
            frame = Frame(self._seq + 1, op, 0, key, payload)
            batch = groups.Request.of(self._writer, [frame])
            answer = await asyncio.wrap_future(self._committer.submit(batch))
            if answer.status != 200:
                self._begin_anew()  # nobody knows whether the number is used up
                retry = {"Retry-After": str(RETRY_AFTER)}
                raise SanicException(str(answer.body["error"]), status_code=answer.status, headers=retry)
            self._seq += 1
            return str(answer.body["rejected"][0]["error"]) if answer.body["rejected"] else ""


class Edit(NamedTuple):
    """One edit that is asked for, and by which request."""

    request: Request
    asked: Json

    @property
    def service(self) -> Any:
        """What handlers work with."""
        return self.request.app.ctx.service

    def text(self, name: str) -> str:
        """Return a text that was sent along.

        Raises:
            CorruptData: it is not there, or no text.
        """
        found = self.asked.get(name)
        if type(found) is not str:
            raise CorruptData(f"{name} is a text, and not {type(found).__name__}")
        return found

    def key(self, *names: str) -> str:
        """Return a key that was sent along, under the first of some names that is there, if the token reaches it."""
        key = keys.check(self.text(next((name for name in names if name in self.asked), names[0])))
        self.note(key)
        allowed(self.request, "write", key)
        return key

    def note(self, key: str) -> None:
        """Tell the audit log of a key."""
        told = self.request.ctx.what["keys"]
        self.request.ctx.what["keys"] = [*told, key[:200]]

    async def make(self, op: Own, key: str, payload: bytes = b"") -> None:
        """Have it committed.

        Raises:
            SanicException: 409, it was refused.
        """
        if why := await self.service.editor.make(op, key, payload):
            raise SanicException(why, status_code=409)


@routes.post(protocol.EDITS, stream=True, ctx_keeps_prefix=True)
async def post_edit(request: Request) -> HTTPResponse:
    """Make one edit, and answer when it is durable."""
    expect_json(request)
    service = request.app.ctx.service
    async with service.bodies.read(request, LONGEST) as body:
        asked = await service.soon(object_in, body, "an edit is a JSON object")
    action = asked.get("action")
    make = ACTIONS.get(action) if type(action) is str else None
    if make is None:
        raise CorruptData(f"action is one of {', '.join(ACTIONS)}")
    request.ctx.what = {"ops": {action: 1}, "keys": [], "more_keys": 0}
    answer = await make(Edit(request, asked))
    return answer if isinstance(answer, HTTPResponse) else sanic_json(answer)


async def _delete(edit: Edit) -> Json:
    key = edit.key("run", "key")
    await _check_there(edit, key)
    undo, payload = trash.discard(key, edit.request.ctx.token.name)
    await edit.make(Own.DISCARD, key, payload)
    return {"undo": undo}


async def _check_there(edit: Edit, key: str) -> None:
    with suppress(NotADirectoryError):  # what lies behind a file, or behind a link
        if await edit.service.in_thread(edit.service.folder.mode, key) is not None:
            return
    raise KeyNotFound(f"nothing is stored under {key!r}")


async def _restore(edit: Edit) -> Json:
    found = await _discarded(edit)
    key = edit.key("to") if "to" in edit.asked else found.key
    await edit.make(Own.RESTORE, key, found.undo.encode())
    return {"key": key}


async def _discarded(edit: Edit) -> trash.Discarded:
    """Return what is in the trash under the name that was sent along, if the token reaches where it was."""
    undo = edit.text("undo")
    found: trash.Discarded = await edit.service.in_thread(trash.find, edit.service.folder, undo)
    if not edit.request.ctx.token.reaches(found.key):
        raise KeyNotFound(f"there is no {undo!r} in the trash: it was restored, or its time was over")
    edit.note(found.key)
    return found


async def _rename(edit: Edit) -> Json:
    source, target = edit.key("run", "key"), edit.key("to")
    if keys.within(target, source) or keys.within(source, target):
        raise CorruptData(f"{source!r} cannot be renamed to {target!r}: one lies within the other")
    await _check_there(edit, source)
    await edit.make(Own.RENAME, source, target.encode())
    return {"key": target}


async def _tag(edit: Edit) -> Json:
    tags = edit.asked.get("tags")
    if type(tags) is not list or not all(type(tag) is str and 0 < len(tag) <= MOST_TAG for tag in tags):
        raise CorruptData(f"tags are a list of texts, each of 1 to {MOST_TAG} characters")
    if len(tags) > MOST_TAGS:
        raise CorruptData(f"a run has at most {MOST_TAGS} tags, not {len(tags):,}")
    return await _describe(edit, "tags", [*dict.fromkeys(tags)])


async def _note(edit: Edit) -> Json:
    text = edit.text("text")
    if len(text) > MOST_NOTE:
        raise CorruptData(f"a note has at most {MOST_NOTE:,} characters, not {len(text):,}: write a README.md instead")
    return await _describe(edit, "note", text)


async def _describe(edit: Edit, field: str, value: object) -> Json:
    """Set one field of what people say of a run, and leave the others as they are."""
    service, run = edit.service, edit.text("run")
    key = keys.check(f"{run}/{NOTES}" if run else NOTES)
    run = key.rpartition("/")[0]
    edit.note(run)
    allowed(edit.request, "write", key)
    if not await service.in_thread(trash.is_folder, service.folder, run):
        raise KeyNotFound(f"there is no run {run!r}")
    why = ""
    for _ in range(TRIES):
        etag, known = await service.in_thread(_known, service.folder, key)
        told = json.dumps({**known, field: value}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if not (why := await service.editor.make(Own.REPLACE, key, trash.replace(etag, told))):
            return {field: value}
    raise SanicException(why, status_code=409)


def _text(folder: Any, key: str) -> bytes | None:
    with suppress(OSError):  # a folder or a link has no text: why it cannot be replaced is said by who tries
        return trash.text_in(folder, key, trash.MOST_TEXT + 1)
    return None


def _known(folder: Any, key: str) -> tuple[str, Json]:
    data = _text(folder, key)
    try:
        known = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        known = {}  # no JSON: what is said now takes its place
    return trash.NONE if data is None else trash.etag_of(data), known if type(known) is dict else {}


async def _write(edit: Edit) -> Json | HTTPResponse:
    key, etag = edit.key("key"), edit.asked.get("etag")
    text = edit.text("text").encode("utf-8", "replace")
    if key.rpartition("/")[2] not in WRITABLE:
        raise CorruptData(f"{key!r} is not written here: name a {' or a '.join(WRITABLE)}")
    if len(text) > trash.MOST_TEXT:
        raise SanicException(f"a text has at most {trash.MOST_TEXT:,} bytes, not {len(text):,}", status_code=413)
    if etag is not None and type(etag) is not str:
        raise CorruptData("etag is that of the text that was edited, or null where there was none")
    folder, service = edit.service.folder, edit.service
    expected = trash.NONE if etag is None else etag.strip('"')
    if len(expected) != len(trash.NONE) or not expected.isascii():
        raise CorruptData("etag is none of ours")
    if why := await service.editor.make(Own.REPLACE, key, trash.replace(expected, text)):
        present = await service.in_thread(_text, folder, key)
        told = {"text": None, "etag": None} if present is None else _present(present)
        return sanic_json({"error": why, **told}, 409)
    return {"etag": trash.etag_of(text)}


def _present(data: bytes) -> Json:
    return {"text": data.decode("utf-8", "replace"), "etag": trash.etag_of(data)}


async def _empty(edit: Edit) -> Json:
    """Remove one thing in the trash for good, or all that was deleted some days ago."""
    service = edit.service
    if "undo" in edit.asked:
        found = [await _discarded(edit)]
    else:
        days = edit.asked.get("days")
        if isinstance(days, bool) or not isinstance(days, (int, float)) or not 0 <= days < 1e6:
            raise CorruptData("days is how long ago it was deleted at least, 0 or more; or name one thing with undo")
        below = edit.request.ctx.token
        found = [
            one
            for one in await service.in_thread(_listed, service.folder)
            if below.reaches(one.key) and trash.is_older(one.undo, days * 86400)
        ]
    for one in found:
        await edit.make(Own.EMPTY, one.undo)
    return {"removed": [one.undo for one in found]}


#: What each action does; the page sends its name.
ACTIONS: dict[str, Callable[[Edit], Awaitable[Json | HTTPResponse]]] = {
    "delete": _delete,
    "restore": _restore,
    "rename": _rename,
    "tag": _tag,
    "note": _note,
    "write": _write,
    "empty": _empty,
}


@routes.get(protocol.TRASH, ctx_keeps_prefix=True)
async def get_trash(request: Request) -> HTTPResponse:
    """List what is in the trash, the newest first."""
    service, token = request.app.ctx.service, allowed(request, "read")
    found = await service.in_thread(_listed, service.folder)
    reached = [one._asdict() for one in found if token.reaches(one.key)]
    return sanic_json({"entries": reached[:MOST_LISTED]})


def _listed(folder: Any) -> list[trash.Discarded]:
    found = []
    for undo in trash.names(folder):
        try:
            found.append(trash.find(folder, undo))
        except KeyNotFound:
            continue  # a folder of somebody else, or one that is being emptied
    return sorted(found, key=lambda one: one.time, reverse=True)  # names tell whole seconds only
