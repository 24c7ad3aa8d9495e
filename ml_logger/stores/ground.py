"""The folder that all others of a store are in: found by its path each time, or held wherever it is moved to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ml_logger.stores.walk import DIRECTORY


def identity(place: Path | int) -> tuple[int, int] | None:
    """Return by what a file or folder, at a path or open, is known again wherever it is; None where there is none."""
    try:
        status = os.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


class Ground:
    """A root folder.

    Args:
        path: where it is; it is created when something is first written.
        pinned: stay with the folder that is there now, also when it is moved, and never take another in its place.
    """

    def __init__(self, path: Path, *, pinned: bool) -> None:
        self._path = path
        self._pinned = os.open(path, DIRECTORY) if pinned else None
        self._identity = None if self._pinned is None else identity(self._pinned)

    def open(self, *, create: bool) -> int:
        """Return a descriptor of the folder, for the caller to close."""
        if self._pinned is not None:
            return os.dup(self._pinned)
        if create:
            self._path.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, DIRECTORY)

    def check(self) -> None:
        """Check that a folder that is pinned is still at its path.

        Raises:
            OSError: EAGAIN, it was removed or replaced.
        """
        if self._pinned is not None and identity(self._path) != self._identity:
            raise OSError(errno.EAGAIN, f"the data folder {self._path} was removed or replaced")

    def release(self) -> None:
        """Let go of a folder that is pinned: from now on it is the one at its path."""
        if self._pinned is not None:
            os.close(self._pinned)
            self._pinned = None
