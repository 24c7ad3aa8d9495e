"""Few new rows of a file that grows: read one by one, which is less work than to make columns of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ml_logger.columns import portions
from ml_logger.columns.opcodes import Machine
from ml_logger.columns.portions import Mark, Source
from ml_logger.columns.table import is_row
from ml_logger.errors import CorruptData, UntrustedData

#: Bytes of new rows that are few, and bytes before them that tell that the file is the one which was read.
FEW, TAIL = 2**11, 2**8


class New(NamedTuple):
    """What has come behind a mark: rows, the mark behind them, and the bytes before that."""

    rows: list[dict[str, Any]]
    mark: Mark
    tail: bytes


def goes_on(source: Source, mark: Mark | None, tail: bytes | None) -> bool:
    """Tell whether a file is the one that was read to a mark, and only grew; `tail` is what was before the mark."""
    if mark is None or tail is None:
        return portions.start_of(mark, source) != 0
    is_it = mark.identity == source.identity and mark.offset <= source.size
    return is_it and source.read(mark.offset - len(tail), mark.offset) == tail


def new_rows(source: Source, mark: Mark | None, tail: bytes | None) -> New | None:
    """Return the rows behind a mark; None where they are many, or are not all there is, or the file is another one."""
    if mark is None or mark.identity != source.identity or not 0 < source.size - mark.offset <= FEW:
        return None
    begin = max(0, mark.offset - TAIL)
    data = source.read(begin, source.size)
    if tail is None and portions.start_of(mark, source) == 0:  # once, as thoroughly as for many
        return None
    rows = rows_in(data, mark.offset - begin) if tail is None or data.startswith(tail) else None
    if rows is None:
        return None
    return New(rows, mark._replace(size=source.size, mtime=source.mtime, offset=source.size), data[-TAIL:])


def rows_in(data: bytes, pos: int) -> list[dict[str, Any]] | None:
    """Return the rows in some bytes, from a place on; None where they are not whole rows to the end, and nothing else.

    >>> rows_in(b"\\x80\\x04}\\x94\\x8c\\x01n\\x94K\\x05s.", 0)
    [{'n': 5}]
    """
    found = []
    try:
        while pos < len(data):
            machine = Machine(data, pos)
            record = machine.load()
            if not is_row(record):
                return None
            found.append(record)
            pos = machine.end
    except (CorruptData, UntrustedData):
        return None
    return found
