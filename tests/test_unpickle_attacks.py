"""Attacks on the data-only reader: nothing is executed, and each ends in one of our two errors."""

from __future__ import annotations

import contextlib
import copyreg
import os
import pickle
import random
import resource
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from ml_logger.encoders.unpickle import loads
from ml_logger.errors import CorruptData, UntrustedData
from tests import programs
from tests.pickle_attacks import (
    BARE,
    BOMBS,
    CODE,
    FLOAT,
    FORGED,
    FOUR,
    HARM,
    RANGE,
    SCALAR,
    Raw,
    array_of,
    call,
    lit,
    moment,
    name,
    structure,
    sub_array,
)
from tests.test_unpickle import DTYPES, SCALARS, VALUES


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[str]:
    """Give a path that no attack may touch, and hold that nothing was imported."""
    before = set(sys.modules)
    yield str(tmp_path / "canary")
    assert not (tmp_path / "canary").exists()
    ours = {"ml_logger.encoders.unpickle_numpy", "_strptime", "encodings.raw_unicode_escape"}  # text of protocol 0
    assert set(sys.modules) - before <= ours
    assert PurePosixPath("a").name == "a" and str(uuid.UUID(int=1)).endswith("1")


@contextlib.contextmanager
def memory_limit(extra: int) -> Iterator[None]:
    """Let this process take only so much more memory."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + extra, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("case", CODE)
@pytest.mark.parametrize("protocol", [b"", b"\x80\x02", b"\x80\x04"])
def test_no_code_runs(case: str, protocol: bytes, canary: str) -> None:
    """A pickle that would run code, import, or change a class raises one of our two errors instead."""
    with pytest.raises((UntrustedData, CorruptData)):
        loads(protocol + CODE[case](canary) + b".")


@pytest.mark.parametrize("case", [case for case in CODE if case[:3] < "K32" and "K" in case])
def test_refused_names_are_said(case: str, canary: str) -> None:
    """The error for a name outside the list is UntrustedData and says how to trust it."""
    with pytest.raises(UntrustedData, match="trust="):
        loads(CODE[case](canary) + b".")


@pytest.mark.parametrize("case", HARM)
def test_no_pickle_takes_memory_or_time(case: str, canary: str) -> None:
    """A pickle that asks for endless memory or work, or makes no sense, raises one of our two errors."""
    with memory_limit(1 << 30), pytest.raises((UntrustedData, CorruptData)):
        loads(HARM[case](canary) + b".")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("case", FORGED)
def test_no_forged_array_is_built(case: str, protocol: int, canary: str) -> None:
    """An array, scalar or dtype that contradicts itself, or hides objects, raises one of our two errors."""
    with memory_limit(1 << 30), pytest.raises((UntrustedData, CorruptData)):
        loads(pickle.dumps(FORGED[case], protocol))


def test_honest_parts_load() -> None:
    """What the forged cases are made of loads when it is not forged."""
    honest = {
        **{"structure": structure(("a",), {"a": (FLOAT, 0)}, 4), "sub": sub_array((FLOAT, (2,)), 8)},
        **{
            "objects": array_of(BARE, (1,), [1]),
            "moment": moment((b"s", 3, 1, 1)),
            "scalar": Raw(SCALAR, (FLOAT, FOUR)),
        },
    }
    assert list(loads(pickle.dumps(honest, 4))) == list(honest)
    assert loads(call("fractions:Fraction", "1/2") + b".") == 1 / 2
    assert loads(RANGE + b".") == range(2**31 - 1)


def test_extension_codes_are_refused_where_they_are_registered() -> None:
    """EXT opcodes are refused even in a process that registered one, and leave no trace in its registry."""
    copyreg.add_extension("os", "system", 7)
    try:
        with pytest.raises(UntrustedData, match="extension code 7"):
            loads(b"\x80\x02\x82\x07.")
        assert repr(loads(pickle.dumps([np.arange(3), uuid.UUID(int=1), {"a": {1.5}}], 4))) == repr(
            [np.arange(3), uuid.UUID(int=1), {"a": {1.5}}]
        )
        assert not copyreg._extension_cache  # type: ignore[attr-defined]
    finally:
        copyreg.remove_extension("os", "system", 7)


ALONE = """
import resource, sys
import numpy
from ml_logger.encoders.unpickle import loads
from ml_logger.errors import CorruptData

