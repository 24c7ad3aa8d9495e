"""Tables as bytes, exactly: blocks of little-endian columns, for what a server answers and for a cache on disk.

A block is a head in JSON and a body. The body of a table is its columns, one after another: numbers as they are in
memory, and all other values as rows of one column, which the decoder reads, so that nothing in them is executed.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import pickle
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ml_logger.columns.containers import check_plain
from ml_logger.columns.decoder import Decoder
from ml_logger.columns.table import Array, Column, Columns, Part, objects
from ml_logger.errors import CorruptData, UntrustedData

_HEAD = struct.Struct("<3sBIQ")  # magic, version, bytes of the head, bytes of the body
_MAGIC, _VERSION = b"MLT", 1
_LONGEST_HEAD = 1 << 24
_MOST_ROWS = 1 << 48
#: Bytes of a block that travels: a server makes one of some 8 MiB of a file.
LARGEST_SENT = 1 << 28
_ALIGNED = 8

_KINDS = {"f8": np.dtype("<f8"), "i8": np.dtype("<i8"), "b1": np.dtype(np.bool_)}
_NAMES = {"f": "f8", "i": "i8", "b": "b1", "O": "o"}
_ALL, _LIST, _BITS = 0, 1, 2  # how the rows of a part are told
_REPEATED = frozenset({str, bytes, type(None)})  # of these, equal values are written once
_LARGEST = 1 << 20  # bytes of one value: a larger one might take more steps than a decoder goes


class Block(NamedTuple):
    """One block: what its head says, and its body, which lies in the data that it came in."""

    head: dict[str, Any]
    body: bytes | memoryview


class Blocks:
    """Take a stream of blocks, in pieces of any size.

    Args:
        limit: bytes of a block; any number by default.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._have = 0
        self._need = _HEAD.size

    def feed(self, piece: bytes) -> Iterator[Block]:
        """Take the next bytes, and yield the blocks that are whole with them.

        Raises:
            CorruptData: it is no block of this version, or one that is too long.
        """
        self._pieces.append(piece)
        self._have += len(piece)
        if self._have < self._need:
            return
        data, at = piece if len(self._pieces) == 1 else b"".join(self._pieces), 0
        while len(data) - at >= (need := size_of(data, at)):
            _, _, head, _ = _HEAD.unpack_from(data, at)
            begin = at + _HEAD.size
            yield Block(_head_of(data[begin : begin + head]), memoryview(data)[begin + head : at + need])
            at += need
        if self._limit is not None and need > self._limit:
            _refuse(f"a block of {need:,} bytes")
        self._pieces, self._have, self._need = [data[at:]], len(data) - at, need

    @property
    def is_whole(self) -> bool:
        """Whether the stream may end here."""
        return not self._have


def size_of(data: bytes, at: int = 0) -> int:
    """Return how long the block is that begins here, as far as the data tells it.

    Raises:
        CorruptData: it is none of this version.
    """
    if len(data) - at < _HEAD.size:
        return _HEAD.size
    magic, version, head, body = _HEAD.unpack_from(data, at)
    if magic != _MAGIC or version != _VERSION or head > _LONGEST_HEAD:
        raise CorruptData("no block of a table of this version")
    return int(_HEAD.size + head + body)


def note(**head: Any) -> bytes:
    """Return a block without a body."""
    return _begin(head, 0)


def encode(table: Columns) -> list[bytes]:
    """Return a table as the pieces of one block.

    Raises:
        UntrustedData: it has values that are not plain, as the rows of other programs may.
        CorruptData: it has a value that is too large for this form.
    """
    pieces: list[bytes] = []
    columns = [[name, [_encode_part(part, table.rows, pieces) for part in table[name].parts]] for name in table]
    head = {"kind": "rows", "rows": table.rows, "sampled": table.sampled_from, "columns": columns}
    return [_begin(head, sum(map(len, pieces))), *pieces]


def decode(block: Block) -> Columns:
    """Return the table of a block; its arrays are views of the body, where that is possible.

    Raises:
        CorruptData: it is no table, whatever the bytes are.
    """
    try:
        rows, sampled = _count(block.head["rows"]), block.head["sampled"]
        if 8 * rows > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
            _refuse(f"{rows:,} rows, of which not one column would fit into the memory of this machine")
        body = _Body(block.body)
        columns = {}
        for name, parts in block.head["columns"]:
            if type(name) is not str or name in columns:
                _refuse("a column without a name of its own")
            columns[name] = Column(rows, [_decode_part(part, rows, body) for part in parts])
            if columns[name].count > rows:
                _refuse("more values than rows")
        body.end()
        return Columns(rows, columns, None if sampled is None else _count(sampled))
    except (LookupError, TypeError, ValueError, UntrustedData) as error:
        raise CorruptData(f"no table: {error}") from None


# -- blocks -----------------------------------------------------------------------------------------------------------


def _begin(head: dict[str, Any], size: int) -> bytes:
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-(_HEAD.size + len(text)) % _ALIGNED)
    return _HEAD.pack(_MAGIC, _VERSION, len(text), size) + text


def _head_of(text: bytes) -> dict[str, Any]:
    try:
        head = json.loads(text)
    except (ValueError, RecursionError):
        head = None
    if type(head) is not dict:
        _refuse("a block with a head that is no JSON")
    return dict(head)


def _refuse(problem: str) -> NoReturn:
    raise CorruptData(problem)


