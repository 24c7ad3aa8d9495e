"""Frames that are encoded one by one, put together in one file: GIF, APNG, animated WebP.

Pillow's own writers drop a frame that equals the one before it; a training that logs five frames wants five back.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Frame(NamedTuple):
    """One frame: a whole file of its own, and how long it is shown (in the unit of the format)."""

    data: bytes
    duration: int


def gif(frames: Sequence[Frame], transparent: int | None = None) -> bytes:
    """Join GIF files of one size into one that plays for ever; durations in 1/100 s.

    Each frame keeps its own table of colors; `transparent` is the index in it that shows the background. The format:
    GIF89a specification (CompuServe, 1990), and the loop extension of Netscape 2.0.
    """
    body = b""
    width, height = struct.unpack("<HH", frames[0].data[6:10])
    flags = (2 if transparent is not None else 1) << 2 | (transparent is not None)  # 2: clear the frame, 1: keep it
    for frame in frames:
        table_bits, table, image = _gif_image(frame.data)
        body += b"!\xf9\x04" + struct.pack("<BHBB", flags, frame.duration, transparent or 0, 0)
        body += b"," + struct.pack("<HHHHB", 0, 0, width, height, 0x80 | table_bits) + table + image
    loop = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00" if len(frames) > 1 else b""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0) + loop + body + b";"


def _gif_image(data: bytes) -> tuple[int, bytes, bytes]:
    """Find the size and the bytes of the table of colors, and the compressed pixels, of a GIF of one frame."""
    table_bits = data[10] & 7
    start = 13 + 3 * (2 << table_bits)
    table, position = data[13:start], start
    while data[position : position + 1] == b"!":  # extensions: a label, then blocks
        position = _after_blocks(data, position + 2)
    pixels = position + 10  # behind the image's descriptor
    return table_bits, table, data[pixels : _after_blocks(data, pixels + 1)]


def _after_blocks(data: bytes, position: int) -> int:
    """Skip blocks, each behind its length, up to and with the empty one."""
    while data[position]:
        position += 1 + data[position]
    return position + 1


def png(frames: Sequence[Frame]) -> bytes:
    """Join PNG files of one size and color type into an animated one that plays for ever; durations in 1/1000 s.

    The format: chunks acTL, fcTL and fdAT of the PNG specification, third edition.
    """
    chunks = [list(_png_chunks(frame.data)) for frame in frames]
    header = chunks[0][0][1]
    out = [_PNG_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"acTL", struct.pack(">II", len(frames), 0))]
    number = 0
    for frame, parts in zip(frames, chunks, strict=True):
        control = struct.pack(">I", number) + header[:8] + struct.pack(">IIHHBB", 0, 0, frame.duration, 1000, 0, 0)
        out.append(_chunk(b"fcTL", control))
        first = number == 0  # the first frame is also the picture that other programs show
        number += 1
        for pixels in (data for name, data in parts if name == b"IDAT"):
            out.append(_chunk(b"IDAT", pixels) if first else _chunk(b"fdAT", struct.pack(">I", number) + pixels))
            number += not first
    return b"".join([*out, _chunk(b"IEND", b"")])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_PNG_SIGNATURE)
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def webp(frames: Sequence[Frame], size: tuple[int, int], alpha: bool) -> bytes:
    """Join WebP files, all of one size (width, height), into one that plays for ever; durations in 1/1000 s.

    The format: chunks VP8X, ANIM and ANMF of the WebP container specification.
    """
    extent = _three(size[0] - 1) + _three(size[1] - 1)
    flags = 0x02 | (0x10 if alpha else 0)
    body = _riff(b"VP8X", bytes([flags, 0, 0, 0]) + extent) + _riff(b"ANIM", struct.pack("<IH", 0, 0))
    for frame in frames:
        # 2: replace the pixels below, rather than blend with them
        head = bytes(6) + extent + _three(frame.duration) + b"\x02"
        pixels = b"".join(_riff(name, data) for name, data in _riff_chunks(frame.data) if name in _WEBP_PIXELS)
        body += _riff(b"ANMF", head + pixels)
    return _riff(b"RIFF", b"WEBP" + body)


_WEBP_PIXELS = (b"ALPH", b"VP8 ", b"VP8L")


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12  # behind "RIFF", the size and "WEBP"
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        yield data[position : position + 4], data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _riff(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")
