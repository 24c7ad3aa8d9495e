"""Batches that lie: about numbers, lengths, writers, uploads, and what they move where."""

from __future__ import annotations

import struct
import threading

from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests.attacks.attack import MARK, OPEN, Attack, Deed, batch_head, head, posts, sends, told
from tests.attacks.scene import Scene
from tests.wire import append, parsed

REFUSED = "200, committed 1, rejected 1"


def changed(offset: int, form: str, value: int, *, sealed: bool = True) -> bytes:
    """Return a frame with a number of its head replaced, under a checksum that is right unless it is left as it was."""
    data = bytearray(frames.encode(1, Op.APPEND, b"evil/changed", MARK))
    struct.pack_into(form, data, offset, value)
    if sealed:
        checksum = frames.crc32(bytes(data[32:]), frames.crc32(bytes(data[:28])))
        struct.pack_into("<I", data, 28, checksum)
    return bytes(data)


def writer_is(text: str) -> Deed:
    """Post a batch under some id, and tell the answer."""
    return lambda scene: told(scene.ask(batch_head(text, append(1, MARK, "evil/writer"))))


def two_at_once(scene: Scene) -> str:
    """Have two clients send other bytes under one writer and number, at once, and tell how many were stored."""
    writer, key = scene.fresh(), f"two/{scene.fresh()}"
    bodies = [batch_head(writer, append(1, text, key)) for text in (b"A", b"B")]
    said: list[str] = []
    threads = [threading.Thread(target=lambda body=body: said.append(told(scene.ask(body)))) for body in bodies]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    stored = parsed(scene.ask(head("GET", f"{protocol.FILES}/{key}"))).body
    return f"{'; '.join(said)}; {len(stored)} bytes"


def twice(scene: Scene) -> str:
    """Send other bytes under a number that is taken, and tell what is stored."""
    key = f"twice/{scene.fresh()}"
    return posts(append(1, b"first", key), append(1, MARK, key), then=key)(scene)


WRITERS = {
    "Q07 too short": "0123",
    "Q07 with slashes": "../" * 10 + "ab",
    "Q07 in capitals": "ABCDEF" * 5 + "AB",
    "Q07 in other digits": "\xb2" * 32,
    "Q07 of 10,000 digits": "a" * 10_000,
    "Q07 with an end of a line": "a" * 31 + "\\n",
    "Q07 empty": "",
    "Q07 two in one": f"{'a' * 32}, {'b' * 32}",
}

KINDS = {
    "Q21 no type": "",
    "Q21 a type with more": f"{protocol.CONTENT_TYPE}; charset=utf-8",
    "Q21 a type in capitals": protocol.CONTENT_TYPE.upper(),
    "Q21 JSON": "application/json",
    "Q21 a pickle": "application/x-python-pickle",
    "Q21 a type of 10,000 letters": "x" * 10_000,
}

FRAMES = {
    "Q01 number 0": frames.encode(0, Op.APPEND, b"evil/q", MARK),
    "Q02 number 2^64 - 1": frames.encode(2**64 - 1, Op.APPEND, b"evil/q", MARK),
    "Q03 number 2^63, which is negative elsewhere": frames.encode(2**63, Op.APPEND, b"evil/q", MARK),
    "Q03 number 2^63 - 1": frames.encode(2**63 - 1, Op.APPEND, b"evil/q", MARK),
    "Q09 a number left out": append(1, MARK, "evil/q") + append(3, MARK, "evil/q"),
    "Q09 a number twice": append(1, MARK, "evil/q") + append(1, MARK, "evil/q"),
    "Q10 a wrong checksum": changed(28, "<I", 0, sealed=False),
    "Q10 a bit that flipped": append(1, MARK, "evil/q")[:-1] + b"\xff",
    "Q11 a payload beyond the body": changed(8, "<I", 1000),
    "Q11 a payload of 4 GB": changed(8, "<I", 2**32 - 1),
    "Q11 a key beyond the body": changed(6, "<H", 2**16 - 1),
    "Q11 half a head": append(1, MARK, "evil/q")[:20],
    "Q11 more behind the last frame": append(1, MARK, "evil/q") + b"MLF",
    "Q12 op 0": changed(4, "<B", 0),
    "Q12 op 255": changed(4, "<B", 255),
    "Q13 version 2": changed(3, "<B", 2),
    "Q13 version 0": changed(3, "<B", 0),
    "Q13 other letters": changed(0, "<B", 0),
    "Q13 a pickle in the place of a batch": b"cos\nsystem\n(S'touch evil'\ntR.",
    "Q13 JSON in the place of a batch": b'{"op": "__class__"}',
}

CHUNK = Op.CHUNK, b"evil/upload"
COMMIT = Op.COMMIT, b"evil/upload"
HUGE = 2**64 - 1

