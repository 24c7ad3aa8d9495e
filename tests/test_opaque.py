"""Objects of classes that are not here: what is stored of them comes back, and nothing is imported or run."""

from __future__ import annotations

import argparse
import copyreg
import enum
import pickle
import string
import types
import warnings
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest

from ml_logger import ML_Logger
from ml_logger.columns.containers import OverLimit
from ml_logger.encoders import opaque
from ml_logger.encoders.opaque import Opaque, OpaqueObjects, Opaques
from ml_logger.encoders.unpickle import loads
from ml_logger.errors import CorruptData, InvalidSetting, UntrustedData
from tests import programs
from tests.pickle_attacks import CODE, FORGED, HARM, call, lit, name, stack_global
from tests.test_paranoid import alike
from tests.test_unpickle import DTYPES, SCALARS, VALUES
from tests.test_unpickle_attacks import canary, memory_limit

__all__ = ["canary"]  # a fixture

BOTH = pytest.mark.parametrize("paranoid", [False, True])


def read(data: bytes, paranoid: bool = False, **kw: Any) -> Any:
    """Decode one pickle with unknown names as `Opaque`."""
    return loads(data, paranoid=paranoid, unknown=Opaques(), **kw)


class Color(enum.Enum):
    """Stands for an enum of somebody else."""

    RED = 1
    BLUE = "b"

    def __reduce_ex__(self, protocol: object) -> tuple[type, tuple[object]]:
        return type(self), (self.value,)  # as all Pythons but 3.11.0 to 3.11.3 do


class Frozen:
    """Stands for a class whose objects may be keys."""

    def __init__(self, x: int) -> None:
        self.x = x


# -- what comes back --------------------------------------------------------------------------------------------------

#: Stores what a program with classes of its own stores, in each protocol.
STORE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy, pandas
from elsewhere import Config, Kind, Names, Net, Point
from ml_logger import ML_Logger

logger = ML_Logger(root=sys.argv[2], prefix="run", silent=True)
import pickle
for protocol in range(6):
    values = [Net([1, 2]), Point(1, numpy.arange(3)), Kind.B, Names(["a"]), Config(lr=0.1), Net,
              pandas.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}), numpy.random.default_rng(3), {Kind.B: (Kind.A,)}]
    logger.upload_buffer(b"".join(pickle.dumps(value, protocol) for value in values), f"{protocol}.pkl")
"""

#: Reads that in a program which has none of these classes, and does not load those that it could have.
READ = """
import sys, warnings
from ml_logger import ML_Logger
from ml_logger.encoders.opaque import Opaque, OpaqueObjects

