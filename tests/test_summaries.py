"""Summaries: many values of a name in one row, with the statistics that numpy has for them."""

from __future__ import annotations

import itertools
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from ml_logger import ML_Logger, errors, green
from ml_logger.summaries import SummaryCache, statistics
from tests import programs


def rows(logger: ML_Logger, file: str = "metrics.pkl") -> list[dict[str, Any]]:
    """Read the rows back, without their time stamps."""
    found = logger.load_pkl(file) or []
    assert all(isinstance(row.pop("_timestamp"), float) for row in found)
    return found


def test_a_summary_is_one_row_about_many_values(logger: ML_Logger) -> None:
    """What was stored in any of the forms is summarized by name, as the mean, at once."""
    for step in range(4):
        logger.store_metrics({"loss": step}, acc=step / 4)
        logger.store(loss=green(np.float32(step)))
        logger.store_key_value("reward", [step, None, [step]])
    logger.log_metrics_summary(key_values={"epoch": 3})
    assert not logger.summary_cache

    assert rows(logger) == [{"_step": None, "loss/mean": 1.5, "acc/mean": 0.375, "reward/mean": 1.5, "epoch": 3}]


def test_statistics_are_chosen_by_name(logger: ML_Logger) -> None:
    """Each name has its statistics, by keyword or in a mapping; the others have the default."""
    for value in (1, 2, 3, 6):
        logger.store_metrics(a=value, b=value, c=value, d=value, e=value)
    logger.log_metrics_summary(
        key_stats={"b": "std_dev"}, default_stats="min_max", c="quantile", d="histogram(bins=2)", e="mean", step=7
    )

    assert rows(logger) == [
        {
            "_step": 7,
            "step": 7,
            "a/min": 1.0,
            "a/max": 6.0,
            "a/mean": 3.0,
            "b/stddev": pytest.approx(np.std([1, 2, 3, 6])),
            "b/mean": 3.0,
            "c/0": 1.0,
            "c/25": 1.75,
            "c/50": 2.5,
            "c/75": 3.75,
            "c/100": 6.0,
            "d/hist": [3, 1],
            "d/divs": [1.0, 3.5, 6.0],
            "e/mean": 3.0,
        }
    ]


def test_a_tiled_cache_begins_anew(logger: ML_Logger) -> None:
    """By default a summary is about what was stored since the last one, and without any there is no row."""
    logger.store(x=1)
    logger.log_metrics_summary()
    logger.store(x=3)
    logger.log_metrics_summary()
    logger.log_metrics_summary()

    assert [row["x/mean"] for row in rows(logger)] == [1.0, 3.0]


def test_a_rolling_cache_keeps_a_window(logger: ML_Logger) -> None:
    """A rolling cache summarizes the last values of each name, again and again; what was stored before is kept."""
    logger.store(x=1)
    logger.configure(summary_cache_opts={"mode": "rolling", "window": 2, "default_stats": "min_max"})
    for value in (2, 3, 4):
        logger.store(x=value)
        logger.log_metrics_summary()

    assert [(row["x/min"], row["x/max"]) for row in rows(logger)] == [(1, 2), (2, 3), (3, 4)]
    logger.summary_cache.clear()
    logger.log_metrics_summary()
    assert len(rows(logger)) == 3


def test_caches_are_kept_apart_by_name_and_prefix(logger: ML_Logger) -> None:
    """Named caches, and those of different prefixes, do not mix; names of metrics are those of the block."""
    logger.store(x=1)
    logger.store(x=2, cache="test")
    with logger.Prefix("below", metrics="eval"):
        logger.store(x=3)
        logger.store(x=5)
        logger.log_metrics_summary(x="min_max", key_values={"n": 2})
    with logger.Prefix(metrics="eval"):
        logger.store(x=7)
    logger.log_metrics_summary()
    logger.log_metrics_summary(cache="test")

    assert rows(logger, "below/metrics.pkl") == [
        {"_step": None, "eval/x/min": 3.0, "eval/x/max": 5.0, "eval/x/mean": 4.0, "eval/n": 2}
    ]
    assert rows(logger) == [
        {"_step": None, "x/mean": 1.0, "eval/x/mean": 7.0},
        {"_step": None, "x/mean": 2.0},
    ]


def test_flush_false_leaves_the_row_pending(logger: ML_Logger) -> None:
    """A summary may join the row of a step."""
    logger.store(x=1)
    logger.log(3, loss=0.5)
    logger.log_metrics_summary(flush=False)
    logger.log(lr=0.1)

    assert rows(logger) == [{"_step": 3, "loss": 0.5, "x/mean": 1.0, "lr": 0.1}]


