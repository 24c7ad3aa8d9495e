"""The token file: any bytes are tokens, or an error that says so and holds nothing of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_logger import tokens
from ml_logger.errors import InvalidSetting, StorageFailed
from tests.fuzz.inputs import Cut


def _file(**changes: object) -> bytes:
    entry = {"name": "me", "sha256": "0" * 64, "scope": "read", "prefix": "me", "created": 1.0, "expires": None}
    return json.dumps({"version": 1, "tokens": [entry | changes]}).encode()


def seeds() -> list[bytes]:
    """Return files as they are written, and as they are not."""
    odd = [_file(), _file(expires=10**400), _file(created="x"), _file(prefix=5), _file(scope=[]), _file(expires="1e9")]
    return [*odd, b"mll_plain", b"", b"{}", b'{"version": 1, "tokens": {}}', b"{" + b"[" * 40, b"\xff"]


@contextmanager
def live() -> Iterator[Callable[[bytes], None]]:
    """Give the target, which works on one file."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tokens.json"
        yield lambda data: _try(data, path)


def _try(data: bytes, path: Path) -> None:
    cut = Cut(data)
    deep = b"[" * (cut.number(2) * 100_000) if data[:1] == b"[" else b""
    path.write_bytes(deep + data)
    try:
        found = tokens.read(path)
    except (InvalidSetting, StorageFailed):
        return
    for token in found:
        token.reaches("me/run")
        token.has_expired(1.0)
        token.may("read")
        assert token.scope in tokens.SCOPES
