"""The audited list: what a stored pickle may name, what each name does here, and why it is safe. There is no other.

What a pickle gets for a name is an object of ours, which checks its arguments: no class, no function, no module, and
nothing is imported by a name from a file. Both readers of pickles take this one list, see `unpickle`.
"""

from __future__ import annotations

import datetime
import decimal
import itertools
import re
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple, NoReturn

from ml_logger.columns.containers import UnknownName
from ml_logger.encoders.unpickle_late import Late, Name, StandIn, expect
from ml_logger.errors import CorruptData

MAX_DECIMAL = 4096  # characters
MAX_FRACTION_BITS = 1 << 16


class Entry(NamedTuple):
    """Names that are on the list for one reason.

    Fields:
        modules: where they are, and were in other versions of Python and numpy; between spaces.
        names: each with what is called for it, or with the object of ours that it stands for.
        reason: why they are needed, and why they are safe.
    """

    modules: str
    names: dict[str, Any]
    reason: str


# -- what each name does with its arguments ---------------------------------------------------------------------------


def _taking(build: Callable[..., Any], *signatures: tuple[type | None, ...]) -> Callable[..., Any]:
    """Call `build` if the types of the arguments are exactly one of the signatures."""
    allowed = frozenset(tuple(type(None) if kind is None else kind for kind in each) for each in signatures)

    def checked(*args: Any) -> Any:
        expect(tuple(map(type, args)) in allowed, "arguments of unexpected types")
        return build(*args)

    return checked


def _late(build: Callable[..., Any], *signatures: tuple[type | None, ...]) -> Callable[..., Any]:
    """Do as `_taking`, for what no opcode may reach: ranges inflate, and objects of Python classes can be rewritten."""
    checked = _taking(build, *signatures)
    return lambda *args: Late(checked(*args))


def _refuse(*_: Any) -> NoReturn:
    raise CorruptData("a class that is never called in data")


def _decimal(text: str) -> decimal.Decimal:
    expect(len(text) <= MAX_DECIMAL, "a Decimal of more than 4096 characters")
    return decimal.Decimal(text)


def _fraction(numerator: str | int, denominator: int = 1) -> Fraction:
    if isinstance(numerator, str):
        # Digits only: Fraction("1e999999999") would compute for ever.
        expect(len(numerator) <= 2 * MAX_DECIMAL and re.fullmatch(r"-?[0-9]+(/[0-9]+)?", numerator), "not a fraction")
        return Fraction(numerator)
    expect(max(numerator.bit_length(), denominator.bit_length()) <= MAX_FRACTION_BITS, "a Fraction too long")
    return Fraction(numerator, denominator)


def _default_dict(factory: Any = None) -> defaultdict[Any, Any]:
    expect(
        factory is None or (type(factory) is Name and factory.label in FACTORIES),
        "a default factory that is no builtin",
    )
    return defaultdict(None if factory is None else FACTORIES[factory.label])


def _path(flavor: Callable[..., Any]) -> Callable[..., Any]:
    def build(*parts: Any) -> Late:
        expect(all(type(part) is str for part in parts), "a path of something else than text")
        return Late(flavor(*parts))

    return build


def _encode(text: Any, codec: Any) -> bytes:
    # How protocols 0 to 2 spell bytes. Any other codec would import a module by a name from the file.
    expect(type(text) is str and codec in ("latin1", "latin-1"), "bytes in another codec than Latin-1")
    return bytes(text, "latin-1")


def _bytearray(*args: Any) -> bytearray:
    return bytearray(_encode(*args) if len(args) == 2 else _taking(bytes, (), (bytes,))(*args))


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    # How protocols 0 and 1 spell "an empty object of this class"; a real class got here only by the user's trust.
    if isinstance(kind, UnknownName):
        return kind.note(() if state is None else (state,))
    named = isinstance(kind, type) and isinstance(base, Name | UnknownName) and base.label == "object"
    expect(named and state is None, "a class rebuilt in an odd way")
    return object.__new__(kind)


def _uuid(number: int) -> Any:
    import uuid

    return uuid.UUID(int=number)


