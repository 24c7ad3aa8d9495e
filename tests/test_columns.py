"""Files of rows as columns: what comes out is what decoding one pickle after another gives, value by value."""

from __future__ import annotations

import pickle
import random
import struct
import tracemalloc
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.columns import decoder as decoders
from ml_logger.columns.boundaries import DamagedRecords
from ml_logger.columns.containers import OverLimit
from ml_logger.columns.decoder import Decoder, OtherRecords
from ml_logger.columns.segments import Shapes
from ml_logger.columns.table import Column, Columns, Part, concat
from ml_logger.encoders import record_reader
from ml_logger.errors import UntrustedData
from tests.pickle_attacks import CODE, HARM
from tests.row_files import VALUES, file_of, identical, rows_of, rows_of_all, runs, split
from tests.test_unpickle_attacks import mutated

pieces = st.lists(st.integers(1, 400), min_size=1, max_size=4) | st.just([1 << 20])


def decode(data: bytes, sizes: list[int] | None = None, keys: list[str] | None = None, **options: Any) -> Columns:
    """Decode a file that comes in pieces."""
    decoder = Decoder(keys, **options)
    for piece in split(data, sizes or [1 << 16]):
        decoder.feed(piece)
    return decoder.finish()


def quietly(data: bytes, sizes: list[int] | None = None) -> list[dict[str, Any]]:
    """Decode a file that may be damaged, and return its rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(decode(data, sizes).iter_rows())


def assert_rows(table: Columns, rows: list[Any]) -> None:
    """Compare a table with rows, of which none may be missing, more, or different in any bit."""
    assert table.rows == len(rows)
    for found, wanted in zip(table.iter_rows(), rows, strict=True):
        assert identical(found, wanted)


# -- exactness --------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(runs, pieces, st.integers(2, 5))
def test_columns_are_what_a_loop_of_pickle_gives(runs: list[Any], sizes: list[int], protocol: int) -> None:
    """Types that change, names that come and go, any split into pieces: the rows are those of a `pickle.load` loop."""
    rows = rows_of_all(runs)
    data = file_of(rows, protocol)
    loop = [pickle.loads(pickle.dumps(row, protocol)) for row in rows]
    assert_rows(decode(data, sizes), loop)


@settings(deadline=None)
@given(runs, pieces, st.lists(st.sampled_from(["loss", "lr", "_step", "é", "not there"])))
def test_selected_columns_are_those_of_all(runs: list[Any], sizes: list[int], keys: list[str]) -> None:
    """With `keys`, these columns come out in this order, and nothing else is different."""
    rows = rows_of_all(runs)
    table = decode(file_of(rows), sizes, keys)
    assert list(table) == [key for key in dict.fromkeys(keys) if any(key in row for row in rows)]
    assert_rows(table, [{key: row[key] for key in keys if key in row} for row in rows])


@settings(deadline=None)
@given(st.lists(runs, max_size=3), st.integers(2, 5), pieces)
def test_shapes_that_other_files_have_taught_change_nothing(files: list[Any], protocol: int, sizes: list[int]) -> None:
    """Files that are decoded one after another, with what was learned from others, are what they are."""
    shapes = Shapes()
    for each in files * 2:
        rows = rows_of_all(each)
        assert_rows(decode(file_of(rows, protocol), sizes, shapes=shapes), rows)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_each_kind_of_value_is_exact(kind: str, protocol: int) -> None:
    """A long run of each kind of value comes back as it was, alone and beside others."""
    rows = rows_of(([{"a": kind}, {"b": "float", "a": kind, "c": "step"}], 300, 7))
    alone = rows_of(([{"a": kind}], 300, 8))
    for each in (rows, alone):
        data = file_of(each, protocol)
        assert_rows(decode(data), [pickle.loads(pickle.dumps(row, protocol)) for row in each])


def test_keys_that_are_twice_in_a_row_count_once() -> None:
    """A pickle made by hand with one name twice gives the last value, in many rows as in one."""
    body = b"}\x94(\x8c\x01a\x94K%c\x8c\x01b\x94K\x07\x8c\x01a\x94G?\xe0\x00\x00\x00\x00\x00\x00u."
    data = b"".join(b"\x80\x04\x95" + struct.pack("<Q", len(body) - 1) + body % n for n in range(100))
    assert_rows(decode(data), [{"a": 0.5, "b": 7}] * 100)


def test_a_text_that_is_a_name_and_a_value_is_both() -> None:
    """Texts that pickle spells once and then refers to are values where they are values."""
    rows = [{"kind": "kind", "a": f"{n:03}", "b": None} for n in range(100)]
    for row in rows:
        row["b"] = row["a"]
    mixed = [{"a": "x" if n % 3 else n, "b": "x" if n % 2 else 1.5, "x": "a"} for n in range(100)]
    assert_rows(decode(file_of(rows + mixed)), rows + mixed)


def test_bytes_that_are_no_text_are_no_row() -> None:
    """A text that is no UTF-8 makes its row a damaged one, whether its column is asked for or not."""
    rows = [{"a": f"{n:04}", "b": n % 7, "c": "é" * (n % 5)} for n in range(200)]
    pickled = [pickle.dumps(row, 4) for row in rows]
    pickled[60] = pickled[60].replace(b"0060", b"00\xff0")
    pickled[61] = pickled[61].replace("é".encode(), b"\xff\xff")
    wanted = rows[:60] + rows[62:]
    for keys in (None, ["b"]):
        with pytest.warns(DamagedRecords):
            table = decode(b"".join(pickled), keys=keys)
        assert_rows(table, [row if keys is None else {"b": row["b"]} for row in wanted])


def test_names_of_the_same_length_are_told_apart() -> None:
    """Rows that differ in a name alone, and have the same bytes otherwise, have different columns."""
    for own in (False, True):  # where a text is a name and a value, pickle spells it once
        rows = [{name: name if own else n / 3, "_step": n} for n in range(300) for name in (["loss", "cost"][n % 2],)]
        assert_rows(decode(file_of(rows)), rows)


def test_an_opcode_that_takes_a_name_away_is_followed() -> None:
    """A row with one other byte that is a row all the same, made by hand, comes as `pickle` reads it."""
    pickled = [pickle.dumps({"text": f"{n:04}", "ok": True, "n": 1}, 4) for n in range(200)]
    pickled[60] = pickled[60].replace(b"\x88", b"0")
    rows = [pickle.loads(row) for row in pickled]
    assert rows[60] == {"text": "0060", "n": 1}
    assert_rows(decode(b"".join(pickled)), rows)


def framed(body: bytes) -> bytes:
    """Put the head of a record before its opcodes."""
    return b"\x80\x04\x95" + struct.pack("<Q", len(body)) + body


WRONG = {
    "a text that is none": lambda row: row.replace(b"0060", b"00\xff0"),
    "another opcode behind a text": lambda row: row.replace(b"0060\x94", b"0060N"),
    "another opcode for a value": lambda row: row.replace(b"\x88", b"a"),
    "an end before the end": lambda row: framed(row[11:] + b"."),
    "a frame within a text": lambda row: row.replace(b"0060", b"\x95\x94.\x94"),
    "a value too many": lambda row: framed(row[11:-2] + b"Nu."),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("width", [1, 3], ids=["of one length", "of any length"])
def test_a_row_that_is_nearly_like_the_others_is_not(case: str, width: int) -> None:
    """One wrong byte in a row that has the shape of all the others makes it damage, as it does for `pickle`."""
    rows = [{"text": f"{n:04}", "ok": True, "more": "x" * (n % width)} for n in range(200)]
    pickled = [pickle.dumps(row, 4) for row in rows]
    pickled[60] = WRONG[case](pickled[60])
    if case != "an end before the end":  # `pickle` does not look at what is left in a frame
        with pytest.raises((pickle.UnpicklingError, UnicodeDecodeError, AttributeError)):
            pickle.loads(pickled[60])
    for keys in (None, ["more"]):
        with pytest.warns(DamagedRecords, match=f"{len(pickled[60])} bytes inside"):
            table = decode(b"".join(pickled), keys=keys)
        assert_rows(table, [row if keys is None else {"more": row["more"]} for row in rows[:60] + rows[61:]])


# -- speed is not left to chance --------------------------------------------------------------------------------------

FAST = {
    "one shape": [{"_step": "step", "loss": "float"}],
    "two shapes in turns": [{"_step": "step", "loss": "float"}, {"_step": "step", "accuracy": "float", "n": "word"}],
    "integers of any width": [{"_step": "any int", "a": "any int", "b": "any int", "loss": "float"}],
    "texts of any width": [{"_step": "step", "text": "number as text", "loss": "float or int"}],
    "lists": [{"_step": "step", "pair": "list of floats", "nested": "nested"}],
    "types that change": [{"_step": "step", "a": "mostly float", "b": "bool or None", "c": "odd float"}],
}


@pytest.mark.parametrize("case", FAST)
def test_few_rows_are_decoded_one_by_one(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 5,000 rows of a common kind at most one in ten goes through the slow opcode loop."""
    rows = rows_of((FAST[case], 5000, 1))
    slow = Counter[str]()

    class Counting(decoders.Machine):
        def load(self) -> Any:
            slow["rows"] += 1
            return super().load()

    monkeypatch.setattr(decoders, "Machine", Counting)
    assert_rows(decode(file_of(rows)), rows)
    assert 0 < slow["rows"] <= 500


