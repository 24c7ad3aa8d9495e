"""Files under a root folder, reached so that no key leads out of it: the ground of the local store and of the server.

Paths are walked one component at a time with `openat(2)` and `O_NOFOLLOW`, so that a symbolic link planted while we
look cannot lead outside (there is no check before the use that could become stale).
"""

from __future__ import annotations

import errno
import itertools
import os
import stat as stat_module
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ml_logger import keys
from ml_logger.errors import KeyNotFound, StorageFailed
from ml_logger.stores.base import Data, Entry
from ml_logger.stores.ground import Ground
from ml_logger.stores.walk import DIRECTORY, is_key, walk

READ_SIZE = 2**20
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
#: A folder, a pipe, a socket, a device.
_NO_FILE = (errno.EISDIR, errno.EINVAL, errno.ENXIO)


class Folder:
    """A root folder and what can be done with the files in it.

    Args:
        root: the folder; it is created when something is first written.
        follow_links: whether symbolic links below the root are followed: right for a person's own disk, wrong for a
            server, which refuses them.
        pinned: see `Ground`.
    """

    def __init__(self, root: Path, *, follow_links: bool, pinned: bool = False) -> None:
        self.root = root
        self.ground = Ground(root, pinned=pinned)
        self.follow_links = follow_links
        self._nofollow = 0 if follow_links else os.O_NOFOLLOW

    @contextmanager
    def parent(self, key: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder that holds a key, and give its descriptor and the last name of the key."""
        *folders, name = key.split("/")
        fd = self.ground.open(create=create)
        try:
            for folder in folders:
                inner = self._enter(fd, folder, create)
                os.close(fd)
                fd = inner
            yield fd, name
        finally:
            os.close(fd)

    def _enter(self, fd: int, folder: str, create: bool) -> int:
        if create:
            try:
                os.mkdir(folder, dir_fd=fd)
            except FileExistsError:
                pass
        return os.open(folder, DIRECTORY | self._nofollow, dir_fd=fd)

    def open(self, key: str, flags: int) -> int:
        """Open a regular file and return its descriptor; with `O_CREAT`, folders on the way are made.

        Raises:
            OSError: as open(2); also EISDIR for a folder, EINVAL for a device, socket or pipe, EMLINK for writing to a
                file with a second name (which may lie outside the root), unless links are followed.
        """
        with self.parent(key, create=bool(flags & os.O_CREAT)) as (fd, name):
            # O_NONBLOCK: opening a pipe must not wait for its other end.
            file = os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC | self._nofollow, 0o666, dir_fd=fd)
        try:
            self._check_regular(file, key, writing=flags & (os.O_WRONLY | os.O_RDWR) != 0)
        except OSError:
            os.close(file)
            raise
        return file

    def _check_regular(self, file: int, key: str, *, writing: bool) -> None:
        status = os.fstat(file)
        if stat_module.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, "is a folder", key)
        if not stat_module.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no regular file", key)
        if writing and status.st_nlink > 1 and not self.follow_links:
            raise OSError(errno.EMLINK, "has a second name (a hard link)", key)

    def stat(self, key: str) -> os.stat_result:
        """Return the status of a file or folder, of a link itself when links are not followed."""
        with self.parent(key) as (fd, name):
            return os.stat(name, dir_fd=fd, follow_symlinks=self.follow_links)

    def entry(self, key: str) -> Entry:
        """Return the entry of a regular file.

        Raises:
            KeyNotFound: there is none.
        """
        try:
            status = self.stat(key)
        except OSError as error:
            raise missing_or_failed(error, key) from None
        if not stat_module.S_ISREG(status.st_mode):
            raise KeyNotFound(f"no file is stored under {key!r}")
        return Entry(key, status.st_size, status.st_mtime)

    def stream(self, key: str, start: int, stop: int | None) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` of a file, as long as it was when opened.

        Raises:
            KeyNotFound: there is no such file; raised at once, not at the first piece.
        """
        try:
            file = self.open(key, os.O_RDONLY)
        except OSError as error:
            raise missing_or_failed(error, key) from None
        return _pieces(file, start, stop)

    def entries(self, pattern: str, after: str = "", limit: int | None = None, below: str = "") -> list[Entry]:
        """Return the regular files whose key matches a glob, sorted; our own bookkeeping is not among them.

        Args:
            pattern: the glob.
            after: the key behind which the list begins; what lies before it is not looked at again.
            limit: how many to return at most.
            below: a key: only it and those below it are listed, and nothing else is walked.
        """
        with closing(self.look(pattern, after, below)) as found:
            return list(itertools.islice((entry for entry, matches in found if matches), limit))

    def look(self, pattern: str, after: str = "", below: str = "") -> Generator[tuple[Entry, bool], None, None]:
        """Do as `entries`, file by file, also those that do not match: so that it can be left at any time.

        Yields:
            the files that are looked at, sorted, and whether each is among the entries.
        """
        top = keys.literal_folder(keys.normal(pattern))
        matches = keys.pattern(pattern).fullmatch
        if top and not is_key(top):
            return  # nothing is under what is no key, and walking there could lead out
        try:
            if not keys.within(top, below):
                status = self.stat(below) if keys.within(below, top) else None
                if status and stat_module.S_ISREG(status.st_mode) and below > after:  # not a word of what is beside it
                    yield Entry(below, status.st_size, status.st_mtime), bool(matches(below))
                if not (status and stat_module.S_ISDIR(status.st_mode)):
                    return
                top = below
            with (
                self.parent(f"{top}/x" if top else "x") as (fd, _),
                closing(walk(fd, top, after, follow_links=self.follow_links)) as found,
            ):
                for one in found:
                    yield one, keys.within(one.key, below) and matches(one.key) is not None
        except OSError as error:
            if error.errno not in _MISSING:
                raise failed(error, pattern) from None

    def private(self, *names: str) -> Path:
        """Return a path of our own bookkeeping; the folder that holds it exists afterwards."""
        self.ground.check()
        path = self.root.joinpath(keys.PRIVATE, *names)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def stage(self, data: Data) -> Path:
        """Write data to a new file that has no key yet, and return its path."""
        path = self.private("staged", _fresh_name())
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            for piece in (data,) if isinstance(data, bytes) else data:
                write_all(file, piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)
        return path

    def publish(self, staged: Path, key: str) -> None:
        """Put a staged file in the place of a key, replacing a file there at once."""
        try:
            with self.parent(key, create=True) as (fd, name):
                os.rename(staged, name, dst_dir_fd=fd)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise

    def remove(self, key: str) -> None:
        """Remove a file, a link, or a folder with all that is in it; nothing there is no error."""
        try:
            with self.parent(key) as (fd, name):
                if stat_module.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                    # Renamed away first: it disappears at once, and a name that appears meanwhile is not lost with it.
                    removed = self.private("removed", _fresh_name())
                    os.rename(name, removed, src_dir_fd=fd)
                    import shutil

                    shutil.rmtree(removed)
                else:
                    os.unlink(name, dir_fd=fd)
        except OSError as error:
            if error.errno not in _MISSING:
                raise

    def move(self, source: str, target: str) -> None:
        """Rename a file or folder; a file in the way is replaced."""
        with self.parent(source) as (from_fd, name), self.parent(target, create=True) as (to_fd, new_name):
            os.rename(name, new_name, src_dir_fd=from_fd, dst_dir_fd=to_fd)

    def copy(self, source: str, target: str) -> None:
        """Copy a file, or all files of a folder; when there is no room for all, none."""
        staged = self.stage_copy(source, target)
        try:
            while staged:
                self.publish(*staged.pop(0))
        finally:
            for path, _ in staged:
                path.unlink(missing_ok=True)

    def stage_copy(self, source: str, target: str) -> list[tuple[Path, str]]:
        """Copy a file, or all files of a folder, to new files that have no key yet; return each with its key to be.

        Raises:
            OSError: it is impossible, or the disk is full; nothing is left of it.
        """
        pairs = self._copies(source, target)
        for _, key in pairs:
            self.check_replaceable(key)
        staged: list[tuple[Path, str]] = []
        try:
            for one, key in pairs:
                with self.parent(key, create=True):
                    pass
                staged.append((self.stage(_pieces(self.open(one, os.O_RDONLY), 0, None)), key))
        except BaseException:
            for path, _ in staged:
                path.unlink(missing_ok=True)
            raise
        return staged

    def _copies(self, source: str, target: str) -> list[tuple[str, str]]:
        if not stat_module.S_ISDIR(self.stat(source).st_mode):
            return [(source, target)]
        found = self.entries(f"{keys.literal(source)}/**")
        return [(entry.key, target + entry.key[len(source) :]) for entry in found]

    def check_replaceable(self, key: str) -> None:
        """Check that a file can be put under a key.

        Raises:
            OSError: a folder is in the way, a file is among the folders, or, unless links are followed, a link.
        """
        mode = self.mode(key)
        if mode is not None and stat_module.S_ISDIR(mode):
            raise OSError(errno.EISDIR, "is a folder, which no file replaces", key)
        if mode is not None and not stat_module.S_ISREG(mode) and not self.follow_links:
            raise OSError(errno.EINVAL, "is no regular file, and is not replaced", key)

    def mode(self, key: str) -> int | None:
        """Return what kind of thing has a key (a link for itself), None when nothing has."""
        try:
            with self.parent(key) as (fd, name):
                return os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return None


def _fresh_name() -> str:
    return os.urandom(8).hex()


def write_all(file: int, data: bytes | memoryview) -> None:
    """Write all bytes: write(2) may take fewer, near the end of a disk or a limit."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def missing_or_failed(error: OSError, key: str) -> KeyNotFound | StorageFailed:
    """Translate what reading a file raised."""
    if error.errno in (*_MISSING, *_NO_FILE):
        return KeyNotFound(f"no file is stored under {key!r}")
    return failed(error, key)


def failed(error: OSError, key: str) -> StorageFailed:
    """Translate what the operating system raised into our error, keeping its number."""
    translated = StorageFailed(f"{key!r} cannot be stored: {error.strerror or error}")
    translated.errno = error.errno
    return translated


def _pieces(file: int, start: int, stop: int | None) -> Iterator[bytes]:
    try:
        size = os.fstat(file).st_size
        end = size if stop is None else min(stop, size)
        while start < end:
            piece = os.pread(file, min(READ_SIZE, end - start), start)
            if not piece:  # truncated meanwhile
                return
            yield piece
            start += len(piece)
    finally:
        os.close(file)
