"""What an attack is, and the requests that attacks are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from ml_logger.columns import wire
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests.wire import Raw, parsed

if TYPE_CHECKING:
    from tests.attacks.scene import Scene

#: In everything that an attack wants written: where it turns up, something got through.
MARK = b"EVIL-BYTES"
#: The file that everybody may read, and no attack may change.
OPEN, TEN = "run/a", b"0123456789"

Deed = Callable[["Scene"], str]


class Attack(NamedTuple):
    """One attack.

    Fields:
        name: its number in the list of attacks, and what it is.
        deed: does it, and returns what came of it, in a few words.
        expected: the words that are right, exactly.
        at: which server it goes to, see `scene.KINDS`.
        stores: whether what it sends is a request that is taken, so that its bytes may lie in the data folder.
    """

    name: str
    deed: Deed
    expected: str
    at: str = "open"
    stores: bool = False


def head(
    method: str,
    target: str,
    *fields: str,
    host: str | None = "localhost",
    body: bytes = b"",
    version: str = "HTTP/1.1",
    keep: bool = False,
) -> bytes:
    """Build a request, with the length of its body if it has one; it may be as wrong as one likes."""
    lines = [f"{method} {target} {version}"]
    lines += [] if host is None else [f"Host: {host}"]
    lines += [] if keep else ["Connection: close"]
    lines += [*fields, *([f"Content-Length: {len(body)}"] if body else []), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def statuses(answer: bytes) -> str:
    """Return the statuses of all answers in what a server sent, or that it hung up."""
    found = re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answer)
    return b" ".join(found).decode() if found else "hung up"


def sends(data: bytes | str, *, half: bool = False) -> Deed:
    """Send bytes as they are, and tell the statuses; with `half`, the connection is closed on our side then."""
    request = data.encode("latin-1") if isinstance(data, str) else data
    return lambda scene: statuses(scene.ask(request, half=half))


def gets(target: str, *fields: str, host: str | None = "localhost") -> Deed:
    """Get an address, and tell the status."""
    return sends(head("GET", target, *fields, host=host))


def finds(pattern: str) -> Deed:
    """List what a glob matches, and tell how many files that are, or the status."""

    def deed(scene: Scene) -> str:
        answer = parsed(scene.ask(head("GET", f"{protocol.ENTRIES}?pattern={quote(pattern, safe='')}")))
        return f"{len(json.loads(answer.body)['entries'])} files" if answer.status == 200 else str(answer.status)

    return deed


def batch_head(writer: str, body: bytes, *fields: str, kind: str = protocol.CONTENT_TYPE) -> bytes:
    """Build the request that posts a batch."""
    known = (f"Content-Type: {kind}", f"{protocol.WRITER}: {writer}")
    return head("POST", protocol.BATCHES, *known, *fields, body=body)


def told(answer: bytes) -> str:
    """Return what the answer to a batch says: the status, and what of it was taken."""
    if not answer:
        return "hung up"
    found = parsed(answer)
    try:
        body = json.loads(found.body)
    except ValueError:
        return f"{found.status}, which is no JSON"
    words = [str(found.status)]
    words += [f"{name} {body[name]}" for name in ("committed", "expected") if name in body]
    words += [f"rejected {len(body['rejected'])}"] if body.get("rejected") else []
    return ", ".join(words)


Frame = tuple[int, int, bytes, bytes]


def posts(
    *batches: bytes | Sequence[Frame], then: str = "", fields: Sequence[str] = (), kind: str = protocol.CONTENT_TYPE
) -> Deed:
    """Post batches of one new writer, and tell what each is answered, and what a file has after it.

    Args:
        batches: bytes, or frames as number, op, key and payload.
        then: a key, whose contents are told.
        fields: headers.
        kind: the content type.
    """

    def deed(scene: Scene) -> str:
        writer, said = scene.fresh(), []
        for batch in batches:
            body = batch if isinstance(batch, bytes) else b"".join(frames.encode(*frame) for frame in batch)
            said.append(told(scene.ask(batch_head(writer, body, *fields, kind=kind))))
        if then:
            answer = parsed(scene.ask(head("GET", f"{protocol.FILES}/{then}")))
            said.append(f"there is {answer.body!r}" if answer.status == 200 else "there is nothing")
        return "; ".join(said)

    return deed


def everywhere(key: str) -> Deed:
    """Use a key in all places that take one: to read, list, write, append, upload, remove, move and copy."""

    def deed(scene: Scene) -> str:
        name = key.format(outside=scene.outside)
        raw, path = name.encode("utf-8", "surrogatepass"), quote(name.encode("utf-8", "surrogatepass"), safe="/")
        said = [statuses(scene.ask(head(method, f"{protocol.FILES}/{path}"))) for method in ("GET", "HEAD")]
        ops = [
            (Op.APPEND, raw, MARK),
            (Op.WRITE, raw, MARK),
            (Op.REMOVE, raw, b""),
            (Op.CHUNK, raw, frames.piece(1, 0, MARK)),
            (Op.COMMIT, raw, frames.commit(2, 0)),
            (Op.MOVE, raw, b"stolen"),
            (Op.COPY, raw, b"stolen"),
            (Op.MOVE, OPEN.encode(), raw),
            (Op.COPY, OPEN.encode(), raw),
        ]
        said.append(told(scene.ask(batch_head(scene.fresh(), b"".join(_numbered(ops))))))
        said.append(asks({"key": name})(scene))
        said.append(asks({"pattern": "nothing", "after": name, "marks": {name: ["", 0, 0, 0, ""]}})(scene))
        return " | ".join(said)

    return deed


def links(key: str) -> Deed:
    """Read and write what a key leads to, where it is a link or no plain file."""

    def deed(scene: Scene) -> str:
        raw = key.encode()
        said = [statuses(scene.ask(head(method, f"{protocol.FILES}/{key}"))) for method in ("GET", "HEAD")]
        ops = [
            (Op.APPEND, raw, MARK),
            (Op.WRITE, raw, MARK),
            (Op.COPY, raw, b"stolen"),
            (Op.COPY, OPEN.encode(), raw),
        ]
        said.append(told(scene.ask(batch_head(scene.fresh(), b"".join(_numbered(ops))))))
        said.append(asks({"key": key})(scene))
        return " | ".join(said)

    return deed


def _numbered(ops: Sequence[tuple[Op, bytes, bytes]]) -> list[bytes]:
    return [frames.encode(seq, *op) for seq, op in enumerate(ops, 1)]


def asks(question: dict[str, Any] | bytes, *fields: str, kind: str = "application/json") -> Deed:
    """Ask for columns, and tell the kinds of the blocks that come, or the status."""

    def deed(scene: Scene) -> str:
        body = question if isinstance(question, bytes) else json.dumps(question).encode()
        answer = scene.ask(head("POST", protocol.TABLES, f"Content-Type: {kind}", *fields, body=body))
        found = parsed(answer)
        return " ".join(blocks(found)) if found.status == 200 else str(found.status)

    return deed


def blocks_of(answer: Raw) -> list[wire.Block]:
    """Return the blocks of an answer with columns."""
    body = unchunked(answer.body) if answer.headers.get("transfer-encoding") == "chunked" else answer.body
    return wire.Blocks().feed(body) if answer.status == 200 else []


def blocks(answer: Raw) -> list[str]:
    """Return their kinds."""
    return [str(block.head["kind"]) for block in blocks_of(answer)]


def unchunked(body: bytes) -> bytes:
    """Return what a body in chunks holds."""
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        whole, body = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole
