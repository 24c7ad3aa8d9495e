"""Rows that come one by one are what they are when they come all at once."""

from __future__ import annotations

import math
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_logger.dashboard.few import FEW
from ml_logger.dashboard.news import line_of
from ml_logger.dashboard.rows import Rows
from ml_logger.dashboard.shelf import Shelf
from ml_logger.encoders import records
from ml_logger.stores.folder import Folder

KEYS = ("loss", "rare", "_step", "odd")


def shelf_of(folder: Path) -> Shelf:
    """Return a shelf over a folder."""
    root = Folder(folder, follow_links=False)

    def opener(key: str) -> tuple[int, os.stat_result, int]:
        descriptor = root.open(key, os.O_RDONLY)
        return descriptor, os.fstat(descriptor), os.fstat(descriptor).st_size

    return Shelf(opener, 2**24)


def told(rows: Rows) -> Any:
    """Return all that rows tell, with NaN as a word."""
    columns = {key: rows.series(key) for key in KEYS}
    numbers = {key: (list(map(repr, s.values.tolist())), s.positions.tolist()) for key, s in columns.items() if s}
    return rows.rows, numbers, repr(rows.summary())


def some_rows(count: int) -> list[dict[str, Any]]:
    """Return rows with gaps, and with values of all kinds."""
    chosen = random.Random(0)
    odd = [None, "text", b"bytes", True, False, 2**70, -(10**400), math.nan, math.inf, -math.inf, [1], {"a": 1}, 0]
    made = []
    for step in range(count):
        row: dict[str, Any] = {"_step": step, "loss": chosen.random(), "odd": chosen.choice(odd)}
        if step % 7 == 3:
            row["rare"] = step
        made.append(row)
    return made


@pytest.mark.parametrize("first", [0, 1, 40])
@pytest.mark.parametrize("at_once", [1, 3, 30])
def test_rows_that_come_slowly_are_the_same(first: int, at_once: int, tmp_path: Path) -> None:
    """Whatever part of a file is there at first, and however the rest comes: series and summaries are the same."""
    rows, file = some_rows(120), tmp_path / "metrics.pkl"
    with file.open("ab", buffering=0) as grown:
        grown.write(b"".join(map(records.encode, rows[:first])))
        slowly = shelf_of(tmp_path)
        generation = slowly.rows("", KEYS).generation
        for at in range(first, len(rows), at_once):
            grown.write(b"".join(map(records.encode, rows[at : at + at_once])))
            found = slowly.rows("", KEYS)

    assert told(found) == told(shelf_of(tmp_path).rows("", KEYS))
    assert found.rows == 120 and found.generation == generation


@pytest.mark.parametrize(("key", "x"), [("loss", "_step"), ("rare", "_step"), ("_step", "rare"), ("odd", "loss")])
def test_new_points_are_those_of_rows_that_have_both(key: str, x: str, tmp_path: Path) -> None:
    """From whichever row on: a series over another one has the rows with a number in both, in the order of x."""
    made = some_rows(60)
    (tmp_path / "metrics.pkl").write_bytes(b"".join(map(records.encode, made)))
    rows = shelf_of(tmp_path).rows("", KEYS)
    columns = {name: rows.series(name) for name in (key, x)}
    values = {name: dict(zip(s.positions.tolist(), s.values.tolist(), strict=True)) for name, s in columns.items() if s}

    for start in range(62):
        both = [row for row in range(start, 60) if row in values[key] and math.isfinite(values[x].get(row, math.nan))]
        both.sort(key=lambda row: values[x][row])
        line = line_of(rows, "", key, x, start)
        found = [] if line is None else list(zip(line.xs.tolist(), line.ys.tolist(), strict=True))
        assert list(map(repr, found)) == [repr((values[x][row], values[key][row])) for row in both]


def test_a_torn_row_is_completed(tmp_path: Path) -> None:
    """The first half of a row is no row, whether few or many are behind the mark; its other half makes it one."""
    file, shelf = tmp_path / "metrics.pkl", shelf_of(tmp_path)
    file.write_bytes(records.encode({"loss": 1.0}))
    assert shelf.rows("", KEYS).rows == 1
    data = records.encode({"loss": 2.0})
    with file.open("ab", buffering=0) as grown:
        grown.write(data[:9])
        assert shelf.rows("", KEYS).rows == 1
        grown.write(data[9:])
        assert shelf.rows("", KEYS).rows == 2
        grown.write(records.encode({"loss": 3.0}))
        found = shelf.rows("", KEYS).series("loss")

    assert found is not None and np.array_equal(found.values, [1, 2, 3])


@pytest.mark.parametrize("more", [1, 200])
def test_a_file_that_was_written_over_is_another(more: int, tmp_path: Path) -> None:
    """Rows that were changed in place, before those that were read one by one, are seen by what is behind them."""
    file, shelf = tmp_path / "metrics.pkl", shelf_of(tmp_path)
    file.write_bytes(b"".join(records.encode({"loss": float(n)}) for n in range(50)))
    shelf.rows("", KEYS)
    for n in (50, 51):
        with file.open("ab") as grown:
            grown.write(records.encode({"loss": float(n)}))
        before = shelf.rows("", KEYS).generation
    new = [records.encode({"loss": -float(n)}) for n in range(52 + more)]
    with file.open("r+b") as over:
        over.write(b"".join(new))
    found = shelf.rows("", KEYS)
    series = found.series("loss")

    assert found.generation != before and found.rows == 52 + more
    assert series is not None and series.values[-1] == -(51 + more)
    assert (len(b"".join(new[52:])) <= FEW) == (more == 1)
