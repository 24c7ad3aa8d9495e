"""The bytes of a file on their way to a reader: pieces, each with a checksum of all that came so far.

A piece is a head of 8 bytes and bytes of the file. The head holds two integers, little-endian: how many bytes follow,
and the CRC-32 of all bytes from the first that was asked for to the last of this piece. So a reader knows that nothing
is wrong, missing, or of another file, before it passes a piece on.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator

HEAD = struct.Struct("<II")

#: Bytes of the first piece. Each next one has twice as many, up to `MOST_SENT`: a line that is cut all the time still
#: gets on, and a good one is not held up by heads.
FIRST = 64 * 2**10
MOST_SENT = 2**18  # one who does not read it costs the server about three times as much
#: Bytes of the largest piece that is taken.
LARGEST = 2**20


def sizes(length: int) -> Iterator[int]:
    """Yield the sizes of the pieces that so many bytes travel in."""
    size = FIRST
    while length:
        yield min(size, length)
        length -= min(size, length)
        size = min(2 * size, MOST_SENT)


def wire_length(length: int) -> int:
    """Return how many bytes that many bytes of a file are on the wire."""
    return length + HEAD.size * sum(1 for _ in sizes(length))


def read(file: int, start: int, stop: int, crc: int) -> Iterator[bytearray]:
    """Yield the pieces of `[start, stop)` of an open file, heads and all; fewer where it was cut meanwhile.

    Args:
        file: the descriptor.
        start, stop: offsets in bytes.
        crc: the checksum of what came before, which theirs go on from.
    """
    for size in sizes(stop - start):
        piece = bytearray(HEAD.size + size)
        body = memoryview(piece)[HEAD.size :]
        if _fill(file, body, start) < size:
            return
        crc = zlib.crc32(body, crc)
        HEAD.pack_into(piece, 0, size, crc)
        yield piece
        start += size


def _fill(file: int, body: memoryview, start: int) -> int:
    filled = 0
    while filled < len(body):
        got = os.preadv(file, [body[filled:]], start + filled)
        if not got:
            break
        filled += got
    return filled
