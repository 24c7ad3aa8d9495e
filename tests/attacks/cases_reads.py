"""Questions that are bombs: globs, pages, columns, JSON, and files that are attacks on who decodes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ml_logger.transport import protocol
from tests.attacks.attack import Attack, Deed, asks, blocks_of, finds, gets, head
from tests.attacks.scene import Scene
from tests.pickle_attacks import CODE, HARM
from tests.wire import parsed

GLOBS = {
    "Q20 many stars": ("**/" * 30 + "z", "0 files"),
    "Q20 as many stars as are allowed": ("**/*/" * 8 + "z", "0 files"),
    "Q20 stars in a name": ("a*" * 50 + "b", "0 files"),
    "Q20 101 stars": ("a*" * 101, "400"),
    "Q20 an open set": ("run/[", "0 files"),
    "Q20 a set the wrong way round": ("run/[z-a]", "400"),
    "Q20 a set of 3,000": ("run/[" + "ab" * 1500 + "]", "1 files"),
    "Q20 a set of 5,000": ("run/[" + "ab" * 2500 + "]", "400"),
    "Q20 braces": ("{a,b}" * 400, "0 files"),
    "Q20 an expression": ("(a+)+$", "0 files"),
    "Q20 an expression that names": ("(?P<g0>a)(?P=g0)\\1", "0 files"),
    "Q20 2,500 question marks": ("?" * 2500, "0 files"),
    "Q20 2,000 folders": ("a/" * 2000, "0 files"),
    "Q20 a backslash at the end": ("run/\\", "0 files"),
    "Q20 a set with a backslash": ("[\\]", "0 files"),
    "Q20 marks that are sorted": ("e" + "\u0301\u0316" * 600, "0 files"),
}

PAGES = {
    "L01 no page": ("limit=0", "400"),
    "L01 a negative page": ("limit=-1", "400"),
    "L01 a page of 30 digits": (f"limit={'9' * 30}", "400"),
    "L01 a page in other digits": ("limit=%D9%A5", "400"),
    "L01 a page in hexadecimal": ("limit=0x10", "400"),
    "L01 two pages": ("limit=1&limit=2", "200"),
    "L01 a page behind 5,000 letters": (f"limit=1&after={'z' * 5000}", "200"),
    "L01 a page behind no UTF-8": ("limit=1&after=%ff%fe", "200"),
    "L01 a page behind a surrogate": ("limit=1&after=%ed%a0%80", "200"),
    "L01 a page behind what climbs out": ("limit=1&after=../../", "200"),
    "L01 no UTF-8 as a glob": ("pattern=%ff%fe", "200"),
    "L01 a list of globs": ("pattern[]=*&pattern=zzz&pattern=yyy", "200"),
}

DEEP = b"[" * 100_000
JSON = {
    "H24 deep JSON": (DEEP, "400"),
    "H24 deep JSON in a field": (b'{"marks": ' + b'{"a":' * 50_000, "400"),
    "H24 NaN": (b'{"key": NaN}', "400"),
    "H24 infinite points": (b'{"points": Infinity, "pattern": "zzz"}', "400"),
    "H24 points of 5,000 digits": (b'{"points": ' + b"9" * 5000 + b"}", "400"),
    "H24 points of 400 digits": (b'{"pattern": "zzz", "points": ' + b"9" * 400 + b"}", "stop"),
    "H24 negative points": (b'{"points": -1}', "400"),
    "H24 the same name twice": (b'{"key": "run/a", "key": "../secret"}', "400"),
    "H24 the same name twice, the other way": (b'{"key": "../secret", "key": "none"}', "404"),
    "H24 a mark of bytes": (b'\xef\xbb\xbf{"pattern": "zzz"}', "stop"),
    "H24 JSON in UTF-16": ('{"pattern": "zzz"}'.encode("utf-16"), "stop"),
    "H24 no UTF-8": (b'{"key": "\xff"}', "400"),
    "H24 a surrogate in a key": (b'{"key": "\\ud800"}', "400"),
    "H24 a surrogate in a column": (b'{"key": "run/a", "columns": ["\\ud800"]}', "file ended stop"),
    "H24 a surrogate in a glob": (b'{"pattern": "\\ud800*"}', "stop"),
    "H24 an escape in a key": (b'{"key": "run\\u0000/a"}', "400"),
    "H24 a key that is a number": (b'{"key": 1}', "400"),
    "H24 a key that is an object": (b'{"key": {"__class__": "x"}}', "400"),
    "H24 a mark of nonsense": (
        b'{"marks": {"run/a": ["", -1, 1e400, 0, ""]}, "key": "run/a"}',
        "file settled ended stop",
    ),
    "H24 marks of nobody": (
        json.dumps({"pattern": "zzz", "marks": {f"{n}": ["", 0, 0, 0, ""] for n in range(20_000)}}).encode(),
        "stop",
    ),
    "H24 a mark behind the end": (
        b'{"marks": {"run/a": ["", 99999999999, 0, 0, ""]}, "key": "run/a"}',
        "file settled ended stop",
    ),
    "H24 100,000 columns": (
        json.dumps({"pattern": "zzz", "columns": [f"c{n}" for n in range(100_000)]}).encode(),
        "stop",
    ),
    "H24 a column of 1 MB": (json.dumps({"pattern": "zzz", "columns": ["x" * 10**6]}).encode(), "stop"),
    "H24 a glob of 1 MB": (json.dumps({"pattern": "a" * 10**6}).encode(), "400"),
    "H24 a glob of 1 MB of question marks": (json.dumps({"pattern": "?" * 10**6}).encode(), "400"),
    "H24 a glob of 1 MB of folders": (json.dumps({"pattern": "a/" * 500_000}).encode(), "400"),
    "H24 a glob of 30 stars": (json.dumps({"pattern": "**/*/" * 15}).encode(), "stop"),
    "H24 a glob that climbs out": (b'{"pattern": "../**"}', "400"),
    "H24 a question in a pickle": (b"cos\nsystem\n(S'touch evil'\ntR.", "400"),
    "H24 nothing": (b" ", "400"),
}

TYPES = {
    "L02 text": ("text/plain", "415"),
    "L02 a form": ("application/x-www-form-urlencoded", "415"),
    "L02 JSON, and more": ("application/json; charset=utf-16", "415"),
    "L02 JSON in capitals": ("APPLICATION/JSON", "415"),
}


def planted(name: str, data: bytes) -> Deed:
    """Plant an attack on who loads it, alone and as the value of a row, and tell which rows a server makes of it."""

    def deed(scene: Scene) -> str:
        rows = 0
        for form in (data + b".", b"}U\x01a" + data + b"s."):
            path: Path = scene.data / "planted" / f"{name.split()[0]}.pkl"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(form)
            key = f"planted/{path.name}"
            questions: list[dict[str, Any]] = [{"key": key}, {"key": key, "columns": ["a"], "points": 4}]
            questions.append({"pattern": key, "marks": {}})
            for question in questions:
                body = json.dumps(question).encode()
                answer = parsed(scene.ask(head("POST", protocol.TABLES, "Content-Type: application/json", body=body)))
                rows += sum(block.head.get("rows", 0) for block in blocks_of(answer))
            path.unlink()
        return f"{rows} rows"

    return deed


def pickles() -> list[Attack]:
    """Return the attacks that are pickles: a server that decodes rows must not so much as import for one."""
    attacks = {**CODE, **HARM}.items()
    return [Attack(f"{name}, as columns", planted(name, build("canary")), "0 rows") for name, build in attacks]


CASES = [
    *(Attack(name, finds(glob), expected) for name, (glob, expected) in GLOBS.items()),
    *(Attack(name, gets(f"{protocol.ENTRIES}?{query}"), expected) for name, (query, expected) in PAGES.items()),
    *(Attack(name, asks(question), expected) for name, (question, expected) in JSON.items()),
    *(Attack(name, asks(b"{}", kind=kind), expected) for name, (kind, expected) in TYPES.items()),
    Attack("L02 JSON that is packed", asks(b"{}", "Content-Encoding: gzip"), "415"),
    Attack("L03 a glob of 6,000 bytes in an address", gets(f"{protocol.ENTRIES}?pattern={quote('*/a' * 1500)}"), "400"),
    *pickles(),
]
