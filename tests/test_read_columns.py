"""Rows as columns, over every store: what was logged comes back in the types that it had."""

from __future__ import annotations

import datetime
import pickle

import numpy as np
import pytest

from ml_logger import ML_Logger
from ml_logger.columns.boundaries import DamagedRecords
from ml_logger.errors import KeyNotFound, UntrustedData
from ml_logger.readers import read_columns, read_records, read_tables
from ml_logger.stores import open_store
from ml_logger.stores.base import Store
from tests.row_files import file_of, identical, rows_of


def test_what_was_logged_comes_back_as_columns(logger: ML_Logger, root: str) -> None:
    """Rows of `logger.log`, local and remote, are columns: steps as ints, losses as floats, and what is missing."""
    for step in range(300):
        logger.log(step, loss=step / 7, ok=step % 2 == 0, phase="train")
        if step % 100 == 99:
            logger.log(step, accuracy=np.float32(0.5))
    logger.flush()
    logger.close()

    store = open_store(root, None, {})
    table = read_columns(store, "me/run/metrics.pkl")
    rows = list(read_records(store, "me/run/metrics.pkl"))
    selected = read_columns(store, "me/run/metrics.pkl", ["accuracy", "_step", "nothing"])
    store.close()

    assert identical(list(table.iter_rows()), rows)
    assert list(table) == ["_step", "_timestamp", "loss", "ok", "phase", "accuracy"]
    assert table["_step"].to_numpy().dtype == np.int64
    assert table["loss"].to_numpy().tolist() == [step / 7 for step in range(300)]
    assert table["phase"].to_list() == ["train"] * 300
    assert table["accuracy"].present.nonzero()[0].tolist() == [99, 199, 299]
    assert list(selected) == ["accuracy", "_step"]
    assert identical(selected["accuracy"].to_list(), table["accuracy"].to_list())


def test_every_store_gives_the_same_columns(store: Store) -> None:
    """In memory, in a folder and from a server: more than a piece of rows, and the same table."""
    rows = rows_of(([{"_step": "step", "loss": "float"}, {"_step": "any int", "text": "number as text"}], 40_000, 3))
    store.append("a/metrics.pkl", file_of(rows))
    store.flush(60)
    assert identical(list(read_columns(store, "a/metrics.pkl").iter_rows()), rows)


def test_damage_is_told_with_the_name_of_the_file(store: Store) -> None:
    """A damaged file gives the rows before and after, and a warning that names it."""
    rows = [{"_step": n, "loss": n / 7} for n in range(40)]
    store.append("a/metrics.pkl", file_of(rows[:20]) + b"\0" * 77 + file_of(rows[20:]))
    store.flush(60)
    with pytest.warns(DamagedRecords, match=r"77 bytes inside a/metrics\.pkl, from byte \d+ on"):
        table = read_columns(store, "a/metrics.pkl")
    assert identical(list(table.iter_rows()), rows)


def test_values_of_the_audited_list_are_columns_too(store: Store) -> None:
    """Rows of other programs may hold numpy scalars, arrays and dates; other classes raise UntrustedData."""
    day = datetime.date(2020, 1, 2)
    store.append("a.pkl", file_of([{"n": np.float32(n), "day": day, "array": np.arange(n)} for n in range(20)]))
    store.append("b.pkl", pickle.dumps({"n": ML_Logger}))
    store.flush(60)
    table = read_columns(store, "a.pkl")
    assert [type(value) for value in table["n"].to_list()] == [np.float32] * 20
    assert table["day"].to_list() == [day] * 20
    assert [len(array) for array in table["array"].to_list()] == list(range(20))
    with pytest.raises(UntrustedData, match="ML_Logger"):
        read_columns(store, "b.pkl")


def test_a_file_that_is_not_there_is_said(store: Store) -> None:
    """No file is KeyNotFound, as everywhere."""
    with pytest.raises(KeyNotFound):
        read_columns(store, "nothing.pkl")


def test_many_files_are_many_tables(store: Store) -> None:
    """A glob of files of rows is a table for each of them, by key, with the columns that are asked for."""
    for run in ("b", "a"):
        store.append(f"{run}/metrics.pkl", file_of([{"loss": 1.0, "run": run}]))
    store.append("a/other.pkl", file_of([{"loss": 2.0}]))
    store.flush(60)

    found = list(read_tables(store, "**/metrics.pkl", ["run"]))
    assert [key for key, _ in found] == ["a/metrics.pkl", "b/metrics.pkl"]
    assert [list(table.iter_rows()) for _, table in found] == [[{"run": "a"}], [{"run": "b"}]]
    assert list(read_tables(store, "**/nothing.pkl")) == []


#: Damaged bytes that spell what no row has, or no reader of bytes alone can make anything of.
SPELLED = {
    "an extension": b"\x80\x04\x82\x07.",
    "a long extension": b"\x80\x04\x84\x07\x00\x00\x00.",
    "a persistent id": b"\x80\x04Pab\n.",
    "a persistent id of a value": b"\x80\x04K\x01Q.",
    "a buffer": b"\x80\x05\x97.",
    "a read-only buffer": b"\x80\x05K\x01\x98.",
    "a name of numbers": b"\x80\x04K\x01K\x02\x93.",
}


@pytest.mark.parametrize("damage", SPELLED.values(), ids=SPELLED)
def test_damage_that_spells_something_is_passed_over(store: Store, damage: bytes) -> None:
    """Whatever a few damaged bytes spell by chance, the rows around them come back, as `load_pkl` gives them."""
    store.append("a/metrics.pkl", file_of([{"loss": 1.0}]) + damage + file_of([{"loss": 2.0}]))
    store.flush(60)
    with pytest.warns(DamagedRecords, match=r"a/metrics\.pkl"):
        table = read_columns(store, "a/metrics.pkl")
    with pytest.warns(DamagedRecords):
        rows = list(read_records(store, "a/metrics.pkl"))

    assert list(table.iter_rows()) == rows == [{"loss": 1.0}, {"loss": 2.0}]


def test_a_class_that_is_not_read_is_told_with_its_file(store: Store) -> None:
    """The error of a table over many files says which of them names a class outside the audited list."""
    store.append("good/metrics.pkl", file_of([{"loss": 1.0}]))
    store.append("bad/metrics.pkl", b"\x80\x04cos\nsystem\n.")
    store.flush(60)
    with pytest.raises(UntrustedData, match=r"bad/metrics\.pkl: os\.system"):
        list(read_tables(store, "**/metrics.pkl"))
