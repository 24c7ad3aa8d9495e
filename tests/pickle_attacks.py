"""Pickles that would run code, forge arrays, or eat memory, each under the name that it has in our list of attacks.

K40, K41 and K42, in `BOMBS`, are data: what they make the C unpickler allocate is a documented limit of it.
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
    "K08 getattr of a listed name": lambda c: call("builtins:getattr", [name("numpy", "ndarray")], "__new__"),
    "K08 setattr": lambda c: call("builtins:setattr", [name("uuid", "UUID")], "hex", 1),
    "K08 vars": lambda c: call("builtins:vars", [name("uuid", "UUID")]),
    "K08 globals": lambda c: call("builtins:globals"),
    "K08 type": lambda c: call("builtins:type", "X", (), {}),
    "K08 map": lambda c: call("builtins:map", [name("builtins", "set")], (1,)),
    "K08 open": lambda c: call("builtins:open", c, "w"),
    "K08 compile": lambda c: call("builtins:compile", touch(c), "x", "exec"),
    "K08 memoryview": lambda c: call("builtins:memoryview", [call("builtins:bytearray", [b"C\x01a"])]),
    "K10 __builtin__ getattr": lambda c: call("__builtin__:getattr", [OBJECT], "__subclasses__"),
    "K11 operator.call": lambda c: call("operator:call", [name("os", "system")], f"touch {c}"),
    "K12 itemgetter": lambda c: call("operator:itemgetter", "system"),
    "K12 operator.getitem": lambda c: call("operator:getitem", [name("sys", "modules")], "os"),
    "K12 operator.setitem": lambda c: call("operator:setitem", [name("sys", "modules")], "os", None),
    "K12 _operator": lambda c: call("_operator:methodcaller", "system", f"touch {c}"),
    "K13 partial of a listed name": lambda c: call("functools:partial", [name("builtins", "set")]),
    "K13 state of a partial": lambda c: call("functools:partial", [OBJECT]) + lit((None, (), {}, None)) + b"b",
    "K14 accumulate": lambda c: call("itertools:accumulate", (f"touch {c}",), [name("os", "system")]),
    "K14 starmap": lambda c: call("itertools:starmap", [name("os", "system")], ((f"touch {c}",),)),
    "K19 pandas block": lambda c: call("pandas._libs.internals:_unpickle_block", 1, slice(0, 1), 2),
    "K19 pandas index": lambda c: call("pandas.core.indexes.base:_new_Index", [OBJECT], {}),
    "K19 pandas manager": lambda c: call("pandas.core.internals.managers:BlockManager", (), ()),
    "K19 pandas get_handle": lambda c: call("pandas.io.common:get_handle", c, "w"),
    "K19 pandas Cython": lambda c: call("pandas._libs.arrays:__pyx_unpickle_NDArrayBacked", [OBJECT], 1, None),
    "K19 pandas compat": lambda c: call("pandas.compat.pickle_compat:loads", b"N."),
    "K20 Unpickler": lambda c: call("pickle:Unpickler", None),
    "K20 shelve": lambda c: call("shelve:open", c),
    "K20 joblib": lambda c: call("joblib:load", c),
    "K21 torch tensor": lambda c: call("torch._utils:_rebuild_tensor_v2", None, 0, (1 << 40,), (1,), False, {}),
    "K21 torch parameter": lambda c: call("torch._utils:_rebuild_parameter", None, False, {}),
    "K21 torch from numpy": lambda c: call("torch._utils:_rebuild_device_tensor_from_numpy", None, "f4", "cpu", False),
    "K21 torch storage kind": lambda c: name("torch", "FloatStorage"),
    "K21 torch execWrapper": lambda c: call("torch.jit.unsupported_tensor_ops:execWrapper", touch(c), {}, {}),
    "K21 torch hub": lambda c: stack_global("torch", "hub.load") + lit("x/y") + lit("z") + b"\x86R",
    "K22 dotted method": lambda c: stack_global("collections", "OrderedDict.fromkeys"),
    "K22 dotted constructor": lambda c: stack_global("numpy", "ndarray.__new__"),
    "K22 dotted of a stand-in": lambda c: stack_global("uuid", "UUID.__setstate__"),
    "K22 dotted type": lambda c: stack_global("numpy", "dtype.type"),
    "K22 without a module": lambda c: stack_global("", "set"),
    "K22 without a name": lambda c: stack_global("builtins", ""),
    "K22 spaces": lambda c: stack_global("builtins ", "set"),
    "K22 other case": lambda c: stack_global("Builtins", "set"),
    "K22 a NUL": lambda c: stack_global("builtins", "set\0"),
    "K23 MethodType": lambda c: call("types:MethodType", [name("builtins", "set")], 1),
    "K23 ModuleType": lambda c: call("types:ModuleType", "os"),
    "K24 runpy": lambda c: call("runpy:run_path", c),
    "K24 namedtuple": lambda c: call("collections:namedtuple", "X", "a"),
    "K25 timeit": lambda c: call("timeit:timeit", touch(c)),
    "K26 subprocess": lambda c: call("subprocess:Popen", ("touch", c)),
    "K26 spawnv_passfds": lambda c: call("multiprocessing.util:spawnv_passfds", "/bin/true", (), ()),
    "K27 rmtree": lambda c: call("shutil:rmtree", c),
    "K27 sqlite": lambda c: call("sqlite3:connect", c),
    "K28 socket": lambda c: call("socket:create_connection", ("127.0.0.1", 1)),
    "K29 putenv": lambda c: call("os:putenv", "A", "b"),
    "K32 __newobj__": lambda c: call("copyreg:__newobj__", [OBJECT]),
    "K32 __newobj_ex__": lambda c: call("copyreg:__newobj_ex__", [OBJECT], (), {}),
    "K32 copyreg.pickle": lambda c: call("copyreg:pickle", [OBJECT], [name("builtins", "set")]),
    "K32 copyreg.constructor": lambda c: call("copyreg:constructor", [name("builtins", "set")]),
    "K32 _reconstructor with a state": lambda c: call("copyreg:_reconstructor", [OBJECT], [OBJECT], 1),
    "K32 _reconstructor of a list": lambda c: call(
        "copyreg:_reconstructor", [name("builtins", "list")], [name("builtins", "list")], (1,)
    ),
    "K32 _reconstructor of a stand-in": lambda c: call("copyreg:_reconstructor", [name("uuid", "UUID")], [OBJECT], 1),
    "K32 NEWOBJ_EX of a stand-in": lambda c: name("uuid", "UUID") + lit(()) + lit({"value": 1}) + b"\x92",
    "K32 NEWOBJ_EX of a listed name": lambda c: name("numpy", "dtype") + lit(("f4",)) + lit({}) + b"\x92",
    "K35 class of a namespace": lambda c: (
        call("types:SimpleNamespace") + b"N}" + lit("__class__") + name("uuid", "UUID") + b"s\x86b"
    ),
    "K35 attributes of a namespace": lambda c: (
        call("types:SimpleNamespace") + b"N" + lit({"__dict__": {"a": 1}}) + b"\x86b"
    ),
    "K35 factory of a defaultdict": lambda c: (
        call("collections:defaultdict") + b"N}" + lit("default_factory") + name("decimal", "Decimal") + b"s\x86b"
    ),
    "K36 BUILD on a range": lambda c: RANGE + lit({"stop": 1}) + b"b",
    "K36 BUILD on a dtype": lambda c: call("numpy:dtype", "f4", False, True) + lit({"spec": "O"}) + b"b",
    "K36 BUILD with slots on a dtype": lambda c: (
        call("numpy:dtype", "f4", False, True) + b"N" + lit({"value": 1}) + b"\x86b"
    ),
    "K37 hex": lambda c: call("_codecs:encode", "6131", "hex"),
    "K37 zlib": lambda c: call("_codecs:encode", "x", "zlib"),
    "K37 codecs.encode": lambda c: call("codecs:encode", "touch", "rot13"),
    "K37 codecs.open": lambda c: call("codecs:open", c, "w"),
    "K37 lookup": lambda c: call("_codecs:lookup", "antigravity"),
    "K37 codec that is no text": lambda c: call("_codecs:encode", "a", 1),
    "OUT out-of-band buffer": lambda c: b"\x97",
    "OUT read-only buffer": lambda c: b"\x98",
    "OUT bit generator": lambda c: call("numpy.random._pickle:__bit_generator_ctor", "PCG64"),
    "OUT frompyfunc": lambda c: call("numpy:frompyfunc", [name("builtins", "set")], 1, 1),
    "OUT numpy ctypeslib": lambda c: call("numpy.ctypeslib:load_library", "libc", "/"),
    "OUT random generator": lambda c: call("numpy.random._pickle:__generator_ctor", "PCG64"),
    "OUT zoneinfo": lambda c: call("zoneinfo:ZoneInfo", "../../etc/passwd"),
}

HARM: dict[str, Attack] = {
    "K38 Fraction bomb": lambda c: call("fractions:Fraction", "1e999999999"),
    "K38 Fraction of endless digits": lambda c: call("fractions:Fraction", "1" * 10_000),
    "K38 Decimal of endless digits": lambda c: call("decimal:Decimal", "1" * 5000),
    "K38 Fraction by nothing": lambda c: call("fractions:Fraction", 1, 0),
    "K38 Fraction of a long number": lambda c: call("fractions:Fraction", 1 << 70_000, 3),
    "K38 Fraction of a float": lambda c: call("fractions:Fraction", 0.1),
    "K38 Decimal of a tuple": lambda c: call("decimal:Decimal", (0, (1,), 1 << 60)),
    "K38 timedelta out of range": lambda c: call("datetime:timedelta", 1 << 400, 0, 0),
    "K38 zone out of range": lambda c: call("datetime:timezone", [call("datetime:timedelta", 5, 0, 0)]),
    "K38 complex of text": lambda c: call("builtins:complex", "1" * 10_000),
    "K39 Counter of a number": lambda c: call("collections:Counter", 5),
    "K39 set of a text": lambda c: call("builtins:set", "abc"),
    "K39 set of bytes": lambda c: call("builtins:set", b"abc"),
    "K39 tuple called": lambda c: call("builtins:tuple", [RANGE]),
    "K39 dict called": lambda c: call("builtins:dict", [RANGE]),
    "K39 int called": lambda c: call("builtins:int", "1" * 10_000),
    "K39 str called": lambda c: call("builtins:str", 5),
    "K39 bytearray of a range": lambda c: call("builtins:bytearray", [RANGE]),
    "K39 list extended by a range": lambda c: b"](" + RANGE + b"e" + RANGE + b"R",
    "K39 defaultdict of a range": lambda c: call("collections:defaultdict", [RANGE]),
    "K39 deque called by its length": lambda c: call("collections:deque", (1,), "2"),
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
    "K43 BINSTRING of a negative size": lambda c: b"T\xff\xff\xff\xff",
    "K43 LONG4 of a negative size": lambda c: b"\x8b\xff\xff\xff\xff",
    "K43 LONG4 of 2 GB": lambda c: b"\x8b\xff\xff\xff\x7f",
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
    "K54 name that is no text": lambda c: lit("builtins") + lit(5) + b"\x93",
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


#: Memo indices beyond reason, in pickles of the number 1.
BOMBS = {
    "K40 a memo index of 2**27": b"K\x01r\x00\x00\x00\x08.",
    "K41 a memo index of 2**31": b"K\x01r\x00\x00\x00\x80.",
    "K42 a memo index in text": b"K\x01p99999999\n.",
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
    return array_of(forged_sub(parts, size), (1,), b"A" * size)


def moment(unit: Any) -> Raw:
    return forged("M8", 4, "<", None, None, None, -1, -1, 0, ({}, unit))


def forged_sub(parts: Any, size: int) -> Raw:
    return forged(f"V{size}", 3, "|", parts, None, None, size, 1, 0)


BARE = forged("O8", 3, "|", None, None, None, -1, -1, 0)
PACKED = forged("V8", 3, "|", None, ("a",), {"a": (BARE, 0)}, 8, 1, 0)

FORGED: dict[str, Any] = {
    "N01 structure with objects from a buffer": Raw(BUFFER, (EIGHT, PACKED, (1,), "C")),
    "N03 structure with objects as scalar": Raw(SCALAR, (PACKED, EIGHT)),
    "N03 objects in a sub-array as scalar": Raw(SCALAR, (forged_sub((BARE, (1,)), 8), EIGHT)),
    "N04 structure within a structure with objects": structure(("b",), {"b": (PACKED, 0)}, 8),
    "N04 objects behind a number": structure(("a", "b"), {"a": (FLOAT, 0), "b": (BARE, 4)}, 12),
    "N05 two fields in one place beyond": structure(("a", "b"), {"a": (DOUBLE, 0), "b": (DOUBLE, 4)}, 8),
    "N05 offset that is no number": structure(("a",), {"a": (FLOAT, "0")}, 4),
    "N05 offset of 2**63": structure(("a",), {"a": (FLOAT, 1 << 63)}, 4),
    "N05 size of 2**40": array_of(forged("V4", 3, "|", None, ("a",), {"a": (FLOAT, 0)}, 1 << 40, 1, 0), (0,), b""),
    "N06 sub-array of structures with objects": sub_array((PACKED, (1,)), 8),
    "N06 sub-array of nothing": sub_array((np.dtype("V0"), (1 << 40,)), 4),
    "N06 sub-array of a shape that is a number": sub_array((FLOAT, 1), 4),
    "N06 sub-array of a dtype that is text": sub_array(("f4", (1,)), 4),
    "N07 size in the spelling": array_of(Raw(np.dtype, ("S99999999999", False, True)), (1,), FOUR),
    "N07 fields that are no dict": structure(("a",), [("a", FLOAT)], 4),
    "N07 fields without names": array_of(forged("V4", 3, "|", None, None, {"a": (FLOAT, 0)}, 5, 1, 0), (1,), FOUR),
    "N07 state that is no tuple": array_of(Raw(np.dtype, ("f4", False, True), [3, "<"]), (1,), FOUR),
    "N07 dtype without a state": array_of(Raw(np.dtype, ("f4", False, True)), (1,), FOUR),
    "N08 scalar of objects": Raw(SCALAR, (OBJECTS, None)),
    "N08 scalar of too many bytes": Raw(SCALAR, (FLOAT, EIGHT)),
    "N08 data that is text": array_of(np.dtype("S4"), (1,), "AAAA"),
    "N08 data that is an array": array_of(DOUBLE, (1,), np.arange(1)),
    "N08 shape that is a list": array_of(DOUBLE, [1], EIGHT),
    "N08 shape of truths": array_of(DOUBLE, (True,), EIGHT),
    "N09 buffer of a negative shape": Raw(BUFFER, (EIGHT, DOUBLE, (-1,), "C")),
    "N10 buffer of nothing and a large shape": Raw(BUFFER, (b"", DOUBLE, (2**40,), "C")),
    "N10 shape of 2**62": array_of(DOUBLE, (2**62,), b""),
    "N10 objects of a large shape": array_of(OBJECTS, (2**40,), []),
    "N11 endless rows of nothing": array_of(DOUBLE, (2**40, 0), b""),
    "N11 endless rows of nothing in a buffer": Raw(BUFFER, (b"", DOUBLE, (2**20, 2**20, 0), "C")),
    "N11 endless rows of no objects": array_of(OBJECTS, (2**40, 0), []),
    "N11 byte order of a buffer": Raw(BUFFER, (EIGHT, DOUBLE, (1,), "A")),
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
