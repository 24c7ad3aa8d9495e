"""Spools: whatever a disk has made of one, it is adopted, and what is whole in it is sent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_logger.transport.frames import Op
from ml_logger.transport.spool import Spool, SpoolLimits
from ml_logger.transport.spools import Spools, servers, summary
from tests.fuzz.inputs import Cut

LIMITS = SpoolLimits(400, 10**6)
#: Frames of the spool, of 48 bytes each, 9 to a file.
FRAMES = 20


def seeds() -> list[bytes]:
    """Return how the files of a spool are changed: which one, and how."""
    return [
        b"",
        b"\x01\x05",
        b"\x00\x01\x02\x08\x00\x00\x01",
        b"\x01\x03\x04{}",
        b"\x01\x00\x09999999999",
        b"\x02\x02\x01",
    ]


@contextmanager
def live() -> Iterator[Callable[[bytes], None]]:
    """Give the target, which works on copies of a spool."""
    with tempfile.TemporaryDirectory() as scratch:
        template = Path(scratch) / "template"
        home = Spools(template, "http://host", LIMITS)
        spool = home.create()
        for number in range(FRAMES):
            spool.append(Op.APPEND, b"key", b"%013d" % number)
        batch = spool.batch(200)
        assert batch is not None
        spool.acknowledge(batch, batch.last)
        spool.remember_catalog("c")
        spool.abandon()
        copy = Path(scratch) / "copy"
        yield lambda data: _try(Cut(data), template, copy)


def _try(cut: Cut, template: Path, copy: Path) -> None:
    shutil.copytree(template, copy)
    try:
        home = Spools(copy, "http://host", LIMITS)
        files = sorted(path for path in home.folder.rglob("*") if path.is_file())
        for _ in range(1 + cut.number(2)):
            file = cut.choice(files)
            file.write_bytes(cut.some() if cut.number(4) == 3 else cut.changed(file.read_bytes()))
        servers(copy)
        for folder in home.folders():
            summary(folder)
            spool = home.adopt(folder)
            if spool is not None:
                numbers = _drained(spool)
                assert numbers == sorted(set(numbers))
                spool.close()
    finally:
        shutil.rmtree(copy)


def _drained(spool: Spool) -> list[int]:
    """Take all frames out, as the sender does."""
    numbers: list[int] = []
    for _ in range(4 * FRAMES):
        batch = spool.batch(10**6)
        if batch is None:
            return numbers
        if batch.first != spool.acknowledged + 1:
            spool.start_over(batch.first)
            continue
        numbers += range(batch.first, batch.last + 1)
        spool.acknowledge(batch, batch.last)
    raise AssertionError("the spool gives no end of frames")