# -- torn, damaged, hostile -------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(runs, pieces, st.data())
def test_a_torn_end_costs_only_itself(runs: list[Any], sizes: list[int], data: st.DataObject) -> None:
    """A file that is cut at any byte gives the rows that are whole, and a warning if one is not."""
    rows = rows_of_all(runs)
    ends = np.cumsum([0, *(len(pickle.dumps(row, 4)) for row in rows)]).tolist()
    cut = data.draw(st.integers(0, ends[-1]))
    whole = sum(end <= cut for end in ends) - 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = decode(file_of(rows)[:cut], sizes)
    assert_rows(table, rows[:whole])
    messages = [str(each.message) for each in caught if each.category is DamagedRecords]
    wanted = (
        f"{cut - ends[whole]} byte{'s' * (cut - ends[whole] > 1)} at the end of the records, from byte {ends[whole]} on"
    )
    assert [wanted in message for message in messages] == [True] * (cut != ends[whole])


@settings(deadline=None)
@given(runs, runs, pieces, st.data())
def test_rows_behind_a_torn_one_are_found(
    before: list[Any], after: list[Any], sizes: list[int], data: st.DataObject
) -> None:
    """Rows that were appended after a torn one come back, all of them."""
    rows = rows_of_all(before), [{"_step": n, "loss": n / 3, "text": "ab"} for n in range(20)] + rows_of_all(after)
    torn = pickle.dumps({"loss": 0.5, "text": "a.b", "n": 70_000}, 4)
    torn = torn[: data.draw(st.integers(1, len(torn) - 1))]
    assert identical(quietly(file_of(rows[0]) + torn + file_of(rows[1]), sizes), rows[0] + rows[1])


