"""Documents: any bytes are JSON, YAML, lines of JSON, or CorruptData."""

from __future__ import annotations

import warnings

from ml_logger.encoders import documents
from ml_logger.errors import CorruptData
from tests.row_files import split

_YAML = "a: [1, 2.5, ~, true]\nb: &x {c: 2020-01-02 03:04:05}\nd: *x\ne: !!binary aGk=\nf: |\n  text\n"


def seeds() -> list[bytes]:
    """Return documents, and the corners of YAML."""
    corners = [
        "!!int ''",
        "!!float ''",
        "!!bool x",
        "!!timestamp x",
        "? {}\n: 1",
        "<<: 1",
        "a: !!set {b}",
        "0o7: 1:2:3",
        "=",
    ]
    lines = [b'{"a": 1}\n[2]\n\n"x"\n', b"1\n{\n3", b"[" * 50]
    return [_YAML.encode(), *lines, *(corner.encode() for corner in corners)]


def target(data: bytes) -> None:
    """Read bytes as each kind of document; what was read of JSON is written and read again."""
    for read in (documents.decode_json, documents.decode_yaml):
        try:
            value = read(data)
        except CorruptData:
            continue
        if read is documents.decode_json:
            documents.decode_json(documents.encode_json(value)) if _is_shallow(value) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = sum(1 for _ in documents.decode_lines([data]))
        assert whole == sum(1 for _ in documents.decode_lines(split(data, [7])))


def _is_shallow(value: object, depth: int = 0) -> bool:
    if depth > 20:
        return False
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(_is_shallow(item, depth + 1) for item in inner)
