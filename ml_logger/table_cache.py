"""Tables that were read before, kept on this machine: whoever reads a growing file again needs only what is new.

A cache is never needed: what cannot be read, written or understood is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_logger import keys as key_rules
from ml_logger.errors import CorruptData, UntrustedData

if TYPE_CHECKING:
    from ml_logger.columns.portions import Settled
    from ml_logger.columns.table import Columns
    from ml_logger.columns.wire import Block

#: Bytes that are read at first of an entry, and at most of its head: that is short, unless much is damaged.
_HEAD, _LONGEST_HEAD = 1 << 12, 1 << 20
#: How many entries are looked into for one question.
_MOST = 20_000
#: A part of the limit: after so much was written, on average, what is too much is removed.
_TRIM_EVERY = 64
_ENTRY = re.compile(r"/[0-9a-f]{32}/[0-9a-f]{32}(\.[0-9a-f]{8})?$")
_BLOCK = 4096  # bytes that a file takes at least


class TableCache:
    """Tables of one place, with the same columns each, that were decoded up to a mark.

    Safe for threads and processes: an entry is written under a name of its own, and renamed when it is whole.

    Args:
        folder: where the entries of all places are, in that of the program's cache; made with the first one, for this
            user alone.
        limit: bytes that they may take together, about; the longest unused are removed.
        address: the place, a folder or a server.
        columns: which columns the tables have; None for all.
    """

    def __init__(self, folder: Path, limit: int, address: str, columns: Sequence[str] | None) -> None:
        self._root = folder
        self._limit = limit
        self._place = [address, None if columns is None else list(columns)]
        self._folder = folder / _hash(json.dumps(self._place))

    def find(self, key: str) -> Settled | None:
        """Return what is known of a file, without its rows."""
        found = self._read_head(str(self._path(key)))
        return found[1] if found is not None and found[0] == key else None

    def find_all(self, pattern: str) -> dict[str, Settled]:
        """Return what is known of all files whose key matches a glob."""
        from itertools import islice

        matches, found = key_rules.pattern(pattern).fullmatch, {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in islice(entries, _MOST):
                    head = self._read_head(entry.path)
                    if head is not None and matches(head[0]):
                        found[head[0]] = head[1]
        except OSError:
            pass
        return found

    def load(self, key: str, settled: Settled) -> Columns | None:
        """Return the rows of a file, if they are still those of which this is known."""
        from ml_logger.columns import wire

        path = self._path(key)
        try:
            with open(path, "rb") as file:
                data = file.read()
            head, rows = _blocks(data)
            crc = _crc(settled, [memoryview(data)[wire.size_of(data) :]])
            if self._settled(head) != (key, settled) or head.head["crc"] != crc:
                return None
            os.utime(path)  # used now
            return wire.decode(rows)
        except (OSError, LookupError, ValueError):
            return None

    def keep(self, key: str, table: Columns, settled: Settled) -> None:
        """Keep the rows of a file up to a mark, in the place of what was kept before."""
        from ml_logger.columns import wire

        try:
            rows = wire.encode(table)
        except (UntrustedData, CorruptData):
            return  # values of other programs, which are not plain
        size = sum(map(len, rows))
        if 2 * size > self._limit:
            return
        head = wire.note(place=self._place, key=key, crc=_crc(settled, rows), **settled._asdict())
        try:
            _write(self._root, self._path(key), [head, *rows])
            # By chance, and not by that of the program's own seed: looking at all entries takes some time.
            if int.from_bytes(os.urandom(4), "little") * self._limit < (size + _BLOCK) * _TRIM_EVERY << 32:
                trim(self._root, self._limit)
        except OSError:
            pass

    def _path(self, key: str) -> Path:
        return self._folder / _hash(key)

    def _read_head(self, path: str) -> tuple[str, Settled] | None:
        """Return the key of an entry, and what is known of the file; None if it is none of this place."""
        from ml_logger.columns import wire

        try:
            with open(path, "rb") as file:
                data = file.read(_HEAD)
                more = min(wire.size_of(data), _LONGEST_HEAD) - len(data)
                [block, *_] = _blocks(data + file.read(more) if more > 0 else data)
            return self._settled(block)
        except (OSError, LookupError, ValueError):
            return None

    def _settled(self, block: Block) -> tuple[str, Settled] | None:
        from ml_logger.columns import portions

        told = portions.told_by({**block.head, "kind": "settled"})
        if block.head["place"] != self._place or not isinstance(told, portions.Settled):
            return None
        return str(block.head["key"]), told


def trim(folder: Path, limit: int) -> None:
    """Remove entries, the longest unused first, until all take less than a limit."""
    found = []
    for inner, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(inner, name)
            if not _ENTRY.search(path):
                continue  # somebody else's
            try:
                status = os.stat(path)
            except OSError:
                continue  # removed by another process
            found.append((status.st_mtime, max(status.st_size, _BLOCK), path))
    left = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if left <= limit:
            return
        try:
            os.unlink(path)
            os.rmdir(os.path.dirname(path))  # when it was the last one in it
        except OSError:
            pass
        left -= size


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _crc(settled: Settled, pieces: Sequence[bytes | memoryview]) -> int:
    crc = zlib.crc32(repr(settled).encode("utf-8", "surrogatepass"))
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return crc


def _blocks(data: bytes) -> list[Block]:
    from ml_logger.columns import wire

    return list(wire.Blocks().feed(data))


def _write(root: Path, path: Path, pieces: Sequence[bytes]) -> None:
    """Write a file that only this user may read, whole or not at all."""
    part = f"{path}.{os.urandom(4).hex()}"
    try:
        descriptor = _create(part)
    except FileNotFoundError:  # the first one
        for folder in (root.parent, root, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _create(part)
    try:
        with open(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
