"""The rows of runs that the server holds for its pages: piece by piece, in bounded memory, whatever happens."""

from __future__ import annotations

import errno
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.dashboard.pyramid import BLOCK, FEWEST, Pyramid
from ml_logger.dashboard.rows import Rows
from ml_logger.dashboard.shelf import Shelf
from ml_logger.errors import StorageFailed
from ml_logger.stores.folder import Folder
from tests import programs
from tests.row_files import file_of, rows_of_all, runs

ODD = [math.nan, math.inf, -math.inf]


def opener(folder: Path) -> Any:
    """Return what opens files of a folder, all of which is committed."""

    def opened(key: str) -> tuple[int, os.stat_result, int]:
        descriptor = Folder(folder, follow_links=False).open(key, os.O_RDONLY)
        status = os.fstat(descriptor)
        return descriptor, status, status.st_size

    return opened


def shelf_of(folder: Path, limit: int = 2**27, eager: int = 0) -> Shelf:
    """Return a shelf over a folder, which holds only what is asked for."""
    return Shelf(opener(folder), limit, eager)


def put(folder: Path, data: bytes, run: str = "run", mode: str = "wb") -> Path:
    """Write the rows of a run."""
    path = folder / run / "metrics.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open(mode) as file:
        file.write(data)
    return path


def values(rows: Rows, key: str) -> list[float] | None:
    """Return the numbers of a series."""
    series = rows.series(key)
    return None if series is None else list(series.values.tolist())


def check(sampled: np.ndarray[Any, Any], values: np.ndarray[Any, Any], begin: int, end: int, most: int) -> None:
    """Make sure that a sample keeps the ends, the extremes of all, and each kind of value that is no finite number."""
    assert len(sampled) <= most and (sampled[1:] > sampled[:-1]).all()
    assert (sampled[0], sampled[-1]) == (begin, end - 1)
    part, chosen = values[begin:end], values[sampled]
    finite = part[np.isfinite(part)]
    if len(finite):
        left = chosen[np.isfinite(chosen)]
        assert (left.min(), left.max()) == (finite.min(), finite.max())
    for is_odd in (np.isnan, np.isposinf, np.isneginf):
        assert is_odd(chosen).any() == is_odd(part).any()


@settings(deadline=None)
@given(st.data(), st.integers(1, 3000), st.integers(0, 2**32), st.integers(FEWEST, 200), st.integers(1, 5))
def test_a_sample_loses_nothing_that_sticks_out(data: Any, size: int, seed: int, most: int, pieces: int) -> None:
    """Of any part of any series that comes in any pieces, the ends, the extremes, NaN and infinities are in it."""
    rng = np.random.default_rng(seed)
    series = rng.normal(size=size)
    where = data.draw(st.lists(st.integers(0, size - 1), max_size=20))
    series[where] = rng.choice([*ODD, 1e300, -1e300], len(where))
    pyramid = Pyramid()
    for stop in np.linspace(0, size, pieces + 1).astype(int)[1:]:
        pyramid.extend(series[:stop])
    begin = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(begin + 1, size))

    check(pyramid.sample(series, begin, end, most), series, begin, end, most)
    cut = data.draw(st.integers(0, size))
    pyramid.cut(cut)
    series[cut:] = 7.0
    pyramid.extend(series)
    check(pyramid.sample(series, begin, end, most), series, begin, end, most)


@settings(deadline=None)
@given(st.integers(0, 999_999), st.integers(1, 1_000_000), st.sampled_from([1e6, -1e6, *ODD]))
def test_every_value_that_sticks_out_is_in_each_sample_around_it(begin: int, size: int, odd: float) -> None:
    """One odd value among a million is there at every zoom that contains it."""
    series = np.sin(np.arange(1_000_000) / 1000)
    series[700_123] = odd
    pyramid = Pyramid()
    pyramid.extend(series)
    end = min(begin + size, 1_000_000)
    sampled = pyramid.sample(series, begin, end, 2000)

    assert (700_123 in sampled) == (begin <= 700_123 < end)
    assert len(sampled) == min(end - begin, len(sampled)) <= 2000


