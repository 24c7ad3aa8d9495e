"""Reading by the machine of our own: the same values as by the C unpickler, for files of strangers, within limits."""

from __future__ import annotations

import argparse
import datetime
import io
import pickle
import string
import struct
import types
import warnings
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml_logger import ML_Logger
from ml_logger.encoders import record_reader
from ml_logger.encoders.arrays import encode_npz
from ml_logger.encoders.record_reader import DamagedRecords
from ml_logger.encoders.unpickle import Limits, loads
from ml_logger.errors import CorruptData, InvalidSetting, UntrustedData
from tests.test_unpickle import DTYPES, SCALARS, VALUES

# -- one list, two readers --------------------------------------------------------------------------------------------

zones = st.none() | st.integers(-1439, 1439).map(lambda n: datetime.timezone(datetime.timedelta(minutes=n)))
simple_dtypes = st.sampled_from([np.dtype(each) for each in DTYPES if np.dtype(each).kind not in "OVMm"])
time_dtypes = st.sampled_from(["M8[ns]", ">M8[25us]", "M8[D]", "m8[s]"]).map(np.dtype)
dtypes = simple_dtypes | time_dtypes | arrays.array_dtypes(simple_dtypes) | arrays.nested_dtypes(simple_dtypes)
keys = (
    st.text(max_size=4) | st.integers(-(2**60), 2**60) | st.uuids() | st.text("ab/", max_size=4).map(PurePosixPath)
    | st.decimals(allow_nan=False) | st.fractions() | st.dates() | st.tuples(st.text(max_size=2), st.booleans())
)  # fmt: skip
leaves = st.one_of(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**400), 2**400) | st.floats() | st.complex_numbers(),
    st.text(max_size=9) | st.binary(max_size=9) | st.binary(max_size=9).map(bytearray) | st.just(...),
    st.datetimes(timezones=zones) | st.dates() | st.times(timezones=zones) | st.timedeltas(),
    st.decimals() | st.fractions() | st.uuids(),
    st.builds(range, st.integers(), st.integers(), st.integers(1)) | st.slices(20),
    st.text("ab/.", max_size=6).map(PurePosixPath) | st.text("ab\\:", max_size=6).map(PureWindowsPath),
    st.sets(keys, max_size=3) | st.frozensets(keys, max_size=3),
    dtypes,
    dtypes.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=3))),
    simple_dtypes.flatmap(lambda dtype: arrays.arrays(dtype, ())).map(lambda array: array[()]),
    arrays.arrays(object, arrays.array_shapes(max_dims=2, max_side=2), elements=st.none() | st.text() | st.uuids()),
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3).map(OrderedDict)
        | st.dictionaries(keys, inner, max_size=3).map(lambda items: defaultdict(list, items))
        | st.dictionaries(keys, st.integers(), max_size=3).map(Counter)
        | st.builds(deque, st.lists(inner, max_size=3), st.none() | st.integers(3, 2**40))
        | st.dictionaries(st.text(max_size=4), inner, max_size=3).map(lambda items: types.SimpleNamespace(**items))
    ),
    max_leaves=8,
)


