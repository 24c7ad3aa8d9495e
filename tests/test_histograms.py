"""Histograms of many numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.encoders.histograms import MOST_BINS, encode
from ml_logger.errors import InvalidSetting, UnsupportedValue


@pytest.mark.parametrize("size", [1, 2, 10, 1000, 50_000])
@pytest.mark.parametrize("bins", ["auto", 10])
def test_as_numpy(size: int, bins: Any) -> None:
    """Counts and edges are those of numpy, as plain Python values."""
    values = np.random.default_rng(size).normal(size=size)
    counts, edges = np.histogram(values, bins)
    histogram = encode(values, bins)

    assert histogram == {"counts": counts.tolist(), "edges": pytest.approx(edges.tolist(), rel=1e-12)}
    assert {type(count) for count in histogram["counts"]} == {int}
    assert {type(edge) for edge in histogram["edges"]} == {float}


def test_integers() -> None:
    """Bins of integers are not narrower than one, so that none is empty for no reason."""
    histogram = encode([0, 1, 2, 3, 4, 2, 3, 4, 5])

    assert histogram == {"counts": [1, 1, 2, 2, 3], "edges": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]}
    assert len(encode(np.repeat([0, 1], 1000))["counts"]) == 1
    assert sum(encode(np.array([True, False, True]))["counts"]) == 3


def test_given_edges() -> None:
    """Edges that are given are used; what is outside of them is not counted."""
    assert encode([0.5, 1.5, 1.6, 9.0], [0, 1, 2]) == {"counts": [1, 2], "edges": [0.0, 1.0, 2.0]}


def test_not_finite() -> None:
    """NaN and infinities are counted apart, and named only where there are any."""
    assert encode([1.0, math.nan, math.inf, -math.inf], 1) == {"counts": [1], "edges": [0.5, 1.5], "nan": 1, "inf": 2}
    assert encode([math.nan]) == {"counts": [], "edges": [], "nan": 1}
    assert set(encode([1.0])) == {"counts", "edges"}


@settings(deadline=None, max_examples=300)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.sampled_from(["auto", 1, 7]))
def test_every_value_is_counted(values: list[float], bins: Any) -> None:
    """Whatever the finite values are, each is in one bin, and the edges rise."""
    histogram = encode(values, bins)
    edges = histogram["edges"]

    assert sum(histogram["counts"]) == len(values)
    assert len(edges) == len(histogram["counts"]) + 1 <= MOST_BINS + 1
    assert all(math.isfinite(edge) for edge in edges) and edges == sorted(set(edges))


@pytest.mark.parametrize(
    "values",
    [
        [*range(1000), 1e300],
        [-1.7e308, 1.7e308],
        [1.7976931348623157e308] * 2,
        [1.0, 1.0 + 2e-16],
        [5e-324, 0.0],
        np.array([0, 2**64 - 1], np.uint64),
        np.array([6e4, -6e4], np.float16),
        np.array([0, 2**63], dtype=np.float64),
    ],
)
def test_wide_and_narrow(values: Any) -> None:
    """A range that is far too wide or too narrow for bins costs no memory and raises nothing."""
    histogram = encode(values)

    assert sum(histogram["counts"]) == len(values)
    assert 1 <= len(histogram["counts"]) <= MOST_BINS


@pytest.mark.parametrize("values", [np.ones((2, 3, 4)), [[1, 2], [3, 4]], 3.5, range(5)])
def test_shapes(values: Any) -> None:
    """Values of any shape are counted, and left as they are."""
    assert sum(encode(values)["counts"]) == np.size(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"k: a histogram needs at least one value, got shape \(0,\)"),
        (["a", "b"], "k: a histogram needs real numbers, got a list of dtype <U1"),
        ([1j], "complex128"),
        ([None, 1], "object"),
        ([[1], [1, 2]], "k: "),
        (np.array(["2020"], "datetime64[Y]"), "datetime64"),
    ],
)
def test_no_numbers(values: Any, message: str) -> None:
    """What has no real numbers is refused, with its key."""
    with pytest.raises(UnsupportedValue, match=message):
        encode(values, key="k")


@pytest.mark.parametrize("bins", ["fancy", 0, -1, True, 10**9, [], [1], [1, 1], [2, 1], [0, math.nan], ["a", "b"]])
def test_wrong_bins(bins: Any) -> None:
    """Bins that make no sense are refused, with the key and what to pass."""
    with pytest.raises(InvalidSetting, match=r"k: .*bins"):
        encode([1.0, 2.0], bins, key="k")
