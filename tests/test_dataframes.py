"""Columns as tables of pandas, Polars and Arrow: every value is there, in its type, and what is missing is missing."""

from __future__ import annotations

import importlib.util
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ml_logger import dataframes, readers
from ml_logger.columns.table import Builder, Columns
from ml_logger.errors import InvalidSetting, NotAvailable
from ml_logger.stores.memory import MemoryStore
from tests import programs
from tests.row_files import VALUES, file_of, identical, rows_of, rows_of_all, runs

KINDS = [name for name, library in dataframes._LIBRARIES.items() if importlib.util.find_spec(library)]
MISSING: Any = object()


def tables_of(*files: list[dict[str, Any]]) -> list[tuple[str, Columns]]:
    """Write the rows of each run to a file, and read it back as columns."""
    store = MemoryStore()
    for number, rows in enumerate(files):
        store.append(f"run-{number}/metrics.pkl", file_of(rows))
    return [(key.partition("/")[0], table) for key, table in readers.read_tables(store, "**")]


def frame_of(as_: str, *files: list[dict[str, Any]], keys: list[str] | None = None, x: str | None = None) -> Any:
    """Make a frame of the rows of runs."""
    return dataframes.make(dataframes.join(tables_of(*files), keys, x), as_)


def cells(frame: Any, name: str) -> list[Any]:
    """Return the values of a column, with `MISSING` for those that its library says are missing."""
    column = frame[name]
    if hasattr(column, "to_pylist"):
        return [MISSING if value is None else value for value in column.to_pylist()]
    if hasattr(column, "isna"):
        return [MISSING if no else value for value, no in zip(column.tolist(), column.isna().tolist(), strict=True)]
    return [MISSING if value is None else value for value in column.to_list()]


def settled(values: list[Any], as_: str) -> list[Any]:
    """Return what a table is to hold of values that were logged, by the rule of its docstring."""
    there = [value for value in values if value is not None and value is not MISSING]
    kinds = set(map(type, there))
    if kinds == {int, float} and all(abs(value) <= 2**53 for value in there if type(value) is int):
        values = [float(value) if type(value) is int else value for value in values]
    if as_ == "pandas" and kinds == {float} and len(there) < len(values) and not any(map(math.isnan, there)):
        return [MISSING if value is None else value for value in values]
    return [MISSING if value is None else value for value in values]


def agree(found: list[Any], wanted: list[Any], as_: str) -> bool:
    """Compare what a table holds with what was logged: types, values, and the bits of floats."""
    for one, other in zip(found, wanted, strict=True):
        if one is MISSING or other is MISSING:
            # A plain float column of pandas has NaN for what is missing, and says of each NaN that it is missing.
            plain_nan = as_ == "pandas" and isinstance(other, float) and math.isnan(other)
            if one is not other and not plain_nan:
                return False
        elif as_ == "arrow" and not identical(one, other):
            if one != (other if isinstance(other, str) else repr(other)).encode("utf-8", "backslashreplace").decode():
                return False
        elif as_ != "arrow" and not identical(one, other):
            return False
    return True


@pytest.mark.parametrize("as_", KINDS)
@given(runs, runs)
@settings(max_examples=60, deadline=None)
def test_a_frame_holds_what_a_loop_reads(as_: str, one: list[Any], other: list[Any]) -> None:
    """Over any rows of two runs, the frame has the values that unpickling gives, row by row, and nothing else."""
    files = [rows_of_all(one), rows_of_all(other)]
    rows = [row for file in files for row in file]
    frame = frame_of(as_, *files)

    names = list(dict.fromkeys(name for row in rows for name in row))
    assert sorted(map(str, frame.columns if as_ != "arrow" else frame.column_names)) == sorted(["run", *names])
    assert len(frame) == len(rows)
    assert cells(frame, "run") == ["run-0"] * len(files[0]) + ["run-1"] * len(files[1])
    for name in names:
        logged = settled([row.get(name, MISSING) for row in rows], as_)
        assert agree(cells(frame, name), logged, as_), name


