"""The folders of a collection: looked through step by step, and the next time only where they have changed."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Container, Generator, Iterator
from contextlib import suppress
from typing import NamedTuple

from ml_logger import keys
from ml_logger.stores.folder import Folder
from ml_logger.stores.walk import DIRECTORY, is_key

#: The files that tell of a run: its rows, its parameters, what people say of it, and its sign of life.
METRICS, PARAMETERS, NOTES, SIGN = "metrics.pkl", "parameters.pkl", ".run.json", "heartbeat.json"
TELLING = (METRICS, PARAMETERS, NOTES, SIGN)
#: Seconds after its last change in which a folder may change again without another time: those of files are coarse.
COARSE = 0.05
#: What tells that a folder is not there, or not for us; of any other trouble it may come back.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM)
#: Folders within each other that are looked into.
DEEPEST = 100


class Stamp(NamedTuple):
    """What a file was when it was looked at."""

    device: int
    inode: int
    size: int
    mtime: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Return the stamp of a status."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Place:
    """A folder that is known: when it was last changed, its telling files, the bytes of others, and its folders."""

    __slots__ = ("below", "files", "mtime", "size")

    def __init__(self) -> None:
        self.mtime = 0
        self.size = 0
        self.files: tuple[str, ...] = ()
        self.below: dict[str, Place] = {}


class Seen(NamedTuple):
    """A folder that was looked at, and which of the telling files it has; None where it is gone."""

    folder: str
    files: dict[str, Stamp] | None


class Places:
    """The folders below a root; one thread at a time may use them."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._top = Place()

    def find(self, folder: str) -> Place | None:
        """Return what is known of a folder."""
        place: Place | None = self._top
        for name in folder.split("/") if folder else ():
            place = None if place is None else place.below.get(name)
        return place

    def size(self, folder: str, runs: Container[str]) -> int:
        """Return the bytes of the files in a folder and below it, but for telling ones, and those of runs within it."""
        place = self.find(folder)
        return 0 if place is None else _size(place, folder, runs)

    def doubt(self, folder: str) -> None:
        """Note that a folder, or the nearest one above it that is known, is to be listed when it is looked at next."""
        place = self._top
        for name in folder.split("/") if folder else ():
            if name not in place.below:
                break
            place = place.below[name]
        place.mtime = 0

    def add(self, folder: str) -> None:
        """Note a folder that is known to be there, with those above it; what is in it is not."""
        place = self._top
        for name in folder.split("/") if folder else ():
            if name not in place.below:
                place.mtime = 0
                place.below[name] = Place()
            place = place.below[name]

    def status(self, key: str) -> os.stat_result | None:
        """Return the status of a file or folder; None where there is none."""
        with suppress(OSError):
            return self._folder.stat(key)
        return None

    def look(self, folder: str = "") -> Generator[Seen, None, None]:
        """Yield what is found in a folder, and in all below it; those that are gone too.

        Folders are listed that have changed since the last time; of the others only the telling files are looked at.
        """
        self.add(folder)
        place = self.find(folder)
        assert place is not None
        try:
            with self._folder.parent(f"{folder}/x" if folder else "x") as (fd, _):
                yield from _look(fd, folder, place, len(folder.split("/")))
        except OSError as error:
            if error.errno in GONE:
                yield from self.drop(folder)

    def drop(self, folder: str) -> Iterator[Seen]:
        """Forget a folder that is gone; yield it, and all that were below it."""
        place = self.find(folder)
        above, _, name = folder.rpartition("/")
        outer = self.find(above) if folder else None
        if outer is not None:
            outer.below.pop(name, None)
        if place is not None:
            yield from _gone(folder, place)


def _look(fd: int, folder: str, place: Place, depth: int) -> Generator[Seen, None, None]:
    with suppress(OSError):  # the disk does not give it: it stays as it was known
        yield from _list_anew(fd, folder, place)
    for name in sorted(place.below) if depth <= DEEPEST else ():
        inner = place.below.get(name)
        if inner is not None:
            yield from _enter(fd, name, _join(folder, name), place, depth)
    # Last, with what is below it known, and the files as they are at this moment.
    yield Seen(folder, _stamps(fd, TELLING if place.below else place.files))


def _list_anew(fd: int, folder: str, place: Place) -> Iterator[Seen]:
    """Take in what is in a folder that has changed."""
    before = time.time_ns()
    changed = os.fstat(fd).st_mtime_ns
    if changed == place.mtime:
        return
    names = _list(fd, place, folder)
    place.mtime = changed if before - changed > COARSE * 1e9 else 0
    for name in [name for name in place.below if name not in names]:
        yield from _gone(_join(folder, name), place.below.pop(name))
    for name in names:
        place.below.setdefault(name, Place())


def _enter(fd: int, name: str, folder: str, place: Place, depth: int) -> Generator[Seen, None, None]:
    try:
        below = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
    except OSError as error:
        if error.errno in GONE and name in place.below:
            yield from _gone(folder, place.below.pop(name))
        return
    try:
        yield from _look(below, folder, place.below[name], depth + 1)
    finally:
        os.close(below)


def _list(fd: int, place: Place, folder: str) -> set[str]:
    """Note the files of a folder, and return the names of the folders in it."""
    files, names, size = [], set(), 0
    with os.scandir(fd) as found:
        for entry in found:
            with suppress(OSError):  # removed since it was listed
                if entry.is_dir(follow_symlinks=False):
                    if keys.normal(entry.name) == entry.name and is_key(_join(folder, entry.name)):
                        names.add(entry.name)
                    continue
                status = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):
                    continue
                if entry.name in TELLING:
                    files.append(entry.name)
                else:
                    size += status.st_size
    place.size, place.files = size, tuple(files)
    return names


def _stamps(fd: int, names: tuple[str, ...]) -> dict[str, Stamp]:
    files = {}
    for name in names:
        with suppress(OSError):
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                files[name] = Stamp.of(status)
    return files


def _gone(folder: str, place: Place) -> Iterator[Seen]:
    yield Seen(folder, None)
    for name, inner in place.below.items():
        yield from _gone(_join(folder, name), inner)


def _size(place: Place, folder: str, runs: Container[str]) -> int:
    total = place.size
    for name, inner in place.below.items():
        key = _join(folder, name)
        if key not in runs:
            total += _size(inner, key, runs)
    return total


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