def alike(one: Any, other: Any) -> bool:
    """Compare types and content: dtypes, strides and flags of arrays, the order of dicts, the bits of floats."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        parts = [(a.dtype, a.dtype.fields, a.shape, a.strides, a.flags.writeable) for a in (one, other)]
        return parts[0] == parts[1] and repr(one.tolist()) == repr(other.tolist())
    if isinstance(one, (set, frozenset)):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    if isinstance(one, (list, tuple, deque)):
        ends = getattr(one, "maxlen", None) == getattr(other, "maxlen", None)
        return ends and len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        factories = getattr(one, "default_factory", None) is getattr(other, "default_factory", None)
        return factories and alike(list(one), list(other)) and alike(list(one.values()), list(other.values()))
    if isinstance(one, types.SimpleNamespace):
        return alike(vars(one), vars(other))
    return repr(one) == repr(other)


@settings(deadline=None, max_examples=300)
@given(anything)
def test_both_readers_agree(value: Any) -> None:
    """Every value of the list comes out of both readers alike, in its types and to the bit, whatever the protocol."""
    for protocol in range(6):
        data = pickle.dumps(value, protocol)
        assert alike(loads(data, paranoid=True), loads(data))


@pytest.mark.parametrize("protocol", range(6))
def test_both_readers_read_the_table_of_types(protocol: int) -> None:
    """Every type of the table, alone and together, comes out of both readers alike."""
    arrays_ = [np.zeros((2, 3), dtype) for dtype in DTYPES]
    for value in [*VALUES, *SCALARS, *arrays_, np.asfortranarray(np.ones((2, 3))), [VALUES, SCALARS, arrays_]]:
        data = pickle.dumps(value, protocol)
        assert alike(loads(data, paranoid=True), loads(data))


def test_agreement_can_fail() -> None:
    """The comparison of these tests sees types, signs, order and memory layout."""
    ones = np.ones((2, 2))
    for one, other in [(1, True), (0.0, -0.0), ({1: 1, 2: 2}, {2: 2, 1: 1}), (ones, np.asfortranarray(ones)), (1, 1.0)]:
        assert not alike([one], [other]) and alike([one], [one])


# -- records ----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text("abc", max_size=3), st.integers() | st.floats()), max_size=6), st.data())
def test_damage_costs_itself_alone(rows: list[Any], data: st.DataObject) -> None:
    """Of a stream that is split anywhere, and cut or damaged, both readers give the same records and warnings."""
    protocol, chunk = data.draw(st.integers(0, 5)), data.draw(st.integers(1, 60))
    stored = bytearray(b"".join(pickle.dumps(row, protocol) for row in rows))
    if stored and data.draw(st.booleans()):
        stored[data.draw(st.integers(0, len(stored) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    stored = stored[: data.draw(st.integers(0, len(stored)))]
    chunks = [bytes(stored[at : at + chunk]) for at in range(0, len(stored), chunk)]
    seen = []
    for paranoid in (False, True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DamagedRecords)
            try:
                found: Any = list(record_reader.decode(chunks, paranoid=paranoid))
            except UntrustedData:  # a bit of a name that was changed
                found = UntrustedData
        seen.append((repr(found), [str(each.message) for each in caught]))
    assert seen[0] == seen[1]


def test_a_file_of_a_stranger(logger: ML_Logger) -> None:
    """`paranoid=True` returns what the default does, as a list and one by one, from a folder and from a server."""
    for step in range(3):
        logger.log(step, loss=0.5)
    logger.save_pkl(VALUES, "values.pkl")
    logger.save_pkl(np.arange(6).reshape(2, 3), "array.pkl")

    for path in ("metrics.pkl", "values.pkl", "array.pkl"):
        found = logger.load_pkl(path, paranoid=True)
        assert found is not None and alike(found, logger.load_pkl(path))
        assert alike(list(logger.iload_pkl(path, paranoid=True)), found)
    assert [row["_step"] for row in logger.load_pkl("metrics.pkl", start=-2, paranoid=True) or []] == [1, 2]
    assert logger.load_pkl("nothing.pkl", paranoid=True) is None


def test_a_bomb_is_defused(logger: ML_Logger) -> None:
    """Keys that collide are passed over as damage, and a class is refused, where the reading is paranoid."""
    collide = dict.fromkeys(i * (2**61 - 1) for i in range(300))
    logger.upload_buffer(pickle.dumps(collide, 4) + pickle.dumps({"a": 1}, 4), "bomb.pkl")
    logger.upload_buffer(pickle.dumps(warnings.warn, 4), "class.pkl")

    with pytest.warns(DamagedRecords, match=r"bomb\.pkl"):
        assert logger.load_pkl("bomb.pkl", paranoid=True) == [{"a": 1}]
    assert logger.load_pkl("bomb.pkl") == [collide, {"a": 1}]
    with pytest.raises(UntrustedData, match=r"warnings\.warn|_warnings\.warn"):
        logger.load_pkl("class.pkl", paranoid=True)


# -- what says so -----------------------------------------------------------------------------------------------------


def is_paranoid(logger: ML_Logger, **kw: Any) -> bool:
    """Tell which reader reads, by a value that only one of them takes."""
    ring: list[Any] = []
    ring.append(ring)
    logger.upload_buffer(pickle.dumps(ring, 4), "ring.pkl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedRecords)
        return logger.load_pkl("ring.pkl", **kw) == []


def test_a_call_a_logger_or_the_environment_says_so(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading is paranoid where the call says so, else the logger, else the environment; clones keep it."""
    with ML_Logger(root=root, prefix="me/run", silent=True) as logger:
        assert not is_paranoid(logger) and is_paranoid(logger, paranoid=True)
        monkeypatch.setenv("ML_LOGGER_PARANOID", "1")
        assert is_paranoid(logger) and not is_paranoid(logger, paranoid=False)
        logger.configure(paranoid=False)
        assert not is_paranoid(logger) and is_paranoid(logger, paranoid=True)
        monkeypatch.delenv("ML_LOGGER_PARANOID")
        logger.configure(paranoid=True)
        logger.configure(prefix="me/other")
        assert is_paranoid(logger) and not is_paranoid(logger, paranoid=False)
        with logger.clone() as twin, pickle.loads(pickle.dumps(logger)) as again:
            assert is_paranoid(twin) and is_paranoid(again)


