"""The same series of many runs as one band: their mean, how far they spread, and the extremes, in bins of x.

Two passes over the runs: the first tells where the x are, the second what is in each bin. One run is looked at at a
time, and little of it is kept.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ml_logger.dashboard.curves import Curve, columns_of, curve_of
from ml_logger.dashboard.growing import Array
from ml_logger.dashboard.lines import part_of
from ml_logger.dashboard.rows import Rows


class BandAsked(NamedTuple):
    """A part of the same series of some runs: values of x, None where it is open; the end is in it."""

    name: str
    runs: list[str]
    key: str
    x: str
    begin: float | None
    end: float | None
    bins: int

    @property
    def columns(self) -> list[str]:
        """The columns that it takes."""
        return columns_of(self.key, self.x)


class Band(NamedTuple):
    """What is drawn of runs: for each bin that has something the mean of its x, and what the runs are there.

    Fields:
        runs: how many runs have something.
        mean, low, high: of what each run is in the mean, the mean, less and plus the standard deviation.
        least, most: the least and the greatest number of all.
        odd_xs, odd_ys: where in a bin some run has first no finite number, and which: NaN, and both infinities.
    """

    asked: BandAsked
    runs: int
    xs: Array
    mean: Array
    low: Array
    high: Array
    least: Array
    most: Array
    odd_xs: Array
    odd_ys: Array


#: What is no finite number.
_ODD = np.array([np.nan, np.inf, -np.inf])
#: Numbers that all bands of a question may keep of runs, until they put them into their bins together.
TOGETHER = 2**20


class Banding:
    """Makes a band: `measure` each run, then `add` each run, then `band`.

    Runs that follow one another and have the same x, as those of one experiment mostly do, are put into the bins
    together: a question of bands is answered in half the time so.

    Args:
        asked: the band.
        room: how many numbers may be kept for that.
    """

    def __init__(self, asked: BandAsked, room: int = 0) -> None:
        self.asked = asked
        self._first, self._last, self._count = math.inf, -math.inf, 0
        self._edges: Array | None = None
        self._runs = 0
        self._room = room
        self._kept_xs: Array = np.empty(0)
        self._kept: list[Array] = []

    def measure(self, rows: Rows) -> None:
        """Look where the x of a run are. Its columns must be held, as for `add`."""
        with rows.lock:
            curve, begin, end = self._part(rows)
            if curve is not None:
                first, last = curve.xs(np.array([begin, end - 1])).tolist()
                self._first, self._last = min(self._first, first), max(self._last, last)
                self._count = max(self._count, end - begin)  # a bin for each x of the run with the most, if they fit

    def _part(self, rows: Rows) -> tuple[Curve | None, int, int]:
        curve = curve_of(rows, self.asked.key, self.asked.x)
        begin, end = (0, 0) if curve is None else part_of(curve, self.asked.begin, self.asked.end)
        return (curve if begin < end else None), begin, end

    def add(self, rows: Rows) -> None:
        """Put the numbers of a run into the bins."""
        if self._edges is None:
            self._begin()
        with rows.lock:
            curve, begin, end = self._part(rows)
            if curve is not None:
                self._keep(curve.xs(slice(begin, end)), curve.ys[begin:end])

    def _keep(self, xs: Array, ys: Array) -> None:
        if self._kept and not np.array_equal(xs, self._kept_xs):
            self._put_kept()
        self._kept_xs = xs
        self._kept.append(ys)
        if len(self._kept) * len(xs) >= self._room:
            self._put_kept()

    def _begin(self) -> None:
        bins = min(self.asked.bins, self._count) if self._first < self._last else 1
        with np.errstate(over="ignore", invalid="ignore"):
            self._edges = np.linspace(self._first, self._last, bins + 1)[:-1] if self._count else np.zeros(1)
        self._seen, self._mean, self._spread = np.zeros(bins), np.zeros(bins), np.zeros(bins)
        self._least, self._most = np.full(bins, np.inf), np.full(bins, -np.inf)
        self._points, self._xs = np.zeros(bins), np.zeros(bins)
        self._odd_xs = np.full((len(_ODD), bins), np.inf)  # infinite where there is none

    def _put_kept(self) -> None:
        """Put the numbers of the runs that are kept into the bins."""
        assert self._edges is not None
        xs, ys = self._kept_xs, np.stack(self._kept)
        self._kept = []
        starts = np.searchsorted(xs, self._edges)
        starts[0] = 0  # what has come since the runs were measured is in the first bin, or in the last
        counts = np.append(starts[1:], len(xs)) - starts
        bins = np.flatnonzero(counts)
        self._put(bins, starts[bins], counts[bins], xs, ys)

    def _put(self, bins: Array, starts: Array, counts: Array, xs: Array, ys: Array) -> None:
        """Put numbers of runs, a row each, into some of the bins, each of which begins somewhere and has so many."""
        least, most, filled = ys, ys, ys
        sizes = np.broadcast_to(counts, (len(ys), len(counts)))
        finite = np.isfinite(ys)
        if not finite.all():
            least, most, filled = (np.where(finite, ys, fill) for fill in (np.inf, -np.inf, 0.0))
            sizes = np.add.reduceat(finite, starts, axis=1, dtype=np.int64)
            self._note_odd(bins, starts, xs, ys)
        has = sizes > 0  # which runs have a finite number in which bins
        self._runs += int(has.any(axis=1).sum())
        with np.errstate(over="ignore", invalid="ignore"):
            seen = has.sum(axis=0)
            self._xs[bins] += seen * np.add.reduceat(xs, starts)
            self._points[bins] += seen * counts
            self._merge(bins, seen, has, np.add.reduceat(filled, starts, axis=1) / np.maximum(sizes, 1))
        self._least[bins] = np.minimum(self._least[bins], np.minimum.reduceat(least, starts, axis=1).min(axis=0))
        self._most[bins] = np.maximum(self._most[bins], np.maximum.reduceat(most, starts, axis=1).max(axis=0))

    def _note_odd(self, bins: Array, starts: Array, xs: Array, ys: Array) -> None:
        """Note where each bin has its first value of each kind that is no finite number."""
        for first, kind in zip(self._odd_xs, _ODD, strict=True):
            is_odd = np.isnan(ys) if np.isnan(kind) else ys == kind
            where = np.where(is_odd.any(axis=0), xs, np.inf)
            first[bins] = np.minimum(first[bins], np.minimum.reduceat(where, starts))

    def _merge(self, bins: Array, seen: Array, has: Array, means: Array) -> None:
        """Take the means of some runs into that of all, and into the sum of squares of what differs from it.

        As T. F. Chan, G. H. Golub and R. J. LeVeque merge two samples (Updating Formulae and a Pairwise Algorithm for
        Computing Sample Variances, 1979).
        """
        before = self._seen[bins]
        all_seen = np.maximum(before + seen, 1)
        mean = means.sum(axis=0) / np.maximum(seen, 1)
        spread = (np.where(has, means - mean, 0.0) ** 2).sum(axis=0)
        away = np.where(seen > 0, mean - self._mean[bins], 0.0)
        self._seen[bins] += seen
        self._mean[bins] += away * (seen / all_seen)
        self._spread[bins] += spread + away * away * (before * seen / all_seen)

    def band(self) -> Band:
        """Return the band; bins that have nothing are left out."""
        if self._edges is None:
            self._begin()
        if self._kept:
            self._put_kept()
        has = np.flatnonzero(self._seen)
        mean = self._mean[has]
        with np.errstate(over="ignore", invalid="ignore"):
            away = np.sqrt(self._spread[has] / np.maximum(self._seen[has] - 1, 1))
            xs = self._xs[has] / self._points[has]
            low, high = mean - away, mean + away
        order = np.argsort(self._odd_xs, axis=None, kind="stable")[: np.isfinite(self._odd_xs).sum()]
        odd_ys = np.repeat(_ODD, self._odd_xs.shape[1])[order]
        odd = self._odd_xs.flat[order], odd_ys
        return Band(self.asked, self._runs, xs, mean, low, high, self._least[has], self._most[has], *odd)
