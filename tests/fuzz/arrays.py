"""Arrays: any bytes are an array, named arrays, or one of two errors, within bounded memory."""

from __future__ import annotations

import tempfile

import numpy as np

from ml_logger.encoders import arrays
from ml_logger.errors import CorruptData, UnsupportedValue

REFUSED = (CorruptData, UnsupportedValue)


def seeds() -> list[bytes]:
    """Return arrays of several types and shapes, alone and named."""
    made = [
        np.arange(6.0).reshape(2, 3),
        np.array("text"),
        np.zeros((0, 2), "u1"),
        np.zeros(2, [("a", "i4"), ("é", "f8")]),
    ]
    files = [arrays.encode(array) for array in made]
    named = {"a": made[0], "b/c": made[1]}
    return [*files, arrays.encode_npz(named), arrays.encode_npz(named, compress=True)]


def target(data: bytes) -> None:
    """Read bytes as one array, as one that is mapped, and as named ones; what was read is written and read again."""
    for read in (arrays.decode, _mapped):
        try:
            array = read(data)
        except REFUSED:
            continue
        if not array.dtype.hasobject:
            again = arrays.decode(arrays.encode(array))
            assert (again.shape, again.dtype) == (array.shape, array.dtype)
    try:
        arrays.decode_npz(data)
    except REFUSED:
        pass


def _mapped(data: bytes) -> np.ndarray:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return np.array(arrays.decode_mapped(file))
