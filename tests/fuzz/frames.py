"""Frames: any bytes are frames or CorruptData, and a frame that was changed anywhere is never taken for a good one."""

from __future__ import annotations

from contextlib import suppress

from ml_logger.errors import CorruptData
from ml_logger.transport import batches, frames
from ml_logger.transport.frames import Op
from tests.fuzz.inputs import Cut


def seeds() -> list[bytes]:
    """Return batches, and what is made into one by the second half."""
    whole = b"".join(frames.encode(number, op, b"a/b", b"data" * number) for number, op in enumerate(Op, 1))
    piece = frames.encode(1, Op.CHUNK, b"big", frames.piece(7, 0, b"abc"))
    return [whole, piece, piece + frames.encode(2, Op.COMMIT, b"big", frames.commit(7, 3), 1), b"\x02\x03a/bpayload"]


def target(data: bytes) -> None:
    """Decode bytes as a batch, look for frames in them as a spool does, and change one frame that is made of them."""
    with suppress(CorruptData):
        batch = frames.decode(data)
        assert sum(frames.HEADER_SIZE + len(frame.key.encode()) + len(frame.payload) for frame in batch) == len(data)
        for frame in batch:
            if frame.op in (Op.CHUNK, Op.COMMIT):
                with suppress(CorruptData):
                    frames.split_piece(frame.payload)
    found = list(batches.readable(data))
    for span in found:
        frames.is_whole(data, span)
        frames.time_of(data, span)
    if found:
        cut = batches.cut(data, found)
        assert cut.last - cut.first + 1 == len(cut.stops) <= len(found)
    _changed(Cut(data))


def _changed(cut: Cut) -> None:
    op, key, payload = cut.choice([*Op]), cut.some(), cut.some()
    whole = frames.encode(1 + cut.number(1 << 32), op, key, payload, cut.number(256))
    at, bits = cut.number(len(whole)), 1 + cut.number(255)
    try:
        (frame,) = frames.decode(whole)
        assert (frame.op, frame.key.encode(), frame.payload) == (op, key, payload)
    except CorruptData:
        assert not _is_text(key)
    changed = bytearray(whole)
    changed[at] ^= bits
    try:
        frames.decode(bytes(changed))
    except CorruptData:
        return
    raise AssertionError(f"byte {at} of {whole!r}, changed by {bits:#x}, is not missed")


def _is_text(key: bytes) -> bool:
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True
