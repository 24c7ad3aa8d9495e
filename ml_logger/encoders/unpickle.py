"""Read pickles as data: built-in values, arrays and paths come out, and no code of the file's choosing runs.

There are two readers, with the one list of names in `audited`. The C unpickler is quick. Limits, which it cannot have:
a pickle made for it can take memory through its memo (`LONG_BINPUT 2**27`, text `PUT 99999999`), or time through
colliding integer keys or by copying one list often. Nothing executes then either. With `paranoid=True` the machine in
`columns.opcodes` reads instead, several times slower: a memo that grows with what is in it, bounded work, and bounded
nesting.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from ml_logger.columns.containers import DEEPEST, OverLimit
from ml_logger.columns.opcodes import BUDGET, Machine
from ml_logger.encoders.audited import AUDITED
from ml_logger.encoders.opaque import LISTED, Opaques
from ml_logger.encoders.unpickle_late import Walk
from ml_logger.errors import CorruptData, InvalidSetting, UntrustedData

Trust = bool | Sequence[str]


class Limits(NamedTuple):
    """What one pickle may ask for.

    Fields:
        size: its bytes, for whoever reads it from a stream.
        opcodes: how many there are, and how many items are copied by calls; of the machine alone.
        nesting: levels of containers; of the machine alone.
    """

    size: int = 1 << 32
    opcodes: int = BUDGET
    nesting: int = DEEPEST


LIMITS = Limits()

#: Which setting has which limit, for those who run into it.
_SETTINGS = {"opcodes": "ML_LOGGER_MAX_OPCODES", "nesting": "ML_LOGGER_MAX_NESTING"}


def loads(
    data: bytes | bytearray | memoryview,
    trust: Trust = False,
    paranoid: bool = False,
    limits: Limits = LIMITS,
    unknown: Opaques | None = None,
) -> Any:
    """Decode the one pickle that `data` begins with.

    `trust=["pkg.Class"]` also admits these names, `trust=True` everything, as `pickle` does. Arrays, paths and the like
    that a class named in `trust` holds in its `__dict__` are put in place when the load is over; a class that works on
    them while it is built needs `trust=True`. `paranoid=True` reads the same values by the machine, within `limits`.
    With `unknown` all other names are kept as `Opaque`, and gathered there.
    Raises UntrustedData for a class outside the list, CorruptData for anything that is no pickle, or asks for more than
    the limits, and InvalidSetting for `paranoid` with trust.
    """
    return load(io.BytesIO(data), trust, paranoid, limits, unknown)


def load(
    file: io.BytesIO,
    trust: Trust = False,
    paranoid: bool = False,
    limits: Limits = LIMITS,
    unknown: Opaques | None = None,
) -> Any:
    """Decode the pickle at the position of a file in memory, and leave the position after it."""
    names = trusted_names(trust)
    check_manner(trust, paranoid)
    try:
        if paranoid:
            return _load_by_machine(file, limits, unknown)
        if names is None:
            return pickle.Unpickler(file).load()  # nosec B301 # the caller has said trust=True
        reader = CarefulReader(file) if _EXTENSIONS else Reader(file)
        if names:
            reader.trusted = names
        if unknown is not None:
            reader.listed, reader.unknown = LISTED, unknown.name
        value = reader.load()
        return _settled(value, unknown, bool(names)) if reader.named else value
    except (UntrustedData, OverLimit):
        raise
    except Exception as error:  # whatever bytes can provoke: struct, Unicode, Index, Key, Memory, Recursion...
        if trust and isinstance(error, ImportError | AttributeError):
            raise  # a trusted class that this program does not have is not the file's fault
        if "class argument must be a type" in str(error):
            raise _untrusted("builtins.object") from error  # how an instance of it is spelled
        reason = str(error) if isinstance(error, CorruptData) else f"{type(error).__name__}: {error}"
        raise CorruptData(f"not a pickle that can be read: {reason}") from error


def _settled(value: Any, unknown: Opaques | None, enter_objects: bool = False) -> Any:
    return Walk(enter_objects).settle(value) if unknown is None else unknown.settle(value, enter_objects)


def check_manner(trust: Trust, paranoid: bool, unknown: str = "raise") -> None:
    """Raise InvalidSetting for a reader that shall admit more, and less, or for what names no class and no manner."""
    names = trusted_names(trust)
    if unknown not in ("raise", "opaque"):
        raise InvalidSetting(f'unknown={unknown!r:.100} is neither "raise", the default, nor "opaque"')
    if unknown == "opaque" and names is None:
        raise InvalidSetting(
            'unknown="opaque" runs nothing, and trust=True runs everything: pass one of them, or names as '
            'trust=["package.Class"]; ML_LOGGER_TRUST stands for trust=True where a call and its logger say nothing'
        )
    if paranoid and trust:
        raise InvalidSetting(
            f"paranoid=True admits nothing beyond the audited list, and trust={trust!r} does: pass one of them, or "
            "the other as False; ML_LOGGER_PARANOID and ML_LOGGER_TRUST stand for them where a call says nothing"
        )


def trusted_names(trust: Trust) -> frozenset[str] | None:
    """Tell which extra names are admitted; None means every name."""
    if isinstance(trust, bool):
        return None if trust else frozenset()
    names = [trust] if isinstance(trust, str) else list(trust) if isinstance(trust, Iterable) else [trust]
    if not all(isinstance(name, str) for name in names):
        raise InvalidSetting(f'trust={trust!r:.200} names no classes: pass True, False, or a list as ["package.Class"]')
    return frozenset(names)


def _load_by_machine(file: io.BytesIO, limits: Limits, unknown: Opaques | None) -> Any:
    data = file.getvalue()  # the very bytes that the file was made of
    if unknown is None:
        machine = Machine(data, file.tell(), AUDITED, limits.opcodes, limits.nesting)
    else:
        machine = Machine(data, file.tell(), LISTED, limits.opcodes, limits.nesting, unknown.name)
    try:
        value = machine.load()
    except OverLimit as error:
        setting = _SETTINGS.get(error.limit)
        if setting is None:
            raise
        raise OverLimit(f"a pickle with {error}: {setting} sets another limit for paranoid=True", error.limit) from None
    except CorruptData:
        if machine.needed > len(data):
            file.seek(0, io.SEEK_END)  # as the C unpickler leaves it: more data could help
        raise
    file.seek(machine.end)
    return _settled(value, unknown) if machine.called else value


class _Names:
    """Answer the unpickler's question for a name from the audited list."""

    named = False  # whether any name was asked for: only then can there be something to put in place at the end
    trusted: frozenset[str] = frozenset()
    listed: Mapping[tuple[str, str], Any] = AUDITED
    unknown: Callable[[str, str], Any] | None = None  # what gives something for all other names

    def find_class(self, module: str, name: str, /) -> Any:
        """Look up one exact name: no import, no attribute walk."""
        self.named = True
        full = f"{module}.{name}" if self.trusted else ""
        if full and full in self.trusted:
            return super().find_class(module, name)  # type: ignore[misc]
        try:
            return self.listed[module, name]
        except KeyError:
            if self.unknown is not None:
                return self.unknown(module, name)
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
