"""pandas objects through records: what comes back equals what was stored, and no class of pandas is in the bytes."""

from __future__ import annotations

import subprocess
import sys
import zoneinfo
from datetime import date, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.encoders import record_reader, records
from ml_logger.encoders.pandas_data import TAG, neutral, revive
from ml_logger.errors import CorruptData, UnsupportedValue

TIMES = pd.date_range("2020-01-01", periods=3, freq="D")
COLUMNS: dict[str, Any] = {
    "float": np.array([1.5, np.nan, np.inf]),
    "float32": np.array([1, 2, 3], "f4"),
    "uint8": np.array([1, 2, 3], "u1"),
    "complex": np.array([1j, 2, 3]),
    "bool": np.array([True, False, True]),
    "text": pd.array(["a", None, "é"], dtype="str"),
    "nullable text": pd.array(["a", None, "é"], dtype=pd.StringDtype("python")),
    "objects": pd.Series(["a", 1, None], dtype=object),
    "more objects": pd.Series([b"x", [1, (2,)], {"a": np.arange(2)}], dtype=object),
    "rich objects": pd.Series([pd.NA, pd.Timestamp("2020-01-01", tz="UTC"), Decimal("1.5")], dtype=object),
    "dates": pd.Series([date(2020, 1, 2), pd.NaT, pd.Timedelta(5, "s")], dtype=object),
    "text objects": pd.Series(["a", "b", "c"], dtype=object),
    "datetime ns": TIMES.as_unit("ns"),
    "datetime s": pd.DatetimeIndex(["2020-01-01", None, "1900-01-01"]).as_unit("s"),
    "zoned": TIMES.tz_localize("Europe/Berlin"),
    # A zone comes back as what this pandas makes of its name: before pandas 3 a zone of pytz.
    "zone by name": TIMES.tz_localize("America/New_York").as_unit("ms"),
    "offset": TIMES.tz_localize(timezone(timedelta(hours=2))),
    "utc": TIMES.tz_localize("UTC"),
    "timedelta": pd.to_timedelta([1, None, 3], unit="s"),
    "categories": pd.Categorical(["b", None, "a"], categories=["b", "a", "c"], ordered=True),
    "numbered categories": pd.Categorical([3, 1, 3]),
    "dated categories": pd.Categorical(TIMES),
    "Int64": pd.array([1, None, 3], dtype="Int64"),
    "UInt8": pd.array([1, None, 3], dtype="UInt8"),
    "Float32": pd.array([1.5, None, 3], dtype="Float32"),
    "boolean": pd.array([True, None, False], dtype="boolean"),
}
INDEXES: list[Any] = [
    pd.RangeIndex(0, 9, 3, name="i"),
    pd.Index([3, 1, 1], name=("a", 1)),
    pd.Index(["a", "b", "b"]),
    pd.Index(["a", 1, None], dtype=object),
    TIMES,
    TIMES.tz_localize("Asia/Tokyo"),
    pd.timedelta_range("1h", periods=3, freq="2h"),
    pd.CategoricalIndex(["x", "y", "x"]),
    pd.Index(pd.array([1, None, 3], dtype="Int64")),
    pd.MultiIndex.from_arrays([["a", "a", "b"], TIMES, [1, 1, 2]], names=["x", None, 3]),
    pd.MultiIndex.from_product([["a"], [1.5, 2.5, np.nan]]),
]


def round_trip(value: Any) -> Any:
    """Store and read a value as the logger does: as data only."""
    data = records.encode(neutral(value))
    assert b"pandas." not in data
    return revive(next(record_reader.decode([data])))


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_come_back(name: str) -> None:
    """Each kind of column is the same after a round trip, in a frame, in a series, and as an index."""
    frame = pd.DataFrame({name: COLUMNS[name], "other": [1, 2, 3]})
    pd.testing.assert_frame_equal(round_trip(frame), frame, check_freq=True)
    pd.testing.assert_frame_equal(round_trip(frame[:0]), frame[:0])
    series = pd.Series(COLUMNS[name], name=name, index=list("abc"))
    pd.testing.assert_series_equal(round_trip(series), series)
    if name != "more objects":
        index = pd.Index(frame[name])
        pd.testing.assert_index_equal(round_trip(index), index, exact=True)


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: f"{type(index).__name__}-{index.dtype}")
def test_indexes_come_back(index: Any) -> None:
    """Rows and columns keep their labels, names and frequency, labels that occur twice too."""
    pd.testing.assert_index_equal(round_trip(index), index, exact=True)
    rows = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}, index=index)
    pd.testing.assert_frame_equal(round_trip(rows), rows, check_freq=True)
    columns = pd.DataFrame([[1, 2.5, "x"], [3, 4.5, "y"]], columns=index)
    pd.testing.assert_frame_equal(round_trip(columns), columns)


