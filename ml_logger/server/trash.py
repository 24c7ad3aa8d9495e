"""The trash: what was deleted in the dashboard waits there until it is restored, or its time is over.

`.ml_logger/trash/UNDO/content` is what was deleted, a file or a folder; `about.json` beside it tells its key.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
import time
from contextlib import suppress
from typing import NamedTuple

from ml_logger import keys
from ml_logger.errors import CorruptData, KeyNotFound
from ml_logger.stores.folder import Folder

#: Seconds after which what was deleted is removed for good: 30 days.
TRASH_KEPT = 30 * 86400
#: Characters of what undoes a deletion: ten for the second it was made in, so that they sort by it, and random ones.
UNDO_SIZE = 22
#: Bytes of the texts that are edited in the dashboard.
MOST_TEXT = 2**20
#: Bytes of `about.json`: a key and a name.
_MOST_ABOUT = 2**14
#: The etag of a file that is not there.
NONE = "-" * 32

_UNDO = re.compile(f"[0-9a-f]{{{UNDO_SIZE}}}")


class Discarded(NamedTuple):
    """Something in the trash: what undoes its deletion, where it was, when it was deleted and by whom."""

    undo: str
    key: str
    time: float
    who: str


def fresh_undo() -> str:
    """Return a name for the next place in the trash."""
    return f"{int(time.time()):010x}{secrets.token_hex((UNDO_SIZE - 10) // 2)}"


def place_of(undo: str) -> str:
    """Return the folder of something in the trash; it is no key that a client can name."""
    return f"{keys.PRIVATE}/trash/{undo}"


def content_key(undo: str) -> str:
    """Return where what was deleted is.

    Raises:
        CorruptData: nothing can be undone by that name.
    """
    if not _UNDO.fullmatch(undo):
        raise CorruptData(f"{undo[:40]!r} undoes nothing: pass what the deletion was answered with")
    return f"{place_of(undo)}/content"


def about_key(undo: str) -> str:
    """Return where it stands what was deleted."""
    return f"{content_key(undo).rpartition('/')[0]}/about.json"


def discard(key: str, who: str) -> tuple[str, bytes]:
    """Return what will undo a deletion, and the payload of the frame that makes it."""
    undo = fresh_undo()
    about = {"key": key, "time": time.time(), "who": who}
    return undo, undo.encode() + json.dumps(about).encode() + b"\n"


def split_discard(payload: bytes) -> tuple[str, bytes]:
    """Take the payload of a DISCARD apart: what undoes it, and what `about.json` is to hold."""
    return payload[:UNDO_SIZE].decode(), payload[UNDO_SIZE:]


def replace(etag: str, text: bytes) -> bytes:
    """Build the payload of a REPLACE: the etag that the file must have, and what it is to hold."""
    return etag.encode() + text


def split_replace(payload: bytes) -> tuple[str, bytes]:
    """Take the payload of a REPLACE apart."""
    return payload[: len(NONE)].decode(), payload[len(NONE) :]


def etag_of(text: bytes) -> str:
    """Return what names a text among all texts."""
    return hashlib.sha256(text).hexdigest()[: len(NONE)]


def etag_in(folder: Folder, key: str) -> str:
    """Return the etag of a file, or `NONE`."""
    text = text_in(folder, key, MOST_TEXT + 1)
    return NONE if text is None else etag_of(text)


def text_in(folder: Folder, key: str, most: int) -> bytes | None:
    """Return the first bytes of a file; None where there is none."""
    try:
        file = folder.open(key, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(file, "rb") as opened:
        return opened.read(most)


def find(folder: Folder, undo: str) -> Discarded:
    """Return what is told of something in the trash.

    Raises:
        KeyNotFound: there is nothing of that name.
    """
    with suppress(CorruptData, OSError, ValueError, KeyError, TypeError, RecursionError):
        about = json.loads(text_in(folder, about_key(undo), _MOST_ABOUT) or b"")
        if folder.mode(content_key(undo)) is not None:
            return Discarded(undo, keys.check(about["key"]), float(about["time"]), str(about["who"]))
    raise KeyNotFound(f"there is no {undo[:40]!r} in the trash: it was restored, or its time was over")


def names(folder: Folder) -> list[str]:
    """Return the names of all that is in the trash, the newest first."""
    try:
        found = os.listdir(folder.root / place_of("x").rpartition("/")[0])
    except FileNotFoundError:
        return []
    return sorted((name for name in found if _UNDO.fullmatch(name)), reverse=True)


def is_older(undo: str, seconds: float) -> bool:
    """Tell whether something was deleted longer ago than some seconds."""
    return int(undo[:10], 16) < time.time() - seconds


def is_folder(folder: Folder, key: str) -> bool:
    """Tell whether a key is that of a folder; the root, `""`, is one."""
    try:
        mode = folder.mode(key) if key else stat.S_IFDIR
    except OSError:
        return False
    return mode is not None and stat.S_ISDIR(mode)
