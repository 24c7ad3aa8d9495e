"""Lines and bands as bytes: a length, a head in JSON, and arrays of little-endian floats, each at a multiple of 8."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ml_logger.dashboard.bands import Band
from ml_logger.dashboard.growing import Array
from ml_logger.dashboard.lines import Line
from ml_logger.errors import CorruptData

#: The media type of an answer.
TYPE = "application/octet-stream"
#: The arrays of a band: those of its bins, and those of what is no finite number.
BAND_ARRAYS, ODD_ARRAYS = ("xs", "mean", "low", "high", "min", "max"), ("odd_xs", "odd_ys")

_SINGLE = np.finfo(np.float32).max


def encode(lines: Sequence[Line], bands: Sequence[Band], precision: int) -> list[bytes]:
    """Return the pieces of a message.

    Args:
        lines, bands: in the order in which they were asked for.
        precision: the bits of a number, 32 or 64; x always has 64.
    """
    pieces = opening([*map(_line_head, lines)], [*map(_band_head, bands)], precision)
    for line in lines:
        pieces += [float64(line.xs), *(_float32(line.ys) if precision == 32 else [float64(line.ys)])]
    for band in bands:
        pieces += map(float64, band[2:])
    return pieces


def opening(lines: list[dict[str, Any]], bands: list[dict[str, Any]], precision: int) -> list[bytes]:
    """Return what a message begins with: heads of lines and bands, and what brings them up to a multiple of 8 bytes."""
    head = {"precision": precision, "lines": lines, "bands": bands}
    text = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    return [struct.pack("<I", len(text)), text, bytes(-(4 + len(text)) % 8)]


def _line_head(line: Line) -> dict[str, Any]:
    asked = line.asked
    head: dict[str, Any] = {"run": asked.run, "key": asked.key, "x": asked.x, "n": len(line.xs), "rows": line.rows}
    if line.is_missing:
        head["missing"] = True
    else:
        head |= {"count": line.total, "sampled": line.is_sampled}
    optional = {"x0": line.x0, "refused": line.refused or None}
    return head | {name: value for name, value in optional.items() if value is not None}


def _band_head(band: Band) -> dict[str, Any]:
    asked = band.asked
    return {
        "name": asked.name,
        "key": asked.key,
        "x": asked.x,
        "n": len(band.xs),
        "odd": len(band.odd_xs),
        "runs": band.runs,
    }


def float64(values: Array) -> bytes:
    """Return the bytes of an array in a message."""
    return values.astype("<f8", copy=False).tobytes()


def _float32(values: Array) -> Iterable[bytes]:
    """Return numbers as float32: what is finite stays so."""
    with np.errstate(over="ignore"):
        short = values.astype("<f4")
    beyond = np.isinf(short) & np.isfinite(values)
    if beyond.any():
        short[beyond] = np.copysign(_SINGLE, values[beyond])
    return [short.tobytes(), bytes(4 * (len(short) % 2))]


def decode(data: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the lines and the bands of a message: what their heads say, and their arrays by name.

    Raises:
        CorruptData: it is none.
    """
    try:
        [length] = struct.unpack_from("<I", data)
        head = json.loads(data[4 : 4 + length])
        at = 4 + length + -(4 + length) % 8
        for line in head["lines"]:
            line["xs"], at = _array(data, at, "<f8", line["n"])
            line["ys"], at = _array(data, at, "<f4" if head["precision"] == 32 else "<f8", line["n"])
        for band in head["bands"]:
            for name in (*BAND_ARRAYS, *ODD_ARRAYS):
                band[name], at = _array(data, at, "<f8", band["odd" if name in ODD_ARRAYS else "n"])
        if at != len(data):
            raise ValueError(f"{len(data) - at} bytes too many")
        return head["lines"], head["bands"]
    except (struct.error, ValueError, LookupError, TypeError, RecursionError) as error:
        raise CorruptData(f"no lines and bands: {error}") from None


def _array(data: bytes, at: int, kind: str, count: int) -> tuple[Array, int]:
    size = int(kind[-1]) * count
    return np.frombuffer(data, kind, count, at), at + size + -size % 8