def _count(number: Any) -> int:
    if type(number) is not int or not 0 <= number <= _MOST_ROWS:
        _refuse(f"{number!r} is no number of rows")
    return int(number)


# -- parts of columns -------------------------------------------------------------------------------------------------


def _encode_part(part: Part, rows: int, pieces: list[bytes]) -> list[Any]:
    """Add the bytes of a part to some pieces, and return what the head says of it."""
    count, kind = len(part.values), _NAMES[part.values.dtype.kind]
    told = _ALL
    if part.positions is not None:
        told = _LIST if 8 * count < rows // 8 else _BITS
        _add(pieces, _little(part.positions) if told == _LIST else _bits(part.positions, rows))
    if kind != "o":
        _add(pieces, _little(part.values))
        return [kind, count, told]
    values, codes = _distinct(part.values.tolist())
    stream = _stream(values)
    _add(pieces, stream)
    width = 0 if codes is None else codes.itemsize
    if codes is not None:
        _add(pieces, _little(codes))
    return [kind, count, told, len(values), len(stream), width]


def _add(pieces: list[bytes], data: bytes) -> None:
    pieces.append(data)
    if len(data) % _ALIGNED:
        pieces.append(bytes(-len(data) % _ALIGNED))


def _little(array: Array) -> bytes:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _bits(positions: Array, rows: int) -> bytes:
    mask = np.zeros(rows, np.bool_)
    mask[positions] = True
    return np.packbits(mask, bitorder="little").tobytes()


def _distinct(values: list[Any]) -> tuple[list[Any], Array | None]:
    """Return the different ones of some values, and for each value which it is; None where few are equal."""
    known: dict[Any, int] = {}
    made: list[Any] = []
    codes = []
    for value in values:
        code = known.get(value, -1) if type(value) in _REPEATED else -1
        if code < 0:
            code = len(made)
            made.append(value)
            if type(value) in _REPEATED:
                known[value] = code
        codes.append(code)
    if 4 * len(made) > 3 * len(values):
        return values, None
    width = next(bits for bits in ("u1", "u2", "u4", "u8") if len(made) <= 1 << 8 * int(bits[1]))
    return made, np.array(codes, width)


class _Plain(pickle.Pickler):
    """Write plain values only."""

    def reducer_override(self, obj: Any) -> NoReturn:
        """Refuse what is written by its name."""
        raise UntrustedData(f"a {type(obj).__name__} is no plain value")


def _stream(values: list[Any]) -> bytes:
    """Write values as rows of one column."""
    file = io.BytesIO()
    pickler = _Plain(file, 4)
    ends = [0]
    for value in values:
        if type(value) not in _REPEATED and type(value) is not int:
            check_plain(value)
        pickler.dump({"": value})
        pickler.clear_memo()
        ends.append(file.tell())
    if max((end - begin for begin, end in itertools.pairwise(ends)), default=0) > _LARGEST:
        _refuse("a value that is too large for this form")
    return file.getvalue()


class _Body:
    """The bytes of a table, read from their beginning."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._at = 0

    def array(self, kind: np.dtype[Any], count: int) -> Array:
        """Return the next array."""
        return np.frombuffer(self.take(count * kind.itemsize), kind).astype(kind.newbyteorder("="), copy=False)

    def take(self, size: int) -> memoryview:
        """Return the next bytes."""
        if size < 0 or size > len(self._data) - self._at:
            _refuse("a table that is cut short")
        begin, self._at = self._at, self._at + size + -size % _ALIGNED
        return self._data[begin : begin + size]

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._at != len(self._data):
            _refuse("a table that is longer than it says")


def _decode_part(told: list[Any], rows: int, body: _Body) -> Part:
    kind, count, how, *more = told
    positions = _positions(_count(count), how, rows, body)
    if kind != "o":
        values = body.array(_KINDS[kind], count)
        if kind == "b1" and values.view(np.uint8).max(initial=0) > 1:
            _refuse("a bool that is neither")
        return Part(positions, values)
    different, size, width = (_count(number) for number in more)
    values = objects(_values(bytes(body.take(size)), different))
    if width:
        values = values[body.array(np.dtype(f"<u{width}"), count)]
    if len(values) != count:
        _refuse("another number of values than it says")
    values.flags.writeable = False
    return Part(positions, values)


def _positions(count: int, how: Any, rows: int, body: _Body) -> Array | None:
    """Return the rows of a part: ascending, and so many; None for all."""
    if how == _ALL:
        if count != rows:
            _refuse("a part of all rows that has not all")
        return None
    if how == _LIST:
        positions = body.array(np.dtype("<i8"), count)
        if count and (positions[0] < 0 or positions[-1] >= rows or not (positions[1:] > positions[:-1]).all()):
            _refuse("rows that are not in their order")
        return positions
    bits = np.frombuffer(body.take((rows + 7) // 8), np.uint8)
    positions = np.flatnonzero(np.unpackbits(bits, count=rows, bitorder="little")).astype(np.int64, copy=False)
    if len(positions) != count:
        _refuse("another number of rows than it says")
    positions.flags.writeable = False
    return positions


def _values(stream: bytes, count: int) -> list[Any]:
    """Return the values that were written as rows of one column."""
    decoder = Decoder([""], tell=lambda damage: _refuse("values that are damaged"))
    decoder.feed(stream)
    table = decoder.finish()
    if table.rows != count or decoder.others or (count and table[""].count != count):
        _refuse("values that are not whole")
    return table[""].to_list() if count else []
