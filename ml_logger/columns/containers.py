"""What a pickle may build: how deep it nests, what may be a key, and the few names of the old protocols."""

from __future__ import annotations

import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ml_logger.errors import CorruptData, UntrustedData

#: Most levels of containers in one value.
DEEPEST = 500

#: Values that hold no others.
ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})

_LISTS = frozenset({list, deque})
_DICTS = frozenset({dict, OrderedDict, defaultdict, Counter})
_PLAIN_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_COLLIDING = 2**61 - 1  # integers from here on can be made to fall on one hash, and then n keys take n * n steps
_SIMPLE_KEYS = frozenset({str, float, bytes, bool, type(None)})
_MOST_ODD_KEYS = 10_000  # the parts of keys that are neither text nor number: their hashes can be made to collide too


_MOST_PARTS = 100_000  # of keys that are tuples: floats in them collide too, and each is compared


class OverLimit(CorruptData):
    """A pickle that asks for more than a limit which whoever reads it can set: `opcodes`, `nesting` or `size`."""

    def __init__(self, message: str, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class UnknownName(type):
    """Make what a table gives for names that are on no list: however a pickle calls one, that is noted."""

    label: str

    def note(cls, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
        """Return an object that notes what it is given."""
        raise NotImplementedError


class Unknown:
    """An object of such a name: it takes a state and items, and does nothing with them."""

    __slots__ = ()

    def extend(self, items: list[Any]) -> None:
        """Take items of a list."""
        raise NotImplementedError

    def __setitem__(self, key: Any, value: Any) -> None:
        """Take one item of a dict."""
        raise NotImplementedError


class Containers:
    """Keep the containers of one pickle shallow, and free of rings: what is inside another one changes no more.

    Args:
        deepest: most levels of containers.
    """

    def __init__(self, deepest: int = DEEPEST) -> None:
        self._deepest = deepest
        self._heights: dict[int, int] = {}  # id of a container that is alive -> levels below it
        self._closed: set[int] = set()  # those that are inside of another one
        self._odd_keys = self._parts = 0

    def add(self, made: Any, items: Iterable[Any]) -> Any:
        """Note a new container with its items, and return it."""
        self._closed.discard(id(made))  # the id of one that is gone
        self._heights[id(made)] = self._above(items)
        return made

    def extend(self, target: Any, items: list[Any]) -> None:
        """Add items to a list."""
        if type(target) not in _LISTS and not isinstance(target, Unknown):
            raise CorruptData("items for something that is no list")
        self._put(target, items)
        target.extend(items)

    def add_members(self, target: Any, items: list[Any]) -> None:
        """Add members to a set."""
        if type(target) is not set:
            raise CorruptData("members for something that is no set")
        self.check_keys(items)
        self._put(target, items)
        target.update(items)

    def update(self, target: Any, pairs: list[tuple[Any, Any]]) -> None:
        """Set items of a dict."""
        if type(target) in _DICTS:
            self.check_keys([key for key, _ in pairs])
        elif not isinstance(target, Unknown):
            raise CorruptData("keys for something that is no dict")
        self._put(target, [part for pair in pairs for part in pair])
        for key, value in pairs:
            target[key] = value

    def give_state(self, target: Any, state: Any) -> None:
        """Give an object its state: one of our stand-ins, or a bag of attributes."""
        self._put(target, [state])
        if type(target) is types.SimpleNamespace and type(state) is dict and all(type(name) is str for name in state):
            vars(target).update(state)
            return
        take = getattr(type(target), "__setstate__", None)
        if not isinstance(take, types.FunctionType):  # what is written in C reads a state in ways of its own
            raise CorruptData("a state for something that takes none")
        take(target, state)

    def check_keys(self, keys: Sequence[Any]) -> None:
        """Refuse keys and members whose hashes can be made to collide, or take for ever."""
        for key in keys:
            if type(key) in _SIMPLE_KEYS:
                continue
            parts = [key]
            while parts:
                part = parts.pop()
                if type(part) is tuple:
                    parts += part
                    self._parts += len(part)
                if self._parts > _MOST_PARTS:
                    raise CorruptData(f"more than {_MOST_PARTS:,} parts of keys that are tuples")
                if type(part) is int and not -_COLLIDING < part < _COLLIDING:
                    raise CorruptData("an integer of 2**61 - 1 or more as a key")
                self._odd_keys += type(part) not in _SIMPLE_KEYS and (part is not key or type(key) is not int)
                if self._odd_keys + len(parts) > _MOST_ODD_KEYS:
                    raise CorruptData(f"more than {_MOST_ODD_KEYS:,} parts of keys that are neither text nor number")

    def check_call(self, name: str, args: tuple[Any, ...]) -> None:
        """Refuse a call that would make a set or a dict of such keys."""
        for arg in args:
            if name in ("set", "frozenset") and isinstance(arg, (list, tuple)):
                self.check_keys(arg)
            elif name == "OrderedDict" and isinstance(arg, list):
                self.check_keys([pair[0] for pair in arg])

    def _put(self, target: Any, items: Iterable[Any]) -> None:
        if id(target) in self._closed:
            raise CorruptData("a container that changes when it is in another one already, or in itself")
        height = self._above(items)
        if id(target) in self._closed:
            raise CorruptData("a container that holds itself")
        self._heights[id(target)] = max(self._heights.get(id(target), 1), height)

    def _above(self, items: Iterable[Any]) -> int:
        """Close the containers among some items; return the height of what holds them."""
        height, heights = 0, self._heights
        for item in items:
            if type(item) not in ATOMS and id(item) in heights:
                self._closed.add(id(item))
                height = max(height, heights[id(item)])
        if height >= self._deepest:
            raise OverLimit(f"more than {self._deepest:,} levels of containers", "nesting")
        return height + 1


def _encode(text: Any, codec: Any) -> bytes:
    if type(text) is not str or codec not in ("latin1", "latin-1"):
        raise CorruptData("bytes in another codec than Latin-1")
    return bytes(text, "latin-1")


def _copying(kind: Callable[..., Any]) -> Callable[..., Any]:
    def build(*args: Any) -> Any:
        if len(args) > 1 or (args and type(args[0]) is not list):
            raise CorruptData("a set of something else than a list")
        return kind(*args)

    return build


def _empty_bytes(*args: Any) -> bytes:
    if args:
        raise CorruptData("bytes of something else than nothing")
    return b""


def _named() -> Mapping[tuple[str, str], Any]:
    names: dict[tuple[str, str], Any] = {("_codecs", "encode"): _encode}
    for module in ("builtins", "__builtin__"):
        names |= {(module, kind.__name__): _copying(kind) for kind in (set, frozenset)}
        names[module, "bytes"] = _empty_bytes
    return types.MappingProxyType(names)


#: How protocols 0 to 3 spell bytes and sets; all else that a pickle can name is refused.
PLAIN = _named()


def check_plain(value: Any) -> None:
    """Refuse a value that holds one of the names of `PLAIN` itself."""
    parts, seen = [value], {id(value)}
    while parts:
        part = parts.pop()
        if type(part) in ATOMS:
            continue
        if type(part) not in _PLAIN_CONTAINERS:
            raise UntrustedData("the name of a function as a value: not loaded")
        inner = [*part, *part.values()] if type(part) is dict else part
        for each in inner:
            if id(each) not in seen:
                seen.add(id(each))
                parts.append(each)