@pytest.mark.parametrize("as_", KINDS)
@pytest.mark.parametrize("kind", VALUES)
def test_every_kind_of_value(as_: str, kind: str) -> None:
    """Whatever a program logs is in the frame, with rows that have it and rows that have not."""
    rows = rows_of(([{"x": kind}, {"x": kind, "y": "step"}, {"y": "step"}], 60, 5))
    frame = frame_of(as_, rows)

    assert agree(cells(frame, "x"), settled([row.get("x", MISSING) for row in rows], as_), as_)
    assert cells(frame, "y") == [row.get("y", MISSING) for row in rows]


def test_types_of_pandas() -> None:
    """Without gaps types are the plain ones, with gaps those that have room for them."""
    whole = {"i": 1, "f": 0.5, "b": True, "s": "a", "m": 1, "big": 2**70, "list": [1.0], "huge": 2**60}
    second = {**whole, "m": 0.5, "huge": 0.5}
    full, gaps = frame_of("pandas", [whole, second]), frame_of("pandas", [whole, second, {}])

    assert {name: str(full[name].dtype) for name in "ifbm"} == {
        "i": "int64",
        "f": "float64",
        "b": "bool",
        "m": "float64",
    }
    assert {name: str(gaps[name].dtype) for name in "ifbm"} == {
        "i": "Int64",
        "f": "float64",
        "b": "boolean",
        "m": "float64",
    }
    assert [str(gaps[name].dtype) for name in ("big", "list", "huge")] == ["object"] * 3
    assert full["huge"].tolist() == [2**60, 0.5]
    assert type(full["huge"].tolist()[0]) is int
    assert full["s"].tolist() == ["a", "a"]


@pytest.mark.parametrize("as_", KINDS)
def test_nan_is_not_missing(as_: str) -> None:
    """Where NaN was logged and other rows have nothing, a float column tells them apart; None is nothing."""
    frame = frame_of(as_, [{"loss": 1.0}, {"loss": math.nan}, {}, {"loss": None}])
    found = cells(frame, "loss")

    assert found[0] == 1.0
    assert math.isnan(found[1])
    assert found[2:] == [MISSING, MISSING]
    if as_ == "pandas":
        assert str(frame["loss"].dtype) == "Float64"
        assert str(frame_of(as_, [{"loss": math.nan}])["loss"].dtype) == "float64"
        assert str(frame_of(as_, [{"loss": 1.0}, {}])["loss"].dtype) == "float64"


@pytest.mark.parametrize("as_", KINDS)
def test_columns_that_are_asked_for(as_: str) -> None:
    """The columns are there in their order, without any value too, and without any row."""
    frame = frame_of(as_, [{"b": 1, "a": 2}], [{"a": 3}], keys=["a", "nothing", "b"], x="_step")
    empty = frame_of(as_, keys=["a"], x="_step")
    names = list(frame.columns) if as_ != "arrow" else frame.column_names

    assert names == ["run", "_step", "a", "nothing", "b"]
    assert cells(frame, "a") == [2, 3]
    assert cells(frame, "nothing") == cells(frame, "_step") == [MISSING, MISSING]
    assert len(empty) == 0
    assert list(empty.columns if as_ != "arrow" else empty.column_names) == ["run", "_step", "a"]


@pytest.mark.parametrize("as_", KINDS)
def test_rows_are_sorted_by_run_and_x(as_: str) -> None:
    """Runs come by name, rows by x, equal ones as they were logged, and rows without a number last."""
    one = [{"x": 2, "n": 0}, {"x": 1, "n": 1}, {"n": 2}, {"x": 2, "n": 3}, {"x": "a", "n": 4}, {"x": 0.5, "n": 5}]
    frame = frame_of(as_, one, [{"x": 2 - step, "n": step} for step in range(3)], x="x")
    far = frame_of(as_, [{"x": 2**62 + 1}, {"x": 2**62}, {}], [{"x": 2**62}, {"x": 2**62 - 1}], x="x")

    assert cells(frame, "n") == [5, 1, 0, 3, 2, 4, 2, 1, 0]
    assert cells(frame, "run") == ["run-0"] * 6 + ["run-1"] * 3
    assert cells(far, "x") == [2**62, 2**62 + 1, MISSING, 2**62 - 1, 2**62]


