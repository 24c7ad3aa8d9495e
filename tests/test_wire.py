"""Tables as bytes: they come back as they were, and bytes that are no table are refused."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.columns import wire
from ml_logger.columns.decoder import Decoder
from ml_logger.columns.table import Columns
from ml_logger.errors import CorruptData, LoggerError, UntrustedData
from tests.row_files import NAN, VALUES, file_of, identical, rows_of, rows_of_all, runs, split
from tests.test_unpickle_attacks import mutated


def table_of(rows: list[Any], keys: list[str] | None = None) -> Columns:
    """Return rows as a table."""
    decoder = Decoder(keys)
    decoder.feed(file_of(rows))
    return decoder.finish()


def there_and_back(table: Columns, sizes: list[int] | None = None) -> Columns:
    """Encode a table, and decode what was made of it, in pieces."""
    blocks = wire.Blocks()
    found = [each for piece in split(b"".join(wire.encode(table)), sizes or [1 << 20]) for each in blocks.feed(piece)]
    assert len(found) == 1 and blocks.is_whole
    return wire.decode(found[0])


def assert_same(one: Columns, other: Columns) -> None:
    """Compare two tables: names and their order, dtypes, positions, and every value to the bit."""
    assert (one.rows, list(one), one.sampled_from) == (other.rows, list(other), other.sampled_from)
    for name in one:
        assert len(one[name].parts) == len(other[name].parts)
        for part, twin in zip(one[name].parts, other[name].parts, strict=True):
            assert part.values.dtype == twin.values.dtype
            assert (part.positions is None) == (twin.positions is None)
            assert part.positions is None or part.positions.tolist() == twin.positions.tolist()
            assert not twin.values.flags.writeable
            if part.values.dtype == object:
                assert identical(part.values.tolist(), twin.values.tolist())
            else:
                assert part.values.tobytes() == twin.values.tobytes()


@settings(deadline=None, max_examples=150)
@given(runs, st.lists(st.integers(1, 400), min_size=1, max_size=4), st.none() | st.just(["loss", "é", "nothing"]))
def test_a_table_comes_back_to_the_bit(runs: list[Any], sizes: list[int], keys: list[str] | None) -> None:
    """Whatever rows were logged, in pieces of any size, with all columns or some."""
    table = table_of(rows_of_all(runs), keys)
    assert_same(there_and_back(table, sizes), table)


@pytest.mark.parametrize("kind", VALUES)
def test_each_kind_of_value_comes_back(kind: str) -> None:
    """A long column of each kind of value, in every row and in every third."""
    for shapes in ([{"a": kind}], [{"a": kind}, {"b": "float"}, {}]):
        table = table_of(rows_of((shapes, 500, 3)))
        assert_same(there_and_back(table), table)


def test_the_odd_values_of_numbers_are_kept() -> None:
    """Minus zero, NaN with its payload, infinities, and the ends of 64 bits; tables without rows or columns."""
    odd = [-0.0, NAN, math.nan, math.inf, 5e-324, 2**63 - 1, -(2**63), 2**63, True, None, "", b""]
    table = there_and_back(table_of([{"a": value} for value in odd]))
    assert identical(table["a"].to_list(), odd)
    for empty in (Columns(0, {}), Columns(7, {}), table_of([{}] * 3), table_of([{"a": 1}] * 3, ["b"])):
        assert_same(there_and_back(empty), empty)
    sampled = Columns(table.rows, table, 1000)
    assert_same(there_and_back(sampled), sampled)


def test_few_rows_of_many_cost_few_bytes() -> None:
    """One value in a hundred rows is told by its place, one in every other row by a bit, a repeated text by a byte."""
    rows = [{"always": 1.0, **({"rare": 2.0} if n % 100 == 0 else {}), "word": "train"} for n in range(10_000)]
    sizes = {name: sum(map(len, wire.encode(table_of(rows, [name])))) for name in ("always", "rare", "word")}
    assert 80_000 <= sizes["always"] < 80_300
    assert sizes["rare"] < 2_100
    assert sizes["word"] < 10_300
    half = [{"a": 1.0} if n % 2 else {} for n in range(10_000)]
    assert sum(map(len, wire.encode(table_of(half)))) < 40_000 + 1_250 + 300


@pytest.mark.parametrize("value", [np.float32(1), [np.arange(3)], bytearray(b"x"), 1j, {"a": math}, [print]])
def test_values_that_are_not_plain_are_refused(value: object) -> None:
    """What other programs may have put into rows is not written in a form that could not be read."""
    column = np.empty(1, object)
    column[0] = value
    table = table_of([{"a": "x"}])
    part = table["a"].parts[0]._replace(values=column)
    with pytest.raises(UntrustedData):
        wire.encode(Columns(1, {"a": type(table["a"])(1, [part])}))


def test_a_value_that_is_huge_is_refused() -> None:
    """A value of more than a MiB goes as the file that it is in."""
    with pytest.raises(CorruptData, match="too large"):
        wire.encode(table_of([{"a": "x" * (1 << 20)}]))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_are_refused_or_are_a_table(seed: int) -> None:
    """Bytes that were changed anywhere give a table, or CorruptData, and nothing else."""
    rng = random.Random(seed)
    shapes = [{name: kind for name, kind in zip("abcdefgh", rng.sample([*VALUES], 8), strict=True)}, {"a": "float"}]
    whole = b"".join(wire.encode(table_of(rows_of((shapes, 60, seed)))))
    refused = 0
    for _ in range(300):
        try:
            for block in wire.Blocks().feed(bytes(mutated(bytearray(whole), rng))):
                for column in wire.decode(block).values():
                    column.to_list()
        except CorruptData:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    "change",
    [
        {"rows": -1},
        {"rows": 1 << 60},
        {"rows": 4},
        {"rows": True},
        {"sampled": "x"},
        {"columns": [["a", [["f8", 3, 0]]], ["a", [["f8", 0, 1]]]]},
        {"columns": [["a", [["f8", -3, 0]]]]},
        {"columns": [["a", [["f8", 4, 1]]]]},
        {"columns": [["a", [["i8", 3, 1]]]]},
        {"columns": [["a", [["i8", 1, 2]]]]},
        {"columns": [["a", [["b1", 3, 0]]]]},
        {"columns": [["a", [["o", 3, 0, 3, 24, 0]]]]},
        {"columns": [["a", [["q8", 3, 0]]]]},
        {"columns": "abc"},
    ],
)
def test_a_head_that_lies_is_refused(change: dict[str, Any]) -> None:
    """A head that says something else than the body holds is CorruptData."""
    table = table_of([{"a": value} for value in (1.5, 2.5, -3.5)])
    [block] = wire.Blocks().feed(b"".join(wire.encode(table)))
    assert wire.decode(block)["a"].to_list() == [1.5, 2.5, -3.5]
    with pytest.raises(CorruptData):
        wire.decode(block._replace(head={**block.head, **change}))


def test_a_stream_of_something_else_is_refused() -> None:
    """Other bytes, another version, and a head that is no JSON are CorruptData, at once."""
    good = wire.note(kind="stop")
    assert [block.head for block in wire.Blocks().feed(good * 3)] == [{"kind": "stop"}] * 3
    for bad in (b"<html>" * 9, good[:3] + b"\2" + good[4:], good[:16] + b"!" * (len(good) - 16)):
        with pytest.raises(LoggerError):
            list(wire.Blocks().feed(bad))
    huge = good[:4] + struct.pack("<I", 1 << 31) + good[8:]
    with pytest.raises(CorruptData):
        list(wire.Blocks().feed(huge))
