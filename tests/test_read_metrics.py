"""`read_metrics`: columns of metrics over all files that match, and what is told of them along an x."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger import ML_Logger, curves, summaries
from ml_logger.columns.table import Builder, Columns
from ml_logger.errors import InvalidSetting, KeyNotFound, UnsupportedValue

SEEDS = {"100": 0.0, "200": 1.0, "300": 5.0}


@pytest.fixture
def seeds(root: str) -> ML_Logger:
    """A logger above three runs of ten steps, whose losses differ by what their seed adds."""
    for seed, more in SEEDS.items():
        with ML_Logger(root=root, prefix=f"me/seeds/{seed}", silent=True) as logger:
            for step in range(10):
                logger.log(step * 10, loss=step + more, phase="train", ok=step > 4)
            logger.flush()
            logger.log(90, accuracy=int(more))
    return ML_Logger(root=root, prefix="me/seeds", silent=True)


def lists(columns: Any) -> list[list[Any]]:
    """Return the values of columns."""
    return [column.tolist() for column in columns]


def test_curves_over_seeds(seeds: ML_Logger) -> None:
    """Mean and percentiles over all runs at each x, and x behind them: as programs unpack it."""
    mean, low, high, step = seeds.read_metrics("loss@mean", "loss@16%", "loss@84%", x_key="_step@min")

    assert step.tolist() == [n * 10 for n in range(10)]
    assert step.dtype == np.int64
    assert mean.tolist() == pytest.approx([n + 2.0 for n in range(10)])
    assert low.tolist() == pytest.approx([n + np.percentile([0, 1, 5], 16) for n in range(10)])
    assert high.tolist() == pytest.approx([n + np.percentile([0, 1, 5], 84) for n in range(10)])
    assert [column.name for column in (mean, low, step)] == ["loss@mean", "loss@16%", "_step@min"]
    assert mean.index.tolist() == step.index.tolist() == list(range(10))


def test_one_name_is_a_column_and_two_are_a_list(seeds: ML_Logger) -> None:
    """One name gives a column, several a list of them, and an x makes it one more."""
    loss = seeds.read_metrics("loss", path="100/metrics.pkl")
    two = seeds.read_metrics("loss", "accuracy", path="100/metrics.pkl")
    with_x = seeds.read_metrics("loss@mean", x_key="_step", path="100/metrics.pkl")

    assert isinstance(loss, pd.Series)
    assert loss.dropna().tolist() == [float(n) for n in range(10)]
    assert isinstance(two, list)
    assert len(two) == len(with_x) == 2
    assert two[1].dropna().tolist() == [0]
    assert with_x[1].tolist() == [n * 10 for n in range(10)]


def test_no_name_is_a_frame_for_each_file(seeds: ML_Logger) -> None:
    """Without names, all that is in each file comes by its path, relative as in `glob`."""
    frames = seeds.read_metrics()

    assert list(frames) == seeds.glob("**/metrics.pkl") == [f"{seed}/metrics.pkl" for seed in SEEDS]
    assert list(frames["200/metrics.pkl"].columns) == ["_step", "_timestamp", "loss", "phase", "ok", "accuracy"]
    assert len(frames["200/metrics.pkl"]) == 11
    with seeds.Prefix("300"):
        assert list(seeds.read_metrics()) == ["metrics.pkl"]
    assert list(seeds.read_metrics(path="/me/*/100/*.pkl")) == ["me/seeds/100/metrics.pkl"]
    assert list(seeds.read_metrics(wd="100")) == list(seeds.read_metrics(wd="/me/seeds/100")) == ["metrics.pkl"]
    assert list(seeds.read_metrics(wd=".", path="100/*.pkl")) == ["100/metrics.pkl"]


def test_rows_themselves(seeds: ML_Logger) -> None:
    """Without a statistic the rows of all files come, in the order of x where there is one, and in their types."""
    loss, ok, step = seeds.read_metrics("loss", "ok", x_key="_step")
    plain = seeds.read_metrics("loss")

    assert step.tolist() == sorted([n * 10 for n in range(10)] * 3 + [90] * 3)
    assert loss.tolist()[:6] == [0.0, 1.0, 5.0, 1.0, 2.0, 6.0]
    assert ok.tolist()[:3] == [False] * 3
    assert str(ok.dtype) == "boolean"
    assert plain.dropna().tolist() == [n + more for more in SEEDS.values() for n in range(10)]
    assert len(plain) == 33


def test_rows_without_a_value(seeds: ML_Logger) -> None:
    """`dropna` leaves out the rows of the result that lack any of the columns."""
    accuracy, step = seeds.read_metrics("accuracy@mean", x_key="_step", dropna=True)
    whole, _ = seeds.read_metrics("accuracy@mean", x_key="_step")
    loss, acc = seeds.read_metrics("loss", "accuracy", dropna=True)

    assert (accuracy.tolist(), step.tolist()) == ([2.0], [90])
    assert accuracy.index.tolist() == [0]
    assert whole.isna().tolist() == [True] * 9 + [False]
    assert lists([loss, acc]) == [[], []]


def test_rows_without_an_x(logger: ML_Logger) -> None:
    """A row in which x is missing, NaN or no number has no place on it, and is left out."""
    for x in (2.0, None, 1, math.nan, "text"):
        logger.log(0, x=x, loss=1.0, flush=True)
    logger.log(0, loss=5.0)

    for asked in ("loss", "loss@max"):
        loss, x = logger.read_metrics(asked, x_key="x")
        assert (loss.tolist(), x.tolist()) == ([1.0, 1.0], [1.0, 2.0])


def test_bins_of_a_width(seeds: ML_Logger) -> None:
    """`bin_size` is in units of x; a bin is told by the mean of its x, or as asked; empty ones are left out."""
    mean, step = seeds.read_metrics("loss@mean", x_key="_step", bin_size=40, path="100/*")
    least, first = seeds.read_metrics("loss@min", x_key="_step@min", bin_size=40, path="100/*")
    _, apart = seeds.read_metrics("loss", x_key="_step@max", bin_size=3)

    assert mean.tolist() == [1.5, 5.5, 8.5]
    assert step.tolist() == [15.0, 55.0, pytest.approx(260 / 3)]
    assert lists([least, first]) == [[0.0, 4.0, 8.0], [0, 40, 80]]
    assert apart.tolist() == [n * 10 for n in range(10)]


def test_a_number_of_bins(seeds: ML_Logger) -> None:
    """`num_bins` are of equal width between the ends of x, both within; without an x there are none."""
    count, low, high = seeds.read_metrics("loss@count", "_step@min", x_key="_step@max", num_bins=3, path="100/*")
    one = seeds.read_metrics("loss@mean", x_key="_step@last", num_bins=1)
    rows = seeds.read_metrics("phase", num_bins=1, path="100/*")

    assert lists([count, low, high]) == [[3, 3, 4], [0, 30, 60], [20, 50, 90]]
    assert lists(one) == [[pytest.approx(6.5)], [90]]
    assert rows.dropna().tolist() == ["train"] * 10


def test_without_an_x_rows_go_by_their_number(seeds: ML_Logger) -> None:
    """A statistic without an x is over the rows of the same number in each file."""
    mean = seeds.read_metrics("loss@mean")
    most = seeds.read_metrics("loss@max", "accuracy@sum")

    assert mean.tolist()[:10] == pytest.approx([n + 2.0 for n in range(10)])
    assert math.isnan(mean.tolist()[10])
    assert most[0].tolist()[0] == 5.0
    assert most[1].tolist()[10] == 6


def test_what_is_not_a_number(seeds: ML_Logger) -> None:
    """Text has a first, a last and a count, and no mean; bools count as 0 and 1."""
    first, last, count, step = seeds.read_metrics("phase@first", "phase@last", "phase@count", x_key="_step")
    share, _ = seeds.read_metrics("ok@mean", x_key="_step")

    assert first.tolist() == last.tolist() == ["train"] * 10
    assert count.tolist() == [3] * 10
    assert len(step) == 10
    assert share.tolist() == [0.0] * 5 + [1.0] * 5
    with pytest.raises(UnsupportedValue, match=r"'phase@mean' is asked of a metric without numbers"):
        seeds.read_metrics("phase@mean")


def test_first_and_last_go_by_the_files(seeds: ML_Logger) -> None:
    """Of equal x, the first is from the first file by name, and the last from the last."""
    first, last, _ = seeds.read_metrics("loss@first", "loss@last", x_key="_step")

    assert first.tolist() == [float(n) for n in range(10)]
    assert last.tolist() == [n + 5.0 for n in range(10)]


def test_names_with_an_at_sign(logger: ML_Logger) -> None:
    """What follows the last `@` is a statistic only if it is one: other names are those of metrics."""
    logger.log(0, {"recall@10": 0.5, "loss": 1.0})

    assert logger.read_metrics("recall@10").tolist() == [0.5]
    assert logger.read_metrics("recall@10@max").tolist() == [0.5]
    with pytest.raises(KeyNotFound, match=r"no row of \*\*/metrics\.pkl has a metric 'loss@men'.* stddev, "):
        logger.read_metrics("loss@men")


def test_what_makes_no_sense(logger: ML_Logger) -> None:
    """Mistakes say what was wrong and what to pass, before anything is read where that can be told."""
    logger.log(0, loss=1.0, flush=True)
    for kw in (
        {"bin_size": 0},
        {"bin_size": -1},
        {"bin_size": math.nan},
        {"bin_size": "5"},
        {"bin_size": True},
        {"num_bins": 0},
        {"num_bins": 1.5},
        {"bin_size": 1, "num_bins": 1},
    ):
        with pytest.raises(InvalidSetting, match=r"bin_size=|num_bins="):
            logger.read_metrics("loss", x_key="_step", **kw)
    with pytest.raises(InvalidSetting, match="'loss@101%' asks for a percentile above 100"):
        logger.read_metrics("loss@101%")
    with pytest.raises(UnsupportedValue, match="asked for by its name"):
        logger.read_metrics(["loss"])  # type: ignore[arg-type]
    with pytest.raises(KeyNotFound, match=r"no file matches path='none/\*\.pkl' below 'me/run'"):
        logger.read_metrics("loss", path="none/*.pkl")
    for nothing in ("los", "nothing@mean"):
        with pytest.raises(KeyNotFound, match="has a metric"):
            logger.read_metrics(nothing)
    with pytest.raises(KeyNotFound, match="has a metric 'x'"):
        logger.read_metrics("loss", x_key="x")


def table_of(rows: list[dict[str, Any]]) -> Columns:
    """Make columns of rows."""
    builder = Builder()
    for number, row in enumerate(rows):
        builder.add_row(number, row)
    builder.rows = len(rows)
    return builder.build()


NUMBERS = st.floats(-1e6, 1e6) | st.just(math.nan)
SAME = {"mean": "mean", "std": "std_dev", "stddev": "std_dev", "min": "min_max", "max": "min_max"}
COLUMNS = {"mean": "x/mean", "std": "x/stddev", "stddev": "x/stddev", "min": "x/min", "max": "x/max"}


@given(st.lists(st.tuples(st.integers(0, 3), NUMBERS), min_size=1, max_size=30))
@settings(max_examples=80, deadline=None)
def test_statistics_are_those_of_summaries(drawn: list[tuple[int, float]]) -> None:
    """What is told of a group is what `log_metrics_summary` tells of the same values."""
    table = table_of([{"x": value, "step": step} for step, value in drawn])
    texts = [*SAME, "0%", "25%", "50%", "75%", "100%", "median"]
    asked = [curves.parse(f"x@{text}") for text in texts]
    *told, steps = curves.curves([table], asked, curves.parse("step"), curves.Bins(), False, "rows")

    assert steps.tolist() == sorted({step for step, _ in drawn})
    for number, step in enumerate(steps):
        values = [value for at, value in drawn if at == step]
        for text, column in zip(texts, told, strict=True):
            stats = summaries.statistics("x", values, SAME.get(text, "quantile"))
            wanted = stats[COLUMNS.get(text, f"x/{'50' if text == 'median' else text[:-1]}")]
            assert column[number] == pytest.approx(wanted, rel=1e-6, abs=1e-6, nan_ok=True), text


@given(
    st.lists(st.tuples(st.integers(-50, 50) | st.floats(-50, 50), st.integers(0, 9)), min_size=1, max_size=40),
    st.sampled_from([1, 3, 0.5, 7.25]),
    st.integers(1, 6),
)
@settings(max_examples=80, deadline=None)
def test_bins_hold_every_row_once(drawn: list[tuple[float, int]], width: float, number: int) -> None:
    """No row is lost or counted twice by bins, whose x are apart by no more than their width."""
    table = table_of([{"x": x, "y": y} for x, y in drawn])
    span = max(x for x, _ in drawn) - min(x for x, _ in drawn)
    asked = [curves.parse(text) for text in ("y@count", "y@sum", "x@min", "x@max")]
    for bins, widest in ((curves.Bins(width), width), (curves.Bins(None, number), span / number)):
        count, total, low, high, _ = curves.curves([table], asked, curves.parse("x"), bins, False, "rows")

        assert count.sum() == len(drawn)
        assert total.sum() == sum(y for _, y in drawn)
        assert (high - low <= widest * (1 + 1e-9) + 1e-9).all()
        assert low.tolist()[1:] > high.tolist()[:-1] or len(low) == 1
        assert bins.number is None or len(count) <= bins.number


def test_large_integers_are_exact(tmp_path: Path) -> None:
    """Least, greatest, first and last of ints are ints, with gaps too, also beyond what floats hold."""
    with ML_Logger(tmp_path, silent=True) as logger:
        for step in range(4):
            logger.log(step % 2, n=2**60 + step)
        logger.log(5, other=1)
        least, first, step = logger.read_metrics("n@min", "n@first", x_key="_step", dropna=True)

    assert lists([least, first, step]) == [[2**60, 2**60 + 1], [2**60, 2**60 + 1], [0, 1]]
    assert all(type(value) is int for value in least.tolist())


def test_a_sum_of_large_integers_does_not_wrap_around(logger: ML_Logger) -> None:
    """Beyond 64 bits a sum of integers is a float, and of the right sign; small ones stay integers."""
    for _ in range(3):
        logger.log(0, large=2**62, small=2, flush=True)

    assert logger.read_metrics("large@sum", x_key="_step")[0].tolist() == [3 * 2.0**62]
    assert logger.read_metrics("small@sum", x_key="_step")[0].tolist() == [6]