@pytest.mark.parametrize("trust", [True, ["argparse.Namespace"], "argparse.Namespace"])
def test_paranoid_and_trust_contradict_each_other(root: str, monkeypatch: pytest.MonkeyPatch, trust: Any) -> None:
    """Paranoid reading with trust is a mistake that is told, wherever the two come from, unless one is taken back."""
    with ML_Logger(root=root, prefix="me/run", silent=True) as logger:
        logger.save_pkl(1, "a.pkl")
        with pytest.raises(InvalidSetting, match="paranoid=True"):
            logger.load_pkl("a.pkl", paranoid=True, trust=trust)
        with pytest.raises(InvalidSetting, match="paranoid=True"):
            logger.iload_pkl("a.pkl", paranoid=True, trust=trust)
        monkeypatch.setenv("ML_LOGGER_PARANOID", "1")
        with pytest.raises(InvalidSetting, match="ML_LOGGER_PARANOID"):
            logger.load_pkl("a.pkl", trust=trust)
        assert logger.load_pkl("a.pkl", trust=trust, paranoid=False) == [1]
        monkeypatch.setenv("ML_LOGGER_TRUST", "1")
        with pytest.raises(InvalidSetting, match="ML_LOGGER_TRUST"):
            logger.load_pkl("a.pkl")
        assert logger.load_pkl("a.pkl", trust=False) == logger.load_pkl("a.pkl", paranoid=True) == [1]
        assert is_paranoid(logger, paranoid=True)


