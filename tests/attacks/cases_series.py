"""Questions about lines and bands that are bombs or ways out, or about the rows of others; and rows that are traps."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

from ml_logger.dashboard import series_wire
from ml_logger.transport import protocol
from tests.attacks.attack import Attack, Deed, head, unchunked
from tests.attacks.scene import Scene
from tests.pickle_attacks import CODE, HARM
from tests.row_files import file_of
from tests.wire import parsed

JSON = "Content-Type: application/json"


def said(scene: Scene, body: bytes, *fields: str) -> str:
    """Ask, and tell the status, or how many points and bins come."""
    answer = parsed(scene.ask(head("POST", protocol.SERIES, JSON, *fields, body=body)))
    if answer.status != 200:
        return str(answer.status)
    data = unchunked(answer.body) if answer.headers.get("transfer-encoding") == "chunked" else answer.body
    lines, bands = series_wire.decode(data)
    return " ".join(str(each["n"]) for each in [*lines, *bands]) or "nothing"


def asks(question: bytes | dict[str, Any]) -> Deed:
    """Ask a question, and tell what comes."""
    body = question if isinstance(question, bytes) else json.dumps(question).encode()
    return lambda scene: said(scene, body)


def asks_as(name: str, run: str) -> Deed:
    """Ask with a token for a line and a band of a run, and tell what comes."""
    line = {"run": run, "key": "a"}
    question = {"lines": [line], "bands": [{"runs": [run], "key": "a", "bins": 5}]}
    return lambda scene: said(scene, json.dumps(question).encode(), scene.token(name))


def rows(data: bytes, **line: Any) -> Deed:
    """Plant a file of rows, ask for a line twice and for all of it, and tell the points that come."""

    def deed(scene: Scene) -> str:
        folder: Path = scene.data / "planted-run"
        folder.mkdir()
        (folder / "metrics.pkl").write_bytes(data)
        asked = {"run": folder.name, "key": "a", **line}
        body = json.dumps({"lines": [asked, {**asked, "x": "_relative"}], "points": 100}).encode()
        found = [said(scene, body) for _ in range(2)]
        (folder / "metrics.pkl").unlink()
        folder.rmdir()
        return " | ".join(dict.fromkeys(found))

    return deed


QUESTIONS = {
    "S01 deep JSON": (b"[" * 100_000, "400"),
    "S01 deep JSON in a line": (b'{"lines": [' + b"[" * 50_000, "400"),
    "S01 NaN as an end": (b'{"lines": [{"run": "a", "from": NaN}]}', "400"),
    "S01 an end of 5,000 digits": (b'{"lines": [{"run": "a", "to": ' + b"9" * 5000 + b"}]}", "400"),
    "S01 points of 400 digits": (b'{"lines": [{"run": "a"}], "points": ' + b"9" * 400 + b"}", "413"),
    "S01 negative points": (b'{"lines": [{"run": "a"}], "points": -5}', "400"),
    "S01 bins of 400 digits": (b'{"bands": [{"runs": [], "bins": ' + b"9" * 400 + b"}]}", "413"),
    "S01 a precision that is true": (b'{"precision": true}', "400"),
    "S01 40,000 lines": ({"lines": [{"run": "a", "key": "b"}] * 40_000, "points": 50}, " ".join(["0"] * 40_000)),
    "S01 a band of 100,000 runs": ({"bands": [{"runs": ["a"] * 100_000, "key": "b", "bins": 5}]}, "0"),
    "S01 a column of 100,000 letters": ({"lines": [{"run": "a", "key": "b" * 100_000}]}, "0"),
    "S02 a run that climbs out": ({"lines": [{"run": "../outside", "key": "a"}]}, "400"),
    "S02 a run from the root": ({"lines": [{"run": "/etc", "key": "a"}]}, "400"),
    "S02 a run with NUL": ({"lines": [{"run": "a\0", "key": "a"}]}, "400"),
    "S02 a run with a surrogate": ({"lines": [{"run": "\ud800", "key": "a"}]}, "400"),
    "S02 a run of 2,000 letters": ({"lines": [{"run": "a" * 2000, "key": "a"}]}, "400"),
    "S02 a run that is a file": ({"lines": [{"run": "run/a", "key": "a"}]}, "0"),
    "S02 a band of a run that climbs out": ({"bands": [{"runs": ["a/../.."], "key": "a", "bins": 1}]}, "400"),
    "S02 the server's own folder": ({"lines": [{"run": ".ml_logger", "key": "a"}]}, "400"),
}


FILES = {
    "S03 a row that claims a terabyte": (rows(b"\x80\x04\x95" + struct.pack("<Q", 2**40) + bytes(2**20)), "0 0"),
    "S03 a thousand rows with new names each": (
        rows(file_of([{f"{row} {name}": 1 for name in range(50)} for row in range(1000)])),
        "0 0",
    ),
    "S03 an integer of 100,000 digits": (rows(file_of([{"a": 1 << 300_000, "_timestamp": 1}])), "1 1"),
    "S03 times that are no times": (rows(file_of([{"a": 1, "_timestamp": float("nan")}] * 50)), "50 0"),
    "S03 the largest numbers over the largest": (
        rows(file_of([{"a": n * 1e308, "_timestamp": n * 1e308} for n in (-1, 1, -1, 1)]), **{"from": -1e308}),
        "4 4",
    ),
    "S03 numbers that are keys of others": (rows(file_of([{"a": "5"}, {"a": [5]}, {"a": {"b": 5}}])), "0 0"),
    "S03 lists in a row of lists": (rows(pickle.dumps([[{"a": 5}]])), "0 0"),
}


def planted() -> list[Attack]:
    """Return the attacks that are pickles: none of them is executed, and none is drawn."""
    found = []
    for name, build in {**CODE, **HARM}.items():
        data = build("canary")
        found.append(Attack(f"{name}, as a line", rows(b"}U\x01a" + data + b"s."), "0 0"))
    return found


CASES = [
    *(Attack(name, asks(question), expected) for name, (question, expected) in QUESTIONS.items()),
    *(Attack(name, deed, expected) for name, (deed, expected) in FILES.items()),
    Attack("S04 a run of others", asks_as("team", "run"), "403", "guarded"),
    Attack("S04 a run of others that is not there", asks_as("team", "none"), "403", "guarded"),
    Attack("S04 a name that begins like the prefix", asks_as("team", "team2"), "403", "guarded"),
    Attack("S04 the data folder itself", asks_as("team", ""), "403", "guarded"),
    Attack("S04 out of the prefix", asks_as("team", "team/../run"), "400", "guarded"),
    Attack("S04 one's own", asks_as("team", "team/none"), "0 0", "guarded"),
    *planted(),
]
