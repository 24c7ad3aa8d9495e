"""Pickles that would run code, forge arrays, or eat memory, each under the name that it has in our list of attacks.

K40, K41 and K42 (memo indices that make the C unpickler allocate gigabytes) are left out: a documented limit.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any

import numpy as np


def lit(value: Any) -> bytes:
    """Return the opcodes that push plain data."""
    return pickle.dumps(value, 2)[2:-1]


def name(module: str, attribute: str) -> bytes:
    """Return the opcode that pushes a name."""
    return f"c{module}\n{attribute}\n".encode()


def call(target: str, *args: Any) -> bytes:
    """Return the opcodes that call `module:name` with plain data, or with opcodes given as bytes in a list."""
    pushed = b"".join(arg[0] if isinstance(arg, list) else lit(arg) for arg in args)
    return name(*target.split(":")) + b"(" + pushed + b"tR"


def stack_global(module: str, attribute: str) -> bytes:
    """Return the opcodes of protocol 4 that push a name, dots and all."""
    parts = [b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, attribute)]
    return parts[0] + parts[1] + b"\x93"


def touch(canary: str) -> str:
    return f"open({canary!r}, 'w')"


Attack = Callable[[str], bytes]

RANGE = call("builtins:range", 0, 2**31 - 1, 1)
OBJECT = name("builtins", "object")

CODE: dict[str, Attack] = {
    "K01 GLOBAL os.system": lambda c: call("os:system", f"touch {c}"),
    "K02 INST": lambda c: b"(" + lit(f"touch {c}") + b"ios\nsystem\n",
    "K03 OBJ": lambda c: b"(" + name("os", "system") + lit(f"touch {c}") + b"o",
    "K04 STACK_GLOBAL posix.system": lambda c: stack_global("posix", "system") + lit(f"touch {c}") + b"\x85R",
    "K05 memo out of order": lambda c: (
        lit(f"touch {c}") + b"q\x05" + b"0" + name("os", "system") + b"q\x03" + b"h\x05\x85R"
    ),
    "K06 eval": lambda c: call("builtins:eval", touch(c)),
    "K07 exec": lambda c: call("builtins:exec", touch(c)),
    "K08 getattr chain": lambda c: call("builtins:getattr", [name("fractions", "Fraction")], "__init__"),
    "K09 __import__": lambda c: call("builtins:__import__", "os"),
    "K10 __builtin__ alias": lambda c: call("__builtin__:eval", touch(c)),
    "K11 methodcaller": lambda c: call("operator:methodcaller", "system", f"touch {c}"),
    "K12 attrgetter": lambda c: call("operator:attrgetter", "system"),
    "K13 partial": lambda c: call("functools:partial", [name("os", "system")], f"touch {c}"),
    "K14 reduce": lambda c: call("functools:reduce", [name("os", "system")], (f"touch {c}",)),
    "K15 f2py.getlincoef": lambda c: call("numpy.f2py.crackfortran:getlincoef", touch(c), {}),
    "K16 f2py.myeval": lambda c: call("numpy.f2py.crackfortran:myeval", touch(c)),
    "K17 runstring": lambda c: call("numpy.testing._private.utils:runstring", touch(c), {}),
    "K18 numpy.load": lambda c: call("numpy:load", c),
    "K18 numpy.fromfile": lambda c: call("numpy:fromfile", c),
    "K18 numpy.memmap": lambda c: call("numpy:memmap", c, "u1", "w+"),
    "K18 numpy.loadtxt": lambda c: call("numpy:loadtxt", c),
    "K19 pandas.read_pickle": lambda c: call("pandas:read_pickle", c),
    "K19 pandas.eval": lambda c: call("pandas:eval", touch(c)),
    "K20 nested pickle.loads": lambda c: call("pickle:loads", call("builtins:eval", touch(c)) + b"."),
    "K20 nested _pickle.loads": lambda c: call("_pickle:loads", call("builtins:eval", touch(c)) + b"."),
    "K21 torch storage": lambda c: call("torch.storage:_load_from_bytes", b""),
    "K21 torch.load": lambda c: call("torch:load", c),
    "K22 dotted globals": lambda c: stack_global("collections", "OrderedDict.__init__.__globals__"),
    "K22 dotted class": lambda c: stack_global("builtins", "set.__class__"),
    "K22 dotted module": lambda c: stack_global("uuid", "os.system") + lit(f"touch {c}") + b"\x85R",
    "K23 FunctionType": lambda c: call("types:FunctionType", [call("marshal:loads", b"")], {}),
    "K23 CodeType": lambda c: name("types", "CodeType"),
    "K23 marshal": lambda c: call("marshal:loads", b"i\1\0\0\0"),
    "K24 import_module": lambda c: call("importlib:import_module", "antigravity"),
    "K25 pydoc.locate": lambda c: call("pydoc:locate", "os.system"),
    "K25 resolve_name": lambda c: call("pkgutil:resolve_name", "os:system"),
    "K26 pip.main": lambda c: call("pip:main", "list"),
    "K26 pty.spawn": lambda c: call("pty:spawn", f"touch {c}"),
    "K27 FileIO": lambda c: call("_io:FileIO", c, "w"),
    "K27 FileHandler": lambda c: call("logging:FileHandler", c),
    "K28 webbrowser": lambda c: call("webbrowser:open", "http://127.0.0.1:1/"),
    "K28 urlopen": lambda c: call("urllib.request:urlopen", "http://127.0.0.1:1/"),
    "K29 ctypes": lambda c: call("ctypes:CDLL", "libc.so.6"),
    "K29 sys.modules": lambda c: name("sys", "modules"),
    "K30 uuid command": lambda c: call("uuid:_get_command_stdout", "touch", c),
    "K31 dill": lambda c: call("dill._dill:_create_function", None),
    "K31 cloudpickle": lambda c: call("cloudpickle.cloudpickle:subimport", "os"),
    "K32 _reconstructor": lambda c: call("copyreg:_reconstructor", [name("os", "_wrap_close")], [OBJECT], None),
    "K32 _reconstructor of a listed name": lambda c: call(
        "copyreg:_reconstructor", [name("decimal", "Decimal")], [OBJECT], None
    ),
    "K32 _reconstructor of an object": lambda c: call("copyreg:_reconstructor", [OBJECT], [OBJECT], None),
    "K32 add_extension": lambda c: call("copyreg:add_extension", "os", "system", 7),
    "K33 EXT1": lambda c: b"\x82\x07",
    "K33 EXT4": lambda c: b"\x84\x07\x00\x00\x00",
    "K34 PERSID": lambda c: b"Pos.system\n",
    "K34 BINPERSID": lambda c: lit("os.system") + b"Q",
    "K35 BUILD on a class": lambda c: name("uuid", "UUID") + lit({"hex": "evil"}) + b"b",
    "K35 BUILD with slots on a class": lambda c: name("uuid", "UUID") + b"N" + lit({"fill": "evil"}) + b"\x86b",
    "K35 call of the class": lambda c: call("uuid:UUID", "0" * 32),
    "K35 NEWOBJ with arguments": lambda c: name("uuid", "UUID") + lit((1,)) + b"\x81",
    "K36 BUILD on a wrapper": lambda c: name("decimal", "Decimal") + lit({"_build": "evil"}) + b"b",
    "K36 BUILD with slots on a wrapper": lambda c: (
        name("decimal", "Decimal") + b"N" + lit({"_build": "evil"}) + b"\x86b"
    ),
    "K36 BUILD on a path": lambda c: call("pathlib:PurePosixPath", "a") + b"N" + lit({"_str": "evil"}) + b"\x86b",
    "K36 BUILD on a fraction": lambda c: call("fractions:Fraction", "1/2") + b"N" + lit({"_numerator": 7}) + b"\x86b",
    "K36 NEWOBJ of a wrapper": lambda c: name("decimal", "Decimal") + lit(("1",)) + b"\x81",
    "K37 another codec": lambda c: call("_codecs:encode", "touch", "rot13"),
    "K37 decode": lambda c: call("_codecs:decode", b"x", "zlib"),
    "K37 bytearray in another codec": lambda c: call("builtins:bytearray", "a", "utf-16"),
    "OUT out-of-band buffer": lambda c: b"\x97",
    "OUT random generator": lambda c: call("numpy.random._pickle:__generator_ctor", "PCG64"),
    "OUT zoneinfo": lambda c: call("zoneinfo:ZoneInfo", "../../etc/passwd"),
}

HARM: dict[str, Attack] = {
    "K38 Fraction bomb": lambda c: call("fractions:Fraction", "1e999999999"),
    "K38 Fraction of endless digits": lambda c: call("fractions:Fraction", "1" * 10_000),
    "K38 Decimal of endless digits": lambda c: call("decimal:Decimal", "1" * 5000),
    "K39 set of range": lambda c: call("builtins:set", [RANGE]),
    "K39 frozenset of range": lambda c: call(
        "__builtin__:frozenset", [name("__builtin__", "xrange") + lit((0, 2**31, 1)) + b"R"]
    ),
    "K39 Counter of range": lambda c: call("collections:Counter", [RANGE]),
    "K39 deque of range": lambda c: call("collections:deque", [RANGE]),
    "K39 OrderedDict of range": lambda c: call("collections:OrderedDict", [RANGE]),
    "K39 list of range by a slice": lambda c: b"]" + call("builtins:slice", None, None, None) + RANGE + b"s",
    "K39 list called": lambda c: call("builtins:list", [RANGE]),
    "K39 bytearray of a size": lambda c: call("builtins:bytearray", 2**20),
    "K39 bytes of a size": lambda c: call("builtins:bytes", 2**20),
    "K43 BINBYTES8": lambda c: b"\x8e" + struct.pack("<Q", 2**40),
    "K43 BYTEARRAY8": lambda c: b"\x96" + struct.pack("<Q", 2**60),
    "K43 BINUNICODE8": lambda c: b"\x8d" + struct.pack("<Q", 2**40),
    "K44 FRAME": lambda c: b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N",
    "K45 INT of a million digits": lambda c: b"I" + b"7" * 10**6 + b"\n",
    "K45 LONG of a million digits": lambda c: b"L" + b"7" * 10**6 + b"L\n",
    "K48 marks": lambda c: b"(" * 10**7,
    "K51 empty": lambda c: b"",
    "K51 underflow": lambda c: b"0",
    "K51 tuple of nothing": lambda c: b"\x87",
    "K51 pop of a mark": lambda c: b"t",
    "K51 memo without a value": lambda c: b"h\x05",
    "K52 protocol 255": lambda c: b"\x80\xffN",
    "K53 unhashable key": lambda c: b"}]Ns",
    "K53 unhashable in a set": lambda c: b"\x8f(]\x90",
    "K54 APPEND on an int": lambda c: b"K\x01Na",
    "K54 APPENDS on a dict": lambda c: b"}(Ne",
    "K54 SETITEM on a list": lambda c: b"]NNs",
    "K54 SETITEM on a tuple": lambda c: b")K\x00Ns",
    "K54 ADDITEMS on a list": lambda c: b"](N\x90",
    "K54 SETITEM on a path": lambda c: call("pathlib:PurePosixPath", "a") + b"NNs",
    "K54 REDUCE of an int": lambda c: b"K\x01)R",
    "K54 REDUCE without a tuple": lambda c: name("decimal", "Decimal") + b"NR",
    "K54 state of a number": lambda c: b"K\x01}b",
    "K54 datetime of nonsense": lambda c: call("datetime:datetime", [call("_codecs:encode", "\xff" * 10, "latin1")]),
    "K54 datetime in a zone of an int": lambda c: call(
        "datetime:time", [call("_codecs:encode", "\0" * 6, "latin1")], 5
    ),
    "K54 UUID of a text": lambda c: name("uuid", "UUID") + b")\x81" + lit({"int": "x"}) + b"b",
    "K54 UUID too large": lambda c: name("uuid", "UUID") + b")\x81" + lit({"int": 1 << 128}) + b"b",
    "K54 UUID with two states": lambda c: (
        name("uuid", "UUID") + b")\x81" + lit({"int": 1}) + b"b" + lit({"int": 2}) + b"b"
    ),
    "K54 UUID without a state": lambda c: name("uuid", "UUID") + b")\x81",
    "K54 default factory of an int": lambda c: call("collections:defaultdict", 5),
    "K54 default factory of a wrapper": lambda c: call("collections:defaultdict", [name("decimal", "Decimal")]),
    "K54 path of ints": lambda c: call("pathlib:PurePosixPath", 5),
}


class Raw:
    """Pickle as the call of a real function with any arguments and state, true or forged."""

    def __init__(self, function: Any, args: tuple[Any, ...], state: Any = None) -> None:
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.reduced


REBUILD = np.arange(1).__reduce__()[0]
SCALAR: Any = np.float32(1).__reduce__()[0]
BUFFER = np.arange(1).__reduce_ex__(5)[0]
OBJECTS = np.dtype("O")
FLOAT, DOUBLE = np.dtype("f4"), np.dtype("f8")
FOUR = b"A" * 4
EIGHT = b"A" * 8


def forged(spec: str, *state: Any) -> Raw:
    return Raw(np.dtype, (spec, False, True), state)


def array_of(dtype: Any, shape: Any, data: Any) -> Raw:
    return Raw(REBUILD, (np.ndarray, (0,), b"b"), (1, shape, dtype, False, data))


def structure(names: Any, fields: Any, size: int) -> Raw:
    return array_of(forged(f"V{size}", 3, "|", None, names, fields, size, 1, 0), (1,), b"A" * size)


def sub_array(parts: Any, size: int) -> Raw:
    return array_of(forged(f"V{size}", 3, "|", parts, None, None, size, 1, 0), (1,), b"A" * size)


def moment(unit: Any) -> Raw:
    return forged("M8", 4, "<", None, None, None, -1, -1, 0, ({}, unit))


BARE = forged("O8", 3, "|", None, None, None, -1, -1, 0)

FORGED: dict[str, Any] = {
    "N01 objects without flags from a buffer": Raw(BUFFER, (EIGHT, BARE, (1,), "C")),
    "N02 objects without flags as state": array_of(BARE, (1,), EIGHT),
    "N03 objects without flags as scalar": Raw(SCALAR, (BARE, EIGHT)),
    "N04 structure with objects": structure(("a",), {"a": (OBJECTS, 0)}, 8),
    "N05 offset beyond": structure(("a",), {"a": (FLOAT, 1 << 20)}, 4),
    "N05 offset before": structure(("a",), {"a": (FLOAT, -4)}, 4),
    "N05 field without a dtype": structure(("a",), {"a": ("f4", 0)}, 4),
    "N05 field that is missing": structure(("a", "b"), {"a": (FLOAT, 0)}, 4),
    "N06 sub-array larger than it is": sub_array((FLOAT, (1 << 20,)), 4),
    "N06 sub-array of objects": sub_array((OBJECTS, (1,)), 8),
    "N06 sub-array of negative shape": sub_array((FLOAT, (-1,)), 4),
    "N07 negative item size": array_of(forged("S4", 3, "|", None, None, None, -4, 1, 0), (1,), FOUR),
    "N07 another item size": array_of(forged("S4", 3, "|", None, None, None, 1 << 20, 1, 0), (1,), FOUR),
    "N07 kind in disguise": array_of(forged("i8", 3, "|", None, ("a",), {"a": (OBJECTS, 0)}, 8, 1, 63), (1,), EIGHT),
    "N08 too few bytes": array_of(DOUBLE, (100,), EIGHT),
    "N08 too many bytes": array_of(DOUBLE, (1,), b"A" * 16),
    "N08 scalar of too few bytes": Raw(SCALAR, (DOUBLE, FOUR)),
    "N08 buffer of too few bytes": Raw(BUFFER, (EIGHT, DOUBLE, (2,), "C")),
    "N08 list for numbers": array_of(DOUBLE, (1,), [1.5]),
    "N08 list of another size": array_of(OBJECTS, (1 << 30,), [1]),
    "N08 overflowing shape": array_of(DOUBLE, (1 << 33, 1 << 31), b""),
    "N08 unicode of another size": Raw(SCALAR, (np.dtype("U2"), FOUR)),
    "N09 negative shape": array_of(DOUBLE, (-1, -1), EIGHT),
    "N09 shape of floats": array_of(DOUBLE, (1.0,), EIGHT),
    "N09 too many dimensions": array_of(DOUBLE, (1,) * 100, EIGHT),
    "N10 ndarray called": Raw(np.ndarray, ((2**40,),)),
    "N10 reconstructed with a shape and no state": Raw(REBUILD, (np.ndarray, (2**40,), b"b")),
    "N11 endless items of no size": array_of(np.dtype("V0"), (2**40,), b""),
    "N11 subclass of array": Raw(REBUILD, (np.matrix, (0,), b"b"), (1, (1,), DOUBLE, False, EIGHT)),
    "N11 two states": Raw(REBUILD, (np.ndarray, (0,), b"b"), {"not": "a state"}),
    "N11 record array": np.rec.array([(1, 2.0)], dtype="i4,f8"),
    "N11 masked array": np.ma.array([1, 2], mask=[0, 1]),
    "N11 unknown unit of time": moment((b"ns,O", 1, 1, 1)),
    "N11 time of negative unit": moment((b"s", -1, 1, 1)),
    "N11 dtype from words": Raw(np.dtype, ("i4,O", False, True)),
    "N11 byte order of nonsense": forged("i4", 3, "O,", None, None, None, -1, -1, 0),
    "N11 axes out of range": Raw(BUFFER, (EIGHT, DOUBLE, (1,), "K", (7,))),
}
