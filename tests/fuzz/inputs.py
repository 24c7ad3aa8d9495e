"""Inputs of targets: bytes taken apart into what a target needs, and seeds that are changed a little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

#: The longest input, in bytes.
LONGEST = 1 << 14


class Cut:
    """Bytes from which one thing after another is taken; zeros and nothing when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes, as many as are left at most."""
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def number(self, below: int) -> int:
        """Return a number from 0 on."""
        size = max(1, ((below - 1).bit_length() + 7) // 8)
        return int.from_bytes(self.take(size), "little") % below

    def choice(self, among: Sequence[T]) -> T:
        """Return one of some things."""
        return among[self.number(len(among))]

    def some(self) -> bytes:
        """Return bytes whose number comes first."""
        return self.take(self.number(256))

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data))

    def changed(self, data: bytes) -> bytes:
        """Return data with a few places overwritten, cut out, or put in."""
        whole = bytearray(data)
        for _ in range(self.number(5)):
            at = self.number(len(whole) + 1)
            what = self.number(4)
            if what == 0:
                whole[at : at + 1] = self.take(1)
            elif what == 1:
                del whole[at : at + 1 + self.number(16)]
            elif what == 2:
                whole[at:at] = self.take(self.number(16))
            else:
                piece = self.take(self.number(9))
                whole[at : at + len(piece)] = piece
        return bytes(whole)


def text_of(data: bytes) -> str:
    """Return bytes as text, lone surrogates where they are no UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def inputs(seeds: Sequence[bytes]) -> SearchStrategy[bytes]:
    """Return a strategy of inputs: any bytes, and seeds that are changed a little."""
    from hypothesis import strategies as st

    def change(drawn: tuple[bytes, bytes]) -> bytes:
        return Cut(drawn[1]).changed(drawn[0])[:LONGEST]

    return st.binary(max_size=512) | st.tuples(st.sampled_from(sorted(seeds)), st.binary(max_size=64)).map(change)