class UUIDStandIn(Late, metaclass=StandIn):
    """Take the place of the class UUID, which protocol 2 insists to be a class."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        """Take the 128-bit number; whether it was made safely is not kept by `==` either."""
        expect(type(state) is dict and type(state.get("int")) is int, "not the state of a UUID")
        self.fill(_uuid(state["int"]))


def _numpy(function: str) -> Callable[..., Any]:
    """Name one of our checked stand-ins, found when it is first called: plain records never import numpy."""

    def call(*args: Any) -> Any:
        from ml_logger.encoders import unpickle_numpy

        return getattr(unpickle_numpy, function)(*args)

    return call


# -- the list ---------------------------------------------------------------------------------------------------------

_items = [(kind,) for kind in (list, tuple, set, frozenset)]
_slices = list(itertools.product((int, None), repeat=3))
_BUILTINS = "builtins __builtin__"

ENTRIES = (
    Entry(
        _BUILTINS,
        {"set": _taking(set, (), *_items), "frozenset": _taking(frozenset, (), *_items)},
        "Sets in protocols 0 to 3. They copy a list, a tuple or a set that the pickle holds: as many items out as in. "
        "A range, which would inflate, and a number are refused.",
    ),
    Entry(
        _BUILTINS,
        {"bytearray": _bytearray, "bytes": _taking(bytes, ())},
        "Bytes in protocols 0 to 2. They are made of bytes or text that the pickle holds, or of nothing; a number, "
        "which would be a size, is refused.",
    ),
    Entry(
        _BUILTINS,
        {"complex": _taking(complex, (float, float))},
        "A number of two floats, and of nothing else: text would be parsed.",
    ),
    Entry(
        _BUILTINS,
        {"slice": _late(slice, *_slices), "range": _late(range, (int, int, int))},
        "Three integers. No opcode can reach the value before the load is over: what takes a range would inflate it.",
    ),
    Entry("__builtin__", {"xrange": _late(range, (int, int, int))}, "A range, as Python 2 called it; the same."),
    Entry(
        _BUILTINS,
        dict.fromkeys(["list", "dict", "int", "float", "str", "bool", "tuple"], _refuse),
        "Factories of a defaultdict. They are mentioned, and never called while something is loaded.",
    ),
    Entry("__builtin__", dict.fromkeys(["long", "unicode"], _refuse), "The same, as Python 2 called them."),
    Entry(
        _BUILTINS,
        {"object": _refuse},
        "The base that protocols 0 and 1 mention for each object. It is never called, and no attribute of it is read.",
    ),
    Entry(_BUILTINS, {"Ellipsis": ...}, "A constant without a state."),
    Entry(
        "collections",
        {"OrderedDict": _taking(OrderedDict, (), (list,)), "Counter": _taking(Counter, (), (dict,))},
        "Classes written in C, or that copy what the pickle holds: a list of pairs, or a dict. A range is refused.",
    ),
    Entry(
        "collections",
        {"deque": _taking(deque, (), *_items, (list, int), (tuple, int), (list, None), (tuple, None))},
        "A class written in C, which copies a list or a tuple that the pickle holds; its limit allocates nothing.",
    ),
    Entry(
        "collections",
        {"defaultdict": _default_dict},
        "Its factory is one of a fixed set of builtins, which make something empty: the program may call it later.",
    ),
    Entry(
        "datetime",
        {
            "datetime": _taking(datetime.datetime, (bytes,), (bytes, datetime.timezone)),
            "date": _taking(datetime.date, (bytes,)),
            "time": _taking(datetime.time, (bytes,), (bytes, datetime.timezone)),
            "timedelta": _taking(datetime.timedelta, (int, int, int)),
            "timezone": _taking(datetime.timezone, (datetime.timedelta,), (datetime.timedelta, str)),
        },
        "Classes written in C without a `__dict__`, made of a few packed bytes or numbers that they check themselves. "
        "A zone is a fixed offset; zones by name would read files.",
    ),
    Entry(
        "decimal",
        {"Decimal": _taking(_decimal, (str,))},
        "A class written in C. Its text has at most 4096 characters, since a short one can ask for much work.",
    ),
    Entry(
        "fractions",
        {"Fraction": _late(_fraction, (str,), (int, int))},
        "Digits only, and few: `1e999999999` would compute for ever. A class written in Python, which a state could "
        "rewrite, so no opcode reaches the value.",
    ),
    Entry(
        "uuid",
        {"UUID": UUIDStandIn},
        "A number of 128 bits. The pickle gets a class of ours, which takes that number once and nothing else; the "
        "real one, written in Python, is made when the load is over.",
    ),
    Entry(
        "types",
        {"SimpleNamespace": _taking(types.SimpleNamespace, ())},
        "A bag of attributes, made empty; the attributes that it is given are its own, and run nothing.",
    ),
    Entry(
        "pathlib pathlib._local",
        dict.fromkeys(("PosixPath", "PurePosixPath"), _path(PurePosixPath)),
        "Pure paths, which touch no disk, made of text. Python 3.13 had them in `pathlib._local`.",
    ),
    Entry(
        "pathlib pathlib._local",
        dict.fromkeys(("WindowsPath", "PureWindowsPath"), _path(PureWindowsPath)),
        "The same in the flavor of Windows, in which they were stored.",
    ),
    Entry(
        "_codecs",
        {"encode": _encode},
        "How protocols 0 to 2 spell bytes. Latin-1 only: any other codec would import a module by its name.",
    ),
    Entry(
        "copyreg copy_reg",
        {"_reconstructor": _reconstructor},
        "How protocols 0 and 1 spell an empty object. It makes one of a class that the caller trusts by name; nothing "
        "on this list is a class that it takes.",
    ),
    Entry(
        "numpy",
        {"dtype": _numpy("dtype")},
        "A dtype is made anew, by a short spelling that numpy checks. Flags, offsets and sizes that are stored are "
        "compared, never handed to numpy, where forged ones read any memory.",
    ),
    Entry(
        "numpy",
        {"ndarray": _refuse},
        "The class that `_reconstruct` mentions. It is never called: a shape alone would allocate.",
    ),
    Entry(
        "numpy.core.multiarray numpy._core.multiarray",
        {"_reconstruct": _numpy("reconstruct"), "scalar": _numpy("scalar")},
        "Arrays and scalars, of ours until shape times item size is exactly the number of bytes that are there. An "
        "array of objects is made of a list of values, never of bytes, which would be pointers.",
    ),
    Entry(
        "numpy.core.numeric numpy._core.numeric",
        {"_frombuffer": _numpy("frombuffer")},
        "Arrays in protocol 5, with the same checks.",
    ),
)

FACTORIES: dict[str, Callable[[], Any]] = {
    kind.__name__: kind
    for kind in (list, dict, set, frozenset, int, float, str, bool, tuple, bytes, bytearray, complex)
}
FACTORIES |= {"long": int, "unicode": str, "OrderedDict": OrderedDict}


def _given(name: str, build: Any) -> Any:
    return build if build is ... or isinstance(build, StandIn) else Name(name, build)


#: (module, name) -> what a pickle gets for it.
AUDITED: dict[tuple[str, str], Any] = {
    (module, name): _given(name, build)
    for entry in ENTRIES
    for module in entry.modules.split()
    for name, build in entry.names.items()
}
