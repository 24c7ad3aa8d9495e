"""Pickles one after another: what was encoded comes back, whatever was cut, damaged, or split."""

from __future__ import annotations

import io
import math
import pickle
import subprocess
import sys
import threading
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.encoders import record_reader, records
from ml_logger.encoders.record_reader import DamagedRecords
from ml_logger.errors import UnsupportedValue, UntrustedData

ROWS = [{"_step": i, "loss": i / 7, "name": f"run-{i}"} for i in range(20)]

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)
# Texts of ASCII only in rows that are cut and joined: "\x80\x04N." in a text is a whole record to who looks for one.
values = st.integers(-9, 300) | st.text("ab.N(", max_size=9) | st.floats()
row = st.dictionaries(st.text("abc.", max_size=4), values, min_size=1)


def file_of(rows: list[Any], protocol: int = records.PROTOCOL) -> bytes:
    return b"".join(pickle.dumps(row, protocol) for row in rows)


def read(data: bytes, chunk: int = 1 << 16, **options: Any) -> list[Any]:
    return list(record_reader.decode([data[i : i + chunk] for i in range(0, len(data), chunk)], **options))


def read_quietly(data: bytes) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedRecords)
        return read(data)


def same(one: Any, other: Any) -> bool:
    """Compare with NaN equal to itself, and types as well."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return repr(one) == repr(other) and math.copysign(1, one) == math.copysign(1, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one), list(other)) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


# -- round trips ------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(plain, max_size=5))
def test_records_come_back_as_they_were(rows: list[Any]) -> None:
    """Nested plain data, NaN and infinities too, is the same after encode and decode."""
    assert same(read(b"".join(map(records.encode, rows))), rows)


@settings(deadline=None)
@given(st.lists(plain, max_size=4), st.integers(0, 5), st.integers(1, 40))
def test_any_split_gives_the_same_records(rows: list[Any], protocol: int, chunk: int) -> None:
    """How the bytes are split into chunks, and which protocol wrote them, makes no difference."""
    rows = [pickle.loads(pickle.dumps(row, protocol)) for row in rows]  # protocol 0 loses the sign of a NaN
    assert same(read(file_of(rows, protocol), chunk), rows)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("chunk", [997, 1 << 16, 1 << 24])
def test_large_records_of_many_frames_come_back(protocol: int, chunk: int) -> None:
    """Records over 64 KiB, with bytes and texts outside of the frames, are split right."""
    rows = [
        list(range(50_000)),
        [b"x." * 40_000, b"\x80\x04.", "é" * 70_000],
        b"." * 70_000,
        {"a": "." * 66_000, "b": [1.5] * 9_000},
    ]
    data = file_of([*ROWS[:2], *rows, ROWS[2]], protocol)
    assert read(data, chunk) == [*ROWS[:2], *rows, ROWS[2]]
    assert read(data, chunk, start=3) == [*rows[1:], ROWS[2]]
    assert record_reader.whole_length(io.BytesIO(data)) == len(data)
    with pytest.warns(DamagedRecords):
        assert read(data[:-1], chunk) == [*ROWS[:2], *rows]
    assert record_reader.whole_length(io.BytesIO(data[:-1])) == len(file_of([*ROWS[:2], *rows], protocol))


def test_files_load_without_our_library() -> None:
    """A file of records is read by a plain `pickle.load` loop."""
    file, rows = io.BytesIO(file_of(ROWS)), []
    while file.tell() < len(file.getvalue()):
        rows.append(pickle.load(file))
    assert rows == ROWS


def test_encoding_is_protocol_4_on_every_python() -> None:
    """The bytes of a record do not depend on the interpreter."""
    assert records.encode({"a": 1}) == b"\x80\x04\x95\n\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s."


@settings(deadline=None)
@given(st.integers(0, 25), st.none() | st.integers(0, 25), st.integers(1, 300))
def test_start_and_stop_count_records(start: int, stop: int | None, chunk: int) -> None:
    """`start` and `stop` select records as a slice does."""
    assert read(file_of(ROWS), chunk, start=start, stop=stop) == ROWS[start:stop]


def test_negative_positions_are_refused_at_the_call() -> None:
    """A negative start raises where it is passed, not at the first record."""
    with pytest.raises(ValueError, match="negative"):
        record_reader.decode([], start=-1)


def test_decoding_reads_no_more_than_it_needs() -> None:
    """Records are yielded as their chunks arrive, and nothing behind `stop` is read."""
    taken = []

    def chunks() -> Any:
        for row in ROWS:
            taken.append(row)
            yield records.encode(row)

    stream = record_reader.decode(chunks())
    assert [next(stream), next(stream)] == ROWS[:2]
    assert len(taken) <= 4


def test_skipping_does_not_decode() -> None:
    """What is skipped by `start` may hold what is not trusted."""
    data = pickle.dumps(threading.Thread, 4) + records.encode(1)
    assert read(data, start=1) == [1]


# -- torn and damaged files -------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(row | values | st.just({}) | st.none(), max_size=5), st.data())
def test_a_cut_file_yields_its_first_records(rows: list[Any], data: st.DataObject) -> None:
    """A file cut at any byte yields a prefix of its records, and `whole_length` is the length of that prefix."""
    ends = [len(file_of(rows[:i])) for i in range(len(rows) + 1)]
    cut = data.draw(st.integers(0, ends[-1]))
    whole = sum(end <= cut for end in ends) - 1
    assert same(read_quietly(file_of(rows)[:cut]), rows[:whole])
    assert record_reader.whole_length(io.BytesIO(file_of(rows)[:cut])) == ends[whole]


def test_a_cut_is_reported_with_its_place() -> None:
    """A torn last record is warned about, with the name of the file, the offset, and the number of bytes."""
    data = file_of(ROWS)
    with pytest.warns(DamagedRecords, match=rf"5 bytes at the end of run/m\.pkl, from byte {len(data)} on"):
        assert read(data + records.encode(ROWS[0])[:5], name="run/m.pkl") == ROWS


@settings(deadline=None)
# Rows, since `{}` alone is so short that a torn number can swallow it and come out as the whole of what was torn.
@given(st.lists(row | st.none(), max_size=5), st.lists(row, max_size=5), st.data())
def test_records_behind_a_torn_one_are_found(before: list[Any], after: list[Any], data: st.DataObject) -> None:
    """Records appended after a torn one come back, all of them and in order."""
    torn = records.encode({"loss": 0.5, "text": "a.b", "n": 70_000})
    torn = torn[: data.draw(st.integers(1, len(torn) - 1))]
    joined = file_of(before) + torn + file_of(after)
    assert same(read_quietly(joined), before + after)
    end = len(joined) if after else len(file_of(before))
    assert record_reader.whole_length(io.BytesIO(joined)) == end


@pytest.mark.parametrize(
    "torn", [b"\0" * 5000, b"garbage", b"\x80\x04\x95" + b"\xff" * 8, b"\x80", b"\x80\x04\x8e" + b"\xff" * 8]
)
def test_damage_in_the_middle_costs_only_itself(torn: bytes) -> None:
    """Zeros, text, and lengths beyond the file are passed over with one warning; all whole records come back."""
    data = file_of(ROWS[:10]) + torn + file_of(ROWS[10:])
    with pytest.warns(DamagedRecords, match=f"{len(torn)} bytes? inside") as caught:
        assert read(data, 100) == ROWS
    assert len(caught) == 1
    assert record_reader.whole_length(io.BytesIO(data)) == len(data)
    with pytest.warns(DamagedRecords, match="at the end of"):
        assert read(file_of(ROWS) + torn) == ROWS
    assert record_reader.whole_length(io.BytesIO(data + torn)) == len(data)


def test_what_no_pickler_writes_is_no_record() -> None:
    """Bytes that only resemble a record are passed over: loose opcodes behind damage, an end before the frames end."""
    loose = b"?\x80\x04" + b"K\x01" * 5 + b"."
    early = b"\x80\x04\x95" + (3).to_bytes(8, "little") + b"N.N\x95" + (4).to_bytes(8, "little") + b"NNN."
    for damage in (loose, early):
        with pytest.warns(DamagedRecords, match=f"{len(damage)} bytes inside"):
            assert read(damage + file_of(ROWS)) == ROWS


def test_a_record_with_wrong_bytes_inside_is_passed_over() -> None:
    """A record whose frame is whole and whose content is not costs one record."""
    data = bytearray(file_of(ROWS))
    data[len(file_of(ROWS[:4])) + 11] = 0xFF
    with pytest.warns(DamagedRecords):
        assert read(bytes(data)) == ROWS[:4] + ROWS[5:]


def test_a_large_record_behind_damage_is_found() -> None:
    """A record of several frames is found again behind a damaged place."""
    large = {"text": "x." * 40_000, "list": list(range(60_000)), "bytes": b"\x80\x04." * 30_000}
    with pytest.warns(DamagedRecords):
        assert read(b"???" + file_of([large, 1])) == [large, 1]


def test_a_frame_that_only_seems_to_end_its_record_is_seen_through() -> None:
    """A hand-made pickle whose first frame ends like a record is decoded whole, in chunks of any size."""
    crafted = (
        b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00(\x8c\x02a."
        + b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00K\x01t."
    )
    assert pickle.loads(crafted) == ("a.", 1)
    for chunk in (1, 16, 17, 100):
        assert read(crafted + records.encode(2), chunk) == [("a.", 1), 2]


@pytest.mark.parametrize("trust", [True, ["threading.Thread"]])
def test_untrusted_records_are_never_skipped(trust: Any) -> None:
    """A class outside the list raises, with the records before it already yielded, and loads when it is trusted."""
    data = file_of([1, threading.Thread, 2])
    stream = record_reader.decode([data])
    assert next(stream) == 1
    with pytest.raises(UntrustedData, match=r"threading\.Thread.*trust=\[\"threading\.Thread\"\].*trust=True"):
        next(stream)
    assert read(data, trust=trust) == [1, threading.Thread, 2]


def test_a_torn_record_does_not_run_into_the_next() -> None:
    """A record that lacks just what makes the next one fit its length leaves that one as it was."""
    after = [{"_step": None, "a": "b.", "x": 200, "loss": "b."}, {"loss": 7}, [list(range(300))] * 2]
    for before in ({"loss": 965198911}, {"loss": 1, "more": ["text"] * 40, "x": ("x" * 70, 0.5), "y": list(range(99))}):
        torn = records.encode(before)
        for cut in range(1, len(torn)):
            data = torn[:cut] + file_of(after)
            assert read_quietly(data) == after
            assert record_reader.whole_length(io.BytesIO(data)) == len(data)


# -- encoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (threading.Lock(), r"the value is of type"),
        ({"model": {"lock": threading.Lock()}}, r"at \['model'\]\['lock'\] is of type"),
        ([1, (2, threading.Lock())], r"at \[1\]\[1\] is of type"),
    ],
)
def test_what_cannot_be_pickled_is_named(value: Any, path: str) -> None:
    """The error says where in the record the offending part is, its type, and what to pass."""
    with pytest.raises(UnsupportedValue, match=path + r" _thread\.lock.*pass plain data"):
        records.encode(value)


def test_endless_nesting_is_unsupported() -> None:
    """Data nested too deeply to pickle raises our error, not RecursionError."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnsupportedValue, match="recursion"):
        records.encode(deep)


def test_plain_records_never_import_numpy() -> None:
    """Reading and writing metric rows imports no numpy."""
    code = (
        "import sys; from ml_logger.encoders import record_reader, records; "
        "assert list(record_reader.decode([records.encode({'a': 1.5})])) == [{'a': 1.5}]; "
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