@pytest.mark.parametrize(
    "damage",
    [b"\0" * 5000, b"garbage", b"\x80\x04\x95" + b"\xff" * 8, b"\x80", b"\x80\x04\x8e" + b"\xff" * 8, b"\x80\x04\x95"],
)
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_damage_in_the_middle_is_told(damage: bytes, size: int) -> None:
    """Rows before and after damage come back, and one warning names the file, the offset, and how many bytes."""
    rows = [{"_step": n, "loss": n / 7, "text": "x" * (n % 3)} for n in range(100)]
    start = len(file_of(rows[:50]))
    with pytest.warns(
        DamagedRecords, match=rf"^{len(damage)} bytes? inside run/m\.pkl, from byte {start + 1000} on"
    ) as caught:
        table = decode(file_of(rows[:50]) + damage + file_of(rows[50:]), [size], name="run/m.pkl", start=1000)
    assert_rows(table, rows)
    assert len(caught) == 1


@settings(deadline=None, max_examples=120)
@given(runs, pieces, st.integers(0, 2**32))
def test_damaged_files_give_what_the_record_reader_finds(runs: list[Any], sizes: list[int], seed: int) -> None:
    """Where bytes were overwritten, lost or put in, the rows are those that reading one record after another finds."""
    rng = random.Random(seed)
    data = bytearray(file_of(rows_of_all(runs)))
    for _ in range(rng.randint(1, 3)):
        at, size = rng.randrange(len(data) + 1), rng.randint(1, 200)
        data[at : at + rng.choice([0, size])] = rng.choice([b"", bytes(size), rng.randbytes(size)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted = [row for row in record_reader.decode([bytes(data)]) if is_row(row)]
            found = quietly(bytes(data), sizes)
        except UntrustedData:
            return  # bytes that happen to name something
    assert identical(found, wanted)


class OneByOne(Decoder):
    """A decoder that takes no short cut."""

    def _run(self, view: Any) -> bool:
        return False

    _segment = _run


@settings(deadline=None, max_examples=150)
@given(runs, pieces, st.integers(0, 2**32))
def test_short_cuts_change_nothing(runs: list[Any], sizes: list[int], seed: int) -> None:
    """Whatever was done to a file, decoding many rows at once gives what decoding each by its opcodes gives."""
    rng = random.Random(seed)
    data = bytearray(file_of(rows_of_all(runs), rng.choice([2, 4])))
    for _ in range(rng.randint(1, 5)):
        data = mutated(data, rng) if data else data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slow = OneByOne()
        try:
            slow.feed(bytes(data))
            wanted = list(slow.finish().iter_rows())
        except UntrustedData:
            with pytest.raises(UntrustedData):
                quietly(bytes(data), sizes)
        else:
            assert identical(quietly(bytes(data), sizes), wanted)


def is_row(record: Any) -> bool:
    return type(record) is dict and all(type(key) is str for key in record)


@pytest.mark.parametrize("case", [*CODE, *HARM])
def test_attacks_between_rows_do_nothing(case: str) -> None:
    """Each attack, as a record among rows, is damage or raises UntrustedData; the rows around it come out."""
    rows = [{"_step": n, "loss": n / 7} for n in range(20)]
    attack = (CODE | HARM)[case]("canary") + b"."
    for head in (b"", b"\x80\x04", b"\x80\x04\x95" + struct.pack("<Q", len(attack))):
        try:
            found = quietly(file_of(rows) + head + attack + file_of(rows))
        except UntrustedData:
            continue
        assert identical(found[:20], rows)
        assert identical(found[-20:], rows)


@settings(deadline=None, max_examples=120)
@given(runs, pieces, st.integers(0, 2**32))
def test_hostile_bytes_raise_nothing_else(runs: list[Any], sizes: list[int], seed: int) -> None:
    """Bytes of any kind give rows, warnings or UntrustedData, and never another exception."""
    rng = random.Random(seed)
    parts = [pickle.dumps(row, rng.choice([0, 2, 4])) for row in rows_of_all(runs)] + [
        rng.randbytes(40),
        b"\x80\x04\x95",
    ]
    data = bytearray(b"".join(rng.choices(parts, k=30)))
    for _ in range(10):
        data = mutated(data, rng)
    try:
        quietly(bytes(data), sizes)
    except UntrustedData:
        pass


CHAINS = {
    "texts within texts": b"\x80\x04X\x02\x00\x00\x00" * 40_000,
    "frames that never end": b"".join(b"\x80\x04N\x95" + struct.pack("<Q", 1 << 24) for _ in range(50_000)),
    "heads of records": b"\x80\x04" * 300_000,
    "lists of lists": b"\x80\x04" + b"]" * 100_000,
    "rows that are wrong at the end": b"".join(pickle.dumps({"a": n}, 4)[:-2] + b"t." for n in range(3_000)),
    "zeros": bytes(5_000_000),
}


@pytest.mark.parametrize("case", CHAINS)
@pytest.mark.parametrize("size", [1 << 14, 1 << 22])
def test_bytes_made_to_take_time_take_none(case: str, size: int) -> None:
    """Bytes of which every one seems to begin a record are given up on, and the rows before them are there."""
    rows = [{"_step": n, "loss": n / 7} for n in range(20)]
    assert identical(quietly(file_of(rows) + CHAINS[case], [size])[:20], rows)


def test_records_that_are_no_rows_are_left_out_and_counted() -> None:
    """A list, a number, a dict with another key than text are no rows: the rows around them come, and a warning."""
    rows = [{"a": n} for n in range(60)]
    mixed: list[Any] = [*rows[:30], [1], None, {1: 2}, {"a": 1, None: 2}, *rows[30:], "x"]
    for sizes in ([7], [1 << 20]):
        with pytest.warns(OtherRecords, match=r"5 records of run/m\.pkl"):
            table = decode(file_of(mixed), sizes, name="run/m.pkl")
        assert_rows(table, rows)


def test_names_are_those_of_the_table() -> None:
    """A row that names something raises UntrustedData, unless the table of names has it."""
    data = file_of([{"a": 1}] * 20 + [{"a": np.float32(0.5)}])
    with pytest.raises(UntrustedData, match="numpy"):
        decode(data)
    from ml_logger.encoders.audited import AUDITED
    from ml_logger.encoders.unpickle_late import Walk

    table = decode(data, names=AUDITED, settle=lambda record: Walk().settle(record))
    assert table["a"].to_list() == [1] * 20 + [np.float32(0.5)]
    assert type(table["a"].to_list()[-1]) is np.float32


# -- piece by piece ---------------------------------------------------------------------------------------------------


def test_rows_are_there_as_soon_as_they_are_whole() -> None:
    """A row can be taken once its last byte was fed; `offset` is then behind it, and a reader may go on from there."""
    rows = [{"_step": n, "loss": n / 7, "list": [n] * 9} for n in range(30)]
    for protocol in (2, 4):
        decoder, fed = Decoder(), 0
        for row in rows:
            data = pickle.dumps(row, protocol)
            decoder.feed(data[:-1])
            assert (decoder.rows, decoder.offset) == (0, fed)
            decoder.feed(data[-1:])
            fed += len(data)
            assert (decoder.rows, decoder.offset) == (1, fed)
            assert_rows(decoder.take(), [row])


@settings(deadline=None)
@given(runs, st.integers(0, 10_000), pieces)
def test_a_file_that_grows_is_read_on(runs: list[Any], cut: int, sizes: list[int]) -> None:
    """What a first reader took and what a second one finds from its `offset` on are all rows, each once."""
    rows = rows_of_all(runs)
    data = file_of(rows)
    first = Decoder()
    for piece in split(data[:cut], sizes):
        first.feed(piece)
    table = first.take()
    rest = decode(data[first.offset :], sizes, start=first.offset)
    assert_rows(concat([table, rest]), rows)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1 << 17, 1 << 18), min_size=1, max_size=3), st.integers(0, 2**32), st.booleans())