with open("/proc/self/statm") as file:
    limit = int(file.read().split()[0]) * resource.getpagesize() + (1 << 28)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for paranoid in (False, True):
    for data in map(bytes.fromhex, sys.argv[1:]):
        try:
            print(paranoid, loads(data, paranoid=paranoid))
        except CorruptData as error:
            print(paranoid, "MemoryError" in str(error))
assert loads(b"]K\\x01a.") == [1]
"""


def test_memory_bombs_end_in_an_error() -> None:
    """K40 to K42: under a limit a memo bomb is CorruptData to the C unpickler, and data to the machine."""
    done = programs.run(ALONE, *(data.hex() for data in BOMBS.values()))
    assert done.stdout.split() == ["False", "True"] * len(BOMBS) + ["True", "1"] * len(BOMBS)


def test_attributes_that_hide_methods_do_no_harm() -> None:
    """Attributes that a pickle gives an OrderedDict under the names of methods are not called when it is walked."""
    path = call("pathlib:PurePosixPath", "a")
    for method in ("items", "clear", "__class__"):
        hidden = b"}" + lit(method) + name("builtins", "set") + b"s"
        data = call("collections:OrderedDict") + b"q\x07" + path + b"K\x01sh\x07" + hidden + b"b0."
        assert loads(data) == {PurePosixPath("a"): 1}
        with pytest.raises(CorruptData):
            loads(data, paranoid=True)


@pytest.mark.parametrize("closing", [b"", call("builtins:range", 0, 1, 1) + b"0"], ids=["plain", "with a name"])
def test_deep_nesting_is_data_or_an_error(closing: bytes) -> None:
    """K46: a million nested tuples or lists load, or raise CorruptData; never RecursionError."""
    for pickled in (b")" + b"\x85" * 10**6 + closing + b".", b"]" * 10**6 + b"a" * (10**6 - 1) + closing + b"."):
        with contextlib.suppress(CorruptData):
            loads(pickled)


def test_doubling_is_not_walked_twice() -> None:
    """K47: 40 doublings load at once, also where the result has to be walked."""
    path = call("pathlib:PurePosixPath", "a")
    value = loads(path + b"2\x86" * 40 + b".")
    for _ in range(40):
        assert value[0] is value[1]
        value = value[0]
    assert value == PurePosixPath("a")


def test_colliding_keys_and_rings_are_data() -> None:
    """K49, K50: colliding integers and data that holds itself are plain data, and come back."""
    keys = [i * (2**61 - 1) for i in range(300)]
    assert loads(pickle.dumps(dict.fromkeys(keys), 4)) == dict.fromkeys(keys)
    ring: list[Any] = []
    ring.append((ring,))
    again = loads(pickle.dumps(ring, 4))
    assert again[0][0] is again
    again = loads(pickle.dumps((ring, range(3)), 2))
    assert again[0][0][0] is again[0]


def test_truncation_at_every_byte_is_corrupt() -> None:
    """K51: a pickle cut anywhere raises CorruptData."""
    for protocol in range(6):
        data = pickle.dumps([VALUES, np.arange(3), np.float32(1)], protocol)
        for cut in range(0, len(data), 3):
            with pytest.raises(CorruptData):
                loads(data[:cut])


def test_mutated_pickles_raise_only_our_errors(tmp_path: Path) -> None:
    """20,000 mutations of valid pickles load as data or raise one of our two errors."""
    rng = random.Random(20_000)
    values = [*VALUES, *SCALARS, np.arange(4), np.array([1, None, "a"], object), np.zeros(2, DTYPES[-2])]
    valid = [pickle.dumps(rng.sample(values, 3), protocol) for protocol in range(6) for _ in range(20)]
    outcomes: Counter[str] = Counter()
    with memory_limit(1 << 28):  # a mutated memo index can ask for gigabytes, which is a limit of the C unpickler
        for _ in range(20_000):
            data = mutated(bytearray(rng.choice(valid)), rng)
            try:
                loads(bytes(data))
                outcomes["loaded"] += 1
            except (UntrustedData, CorruptData) as error:
                outcomes[type(error).__name__] += 1
    assert min(outcomes[kind] for kind in ("loaded", "UntrustedData", "CorruptData")) > 100


def mutated(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at:at] = rng.choice([b"\x85", b"R", b"b", b"0", b"2", b"\x81", b"s", b"a", b"(", b"t", b"\x93", b"."])
        elif kind == 3:
            del data[at : at + rng.randint(1, 5)]
            data += b"."
        else:
            start = rng.randrange(len(data))
            data[at:at] = data[start : start + rng.randint(1, 30)]
    return data
