"""Rows of the same names whose values differ in width: all of them are walked at once, one value after another.

The step of a training takes 1 byte, then 2, then 4; a text is as long as it is; a loss that is 0 is an int. Each such
row would have a template of its own. Here every row has a place where it is, and one round of the walk compares what
stands before a value, looks at the opcode of it, and moves on by its width.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ml_logger.columns.table import Array
from ml_logger.columns.templates import FALSE, MEMOIZE, NONE, TRUE, Template, flags, integers

_FRAMED = (b"\x80\x04\x95", b"\x80\x05\x95")
_HEAD = 11  # PROTO, FRAME and the length, which the caller has looked at
_FLOAT, _BYTE, _SHORT, _INT, _LONG, _TEXT = (ord(op) for op in "GKMJ\x8a\x8c")
_WIDTHS = np.zeros(256, np.int64)  # opcode -> bytes of opcode and argument, 0 for those that the walk does not know
_WIDTHS[[_FLOAT, _BYTE, _SHORT, _INT, _LONG, _TEXT, TRUE, FALSE, NONE]] = [9, 2, 3, 5, 2, 3, 1, 1, 1]
_FIXED = {_FLOAT: 8, _BYTE: 1, _SHORT: 2, _INT: 4}


class Shape(NamedTuple):
    """The names of a row, and the bytes that stand before each value and behind the last one."""

    names: tuple[str, ...]
    between: tuple[bytes, ...]


class Walked(NamedTuple):
    """Where a walk has met the values: for each name, the opcode in each row, its place, and the texts."""

    fits: Array
    ops: list[Array]
    places: list[Array]
    texts: list[Array | None]


def shape_of(template: Template) -> Shape | None:
    """Return the shape of a template's row; None if it has more than one plain value under each name."""
    slots = list(template.fields.values())
    if template.row[:3] not in _FRAMED or slots != template.slots:
        return None
    at, between = _HEAD, []
    for slot in slots:
        begin = slot.at - {_TEXT: 2}.get(slot.op, 0 if slot.kind == "flag" else 1)
        if slot.op == _LONG:
            begin -= 1
        between.append(template.row[at:begin])
        at = slot.at + slot.width + (slot.op == _TEXT)
    between.append(template.row[at:])
    known = all(_WIDTHS[slot.op] for slot in slots)
    return Shape(tuple(template.fields), tuple(between)) if known else None


def walk(shape: Shape, data: Array, starts: Array, ends: Array) -> Walked:
    """Walk along rows of one frame each, and tell which are of this shape.

    Args:
        shape: what they should be.
        data: bytes, at least one more than the last row has.
        starts, ends: where the rows begin and end.
    """
    at = starts + _HEAD
    fits = np.ones(len(starts), np.bool_)
    walked = Walked(fits, [], [], [])
    for bytes_before in shape.between[:-1]:
        at = _pass(bytes_before, data, at, ends, fits)
        ops = data[at]
        widths = _WIDTHS[ops]
        counted = (ops == _TEXT) | (ops == _LONG)
        if counted.any():
            widths = widths + np.where(counted, data[np.minimum(at + 1, len(data) - 1)], 0)
        fits &= (widths > 0) & (at + widths < ends)
        if counted.any():
            last = data[np.minimum(at + widths, len(data)) - 1]
            fits &= (ops != _TEXT) | (last == MEMOIZE)
        walked.ops.append(ops)
        walked.places.append(at)
        at = at + np.where(fits, widths, 0)
        if not fits.any():
            return walked
    at = _pass(shape.between[-1], data, at, ends, fits)
    fits &= at == ends
    walked.texts.extend(_texts(data, *each, fits) for each in zip(walked.ops, walked.places, strict=True))
    return walked


def lift(walked: Walked, number: int, data: Array) -> Iterator[tuple[Array, Array | list[Any]]]:
    """Yield the values under one name, type by type: which rows, and what they have."""
    for op in np.unique(walked.ops[number][walked.fits]):
        chosen = np.flatnonzero(walked.fits & (walked.ops[number] == op))
        at = walked.places[number][chosen]
        if op == _FLOAT:
            yield chosen, bytes_at(data, at + 1, 8).view(">f8")[:, 0].astype(np.float64)
        elif op in _FIXED:
            yield chosen, integers(bytes_at(data, at + 1, _FIXED[op]), "signed" if op == _INT else "unsigned")
        elif op == _TEXT:
            texts: Any = walked.texts[number]
            yield chosen, texts[chosen]
        elif op == _LONG:
            sizes = data[at + 1]
            for size in np.unique(sizes).tolist():
                inside = sizes == size
                yield chosen[inside], integers(bytes_at(data, at[inside] + 2, size), "signed")
        else:
            yield chosen, flags(np.full(len(chosen), op))


def _pass(expected: bytes, data: Array, at: Array, ends: Array, fits: Array) -> Array:
    """Compare what stands before a value in every row; return where the value begins, within the data in any case."""
    size = len(expected)
    if size >= len(data):
        fits[:] = False
        return np.zeros_like(at)
    fits &= at + size <= ends
    at = np.where(fits, at, 0)
    if size:
        fits &= (bytes_at(data, at, size) == np.frombuffer(expected, np.uint8)).all(axis=1)
    after: Array = np.minimum(at + size, len(data) - 1)
    return after


def _texts(data: Array, ops: Array, places: Array, fits: Array) -> Array | None:
    """Return the texts under one name, None in other rows; a row whose text is none does not fit."""
    chosen = np.flatnonzero(fits & (ops == _TEXT))
    if not len(chosen):
        return None
    found = np.empty(len(ops), object)
    known: dict[bytes, str] = {}
    begins = places[chosen] + 2
    ends = begins + data[begins - 1]
    for row, begin, end in zip(chosen.tolist(), begins.tolist(), ends.tolist(), strict=True):
        text = data[begin:end].tobytes()
        try:
            found[row] = known[text] if text in known else known.setdefault(text, text.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            fits[row] = False
    return found


def bytes_at(data: Array, at: Array, size: int) -> Array:
    """Return the bytes, so many of them, at each of some places; all are within the data."""
    if not size:
        return np.zeros((len(at), 0), np.uint8)
    windows: Array = np.lib.stride_tricks.as_strided(data, (len(data) - size + 1, size), (1, 1), writeable=False)
    return windows[at]
