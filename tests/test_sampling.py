"""Few rows that look like many: the extremes stay, the rest may go, and the table says so."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.columns import sampling
from ml_logger.columns.decoder import Decoder
from ml_logger.columns.table import Columns
from ml_logger.errors import InvalidSetting
from ml_logger.readers import read_columns, read_tables
from ml_logger.stores import open_store
from ml_logger.stores.base import Store
from ml_logger.testing import Server
from tests import programs
from tests.row_files import file_of, identical, rows_of

needs_the_library = pytest.mark.skipif(not sampling.is_available(), reason="tsdownsample is not installed")

ROWS: list[dict[str, Any]] = [
    {"_step": n, "loss": math.sin(n / 50) + (9.0 if n == 3333 else 0.0), "count": n % 77, "word": f"w{n % 3}"}
    if n % 2
    else {"_step": n, "accuracy": n / 7}
    for n in range(10_000)
]


def table_of(rows: list[Any]) -> Columns:
    """Return rows as a table."""
    decoder = Decoder()
    decoder.feed(file_of(rows))
    return decoder.finish()


@needs_the_library
def test_extremes_stay_and_rows_stay_whole() -> None:
    """The lowest and highest value of every curve are there, and each row that is there is one of the file's."""
    sampled = sampling.sample(table_of(ROWS), "_step", 100)
    found = list(sampled.iter_rows())
    steps = [row["_step"] for row in found]

    assert (sampled.sampled, sampled.sampled_from, sampled.rows) == (True, 10_000, len(found))
    assert 100 < len(found) <= 300
    assert steps == sorted(set(steps))
    assert identical(found, [ROWS[step] for step in steps])
    assert {0, 1, 3333, 9998, 9999} <= set(steps)
    for name in ("loss", "count", "accuracy"):
        values = [row[name] for row in ROWS if name in row]
        kept = [row[name] for row in found if name in row]
        assert (min(kept), max(kept)) == (min(values), max(values))
    assert repr(sampled).startswith(f"Columns({len(found)} of 10000 rows, ")


