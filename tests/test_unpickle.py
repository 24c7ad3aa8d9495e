"""The data-only reader: every listed type comes back, and nothing in a pickle is ever executed."""

from __future__ import annotations

import datetime
import decimal
import io
import math
import pickle
import re
import struct
import subprocess
import sys
import types
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pytest

from ml_logger.encoders import unpickle
from ml_logger.encoders.unpickle import loads
from ml_logger.errors import CorruptData, UntrustedData

ZONE = datetime.timezone(datetime.timedelta(hours=2), "X")
SHARED = [1]

VALUES: list[Any] = [
    *(None, True, 1, -(1 << 80), 1.5, -0.0, math.inf, "é", b"ab\xff", b"", bytearray(b"\xff1"), bytearray(), 1j, ...),
    *([1], (1, (2,)), {"a": 1}, {1, 2}, set(), frozenset([3]), frozenset(), range(1, 9, 2), slice(1, None, 3)),
    *(datetime.datetime(2020, 1, 2, 3, 4, 5, 6), datetime.datetime(2020, 1, 2, tzinfo=ZONE), datetime.date(2020, 1, 2)),
    *(datetime.time(1, 2, 3, 4, ZONE, fold=1), datetime.timedelta(1, 2, 3), datetime.timezone.utc, ZONE),
    *(decimal.Decimal("1.50"), decimal.Decimal("-Infinity"), Fraction(-3, 7), Fraction(10**2000, 3), uuid.UUID(int=5)),
    *(OrderedDict(b=1, a=(range(3),)), defaultdict(list, a=[1]), defaultdict(None, a=1), defaultdict(int)),
    *(Counter("abca"), deque([1, 2]), deque([1, 2], 5), types.SimpleNamespace(a=uuid.UUID(int=4), b=[1])),
    *(PurePosixPath("a/b"), Path("/x"), PureWindowsPath("c:/x"), PurePosixPath()),
    *({uuid.UUID(int=3), PurePosixPath("a")}, {(PurePosixPath("q"), 1): {uuid.UUID(int=3): (range(3),)}}),
    *(frozenset([PurePosixPath("a")]), Counter({PurePosixPath("a"): 3, 1: 2}), [SHARED, SHARED], {"d": np.dtype("f4")}),
]

SCALARS: list[Any] = [
    *(np.float32(1.5), np.float16(2), np.float64(math.nan), np.longdouble(1.5), np.int8(-3), np.uint64(1 << 63)),
    *(np.bool_(True), np.complex64(1j), np.str_(""), np.str_("aé"), np.bytes_(b"x"), np.void(b"abc")),
    *(np.datetime64("2020-01-01", "25s"), np.timedelta64(3, "ns"), np.datetime64("NaT", "s"), np.timedelta64(3, "D")),
    np.array([(1, 2.5)], "i4,f8")[0],
]

DTYPES: list[Any] = [
    *("?", "i1", "u2", ">i4", "<u8", "f2", ">f4", "f8", "c8", ">c16", "longdouble", "S3", "U3", ">U2", "V3", "O"),
    *("M8[ns]", ">M8[25us]", "M8", "m8[D]", [("a", "<f4"), ("b", ">i2", (2,))], [(("title", "a"), "i4"), ("b", "U2")]),
    *(
        [("a", [("b", "f4"), ("c", "M8[s]")]), ("d", "S2")],
        {"names": ["x"], "formats": ["i4"], "offsets": [3], "itemsize": 9},
    ),
    np.dtype([("a", "i1"), ("b", "i8")], align=True),
]

