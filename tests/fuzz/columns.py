"""Columns: any bytes are rows and damage, and rows that are whole come out as a loop of `pickle.load` gives them."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

from ml_logger.columns.boundaries import Damage
from ml_logger.columns.decoder import Decoder
from ml_logger.columns.table import Columns
from ml_logger.errors import CorruptData, UntrustedData
from tests.fuzz.pickles import rows, seeds
from tests.row_files import identical, split

__all__ = ["seeds", "target"]


def loop(data: bytes) -> Iterator[Any]:
    """Yield the rows of a file as a loop of `pickle.load` does."""
    file = io.BytesIO(data)
    while file.tell() < len(data):
        yield pickle.load(file)


def target(data: bytes) -> None:
    """Decode bytes as they are; then a file that is made of them, whole, in pieces, and some of its columns."""
    warnings.simplefilter("ignore")
    size = 1 + data[0] if data else 1
    _decode(data, size, None)
    made = rows(data)
    table = _decode(made.data, 1 << 20, None)
    pieces = _decode(made.data, 16 + size, None)
    assert (table is None) == (pieces is None)
    _decode(made.data, 1 << 20, ["loss", "lr"])
    if made.is_good:
        plain = list(loop(made.data))  # and not the rows themselves: protocol 0 spells each NaN in the same way
        assert table is not None and pieces is not None
        assert identical(list(table.iter_rows()), plain)
        assert identical(list(pieces.iter_rows()), plain)


def _decode(data: bytes, size: int, keys: list[str] | None) -> Columns | None:
    damage: list[Damage] = []
    decoder = Decoder(keys, tell=damage.append)
    try:
        for piece in split(data, [size]):
            decoder.feed(piece)
            assert 0 <= decoder.offset <= len(data)
        table = decoder.finish()
    except (CorruptData, UntrustedData):
        return None
    assert all(0 < place.size <= len(data) - place.offset for place in damage)
    assert sum(1 for _ in table.iter_rows()) == table.rows
    return table
