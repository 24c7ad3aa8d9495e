"""Rows that a loop logs are the same bytes but for the numbers: find out which bytes, and read many rows at once.

A template is made from one row that the machine has read. Another row of the same length that has the same bytes, but
for what spells a value, has the same opcodes, so it is the same dict but for these values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ml_logger.columns.instructions import COUNTS, FRAME, PROTO, SIZES, STOP
from ml_logger.columns.table import Array, objects

#: Rows that are so few are not worth doing together.
FEW = 8

NONE, TRUE, FALSE, MEMOIZE = 0x4E, 0x88, 0x89, 0x94

_BLOCK = 1 << 17  # bytes that are compared at once: they stay in the processor's cache
_MOST_VALUES = 4096  # of one row
_KINDS = {
    op: kind
    for ops, kind in {
        b"G": "float",
        b"KM": "unsigned",
        b"J\x8a": "signed",
        b"X\x8c": "text",
        b"BC": "bytes",
        bytes([NONE, TRUE, FALSE]): "flag",
    }.items()
    for op in ops
}
_FLAGS = np.empty(256, object)
_FLAGS[TRUE], _FLAGS[FALSE] = True, False


class Slot(NamedTuple):
    """The place of one value: what it spells, and its bytes, from the opcode to what comes behind the last one."""

    kind: str
    op: int
    at: int
    width: int


class Group(NamedTuple):
    """A list, a tuple or a dict within a row: what makes it of its members."""

    make: Callable[[Any], Any]
    members: list[Any]


class Template:
    """What rows of one shape have in common.

    Attributes:
        length: the bytes of a row.
        fields: name -> slot, or group of slots.
        slots: the places of values, in the order of their bytes.
    """

    def __init__(self, row: bytes, fields: dict[str, Any], keys: set[Slot]) -> None:
        self.row = row
        self.length = len(row)
        self.fields = fields
        self.slots = sorted({*_slots(fields.values())} - keys, key=lambda slot: slot.at)
        self._tiled: Array = np.frombuffer(row, np.uint8)  # the row, once or many times over
        self._fixed: Array = np.ones(len(row), np.bool_)  # which bytes of it all rows have in common
        for slot in self.slots:
            self._fixed[slot.at : slot.at + slot.width] = False
        self._flags = [slot.at for slot in self.slots if slot.kind == "flag"]
        self._texts = [slot for slot in self.slots if slot.kind == "text" and slot.width]

    def match(self, rows: Array) -> Array:
        """Tell which rows, of `length` bytes each, are of this template."""
        fits = np.ones(len(rows), np.bool_)
        block = max(1, _BLOCK // self.length)
        for at in range(0, len(rows), block):
            part = rows[at : at + block]
            self._tile(len(part), block)
            # As one row of bytes: numpy compares long rows much faster than many short ones.
            differs = part.reshape(-1) != self._tiled[: part.size]
            differs &= self._fixed[: part.size]
            if differs.any():
                fits[at : at + block] = ~differs.reshape(part.shape).any(axis=1)
        for at in self._flags:
            ops = rows[:, at]
            fits &= (ops == TRUE) | (ops == FALSE) | (ops == NONE)
        for slot in self._texts:
            texts = rows[:, slot.at : slot.at + slot.width]
            if texts.max(initial=0) >= 0x80:
                spelled = pieces(texts)
                wrong = {text for text in set(spelled) if not is_text(text)}
                if wrong:
                    fits &= [text not in wrong for text in spelled]
        return fits

    def count(self, data: Array) -> int:
        """Count the rows of this template that the data begins with."""
        length, counted, block = self.length, 0, FEW  # a few at first, since it may be none
        while True:
            rows = min(block, len(data) // length - counted)
            if not rows:
                return counted
            fits = self.match(data[counted * length : (counted + rows) * length].reshape(rows, length))
            if not fits.all():
                return counted + int(fits.argmin())
            counted += rows
            block = max(FEW, _BLOCK // length)

    def _tile(self, rows: int, most: int) -> None:
        """Have the bytes to compare for so many rows, and for most if it is more than there were."""
        have = len(self._tiled) // self.length
        if have < rows:
            times = most if have > 1 else rows
            self._tiled = np.tile(self._tiled[: self.length], times)
            self._fixed = np.tile(self._fixed[: self.length], times)

    def lift(self, rows: Array, key: str) -> Array | list[Any]:
        """Return the values that matching rows have under a name: an array of exact type, or Python values."""
        return _lift(rows, self.fields[key])


def template_of(row: bytes) -> Template | None:
    """Find the template of a row that the machine can read; None if it has something else than plain values in it."""
    reader = _Reader(row)
    try:
        fields = reader.read()
    except (_NoTemplate, LookupError, RecursionError):  # a set, say, or deep lists, which the machine reads
        return None
    return Template(row, fields, reader.keys)


def is_text(data: bytes) -> bool:
    """Tell whether bytes are a text as pickles spell it."""
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def pieces(data: Array) -> list[bytes]:
    """Return rows of bytes as bytes objects."""
    if not data.shape[1]:
        return [b""] * len(data)
    return list(np.ascontiguousarray(data).view(f"V{data.shape[1]}").ravel().tolist())


def integers(data: Array, kind: str) -> Array | list[int]:
    """Return the integers that rows of bytes spell, little end first."""
    width = data.shape[1]
    if width > 8:
        return [int.from_bytes(each, "little", signed=True) for each in pieces(data)]
    if width not in (1, 2, 4, 8):
        wide = np.zeros((len(data), 8), np.uint8)
        wide[:, :width] = data
        if width:
            wide[:, width:] = np.where(data[:, -1:] >= 0x80, 0xFF, 0)
        data = wide
    spelled = f"<{'u' if kind == 'unsigned' else 'i'}{data.shape[1]}"
    made: Array = data.view(spelled)[:, 0].astype(np.int64)
    return made


def flags(ops: Array) -> Array | list[Any]:
    """Return the bools, or bools and Nones, that opcodes stand for."""
    if (ops == NONE).any():
        return list(_FLAGS[ops].tolist())
    true: Array = ops == TRUE
    return true


class _NoTemplate(Exception):
    """A row that no template can be made of."""


class _Reader:
    """Follow the opcodes of a row, with slots in the place of values."""

    def __init__(self, row: bytes) -> None:
        self.row = row
        self.keys: set[Slot] = set()
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: list[Any] = []
        self.numbered: dict[int, Any] = {}

    def read(self) -> dict[str, Any]:
        """Return the values of the row by name, as slots and groups of slots."""
        at = 0
        for _ in range(4 * _MOST_VALUES):
            op = self.row[at]
            start, end = self._argument(op, at + 1)
            if op == STOP:
                [top] = self.stack[-1:]
                return self._named(top)
            if op in _KINDS:
                kind = _KINDS[op]
                self.stack.append(Slot(kind, op, at, 1) if kind == "flag" else Slot(kind, op, start, end - start))
            elif op not in (PROTO, FRAME):
                self._do(op, int.from_bytes(self.row[start:end], "little"))
            at = end
        raise _NoTemplate

    def _argument(self, op: int, at: int) -> tuple[int, int]:
        size = SIZES.get(op, 0)
        if size == -1:
            raise _NoTemplate
        if size < 0:
            count = COUNTS[size]
            return at + count.size, at + count.size + count.unpack_from(self.row, at)[0]
        return at, at + size

    def _do(self, op: int, argument: int) -> None:
        if op in b"}])":
            self.stack.append(Group({0x7D: dict, 0x5D: list, 0x29: tuple}[op], []))
        elif op == 0x28:  # MARK
            self.marks.append(len(self.stack))
        elif op in b"aesu":
            self._add(op)
        elif op in b"t\x85\x86\x87":
            at = self.marks.pop() if op == 0x74 else len(self.stack) - (op - 0x84)
            self.stack[at:] = [Group(tuple, self.stack[at:])]
        elif op in b"qr\x94":
            self.numbered[len(self.numbered) if op == MEMOIZE else argument] = self.stack[-1]
        elif op in b"hj" and isinstance(self.numbered[argument], Slot):
            self.stack.append(self.numbered[argument])
        else:
            raise _NoTemplate

    def _add(self, op: int) -> None:
        at = self.marks.pop() if op in b"eu" else len(self.stack) - (1 if op == 0x61 else 2)
        group, items = self.stack[at - 1], self.stack[at:]
        if group.make is not (list if op in b"ae" else dict):
            raise _NoTemplate
        group.members.extend(items)
        del self.stack[at:]

    def _named(self, group: Group) -> dict[str, Any]:
        """Return the members of a dict by their names, which all rows then have in common."""
        if not isinstance(group, Group) or group.make is not dict:
            raise _NoTemplate
        named: dict[str, Any] = {}
        for key, value in zip(group.members[::2], group.members[1::2], strict=True):
            if not isinstance(key, Slot) or key.kind != "text":
                raise _NoTemplate
            self.keys.add(key)
            text = self.row[key.at : key.at + key.width].decode("utf-8", "surrogatepass")
            named[text] = self._settled(value)
        return named

    def _settled(self, node: Any) -> Any:
        if isinstance(node, Slot):
            return node
        if node.make is dict:
            named = self._named(node)
            return Group(_dict_of(tuple(named)), [*named.values()])
        return Group(node.make, [self._settled(member) for member in node.members])


def _dict_of(names: tuple[str, ...]) -> Callable[[Any], dict[str, Any]]:
    return lambda values: dict(zip(names, values, strict=True))


def _slots(nodes: Any) -> Iterator[Slot]:
    for node in nodes:
        if isinstance(node, Slot):
            yield node
        else:
            yield from _slots(node.members)


def _lift(rows: Array, node: Any) -> Array | list[Any]:
    if isinstance(node, Group):
        if not node.members:
            return objects([node.make(()) for _ in range(len(rows))])
        members = [
            list(_lift(rows, member)) if isinstance(member, Group) else _python(rows, member) for member in node.members
        ]
        return objects([node.make(values) for values in zip(*members, strict=True)])
    data = rows[:, node.at : node.at + node.width]
    if node.kind == "float":
        made: Array = data.view(">f8")[:, 0].astype(np.float64)
        return made
    if node.kind == "flag":
        return flags(data[:, 0])
    if node.kind in ("text", "bytes"):
        return objects(texts(data, node.kind == "text"))
    return integers(data, node.kind)


def _python(rows: Array, slot: Slot) -> Sequence[Any]:
    lifted = _lift(rows, slot)
    return lifted.tolist() if isinstance(lifted, np.ndarray) else lifted


def texts(data: Array, decode: bool = True) -> list[Any]:
    """Return the texts, or bytes, that rows of bytes are; equal ones are one object."""
    if not data.shape[1] or (data == data[0]).all():
        one = data[0].tobytes()
        return [one.decode("utf-8", "surrogatepass") if decode else one] * len(data)
    known: dict[bytes, Any] = {}
    return [
        known[each]
        if each in known
        else known.setdefault(each, each.decode("utf-8", "surrogatepass") if decode else each)
        for each in pieces(data)
    ]
