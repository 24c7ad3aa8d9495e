"""Small disks: in memory, mounted on a folder; they run full, and get room again. Only root may mount."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType

from ml_logger.testing.faults.report import Unavailable


class SmallDisk:
    """A disk of a few bytes, for as long as a block lasts.

    Args:
        folder: where it is mounted; it is made when it is not there.
        size: in KiB.

    Raises:
        Unavailable: this user, or this machine, cannot mount.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        done = _run("mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder))
        if done is None or done.returncode:
            raise Unavailable(f"a small disk takes root: {done.stderr.strip() if done else 'there is no mount'}")

    def __enter__(self) -> SmallDisk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        # Lazily: after a failure there may still be a server on it, which is ended later.
        _run("umount", "-l", str(self.folder))

    def grow(self, size: int) -> None:
        """Give it room, in KiB."""
        self._remount(f"size={size}k")

    def protect(self) -> None:
        """Make it read-only."""
        self._remount("ro")

    def _remount(self, option: str) -> None:
        done = _run("mount", "-o", f"remount,{option}", str(self.folder))
        if done is None or done.returncode:
            raise AssertionError(f"{self.folder} could not be mounted again with {option}")


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return None
