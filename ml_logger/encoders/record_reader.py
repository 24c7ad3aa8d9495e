"""Decode a stream of records, and find where the last whole one ends: loaded when something is read.

A torn or damaged part, as a full disk or a power loss leaves behind, costs only itself: the whole records before it and
after it are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO

from ml_logger.columns.boundaries import (
    Damage,
    DamagedRecords,
    Window,
    claimed_end,
    end_of_record,
    may_join,
    next_record,
    warn_of_damage,
)
from ml_logger.columns.containers import OverLimit
from ml_logger.encoders import unpickle
from ml_logger.encoders.opaque import Opaques
from ml_logger.encoders.unpickle import LIMITS, Limits, Trust
from ml_logger.errors import CorruptData

__all__ = ["DamagedRecords", "decode", "whole_length"]

_CHUNK = 1 << 20

Load = Callable[[BytesIO], Any]


def decode(
    chunks: Iterable[bytes],
    *,
    trust: Trust = False,
    paranoid: bool = False,
    limits: Limits = LIMITS,
    unknown: str = "raise",
    name: str = "",
    start: int = 0,
    stop: int | None = None,
) -> Iterator[Any]:
    """Return an iterator over the records `start` to `stop` of a stream of bytes, split anywhere.

    Holds about one record and one chunk in memory; a damaged length can claim more, up to what is left of the stream.
    Warns DamagedRecords about bytes that are no whole record and goes on after them; they are not counted. Raises
    UntrustedData for a class that `trust` does not admit, InvalidSetting for `paranoid` with trust, and CorruptData for
    a record that asks for more than the limits (see `unpickle.loads`). With `unknown="opaque"` objects of other classes
    are kept as `Opaque`, and told by one OpaqueObjects warning at the end.

    Two limits: if a pickle is made by hand so that a frame seems to end it, only decoding tells the end, and `start`
    may count it twice; and a torn record that holds whole records as bytes cannot be told from one that whole records
    follow, so these are then found in it.
    """
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError(f"start and stop count records from the first, so they cannot be negative: {start}, {stop}")
    unpickle.check_manner(trust, paranoid, unknown)
    opaques = Opaques() if unknown == "opaque" else None
    load = partial(unpickle.load, trust=trust, paranoid=paranoid, limits=limits, unknown=opaques)
    return _decode(Window(chunks, limits.size), load, name, start, stop, opaques)


def whole_length(file: BinaryIO) -> int:
    """Return the offset just after the last whole record of a file, read from its beginning; the rest may be cut off.

    Goes by the lengths that the records state, without decoding: a record with wrong bytes inside counts as whole.
    """
    file.seek(0)
    window = Window(iter(lambda: file.read(_CHUNK), b""))
    pos = last = 0
    while True:
        pos = window.trim(pos)
        end, passed = window.jump(pos)
        if not passed and not window.need(pos + 1):
            return last
        whole = end if passed else end_of_record(window, pos)
        if whole is not None:
            pos, last = whole, window.base + whole
            continue
        found = next_record(window, pos + 1)
        if found is None:
            return last
        pos = found


def _decode(
    window: Window, load: Load, name: str, start: int, stop: int | None, opaques: Opaques | None
) -> Iterator[Any]:
    try:
        yield from _records(window, load, name, start, stop)
    except OverLimit as error:
        raise OverLimit(f"{name or 'the records'}: {error}", error.limit) from None
    finally:
        if opaques is not None:
            opaques.warn(name)


def _records(window: Window, load: Load, name: str, start: int, stop: int | None) -> Iterator[Any]:
    pos = count = 0
    while stop is None or count < stop:
        pos = window.trim(pos)
        if count < start:
            pos, passed = window.jump(pos, start - count)
            if passed:
                count += passed
                continue
        if not window.need(pos + 1):
            return
        end, record = (end_of_record(window, pos), None) if count < start else _load(window, pos, load)
        if end is None:
            pos = _pass_over(window, pos, name)
            continue
        pos = end
        count += 1
        if count > start:
            yield record


def _load(window: Window, pos: int, load: Load) -> tuple[int | None, Any]:
    """Decode the record at `pos`, and where it ends: the unpickler tells, the frames confirm. None: no record."""
    claimed: int | None
    claimed, simple = window.jump(pos, 1)
    whole: int | None = claimed
    if not simple or may_join(window, pos + 1, claimed):
        claimed = claimed_end(window, pos)
        whole = None if claimed is None else end_of_record(window, pos)
        if whole is None and claimed is not None:
            return None, None
    while True:
        window.file.seek(pos)
        try:
            record = load(window.file)
        except OverLimit:
            raise  # it may be whole: whoever reads it decides
        except CorruptData:
            # An unpickler that ran out of data has read to the end of what is there: only then can more data help.
            if window.file.tell() < len(window.data) or not window.grow():
                return None, None
            continue
        end = window.file.tell()
        window.check_size(end - pos)
        # A record torn inside a text can decode together with the one behind it, but then it ends elsewhere.
        return (end if whole == claimed or end == whole else None), record


def _pass_over(window: Window, pos: int, name: str) -> int:
    """Find the next whole record after a damaged place, and warn about the bytes in between."""
    found = next_record(window, pos + 1)
    end = len(window.data) if found is None else found
    warn_of_damage(name, Damage(window.base + pos, end - pos, found is None), 3)
    return end
