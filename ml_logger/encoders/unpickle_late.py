"""What the data-only reader gives the unpickler instead of classes, and the walk that puts in real values at last."""

from __future__ import annotations

import datetime
import decimal
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NoReturn

from ml_logger.errors import CorruptData, UntrustedData

_UNSET: Any = object()


def expect(condition: object, problem: str) -> None:
    """Raise CorruptData unless the condition holds."""
    if not condition:
        raise CorruptData(problem)


def settle(record: Any) -> Any:
    """Put real values in for what the names of the audited list have left for the end of a record."""
    return Walk().settle(record)


class Name:
    """Stand for one name of the audited list: it can be called, and nothing else can be done with it."""

    __slots__ = ("_build", "label")
    _build: Callable[..., Any]
    label: str

    def __init__(self, label: str, build: Callable[..., Any]) -> None:
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "_build", build)

    def __call__(self, *args: Any) -> Any:
        """Build the value from arguments, which the function of this name checks."""
        return self._build(*args)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        """Refuse, since one instance serves every load of the process."""
        raise CorruptData("a name cannot be given attributes")

    def __setstate__(self, state: Any) -> NoReturn:
        """Refuse the BUILD opcode."""
        raise CorruptData("a name cannot be given a state")


class Late:
    """Hold a value until the load is over, so that no opcode can reach it."""

    __slots__ = ("value",)
    value: Any

    def __init__(self, value: Any = _UNSET) -> None:
        self.value = value

    def __setstate__(self, state: Any) -> None:
        """Refuse the BUILD opcode; kinds that need it override this and call `fill`."""
        raise CorruptData("a value that takes no state")

    def fill(self, value: Any) -> None:
        """Set the value, once."""
        expect(getattr(self, "value", _UNSET) is _UNSET, "a second state for one value")
        self.value = value

    def settle(self, walk: Walk) -> Any:
        """Return the real value."""
        value = getattr(self, "value", _UNSET)  # a stand-in for a class comes without __init__
        expect(value is not _UNSET, "a value without its state")
        return value


class StandIn(type):
    """Make the one class that the unpickler may hold: nothing can be set on it, and it takes no arguments."""

    def __call__(cls, *args: Any) -> NoReturn:
        """Refuse a call: NEWOBJ goes to `__new__`."""
        raise CorruptData("a class that is not called in data")

    def __setattr__(cls, name: str, value: Any) -> NoReturn:
        """Refuse, since the class serves every load of the process."""
        raise CorruptData("a class cannot be given attributes")


_PLAIN = {bool, int, float, complex, str, bytes, bytearray, type(None), type(...), decimal.Decimal}
_PLAIN |= {datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone}


class Walk:
    """Go once through a loaded value and replace what stands in for something; shared and circular parts stay so."""

    def __init__(self, enter_objects: bool = False) -> None:
        self._enter_objects = enter_objects  # look into the attributes of instances of trusted classes
        self._done: dict[
            int, tuple[Any, Any]
        ] = {}  # id -> (old, new): holding the old one keeps its id from being reused
        self._open: set[int] = set()  # tuples that are being rebuilt
        self._looped: set[int] = set()  # those of them that were met again inside themselves

    def settle(self, value: Any) -> Any:
        """Return the value with everything in place."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        known = self._done.get(id(value))
        if known is not None:
            if id(value) in self._open:
                self._looped.add(id(value))
            return known[1]
        if isinstance(value, Late):
            return self.remember(value, value.settle(self))
        if kind is tuple or kind is frozenset:
            return self._frozen(value)
        if kind is Name or issubclass(kind, StandIn):
            return self.remember(value, self.class_as_value(value))
        self.remember(value, value)
        settle = _IN_PLACE.get(kind)
        if settle is not None:
            settle(self, value)
        elif self._enter_objects and isinstance(getattr(value, "__dict__", None), dict):
            self._dict(value.__dict__)
        return value

    def remember(self, old: Any, new: Any) -> Any:
        """Note what an object became, and return that."""
        self._done[id(old)] = (old, new)
        return new

    def class_as_value(self, value: Any) -> Any:
        """Refuse a name that is a value itself."""
        raise _class_as_value(value)

    def _frozen(self, value: Any) -> Any:
        self.remember(value, value)
        self._open.add(id(value))
        items = [self.settle(item) for item in value]
        self._open.discard(id(value))
        if all(map(_same, items, value)):
            return value
        expect(id(value) not in self._looped, "a tuple that holds itself and something that stands in for a value")
        return self.remember(value, type(value)(items))

    def _dict(self, value: dict[Any, Any]) -> None:
        # By the class: attributes of its own, which a pickle can give an OrderedDict, may have the names of methods.
        kind = type(value)
        if kind is defaultdict:  # which can be given another factory than it was made with
            factory = getattr(value, "default_factory", None)
            expect(not isinstance(factory, Name | StandIn), "a default factory that is no builtin")
        items = [(self.settle(key), self.settle(item)) for key, item in kind.items(value)]
        if all(map(_same, (key for key, _ in items), value)):
            for key, item in items:
                if value[key] is not item:
                    value[key] = item
        else:
            kind.clear(value)
            for key, item in items:  # not update(), which adds up in a Counter
                value[key] = item

    def _list(self, value: list[Any]) -> None:
        value[:] = [self.settle(item) for item in value]

    def _set(self, value: set[Any]) -> None:
        items = [self.settle(item) for item in value]
        if not all(map(_same, items, value)):
            value.clear()
            value.update(items)

    def _deque(self, value: deque[Any]) -> None:
        items = [self.settle(item) for item in value]
        value.clear()
        value.extend(items)

    def _namespace(self, value: SimpleNamespace) -> None:
        self._dict(value.__dict__)


_IN_PLACE: dict[type, Callable[[Walk, Any], None]] = {
    list: Walk._list,
    dict: Walk._dict,
    OrderedDict: Walk._dict,
    defaultdict: Walk._dict,
    Counter: Walk._dict,
    set: Walk._set,
    deque: Walk._deque,
    SimpleNamespace: Walk._namespace,
}


def _same(one: object, other: object) -> bool:
    return one is other


def _class_as_value(value: Any) -> UntrustedData:
    label = value.label if isinstance(value, Name) else value.__name__.removesuffix("StandIn")
    return UntrustedData(
        f"the class {label} itself is stored as a value, and classes are not loaded: store its name as text, "
        "or load with trust=True if you know who wrote this"
    )