@needs_the_library
@settings(deadline=None)
@given(
    st.integers(4, 60),
    st.lists(st.floats(width=32) | st.integers(-(2**70), 2**70) | st.none() | st.text(max_size=2), max_size=400),
    st.lists(st.none() | st.floats() | st.integers(-5, 5), max_size=400),
)
def test_any_curve_can_be_sampled(points: int, values: list[Any], xs: list[Any]) -> None:
    """Whatever the values and the x are, also none at all: extremes are kept, and not more than was asked for."""
    size = min(len(values), len(xs))
    rows = [{"x": x, "y": y} for x, y in zip(xs, values, strict=False)]
    sampled = sampling.sample(table_of(rows), "x", points)
    if size <= points:
        assert not sampled.sampled and sampled.rows == size
        return
    assert sampled.sampled_from == size and sampled.rows <= points
    numbers = [float(row["y"]) for row in rows if _is_number(row["x"]) and _is_number(row["y"])]
    kept = sampled["y"].to_floats()
    if numbers:
        assert np.nanmin(kept) == min(numbers) and np.nanmax(kept) == max(numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not math.isnan(value)


@needs_the_library
def test_few_rows_are_all_there(store: Store) -> None:
    """A file with no more rows than points is read as always, and not sampled."""
    store.append("a.pkl", file_of(ROWS[:50]))
    store.flush(60)
    table = read_columns(store, "a.pkl", points=50)
    assert not table.sampled and table.sampled_from is None
    assert identical(list(table.iter_rows()), ROWS[:50])


@needs_the_library
def test_local_and_remote_sample_alike(server: Server) -> None:
    """A server chooses the same rows, and sends no others; x comes also where it was not asked for."""
    (server.data_dir / "a.pkl").write_bytes(file_of(ROWS))
    (server.data_dir / "few.pkl").write_bytes(file_of(ROWS[:9]))
    (server.data_dir / "numpy.pkl").write_bytes(file_of([{"_step": n, "loss": np.float32(n)} for n in range(500)]))
    remote, local = open_store(server.url, None, {}), open_store(str(server.data_dir), None, {})
    for keys, x in ((["loss"], "_step"), (None, "_step"), (["accuracy", "word"], "nothing"), (["word"], "word")):
        tables = [dict(read_tables(each, "*.pkl", keys, points=40, x=x)) for each in (remote, local)]
        assert [*tables[0]] == [*tables[1]] == ["a.pkl", "few.pkl", "numpy.pkl"]
        for key in tables[0]:
            one, other = (each[key] for each in tables)
            assert (list(one), one.sampled_from) == (list(other), other.sampled_from)
            assert identical(list(one.iter_rows()), list(other.iter_rows()))
        assert tables[0]["a.pkl"].sampled and not tables[0]["few.pkl"].sampled
    table = read_columns(remote, "a.pkl", ["loss"], points=40)
    assert list(table) == ["_step", "loss"]
    pieces = remote.tables({"key": "a.pkl", "columns": ["_step", "loss"], "x": "_step", "points": 40})
    assert pieces is not None and sum(map(len, pieces)) < 2000
    remote.close()


@needs_the_library
def test_a_server_without_the_library_sends_all_rows(tmp_path: Path) -> None:
    """Then the client chooses, and the result is the same."""
    plain = programs.server_after("import sys; sys.modules['tsdownsample'] = None", tmp_path / "data")
    plain.start()
    (plain.data_dir / "a.pkl").write_bytes(file_of(ROWS))
    remote, local = open_store(plain.url, None, {}), open_store(str(plain.data_dir), None, {})
    one, other = (read_columns(store, "a.pkl", ["loss"], points=40) for store in (remote, local))
    remote.close()
    plain.stop()
    assert one.sampled and identical(list(one.iter_rows()), list(other.iter_rows()))


@needs_the_library
def test_curves_of_a_long_file_are_small_on_the_wire(server: Server) -> None:
    """A file of several pieces is sampled as a whole: the answer has its extremes, and some kilobytes."""
    rows = rows_of(([{"_step": "step", **{f"metric {n}": "float" for n in range(6)}}], 120_000, 1))
    (server.data_dir / "a.pkl").write_bytes(file_of(rows))
    store = open_store(server.url, None, {})
    table = read_columns(store, "a.pkl", ["metric 3"], points=200)
    values = [row["metric 3"] for row in rows]
    store.close()
    assert table.rows <= 200 and table.sampled_from == 120_000
    assert {min(values), max(values)} <= set(table["metric 3"].to_list())


@needs_the_library
@pytest.mark.parametrize("points", [0, 3, -1, 1.5, True, "many"])
def test_numbers_of_points_that_draw_nothing_are_refused(tmp_path: Path, points: Any) -> None:
    """What is no number of points raises at once, with what to pass."""
    with pytest.raises(InvalidSetting, match="4 or more"):
        read_columns(open_store(str(tmp_path), None, {}), "a.pkl", points=points)


def test_without_the_library_it_is_said_what_to_install(tmp_path: Path) -> None:
    """Where tsdownsample is missing, `points` raises, and everything else works."""
    (tmp_path / "a.pkl").write_bytes(file_of(ROWS))
    code = """
        import sys
        sys.modules["tsdownsample"] = None
        from ml_logger.readers import read_columns
        from ml_logger.stores import open_store
        store = open_store(sys.argv[1], None, {})
        print(read_columns(store, "a.pkl", ["loss"]).rows)
        try:
            read_columns(store, "a.pkl", points=100)
        except ImportError as error:
            print(type(error).__name__, error)
    """
    done = programs.run(code, tmp_path)
    assert done.stdout == (
        "10000\nNotAvailable points= needs tsdownsample, which is not installed: pip install 'ml-logger[points]'\n"
    )
