"""The pickle machine of our own: plain values come out as `pickle` gives them, and strangers get nothing else done."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.columns.opcodes import Machine, loads
from ml_logger.encoders import unpickle as reader
from ml_logger.errors import CorruptData, UntrustedData
from tests.pickle_attacks import BOMBS, CODE, FORGED, HARM, call, lit
from tests.test_records import same
from tests.test_unpickle import SCALARS, VALUES, named
from tests.test_unpickle_attacks import canary, memory_limit, mutated

__all__ = ["canary"]  # a fixture

# Sets are apart: their order is not the same in every copy, so `same` cannot compare what they are made of by place.
atoms = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=9)
    | st.integers(-(2**300), 2**300)
)  # fmt: skip
small = st.integers(-(2**60), 2**60)
plain = st.recursive(
    atoms | st.sets(small | st.text(max_size=3), max_size=3) | st.frozensets(small, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=8) | small | st.tuples(small, st.text(max_size=2)), inner, max_size=4)
    ),
    max_leaves=12,
)


def loads_audited(data: bytes) -> Any:
    """Read as the data-only reader does, with its table of names, by the machine."""
    return reader.loads(data, paranoid=True)


READERS: list[Callable[[bytes], Any]] = [loads, loads_audited]


# -- plain values -----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(plain, st.integers(0, 5))
def test_plain_values_are_read_as_pickle_reads_them(value: Any, protocol: int) -> None:
    """Every plain value of every protocol comes out as from `pickle.loads`, with its types and the bits of its NaNs."""
    data = pickle.dumps(value, protocol)
    assert same(loads(data), pickle.loads(data))
    assert same(loads_audited(data), pickle.loads(data))


@settings(deadline=None)
@given(plain)
def test_what_the_slow_pickler_writes_is_read_too(value: Any) -> None:
    """The Python pickler, which protocol 0 differs in and tools build upon, gives the same values."""
    for protocol in (0, 2, 4):
        data = pickle._dumps(value, protocol)  # type: ignore[attr-defined]
        assert same(loads(data), pickle.loads(data))


@pytest.mark.parametrize("protocol", range(6))
def test_large_values_of_many_frames_are_read(protocol: int) -> None:
    """Long lists, bytes and texts outside of the frames, and shared parts are read."""
    shared = ["x" * 300, 2**70]
    value = [list(range(70_000)), b"x." * 40_000, "é" * 70_000, {"a": shared, "b": shared}, dict.fromkeys(range(3000))]
    again = loads(pickle.dumps(value, protocol))
    assert again == value
    assert again[3]["a"] is again[3]["b"]


def test_the_texts_of_python_2_are_read() -> None:
    """Strings and names of protocol 2 as Python 2 wrote them come out as text."""
    assert loads(b"}q\x00U\x04lossq\x01G?\xe0\x00\x00\x00\x00\x00\x00s.") == {"loss": 0.5}
    assert loads(b"(dp0\nS'a\\n\"'\np1\nI01\nsVb\np2\nL12L\ns.") == {'a\n"': True, "b": 12}


@pytest.mark.parametrize(
    "value", [*VALUES, *SCALARS, np.arange(6).reshape(2, 3), [PurePosixPath("a"), {"b": 1j}]], ids=named
)
def test_the_audited_list_works_behind_the_machine(value: Any) -> None:
    """With the table of the data-only reader, all that it reads comes out of every protocol."""
    for protocol in range(6):
        data = pickle.dumps(value, protocol)
        again = loads_audited(data)
        assert type(again) is type(reader.loads(data))
        assert shown(again) == shown(reader.loads(data))


def shown(value: Any) -> Any:
    """Return what a value looks like; the members of a set in an order of their own."""
    return sorted(map(repr, value)) if isinstance(value, (set, frozenset)) else repr(value)


# -- strangers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CODE)
@pytest.mark.parametrize("protocol", [b"", b"\x80\x02", b"\x80\x04"])
def test_no_code_runs(case: str, protocol: bytes, canary: str) -> None:
    """A pickle that would run code, import, or change a class raises one of our two errors, with either table."""
    for read in READERS:
        with pytest.raises((UntrustedData, CorruptData)):
            read(protocol + CODE[case](canary) + b".")


@pytest.mark.parametrize("case", HARM)
def test_no_pickle_takes_memory_or_time(case: str, canary: str) -> None:
    """A pickle that asks for endless memory or work, or makes no sense, raises one of our two errors."""
    for read in READERS:
        with memory_limit(1 << 29), pytest.raises((UntrustedData, CorruptData)):
            read(HARM[case](canary) + b".")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("case", FORGED)
def test_no_forged_array_is_built(case: str, protocol: int, canary: str) -> None:
    """An array, scalar or dtype that contradicts itself raises one of our two errors, with either table."""
    data = pickle.dumps(FORGED[case], protocol)
    for read in READERS:
        with memory_limit(1 << 29), pytest.raises((UntrustedData, CorruptData)):
            read(data)


@pytest.mark.parametrize("case", BOMBS)
def test_memo_indices_take_no_memory(case: str) -> None:
    """A memo index beyond reason, which makes the C unpickler allocate gigabytes, costs one entry."""
    for read in READERS:
        with memory_limit(1 << 26):
            assert read(BOMBS[case]) == 1


@pytest.mark.parametrize(
    "data",
    [
        b")" + b"\x85" * 10**6 + b".",
        b"]" * 10**6 + b"a" * (10**6 - 1) + b".",
        b"(" * 10**6 + b"t" * 10**6 + b".",
        b"}" + b"N}" * 10**5 + b"s" * 10**5 + b".",
    ],
    ids=["tuples", "lists", "marks", "dicts"],
)
def test_deep_nesting_is_refused(data: bytes) -> None:
    """K46: a million levels of tuples, lists or dicts raise CorruptData; 500 load."""
    for read in READERS:
        with pytest.raises(CorruptData):
            read(data)
    value = loads(b"]" * 500 + b"a" * 499 + b".")
    for _ in range(499):
        [value] = value
    assert value == []
    with pytest.raises(CorruptData, match="500 levels"):
        loads(b"]" * 501 + b"a" * 500 + b".")


def test_nothing_gets_deep_by_the_back_door() -> None:
    """A list that is inside another one takes nothing more, so a value is never deeper than it was measured."""
    outer_first = b"]\x94]\x94a" + b"h\x01]a" + b"0."
    with pytest.raises(CorruptData, match="in another one already"):
        loads(outer_first)


def test_rings_are_refused() -> None:
    """K50: a list or a dict that holds itself is no plain value."""
    ring: list[Any] = []
    ring.append((ring,))
    named: dict[str, Any] = {}
    named["self"] = named
    for value in (ring, named):
        with pytest.raises(CorruptData):
            loads(pickle.dumps(value, 4))


def test_doubling_takes_no_time() -> None:
    """K47: 40 doublings are one small object, and are refused where they would have to be hashed."""
    value = loads(b")" + b"2\x86" * 40 + b".")
    for _ in range(40):
        assert value[0] is value[1]
        value = value[0]
    for use in (b"}" + b")" + b"2\x86" * 40 + b"Ns.", b"\x8f(" + b")" + b"2\x86" * 40 + b"\x90."):
        with pytest.raises(CorruptData, match="parts of keys"):
            loads(use)


@pytest.mark.parametrize(
    "wrap", [lambda key: key, lambda key: (key,), lambda key: -key], ids=["int", "tuple", "negative"]
)
def test_colliding_keys_are_refused(wrap: Callable[[int], Any]) -> None:
    """K49: integers whose hashes collide are refused as keys and members, and are values like any others."""
    keys = [wrap(i * (2**61 - 1)) for i in range(1, 300)]
    for value in (dict.fromkeys(keys), set(keys), frozenset(keys)):
        for protocol in (2, 4):
            for read in READERS:
                with pytest.raises(CorruptData, match=r"2\*\*61"):
                    read(pickle.dumps(value, protocol))
    assert loads(pickle.dumps(keys, 4)) == keys
    assert loads(pickle.dumps({2**61 - 2: 1}, 4)) == {2**61 - 2: 1}


def test_long_tuples_are_no_keys_in_number() -> None:
    """Tuples of floats that have one hash are compared part by part: so many parts are refused."""
    keys = {(1.0,) * 90 + tuple(2.0**61 if i >> n & 1 else 1.0 for n in range(11)): None for i in range(1500)}
    with pytest.raises(CorruptData, match="parts of keys that are tuples"):
        loads(pickle.dumps(keys, 4))


def test_one_list_is_not_copied_for_ever() -> None:
    """A pickle that makes many sets of one long list runs out of its budget, not of the machine's time."""
    data = lit(list(range(100_000))) + b"q\x00" + b"c__builtin__\nset\nq\x010" + b"h\x01h\x00\x85R0" * 100_000 + b"."
    for read in READERS:
        with pytest.raises(CorruptData, match="copy more than"):
            read(data)