@pytest.mark.parametrize("as_", KINDS)
def test_a_metric_that_is_called_run(as_: str) -> None:
    """A metric with the name of our column has a column of its own, asked for or not, and sorted by or not."""
    rows = [{"run": 2, "metrics/run": 5}, {"run": 1}]

    assert cells(frame_of(as_, rows), "metrics/metrics/run") == [2, 1]
    assert cells(frame_of(as_, rows), "metrics/run") == [5, MISSING]
    frame = frame_of(as_, rows, keys=["run"], x="run")
    assert cells(frame, "run") == ["run-0", "run-0"]
    assert cells(frame, "metrics/run") == [1, 2]


def test_a_frame_can_be_written_to() -> None:
    """A pandas frame is the caller's own: writing to it changes nothing else."""
    tables = tables_of([{"a": 1.0, "b": 1}, {"a": 2.0, "b": 2}])
    frame = dataframes.make(tables[0][1])
    frame.loc[0, "a"] = 7.0
    frame.loc[1, "b"] = 8

    assert frame["a"].tolist() == [7.0, 2.0]
    assert frame["b"].tolist() == [1, 8]
    assert tables[0][1]["a"].to_list() == [1.0, 2.0]
    assert tables[0][1]["b"].to_list() == [1, 2]


@given(runs)
@settings(max_examples=60, deadline=None)
def test_some_rows_of_a_table(drawn: list[Any]) -> None:
    """Taking rows of a table in any order gives those rows, whatever their columns hold."""
    rows = rows_of_all(drawn)
    [(_, table)] = tables_of(rows)
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    for chosen in (order, order[: len(rows) // 2], np.arange(len(rows))):
        assert identical(list(dataframes.take(table, chosen).iter_rows()), [rows[n] for n in chosen])


def test_times_are_in_utc() -> None:
    """Seconds since the epoch become moments in UTC, to the microsecond, and a gap stays one."""
    table = dataframes.join(tables_of([{"t": 1.7e9 + 0.000123}, {}]))
    for as_ in KINDS:
        frame = dataframes.make(table, as_, times=["t"])
        moment, gap = cells(frame, "t")
        assert gap is MISSING
        assert str(moment).startswith("2023-11-14 22:13:20.000123")
        assert moment.utcoffset().total_seconds() == 0


def test_unknown_kinds_are_said() -> None:
    """Another kind of table is told, with those that there are."""
    for as_ in ("numpy", "", None, "Pandas"):
        with pytest.raises(InvalidSetting, match="pass 'pandas', 'polars' or 'arrow'"):
            dataframes.library(as_)  # type: ignore[arg-type]


def test_without_the_libraries() -> None:
    """What is not installed is said before anything is read, with what to install."""
    code = """
        import sys
        sys.modules.update(pandas=None, polars=None, pyarrow=None)
        from ml_logger import ML_Logger
        logger = ML_Logger(root="http://127.0.0.1:9", prefix="x")
        for call in (logger.frame, lambda: logger.frame(as_="polars"), lambda: logger.runs(as_="arrow"),
                     lambda: logger.read_metrics("a"), logger.get_exps):
            try:
                call()
            except ImportError as error:
                print(type(error).__name__, error)
    """
    lines = programs.run(code).stdout.splitlines()
    wanted = [("pandas", "pandas"), ("polars", "polars"), ("arrow", "pyarrow"), ("pandas", "pandas")]

    assert lines == [
        f"NotAvailable tables as_='{as_}' need {name}, which is not installed: pip install {name}"
        for as_, name in [*wanted, wanted[0]]
    ]
    assert issubclass(NotAvailable, ImportError)


def test_bits_of_floats_are_kept() -> None:
    """A float is the same to the bit, also one of the many NaN."""
    odd = struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0]
    for as_ in KINDS:
        [found] = [value for value in frame_of(as_, [{"a": odd}])["a"].to_numpy()]
        assert struct.pack(">d", found).hex() == "fff8000000000123"


@pytest.mark.parametrize("as_", KINDS)
def test_a_name_that_is_no_text(as_: str) -> None:
    """A lone surrogate in the name of a metric is an escape in a table, beside a name that looks the same."""
    builder = Builder()
    builder.add_row(0, {"x\ud83d": 1.0, "x\\ud83d": 2.0})
    builder.rows = 1
    made = dataframes.make(builder.build(), as_)
    names = made.column_names if as_ == "arrow" else list(made.columns)

    assert names == ["x\\ud83d_", "x\\ud83d"]
