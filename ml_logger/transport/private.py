"""Files that only their owner may read."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep


def close(file: int | None) -> None:
    """Close a descriptor, if it is one and still open."""
    if file is not None:
        try:
            os.close(file)
        except OSError:
            pass  # closed on the other side of a fork


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, and its own name."""
    for path in (folder, folder.parent):
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)


@contextmanager
def held(folder: Path, *, alone: bool, tries: int | None = None) -> Iterator[bool]:
    """Hold the lock of a folder (flock), alone or with others; tell whether it could be had within about a second.

    Held with others by those who make something in the folder, alone by those who remove what is empty in it. These
    try once, by default, and those a hundred times; a try takes a hundredth of a second.
    """
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _flocked(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, tries or (1 if alone else 100))
    finally:
        os.close(file)


def _flocked(file: int, how: int, tries: int) -> bool:
    for attempt in range(tries):
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if attempt < tries - 1:
                sleep(0.01)
        except OSError:
            return False  # a file system without locks
    return False
