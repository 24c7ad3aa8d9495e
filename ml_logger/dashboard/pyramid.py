"""Few points of a long series that look like all of it: no stretch loses its lowest, its highest or its odd values.

The extremes of each 64 values are kept, so that any part of a million values is sampled in less than a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ml_logger.dashboard.growing import Array, Growing

#: Values in a block.
BLOCK = 64
#: Fewest points that a sample may have: the first, the last, and a stretch with all that can be in it.
FEWEST = 8
_NOWHERE = 255
#: What is no finite number: a stretch that has one keeps it, as it keeps its lowest and its highest.
_ODD: tuple[Callable[[Array], Array], ...] = (np.isnan, np.isposinf, np.isneginf)


class Stretches(NamedTuple):
    """What is known of stretches of a series, block by block or value by value.

    Fields:
        low, high: the lowest and the highest finite number of each; infinite where there is none.
        at_low, at_high: where they are in the series.
        odd: for NaN and both infinities, which of the stretches have one, and where it is.
    """

    low: Array
    high: Array
    at_low: Array
    at_high: Array
    odd: list[tuple[Array, Array]]


class Pyramid:
    """The extremes of a series that grows, block by block. The series itself is passed to each call."""

    def __init__(self) -> None:
        self._low, self._high = Growing(np.float64), Growing(np.float64)
        self._at = [Growing(np.uint8) for _ in range(2 + len(_ODD))]  # within the block, see `_NOWHERE`
        self._odd = np.zeros(len(_ODD), np.int64)  # how many blocks have one, of each kind

    @property
    def nbytes(self) -> int:
        """The bytes that it takes."""
        return self._low.nbytes + self._high.nbytes + sum(each.nbytes for each in self._at)

    def extend(self, values: Array) -> None:
        """Take in a series, which has grown: what is known of its first blocks stays."""
        known = self._low.count
        whole = len(values) // BLOCK
        if whole == known:
            return
        blocks = values[known * BLOCK : whole * BLOCK].reshape(-1, BLOCK)
        finite = np.isfinite(blocks)
        for fill, extreme, at in ((np.inf, self._low, self._at[0]), (-np.inf, self._high, self._at[1])):
            numbers = np.where(finite, blocks, fill)
            places = numbers.argmin(axis=1) if fill > 0 else numbers.argmax(axis=1)
            extreme.extend(numbers[np.arange(len(blocks)), places])
            at.extend(places)
        for number, is_odd in enumerate(_ODD):
            there = is_odd(blocks) if not finite.all() else np.zeros(blocks.shape, np.bool_)
            has = there.any(axis=1)
            self._at[2 + number].extend(np.where(has, there.argmax(axis=1), _NOWHERE))
            self._odd[number] += has.sum()

    def cut(self, count: int) -> None:
        """Forget what is behind the first `count` values."""
        blocks = count // BLOCK
        for each in (self._low, self._high, *self._at):
            each.cut(blocks)
        self._odd[:] = [(each.values != _NOWHERE).sum() for each in self._at[2:]]

    def sample(self, values: Array, begin: int, end: int, most: int) -> Array:
        """Return the places, in their order, of at most so many values of `values[begin:end]` that look like all.

        The part is cut into stretches as long as each other. Of each, the lowest and the highest finite number are
        there, and one of each kind of what is no finite number; and the first and the last value of all.
        """
        if end - begin <= most:
            return np.arange(begin, end)
        if most < FEWEST:
            raise ValueError(f"{most} points show no series: {FEWEST} do")
        first, last = -(-begin // BLOCK), end // BLOCK
        count = (most - 2) // (2 + self._kinds(values, begin, end))
        if last - first < 2 * count or last > self._low.count:
            pieces = [_values(values, begin, end)]
        else:  # what sticks out of the whole blocks at both ends belongs to the first and to the last stretch
            ends = _values(values, begin, first * BLOCK), _values(values, last * BLOCK, end)
            pieces = [ends[0], self._blocks(first, last), ends[1]]
        stretches = _joined([piece for piece in pieces if len(piece.low)])
        chosen = _extremes(stretches, min(count, len(stretches.low)))
        return np.unique(np.concatenate([[begin, end - 1], *chosen]).astype(np.int64))

    def _kinds(self, values: Array, begin: int, end: int) -> int:
        """Return how many kinds of values that are no finite numbers a part may have."""
        if not self._odd.any() and end <= self._low.count * BLOCK:
            return 0
        part = values[begin:end]
        return 0 if np.isfinite(part).all() else sum(bool(is_odd(part).any()) for is_odd in _ODD)

    def _blocks(self, first: int, last: int) -> Stretches:
        starts = np.arange(first, last) * BLOCK
        at = [each.values[first:last] for each in self._at]
        low, high = self._low.values[first:last], self._high.values[first:last]
        odd = [(np.flatnonzero(each != _NOWHERE), starts + each) for each in at[2:]]
        return Stretches(low, high, starts + at[0], starts + at[1], odd)


def _values(values: Array, begin: int, end: int) -> Stretches:
    """Return what is known of single values."""
    part, places = values[begin:end], np.arange(begin, end)
    finite = np.isfinite(part)
    if finite.all():
        return Stretches(part, part, places, places, [(places[:0], places)] * len(_ODD))
    odd = [(np.flatnonzero(is_odd(part)), places) for is_odd in _ODD]
    return Stretches(np.where(finite, part, np.inf), np.where(finite, part, -np.inf), places, places, odd)


def _joined(pieces: list[Stretches]) -> Stretches:
    if len(pieces) == 1:
        return pieces[0]
    starts = np.cumsum([0, *(len(piece.low) for piece in pieces)])
    odd = []
    for number in range(len(_ODD)):
        which = [piece.odd[number][0] + start for piece, start in zip(pieces, starts, strict=False)]
        odd.append((np.concatenate(which), np.concatenate([piece.odd[number][1] for piece in pieces])))
    low, high, at_low, at_high = (np.concatenate([piece[field] for piece in pieces]) for field in range(4))
    return Stretches(low, high, at_low, at_high, odd)


def _extremes(stretches: Stretches, count: int) -> list[Array]:
    """Return where the extremes of so many stretches are that these are put together to."""
    size = len(stretches.low)
    starts = np.arange(count) * size // count
    lengths = np.diff(starts, append=size)
    chosen = []
    for values, at, least in (
        (stretches.low, stretches.at_low, np.minimum),
        (stretches.high, stretches.at_high, np.maximum),
    ):
        extreme = least.reduceat(values, starts)
        found = np.flatnonzero((values == np.repeat(extreme, lengths)) & np.isfinite(values))
        chosen.append(at[_first_of_each(found, starts)])
    return [*chosen, *(at[_first_of_each(which, starts)] for which, at in stretches.odd)]


def _first_of_each(found: Array, starts: Array) -> Array:
    """Return the first of ascending numbers in each stretch that has one."""
    if not len(found):
        return found
    stretch = np.searchsorted(starts, found, side="right")
    return found[np.flatnonzero(np.diff(stretch, prepend=0))]
