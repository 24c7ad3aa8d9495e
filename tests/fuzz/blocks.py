"""Blocks of tables: any bytes are blocks or CorruptData, and a table that is one comes out as it went in."""

from __future__ import annotations

import struct
import warnings

from ml_logger.columns import wire
from ml_logger.columns.decoder import Decoder
from ml_logger.columns.portions import told_by
from ml_logger.columns.table import Columns
from ml_logger.errors import CorruptData, UntrustedData
from tests.fuzz import pickles
from tests.fuzz.inputs import Cut
from tests.row_files import identical, split

#: Rows of a table that are looked at one by one: a few bytes may tell of very many.
MOST = 10_000


def _blocks_of(data: bytes) -> tuple[bytes, Columns | None]:
    decoder = Decoder(tell=lambda damage: None)
    try:
        decoder.feed(data)
        table = decoder.finish()
        return b"".join(wire.encode(table)), table
    except (CorruptData, UntrustedData):
        return wire.note(kind="fetch"), None


def seeds() -> list[bytes]:
    """Return tables of each kind of value, and what is told of a file."""
    told = [
        wire.note(kind="file", key="a", size=9, start=0),
        wire.note(kind="settled", mark=["i", 1, 2.0, 3, "d"], damage=[[0, 1, True]], others=0),
        wire.note(kind="ended", damage=[], others=1),
        wire.note(kind="stop"),
    ]
    return [*told, b"".join(told), *(_blocks_of(seed)[0][:4096] for seed in pickles.seeds())]


def target(data: bytes) -> None:
    """Read bytes as blocks; then the blocks of a table that is made of them, changed or not."""
    warnings.simplefilter("ignore")
    _read(data, 1 + data[0] if data else 1)
    cut = Cut(data)
    changes = cut.take(24)
    whole, table = _blocks_of(pickles.rows(cut.rest()).data)
    if table is not None:
        (again,) = _read(whole, 1 << 20)
        assert identical(list(again.iter_rows()), list(table.iter_rows()))
    changed = Cut(changes).changed(whole)
    _read(_with_length(changed) if len(changes) % 2 else changed, 1 << 20)


def _with_length(block: bytes) -> bytes:
    """Return a block whose head says how long the body is."""
    if len(block) < 16:
        return block
    (head,) = struct.unpack_from("<I", block, 4)
    return block[:8] + struct.pack("<Q", max(0, len(block) - 16 - head)) + block[16:]


def _read(data: bytes, size: int) -> list[Columns]:
    found, blocks = [], wire.Blocks()
    try:
        for piece in split(data, [size]):
            for block in blocks.feed(piece):
                if block.head.get("kind") == "rows":
                    table = wire.decode(block)
                    found.append(table)
                    if table.rows <= MOST:
                        assert sum(1 for _ in table.iter_rows()) == table.rows
                else:
                    told_by(block.head)
    except CorruptData:
        pass
    return found
