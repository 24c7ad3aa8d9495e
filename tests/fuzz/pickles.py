"""Files of rows that are made of bytes: good ones, and good ones that were changed a little."""

from __future__ import annotations

import pickle
from typing import Any, NamedTuple

from tests.fuzz.inputs import Cut
from tests.row_files import NAMES, VALUES, file_of, rows_of


class Made(NamedTuple):
    """A file, the rows that were written to it, and whether it is as it was written."""

    data: bytes
    rows: list[dict[str, Any]]
    is_good: bool


def rows(data: bytes) -> Made:
    """Make a file of rows of some shapes, by a protocol, and change it or not."""
    cut = Cut(data)
    kinds = [*VALUES]
    shapes = [{cut.choice(NAMES): cut.choice(kinds) for _ in range(cut.number(5))} for _ in range(1 + cut.number(2))]
    made = rows_of((shapes, 1 + cut.number(24), cut.number(1 << 16)))
    protocol = (4, 4, 4, 5, 2, 0)[cut.number(6)]
    file = file_of(made, protocol)
    changed = cut.changed(file)
    return Made(changed, made, changed == file)


def seeds() -> list[bytes]:
    """Return files of rows of each kind of value, and pickles of all protocols."""
    made = [file_of(rows_of(([{"a": kind, "_step": "step"}], 6, 1))) for kind in VALUES]
    value = {"a": [1, 2.5, None, True], "b": (b"x", "y", {1, 2}), 3: 2**80, "c": frozenset({1}), "d": bytearray(b"z")}
    made += [pickle.dumps(value, protocol) for protocol in range(6)]
    return [file[:2048] for file in made] + [made[0] + b"\0" * 9 + made[1], b"cos\nsystem\n(S'x'\ntR."]