def test_rows_between_large_pieces_are_whole(sizes: list[int], seed: int, damaged: bool) -> None:
    """A row that begins in one large piece and ends in the next comes once, also beside damage."""
    rng = random.Random(seed)
    kinds = rng.choice([["float"], ["float", "number as text"], ["set"], ["long list", "any int"]])
    rows = rows_of(([{f"{kind} {n}": kind for kind in kinds for n in range(4)}], 1 << rng.choice([4, 11]), seed))
    rows += [{"text": "x" * rng.choice([1, 1 << 13, 1 << 15])} for _ in range(30)]
    data = bytearray(file_of(rows) + file_of([[1]]) + file_of(rows))
    if damaged:
        at = max(0, sizes[0] - rng.randint(-300, 300))
        data[at : at + 100] = rng.choice([bytes(100), b"", rng.randbytes(100)])
    slow = OneByOne()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slow.feed(bytes(data))
        wanted = list(slow.finish().iter_rows())
    assert identical(quietly(bytes(data), sizes), wanted)
    assert damaged or identical(wanted, rows + rows)


@pytest.mark.parametrize("head", [b"", b"\x80\x04]\xff"], ids=["alone", "behind damage"])
@pytest.mark.parametrize(
    "claim",
    [
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 24),
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 24) + b"\x8d" + struct.pack("<Q", 1 << 23),
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 24),
        b"\x80\x04\x96" + struct.pack("<Q", 1 << 24),
    ],
)
def test_a_length_that_is_claimed_is_not_waited_for(head: bytes, claim: bytes) -> None:
    """Of what claims to be one row, not much more than the limit is taken; then it is an error, which says where."""
    decoder, taken = Decoder(most=1 << 20, name="the file", tell=lambda damage: None), 0
    decoder.feed(file_of([{"a": 1}] * 3) + head + claim)
    with pytest.raises(OverLimit, match=r"the file: more than 1,048,576 bytes from byte \d\d on.*ML_LOGGER_MAX_PICKLE"):
        while taken < 1 << 23:
            taken += 10_000
            decoder.feed(b"N" * 10_000)
    assert 1 << 20 < taken < (1 << 20) + (1 << 15)
    assert decoder.take()["a"].to_list() == [1, 1, 1]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("size", [100, 7000, 1 << 20])
