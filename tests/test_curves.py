"""Lines and bands that the server's pages draw: what is in them, over whatever x, and as bytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.dashboard import series_wire
from ml_logger.dashboard.bands import Band, BandAsked, Banding
from ml_logger.dashboard.lines import FEWEST_POINTS, Line, LineAsked, line_of
from ml_logger.dashboard.rows import Rows
from ml_logger.errors import CorruptData
from tests.row_files import file_of
from tests.test_shelf import put, shelf_of

NUMBERS = st.one_of(
    st.integers(-400, 400).map(lambda number: number / 4),
    st.integers(-5, 5),
    st.sampled_from([math.nan, math.inf, -math.inf, None, "text", True]),
)
TABLES = st.lists(st.fixed_dictionaries({}, optional={"y": NUMBERS, "x": NUMBERS, "_timestamp": NUMBERS}), max_size=60)
XS = st.sampled_from(["", "x", "_timestamp", "_relative", "y", "nothing"])
ENDS = st.one_of(st.none(), st.integers(-480, 480).map(lambda number: number / 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for runs of many examples."""
    return tmp_path_factory.mktemp("curves")


def rows_of(folder: Path, table: list[dict[str, Any]], run: str = "run") -> Rows:
    """Write rows, and read them."""
    put(folder, file_of(table), run)
    return shelf_of(folder).rows(run, ["x", "y", "_timestamp"])


def is_number(value: Any) -> bool:
    """Tell whether a value is drawn."""
    return type(value) in (int, float, bool)


def points_of(table: list[dict[str, Any]], x: str) -> list[tuple[float, float]]:
    """Return the points of y over an x, found row by row."""
    times = [float(row["_timestamp"]) for row in table if is_number(row.get("_timestamp"))]
    x0 = next((time for time in times if math.isfinite(time)), 0.0) if x == "_relative" else 0.0
    found = []
    for number, row in enumerate(table):
        over = number if x == "" else row.get("_timestamp" if x == "_relative" else x)
        if is_number(row.get("y")) and is_number(over) and math.isfinite(over):
            found.append((float(over) - x0, float(row["y"])))
    return sorted(found, key=lambda point: point[0])


@settings(deadline=None)
@given(TABLES, XS, ENDS, ENDS, st.integers(FEWEST_POINTS, 60))
def test_a_line_has_the_points_of_its_part(
    folder: Path, table: list[dict[str, Any]], x: str, begin: float | None, end: float | None, points: int
) -> None:
    """Over any x, the points within are there, in its order, a neighbor on each side, and no more than asked for."""
    line = line_of(rows_of(folder, table), LineAsked("run", "y", x, begin, end), points)
    every = points_of(table, x)
    assert line.rows == len(table)
    if not any(is_number(row.get("y")) for row in table) or (line.is_missing and not every):
        return
    low, high = -math.inf if begin is None else begin, math.inf if end is None else end
    first = sum(at < low for at, _ in every)
    last = max(first, sum(at <= high for at, _ in every))
    assert line.total == last - first
    xs, ys = line.xs.tolist(), line.ys.tolist()
    shown = list(zip(xs, ys, strict=True))
    if last - first <= points - 2:
        assert repr(shown) == repr(every[max(0, first - 1) : last + 1]) and not line.is_sampled
        return
    assert len(shown) <= points and xs == sorted(xs) and line.is_sampled
    texts = [repr(point) for point in every]
    assert all(repr(point) in texts for point in shown)
    inside = [value for _, value in every[first:last]]
    for kept in (min, max):
        assert (
            kept(filter(math.isfinite, inside), default=0) == kept(filter(math.isfinite, ys), default=0)
            or first
            or last
        )
    assert any(map(math.isnan, inside)) <= any(map(math.isnan, ys))
    assert {value for value in inside if math.isinf(value)} <= {*ys}


