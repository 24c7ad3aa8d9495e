"""Build arrays, scalars and dtypes of numpy from a pickle without letting numpy read any stored state.

A dtype's stored flags, offsets and sizes are what attacks forge: here a dtype is made anew by `np.dtype(...)`, which
checks, and bytes become an array only when shape times item size is exactly their length.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any, Literal

import numpy as np

from ml_logger.encoders.unpickle_late import Late, Name, Walk, expect

_SPEC = re.compile(r"([?biufcSUVMmO])([0-9]{0,10})")
_UNIT = re.compile(rb"Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as")
_MAX_DIMENSIONS = 64
_MOST_ROWS = 1 << 24  # of an array of nothing: they cost no bytes, and take memory as lists
_ALIGNED = 0x80  # numpy's flag for a structure laid out like C's; numpy checks the offsets when we ask for it

DType = np.dtype[Any]
Order = Literal["C", "F"]


class DTypeLate(Late):
    """Hold a dtype, made from its short spelling and what the state says of its order, unit and fields."""

    __slots__ = ("spec",)
    spec: str

    def __init__(self, spec: str) -> None:
        super().__init__()
        self.spec = spec

    def __setstate__(self, state: Any) -> None:
        """Make the dtype: (version, byte order, sub-array, names, fields, item size, alignment, flags[, metadata])."""
        expect(type(state) is tuple and len(state) in (8, 9), "not the state of a dtype")
        _, order, sub_array, names, fields, size, _, flags, *metadata = state
        expect(
            type(order) is str and order in tuple("<>=|") and type(size) is int and type(flags) is int,
            "not the state of a dtype",
        )
        if sub_array is not None:
            made = _sub_array(sub_array)
        elif names is not None:
            made = _structure(names, fields, size, bool(flags & _ALIGNED))
        elif self.spec[0] in "Mm":
            made = np.dtype(f"{order.strip('|=')}{self.spec}{_unit(metadata)}")
        else:
            made = _simple(self.spec, order)
        expect(size in (-1, made.itemsize), "a dtype whose item size is not what it says")
        self.fill(made)


class ArrayLate(Late):
    """Hold an array, filled by its state."""

    __slots__ = ("cells",)
    cells: list[Any] | None

    def __init__(self) -> None:
        super().__init__()
        self.cells = None

    def __setstate__(self, state: Any) -> None:
        """Make the array: (version, shape, dtype, whether in Fortran order, data)."""
        expect(type(state) is tuple and len(state) == 5, "not the state of an array")
        _, shape, dtype_, fortran, data = state
        order: Order = "F" if fortran else "C"
        if type(data) is list:
            kind = _dtype_of(dtype_)
            expect(kind == np.dtype(object) and _count(shape) == len(data), "an array of objects of another size")
            self.fill(np.empty(shape, kind, order=order))
            self.cells = data
        else:
            self.fill(_view(data, dtype_, shape, order).copy(order))  # a copy owns its data and can be written to

    def settle(self, walk: Walk) -> Any:
        """Return the array, its objects in place."""
        array = walk.remember(self, super().settle(walk))  # noted first, since an array of objects may hold itself
        if self.cells is not None:
            flat = np.empty(len(self.cells), object)
            for i, cell in enumerate(self.cells):  # the cells are listed in C order, whatever the order of the array
                flat[i] = walk.settle(cell)
            array[...] = flat.reshape(array.shape)
        return array


def dtype(*args: Any) -> DTypeLate:
    """Begin a dtype from its short spelling, such as `f8`; align and copy are ignored."""
    expect(1 <= len(args) <= 3 and type(args[0]) is str and _SPEC.fullmatch(args[0]), "not a dtype")
    return DTypeLate(args[0])


def reconstruct(*args: Any) -> ArrayLate:
    """Begin an array, whatever shape it is given for the time being."""
    expect(len(args) == 3 and type(args[0]) is Name and args[0].label == "ndarray", "a subclass of array, or none")
    return ArrayLate()


def frombuffer(buffer: Any, dtype_: Any, shape: Any, order: Any, axes: Any = None) -> Late:
    """Make an array from bytes (then read-only, as numpy does) or a bytearray, which it shares."""
    expect(type(order) is str and order in ("C", "F", "K"), "not the order of an array")
    if order != "K" or axes is None:
        return Late(_view(buffer, dtype_, shape, "F" if order == "F" else "C"))
    _count(axes)
    return Late(_view(buffer, dtype_, shape, "C").transpose(axes))


def scalar(*args: Any) -> Any:
    """Make one scalar from its bytes: a real one at once, since scalars cannot be changed and may be keys."""
    expect(len(args) == 2 and type(args[1]) is bytes, "not a scalar")
    kind, data = _dtype_of(args[0]), args[1]
    expect(not kind.hasobject and kind.itemsize == len(data), "a scalar of another size than its dtype")
    made = np.ndarray((), kind, data) if data else np.zeros((), kind)
    return made[()] if kind.names is None else made.copy()[()]


def _view(data: Any, dtype_: Any, shape: Any, order: Order) -> np.ndarray[Any, Any]:
    kind = _dtype_of(dtype_)
    expect(not kind.hasobject and type(data) in (bytes, bytearray), "an array of something else than bytes")
    count = _count(shape)
    expect(count * kind.itemsize == len(data), "an array of another size than its shape and dtype say")
    expect(kind.itemsize or count <= 1, "an array of nothing")  # costs no bytes, and walks for ever
    made: np.ndarray[Any, Any] = np.ndarray(shape, kind, data, order=order)
    return made


def _dtype_of(value: Any) -> DType:
    expect(type(value) is DTypeLate and isinstance(getattr(value, "value", None), np.dtype), "a dtype that is none")
    made: DType = value.value
    return made


def _count(shape: Any) -> int:
    expect(type(shape) is tuple and len(shape) <= _MAX_DIMENSIONS, "not a shape")
    expect(all(type(n) is int and 0 <= n < 2**62 for n in shape), "not a shape")
    if 0 in shape:
        expect(math.prod(shape[: shape.index(0)]) <= _MOST_ROWS, "an array of nothing")
    return math.prod(shape)


@functools.lru_cache(maxsize=256)
def _simple(spec: str, order: str) -> DType:
    """Make a dtype without parts; `V` alone and `O8` come with their size, which says nothing new."""
    if spec[0] == "O":
        return np.dtype(object)
    made = np.dtype(f"{order.strip('|=')}{spec}")
    expect(made.kind == {"?": "b"}.get(spec[0], spec[0]), "a dtype of another kind")
    return made


def _unit(metadata: list[Any]) -> str:
    """Spell the unit of a date or a duration, such as `[25s]`."""
    if not metadata or metadata[0] is None:
        return ""
    expect(type(metadata[0]) is tuple and len(metadata[0]) == 2 and type(metadata[0][1]) is tuple, "not a unit of time")
    unit, number, *rest = metadata[0][1]
    expect(type(unit) is bytes and type(number) is int and 0 < number < 2**31, "not a unit of time")
    if unit == b"generic":
        return ""
    expect(_UNIT.fullmatch(unit) and all(type(part) is int and part == 1 for part in rest[:1]), "not a unit of time")
    return f"[{number}{unit.decode()}]"


def _sub_array(state: Any) -> DType:
    expect(type(state) is tuple and len(state) == 2, "not a sub-array")
    base, shape = _dtype_of(state[0]), state[1]
    expect(
        not base.hasobject and 0 < _count(shape) * base.itemsize < 2**31,
        "a sub-array of objects, of nothing, or too large",
    )
    return np.dtype((base, shape))


def _structure(names: Any, fields: Any, size: int, aligned: bool) -> DType:
    expect(
        type(names) is tuple and type(fields) is dict and all(type(name) is str for name in names),
        "not the fields of a dtype",
    )
    parts = [fields[name] for name in names]
    expect(all(type(part) is tuple and len(part) in (2, 3) and type(part[1]) is int for part in parts), "not a field")
    formats = [_dtype_of(part[0]) for part in parts]
    expect(not any(each.hasobject for each in formats) and 0 <= size < 2**31, "fields of objects, or too large")
    spec: Any = {
        "names": list(names),
        "formats": formats,
        "offsets": [p[1] for p in parts],
        "itemsize": size,
    }
    if any(len(part) == 3 for part in parts):
        titles = [part[2] if len(part) == 3 else None for part in parts]
        expect(all(title is None or type(title) is str for title in titles), "not the title of a field")
        spec["titles"] = titles
    made: DType = np.dtype(spec, align=aligned)
    return made