def test_names_do_not_come_out_as_values() -> None:
    """What the table gives for a name can be called, and is never a value itself."""
    for data in (b"cbuiltins\nset\n.", b"(cbuiltins\nset\nl.", b"}K\x01cbuiltins\nset\ns."):
        with pytest.raises(UntrustedData):
            loads(data)
    assert loads(call("__builtin__:set", [lit([1, 2])]) + b".") == {1, 2}


def test_the_budget_is_kept() -> None:
    """A pickle of more opcodes than allowed raises CorruptData."""
    data = pickle.dumps(list(range(1000)), 4)
    assert loads(data, budget=1100) == list(range(1000))
    with pytest.raises(CorruptData, match="1,000 opcodes"):
        loads(data, budget=1000)


def test_a_cut_pickle_tells_how_far_it_would_go() -> None:
    """K51: a pickle cut anywhere raises CorruptData, and says that more than there is would be needed."""
    values = [1.5, 2**80, "text", [1, {"a": None}], {1, 2}, b"\x00"]
    for protocol in range(6):
        data = pickle.dumps(values, protocol)
        for cut in range(len(data)):
            machine = Machine(data[:cut])
            with pytest.raises(CorruptData, match="cut short"):
                machine.load()
            assert cut < machine.needed <= len(data)


