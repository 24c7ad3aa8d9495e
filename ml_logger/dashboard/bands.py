"""The same series of many runs as one band: their mean, how far they spread, and the extremes, in bins of x.

Two passes over the runs: the first tells where the x are, the second what is in each bin. One run is looked at at a
time, and nothing of it is kept.
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
    """

    asked: BandAsked
    runs: int
    xs: Array
    mean: Array
    low: Array
    high: Array
    least: Array
    most: Array


class Banding:
    """Makes a band: `measure` each run, then `add` each run, then `band`."""

    def __init__(self, asked: BandAsked) -> None:
        self.asked = asked
        self._first, self._last, self._count = math.inf, -math.inf, 0
        self._edges: Array | None = None
        self._runs = 0

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
                self._add(curve, begin, end)

    def _begin(self) -> None:
        bins = min(self.asked.bins, self._count) if self._first < self._last else 1
        with np.errstate(over="ignore", invalid="ignore"):
            self._edges = np.linspace(self._first, self._last, bins + 1)[:-1] if self._count else np.zeros(1)
        self._seen, self._mean, self._spread = np.zeros(bins), np.zeros(bins), np.zeros(bins)
        self._least, self._most = np.full(bins, np.inf), np.full(bins, -np.inf)
        self._points, self._xs = np.zeros(bins), np.zeros(bins)

    def _add(self, curve: Curve, begin: int, end: int) -> None:
        assert self._edges is not None
        starts = curve.places(self._edges, "left")
        np.maximum(starts, begin, out=starts)
        np.minimum(starts, end, out=starts)
        starts[0] = begin  # what has come since the runs were measured is in the first bin, or in the last
        counts = np.append(starts[1:], end) - starts
        bins = np.flatnonzero(counts)
        self._put(bins, starts[bins] - begin, counts[bins], curve.xs(slice(begin, end)), curve.ys[begin:end])

    def _put(self, bins: Array, starts: Array, counts: Array, xs: Array, ys: Array) -> None:
        """Put numbers into some of the bins, each of which begins somewhere among them and has so many."""
        least, most, filled, sizes = ys, ys, ys, counts
        has: Array | slice = slice(None)
        finite = np.isfinite(ys)
        if not finite.all():
            least, most, filled = (np.where(finite, ys, fill) for fill in (np.inf, -np.inf, 0.0))
            sizes = np.add.reduceat(finite, starts, dtype=np.int64)
            has = np.flatnonzero(sizes)  # bins without a finite number are left out
            bins, sizes, counts = bins[has], sizes[has], counts[has]
        self._runs += len(bins) > 0
        with np.errstate(over="ignore", invalid="ignore"):
            self._xs[bins] += np.add.reduceat(xs, starts)[has]
            self._points[bins] += counts
            self._welford(bins, np.add.reduceat(filled, starts)[has] / sizes)
        self._least[bins] = np.minimum(self._least[bins], np.minimum.reduceat(least, starts)[has])
        self._most[bins] = np.maximum(self._most[bins], np.maximum.reduceat(most, starts)[has])

    def _welford(self, bins: Array, means: Array) -> None:
        """Take the mean of one run into that of all, and into the sum of squares of what differs from it."""
        self._seen[bins] += 1
        away = means - self._mean[bins]
        self._mean[bins] += away / self._seen[bins]
        self._spread[bins] += away * (means - self._mean[bins])

    def band(self) -> Band:
        """Return the band; bins that have nothing are left out."""
        if self._edges is None:
            self._begin()
        has = np.flatnonzero(self._seen)
        mean = self._mean[has]
        with np.errstate(over="ignore", invalid="ignore"):
            away = np.sqrt(self._spread[has] / np.maximum(self._seen[has] - 1, 1))
            xs = self._xs[has] / self._points[has]
            low, high = mean - away, mean + away
        return Band(self.asked, self._runs, xs, mean, low, high, self._least[has], self._most[has])