def test_a_million_values_cost_the_blocks_a_few_bytes() -> None:
    """What is kept beside a series is less than a tenth of it."""
    pyramid = Pyramid()
    pyramid.extend(np.zeros(64 * 10_000))
    assert 0 < pyramid.nbytes < 8 * 64 * 10_000 / 10
    with pytest.raises(ValueError, match="no series"):
        pyramid.sample(np.zeros(BLOCK), 0, BLOCK, FEWEST - 1)


def test_only_columns_that_are_asked_for_are_held(tmp_path: Path) -> None:
    """All columns are summed up, those that are asked for are there, and others that are asked for later, too."""
    put(
        tmp_path,
        file_of([{"a": n, "b": -n / 2, "c": "x" * 300, **({"d": True} if n % 3 == 1 else {})} for n in range(9)]),
    )
    shelf = shelf_of(tmp_path)
    rows = shelf.rows("run", ["a"])

    assert rows.keys() == ["a", "b", "c", "d"]
    assert values(rows, "a") == list(range(9)) and rows.series("b") is None
    assert rows.summary() == {
        "a": (8, 0, 8), "b": (-4, -4, 0), "c": ("x" * 200, None, None), "d": (1, 1, 1)
    }  # fmt: skip
    again = shelf.rows("run", ["d", "c", "nothing"])
    assert again is rows and rows.rows == 9 and rows.refused == ""
    found = rows.series("d")
    assert found is not None and found.positions.tolist() == [1, 4, 7] and not found.is_dense
    assert values(rows, "c") == [] and rows.series("nothing") is None
    put(tmp_path, file_of([{"a": 1.5, "d": 2**70}]), mode="ab")
    shelf.rows("run")
    assert values(rows, "a") == [*range(9), 1.5] and values(rows, "d") == [1, 1, 1, 2.0**70]
    assert rows.generation == again.generation


def test_while_there_is_room_all_columns_are_held(tmp_path: Path) -> None:
    """What is likely to be asked for next is there already, as long as little is held; and it grows with the file."""
    rows = [{"a": n, "b": -n, "c": "x"} for n in range(1000)]
    shelf = shelf_of(tmp_path, eager=2**17)
    for number in range(20):
        put(tmp_path, file_of(rows), f"run{number}")
        shelf.rows(f"run{number}")
    assert values(shelf.rows("run0"), "b") == [-n for n in range(1000)]
    assert shelf.rows("run19").series("b") is None and shelf.nbytes < 2**18
    put(tmp_path, file_of([{"b": 7, "new": 1}] * 2000), "run0", "ab")
    assert (values(shelf.rows("run0", ["new"]), "b") or [])[-1] == 7
    assert values(shelf.rows("run0"), "new") == [1] * 2000
    put(tmp_path, file_of([{"a": n, "b": n} for n in range(200_000)]), "long")
    assert values(shelf_of(tmp_path, eager=2**24).rows("long"), "a") == [*range(200_000)]
    for eager in (2**15, 2**21):  # too little by far, and what turns out to be too little
        rows = shelf_of(tmp_path, eager=eager).rows("long", ["b"])
        assert rows.series("a") is None and values(rows, "b") == [*range(200_000)]


def test_numbers_of_any_type_are_one_series(tmp_path: Path) -> None:
    """Integers, floats, bools and None in one column: the numbers are there, in their order, and nothing for None."""
    kinds: list[Any] = [1, 2.5, None, True, "text", 2**80, -(10**400), math.nan]
    put(tmp_path, file_of([{"a": kind} for kind in kinds]))
    rows = shelf_of(tmp_path).rows("run", ["a"])
    found = rows.series("a")

    assert found is not None and found.positions.tolist() == [0, 1, 3, 5, 6, 7]
    np.testing.assert_array_equal(found.values, [1, 2.5, 1, 2.0**80, -math.inf, math.nan])
    assert not found.ascends() and (found.low, found.high) == (1, 2.0**80)
    [last, low, high] = rows.summary()["a"]
    assert isinstance(last, float) and math.isnan(last) and (low, high) == (1, 2.0**80)