def test_growth_reaches_lines_over_a_column_that_falls(tmp_path: Path) -> None:
    """Pairs that were put in order are put in order again when rows have come; bytes that they take are counted."""
    table = [{"x": -n, "y": n} for n in range(100)]
    put(tmp_path, file_of(table))
    shelf, asked = shelf_of(tmp_path), LineAsked("run", "y", "x")
    rows = shelf.rows("run", asked.columns)
    before = rows.nbytes
    assert line_of(rows, asked, 1000).ys.tolist() == [*range(99, -1, -1)]
    assert rows.nbytes > before + 1600
    put(tmp_path, file_of([{"x": 5, "y": -1}]), mode="ab")
    assert line_of(shelf.rows("run"), asked, 1000).ys.tolist() == [*range(99, -1, -1), -1]


def test_time_since_the_start_is_taken_from_the_first_time(tmp_path: Path) -> None:
    """Over relative time x begins at zero, and the head says when that was."""
    rows = rows_of(tmp_path, [{"_timestamp": 1.7e9 + n / 4, "y": n} for n in range(20)])
    line = line_of(rows, LineAsked("run", "y", "_relative", 1.0, 2.0), 100)

    assert line.xs.tolist() == [0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25]
    assert line.x0 == 1.7e9 and line.total == 5
    assert line_of(rows, LineAsked("run", "nothing", "_relative"), 100).is_missing


def band_of(runs: list[Rows], asked: BandAsked, room: int = 0) -> Band:
    """Make a band of runs, of which so many numbers may be kept to be put into the bins together."""
    banding = Banding(asked, room)
    for rows in runs:
        banding.measure(rows)
    for rows in runs:
        banding.add(rows)
    return banding.band()


@settings(deadline=None, max_examples=50)
@given(st.lists(TABLES, max_size=4), st.sampled_from(["", "x", "_relative"]), ENDS, ENDS, st.integers(1, 20))
def test_a_band_is_what_the_runs_are_in_each_bin(
    folder: Path, tables: list[list[dict[str, Any]]], x: str, begin: float | None, end: float | None, bins: int
) -> None:
    """Mean and spread of the runs' means, and the extremes of all, are those of the finite numbers in each bin."""
    runs = [rows_of(folder, table, f"run{number}") for number, table in enumerate(tables)]
    band = band_of(runs, BandAsked("all", [], "y", x, begin, end, bins))
    low, high = -math.inf if begin is None else begin, math.inf if end is None else end
    inside = [[(at, y) for at, y in points_of(table, x) if low <= at <= high] for table in tables]
    every = [(at, y) for points in inside for at, y in points]
    finite = [(at, y) for at, y in every if math.isfinite(y)]

    assert len(band.xs) <= bins and (np.diff(band.xs) > 0).all()
    assert band.runs == sum(any(math.isfinite(y) for _, y in points) for points in inside)
    assert bool(len(band.xs)) == bool(finite)
    if finite:
        assert (band.least.min(), band.most.max()) == (min(y for _, y in finite), max(y for _, y in finite))
        assert min(at for at, _ in every) <= band.xs[0] and band.xs[-1] <= max(at for at, _ in every) + 1e-9
    for kind in (math.isnan, lambda y: y == math.inf, lambda y: y == -math.inf):
        odd = [at for at, y in every if kind(y)]
        told = [at for at, y in zip(band.odd_xs.tolist(), band.odd_ys.tolist(), strict=True) if kind(y)]
        assert set(told) <= set(odd) and len(told) <= bins and sorted(told) == told
        assert not odd or told[0] == min(odd)
    if bins == 1 and finite:
        means = [np.mean([y for _, y in points if math.isfinite(y)]) for points in inside if
                 any(math.isfinite(y) for _, y in points)]  # fmt: skip
        spread = np.std(means, ddof=1) if len(means) > 1 else 0.0
        np.testing.assert_allclose(
            [band.mean[0], band.low[0], band.high[0]],
            [np.mean(means), np.mean(means) - spread, np.mean(means) + spread],
            atol=1e-9,
        )


