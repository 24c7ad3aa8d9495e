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


class Items(NamedTuple):
    """What is known of a part of a series, block by block or value by value.

    Fields:
        low, high: the lowest and the highest finite number of each; infinite where there is none.
        at_low, at_high: where they are in the series.
        odd: where the first value of each kind is that is no finite number, of those kinds that there are; -1 for none.
    """

    low: Array
    high: Array
    at_low: Array
    at_high: Array
    odd: list[Array]


class Pyramid:
    """The extremes of a series that grows, block by block. The series itself is passed to each call."""

    def __init__(self) -> None:
        self._low, self._high = Growing(np.float64), Growing(np.float64)
        self._at = [Growing(np.uint8) for _ in range(2 + len(_ODD))]  # within the block, see `_NOWHERE`
        self._odd = np.zeros(len(_ODD), np.int64)  # how many blocks have one, of each kind

    @property
    def nbytes(self) -> int:
        """The bytes that it takes."""
        if not self._low.count:  # as of most, and they are weighed often
            return 0
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
        kinds = self._kinds(values, begin, end)
        count = (most - 2) // (2 + len(kinds))
        if last - first < 2 * count or last > self._low.count:
            items = _values(values, begin, end, kinds)
        else:  # what sticks out of the whole blocks at both ends are items of their own
            ends = (begin, first * BLOCK), (last * BLOCK, end)
            one, other = (_values(values, *part, kinds) for part in ends)
            items = _joined(one, self._blocks(first, last, kinds), other)
        chosen = np.concatenate([[begin, end - 1], *_extremes(items, count)])
        chosen.sort()
        is_new = np.concatenate([[True], chosen[1:] != chosen[:-1]])
        return np.asarray(chosen[is_new])

    def _kinds(self, values: Array, begin: int, end: int) -> list[int]:
        """Return which kinds of values that are no finite numbers a part may have."""
        if not self._odd.any() and end <= self._low.count * BLOCK:
            return []
        part = values[begin:end]
        if np.isfinite(part).all():
            return []
        return [kind for kind, is_odd in enumerate(_ODD) if is_odd(part).any()]

    def _blocks(self, first: int, last: int, kinds: list[int]) -> Items:
        starts = np.arange(first * BLOCK, last * BLOCK, BLOCK)
        low, high, *odd = (each.values[first:last] for each in self._at)
        found = [np.where(odd[kind] == _NOWHERE, -1, starts + odd[kind]) for kind in kinds]
        return Items(self._low.values[first:last], self._high.values[first:last], starts + low, starts + high, found)


def _values(values: Array, begin: int, end: int, kinds: list[int]) -> Items:
    """Return what is known of single values."""
    part, places = values[begin:end], np.arange(begin, end)
    if not kinds:
        return Items(part, part, places, places, [])
    finite = np.isfinite(part)
    odd = [np.where(_ODD[kind](part), places, -1) for kind in kinds]
    return Items(np.where(finite, part, np.inf), np.where(finite, part, -np.inf), places, places, odd)


def _joined(*parts: Items) -> Items:
    low, high, at_low, at_high = (np.concatenate([part[field] for part in parts]) for field in range(4))
    odd = [np.concatenate(each) for each in zip(*(part.odd for part in parts), strict=True)]
    return Items(low, high, at_low, at_high, odd)


def _extremes(items: Items, count: int) -> list[Array]:
    """Return where the extremes of so many stretches of items are, each as long as the others."""
    lows, highs = _stretches(items.low, count, np.inf), _stretches(items.high, count, -np.inf)
    first = np.arange(0, len(items.low), lows.shape[1])
    low, high = lows.argmin(axis=1) + first, highs.argmax(axis=1) + first
    if items.odd:
        low, high = low[np.isfinite(items.low[low])], high[np.isfinite(items.high[high])]
    chosen = [items.at_low[low], items.at_high[high]]
    for at in items.odd:
        found = at[_stretches(at >= 0, count, False).argmax(axis=1) + first]
        chosen.append(found[found >= 0])
    return chosen


def _stretches(values: Array, count: int, fill: float | bool) -> Array:
    """Return values as so many rows at most, of one length; what is lacking at the end is filled up."""
    length = -(-len(values) // count)
    rows = -(-len(values) // length)
    if rows * length == len(values):
        return values.reshape(rows, length)
    made = np.full(rows * length, fill, values.dtype)
    made[: len(values)] = values
    return made.reshape(rows, length)