OPS: dict[str, tuple[list[frames.Any], str]] = {
    "Q12 flags of nobody": ([(Op.REMOVE, b"evil/none", b"", 255)], "200, committed 1"),
    "Q15 a piece at the wrong place": ([(*CHUNK, frames.piece(1, 5, MARK))], REFUSED),
    "Q15 a piece far away": ([(*CHUNK, frames.piece(1, HUGE, MARK))], REFUSED),
    "Q15 a piece at 2^62": ([(*CHUNK, frames.piece(1, 2**62, MARK))], REFUSED),
    "Q15 a piece that is too short": ([(*CHUNK, b"123")], REFUSED),
    "Q15 another size": (
        [(*CHUNK, frames.piece(3, 0, b"abc")), (*COMMIT, frames.commit(3, 99))],
        "200, committed 2, rejected 1",
    ),
    "Q15 a size of 2^64 - 1": (
        [(*CHUNK, frames.piece(4, 0, b"abc")), (*COMMIT, frames.commit(4, HUGE))],
        "200, committed 2, rejected 1",
    ),
    "Q16 an upload of nobody": ([(*COMMIT, frames.commit(77, 10))], REFUSED),
    "Q16 an upload of number 2^64 - 1": ([(*COMMIT, frames.commit(HUGE, 10))], REFUSED),
    "Q18 onto itself": ([(Op.MOVE, OPEN.encode(), OPEN.encode())], REFUSED),
    "Q18 into itself": ([(Op.MOVE, b"run", b"run/inner")], REFUSED),
    "Q18 onto its parent": ([(Op.MOVE, OPEN.encode(), b"run")], REFUSED),
    "Q18 a copy into itself": ([(Op.COPY, b"run", b"run/inner/deep")], REFUSED),
    "Q18 from nowhere": ([(Op.MOVE, b"evil/none", b"evil/there")], REFUSED),
    "Q18 a file below a file": ([(Op.COPY, OPEN.encode(), b"run/a/b")], REFUSED),
    "Q18 onto a folder": ([(Op.COPY, OPEN.encode(), b"run/folder")], REFUSED),
    "Q18 of a folder with links": ([(Op.COPY, b"run/dir", b"evil/copied")], REFUSED),
    "Q19 everything, as nothing": ([(Op.REMOVE, b"", b"")], REFUSED),
    "Q19 everything, as a dot": ([(Op.REMOVE, b".", b"")], REFUSED),
    "Q19 everything, as a glob": ([(Op.REMOVE, b"*", b""), (Op.REMOVE, b"**", b"")], "200, committed 2"),
    "Q19 our own": ([(Op.REMOVE, b".ml_logger", b"")], REFUSED),
    "Q19 everything to another place": ([(Op.MOVE, b".", b"evil/all")], REFUSED),
}


def ops(*wanted: tuple[object, ...]) -> Deed:
    """Post frames, numbered from 1, and tell the answer."""
    return posts(b"".join(frames.encode(seq, *frame) for seq, frame in enumerate(wanted, 1)))  # type: ignore[arg-type]


CASES = [
    *(Attack(name, posts(data), "400") for name, data in FRAMES.items()),
    *(Attack(f"{name}: a writer", writer_is(text), "400") for name, text in WRITERS.items()),
    *(Attack(name, posts(append(1, MARK, "evil/kind"), kind=kind), "415") for name, kind in KINDS.items()),
    *(Attack(name, ops(*wanted), expected) for name, (wanted, expected) in OPS.items()),
    Attack("Q04 a gap", posts(append(5, MARK, "evil/gap")), "409, expected 1"),
    Attack(
        "Q04 a gap behind something",
        posts(append(1, b"x", "gap/a"), append(3, MARK, "gap/a")),
        "200, committed 1; 409, expected 2",
    ),
    Attack(
        "Q05 an overlap",
        posts(
            append(1, b"a", "lap") + append(2, b"b", "lap"), append(2, MARK, "lap") + append(3, b"c", "lap"), then="lap"
        ),
        "200, committed 2; 200, committed 3; there is b'abc'",
    ),
    Attack(
        "Q06 other bytes under a number that is taken", twice, "200, committed 1; 200, committed 1; there is b'first'"
    ),
    Attack("Q08 two clients with one id", two_at_once, "200, committed 1; 200, committed 1; 1 bytes", stores=True),
    Attack(
        "Q09 no frame",
        sends(batch_head("a" * 32, b"").replace(b"Connection: close", b"Content-Length: 0\r\nConnection: close")),
        "400",
    ),
    Attack(
        "Q09 a million frames",
        sends(
            f"POST {protocol.BATCHES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
            f"{protocol.WRITER}: {'a' * 32}\r\nContent-Length: 37000000\r\n\r\n"
        ),
        "413",
    ),
    Attack(
        "Q14 a catalog of nobody",
        posts(append(1, b"x", "stale"), fields=["X-ML-Logger-Catalog: evil"]),
        "200, committed 1",
    ),
    Attack(
        "Q15 a piece over another",
        posts(b"".join(frames.encode(seq, *CHUNK, frames.piece(9, at, b"abc")) for seq, at in ((1, 0), (2, 1)))),
        "200, committed 2, rejected 1",
    ),
]
