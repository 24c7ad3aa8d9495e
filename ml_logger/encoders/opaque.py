"""Objects of classes that are on no list, kept as what their pickle says of them: nothing is imported, nothing runs.

A pickle that is read with `unknown="opaque"` gets a stand-in for each name that it should not have. Whatever the pickle
does with it is noted, and becomes an `Opaque` when the load is over.
"""

from __future__ import annotations

import reprlib
import warnings
from collections import Counter
from typing import Any, NoReturn

from ml_logger.columns.containers import OverLimit, Unknown, UnknownName
from ml_logger.encoders.audited import AUDITED
from ml_logger.encoders.unpickle_late import Late, StandIn, Walk, expect
from ml_logger.errors import CorruptData

#: Most different names in one call of a reader: each is a class here, of about a kilobyte.
MOST_NAMES = 10_000

#: The audited list where a bare `object()` is an opaque object, too: there is nothing else that it could be.
LISTED = {key: given for key, given in AUDITED.items() if key[1] != "object"}

_UNSET: Any = object()
_TOLD = 20  # names that a warning tells
_LONGEST = 100  # characters of a name, or of a text or a number, that are shown
_SHOWN = 400  # characters of all that is shown
_ATOMS = frozenset({type(None), bool, int, float, str, bytes})
_COLLIDING = 2**61 - 1  # as in `containers`: integers from here on can be made to fall on one hash


class OpaqueObjects(UserWarning):
    """Objects in a file of records whose classes are on no list, and which were kept as `Opaque`."""