SHAPES: list[Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = [
    lambda a: a,
    lambda a: a[0],
    lambda a: a[0, 0, :1].reshape(()),
    lambda a: a[:0],
    lambda a: np.asfortranarray(a[0]),
    lambda a: a.transpose(1, 0, 2),
    lambda a: a[:, ::2],
]


def alike(one: Any, other: Any) -> bool:
    """Compare type and content; NaN equals itself, and a path may have become a pure one."""
    flavor = isinstance(other, PurePath) or type(one) is type(other)
    return flavor and (
        one == other if isinstance(other, PurePath | set | frozenset | dict) else repr(one) == repr(other)
    )


def named(value: Any) -> str:
    """Return the same name of a value in each process: the order of a set is another one."""
    return f"{{{', '.join(sorted(map(repr, value)))}}}" if type(value) is set else repr(value)


# -- what comes back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{named(value):.20}")
def test_listed_types_come_back(value: Any, protocol: int) -> None:
    """Every type of the list is the same after a round trip in every protocol, alone and inside containers."""
    value = pickle.loads(pickle.dumps(value, protocol))  # the older protocols lose the fold of a time
    assert alike(loads(pickle.dumps(value, protocol)), value)
    for holder in ([value], {"a": value}, (1, (value, [value])), types.SimpleNamespace(a=value), deque([value])):
        again = loads(pickle.dumps(holder, protocol))
        assert type(again) is type(holder) and (again == holder or repr(again) == repr(holder))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", SCALARS, ids=lambda value: f"{type(value).__name__}-{value.dtype}")
def test_scalars_come_back(value: Any, protocol: int) -> None:
    """Scalars of numpy keep their type, dtype and value, as keys too."""
    again = loads(pickle.dumps(value, protocol))
    assert type(again) is type(value) and again.dtype == value.dtype and repr(again) == repr(value)
    if value.dtype.kind in "biufcSUM":
        assert repr(loads(pickle.dumps({value: [value]}, protocol))) == repr({value: [value]})


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("shape", range(len(SHAPES)))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_arrays_come_back(dtype: Any, shape: int, protocol: int) -> None:
    """Arrays keep dtype, shape, order and content, and can be written to, whatever their layout was."""
    array = np.zeros((2, 3, 4), dtype)
    if np.dtype(dtype).kind in "biufcmMO":
        array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    array = SHAPES[shape](array)
    again, plain = loads(pickle.dumps(array, protocol)), pickle.loads(pickle.dumps(array, protocol))
    assert type(again) is np.ndarray and again.dtype == array.dtype and again.shape == array.shape
    assert repr(again.tolist()) == repr(array.tolist())
    assert again.flags.writeable == plain.flags.writeable
    assert again.size == 0 or again.strides == plain.strides
    assert loads(pickle.dumps(array.dtype, protocol)) == array.dtype


def test_arrays_of_objects_hold_what_they_held() -> None:
    """An array of objects keeps its cells, other arrays among them, in place and in any order; it may hold itself."""
    array = np.asfortranarray(np.array([[1, "a", None], [2.5, range(3), b"x"]], object))
    array[0, 2] = np.arange(3)
    again = loads(pickle.dumps(array, 4))
    assert repr(again.tolist()) == repr(array.tolist())
    array[0, 0] = array
    again = loads(pickle.dumps(array, 4))
    assert again[0, 0] is again


def test_older_module_names_of_numpy_are_known() -> None:
    """Arrays and scalars pickled by numpy 1 and numpy 2 are both read."""
    for value in (np.arange(3), np.float32(1)):
        data = pickle.dumps(value, 2)  # the names of protocol 2 carry no length
        for core in (b"numpy._core.", b"numpy.core."):
            assert repr(loads(re.sub(rb"numpy\._?core\.", core, data))) == repr(value)
    parts = b"".join(pickle.dumps(part, 2)[2:-1] for part in (np.dtype("u1"), (2,), "C"))
    buffer = b"cnumpy.core.numeric\n_frombuffer\n(C\x02ab" + parts + b"tR."
    assert loads(buffer).tolist() == [97, 98]


def test_paths_of_python_3_13_are_known() -> None:
    """Paths pickled under the module name of Python 3.13 are read, and paths of Windows stay so."""
    assert loads(b"\x80\x02cpathlib._local\nPosixPath\nU\x01a\x85R.") == PurePosixPath("a")
    assert loads(b"\x80\x02cpathlib\nWindowsPath\nU\x01a\x85R.") == PureWindowsPath("a")


def test_not_a_number_keeps_its_payload() -> None:
    """The bits of a NaN and the sign of a zero survive."""
    strange = struct.unpack("<d", b"\x01\x00\x00\x00\x00\x00\xf8\xff")[0]
    for value in (strange, -0.0, np.float64(strange)):
        assert struct.pack("<d", loads(pickle.dumps(value, 4))) == struct.pack("<d", value)


def test_shared_and_circular_parts_stay_so() -> None:
    """Identity inside a record is kept, also where something was put in place late."""
    both = [PurePosixPath("a")]
    ring: list[Any] = [both, both, (both, np.arange(2))]
    ring.append(ring)
    ring.append((ring, 1))
    again = loads(pickle.dumps(ring, 4))
    assert again[0] is again[1] is again[2][0] and again[3] is again and again[4][0] is again
    assert again[0] == [PurePosixPath("a")]


def test_a_tuple_in_itself_is_never_half_replaced() -> None:
    """A tuple that holds itself comes back, or raises CorruptData if something in it had to be put in place."""
    inner: list[Any] = []
    plain, late = (inner, 1), (inner, PurePosixPath("a"))
    inner[:] = [plain]
    again = loads(pickle.dumps((plain, range(3)), 4))
    assert again[0][0][0] is again[0]
    inner[:] = [late]
    with pytest.raises(CorruptData, match="holds itself"):
        loads(pickle.dumps(late, 4))


def test_the_default_of_a_defaultdict_works() -> None:
    """A defaultdict goes on making its default."""
    again = loads(pickle.dumps(defaultdict(list, a=[1]), 2))
    assert again["new"] == []


def test_load_leaves_the_file_after_the_record() -> None:
    """Records one after another are read by one `load` each."""
    file = io.BytesIO(pickle.dumps({"a": 1}, 4) + pickle.dumps(np.arange(3), 2) + pickle.dumps(range(3), 5))
    assert unpickle.load(file) == {"a": 1}
    assert unpickle.load(file).tolist() == [0, 1, 2]
    assert unpickle.load(file) == range(3)


# -- trust -------------------------------------------------------------------------------------------------------------


class Point:
    """A class that this library does not know."""

    def __init__(self, x: Any) -> None:
        self.x = x


class Other(Point):
    """Another one, which is not trusted in the tests."""


@pytest.mark.parametrize("protocol", range(6))
def test_trust_admits_exactly_the_named_classes(protocol: int) -> None:
    """A class named in `trust` is rebuilt, its arrays in place; the others are still refused."""
    data = pickle.dumps([Point(np.arange(3)), Point({"p": PurePosixPath("a")})], protocol)
    again = loads(data, trust=[f"{__name__}.Point"])
    assert type(again[0]) is Point and again[0].x.tolist() == [0, 1, 2] and again[1].x == {"p": PurePosixPath("a")}
    assert type(loads(data, trust=True)[0]) is Point
    for trust in (False, [], [f"{__name__}.Other"], f"{__name__}.Poin"):
        with pytest.raises(UntrustedData, match=rf'{__name__}\.Point.*trust=\["{__name__}\.Point"\].*trust=True'):
            loads(data, trust=trust)
    with pytest.raises(UntrustedData, match="Other"):
        loads(pickle.dumps([Point(1), Other(2)], protocol), trust=[f"{__name__}.Point"])


def test_a_trusted_class_that_is_missing_is_said_so() -> None:
    """A trusted name that this program cannot import raises what the import raised, and is no damage."""
    for trust in (True, ["no_such_module.Thing"]):
        with pytest.raises(ModuleNotFoundError):
            loads(b"\x80\x02cno_such_module\nThing\n.", trust=trust)


def test_corrupt_data_is_one_error_with_trust_too() -> None:
    """With `trust=True` a torn pickle is CorruptData as well."""
    with pytest.raises(CorruptData):
        loads(pickle.dumps([1, 2, 3], 4)[:-2], trust=True)


@pytest.mark.parametrize("value", [decimal.Decimal, uuid.UUID, {"a": [OrderedDict]}, {Counter: 1}, list, (np.ndarray,)])
def test_classes_as_values_are_refused(value: Any) -> None:
    """A class of the list that is stored itself, not an object of it, is not handed out."""
    with pytest.raises(UntrustedData, match="class"):
        loads(pickle.dumps(value, 4))


def test_metrics_never_import_numpy() -> None:
    """Reading plain rows and dates imports no numpy."""
    code = (
        "import sys, pickle, datetime; from ml_logger.encoders.unpickle import loads; "
        "loads(pickle.dumps({'a': 1.5, 't': datetime.datetime.now()})); assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
