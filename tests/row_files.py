"""Files of rows for tests: what programs log, and what they should not, made from a seed."""

from __future__ import annotations

import pickle
import random
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Make = Callable[[random.Random, int], Any]

WORDS = ["train", "eval", "é" * 3, "\ud800", "", "x" * 300, "\x80\x04\x95", "a\0b\0"]
NAN = struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0]

#: What values of one column may be like, from a source of chance and the number of the row.
VALUES: dict[str, Make] = {
    "step": lambda rng, n: n,
    "far step": lambda rng, n: n + 250,
    "farther step": lambda rng, n: n + 65_520,
    "farthest step": lambda rng, n: n + 2**31 - 20,
    "below zero": lambda rng, n: 5 - n,
    "any int": lambda rng, n: rng.choice([1, -1]) * rng.getrandbits(rng.choice([1, 8, 16, 31, 32, 40, 63, 64, 65, 99])),
    "edge of 64 bits": lambda rng, n: rng.choice([2**63 - 1, 2**63, -(2**63), -(2**63) - 1]),
    "float": lambda rng, n: rng.random(),
    "odd float": lambda rng, n: rng.choice([0.0, -0.0, float("nan"), NAN, float("inf"), -float("inf"), 5e-324]),
    "float or int": lambda rng, n: rng.choice([0, 1, 0.5]),
    "bool": lambda rng, n: rng.random() < 0.5,
    "bool or None": lambda rng, n: rng.choice([True, False, None]),
    "bool or nothing in it": lambda rng, n: rng.choice([True, None, ()]),  # each is one opcode
    "None": lambda rng, n: None,
    "mostly float": lambda rng, n: rng.choice([None, "nan", 1, True]) if rng.random() < 0.1 else rng.random(),
    "word": lambda rng, n: rng.choice(WORDS),
    "two words": lambda rng, n: rng.choice(["train", "valid"]),
    "number as text": lambda rng, n: str(n * 37),
    "same text object": lambda rng, n: "loss",
    "bytes": lambda rng, n: rng.randbytes(rng.choice([0, 3, 3, 3, 300])),
    "list of floats": lambda rng, n: [rng.random(), rng.random()],
    "list": lambda rng, n: [rng.choice([1, 2.0, None, "a"]) for _ in range(rng.randrange(3))],
    "nested": lambda rng, n: {"a": [n, (rng.random(), "b")], "c": {}, "d": ((), [[]], {"e": None})},
    "set": lambda rng, n: {1, 2, n},
    "shared": lambda rng, n: [WORDS] * 2,
    "long list": lambda rng, n: [rng.random() for _ in range(40)],
}  # fmt: skip
SCALARS = [name for name in VALUES if name not in ("set", "shared", "nested", "long list", "list", "list of floats")]
NAMES = ["loss", "lr", "_step", "a" * 260, "é", "", "eval/acc", "b.c"]

shapes = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(SCALARS) | st.sampled_from([*VALUES]), max_size=5)
#: Runs of rows: their shapes, of which each row has the next one, how many rows, and the seed.
runs = st.lists(
    st.tuples(st.lists(shapes, min_size=1, max_size=3), st.integers(1, 40), st.integers(0, 2**32)), max_size=4
)


def rows_of(run: tuple[list[dict[str, str]], int, int]) -> list[dict[str, Any]]:
    """Make the rows of a run."""
    shapes, count, seed = run
    rng = random.Random(seed)
    return [
        {name: VALUES[kind](rng, number) for name, kind in shapes[number % len(shapes)].items()}
        for number in range(count)
    ]


def rows_of_all(runs: list[Any]) -> list[dict[str, Any]]:
    """Make the rows of several runs."""
    return [row for run in runs for row in rows_of(run)]


def file_of(rows: list[Any], protocol: int = 4) -> bytes:
    """Write rows one after another."""
    return b"".join(pickle.dumps(row, protocol) for row in rows)


def split(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut data into pieces of these sizes, again and again; larger ones where they would be very many."""
    pieces, at, number = [], 0, 0
    sizes = [max(size, len(data) // 2000) for size in sizes]
    while at < len(data):
        pieces.append(data[at : at + sizes[number % len(sizes)]])
        at += len(pieces[-1])
        number += 1
    return pieces


def identical(one: Any, other: Any) -> bool:
    """Compare types, values, and the bits of floats; of dicts not the order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[key], other[key]) for key in one)
    return bool(one == other)
