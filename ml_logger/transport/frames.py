"""Frames: one operation on one key, in the same bytes in the spool and on the wire.

A frame is a header of 32 bytes, the key in UTF-8, and the payload. Header, little-endian::

    offset  size  field
         0     3  magic, b"MLF"
         3     1  version of the format, 1
         4     1  op, see `Op`
         5     1  flags, 0 or `APPENDED`
         6     2  length of the key in bytes
         8     4  length of the payload in bytes
        12     8  sequence number within its writer: 1, 2, 3...
        20     8  time of the call, nanoseconds since the epoch
        28     4  CRC-32 (as in zlib and IEEE 802.3) of bytes 0-28, the key and the payload

A payload is the bytes to append or to write; for `MOVE` and `COPY` the target key. `CHUNK` carries one piece of a large
write, `COMMIT` puts the pieces in place; both start with the number of the upload, see `piece` and `commit`.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from time import time_ns
from typing import Any, NamedTuple
from zlib import crc32

from ml_logger.errors import CorruptData

MAGIC = b"MLF\x01"
_HEADER = struct.Struct("<4sBBHIQq")
_CRC = struct.Struct("<I")
_PIECE = struct.Struct("<QQ")
HEADER_SIZE = _HEADER.size + _CRC.size

#: The longest payload of one frame; larger data travels in pieces, so that memory stays bounded on either side.
MAX_PAYLOAD = 4 * 2**20 + _PIECE.size
#: Data longer than this is split into pieces.
PIECE_SIZE = 4 * 2**20
MAX_FRAME = HEADER_SIZE + 2**16 + MAX_PAYLOAD


class Op(enum.IntEnum):
    """What a frame asks for."""

    APPEND = 1
    WRITE = 2
    CHUNK = 3
    COMMIT = 4
    REMOVE = 5
    MOVE = 6
    COPY = 7


class Own(enum.IntEnum):
    """What a server asks of itself. It never travels: the byte of a frame that says the op cannot say one of these."""

    DISCARD = 256
    RESTORE = 257
    RENAME = 258
    REPLACE = 259
    EMPTY = 260


#: Flag of a COMMIT: append the pieces to the file instead of replacing it.
APPENDED = 1


class Frame(NamedTuple):
    """One decoded frame."""

    seq: int
    op: Op | Own
    flags: int
    key: str
    payload: bytes


class Span(NamedTuple):
    """Where a frame lies in a buffer, without its payload being looked at."""

    start: int
    stop: int
    seq: int


def encode(seq: int, op: int, key: bytes, payload: bytes, flags: int = 0) -> bytes:
    """Build one frame. The caller has checked the key and the length of the payload."""
    header = _HEADER.pack(MAGIC, op, flags, len(key), len(payload), seq, time_ns())
    body = key + payload
    return header + _CRC.pack(crc32(body, crc32(header))) + body


def spans(buffer: bytes | memoryview) -> Iterator[Span]:
    """Find the whole frames at the start of a buffer by their lengths alone; stop at one that is cut short.

    Raises:
        CorruptData: a header is not one of ours.
    """
    start, size = 0, len(buffer)
    while start + HEADER_SIZE <= size:
        magic, _, _, key_size, payload_size, seq, _ = _HEADER.unpack_from(buffer, start)
        if magic != MAGIC or payload_size > MAX_PAYLOAD:
            raise CorruptData(f"no frame of this version at byte {start}: {bytes(buffer[start : start + 8])!r}")
        stop = start + HEADER_SIZE + key_size + payload_size
        if stop > size:
            return
        yield Span(start, stop, seq)
        start = stop


def time_of(buffer: bytes | memoryview, span: Span) -> float:
    """Return when a frame was made, in seconds since the epoch."""
    return float(_HEADER.unpack_from(buffer, span.start)[-1]) / 1e9


def is_whole(buffer: bytes | memoryview, span: Span) -> bool:
    """Tell whether a frame's checksum is right."""
    view = memoryview(buffer)
    body = span.start + HEADER_SIZE
    (expected,) = _CRC.unpack_from(view, body - _CRC.size)
    crc = crc32(view[span.start : body - _CRC.size])
    return bool(crc32(view[body : span.stop], crc) == expected)


def decode(buffer: bytes) -> list[Frame]:
    """Decode and verify a batch: nothing but whole frames.

    Raises:
        CorruptData: a checksum is wrong, an op unknown, a key not UTF-8, or the last frame is cut short.
    """
    batch, stop = [], 0
    for span in spans(buffer):
        if not is_whole(buffer, span):
            raise CorruptData(f"the frame at byte {span.start} fails its checksum")
        batch.append(_decode_one(buffer, span))
        stop = span.stop
    if stop != len(buffer):
        raise CorruptData(f"the frame at byte {stop} is cut short: {len(buffer) - stop} bytes are left of it")
    return batch


def _decode_one(buffer: bytes, span: Span) -> Frame:
    _, op, flags, key_size, _, seq, _ = _HEADER.unpack_from(buffer, span.start)
    body = span.start + HEADER_SIZE
    try:
        key = str(buffer[body : body + key_size], "utf-8")
        return Frame(seq, Op(op), flags, key, buffer[body + key_size : span.stop])
    except ValueError as error:  # not UTF-8, or an op that this version does not know
        raise CorruptData(f"the frame at byte {span.start} cannot be understood: {error}") from None


def piece(upload: int, offset: int, data: bytes | memoryview) -> bytes:
    """Build the payload of a CHUNK: number of the upload, offset within it, bytes."""
    return _PIECE.pack(upload, offset) + data


def commit(upload: int, size: int) -> bytes:
    """Build the payload of a COMMIT: number of the upload, its size in bytes."""
    return _PIECE.pack(upload, size)


def split_piece(payload: bytes) -> tuple[int, int, bytes]:
    """Take the payload of a CHUNK or COMMIT apart: upload, offset or size, bytes.

    Raises:
        CorruptData: the payload is too short to hold the two numbers.
    """
    if len(payload) < _PIECE.size:
        raise CorruptData(f"a piece of {len(payload)} bytes is too short to say where it belongs")
    upload, offset = _PIECE.unpack_from(payload)
    return upload, offset, payload[_PIECE.size :]


def renumber(buffer: bytes, base: int) -> bytes:
    """Subtract `base` from the sequence number of every frame: for a spool that goes on under a new writer."""
    out = []
    for span in spans(buffer):
        header = bytearray(buffer[span.start : span.start + _HEADER.size])
        _HEADER.pack_into(header, 0, *_renumbered(_HEADER.unpack_from(buffer, span.start), base))
        body = buffer[span.start + HEADER_SIZE : span.stop]
        out += [bytes(header), _CRC.pack(crc32(body, crc32(header))), body]
    return b"".join(out)


def _renumbered(header: tuple[Any, ...], base: int) -> tuple[Any, ...]:
    magic, op, flags, key_size, payload_size, seq, time = header
    return magic, op, flags, key_size, payload_size, seq - base, time
