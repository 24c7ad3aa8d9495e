"""Read pickles as data: built-in values, arrays and paths come out, and no code of the file's choosing runs.

The C unpickler does the work. What it can name is the list `AUDITED` and nothing else; what it gets for a name is an
object of ours that checks its arguments. Limits, which only an opcode loop of our own could lift: a pickle made for it
can take memory through the unpickler's memo (`LONG_BINPUT 2**27`, text `PUT 99999999`), or time through colliding
integer keys or by copying one list often. Nothing executes then either; read files of strangers under a memory limit.
"""

from __future__ import annotations

import copyreg
import datetime
import decimal
import io
import itertools
import pickle
import re
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, NoReturn

from ml_logger.encoders.unpickle_late import Late, Name, StandIn, Walk, expect
from ml_logger.errors import CorruptData, UntrustedData

Trust = bool | Sequence[str]

MAX_DECIMAL = 4096  # characters
MAX_FRACTION_BITS = 1 << 16


def loads(data: bytes | bytearray | memoryview, trust: Trust = False) -> Any:
    """Decode the one pickle that `data` begins with.

    `trust=["pkg.Class"]` also admits these names, `trust=True` everything, as `pickle` does. Arrays, paths and the like
    that a class named in `trust` holds in its `__dict__` are put in place when the load is over; a class that works on
    them while it is built needs `trust=True`.
    Raises UntrustedData for a class outside the list, and CorruptData for anything that is no pickle.
    """
    return load(io.BytesIO(data), trust)


def load(file: BinaryIO, trust: Trust = False) -> Any:
    """Decode the pickle at the position of a file in memory, and leave the position after it."""
    names = trusted_names(trust)
    try:
        if names is None:
            return pickle.Unpickler(file).load()
        reader = CarefulReader(file) if _EXTENSIONS else Reader(file)
        if names:
            reader.trusted = names
        value = reader.load()
        return Walk(bool(names)).settle(value) if reader.named else value
    except UntrustedData:
        raise
    except Exception as error:  # whatever bytes can provoke: struct, Unicode, Index, Key, Memory, Recursion...
        if trust and isinstance(error, ImportError | AttributeError):
            raise  # a trusted class that this program does not have is not the file's fault
        if "class argument must be a type" in str(error):
            raise _untrusted("builtins.object") from error  # how an instance of it is spelled
        reason = str(error) if isinstance(error, CorruptData) else f"{type(error).__name__}: {error}"
        raise CorruptData(f"not a pickle that can be read: {reason}") from error


def trusted_names(trust: Trust) -> frozenset[str] | None:
    """Tell which extra names are admitted; None means every name."""
    if isinstance(trust, bool):
        return None if trust else frozenset()
    return frozenset([trust] if isinstance(trust, str) else trust)


class _Names:
    """Answer the unpickler's question for a name from the audited list."""

    named = False  # whether any name was asked for: only then can there be something to put in place at the end
    trusted: frozenset[str] = frozenset()

    def find_class(self, module: str, name: str, /) -> Any:
        """Look up one exact name: no import, no attribute walk."""
        self.named = True
        full = f"{module}.{name}" if self.trusted else ""
        if full and full in self.trusted:
            return super().find_class(module, name)  # type: ignore[misc]
        try:
            return AUDITED[module, name]
        except KeyError:
            raise _untrusted(f"{module}.{name}") from None


class Reader(_Names, pickle.Unpickler):
    """Read one pickle as data."""


class CarefulReader(_Names, pickle._Unpickler):
    """Read one pickle as data where extension codes are in use, which the C unpickler resolves behind our back."""

    def get_extension(self, code: int) -> NoReturn:
        """Refuse every extension code."""
        raise _untrusted(f"extension code {code}")


_EXTENSIONS: dict[Any, Any] = getattr(copyreg, "_inverted_registry", {})


def _untrusted(name: str) -> UntrustedData:
    return UntrustedData(
        f"{name[:200]} is not on the list of classes that are only data, so it was not loaded. If you know who wrote "
        f'this: trust=["{name[:200]}"] admits this one, trust=True admits everything and runs the code that it names'
    )


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
    named = isinstance(kind, type) and type(base) is Name and base.label == "object"
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


# -- the audited list -------------------------------------------------------------------------------------------------