@settings(deadline=None, max_examples=60)
@given(runs, st.lists(st.integers(0, 2000), max_size=5), st.lists(st.integers(0, 9), max_size=3))
def test_a_file_that_grows_is_what_it_is_when_it_is_read_at_once(
    tmp_path_factory: pytest.TempPathFactory, made: list[Any], cuts: list[int], asked: list[int]
) -> None:
    """However a file grows, records torn in the middle, and whenever columns are asked for, the rows are the same."""
    tmp_path = tmp_path_factory.mktemp("grows")
    whole = rows_of_all(made)
    data, names = file_of(whole), sorted({name for row in whole for name in row})
    shelf, start = shelf_of(tmp_path), 0
    for number, stop in enumerate([*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]):
        put(tmp_path, data[start:stop], mode="ab")
        start = stop
        shelf.rows("run", [names[each % len(names)] for each in asked[: number + 1]] if names else [])
    grown, fresh = shelf.rows("run", names), shelf_of(tmp_path).rows("run", names)

    assert grown.rows == fresh.rows == len(whole)
    [one, other] = (
        repr(sorted(rows.summary().items())).replace("-0.0", "0.0") for rows in (grown, fresh)
    )  # both are the lowest
    assert one == other
    for name in names:
        mine, its = grown.series(name), fresh.series(name)
        assert mine is not None and its is not None
        np.testing.assert_array_equal(mine.values, its.values)
        np.testing.assert_array_equal(mine.positions, its.positions)
        assert (mine.low, mine.high, mine.ascends()) == (its.low, its.high, its.ascends())


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    """A file that shrinks or is another one has another generation; one that only grows has not."""
    path = put(tmp_path, file_of([{"a": n} for n in range(100)]))
    shelf = shelf_of(tmp_path)
    seen = [shelf.rows("run", ["a"]).generation]
    put(tmp_path, file_of([{"a": 100}]), mode="ab")
    assert shelf.rows("run").generation == seen[0]

    put(tmp_path, file_of([{"a": 5}]))
    rows = shelf.rows("run", ["a"])
    seen.append(rows.generation)
    assert values(rows, "a") == [5]
    other = put(tmp_path, file_of([{"a": 6}, {"a": 7}]), "other")
    os.replace(other, path)
    rows = shelf.rows("run", ["a"])
    seen.append(rows.generation)
    assert values(rows, "a") == [6, 7]
    path.unlink()
    rows = shelf.rows("run", ["a"])
    seen.append(rows.generation)
    assert rows.missing and rows.rows == 0 and rows.keys() == []
    put(tmp_path, file_of([{"a": 8}]))
    assert values(shelf.rows("run", ["a"]), "a") == [8] and not rows.missing
    assert len({*seen}) == 4


def test_rows_behind_a_damaged_place_are_there_and_stay_right(tmp_path: Path) -> None:
    """Damage is passed over; what was found behind a torn record at the end is looked at again when more comes."""
    whole = file_of([{"a": n, "b": n} for n in range(50)])
    put(tmp_path, whole[:500] + whole[510:] + bytes(30) + file_of([{"a": 50}, {"a": 51}]))
    shelf = shelf_of(tmp_path)
    before = shelf.rows("run", ["a"]).rows
    put(tmp_path, file_of([{"a": n} for n in range(52, 60)]), mode="ab")
    rows = shelf.rows("run", ["a", "b"])
    fresh = shelf_of(tmp_path).rows("run", ["a", "b"])

    assert 45 < before < rows.rows == fresh.rows
    assert values(rows, "a") == values(fresh, "a") and values(rows, "b") == values(fresh, "b")
    assert (values(rows, "a") or [])[-10:] == list(range(50, 60))