def test_rows_up_to_the_limit_are_decoded(protocol: int, size: int) -> None:
    """A row of exactly so many bytes is no row too large, whatever the pieces; neither is damage of any length."""
    rows: list[Any] = [{"a": "x" * 1000, "b": [1.5] * 30}, {"a": "y" * 400_000}, *({"a": n} for n in range(30))]
    most = max(len(pickle.dumps(row, protocol)) for row in rows)
    data = file_of(rows, protocol)
    data = data + data if protocol < 4 else data + bytes(3 * most) + data
    decoder, damage = Decoder(most=most, tell=lambda found: damage.append(found.size)), []
    for at in range(0, len(data), size):
        decoder.feed(data[at : at + size])
    assert_rows(decoder.finish(), rows + rows)
    assert damage == ([] if protocol < 4 else [3 * most])
    short = Decoder(most=most - 50_000, tell=damage.append)
    with pytest.raises(OverLimit):
        for at in range(0, len(data), 7000):
            short.feed(data[at : at + 7000])


def test_memory_is_the_columns_and_one_piece() -> None:
    """Decoding one column of a stream of 25 MB takes that column, twice for a moment, and a few pieces."""
    block = file_of([{f"metric_{n}": n / 3 for n in range(10)} for _ in range(1000)])
    count = 25_000_000 // len(block)
    tracemalloc.start()
    try:
        decoder = Decoder(["metric_3"])
        for _ in range(count):
            decoder.feed(block)
        table = decoder.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert table.rows == 1000 * count
    assert peak < 2.5 * table.nbytes + 8 * len(block)


