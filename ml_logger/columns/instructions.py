"""What each opcode of a pickle does: the values that some spell, and what the others do with the machine."""

from __future__ import annotations

import codecs
import pickletools
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from ml_logger.columns.containers import UnknownName
from ml_logger.errors import CorruptData, UntrustedData

if TYPE_CHECKING:
    from ml_logger.columns.opcodes import Machine

PROTO, FRAME, STOP = 0x80, 0x95, 0x2E

_LONGEST_NUMBER = 4300  # digits in text, as Python's own limit

#: opcode -> bytes of its argument, or a negative code of pickletools: -1 a line, -2 to -5 a counted string
SIZES = {ord(op.code): op.arg.n for op in pickletools.opcodes if op.arg} | {FRAME: 8}
COUNTS = {
    pickletools.TAKEN_FROM_ARGUMENT1: struct.Struct("<B"),
    pickletools.TAKEN_FROM_ARGUMENT4: struct.Struct("<i"),
    pickletools.TAKEN_FROM_ARGUMENT4U: struct.Struct("<I"),
    pickletools.TAKEN_FROM_ARGUMENT8U: struct.Struct("<Q"),
}


def _number(line: bytes) -> int:
    text = line.rstrip(b"\n").removesuffix(b"L")
    if len(text) > _LONGEST_NUMBER:
        raise CorruptData(f"a number of more than {_LONGEST_NUMBER} digits")
    return int(text, 0)


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _unsigned(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _ascii(data: bytes) -> str:
    return data.decode("ascii")


def _quoted(line: bytes) -> str:
    text = line[:-1]
    if len(text) < 2 or text[0] != text[-1] or text[:1] not in (b"'", b'"'):
        raise CorruptData("a text without its quotes")
    return codecs.escape_decode(text[1:-1])[0].decode("ascii")


def _float(line: bytes) -> float:
    return float(line[:-1])


#: opcode -> the value that its argument spells
LITERALS: dict[int, Callable[[bytes], Any]] = {
    ord(op): read
    for ops, read in {
        "N": lambda _: None,
        "\x88": lambda _: True,
        "\x89": lambda _: False,
        "I": lambda line: {b"00\n": False, b"01\n": True}[line] if line in (b"00\n", b"01\n") else _number(line),
        "L": _number,
        "KM": _unsigned,
        "J\x8a\x8b": _signed,
        "G": lambda data: struct.unpack(">d", data)[0],
        "F": _float,
        "X\x8c\x8d": _text,
        "V": lambda line: str(line[:-1], "raw-unicode-escape"),
        "TU": _ascii,
        "S": _quoted,
        "BC\x8e": bytes,
    }.items()
    for op in ops
}


def _pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    if len(items) % 2:
        raise CorruptData("a key without its value")
    return list(zip(items[::2], items[1::2], strict=True))


def _extend(machine: Machine, items: list[Any]) -> None:
    machine.held.extend(machine.top(), items)


def _add_members(machine: Machine, items: list[Any]) -> None:
    machine.held.add_members(machine.top(), items)


def _update(machine: Machine, items: list[Any]) -> None:
    machine.held.update(machine.top(), _pairs(items))


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _update(machine, [key, value])


def _push(machine: Machine, made: Any) -> None:
    machine.stack.append(machine.held.add(made, made))


def _tuple(machine: Machine, size: int) -> None:
    items = tuple(machine.pop() for _ in range(size))
    _push(machine, items[::-1])


def _dict(machine: Machine) -> None:
    items = machine.pop_mark()
    _push(machine, {})
    _update(machine, items)


def _frozen(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.held.check_keys(items)
    _push(machine, frozenset(items))


def _bytearray(machine: Machine, data: bytes) -> None:
    if ("builtins", "bytearray") not in machine.names:
        raise UntrustedData("a bytearray, which is no plain value: not loaded")
    machine.stack.append(machine.held.add(bytearray(data), ()))


def _call(machine: Machine, as_class: bool = False) -> None:
    args, function = machine.pop(), machine.pop()
    machine.call(function, args, as_class)


def _call_marked(machine: Machine) -> None:
    function, *args = machine.pop_mark()
    machine.call(function, tuple(args))


def _call_named(machine: Machine, argument: bytes) -> None:
    args = tuple(machine.pop_mark())
    machine.name_in_lines(argument)
    machine.call(machine.pop(), args)


def _name(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


def _call_with_names(machine: Machine, argument: bytes) -> None:
    kwargs, args, function = machine.pop(), machine.pop(), machine.pop()
    if isinstance(function, UnknownName):
        machine.note(function, args, kwargs)
        return
    if id(function) not in machine.called:
        raise CorruptData("an object made of no class")
    raise UntrustedData("an object made with arguments by name: not loaded")


def _refuse(reason: str) -> Callable[[Machine, bytes], NoReturn]:
    # No row has one, and a reader that is given nothing but the bytes could make nothing of it: it is damage.
    def refuse(machine: Machine, argument: bytes) -> NoReturn:
        raise CorruptData(reason)

    return refuse


#: opcode -> what it does with the machine and its argument
ACTIONS: dict[int, Callable[[Machine, bytes], None]] = {
    ord(op): act
    for ops, act in {
        "(": lambda m, _: m.mark(),
        "0": lambda m, _: m.discard(),
        "1": lambda m, _: m.pop_mark().clear(),
        "2": lambda m, _: m.stack.append(m.top()),
        "]": lambda m, _: _push(m, []),
        "}": lambda m, _: _push(m, {}),
        ")": lambda m, _: m.stack.append(()),
        "\x8f": lambda m, _: _push(m, set()),
        "l": lambda m, _: _push(m, m.pop_mark()),
        "t": lambda m, _: _push(m, tuple(m.pop_mark())),
        "\x85": lambda m, _: _tuple(m, 1),
        "\x86": lambda m, _: _tuple(m, 2),
        "\x87": lambda m, _: _tuple(m, 3),
        "d": lambda m, _: _dict(m),
        "\x91": lambda m, _: _frozen(m),
        "a": lambda m, _: _extend(m, [m.pop()]),
        "e": lambda m, _: _extend(m, m.pop_mark()),
        "\x90": lambda m, _: _add_members(m, m.pop_mark()),
        "s": lambda m, _: _set_item(m),
        "u": lambda m, _: _update(m, m.pop_mark()),
        "\x94": lambda m, _: m.remember(len(m.memo)),
        "p": lambda m, line: m.remember(_number(line)),
        "qr": lambda m, data: m.remember(_unsigned(data)),
        "g": lambda m, line: m.recall(_number(line)),
        "hj": lambda m, data: m.recall(_unsigned(data)),
        "c": lambda m, lines: m.name_in_lines(lines),
        "\x93": lambda m, _: _name(m),
        "R": lambda m, _: _call(m),
        "\x81": lambda m, _: _call(m, as_class=True),
        "o": lambda m, _: _call_marked(m),
        "i": _call_named,
        "b": lambda m, _: m.build(),
        "\x96": _bytearray,
        "PQ": _refuse("a persistent id, which stands for something outside of the data"),
        "\x82\x83\x84": _refuse("an extension code"),
        "\x92": _call_with_names,
        "\x97\x98": _refuse("a buffer outside of the data"),
    }.items()
    for op in ops
}
