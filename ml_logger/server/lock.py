"""The lock of a data folder: one server at a time, and the next one is told who has it."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ml_logger.errors import FolderInUse


class FolderLock:
    """Held (flock) for as long as the server lives; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / ".ml_logger" / "lock"
        self._file: int | None = None

    def __enter__(self) -> FolderLock:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(file, 64).decode("ascii", "replace").strip()
            os.close(file)
            raise FolderInUse(
                f"the data folder {self._path.parent.parent} is already served by process {holder or '(unknown)'}: "
                "send to that server, or name another folder with --data-dir"
            ) from None
        with suppress(OSError):  # a full disk: the lock is held all the same, without the name of its holder
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode())
        self._file = file
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
