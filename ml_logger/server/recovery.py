"""Recovery: what a server that was killed had written and never committed is set aside; what it had committed is done.

Run again after being killed itself, it reaches the same state.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from ml_logger import keys
from ml_logger.notices import notice, plural
from ml_logger.server import trash
from ml_logger.server.appends import Appends
from ml_logger.server.catalog import Catalog, FileState
from ml_logger.server.effects import apply, sync_file_system, sync_path
from ml_logger.stores.folder import READ_SIZE, Folder, write_all

#: Seconds after which an upload that nobody goes on with is removed: 7 days.
UPLOAD_KEPT = 7 * 86400


def rebuild(folder: Folder, catalog: Catalog) -> None:
    """Begin a new catalog with the files that are there: all of them are taken as they are."""
    if not catalog.is_new:
        return
    entries = folder.entries("**")
    with catalog.transaction():
        catalog.set_files((entry.key, FileState(1, entry.size, False)) for entry in entries)
    if entries:
        size = sum(entry.size for entry in entries)
        notice(f"{folder.root} had no catalog: rebuilt from its {plural(len(entries), 'file')} ({size:,} bytes)")


def recover(folder: Folder, catalog: Catalog, appends: Appends) -> None:
    """Bring the files to what the catalog says is committed; only files that are marked dirty are touched."""
    intents = catalog.intents()
    for _, intent in intents:
        apply(intent, folder, appends)
    # After the changes of names: what is dirty was marked under the names that follow them.
    recovered = [(key, _recover_file(folder, key, state)) for key, state in catalog.dirty_files()]
    if recovered or intents:
        # What was cut and renamed must be durable before the catalog forgets that it had to be done.
        sync_file_system(folder.root)
        with catalog.transaction():
            for key, state in recovered:
                if state is None:
                    catalog.forget(key)
                else:
                    catalog.set_files([(key, state)])
            catalog.clear_intents(number for number, _ in intents)
    _touch_uploads(folder)
    for leftover in ("staged", "removed"):
        shutil.rmtree(folder.root / keys.PRIVATE / leftover, ignore_errors=True)


def _touch_uploads(folder: Folder) -> None:
    # Their week counts from the start: while the server was off nobody could come back.
    names = folder.private("uploads", "*").parent
    for path in names.iterdir() if names.is_dir() else ():
        with suppress(OSError):
            os.utime(path)


def drop_old(folder: Folder, catalog: Catalog, appends: Appends) -> None:
    """Remove for good what has waited long enough: uploads that nobody goes on with, and what is in the trash.

    Raises:
        OSError, sqlite3.Error: it was not possible; the rest is removed the next time.
    """
    drop_old_uploads(folder, catalog, appends)
    for undo in trash.names(folder):
        if trash.is_older(undo, trash.TRASH_KEPT):
            folder.remove(trash.place_of(undo))


def drop_old_uploads(folder: Folder, catalog: Catalog, appends: Appends) -> None:
    """Remove the pieces of uploads whose writer has not come back for `UPLOAD_KEPT` seconds.

    Raises:
        OSError, sqlite3.Error: it was not possible; the rest is removed the next time.
    """
    names = folder.private("uploads", "*").parent
    before = time.time() - UPLOAD_KEPT
    old = [path for path in names.iterdir() if path.lstat().st_mtime < before] if names.is_dir() else []
    if not old:
        return
    found = [path.relative_to(folder.root).as_posix() for path in old]
    with catalog.transaction():  # first: a row without its file would look like damage
        for key in found:
            catalog.forget(key)
    for key in found:
        appends.forget(key)
        folder.remove(key)


def _recover_file(folder: Folder, key: str, state: FileState) -> FileState | None:
    try:
        descriptor = folder.open(key, os.O_RDWR)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            notice(f"{key!r} cannot be looked at ({error.strerror}): it is left as it is, until the next start")
            return state
        if not state.length:
            return None  # nothing of it was committed
        notice(f"{key!r} was being written when the server ended, and is gone now ({error.strerror})")
        return None
    try:
        size = os.fstat(descriptor).st_size
        if size > state.length:
            aside = _set_aside(folder, key, descriptor, state.length)
            os.ftruncate(descriptor, state.length)
            notice(f"{key!r} had {size - state.length:,} bytes that were never committed: they were moved to {aside}")
        elif size < state.length:
            notice(f"{key!r} is damaged: {state.length - size:,} bytes that were committed are missing at its end")
            return FileState(state.generation + 1, size, False)
        return state._replace(dirty=False)
    finally:
        os.close(descriptor)


def _free_name(folder: Folder, stamp: str, key: str) -> Path:
    """Return a name in quarantine that nothing has: as much of the end of a key as a file system takes."""
    name = key.replace("/", "%").encode()[-200:].decode(errors="ignore")
    for more in itertools.chain([""], (f"{number}-" for number in itertools.count(2))):
        path = folder.private("quarantine", f"{stamp}{more}{name}")
        if not path.exists():
            return path
    raise AssertionError  # `count` does not end


def _set_aside(folder: Folder, key: str, descriptor: int, start: int) -> Path:
    aside = _free_name(folder, f"{time.strftime('%Y%m%dT%H%M%S')}-{start}-", key)
    part = aside.with_name("part")  # one name: a recovery that is killed leaves one file, that the next one replaces
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while block := os.pread(descriptor, READ_SIZE, start):
            write_all(file, block)
            start += len(block)
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(part, aside)
    sync_path(aside.parent)  # before the file is cut: else a power loss could take the only copy
    return aside
