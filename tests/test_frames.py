"""Frames come back as they went in, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_logger.errors import CorruptData
from ml_logger.transport import frames
from ml_logger.transport.frames import Op

FRAMES = st.lists(
    st.tuples(st.sampled_from(Op), st.text(max_size=20), st.binary(max_size=60), st.integers(0, 255)), max_size=6
)


def encoded(drawn: list[tuple[Op, str, bytes, int]], first: int = 1) -> bytes:
    """Encode frames, numbered from `first`."""
    return b"".join(
        frames.encode(seq, op, key.encode("utf-8", "replace"), payload, flags)
        for seq, (op, key, payload, flags) in enumerate(drawn, first)
    )


@given(FRAMES)
def test_frames_come_back(drawn: list[tuple[Op, str, bytes, int]]) -> None:
    """Decoding a batch gives the frames that were encoded."""
    decoded = frames.decode(encoded(drawn))

    assert [(frame.op, frame.payload, frame.flags) for frame in decoded] == [
        (op, data, flags) for op, _, data, flags in drawn
    ]
    assert [frame.seq for frame in decoded] == list(range(1, len(drawn) + 1))


@given(FRAMES.filter(bool), st.data())
def test_a_flipped_bit_is_found(drawn: list[tuple[Op, str, bytes, int]], data: st.DataObject) -> None:
    """No batch with a single changed bit is taken for a good one."""
    whole = bytearray(encoded(drawn))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8

    with pytest.raises(CorruptData):
        frames.decode(bytes(whole))


@given(FRAMES.filter(bool), st.data())
def test_whole_frames_are_found_at_any_cut(drawn: list[tuple[Op, str, bytes, int]], data: st.DataObject) -> None:
    """Of a buffer cut at any byte, the whole frames are found, and nothing behind them."""
    whole = encoded(drawn)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    spans = list(frames.spans(cut))

    assert all(frames.is_whole(cut, span) for span in spans)
    assert [span.seq for span in spans] == list(range(1, len(spans) + 1))
    assert len(spans) == sum(span.stop <= len(cut) for span in frames.spans(whole))


@given(FRAMES)
def test_frames_can_be_renumbered(drawn: list[tuple[Op, str, bytes, int]]) -> None:
    """A spool that goes on under a new writer sends the same frames under smaller numbers."""
    assert [frame[1:] for frame in frames.decode(frames.renumber(encoded(drawn, 1001), 1000))] == [
        frame[1:] for frame in frames.decode(encoded(drawn))
    ]
    assert [frame.seq for frame in frames.decode(frames.renumber(encoded(drawn, 1001), 1000))] == list(
        range(1, len(drawn) + 1)
    )


def test_the_bytes_are_as_documented() -> None:
    """The header is laid out as the protocol's description says, byte for byte."""
    frame = frames.encode(0x0102030405060708, Op.APPEND, b"key", b"data", 9)

    assert frame[:4] == b"MLF\x01"
    assert (frame[4], frame[5]) == (1, 9)
    assert frame[6:8] == b"\x03\x00"
    assert frame[8:12] == b"\x04\x00\x00\x00"
    assert frame[12:20] == bytes(range(8, 0, -1))
    assert frame[32:] == b"keydata"
    assert len(frame) == frames.HEADER_SIZE + 7 == 39


def test_pieces_say_where_they_belong() -> None:
    """A piece carries the number of its upload and its offset; one that is too short is refused."""
    assert frames.split_piece(frames.piece(7, 100, b"abc")) == (7, 100, b"abc")
    assert frames.split_piece(frames.commit(7, 103)) == (7, 103, b"")
    with pytest.raises(CorruptData):
        frames.split_piece(b"short")