logger = ML_Logger(root=sys.argv[1], prefix="run", silent=True)
for protocol in range(6):
    for paranoid in (False, True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = logger.load_pkl(f"{protocol}.pkl", unknown="opaque", paranoid=paranoid)
        assert [each.category for each in caught] == [OpaqueObjects]
        told = str(caught[0].message)
        assert all(f"elsewhere.{name}" in told for name in ("Net", "Point", "Kind", "Names", "Config"))
        net, point, kind, names, config, cls, frame, random, keyed = found
        assert (net.module, net.name, net.args, net.state) == ("elsewhere", "Net", (), {"layers": [1, 2]})
        assert point.name == "Point" and point.state["x"] == 1 and point.state["y"].tolist() == [0, 1, 2]
        assert kind == Opaque("elsewhere", "Kind", (2,))
        assert list(names.items) == ["a"] or names.args == (["a"],)
        assert dict(config.items) == {"lr": 0.1} or config.args == ({"lr": 0.1},)
        assert cls == Opaque("elsewhere", "Net") and cls.args is None
        assert keyed == {Opaque("elsewhere", "Kind", (2,)): (Opaque("elsewhere", "Kind", (1,)),)}
        assert "DataFrame" in repr(frame) and "__generator_ctor" in repr(random)
assert not {"elsewhere", "pandas", "numpy.random._pickle"} & set(sys.modules) - BEFORE
print("read")
"""

ELSEWHERE = """
import dataclasses, enum

class Net:
    def __init__(self, layers):
        self.layers = layers

@dataclasses.dataclass
class Point:
    x: int
    y: object

class Kind(enum.Enum):
    A = 1
    B = 2

    def __reduce_ex__(self, protocol):
        return type(self), (self.value,)

class Names(list):
    pass

class Config(dict):
    pass
"""


def test_what_a_program_with_classes_stored_is_seen_without_them(tmp_path: Path) -> None:
    """Objects, data classes, enums, tables and generators of another program are told, in both ways of reading."""
    (tmp_path / "elsewhere.py").write_text(ELSEWHERE)
    programs.run(STORE, tmp_path, tmp_path / "runs")
    before = "import sys, numpy\nBEFORE = set(sys.modules)\n"
    assert programs.run(before + READ, tmp_path / "runs").stdout == "read\n"


@BOTH
@pytest.mark.parametrize("protocol", range(6))
def test_listed_values_are_what_they_are(protocol: int, paranoid: bool) -> None:
    """What is on the list comes as without `unknown`, beside and within objects that are opaque."""
    values = [*VALUES, *SCALARS, *(np.zeros((2, 3), dtype) for dtype in DTYPES)]
    data = pickle.dumps([values, Frozen(values)], protocol)  # type: ignore[arg-type]
    plain = loads(pickle.dumps(values, protocol), paranoid=paranoid)
    alone, within = read(data, paranoid)
    assert alike(alone, plain) and alike(within.state["x"], plain)


def test_objects_that_hold_themselves_come_back() -> None:
    """Identity within a record is kept; where reading is paranoid, a value that holds itself is refused as ever."""
    ring = Frozen(1)
    ring.x = [ring, (ring, 1)]  # type: ignore[assignment]
    again = read(pickle.dumps((ring, ring), 4))
    assert again[0] is again[1] is again[0].state["x"][0] is again[0].state["x"][1][0]
    with pytest.raises(CorruptData):
        read(pickle.dumps(ring, 4), paranoid=True)


@BOTH
def test_an_opaque_object_may_be_a_key(paranoid: bool) -> None:
    """Members of an enum are equal keys; objects that say more are keys that count by themselves."""
    value = {Color.RED: 1, (Color.BLUE, 2): {Color.RED}, Color: frozenset([Color.BLUE]), Frozen(1): 2, Frozen(2): 3}
    again = read(pickle.dumps(value, 4), paranoid)
    red, blue = (Opaque(__name__, "Color", (kind,)) for kind in (1, "b"))
    assert again[red] == 1 and again[blue, 2] == {red} and again[Opaque(__name__, "Color")] == {blue}
    assert [key.state for key in again if type(key) is Opaque and key.state] == [{"x": 1}, {"x": 2}]
    assert len(again) == 5 and Opaque(__name__, "Frozen", (), {"x": 1}) not in again
    assert len(read(pickle.dumps(dict.fromkeys(map(Frozen, range(5000))), 4), paranoid)) == 5000


def test_keys_cannot_be_made_to_collide() -> None:
    """Integers whose hashes collide are no plain arguments, so objects of them are hashed by themselves."""
    keys = [Opaque("a", "B", (n * (2**61 - 1),)) for n in range(1, 200)]
    assert len({hash(key) for key in keys}) == len(keys)
    assert len({Opaque("a", "B", (1,)), Opaque("a", "B", (1,)), Opaque("a", "B", (True,)), Opaque("a", "B")}) == 3


# -- what an opaque object is -----------------------------------------------------------------------------------------


def test_an_opaque_object_is_not_changed() -> None:
    """It has no other attributes than its own, none can be set, and it can neither be called nor walked."""
    made = Opaque("a", "B", (1,), {"x": 2})
    for attempt in (
        lambda: setattr(made, "state", 1),
        lambda: delattr(made, "name"),
        lambda: made.x,
        lambda: made.method,
    ):  # type: ignore[attr-defined]
        with pytest.raises(AttributeError):
            attempt()
    for use in (lambda: made(), lambda: iter(made), lambda: len(made), lambda: made["x"]):  # type: ignore[operator, call-overload, arg-type, index]
        with pytest.raises(TypeError):
            use()
    assert not hasattr(made, "__dict__") and not hasattr(made, "__setstate__")


def test_opaque_objects_are_compared_by_what_they_say() -> None:
    """Equal are those of one name, arguments, state and items, in the same types; arrays are compared as a whole."""
    parts: list[Any] = [(1, "a"), {"x": np.arange(3), "y": [np.float32(1)]}, (1, ("k", np.ones(2))), {"k": 1}]
    made = Opaque("a", "B", *parts)
    assert made == pickle.loads(pickle.dumps(made)) and made != Opaque("a", "C", *parts)
    for at, other in enumerate([(True, "a"), {"x": np.arange(4), "y": [np.float32(1)]}, (1,), {"k": 2}]):
        assert made != Opaque("a", "B", *parts[:at], other, *parts[at + 1 :])
    assert Opaque("a", "B") != Opaque("a", "B", ()) and Opaque("a", "B") != "a.B"
    match made:
        case Opaque("a", "B", (number, _), {"x": array}):
            assert number == 1 and array.tolist() == [0, 1, 2]
        case _:
            pytest.fail("no match")


def test_an_opaque_object_is_shown_shortly() -> None:
    """Its text is escaped, cut, and made in no time, whatever it holds."""
    twice: Any = Opaque("a", "B")
    for _ in range(60):
        twice = Opaque("a", "B", (twice, twice), {"x": [twice, twice]})
    shown = [twice, Opaque("a" * 10**6, "B", ("x" * 10**6, 7**10**6, b"x" * 10**6, types.SimpleNamespace(a=twice)))]
    shown.append(Opaque("a", "B", ("\x1b[31m\n\u202e\udc80",)))
    for each in shown:
        assert len(repr(each)) <= 400 and repr(each).isascii() and repr(each).isprintable()
    assert (
        repr(Opaque("pkg", "Class", (1, "a"), {"x": None}))
        == "Opaque('pkg', 'Class', args=(1, 'a'), state={'x': None})"
    )


# -- what says so -----------------------------------------------------------------------------------------------------


class Size(enum.Enum):
    """Stands for an enum of a program that runs with Python 3.11.0 to 3.11.3."""

    SMALL = 1

    def __reduce_ex__(self, protocol: object) -> tuple[object, tuple[object, str]]:
        return getattr, (type(self), self.name)


@BOTH
@pytest.mark.parametrize("protocol", range(6))
def test_an_enum_that_is_stored_by_its_name_is_told_as_that(protocol: int, paranoid: bool) -> None:
    """Some Pythons store `getattr(Size, "SMALL")`: it is kept as an object, and nothing is looked up."""
    module = "builtins" if protocol >= 3 else "__builtin__"
    told = Opaque(module, "getattr", (Opaque(__name__, "Size"), "SMALL"))
    assert read(pickle.dumps(Size.SMALL, protocol), paranoid) == told


@BOTH
def test_one_warning_tells_all(logger: ML_Logger, paranoid: bool) -> None:
    """A call that keeps objects warns once, with the file, and how many there are of each class; else not at all."""
    for value in (Color.RED, {"a": [Color.BLUE, Frozen(1)]}, 3):
        logger.log_data(value, "some.pkl")
    logger.save_pkl({"a": 1}, "none.pkl")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = logger.load_pkl("some.pkl", unknown="opaque", paranoid=paranoid)
        one_by_one = list(logger.iload_pkl("some.pkl", unknown="opaque", paranoid=paranoid))
        assert logger.load_pkl("none.pkl", unknown="opaque", paranoid=paranoid) == [{"a": 1}]
        assert logger.load_pkl("some.pkl", start=2, unknown="opaque", paranoid=paranoid) == [3]
    assert (
        found
        == one_by_one
        == [
            Opaque(__name__, "Color", (1,)),
            {"a": [Opaque(__name__, "Color", ("b",)), Opaque(__name__, "Frozen", (), {"x": 1})]},
            3,
        ]
    )
    assert [each.category for each in caught] == [OpaqueObjects] * 2
    assert f"some.pkl: objects whose classes are on no list are kept as Opaque: 2 of {__name__}.Color, 1 of" in str(
        caught[0].message
    )
    with pytest.raises(UntrustedData, match="Color"):
        logger.load_pkl("some.pkl", paranoid=paranoid)


def test_a_warning_is_short_and_clean(logger: ML_Logger) -> None:
    """Names of strangers are escaped and cut, and many of them are counted."""
    data = b"".join(call(f"m{n}:f") + b"." for n in range(50)) + stack_global("\x1b[31m", "\n" * 200) + b"."
    logger.upload_buffer(data, "many.pkl")
    with pytest.warns(OpaqueObjects, match="31 of 31 more") as caught:
        assert len(logger.load_pkl("many.pkl", unknown="opaque") or []) == 51
    assert len(str(caught[0].message)) < 2500 and str(caught[0].message).isprintable()


@BOTH
def test_too_many_names_are_refused(logger: ML_Logger, paranoid: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of more different names than a limit raises, and is not passed over as damaged."""
    monkeypatch.setattr(opaque, "MOST_NAMES", 100)
    logger.upload_buffer(b"".join(name("m", f"f{n}") + b"." for n in range(101)), "names.pkl")
    with pytest.warns(OpaqueObjects), pytest.raises(OverLimit, match=r"names\.pkl: more than 100 different names"):
        logger.load_pkl("names.pkl", unknown="opaque", paranoid=paranoid)


def test_trusted_names_are_built_and_all_others_opaque(logger: ML_Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """With names in `trust` these are real objects; `trust=True` contradicts it, wherever it is said."""
    own, other = argparse.Namespace(a=Color.RED), string.Template("x")
    logger.save_pkl([own, other], "both.pkl")
    for protocol in (0, 2, 5):
        logger.upload_buffer(pickle.dumps([own, other], protocol), "both.pkl")
        with pytest.warns(OpaqueObjects):
            [[first, second]] = logger.load_pkl("both.pkl", unknown="opaque", trust=["argparse.Namespace"]) or []
        assert first == argparse.Namespace(a=Opaque(__name__, "Color", (1,)))
        assert second == Opaque("string", "Template", (), {"template": "x"})
    with pytest.raises(InvalidSetting, match="opaque"):
        logger.load_pkl("both.pkl", unknown="opaque", trust=True)
    with pytest.raises(InvalidSetting, match="'open'"):
        logger.iload_pkl("both.pkl", unknown="open")
    monkeypatch.setenv("ML_LOGGER_TRUST", "1")
    with pytest.raises(InvalidSetting, match="ML_LOGGER_TRUST"):
        logger.iload_pkl("both.pkl", unknown="opaque")


# -- attacks ----------------------------------------------------------------------------------------------------------

HARMLESS = {type(None), bool, int, float, complex, str, bytes, bytearray, type(...), range, slice, np.ndarray, Opaque}


def parts_of(value: Any) -> Iterator[Any]:
    """Yield a value and all that is in it."""
    todo, seen = [value], set()
    while todo:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        if type(part) is Opaque:
            todo += [part.args, part.state, part.items, part.kwargs, part.module, part.name]
        elif isinstance(part, dict):
            todo += [*part, *part.values(), *([part.default_factory] if isinstance(part, defaultdict) else [])]
        elif isinstance(part, (list, tuple, set, frozenset, deque)):
            todo += part
        elif type(part) is types.SimpleNamespace:
            todo.append(vars(part))
        elif type(part) is np.ndarray and part.dtype == object:
            todo += part.tolist()


def is_harmless(value: Any) -> bool:
    """Tell whether there is nothing but values in it, and none of what stands for names while a pickle is read."""
    kinds = HARMLESS | {
        list,
        tuple,
        dict,
        set,
        frozenset,
        deque,
        OrderedDict,
        defaultdict,
        Counter,
        types.SimpleNamespace,
    }
    builtin = {list, dict, set, int, float, str, bytes}
    return all(
        type(part) in kinds or isinstance(part, (PurePath, np.generic, np.dtype)) or part in builtin
        for part in parts_of(value)
    )


@BOTH
@pytest.mark.parametrize("case", CODE)
@pytest.mark.parametrize("protocol", [b"", b"\x80\x02", b"\x80\x04"])
def test_no_code_runs(case: str, protocol: bytes, paranoid: bool, canary: str) -> None:
    """A pickle that would run code, import, or change a class is told as opaque objects, or is one of our errors."""
    try:
        found = read(protocol + CODE[case](canary) + b".", paranoid)
    except (UntrustedData, CorruptData):
        return
    assert is_harmless(found), found
    assert len(repr(found)) < 2000


def test_most_attacks_are_told(canary: str) -> None:
    """Names that are called with plain data are shown, dots, spaces and all, and none of them is looked up."""
    attacks = {case: attack(canary) + b"." for case, attack in CODE.items()}
    assert read(attacks["K01 GLOBAL os.system"]) == Opaque("os", "system", (f"touch {canary}",))
    assert read(attacks["K02 INST"]) == read(attacks["K03 OBJ"]) == Opaque("os", "system", (f"touch {canary}",))
    assert read(attacks["K22 dotted globals"]) == Opaque("collections", "OrderedDict.__init__.__globals__")
    assert read(attacks["K08 getattr of a listed name"]) == Opaque(
        "builtins", "getattr", (Opaque("numpy", "ndarray"), "__new__")
    )
    assert read(attacks["K22 a NUL"]) == Opaque("builtins", "set\0")
    for case in ("K33 EXT1", "K33 EXT4", "K34 PERSID", "K34 BINPERSID"):
        for paranoid in (False, True):
            with pytest.raises((UntrustedData, CorruptData)):
                read(attacks[case], paranoid)


@BOTH
@pytest.mark.parametrize("case", HARM)
def test_no_pickle_takes_memory_or_time(case: str, paranoid: bool, canary: str) -> None:
    """A pickle that asks for endless memory or work raises as ever; what is called with a range does not inflate it."""
    with memory_limit(1 << 30), pytest.raises((UntrustedData, CorruptData)):
        read(HARM[case](canary) + b".", paranoid)


@BOTH
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("case", FORGED)
def test_no_forged_array_is_built(case: str, protocol: int, paranoid: bool, canary: str) -> None:
    """An array, scalar or dtype that contradicts itself raises, also where it hides what is not known."""
    with memory_limit(1 << 30):
        try:
            assert is_harmless(read(pickle.dumps(FORGED[case], protocol), paranoid))
        except (UntrustedData, CorruptData):
            return
        assert case == "N11 masked array"  # a name that is on no list, and called with what it was called with


UNKNOWN = name("x", "Y")
OBJECT = UNKNOWN + b")\x81"
TRICKS = {
    "state of a name": UNKNOWN + b"}b",
    "slots of a name": UNKNOWN + b"N" + lit({"note": 1}) + b"\x86b",
    "two states": OBJECT + b"}b}b",
    "members": OBJECT + b"(K\x01\x90",
    "call of an object": OBJECT + b")R",
    "item of a name": UNKNOWN + b"K\x01a",
    "key of a name": UNKNOWN + b"NNs",
    "array of a class": call("numpy.core.multiarray:_reconstruct", [UNKNOWN], (0,), b"b"),
    "set of an object": call("builtins:set", [OBJECT]),
    "factory": call("collections:defaultdict", [UNKNOWN]),
    "factory by its slots": call("collections:defaultdict") + b"N}" + lit("default_factory") + UNKNOWN + b"s\x86b",
    "class of a namespace": call("types:SimpleNamespace") + b"N}" + lit("__class__") + UNKNOWN + b"s\x86b",
    "class of a dict": call("collections:OrderedDict") + b"N}" + lit("__class__") + UNKNOWN + b"s\x86b",
    "arguments by name that are none": UNKNOWN + b")" + b"}K\x01K\x02s\x92",
    "arguments that are none": UNKNOWN + b"NR",
    "reconstructed from an object": call("copyreg:_reconstructor", [OBJECT], [name("builtins", "object")], None),
}


@BOTH
@pytest.mark.parametrize("trick", TRICKS)
def test_names_and_objects_take_nothing_else(trick: str, paranoid: bool, canary: str) -> None:
    """No opcode gets through an opaque name to a class, and none gives an object more than a pickler does."""
    with pytest.raises((CorruptData, UntrustedData)):
        read(TRICKS[trick] + b".", paranoid)
    assert read(OBJECT + b".", paranoid) == Opaque("x", "Y", ())


def test_extension_codes_stay_refused_where_they_are_registered() -> None:
    """EXT opcodes are refused in a process that registered one, and opaque objects are read there, too."""
    copyreg.add_extension("os", "system", 7)
    try:
        with pytest.raises(UntrustedData, match="extension code 7"):
            read(b"\x80\x02\x82\x07.")
        value = [Color.RED, Frozen(1), Color]
        names = [Opaque(__name__, "Color", (1,)), Opaque(__name__, "Frozen", (), {"x": 1}), Opaque(__name__, "Color")]
        assert all(read(pickle.dumps(value, protocol)) == names for protocol in range(6))
    finally:
        copyreg.remove_extension("os", "system", 7)
