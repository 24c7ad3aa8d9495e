"""What a listing goes through: the files of a glob, or what lies directly in a folder."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sanic.exceptions import SanicException

from ml_logger import keys
from ml_logger.errors import StorageFailed
from ml_logger.stores.base import Entry
from ml_logger.stores.folder import Folder, missing_or_failed
from ml_logger.stores.walk import children

#: Files that are looked at, and whether each is one of the list.
Looked = Generator[tuple[Entry, bool], None, None]


def looked(folder: Folder, asked: Any, below: str) -> Looked:
    """Return what a request for a listing goes through.

    Args:
        folder: the data folder.
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
    return _directly_in(folder, key and keys.check(key), after, below)


def _directly_in(folder: Folder, key: str, after: str, below: str) -> Looked:
    """Yield the files and the folders of a folder; of one above the prefix of the token only the way to that."""
    try:
        with folder.parent(f"{key}/x" if key else "x") as (fd, _):
            for entry in children(fd, key, after, follow_links=folder.follow_links):
                inner = entry.key.rstrip("/")
                yield entry, keys.within(inner, below) or (entry.key != inner and keys.within(below, inner))
    except OSError as error:
        found = missing_or_failed(error, key)
        if isinstance(found, StorageFailed):
            raise found from None
