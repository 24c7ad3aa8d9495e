"""What a listing goes through: the files of a glob, or what lies directly in a folder."""

from __future__ import annotations

import bisect
import os
import threading
import time
from collections.abc import Generator
from itertools import islice
from typing import Any

from sanic.exceptions import SanicException

from ml_logger import keys
from ml_logger.errors import StorageFailed
from ml_logger.stores.base import Entry
from ml_logger.stores.folder import Folder, missing_or_failed
from ml_logger.stores.walk import children, names_in

#: Files that are looked at, and whether each is one of the list.
Looked = Generator[tuple[Entry, bool], None, None]


#: Names of folders that are kept from one page of a listing to the next: some 50 MB.
MOST_KEPT = 500_000
#: Seconds for which a folder must have been as it is: a later change might not be seen by its time.
SETTLED = 2.0


class Scanned:
    """The names in the folders that were listed last: pages of a large one need not read and sort it anew.

    Args:
        most: how many names are kept.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._names: dict[tuple[int, int, int], list[str]] = {}  # by folder and time of its last change; last is newest
        self._lock = threading.Lock()

    def names(self, fd: int, *, follow_links: bool) -> list[str]:
        """Return the sorted names in an open folder; those of folders end in a slash."""
        status = os.fstat(fd)
        which = (status.st_dev, status.st_ino, status.st_mtime_ns)
        with self._lock:
            known = self._names.pop(which, None)
            if known is not None:
                self._names[which] = known
                return known
        found = names_in(fd, follow_links)
        if time.time() - status.st_mtime > SETTLED and not follow_links:  # what a link leads to changes by itself
            with self._lock:
                self._names[which] = found
                while sum(map(len, self._names.values())) > self._most:
                    del self._names[next(iter(self._names))]
        return found


def looked(folder: Folder, scanned: Scanned, asked: Any, below: str) -> Looked:
    """Return what a request for a listing goes through.

    Args:
        folder: the data folder.
        scanned: what is kept of its folders.
        asked: the query: `pattern` or `folder`, and `after`.
        below: the prefix of the token; nothing else is told.

    Raises:
        SanicException: 400, both are asked for.
        InvalidKey: the folder is no key.
    """
    after, key, pattern = asked.get("after", ""), asked.get("folder"), asked.get("pattern")
    if key is None:
        return folder.look(pattern or "**", after, below)
    if pattern:
        raise SanicException("a listing is of a pattern or of a folder, not of both", status_code=400)
    return _directly_in(folder, scanned, key and keys.check(key), after, below)


def _directly_in(folder: Folder, scanned: Scanned, key: str, after: str, below: str) -> Looked:
    """Yield the files and the folders of a folder; of one above the prefix of the token only the way to that."""
    try:
        with folder.parent(f"{key}/x" if key else "x") as (fd, _):
            names = scanned.names(fd, follow_links=folder.follow_links)
            first = bisect.bisect_right(names, after, key=lambda name: f"{key}/{name}" if key else name)
            for entry in children(fd, key, islice(names, first, None), follow_links=folder.follow_links):
                inner = entry.key.rstrip("/")
                yield entry, keys.within(inner, below) or (entry.key != inner and keys.within(below, inner))
    except OSError as error:
        found = missing_or_failed(error, key)
        if isinstance(found, StorageFailed):
            raise found from None