class Opaque:
    """Tell what a pickle says of an object whose class is not known here; it does nothing, and is not changed.

    Two are equal if they say the same. As a key it counts by what it says where that is a name with plain arguments,
    as of a member of an enum, and by itself otherwise.

    Attributes:
        module, name: where the class or the function was.
        args: the tuple of what it was called with, such as the value of a member of an enum; None for the class or the
            function itself, stored as a value.
        state: what the object was given then: for most classes the dict of its attributes; None if nothing.
        items: the items of one that is a list, and a pair of key and value for each item of one that is a dict.
        kwargs: the arguments by name; hardly any class stores some.
    """

    __slots__ = ("args", "items", "kwargs", "module", "name", "state")
    __match_args__ = ("module", "name", "args", "state")
    module: str
    name: str
    args: tuple[Any, ...] | None
    state: Any
    items: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __init__(
        self,
        module: str,
        name: str,
        args: tuple[Any, ...] | None = None,
        state: Any = None,
        items: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        _fill(self, module=module, name=name, args=args, state=state, items=items, kwargs=kwargs or {})

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        """Refuse, since it tells what was stored."""
        raise AttributeError(f"an Opaque is not changed: {name!r:.100} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse, since it tells what was stored."""
        raise AttributeError(f"an Opaque is not changed: {name!r:.100} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        """Tell whether another one says the same, in the same types."""
        return type(other) is Opaque and all(_same(getattr(self, at), getattr(other, at)) for at in Opaque.__slots__)

    def __hash__(self) -> int:
        """Hash the name and plain arguments; one that says more is hashed by itself, which no pickle can exploit."""
        args = self.args or ()
        is_plain = self.state is None and not self.items and not self.kwargs and all(map(_is_atom, args))
        return hash((self.module, self.name, self.args)) if is_plain else object.__hash__(self)

    def __repr__(self) -> str:
        """Show the name and what is short of the rest, escaped."""
        return _Shown().repr(self)[:_SHOWN]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as what it is, for other processes that have this library."""
        return Opaque, (self.module, self.name, self.args, self.state, self.items, self.kwargs)


def _fill(opaque: Opaque, **parts: Any) -> None:
    for name, value in parts.items():
        object.__setattr__(opaque, name, value)


def _is_atom(value: Any) -> bool:
    return type(value) in _ATOMS and not (type(value) is int and not -_COLLIDING < value < _COLLIDING)


def _same(one: Any, other: Any) -> bool:
    """Compare by value and type; arrays are equal as a whole or not."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(key in other and _same(one[key], other[key]) for key in one)
    if type(one).__module__ == "numpy" and hasattr(one, "tolist") and one.shape:
        return (one.dtype, one.shape) == (other.dtype, other.shape) and _same(one.tolist(), other.tolist())
    return bool(one == other)


class _Shown(reprlib.Repr):
    """Show values shortly, in bounded time: what refers to itself, or to one thing many times, is cut by its depth."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxtuple, self.maxlist, self.maxdict = 3, _LONGEST, 4, 4, 6

    def repr_Opaque(self, value: Opaque, level: int) -> str:
        """Show one that is inside of another one, too."""
        parts = [repr(value.module[:_LONGEST]), repr(value.name[:_LONGEST])]
        for at in ("args", "state", "items", "kwargs"):
            part = getattr(value, at)
            if part is not None and (at == "args" or len(part) if isinstance(part, (tuple, dict)) else True):
                parts.append(f"{at}={self.repr1(part, level - 1) if level > 0 else '...'}")
        return f"Opaque({', '.join(parts)})"

    def repr_int(self, value: int, level: int) -> str:
        """Show no number that would take long to spell."""
        return repr(value) if value.bit_length() < 4 * _LONGEST else f"<int of {value.bit_length()} bits>"

    def repr_bytes(self, value: bytes, level: int) -> str:
        """Show how bytes begin."""
        return repr(value) if len(value) <= _LONGEST else f"{value[:_LONGEST]!r}..."

    def repr_instance(self, value: Any, level: int) -> str:
        """Show values without parts, and of all others the type alone."""
        return repr(value) if type(value) in _ATOMS else f"<{type(value).__name__[:_LONGEST]}>"


# -- while a pickle is read -------------------------------------------------------------------------------------------


class OpaqueLate(Late, Unknown):
    """Note what a pickle gives an object, until the load is over."""

    __slots__ = ("args", "items", "kwargs", "of", "state")

    def __init__(self, of: OpaqueName, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self.of, self.args, self.kwargs = of, args, kwargs
        self.state: Any = _UNSET
        self.items: list[Any] = []

    def __setstate__(self, state: Any) -> None:
        """Take the state, once."""
        expect(self.state is _UNSET, "a second state for one object")
        self.state = state

    def append(self, item: Any) -> None:
        """Take one item of a list."""
        self.items.append(item)

    def extend(self, items: list[Any]) -> None:
        """Take items of a list."""
        self.items += items

    def __setitem__(self, key: Any, value: Any) -> None:
        """Take one item of a dict."""
        self.items.append((key, value))

    def settle(self, walk: Walk) -> Any:
        """Return the object, its parts in place."""
        expect(isinstance(walk, OpaqueWalk), "an object of a class that is on no list")
        made = walk.remember(self, walk.kept(self.of))  # type: ignore[attr-defined]
        state = None if self.state is _UNSET else walk.settle(self.state)
        args, kwargs, items = walk.settle(self.args), walk.settle(self.kwargs), map(walk.settle, self.items)
        _fill(made, args=args, state=state, items=tuple(items), kwargs=kwargs)
        return made


class OpaqueName(StandIn, UnknownName):
    """Make the classes that stand for names: nothing can be set on one, and each call of it is noted."""

    module: str
    name: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Note a call."""
        return cls.note(args, kwargs)

    def note(cls, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
        """Return the object that a call would have made, as far as it is known."""
        return OpaqueLate(cls, args, kwargs or {})

    def __setstate__(cls, state: Any) -> NoReturn:
        """Refuse the BUILD opcode."""
        raise CorruptData("a name cannot be given a state")


class _Anything(metaclass=OpaqueName):
    """Any class: the unpickler that is written in C makes objects of classes alone."""

    __slots__ = ()
    module = name = label = ""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Note the making of an object."""
        return cls.note(args, kwargs)


class OpaqueWalk(Walk):
    """Put in real values, and an `Opaque` for each object and each name that is not known.

    Attributes:
        counts: how many there are of each name.
    """

    def __init__(self, enter_objects: bool = False) -> None:
        super().__init__(enter_objects)
        self.counts: Counter[str] = Counter()

    def kept(self, of: OpaqueName) -> Opaque:
        """Return a new object of a name, and count it."""
        self.counts[f"{of.module}.{of.name}"] += 1
        return Opaque(of.module, of.name)

    def class_as_value(self, value: Any) -> Any:
        """Return a name that is a value itself."""
        if isinstance(value, OpaqueName):
            return self.kept(value)
        module, name = next(key for key, given in AUDITED.items() if given is value)
        self.counts[f"{module}.{name}"] += 1
        return Opaque(module, name)


class Opaques:
    """Gather what one call of a reader keeps as `Opaque`: the names that it met, and how many objects of each."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], OpaqueName] = {}
        self._counts: Counter[str] = Counter()

    def name(self, module: str, name: str) -> OpaqueName:
        """Return what stands for a name.

        Raises:
            OverLimit: there were too many before.
        """
        known = self._names.get((module, name))
        if known is None:
            if len(self._names) >= MOST_NAMES:
                raise OverLimit(f"more than {MOST_NAMES:,} different names that are on no list", "names")
            known = OpaqueName(
                "Anything", (_Anything,), {"__slots__": (), "module": module, "name": name, "label": name}
            )
            self._names[module, name] = known
        return known

    def settle(self, value: Any, enter_objects: bool = False) -> Any:
        """Return a loaded value with everything in place."""
        walk = OpaqueWalk(enter_objects)
        value = walk.settle(value)
        self._counts.update(walk.counts)
        return value

    def warn(self, name: str) -> None:
        """Warn once about all that was kept."""
        if not self._counts:
            return
        counted = self._counts.most_common()
        told = [f"{count} of {repr(each)[1:-1][:_LONGEST]}" for each, count in counted[:_TOLD]]
        if len(counted) > _TOLD:
            told.append(f"{sum(count for _, count in counted[_TOLD:])} of {len(counted) - _TOLD} more")
        warnings.warn(
            f"{name or 'the records'}: objects whose classes are on no list are kept as Opaque: {', '.join(told)}. "
            "They tell what was stored, and do nothing",
            OpaqueObjects,
            stacklevel=3,
        )
