"""The files below a folder, in the order of their keys: so that a list can be begun anywhere, and ended at any time."""

from __future__ import annotations

import os
import stat as stat_module
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress

from ml_logger import keys
from ml_logger.errors import InvalidKey
from ml_logger.stores.base import Entry

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def walk(
    fd: int, folder: str, after: str, *, follow_links: bool, above: tuple[tuple[int, int], ...] = ()
) -> Generator[Entry, None, None]:
    """Yield the regular files below a folder whose keys come after one, sorted.

    Args:
        fd: a descriptor of the folder.
        folder: its key; empty for the root.
        after: the key behind which to begin: folders that lie before it are not opened.
        follow_links: whether symbolic links are followed.
        above: device and number of the folders that it lies in.
    """
    status = os.fstat(fd)
    here = (status.st_dev, status.st_ino)
    if here in above:
        return  # a link that leads back up
    for name in names_in(fd, follow_links):
        key = f"{folder}/{name}" if folder else name
        if name[-1] != "/":
            entry = _entry(fd, name, key, follow_links) if key > after else None
            if entry is not None:
                yield entry
        elif (key > after or after.startswith(key)) and is_key(key[:-1]):
            try:
                inner = os.open(name[:-1], DIRECTORY | (0 if follow_links else os.O_NOFOLLOW), dir_fd=fd)
            except OSError:
                continue  # removed since it was listed, or not for us
            try:
                yield from walk(inner, key[:-1], after, follow_links=follow_links, above=(*above, here))
            finally:
                os.close(inner)


def children(fd: int, folder: str, names: Iterable[str], *, follow_links: bool) -> Iterator[Entry]:
    """Yield what lies directly in a folder: its files, and its folders as entries whose key ends in a slash.

    Args:
        fd: a descriptor of the folder.
        folder: its key; empty for the root.
        names: what to yield of it, of its `names_in`.
        follow_links: whether symbolic links are followed.
    """
    for name in names:
        key = f"{folder}/{name}" if folder else name
        if name[-1] != "/":
            entry = _entry(fd, name, key, follow_links)
            if entry is not None:
                yield entry
        elif is_key(key[:-1]):
            with suppress(OSError):  # removed since it was listed
                yield Entry(key, 0, os.stat(name[:-1], dir_fd=fd, follow_symlinks=follow_links).st_mtime)


def names_in(fd: int, follow_links: bool) -> list[str]:
    """Return the names in a folder in the order of the keys below them: those of folders end in a slash."""
    names = set()
    with os.scandir(fd) as found:
        for entry in found:
            with suppress(OSError):  # a link to nowhere, or one that we may not follow
                names.add(keys.normal(entry.name) + "/" * entry.is_dir(follow_symlinks=follow_links))
    return sorted(names)


def _entry(fd: int, name: str, key: str, follow_links: bool) -> Entry | None:
    if not is_key(key):
        return None
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=follow_links)
    except OSError:
        return None  # removed since it was listed, a link to nowhere, or spelled in another way than keys are
    return Entry(key, status.st_size, status.st_mtime) if stat_module.S_ISREG(status.st_mode) else None


def is_key(text: str) -> bool:
    """Tell whether a text is a key, in the spelling that keys have."""
    try:
        return keys.check(text) == text
    except InvalidKey:
        return False