def test_a_logger_says_whom_it_trusts(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trusted is said by the call, else the logger, else the environment; clones and copies keep it."""
    own, other = argparse.Namespace(a=1), string.Template("a")
    with ML_Logger(root=root, prefix="me/run", silent=True, trust=["argparse.Namespace"]) as logger:
        logger.save_pkl(own, "own.pkl")
        logger.save_pkl(other, "other.pkl")
        with logger.clone() as twin, pickle.loads(pickle.dumps(logger)) as again:
            for each in (logger, twin, again):
                each.configure(prefix="me/run")  # keeps what was said
                assert each.load_pkl("own.pkl") == [own] and list(each.iload_pkl("own.pkl")) == [own]
                with pytest.raises(UntrustedData, match=r"string\.Template"):
                    each.load_pkl("other.pkl")
        for manner in ({"trust": False}, {"trust": []}, {"trust": "string.Template"}, {"paranoid": True}):
            with pytest.raises(UntrustedData, match=r"argparse\.Namespace"):
                logger.load_pkl("own.pkl", **manner)
        logger.configure(trust=True)
        assert [type(each) for each in logger.load_pkl("other.pkl") or []] == [string.Template]
        monkeypatch.setenv("ML_LOGGER_TRUST", "1")
        logger.configure(trust=False)
        with pytest.raises(UntrustedData):
            logger.load_pkl("own.pkl")
        assert logger.load_pkl("own.pkl", trust=True) == [own]


def test_a_list_of_trusted_names_is_taken_as_it_is(root: str) -> None:
    """A list that changes later changes nothing, and what names no class is a mistake at the caller's line."""
    names = ["string.Template"]
    with ML_Logger(root=root, prefix="me/run", silent=True, trust=names) as logger:
        names.append("argparse.Namespace")
        logger.save_pkl(argparse.Namespace(a=1), "own.pkl")
        with pytest.raises(UntrustedData):
            logger.load_pkl("own.pkl")
        for wrong in (1, [argparse.Namespace], argparse.Namespace, b"a.B"):
            with pytest.raises(InvalidSetting, match=r"package\.Class"):
                logger.configure(trust=wrong)  # type: ignore[arg-type]
            with pytest.raises(InvalidSetting, match=r"package\.Class"):
                logger.load_pkl("own.pkl", trust=wrong)  # type: ignore[arg-type]


def test_a_logger_that_is_paranoid_trusts_nobody(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said together to `configure`, the two are refused and nothing is changed; said one by one, reading tells it."""
    with ML_Logger(root=root, prefix="me/run", silent=True) as logger:
        logger.save_pkl(argparse.Namespace(a=1), "own.pkl")
        for trust in (True, ["argparse.Namespace"]):
            with pytest.raises(InvalidSetting, match="paranoid=True"):
                logger.configure(prefix="me/other", paranoid=True, trust=trust)
        assert logger.prefix == "me/run" and not is_paranoid(logger)
        logger.configure(paranoid=True, trust=False)
        logger.configure(trust=True)
        with pytest.raises(InvalidSetting, match="paranoid=True"):
            logger.load_pkl("own.pkl")
        with pickle.loads(pickle.dumps(logger)) as again, pytest.raises(InvalidSetting, match="paranoid=True"):
            again.load_pkl("own.pkl")
        assert logger.load_pkl("own.pkl", paranoid=False) == [argparse.Namespace(a=1)]
        logger.configure(paranoid=False)
        monkeypatch.setenv("ML_LOGGER_PARANOID", "1")
        assert logger.load_pkl("own.pkl") == [argparse.Namespace(a=1)]


# -- limits -----------------------------------------------------------------------------------------------------------


def test_limits_of_paranoid_reading(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that asks for more than a limit raises and names the file and the setting, which then admits it."""
    with ML_Logger(root=root, prefix="me/run", silent=True) as logger:
        logger.upload_buffer(b"\x80\x04" + b"]" * 601 + b"a" * 600 + b".", "deep.pkl")
        logger.save_pkl(list(range(3000)), "long.pkl")

        with pytest.raises(CorruptData, match=r"me/run/deep\.pkl.*500 levels.*ML_LOGGER_MAX_NESTING"):
            logger.load_pkl("deep.pkl", paranoid=True)
        monkeypatch.setenv("ML_LOGGER_MAX_NESTING", "700")
        [found] = logger.load_pkl("deep.pkl", paranoid=True) or []
        for _ in range(600):
            [found] = found
        assert found == []

        assert logger.load_pkl("long.pkl", paranoid=True) == [list(range(3000))]
        monkeypatch.setenv("ML_LOGGER_MAX_OPCODES", "2000")
        with pytest.raises(CorruptData, match=r"me/run/long\.pkl.*2,000 opcodes.*ML_LOGGER_MAX_OPCODES"):
            logger.load_pkl("long.pkl", paranoid=True)
        assert logger.load_pkl("long.pkl") == [list(range(3000))]
        monkeypatch.setenv("ML_LOGGER_MAX_OPCODES", "0")
        with pytest.raises(InvalidSetting, match="ML_LOGGER_MAX_OPCODES"):
            logger.load_pkl("long.pkl", paranoid=True)


@pytest.mark.parametrize("paranoid", [False, True])
def test_the_size_of_a_record_is_limited(root: str, monkeypatch: pytest.MonkeyPatch, paranoid: bool) -> None:
    """A record of more than `ML_LOGGER_MAX_PICKLE` raises in either way of reading; a file of small ones does not."""
    with ML_Logger(root=root, prefix="me/run", silent=True) as logger:
        logger.upload_buffer(pickle.dumps({"a": b"x" * 1000}, 4) * 5000, "many.pkl")
        logger.upload_buffer(pickle.dumps({"a": 1}, 4) + pickle.dumps(b"x" * (3 << 20), 4), "large.pkl")
        monkeypatch.setenv("ML_LOGGER_MAX_PICKLE", "2")

        assert len(logger.load_pkl("many.pkl", paranoid=paranoid) or []) == 5000
        with pytest.raises(CorruptData, match=r"large\.pkl.*2,097,152 bytes from byte 21 on.*ML_LOGGER_MAX_PICKLE"):
            logger.load_pkl("large.pkl", paranoid=paranoid)
        monkeypatch.setenv("ML_LOGGER_MAX_PICKLE", "4")
        assert len(logger.load_pkl("large.pkl", paranoid=paranoid) or []) == 2


@pytest.mark.parametrize("data", [b"\x80\x04\x95" + b"\xff" * 7 + b"\x00", b"B\xff\xff\xff\x7f", b"X\x00\x00\x00\x40"])
@pytest.mark.parametrize("paranoid", [False, True])
def test_an_endless_record_is_not_gathered(data: bytes, paranoid: bool) -> None:
    """Of a stream without an end, which claims to be one record, not much more than the limit is ever read."""
    taken = 0

    def endless() -> Any:
        nonlocal taken
        yield data
        while True:
            taken += 1 << 16
            assert taken < 1 << 22
            yield b"N" * (1 << 16)

    with pytest.raises(CorruptData, match="ML_LOGGER_MAX_PICKLE"):
        list(record_reader.decode(endless(), paranoid=paranoid, limits=Limits(size=1 << 20)))


@pytest.mark.parametrize("protocol", range(3, 6))
def test_large_arrays_are_read(protocol: int) -> None:
    """An array of millions of bytes is read, however a protocol spells it; the same bytes many times over are not."""
    array = np.arange(3_000_000, dtype="u1").reshape(3, -1)
    assert np.array_equal(loads(pickle.dumps(array, protocol), paranoid=True), array)

    twice = b"(cbuiltins\nbytearray\n" + b"B" + struct.pack("<I", 2**20) + bytes(2**20) + b"\x94\x85R"
    again = b"cbuiltins\nbytearray\nh\x00\x85R"
    assert len(loads(b"\x80\x04" + twice + again + b"t.", paranoid=True)) == 2
    with pytest.raises(CorruptData, match="copy more"):
        loads(b"\x80\x04" + twice + 100 * again + b"t.", paranoid=True)


def test_a_limit_is_no_damage() -> None:
    """What may be a whole record, but asks for too much, is never passed over in silence: the reading stops."""
    data = pickle.dumps([1], 4) + pickle.dumps(list(range(3000)), 4) + pickle.dumps([2], 4)
    found = record_reader.decode([data], paranoid=True, limits=Limits(opcodes=1000))
    assert next(found) == [1]
    with pytest.raises(CorruptData, match="1,000 opcodes"):
        next(found)


def test_what_an_archive_inflates_to_is_limited(logger: ML_Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """An .npz that inflates to far more than its size raises and names the setting, which then admits it."""
    bomb = encode_npz({"x": np.zeros(80 << 20, np.uint8)}, compress=True)
    assert len(bomb) < 1 << 17
    logger.upload_buffer(bomb, "bomb.npz")
    logger.upload_buffer(encode_npz({"/etc/x": np.zeros(3), "../y": np.ones(2)}), "names.npz")

    with pytest.raises(CorruptData, match=r"bomb\.npz.*83,886,208 bytes.*ML_LOGGER_MAX_INFLATED"):
        logger.load_np("bomb.npz")
    monkeypatch.setenv("ML_LOGGER_MAX_INFLATED", "100")
    assert logger.load_np("bomb.npz")["x"].shape == (80 << 20,)
    assert sorted(logger.load_np("names.npz")) == ["../y", "/etc/x"]  # names of arrays, and of no files


# -- behind the reader ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paranoid", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_deep_and_doubled_data_is_data_or_an_error(root: str, paranoid: bool, protocol: int) -> None:
    """K46, K47: nothing that a stranger stores makes the reading of a file fail in a way that is none of ours."""
    head = b"\x80" + bytes([protocol])
    bombs = [b"]" * 10**5 + b"a" * (10**5 - 1), b")" + b"\x85" * 10**5, b"]" + b"2\x86" * 40, b"N" + b"2\x86" * 40]
    with ML_Logger(root=root, prefix="me/run", silent=True) as logger:
        for bomb in bombs:
            logger.upload_buffer(head + bomb + b".", "bomb.pkl")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DamagedRecords)
                try:
                    assert len(logger.load_pkl("bomb.pkl", paranoid=paranoid) or []) <= 1
                except CorruptData:
                    pass


def test_a_file_goes_on_behind_a_pickle() -> None:
    """The machine leaves a file where the C unpickler does: behind the record."""
    from ml_logger.encoders import unpickle

    file = io.BytesIO(pickle.dumps({"a": 1}, 4) + pickle.dumps(np.arange(3), 2) + pickle.dumps(range(3), 5))
    assert unpickle.load(file, paranoid=True) == {"a": 1}
    assert unpickle.load(file, paranoid=True).tolist() == [0, 1, 2]
    assert unpickle.load(file, paranoid=True) == range(3)
