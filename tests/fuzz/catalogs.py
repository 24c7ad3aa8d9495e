"""Catalogs: whatever a disk has made of one, the server starts, takes records, and no file outside is touched."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_logger.errors import LoggerError
from ml_logger.server.app import Service
from ml_logger.server.groups import Request
from ml_logger.transport.frames import Frame, Op
from tests.fuzz.inputs import Cut

WRITER = "0123456789abcdef" * 2
#: Seconds that a batch may take.
PATIENCE = 10.0


def seeds() -> list[bytes]:
    """Return how a catalog is changed: bytes of the database, or rows of it."""
    return [
        b"\x00\x01\x64\x00\x00\x01",
        b"\x01\x00",
        b"\x02\x00files",
        b"\x02\x01\x02",
        b"\x02\x03",
        b"\x02\x04\xff\xfe",
    ]


@contextmanager
def live() -> Iterator[Callable[[bytes], None]]:
    """Give the target, which works on copies of a data folder."""
    with tempfile.TemporaryDirectory() as scratch:
        template = Path(scratch) / "template"
        template.mkdir()
        (template / ".ml_logger").mkdir()
        service = Service(template, power=False, workers=1)
        _append(service, 1)
        service.close()
        outside = Path(scratch) / "outside.txt"
        outside.write_text("here")
        yield lambda data: _try(Cut(data), template, Path(scratch) / "copy", outside)


def _append(service: Service, seq: int) -> int:
    frame = Frame(seq, Op.APPEND, 0, "run/a", b"0123456789")
    answer = service.committer.submit(Request.of(WRITER, [frame])).result(PATIENCE)
    return int(answer.body.get("expected", 0)) if answer.status == 409 else 0


def _try(cut: Cut, template: Path, copy: Path, outside: Path) -> None:
    shutil.copytree(template, copy)
    try:
        path = copy / ".ml_logger" / "catalog.db"
        if cut.number(3) == 2:
            _change_rows(path, cut)
        else:
            path.write_bytes(cut.rest()[:8192] if cut.number(2) else cut.changed(path.read_bytes()))
        try:
            service = Service(copy, power=False, workers=1)
        except LoggerError:
            return
        try:
            expected = _append(service, 2)
            if expected:
                assert not _append(service, expected)
        finally:
            service.close()
        assert outside.read_text() == "here"
        assert (copy / "run" / "a").read_bytes().endswith(b"0123456789")
    finally:
        shutil.rmtree(copy)


_ROWS = (
    "UPDATE files SET length = :n, dirty = 1",
    "UPDATE writers SET last_seq = :n",
    "UPDATE files SET key = :t, dirty = 1",
    "INSERT INTO intents(action, key, source) VALUES ('remove', :t, '')",
    "INSERT INTO intents(action, key, source) VALUES ('move', 'b', :t)",
    "UPDATE meta SET value = :t",
    "UPDATE files SET generation = :n, length = :t",
)


def _change_rows(path: Path, cut: Cut) -> None:
    query = cut.choice(_ROWS)
    number = cut.choice([0, 5, -1, 99, 2**62, -(2**63)])
    text = cut.choice(["../outside.txt", "/etc/x", "", "run", "a" * 300, cut.some().decode("latin-1")])
    db = sqlite3.connect(path)
    try:
        db.execute(query, {key: value for key, value in (("n", number), ("t", text)) if f":{key}" in query})
        db.commit()
    except sqlite3.Error:
        pass
    finally:
        db.close()
