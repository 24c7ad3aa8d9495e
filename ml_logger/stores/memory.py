"""A dictionary: for tests and for trying things out; nothing of it outlives the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from ml_logger import keys
from ml_logger.errors import KeyNotFound, StorageFailed
from ml_logger.stores.base import SETTLED, Data, Entry, Receipt, Store


class MemoryStore(Store):
    """A store in memory, as strict as the others about keys, files and folders."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytearray, float]] = {}
        self._lock = threading.RLock()

    def append(self, key: str, data: bytes) -> Receipt:
        """Add bytes at the end of a file."""
        with self._lock:
            key = keys.check(key)
            self._check_free(key)
            before = self._files.get(key, (bytearray(), 0.0))[0]
            before += data
            self._files[key] = (before, time.time())
        return SETTLED

    def write(self, key: str, data: Data) -> Receipt:
        """Create or replace a file."""
        whole = data if isinstance(data, bytes) else b"".join(data)
        with self._lock:
            key = keys.check(key)
            self._check_free(key)
            self._files[key] = (bytearray(whole), time.time())
        return SETTLED

    def _check_free(self, key: str) -> None:
        for other in self._files:
            if other.startswith(f"{key}/"):
                raise StorageFailed(f"{key!r} cannot be stored: it is a folder")
            if key.startswith(f"{other}/"):
                raise StorageFailed(f"{key!r} cannot be stored: {other!r} is a file")

    def remove(self, key: str) -> Receipt:
        """Remove a file, or a folder with all that is in it."""
        with self._lock:
            for name in self._below(keys.check(key)):
                del self._files[name]
        return SETTLED

    def move(self, source: str, target: str) -> Receipt:
        """Rename a file or a folder."""
        source, target = keys.check_apart(source, target)
        with self._lock:
            if source not in self._files and self._below(source) and self._below(target):
                raise StorageFailed(f"{target!r} cannot be stored: it is there, and {source!r} is a folder")
            return self._transfer(source, target, lambda name: self._files.pop(name))

    def copy(self, source: str, target: str) -> Receipt:
        """Copy a file or a folder."""
        return self._transfer(source, target, lambda name: (bytearray(self._files[name][0]), time.time()))

    def _transfer(self, source: str, target: str, take: Callable[[str], tuple[bytearray, float]]) -> Receipt:
        source, target = keys.check_apart(source, target)
        with self._lock:
            names = self._below(source)
            if not names:
                raise KeyNotFound(f"no file is stored under {source!r}")
            targets = [target + name[len(source) :] for name in names]
            for name in targets:
                self._check_free(name)
            self._files.update({name: take(old) for name, old in zip(targets, names, strict=True)})
        return SETTLED

    def _below(self, key: str) -> list[str]:
        return [name for name in self._files if name == key or name.startswith(f"{key}/")]

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` of a file."""
        with self._lock:
            key = keys.check(key)
            if key not in self._files:
                raise KeyNotFound(f"no file is stored under {key!r}")
            return iter([bytes(self._files[key][0][start:stop])])

    def entries(self, pattern: str = "**") -> list[Entry]:
        """Return the files whose key matches a glob, sorted by key."""
        matches = keys.pattern(pattern).fullmatch
        with self._lock:
            return sorted(Entry(key, len(data), at) for key, (data, at) in self._files.items() if matches(key))

    def stat(self, key: str) -> Entry:
        """Return what is known of one file."""
        with self._lock:
            key = keys.check(key)
            if key not in self._files:
                raise KeyNotFound(f"no file is stored under {key!r}")
            data, at = self._files[key]
            return Entry(key, len(data), at)