_items = [(kind,) for kind in (list, tuple, set, frozenset)]
_slices = list(itertools.product((int, None), repeat=3))

_FUNCTIONS: list[tuple[str, dict[str, Callable[..., Any]]]] = [
    # Containers that copy what the pickle really holds: a list in, as many items out. An int or a range is refused.
    ("builtins __builtin__", {"set": _taking(set, (), *_items), "frozenset": _taking(frozenset, (), *_items)}),
    ("builtins __builtin__", {"bytearray": _bytearray, "bytes": _taking(bytes, ())}),
    ("collections", {"OrderedDict": _taking(OrderedDict, (), (list,)), "Counter": _taking(Counter, (), (dict,))}),
    ("collections", {"deque": _taking(deque, (), *_items, (list, int), (tuple, int), (list, None), (tuple, None))}),
    ("collections", {"defaultdict": _default_dict}),
    # Inert values made of numbers. Ranges and slices stay out of the opcodes' reach: x[slice] = range inflates.
    ("builtins __builtin__", {"complex": _taking(complex, (float, float)), "slice": _late(slice, *_slices)}),
    ("builtins __builtin__", {"range": _late(range, (int, int, int))}),
    ("__builtin__", {"xrange": _late(range, (int, int, int))}),
    # Names that are only ever mentioned: factories of a defaultdict, and the base that protocols 0 and 1 name.
    ("builtins __builtin__", dict.fromkeys(["list", "dict", "int", "float", "str", "bool", "tuple"], _refuse)),
    ("builtins __builtin__", {"object": _refuse}),
    ("__builtin__", dict.fromkeys(["long", "unicode"], _refuse)),
    # Dates and times: C classes without a `__dict__`, made from packed bytes that they check themselves.
    ("datetime", {
        "datetime": _taking(datetime.datetime, (bytes,), (bytes, datetime.timezone)),
        "date": _taking(datetime.date, (bytes,)),
        "time": _taking(datetime.time, (bytes,), (bytes, datetime.timezone)),
        "timedelta": _taking(datetime.timedelta, (int, int, int)),
        "timezone": _taking(datetime.timezone, (datetime.timedelta,), (datetime.timedelta, str)),
    }),
    # Exact numbers, with a bound on the work that a short text can ask for.
    ("decimal", {"Decimal": _taking(_decimal, (str,))}),
    ("fractions", {"Fraction": _late(_fraction, (str,), (int, int))}),
    # A bag of attributes, set by the C unpickler in its `__dict__`.
    ("types", {"SimpleNamespace": _taking(types.SimpleNamespace, ())}),
    # Paths that touch no disk, of the flavor they were stored with. Python 3.13 keeps them in `pathlib._local`.
    ("pathlib pathlib._local", dict.fromkeys(("PosixPath", "PurePosixPath"), _path(PurePosixPath))),
    ("pathlib pathlib._local", dict.fromkeys(("WindowsPath", "PureWindowsPath"), _path(PureWindowsPath))),
    # Spellings of the old protocols.
    ("_codecs", {"encode": _encode}),
    ("copyreg copy_reg", {"_reconstructor": _reconstructor}),
    # numpy, through stand-ins that check before they allocate and never let numpy read a dtype's stored state.
    ("numpy", {"dtype": _numpy("dtype"), "ndarray": _refuse}),
    ("numpy.core.multiarray numpy._core.multiarray", {"_reconstruct": _numpy("reconstruct")}),
    ("numpy.core.multiarray numpy._core.multiarray", {"scalar": _numpy("scalar")}),
    ("numpy.core.numeric numpy._core.numeric", {"_frombuffer": _numpy("frombuffer")}),
]  # fmt: skip

FACTORIES: dict[str, Callable[[], Any]] = {
    kind.__name__: kind
    for kind in (list, dict, set, frozenset, int, float, str, bool, tuple, bytes, bytearray, complex)
}
FACTORIES |= {"long": int, "unicode": str, "OrderedDict": OrderedDict}

AUDITED: dict[tuple[str, str], Any] = {
    (module, name): Name(name, build)
    for modules, names in _FUNCTIONS
    for module in modules.split()
    for name, build in names.items()
}
AUDITED |= {("builtins", "Ellipsis"): ..., ("__builtin__", "Ellipsis"): ...}  # a constant
AUDITED |= {("uuid", "UUID"): UUIDStandIn}
