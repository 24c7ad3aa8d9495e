"""A pickle machine of our own, for the pickles of strangers: plain values, bounded work, no import, no class.

It reads protocols 0 to 5. What a pickle may name is the table that it is given: by default what the old protocols need
to spell bytes and sets, and nothing else. What comes out is at most `DEEPEST` levels deep and never holds itself.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ml_logger.columns.containers import ATOMS, DEEPEST, PLAIN, Containers, OverLimit, UnknownName, check_plain
from ml_logger.columns.instructions import ACTIONS, COUNTS, FRAME, LITERALS, PROTO, SIZES, STOP
from ml_logger.errors import CorruptData, UntrustedData

Names = Mapping[tuple[str, str], Any]

#: Most opcodes of one pickle: about a second, and some 400 MB if each makes an empty list.
BUDGET = 1 << 21

_LONGEST_NAME = 1000
_LOOSE = 3  # as in `boundaries`: bytes outside of the frames of a pickle that has frames
_LARGE = frozenset(b"BX\x8d\x8e\x96")
_NEWEST = 5  # protocol


def loads(data: bytes, names: Names | None = None, budget: int = BUDGET) -> Any:
    """Decode the one pickle that `data` begins with.

    >>> loads(b"\\x80\\x04]\\x94(K\\x01K\\x02e.")
    [1, 2]

    Raises:
        UntrustedData: it names something that is not in the table.
        CorruptData: it is no pickle, or asks for more than the limits allow.
    """
    return Machine(data, 0, names, budget).load()


class Machine:
    """Decode one pickle of a piece of data.

    Args:
        data: bytes that hold the pickle.
        pos: where it begins.
        names: (module, name) -> what the pickle gets for it. A callable checks its own arguments; an object whose class
            has a `__setstate__` takes a state. Nothing is imported.
        budget: most opcodes.
        deepest: most levels of containers.
        unknown: what gives an `UnknownName` for each other name; by default they are refused.

    Attributes:
        end: where the pickle ends, once it is loaded.
        needed: how many bytes of data there must be at least to go on: more than there are if it is cut short.
    """

    def __init__(
        self,
        data: bytes,
        pos: int = 0,
        names: Names | None = None,
        budget: int = BUDGET,
        deepest: int = DEEPEST,
        unknown: Callable[[str, str], UnknownName] | None = None,
    ) -> None:
        self.data = data
        self.end = pos
        self.needed = 0
        self.plain = names is None
        self.names: Names = PLAIN if names is None else names
        self.unknown = unknown
        self.budget = budget
        self.spent = 0  # items and characters that were passed to calls
        self.copied = 0  # and bytes
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.held = Containers(deepest)
        self._most_marks = 2 * deepest
        self.called: dict[int, str] = {}  # id of what the table gave -> its name
        self._limit = len(data)  # where the frame ends, or the data
        self._framed = False

    def load(self) -> Any:
        """Return the value."""
        try:
            self._run()
            value = self.pop()
            if self.plain and self.called:
                check_plain(value)
            return value
        except (CorruptData, UntrustedData):
            raise
        except Exception as error:  # whatever bytes can provoke: struct, Unicode, Type, Value, Memory, Recursion...
            raise CorruptData(f"not a pickle that can be read: {type(error).__name__}: {error}") from error

    def _run(self) -> None:
        data, pos, first = self.data, self.end, self.end
        literals, actions, push = LITERALS, ACTIONS, self.stack.append
        strict = data[pos : pos + 3] in (b"\x80\x04\x95", b"\x80\x05\x95")
        loose = 0
        for _ in range(self.budget):
            if pos >= self._limit:
                self._leave_frame(pos)
            op = data[pos]
            start, end = self._argument(op, pos + 1)
            if op in literals:
                push(literals[op](data[start:end]))
            elif op in actions:
                actions[op](self, data[start:end])
            elif self._ends(op, data[start:end], end, pos == first):
                return
            if strict:
                loose = 0 if self._framed or op in _LARGE or pos == first else loose + end - pos
                if loose > _LOOSE:
                    raise CorruptData("opcodes outside of the frames")
            pos = end
        raise OverLimit(f"more than {self.budget:,} opcodes", "opcodes")

    def _ends(self, op: int, argument: bytes, end: int, first: bool) -> bool:
        """Do what the opcodes do that frame a pickle; tell whether it ends."""
        if op == FRAME:
            self._enter_frame(argument, end)
        elif op == STOP:
            if self._framed and end != self._limit:
                raise CorruptData("a pickle that ends before its frame")
            self.end = end
            return True
        elif op != PROTO or not first or argument[0] > _NEWEST:
            raise CorruptData(f"{op:#04x} is no opcode here")
        return False

    # -- where arguments and frames end -------------------------------------------------------------------------------

    def _argument(self, op: int, at: int) -> tuple[int, int]:
        """Return where the argument of an opcode begins and ends; all of it is there, and within the frame."""
        size = SIZES.get(op, 0)
        if size == pickletools.UP_TO_NEWLINE:
            end = self._line(at)
            return at, self._line(end) if op in b"ci" else end
        if size < 0:
            count = COUNTS[size]
            counted = self._within(at + count.size) - count.size
            size, at = int(count.unpack_from(self.data, counted)[0]), at + count.size
            if size < 0:
                raise CorruptData("a negative length")
        return at, self._within(at + size)

    def _within(self, end: int) -> int:
        if end > self._limit:
            if self._framed:
                raise CorruptData("an opcode that runs over the end of its frame")
            self._cut(end)
        return end

    def _line(self, at: int) -> int:
        end = self.data.find(b"\n", at, self._limit)
        return end + 1 if end >= 0 else self._within(self._limit + 1)

    def _enter_frame(self, length: bytes, at: int) -> None:
        if self._framed:
            raise CorruptData("a frame within a frame")
        end = at + int.from_bytes(length, "little")
        if end > len(self.data):
            self._cut(end)
        self._framed, self._limit = True, end

    def _leave_frame(self, pos: int) -> None:
        if self._framed:
            self._framed, self._limit = False, len(self.data)
        if pos >= self._limit:
            self._cut(pos + 1)

    def _cut(self, needed: int) -> NoReturn:
        self.needed = needed
        raise CorruptData("a pickle that is cut short")

    # -- the stack ----------------------------------------------------------------------------------------------------

    def pop(self) -> Any:
        """Take the topmost value."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise CorruptData("an opcode that finds nothing on the stack")
        return self.stack.pop()

    def top(self) -> Any:
        """Return the topmost value, which stays."""
        self.stack.append(value := self.pop())
        return value

    def pop_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        if not self.marks:
            raise CorruptData("an opcode that finds no mark on the stack")
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return items

    def mark(self) -> None:
        """Set a mark."""
        if len(self.marks) >= self._most_marks:
            raise CorruptData(f"more than {self._most_marks:,} marks")
        self.marks.append(len(self.stack))

    def discard(self) -> None:
        """Take away the topmost value, or a mark."""
        if self.marks and len(self.stack) == self.marks[-1]:
            self.marks.pop()
        else:
            self.pop()

    # -- names and what is done with them -----------------------------------------------------------------------------

    def name(self, module: Any, name: Any) -> None:
        """Push what the table has for a name: one exact look-up."""
        if type(module) is not str or type(name) is not str:
            raise CorruptData("a name that is no text")
        found = self.names.get((module, name))
        if found is None and self.unknown is not None:
            found = self.unknown(module, name)
        if found is None:
            raise UntrustedData(f"{f'{module}.{name}'[:200]} is not on the list of what is only data: not loaded")
        self.called[id(found)] = name
        self.stack.append(found)

    def name_in_lines(self, argument: bytes) -> None:
        """Push what the table has for the name in two lines."""
        if len(argument) > _LONGEST_NAME:
            raise CorruptData("a name that is too long")
        self.name(*argument.decode().split("\n")[:2])

    def call(self, function: Any, args: Any, as_class: bool = False) -> None:
        """Call something of the table, or make an instance of a class of it."""
        if isinstance(function, UnknownName):
            self.note(function, args, {})
            return
        if id(function) not in self.called or type(args) is not tuple or isinstance(function, type) is not as_class:
            raise CorruptData("a call of something that is no name")
        self._count(args)
        self.held.check_call(self.called[id(function)], args)
        made = function.__new__(function, *args) if as_class else function(*args)
        if type(made) not in ATOMS:
            self.held.add(made, (args,))
        self.stack.append(made)

    def _count(self, args: tuple[Any, ...]) -> None:
        """Count what a call may copy: one list can be passed many times. All bytes there are may be passed once."""
        sized = [arg for arg in args if hasattr(arg, "__len__")]
        self.copied += sum(len(arg) for arg in sized if type(arg) in (bytes, bytearray))
        self.spent += sum(len(arg) for arg in sized if type(arg) not in (bytes, bytearray))
        if self.spent > self.budget or self.copied > self.budget + len(self.data):
            raise OverLimit(f"calls that copy more than {self.budget:,} items, or all its bytes twice", "opcodes")

    def note(self, function: UnknownName, args: Any, kwargs: Any) -> None:
        """Push an object of a name that is on no list."""
        if type(args) is not tuple or type(kwargs) is not dict or not all(type(key) is str for key in kwargs):
            raise CorruptData("a call with what are no arguments")
        self.stack.append(self.held.add(function.note(args, kwargs), (args, kwargs)))

    def build(self) -> None:
        """Give the topmost object its state, if it is one of the table's that takes one."""
        state, target = self.pop(), self.top()
        self.held.give_state(target, state)

    def remember(self, index: int) -> None:
        """Note the topmost value under an index."""
        self.memo[index] = self.top()

    def recall(self, index: int) -> None:
        """Push what was noted under an index."""
        if index not in self.memo:
            raise CorruptData(f"nothing was noted under {index}")
        self.stack.append(self.memo[index])