def test_frames_are_kept_to() -> None:
    """A frame that an opcode runs over, that holds the end of its pickle inside, or another frame, is corrupt."""
    framed = b"\x80\x04\x95%c\x00\x00\x00\x00\x00\x00\x00"
    for size, body in ((3, b"K\x01K\x01."), (4, b"N.N."), (12, b"N\x95\x01" + b"\x00" * 8 + b"."), (1, b"NNNNN.")):
        with pytest.raises(CorruptData):
            loads(framed % size + body)
    assert loads(framed % 2 + b"N.") is None


def test_mutated_pickles_raise_only_our_errors() -> None:
    """20,000 mutations of valid pickles load as plain data or raise one of our two errors, and none takes memory."""
    rng = random.Random(5)
    values = [*VALUES, *SCALARS, np.arange(4), np.array([1, None, "a"], object), {"a": [1, {2}], "b": b"x"}]
    valid = [pickle.dumps(rng.sample(values, 3), protocol) for protocol in range(6) for _ in range(20)]
    valid += [pickle.dumps(values[-1], protocol) for protocol in range(6) for _ in range(10)]
    outcomes: Counter[str] = Counter()
    with memory_limit(1 << 28):
        for _ in range(20_000):
            data = bytes(mutated(bytearray(rng.choice(valid)), rng))
            for read in READERS:
                try:
                    read(data)
                    outcomes["loaded"] += 1
                except (UntrustedData, CorruptData) as error:
                    outcomes[type(error).__name__] += 1
    assert min(outcomes[kind] for kind in ("loaded", "UntrustedData", "CorruptData")) > 100


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_are_data_or_an_error(data: bytes) -> None:
    """Bytes of any kind give a value or one of our two errors."""
    for read in READERS:
        try:
            read(data)
        except (UntrustedData, CorruptData):
            pass


def test_the_machine_needs_nothing() -> None:
    """The machine loads neither numpy nor anything else that is heavy."""
    code = (
        "import sys; from ml_logger.columns.opcodes import loads; assert loads(b'N.') is None; "
        "assert not [name for name in sys.modules if name.split('.')[0] in ('numpy', 'sanic', 'requests')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
