"""Data that people read: JSON and YAML documents, and files of JSON lines, to bytes and back; nothing is executed."""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ml_logger import parameters, plain
from ml_logger.encoders import records
from ml_logger.encoders.arrays import to_numpy
from ml_logger.errors import CorruptData, NotAvailable, UnsupportedFormat, UnsupportedValue

#: Levels of values within each other: what a row may hold, and the row.
_DEEPEST = plain.DEEPEST + 2
_ODD = re.compile(r"[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
#: Formats that rows are none of.
_OTHER_FORMATS = frozenset({".csv", ".json", ".log", ".npy", ".npz", ".parquet", ".tsv", ".txt"})
#: The longest line that is still read as one record.
_LONGEST = 1 << 28


class DamagedLines(UserWarning):
    """Lines of a file of JSON lines that are no JSON, and were passed over."""


def check_rows(suffix: str, key: str) -> None:
    """Refuse files that would be none of their kind with rows in them, and YAML where it cannot be written.

    Raises:
        UnsupportedFormat: a suffix of another format.
        NotAvailable: PyYAML is not installed.
    """
    if suffix in _OTHER_FORMATS:
        raise UnsupportedFormat(f"{key}: rows are pickles (.pkl), lines of .jsonl or items of .yml, and no {suffix}")
    if suffix in (".yml", ".yaml"):
        _yaml()


def encode_row(row: Mapping[str, Any], suffix: str) -> bytes:
    """Encode a row for the end of a file: a line for `.jsonl`, an item of a list for `.yml`, else a pickle."""
    if suffix == ".jsonl":
        return encode_line(row)
    if suffix in (".yml", ".yaml"):
        return encode_yaml([row])  # a list in YAML grows by items that are put behind it
    return records.encode(row)


def encode_line(value: object, key: str = "") -> bytes:
    """Write a value as JSON in one line, line break included; as `encode_json` otherwise."""
    return _json(value, key, None) + b"\n"


def encode_json(value: object, key: str = "") -> bytes:
    """Write a value as an indented JSON document, in UTF-8.

    Arrays and tensors become nested lists, dataclasses and namespaces objects, bytes base64 text, NaN and infinities
    the `NaN` and `Infinity` that Python and JavaScript libraries read. Raises UnsupportedValue for anything else.
    """
    return _json(value, key, 2) + b"\n"


def _json(value: object, key: str, indent: int | None) -> bytes:
    simple = _simple(value, key, 0, binary=False)
    # A lone surrogate (a file name of another encoding) must not cost the document: JSON can escape it.
    return json.dumps(simple, ensure_ascii=False, indent=indent).encode("utf-8", "backslashreplace")


def decode_json(data: bytes, key: str = "") -> Any:
    """Read a JSON document. Raises CorruptData."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"{key or 'the data'} is no JSON: {error}") from None


def encode_yaml(value: object, key: str = "") -> bytes:
    """Write a value as a YAML document in block style, in UTF-8; as `encode_json` otherwise, but bytes stay bytes."""
    yaml = _yaml()

    class Dumper(yaml.SafeDumper):  # type: ignore[misc, name-defined]
        """Plain data alone, with odd characters escaped: other styles of PyYAML lose some of them."""

    def text_node(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, '"' if _ODD.search(text) else None)

    Dumper.add_representer(str, text_node)
    simple = _simple(value, key, 0, binary=True)
    text: str = yaml.dump(simple, Dumper=Dumper, sort_keys=False, allow_unicode=True)
    return text.encode("utf-8", "backslashreplace")


def decode_yaml(data: bytes, key: str = "") -> Any:
    """Read a YAML document with the safe loader: plain data, or CorruptData."""
    yaml = _yaml()
    try:
        return yaml.safe_load(data)
    except (
        yaml.YAMLError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        # The last ones are what PyYAML itself trips over, where a tag says something else than the value.
        raise CorruptData(f"{key or 'the data'} is no YAML of plain data: {error}") from None


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise NotAvailable('YAML needs PyYAML, which is not installed: pip install "ml-logger[yaml]"') from None
    return yaml


def decode_lines(chunks: Iterable[bytes], key: str = "") -> Iterator[Any]:
    """Yield the values of JSON lines from a stream of bytes, split anywhere; holds about one line in memory.

    Warns DamagedLines about a line that is no JSON, as a full disk or a killed server leaves behind, and goes on.
    """
    for number, line in enumerate(_lines(chunks, key), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            warnings.warn(
                f"line {number} of {key or 'the lines'} is no JSON, and was passed over: {error}",
                DamagedLines,
                stacklevel=2,
            )


def _lines(chunks: Iterable[bytes], key: str) -> Iterator[bytes]:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            yield b"".join((*parts, line))
            parts, size = [], 0
        parts.append(rest)
        size += len(rest)
        if size > _LONGEST:
            raise CorruptData(
                f"{key or 'the data'} has a line of more than {_LONGEST:,} bytes: these are no JSON lines"
            )
    if size:
        yield b"".join(parts)


def _simple(value: Any, where: str, depth: int, binary: bool) -> Any:
    """Return what a value is in the types that JSON and YAML have."""
    if type(value) is bytes and not binary:
        return base64.b64encode(value).decode()
    if type(value) in plain.PLAIN:
        return value
    if depth > _DEEPEST:
        raise UnsupportedValue(f"{where or 'the value'} is nested deeper than {_DEEPEST} levels, or within itself")
    if isinstance(value, Mapping):
        return {_name(name): _simple(item, f"{where}[{name!r:.40}]", depth + 1, binary) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, range)):
        return [_simple(item, f"{where}[{number}]", depth + 1, binary) for number, item in enumerate(value)]
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _simple(to_numpy(value, where).tolist(), where, depth + 1, binary)
    return _simple(parameters.to_plain(value, where), where, depth + 1, binary)


def _name(name: Any) -> Any:
    return name if type(name) in (str, int, float, bool, type(None)) else plain.name_of(name)
