"""Where spools live: one folder for each server, made by its clients, adopted when their processes are gone."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ml_logger import config
from ml_logger.errors import CorruptData
from ml_logger.notices import notice
from ml_logger.transport import batches, frames
from ml_logger.transport.private import held, write_private
from ml_logger.transport.spool import Spool, SpoolLimits


class Spools:
    """The spools of one server on this machine.

    Args:
        root: the folder that holds the spools of all servers.
        url: the address of the server.
        limits: how large each becomes.
    """

    def __init__(self, root: Path, url: str, limits: SpoolLimits) -> None:
        self.url = url
        self._root = root
        self.folder = root / hashlib.sha256(url.encode()).hexdigest()[:16]
        self._limits = limits
        self.trouble = ""  # why a spool could not be adopted

    def create(self) -> Spool:
        """Begin the spool of a new writer; in memory alone when the disk refuses, which is said."""
        spool = Spool(None, self._limits)
        folder = self.folder / spool.writer
        try:
            self._make(folder)
            spool.folder = folder
            if not spool.take_lock():
                raise OSError(errno.EAGAIN, "it cannot be locked")
            spool.save_writer()
        except OSError as error:
            spool.folder = None
            notice(
                f"the spool {folder} cannot be made ({error.strerror}): records wait in memory, and are lost if this "
                "process is killed; set ML_LOGGER_SPOOL to a folder that can be written"
            )
        return spool

    def _make(self, folder: Path) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with held(self._root, alone=False):  # else somebody who leaves could remove the empty folder under us
            self.folder.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(mode=0o700)
            self._note_server(folder)

    def _note_server(self, folder: Path) -> None:
        note, text = self.folder / "server", f"{self.url}\n".encode()
        if not (note.exists() and note.read_bytes() == text):  # else a full disk would empty a good one
            staged = folder / "server.new"  # nobody else's, not even a signal handler's that has interrupted this
            write_private(staged, text)
            staged.replace(note)

    def folders(self) -> list[Path]:
        """Return the folders of all spools, of the living and the dead, oldest first."""
        found = []
        try:
            for path in self.folder.iterdir():
                if (path / "writer").exists():
                    with suppress(FileNotFoundError):  # its program has just left with nothing unsent
                        found.append((path.stat().st_mtime, path))
        except OSError:
            pass  # there is no folder, and so there are none
        return [path for _, path in sorted(found)]

    def refused(self) -> tuple[int, int]:
        """Return how many records were refused for good, and how many damaged ends of files are kept."""
        return len(list(self.folder.glob("rejected/*.frame"))), len(list(self.folder.glob("quarantine/*")))

    def adopt(self, folder: Path) -> Spool | None:
        """Take over the spool of a process that is gone; None when somebody holds it, or has just been done with it.

        A torn last frame is cut; what follows damage is kept in `quarantine/`, and said. So is a spool that cannot be
        read: it stays where it is.
        """
        spool = Spool(folder, self._limits)
        try:
            if not spool.take_lock():
                return None
            _load(spool, folder)
        except FileNotFoundError:
            spool.abandon()  # whoever was done with it has just removed it
            return None
        except (OSError, ValueError, KeyError) as error:
            spool.abandon()
            self.trouble = f"the spool {folder} cannot be read ({type(error).__name__}: {error}): it stays where it is"
            notice(self.trouble)
            return None
        return spool


def spools_of(url: str) -> Spools:
    """Return the spools of a server, where and as large as the settings say."""
    limits = SpoolLimits(
        segment_size=config.get("ML_LOGGER_SEGMENT_SIZE"),
        queue_size=config.get("ML_LOGGER_MEMORY_QUEUE"),
        when_full=config.get("ML_LOGGER_WHEN_FULL"),
        sync_every=config.get("ML_LOGGER_SPOOL_SYNC"),
    )
    return Spools(config.spool_folder(), url, limits)


class Summary(NamedTuple):
    """What one spool holds.

    Fields:
        path: its folder.
        records, size: how many records are not acknowledged, as far as its note tells, and their bytes.
        oldest: when the first of them was logged, in seconds since the epoch.
        alive: whether its owner lives.
    """

    path: Path
    records: int
    size: int
    oldest: float | None
    alive: bool


def summary(folder: Path) -> Summary:
    """Look at a spool without touching it."""
    acknowledged, records, size, oldest = _acknowledged(folder), 0, 0, None
    for path in sorted(folder.glob("seg-*")):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # acknowledged and deleted since it was listed
        for span in batches.readable(data):
            if span.seq > acknowledged:
                records += 1
                size += span.stop - span.start
                oldest = frames.time_of(data, span) if oldest is None else oldest
    return Summary(folder, records, size, oldest, _is_held(folder / "lock"))


def _acknowledged(folder: Path) -> int:
    try:
        return int((folder / "ack").read_text())
    except (OSError, ValueError):
        return 0


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def servers(root: Path) -> list[str]:
    """Return the addresses of all servers that have spools here."""
    found = []
    for note in root.glob("*/server"):
        try:
            found.append(note.read_text().strip())
        except FileNotFoundError:
            continue  # the last of its programs has just left with nothing unsent
        except UnicodeDecodeError:
            notice(f"the note {note} is damaged: what is unsent beside it goes out with the next program of its server")
    return sorted(found)


def _load(spool: Spool, folder: Path) -> None:
    spool.writer, spool.base, spool.catalog = _identity(folder)
    spool.acknowledged = max(spool.base, _acknowledged(folder))
    spool.last = spool.acknowledged
    segments = sorted(path for path in folder.glob("seg-*") if path.name[4:].isdigit())  # and no copies by hand
    first = segments[0] if segments else None
    if segments and spool.acknowledged > max(int(segments[-1].name[4:]) - 1, _verify(segments[-1], 0)[0]):
        # The note is wrong, or knows of more than a power loss has left: the server drops what it has had before.
        spool.last = spool.acknowledged = spool.base
    for path in segments:
        if path == first:
            # Only what was acknowledged is ever deleted, also when the note of it was lost.
            spool.last = spool.acknowledged = max(spool.acknowledged, int(path.name[4:]) - 1)
        spool.take_segment(path, *_verify(path, spool.acknowledged))


def _identity(folder: Path) -> tuple[str, int, str]:
    try:
        known = json.loads((folder / "writer").read_text())
        return str(known["writer"]), int(known["base"]), str(known.get("catalog", ""))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        # What it said is lost with a full disk or a power loss. Its folder was named after the first id that it had.
        notice(f"the note {folder / 'writer'} is damaged: its records are sent under the id {folder.name}")
        return folder.name, 0, ""


def _verify(path: Path, acknowledged: int) -> tuple[int, int]:
    # Returns the number of the last good frame, and the bytes of those not acknowledged. One segment fits into memory.
    data = path.read_bytes()
    last = stop = unsent = 0
    try:
        for span in frames.spans(data):
            if not frames.is_whole(data, span):
                break
            last, stop = span.seq, span.stop
            unsent += span.stop - span.start if span.seq > acknowledged else 0
    except CorruptData:
        pass
    if stop < len(data):
        quarantine = path.parent.parent / "quarantine"
        quarantine.mkdir(mode=0o700, exist_ok=True)
        write_private(quarantine / f"{path.parent.name}-{path.name}-{stop}", data[stop:])
        notice(f"{len(data) - stop:,} bytes at the end of {path} are no whole record: they were moved to {quarantine}")
        os.truncate(path, stop)
    return last, unsent