def test_what_is_not_plain_is_refused_and_said(tmp_path: Path) -> None:
    """A file with a class in it is given up, is not read again before it changes, and says why."""
    put(tmp_path, file_of([{"a": 1}, {"a": Path("x")}, {"a": 2}]))
    shelf = shelf_of(tmp_path)
    rows = shelf.rows("run", ["a"])
    assert "Path" in rows.refused
    assert "Path" in shelf.rows("run", ["a"]).refused
    put(tmp_path, file_of([{"a": 3}]))
    assert values(shelf.rows("run", ["a"]), "a") == [3] and rows.refused == ""
    (tmp_path / "folder" / "metrics.pkl").mkdir(parents=True)
    assert shelf.rows("folder").missing
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "metrics.pkl").symlink_to(tmp_path / "run" / "metrics.pkl")
    assert shelf.rows("link").missing


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """What the disk says reaches who asks, and the next one who asks gets the rows."""
    put(tmp_path, file_of([{"a": 1}]))
    there = opener(tmp_path)
    failing = [OSError(errno.EIO, "on purpose")]

    def opened(key: str) -> Any:
        if failing:
            raise failing.pop()
        return there(key)

    shelf = Shelf(opened, 2**20)
    with pytest.raises(StorageFailed, match="on purpose"):
        shelf.rows("run", ["a"])
    assert values(shelf.rows("run", ["a"]), "a") == [1]


def test_a_shelf_has_room_for_so_many_bytes(tmp_path: Path) -> None:
    """The longest unused runs make room, and one that alone takes too much is refused until less is asked for."""
    limit = 2**20
    shelf = shelf_of(tmp_path, limit)
    for number in range(30):
        put(tmp_path, file_of([{"a": n, "b": n} for n in range(10_000)]), f"run{number}")
    kept = [shelf.rows(f"run{number}", ["a"]) for number in range(30)]
    assert limit // 2 < shelf.nbytes <= limit
    assert shelf.rows("run29") is kept[29] and shelf.rows("run0") is not kept[0]

    put(tmp_path, file_of([{"a": n, "b": n} for n in range(100_000)]), "large")
    large = shelf.rows("large", ["a", "b"])
    assert "ML_LOGGER_MAX_SERIES" in large.refused
    assert shelf.rows("large", ["b"]).refused == "" and large.rows == 100_000
    assert (values(large, "b") or [])[-1] == 99_999 and large.series("a") is None
    assert shelf.nbytes <= limit
    shelf.forget("large")
    assert shelf.rows("large") is not large


def test_many_read_one_run_at_a_time(tmp_path: Path) -> None:
    """Readers in threads, each with columns of its own, all get all rows of theirs; one that leaves disturbs none."""
    names = "abcdefgh"
    put(tmp_path, file_of([{name: n for name in names} for n in range(60_000)]))
    shelf, found = shelf_of(tmp_path), {}

    def read(name: str) -> None:
        leaving = shelf.reading("run", [name])
        next(leaving)
        leaving.close()
        found[name] = values(shelf.rows("run", [name]), name)

    threads = [threading.Thread(target=read, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(found[name] == list(range(60_000)) for name in names)


def test_readers_take_steps_by_turns_in_one_thread(tmp_path: Path) -> None:
    """Two readers that are driven step by step in one thread both come to their end, and nothing is left open."""
    put(tmp_path, file_of([{"a": n, "b": n} for n in range(200_000)]))
    shelf = shelf_of(tmp_path)
    readers = [shelf.reading("run", ["a"]), shelf.reading("run", ["b"]), shelf.reading("run", ["a", "b"])]
    left = shelf.reading("run", ["a"])
    next(left)
    steps = 0
    while readers:
        for reader in [*readers]:
            steps += 1
            if next(reader, None) is None and reader.gi_frame is None:
                readers.remove(reader)
    left.close()
    rows = shelf.rows("run")
    assert steps > 3
    assert values(rows, "a") == values(rows, "b") == list(range(200_000))
    assert [path for path in programs.open_files() if path.startswith(str(tmp_path))] == []
