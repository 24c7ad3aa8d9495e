"""Keys and globs: what is taken for a key stays below its root, and no glob takes long."""

from __future__ import annotations

import os
import warnings

from ml_logger import keys
from ml_logger.errors import InvalidKey
from tests.fuzz.inputs import Cut, text_of

ROOT = "/srv/data"
LONG = "a/" * 60 + "a" * 200 + ".pkl"


def seeds() -> list[bytes]:
    """Return keys, what looks like keys, and globs, with a zero between two."""
    texts = [
        "me/run/metrics.pkl",
        "**/*.pkl",
        "a/../b",
        "a[b-c]d?/**",
        "[!a]",
        "e\u0301",
        "CON",
        "a::$DATA",
        "*a*b*c*d",
    ]
    return [text.encode() for text in texts] + [b"a/b\0**/b", b"\xff\xfe", b"a" * 300, b"**/a*a*a*a*b\0" + b"a" * 99]


def target(data: bytes) -> None:
    """Check keys, join and normalize them, and match them against globs."""
    first, _, second = text_of(data).partition("\0")
    for text in (first, second):
        assert keys.normal(keys.normal(text)) == keys.normal(text)
        _checked(text)
    for build in (lambda: keys.join(first, second), lambda: keys.prefix(first, second)):
        try:
            made = build()
        except InvalidKey:
            continue
        assert not made or keys.check(made) == made
    _matched(first, second)


def _checked(text: str) -> None:
    try:
        key = keys.check(text)
    except InvalidKey as error:
        str(error).encode()
        return
    assert keys.check(key) == key == os.path.normpath(key)
    path = os.path.normpath(os.path.join(ROOT, key))
    assert path.startswith(f"{ROOT}/")
    assert len(os.fsencode(key)) <= keys.MAX_KEY_BYTES
    assert keys.PRIVATE not in path.lower().split("/")
    assert keys.pattern(keys.literal(key)).fullmatch(key)
    assert keys.within(key, key.partition("/")[0])
    keys.suffix(key)


def _matched(query: str, key: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            matches = keys.pattern(query).fullmatch
        except InvalidKey:
            return
    folder = keys.literal_folder(keys.normal(query))
    for text in (key, LONG, Cut(key.encode("utf-8", "replace")).choice(["a/b", "x"]), query):
        if matches(text) and folder:
            assert text.startswith(f"{folder}/")
