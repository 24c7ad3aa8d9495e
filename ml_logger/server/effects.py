"""What a committed stage does to names, and what makes it durable; recovery does the same again."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path

from ml_logger.notices import notice
from ml_logger.server.appends import Appends
from ml_logger.server.catalog import Intent
from ml_logger.stores.folder import Folder

#: What the operating system says when it may go better later; everything else is the fault of the request.
TRANSIENT = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EIO,
    errno.EROFS,
    errno.EAGAIN,
    errno.EINTR,
    errno.ESTALE,  # these of file systems that are elsewhere
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
}


def apply(intent: Intent, folder: Folder, appends: Appends) -> None:
    """Make a committed change of names.

    Done again after a crash it changes nothing more: the committer clears an intent durably before any later frame
    touches its names, so a source that is there again is one whose change was not made.

    Raises:
        OSError: the system is out of something; the intent is still to be made.
    """
    appends.forget(intent.key)
    appends.forget(intent.source)
    try:
        if intent.action == "remove":
            folder.remove(intent.key)
        else:
            folder.move(intent.source, intent.key)
    except FileNotFoundError:
        pass  # the source is gone: it was done before the crash
    except OSError as error:
        if error.errno in TRANSIENT:
            raise
        # Checked when it was planned, so somebody changed the folder meanwhile. A blob stays for a person to find.
        notice(f"{intent.action} of {intent.key!r} failed: {error.strerror}; {intent.source or 'it'} was left as it is")


def check_move(folder: Folder, source: str, target: str) -> None:
    """Check, before it is promised, what rename(2) would refuse: a file and a folder in each other's place.

    Raises:
        OSError: it is impossible.
    """
    mode, there = folder.mode(source), folder.mode(target)
    if mode is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
    if not stat.S_ISDIR(mode):
        folder.check_replaceable(target)
    elif there is not None and not stat.S_ISDIR(there):
        raise OSError(errno.ENOTDIR, "is a folder, which replaces no file", source)
    elif there is not None:
        with folder.parent(f"{target}/x") as (fd, _):
            if os.listdir(fd):
                raise OSError(errno.ENOTEMPTY, "cannot replace a folder that is not empty", source)


def sync_path(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(path: Path) -> None:
    """Make everything on the file system of a path durable: syncfs(2), which Python does not offer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "syncfs"):
            os.sync()
        elif libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