def test_peeking_shows_and_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Peeking prints and returns the first values, forgets nothing, and logs the table where it is asked to."""
    logger = ML_Logger(tmp_path)
    for value in range(8):
        logger.store(x=value, y=-value)
    assert logger.peek_stored_metrics("x", len=3) == {"x": [0, 1, 2]}
    printed = capsys.readouterr().out
    assert "[0, 1, 2]" in printed
    assert logger.load_pkl("metrics.pkl") is None
    assert logger.glob("*") == []
    assert logger.peek_stored_metrics(print_only=False) == {"x": [0, 1, 2, 3, 4], "y": [0, -1, -2, -3, -4]}
    assert logger.load_text("outputs.log") == capsys.readouterr().out
    assert logger.peek_stored_metrics("unknown") == {}
    assert len(logger.summary_cache.data["x"]) == 8


@pytest.mark.parametrize("stats", ["median", "histogram(bins=0)", "histogram()", "", "mean ", None, 3])
def test_unknown_statistics_are_refused(stats: Any) -> None:
    """Statistics that there are not are an error that lists those that there are, and nothing is forgotten."""
    cache = SummaryCache()
    cache.store(x=1)
    if stats == "mean ":
        assert cache.summarize({"x": stats}) == {"x/mean": 1.0}
        return
    with pytest.raises(errors.InvalidSetting, match="min_max"):
        cache.summarize({"x": stats})
    assert cache.data["x"]


def test_what_cannot_be_summarized_is_refused(logger: ML_Logger) -> None:
    """Text has no mean: the call that stores it raises, and nothing of it is taken."""
    with pytest.raises(errors.UnsupportedValue, match="'name'"):
        logger.store_metrics(loss=1, name="text")
    with pytest.raises(errors.UnsupportedValue, match="'deep'"):
        logger.store_metrics(deep=[1, ["x"]])
    with pytest.raises(errors.UnsupportedValue, match="mapping"):
        logger.store_metrics([1, 2])  # type: ignore[arg-type]
    assert not logger.summary_cache
    with pytest.raises(errors.InvalidSetting, match="mode"):
        logger.configure(summary_cache_opts={"mode": "sliding"})
    with pytest.raises(errors.InvalidSetting, match="window"):
        logger.configure(summary_cache_opts={"window": 3})
    with pytest.raises(TypeError, match="widnow"):
        logger.configure(summary_cache_opts={"widnow": 3})


def test_threads_store_without_loss(logger: ML_Logger) -> None:
    """Threads that store while another one summarizes lose no value, and none counts twice."""
    ready = threading.Barrier(3)

    def work() -> None:
        ready.wait(programs.PATIENCE)
        for _ in range(2000):
            logger.store(x=1)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait(programs.PATIENCE)
    counts = 0
    while any(thread.is_alive() for thread in threads) or logger.summary_cache:
        logger.log_metrics_summary(x="histogram(bins=1)", silent=True)
    for row in rows(logger):
        counts += sum(row["x/hist"])

    assert counts == 4000


def test_large_arrays_can_be_stored(logger: ML_Logger) -> None:
    """All elements of an array of any size count; its NaN do not."""
    values = np.arange(10_000.0).reshape(100, 100)
    values[0, 0] = np.nan
    logger.store(x=values)
    logger.log_metrics_summary(x="min_max")

    assert rows(logger) == [{"_step": None, "x/min": 1.0, "x/max": 9999.0, "x/mean": pytest.approx(np.nanmean(values))}]


numbers = some.lists(some.floats(width=64) | some.none() | some.integers(-(10**6), 10**6), max_size=40)


@given(numbers, some.sampled_from(["mean", "min_max", "std_dev", "quantile"]))
def test_statistics_are_those_of_numpy(values: list[float | None], stats: str) -> None:
    """Every statistic is what numpy has for the values that are no NaN; of none it is NaN, of no values nothing."""
    array = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    kept = array[~np.isnan(array)]
    told = statistics("x", values, stats)
    with np.errstate(all="ignore"):
        expected = {} if not array.size else _expected(kept if kept.size else array, stats)

    assert told.keys() == {f"x/{name}" for name in expected}
    for name, value in expected.items():
        np.testing.assert_allclose(told[f"x/{name}"], value, rtol=1e-12)
    assert all(type(value) is float for value in told.values())


def _expected(kept: Any, stats: str) -> dict[str, Any]:
    if stats == "quantile":
        return {str(q): np.percentile(kept, q) for q in (0, 25, 50, 75, 100)}
    found: dict[str, Any] = {"mean": np.mean(kept)}
    if stats == "min_max":
        found |= {"min": np.min(kept), "max": np.max(kept)}
    if stats == "std_dev":
        found |= {"stddev": np.std(kept)}
    return found


@given(some.lists(some.floats(-1e9, 1e9), min_size=1, max_size=60), some.integers(1, 30))
def test_histograms_are_those_of_numpy(values: list[float], bins: int) -> None:
    """Counts and edges are what numpy has, where the values differ enough for so many bins; none is left out."""
    told = statistics("x", [*values, math.nan, math.inf], f"histogram(bins={bins})")
    edges = told["x/divs"]

    assert sum(told["x/hist"]) == len(values)
    assert len(edges) == len(told["x/hist"]) + 1
    assert all(low < high for low, high in itertools.pairwise(edges)) or len(set(values)) == 1
    if min(values) + 1e-3 < max(values):
        counts, divs = np.histogram(values, bins=bins)
        np.testing.assert_allclose(edges, divs, rtol=1e-9, atol=1e-9)
        assert counts.sum() == sum(told["x/hist"])
        assert np.array_equal(np.histogram(values, bins=np.array(edges))[0], told["x/hist"])


@given(some.lists(some.floats(), max_size=30), some.sampled_from(["mean", "std_dev", "quantile", "histogram(3)"]))
def test_any_floats_have_a_summary(values: list[float], stats: str) -> None:
    """Infinities, the largest and the smallest floats, and NaN alone: nothing raises, nothing warns."""
    cache = SummaryCache()
    for value in values:
        cache.store(x=value)

    assert bool(cache.summarize(default_stats=stats)) == bool(values)


def test_a_single_value_has_every_statistic() -> None:
    """One value is its own mean and quantiles, has no spread, and one filled bin."""
    assert statistics("x", [2], "std_dev") == {"x/stddev": 0.0, "x/mean": 2.0}
    assert set(statistics("x", [2], "quantile").values()) == {2.0}
    assert sum(statistics("x", [2], "histogram")["x/hist"]) == 1
    assert statistics("x", [math.nan], "histogram") == {"x/hist": [], "x/divs": []}
    assert statistics("x", [], "histogram") == {}