def test_columns_of_one_name_stay_apart() -> None:
    """Columns with the same name keep their order and content."""
    frame = pd.DataFrame([[1, "a", 2.5]], columns=["x", "x", "x"])
    pd.testing.assert_frame_equal(round_trip(frame), frame)


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame(), pd.DataFrame(index=[1, 2]), pd.DataFrame(columns=["a", "b"]), pd.DataFrame({"a": []}, dtype="i4")],
    ids=["nothing", "rows only", "columns only", "no rows"],
)
def test_empty_frames_come_back(frame: pd.DataFrame) -> None:
    """A frame without rows, without columns, or without both keeps what it has."""
    pd.testing.assert_frame_equal(round_trip(frame), frame)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=5), st.booleans()), max_size=5)
)
def test_any_rows_come_back(rows: list[Any]) -> None:
    """Frames of numbers, texts and flags are the same after a round trip."""
    frame = pd.DataFrame(rows, columns=["i", "f", "t", "b"])
    pd.testing.assert_frame_equal(round_trip(frame), frame, check_exact=True)


def test_objects_are_found_inside_containers() -> None:
    """Frames inside dicts, lists and tuples come back where they were, and attributes with them."""
    frame = pd.DataFrame({"a": [1, 2]})
    frame.attrs = {"unit": "m"}
    again = round_trip({"x": [1, (frame, frame["a"])], "na": pd.NA, "nat": pd.NaT, "t": TIMES[0], "d": pd.Timedelta(3)})
    pd.testing.assert_frame_equal(again["x"][1][0], frame)
    assert again["x"][1][0].attrs == {"unit": "m"} and again["x"][1][1].tolist() == [1, 2]
    assert again["na"] is pd.NA and again["nat"] is pd.NaT and again["t"] == TIMES[0] and again["d"] == pd.Timedelta(3)


def test_everything_else_is_left_alone() -> None:
    """A value without pandas objects is returned as it is, not as a copy, also if it holds itself."""
    ring: list[Any] = [1, {"a": np.arange(2)}]
    ring.append(ring)
    for value in (1, "a", None, {"a": [1, (2,)]}, np.arange(3), object(), ring, {TAG: "something else"}):
        assert neutral(value) is value
        assert revive(value) is value


def test_the_stored_value_is_not_changed() -> None:
    """The containers that were passed still hold the frame, and the stored arrays are copies."""
    frame = pd.DataFrame({"a": [1, 2]})
    holder = {"frame": frame}
    form = neutral(holder)
    form["frame"]["data"][0]["values"][0] = 7
    assert holder["frame"] is frame and frame["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1], "p": pd.period_range("2020", periods=1, freq="D")}), r"column 'p' is of dtype period"),
        (pd.DataFrame({"i": pd.arrays.IntervalArray.from_breaks([0, 1])}), r"column 'i' is of dtype interval"),
        (pd.DataFrame({"s": pd.arrays.SparseArray([1])}), r"column 's' is of dtype Sparse"),
        (pd.DataFrame({"o": [len]}), r"column 'o' is of dtype object, holding"),
        (pd.DataFrame({"o": [zoneinfo.ZoneInfo("UTC")]}), r"column 'o' is of dtype object, holding a zoneinfo"),
        (pd.DataFrame({"o": [object()]}), r"column 'o' is of dtype object, holding a builtins.object"),
        (pd.Series([1, pd.Period("2020")], name="o"), r"series 'o' of dtype object.*Period"),
        (pd.Series(pd.interval_range(0, 1), name="s"), r"series 's' is of dtype interval"),
        (pd.DataFrame({"a": [1]}, index=pd.period_range("2020", periods=1, freq="D")), r"the index is of dtype period"),
        ({"x": pd.Interval(0, 1)}, r"Interval has no plain form"),
    ],
)
def test_what_has_no_plain_form_is_named(frame: Any, message: str) -> None:
    """A column that cannot be stored raises UnsupportedValue with its name and dtype."""
    with pytest.raises(UnsupportedValue, match=message):
        neutral(frame)


def test_senseless_forms_are_corrupt() -> None:
    """A tagged dict that does not describe a frame raises CorruptData."""
    form = neutral(pd.DataFrame({"a": [1, 2]}))
    bad = [{TAG: "DataFrame"}, {**form, "data": []}, {**form, "index": 5}, {**form, "columns": {"kind": "range"}}]
    for value in [*bad, {TAG: "Series", "values": {"kind": "?"}, "index": form["index"], "name": None, "attrs": {}}]:
        with pytest.raises(CorruptData):
            revive([value])


def test_pandas_is_neither_imported_nor_needed() -> None:
    """Storing imports no pandas, and where there is none the tagged dicts are left as they are."""
    code = (
        "import sys; from ml_logger.encoders.pandas_data import neutral, revive; "
        "value = {'a': [1]}; assert neutral(value) is value and revive(value) is value; "
        "assert 'pandas' not in sys.modules; sys.modules['pandas'] = None; "
        "form = {'__pandas__': 'NA'}; assert revive(form) is form and neutral(form) is form"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_depth_is_data_or_an_error() -> None:
    """Deep data without pandas objects comes back as it is; tagged dicts that lie too deep are CorruptData."""
    for inner in ([], {TAG: "NA"}):
        deep: Any = inner
        for _ in range(100_000):
            deep = [deep]
        if not inner:
            assert revive(deep) is deep
        else:
            with pytest.raises(CorruptData, match="nested too deeply"):
                revive(deep)