def test_bins_are_not_more_than_the_points_of_a_run(tmp_path: Path) -> None:
    """Runs with the same hundred steps have a hundred bins, each at its step, and a spike of one run is in the most."""
    tables = [[{"x": 10 * n, "y": run + (n == 37) * 1000 * run} for n in range(100)] for run in range(3)]
    runs = [rows_of(tmp_path, table, f"run{number}") for number, table in enumerate(tables)]
    band = band_of(runs, BandAsked("all", [], "y", "x", None, None, 1000))

    assert band.runs == 3
    np.testing.assert_allclose(band.xs, 10 * np.arange(100))
    np.testing.assert_allclose(np.delete(band.mean, 37), 1.0)
    np.testing.assert_allclose(np.delete(band.high, 37), 2.0)
    assert band.most[37] == 2002 and band.least[37] == 0


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(st.sampled_from([0.5, -3.0, 1e9, math.nan, math.inf, -math.inf]), min_size=6, max_size=6)),
    st.integers(1, 8),
    st.integers(1, 40),
)
def test_runs_are_in_a_band_together_as_one_by_one(folder: Path, runs: list[list[float]], bins: int, room: int) -> None:
    """How many runs of the same x are put into the bins at once changes nothing."""
    tables = [[{"x": n, "y": y} for n, y in enumerate(ys)] for ys in runs]
    held = [rows_of(folder, table, f"run{number}") for number, table in enumerate(tables)]
    asked = BandAsked("all", [], "y", "x", None, None, bins)
    alone, together = band_of(held, asked), band_of(held, asked, room)

    assert alone.runs == together.runs
    for one, other in zip(alone[2:], together[2:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


FLOATS = st.lists(st.floats(width=64), max_size=9).map(np.array)
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=5)


@st.composite
def messages(draw: Any) -> tuple[list[Line], list[Band]]:
    """Make lines and bands of any content."""
    lines, bands = [], []
    for _ in range(draw(st.integers(0, 4))):
        ys = draw(FLOATS)
        xs = np.arange(len(ys)) / 3
        asked = LineAsked(draw(TEXTS), draw(TEXTS), draw(TEXTS))
        told = draw(st.tuples(st.none() | st.just(1.5), TEXTS))
        lines.append(Line(asked, 5, len(ys), draw(st.booleans()), draw(st.booleans()), xs, ys, *told))
    for _ in range(draw(st.integers(0, 3))):
        count = draw(st.integers(0, 5))
        asked_band = BandAsked(draw(TEXTS), [], draw(TEXTS), "_step", None, None, 7)
        bands.append(Band(asked_band, 2, *(np.random.default_rng(n).normal(size=count) for n in range(8))))
    return lines, bands


@given(messages(), st.sampled_from([32, 64]))
def test_what_is_encoded_is_decoded(message: tuple[list[Line], list[Band]], precision: int) -> None:
    """Any lines and bands come back: as float64 exactly, as float32 rounded, and what is finite stays finite."""
    lines, bands = message
    data = b"".join(series_wire.encode(lines, bands, precision))
    found, found_bands = series_wire.decode(data)

    assert len(data) % 8 == 0
    for line, head in zip(lines, found, strict=True):
        assert (head["run"], head["key"], head["x"], head["rows"]) == (*line.asked[:3], 5)
        assert head.get("missing", False) == line.is_missing and head.get("x0") == line.x0
        assert head.get("refused", "") == line.refused
        np.testing.assert_array_equal(head["xs"], line.xs)
        with np.errstate(over="ignore"):
            expected = line.ys if precision == 64 else line.ys.astype(np.float32)
        is_cut = np.isinf(expected) & np.isfinite(line.ys)
        np.testing.assert_array_equal(head["ys"][~is_cut], expected[~is_cut])
        assert (np.isfinite(head["ys"]) == np.isfinite(line.ys)).all()
    for band, head in zip(bands, found_bands, strict=True):
        assert (head["name"], head["key"], head["n"], head["runs"]) == (
            band.asked.name,
            band.asked.key,
            len(band.xs),
            2,
        )
        for name, array in zip((*series_wire.BAND_ARRAYS, *series_wire.ODD_ARRAYS), band[2:], strict=True):
            np.testing.assert_array_equal(head[name], array)


@given(st.binary(max_size=60) | st.just(b"".join(series_wire.encode([Line(LineAsked("", "", ""), 0)], [], 64)) + b"1"))
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """Other bytes are CorruptData."""
    with pytest.raises(CorruptData):
        series_wire.decode(data)