# -- tables -----------------------------------------------------------------------------------------------------------

ROWS: list[dict[str, Any]] = [
    {"loss": 0.5, "n": 1, "ok": True, "name": "a"},
    {"loss": float("nan"), "n": 2, "ok": False},
    {"n": 3, "name": None, "mixed": 1},
    {"loss": 0.25, "n": 4, "mixed": 2.5},
]


def test_columns_are_arrays_of_what_they_hold() -> None:
    """Floats, ints and bools are arrays of their dtype; missing values are told apart from NaN and None."""
    table = decode(file_of(ROWS))
    assert list(table) == ["loss", "n", "ok", "name", "mixed"]
    assert [str(column.dtype) for column in table.values()] == ["float64", "int64", "bool", "object", "object"]
    assert [column.count for column in table.values()] == [3, 4, 2, 2, 2]
    assert table["loss"].present.tolist() == [True, True, False, True]
    assert table["loss"].to_list(missing="none")[2] == "none"
    assert repr(table["loss"].to_numpy().tolist()) == "[0.5, nan, nan, 0.25]"
    assert table["n"].to_numpy().tolist() == [1, 2, 3, 4]
    assert table["ok"].to_numpy().tolist() == [True, False, None, None]
    assert table["ok"].to_numpy(fill=False).dtype == np.bool_
    assert table["name"].to_list(missing="-") == ["a", "-", None, "-"]
    assert table["mixed"].to_list() == [None, None, 1, 2.5]
    assert [type(value) for value in table["mixed"].to_list()] == [type(None), type(None), int, float]


def test_columns_can_be_drawn() -> None:
    """`to_floats` gives numbers and bools as floats, and NaN where there is no number."""
    rows = [{"a": 1}, {"a": 2.5}, {"a": True}, {"a": "text"}, {"b": 1}, {"a": 2**80}, {"a": None}, {"a": -(2**2000)}]
    floats = decode(file_of(rows))["a"].to_floats()
    assert repr(floats.tolist()) == f"[1.0, 2.5, 1.0, nan, nan, {2.0**80!r}, nan, -inf]"


def test_tables_cannot_be_changed() -> None:
    """The arrays of a table are read-only, and it has no way to set a column."""
    table = decode(file_of(ROWS * 20))
    with pytest.raises(ValueError, match="read-only"):
        table["n"].to_numpy()[0] = 7
    with pytest.raises(TypeError):
        table["n"] = Column(0, [])  # type: ignore[index]


@settings(deadline=None)
@given(st.lists(runs, max_size=3))
def test_tables_can_be_joined(parts: list[Any]) -> None:
    """The rows of several tables one after another are those of all."""
    rows = [rows_of_all(each) for each in parts]
    assert_rows(concat(decode(file_of(each)) for each in rows), [row for each in rows for row in each])


def test_an_empty_table_is_a_table() -> None:
    """No bytes give no rows; rows without anything in them are rows."""
    assert (decode(b"").rows, len(decode(b""))) == (0, 0)
    assert_rows(decode(file_of([{}] * 30)), [{}] * 30)
    assert list(concat([]).iter_rows()) == []
    assert repr(decode(file_of(ROWS))) == "Columns(4 rows, loss, n, ok, name, mixed)"
    assert repr(decode(file_of(ROWS))["ok"]) == "Column(2 of 4 rows, bool)"
    assert decode(file_of(ROWS)).select(["n", "other"]).rows == 4
    assert Part(None, np.zeros(2)).values.tolist() == [0, 0]
