"""A stage: frames of any writers whose effects can be made durable together, with one sync and one transaction."""

from __future__ import annotations

import errno
import os
from collections.abc import Container, Iterable
from contextlib import suppress
from pathlib import Path

from ml_logger import keys
from ml_logger.errors import CorruptData, InvalidKey, LoggerError
from ml_logger.server.appends import Appends, OpenFile, Source
from ml_logger.server.catalog import Catalog, Intent
from ml_logger.server.effects import TRANSIENT, apply, check_move, sync_file_system, sync_path
from ml_logger.server.trash import UNDO_SIZE, about_key, content_key, etag_in, place_of, split_discard, split_replace
from ml_logger.stores.folder import Folder
from ml_logger.transport.frames import APPENDED, Frame, Op, Own, split_piece

#: Up to this many files are synced one by one; beyond it the file system is, once.
MAX_SYNCED = 8

_STAGED = f"{keys.PRIVATE}/staged/"


class RefusedFrame(LoggerError):
    """A frame that can never be applied: its number is used up, and the ones behind it go on."""


class Stage:
    """Collects frames, then commits them: bytes, sync, transaction, and only then the changes of names.

    Args:
        folder: the data folder.
        catalog: what is committed of it.
        appends: the files that are open for appending.
        power: whether what is committed must survive a power loss.
    """

    def __init__(self, folder: Folder, catalog: Catalog, appends: Appends, *, power: bool) -> None:
        self._folder = folder
        self._catalog = catalog
        self._appends = appends
        self._power = power
        self._sources: dict[str, list[Source]] = {}
        self._files: dict[str, OpenFile] = {}
        self._staged: list[Path] = []
        self._intents: list[Intent] = []
        self._renamed: set[str] = set()
        self._names_changed = False
        self._refusals: list[tuple[str, int, str]] = []
        self.syncs = 0
        self.last: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self.last)

    def conflicts(self, frame: Frame, writer: str) -> bool:
        """Tell whether a frame must wait for this stage, because it touches what the stage is about to change."""
        touched = _touched(frame, writer)
        if len(self._files) >= self._appends.limit and touched[0] not in self._files:
            return True
        if frame.op in (Op.APPEND, Op.CHUNK):
            return bool(self._renamed) and any(_overlap(key, other) for key in touched for other in self._renamed)
        return any(_overlap(key, other) for key in touched for other in (*self._renamed, *self._sources))

    def add(self, frame: Frame, writer: str) -> None:
        """Take one frame in. What cannot be applied is noted as refused.

        Raises:
            OSError: the system is out of something; nothing was taken in.
        """
        try:
            self._plan(frame, writer)
        except OSError as error:
            if error.errno in TRANSIENT:
                raise
            self._refuse(writer, frame, f"{frame.key!r} {error.strerror or error}")
        except (InvalidKey, CorruptData, RefusedFrame) as error:
            self._refuse(writer, frame, str(error))
        self.last[writer] = frame.seq

    def _refuse(self, writer: str, frame: Frame, reason: str) -> None:
        self._refusals.append((writer, frame.seq, reason))

    def _plan(self, frame: Frame, writer: str) -> None:
        keys.check(frame.key)
        if frame.op is Op.APPEND:
            self._append(frame.key, frame.payload)
        elif frame.op is Op.WRITE:
            self._prepare(frame.key)
            self._publish([(self._folder.stage(frame.payload), frame.key)])
            self._renamed.add(frame.key)
        elif frame.op is Op.CHUNK:
            self._chunk(frame, writer)
        elif frame.op is Op.COMMIT:
            self._publish_upload(frame, writer)
        elif frame.op is Op.REMOVE:
            self._intend("remove", frame.key, "")
        elif isinstance(frame.op, Own):
            self._plan_own(frame)
        else:
            self._transfer(frame)

    def _plan_own(self, frame: Frame) -> None:
        if frame.op is Own.DISCARD:
            undo, about = split_discard(frame.payload)
            self._check_there(frame.key)
            self._publish([(self._folder.stage(about), about_key(undo))])
            self._rename(frame.key, content_key(undo))
        elif frame.op is Own.RESTORE:
            undo = frame.payload.decode()
            self._rename(content_key(undo), frame.key)
            self._intend("remove", place_of(undo), "")
        elif frame.op is Own.RENAME:
            self._rename(*keys.check_apart(frame.key, frame.payload.decode()))
        elif frame.op is Own.EMPTY:
            self._intend("remove", place_of(frame.key), "")
        else:
            expected, text = split_replace(frame.payload)
            self._prepare(frame.key)
            if etag_in(self._folder, frame.key) != expected:
                raise RefusedFrame(f"{frame.key!r} was changed by somebody else meanwhile")
            self._publish([(self._folder.stage(text), frame.key)])
            self._renamed.add(frame.key)

    def _rename(self, source: str, target: str) -> None:
        self._check_there(source)
        if self._folder.mode(target) is not None:
            raise OSError(errno.EEXIST, "is there already", target)
        with self._folder.parent(target, create=True):
            pass
        self._names_changed = True
        self._intend("move", target, source)

    def _check_there(self, key: str) -> None:
        # What is on a disk of its own cannot be renamed into another folder: that must be found out before the commit.
        if self._folder.stat(key).st_dev != os.stat(self._folder.root).st_dev:
            raise OSError(errno.EXDEV, "is on a disk of its own", key)

    def _append(self, key: str, source: Source) -> None:
        if key not in self._files:
            self._files[key] = self._appends.get(key)
        self._sources.setdefault(key, []).append(source)

    def _chunk(self, frame: Frame, writer: str) -> None:
        upload, offset, data = split_piece(frame.payload)
        key = _upload_key(writer, upload)
        file = self._files.get(key) or self._appends.get(key)
        size = file.state.length + sum(_size(source) for source in self._sources.get(key, ()))
        if offset != size:
            raise RefusedFrame(f"{frame.key!r}: a piece for byte {offset:,} of an upload that has {size:,} bytes")
        self._append(key, data)

    def _publish_upload(self, frame: Frame, writer: str) -> None:
        upload, expected, _ = split_piece(frame.payload)
        key = _upload_key(writer, upload)
        if expected == 0:
            self._appends.get(key)  # an empty file travels without any piece
            self._names_changed = True
        try:
            size = self._folder.stat(key).st_size
        except FileNotFoundError:
            raise RefusedFrame(f"{frame.key!r}: no piece of this upload ever came") from None
        if size != expected:
            raise RefusedFrame(f"{frame.key!r}: the upload has {size:,} bytes and not {expected:,}")
        if frame.flags & APPENDED:
            self._append(frame.key, self._folder.root / key)
            self._intend("remove", key, "")
        else:
            self._prepare(frame.key)
            self._intend("publish", frame.key, key)

    def _prepare(self, key: str) -> None:
        # Finds out now what renaming would find out too late: a file among the folders, a folder in the way.
        self._folder.check_replaceable(key)
        with self._folder.parent(key, create=True):
            pass

    def _transfer(self, frame: Frame) -> None:
        try:
            _, target = keys.check_apart(frame.key, str(frame.payload, "utf-8"))
        except UnicodeDecodeError:
            raise RefusedFrame(f"{frame.key!r}: the target is not UTF-8") from None
        if frame.op is Op.MOVE:
            check_move(self._folder, frame.key, target)
            with self._folder.parent(target, create=True):
                pass
            self._intend("move", target, frame.key)
            return
        # The bytes are copied now: a disk that is too full for them must not find out after the commit.
        self._publish(self._folder.stage_copy(frame.key, target))
        self._renamed.add(target)

    def _publish(self, staged: list[tuple[Path, str]]) -> None:
        for path, key in staged:
            self._staged.append(path)
            self._intents.append(Intent("publish", key, str(path.relative_to(self._folder.root))))

    def _intend(self, action: str, key: str, source: str) -> None:
        self._intents.append(Intent(action, key, source))
        self._renamed.add(key)
        if source:
            self._renamed.add(source)

    def guarded(self) -> list[str]:
        """Return the names that, there again, would make a replay of this stage's changes do harm."""
        # A published blob is gone, under a name that never comes again: its replay finds nothing to do.
        names = [intent.key for intent in self._intents if intent.action != "publish"]
        names += [intent.source for intent in self._intents if not intent.source.startswith(_STAGED)]
        return [name for name in names if name]

    def changed(self) -> tuple[Iterable[str], list[str]]:
        """Return the keys of the files that are written to, and the names that are changed."""
        names = [name for intent in self._intents for name in (intent.key, intent.source) if name]
        return self._sources.keys(), names

    def commit(self, applied: list[int]) -> list[int]:
        """Make everything durable, then visible; `applied` are intents of earlier stages to forget with it.

        Returns:
            The intents of this stage, which are made and can be forgotten with the next one.

        Raises:
            OSError, sqlite3.Error: nothing happened, and everything is as it was before. With EIO the disk has failed,
                and only recovery from the catalog knows what happened.
        """
        lengths: dict[OpenFile, int] = {}
        try:
            self._appends.mark_dirty(self._files.values())
            for key, file in self._files.items():
                lengths[file] = file.state.length  # before the write: half a write must be taken back too
                lengths[file] = self._appends.write(file, self._sources[key])
            if self._power:
                self._sync(names_changed=bool(applied))
            self._folder.ground.check()  # what was staged by its path may be elsewhere
            numbers = self._commit_catalog(lengths, applied)
        except BaseException:
            self.abandon(lengths)
            raise
        self._catalog.remember_last_seqs(self.last)
        self._appends.settle(lengths)
        self._apply()
        return numbers

    def abandon(self, written: Container[OpenFile] = ()) -> None:
        """Leave nothing behind of a stage that is not committed: what was written is cut, what is new is removed."""
        for staged in self._staged:
            with suppress(OSError):
                staged.unlink()
        self._appends.take_back(self._files.values(), written)

    def _apply(self) -> None:
        try:
            for intent in self._intents:
                apply(intent, self._folder, self._appends)
        except OSError as error:
            # Committed, and not to be made now: nothing may go on before it is, and the next start makes it.
            raise OSError(errno.EIO, f"what is committed cannot be made: {error.strerror}") from error

    def _sync(self, *, names_changed: bool) -> None:
        created = any(file.state.length == 0 for file in self._files.values())
        if created or names_changed or self._names_changed or len(self._files) + len(self._staged) > MAX_SYNCED:
            sync_file_system(self._folder.root)
            self.syncs += 1
            return
        for file in self._files.values():
            os.fdatasync(file.descriptor)
        paths = list(self._staged)
        if self._staged:
            # Their names too, up to the folder that was there at the start: without one, the bytes are lost.
            paths += [self._staged[0].parent, self._staged[0].parent.parent]
        for path in paths:
            sync_path(path)
        self.syncs += len(self._files) + len(paths)

    def _commit_catalog(self, lengths: dict[OpenFile, int], applied: list[int]) -> list[int]:
        with self._catalog.transaction():
            states = [(file.key, file.state._replace(length=length)) for file, length in lengths.items()]
            self._catalog.set_files(states)
            self._catalog.set_last_seqs(self.last)
            self._catalog.add_refusals(self._refusals)
            self._catalog.mark_clean(self._appends.clean(evicted_only=True))
            for intent in self._intents:
                self._catalog.forget(intent.key)
                if intent.source:
                    self._catalog.forget(intent.source)
            self._catalog.clear_intents(applied)
            return self._catalog.add_intents(self._intents)


def _upload_key(writer: str, upload: int) -> str:
    return f"{keys.PRIVATE}/uploads/{writer}-{upload:016x}"


def touches(frame: Frame, writer: str, names: Iterable[str]) -> bool:
    """Tell whether a frame touches one of some names, or what is above or below it."""
    touched = _touched(frame, writer)
    return any(_overlap(key, name) for name in names for key in touched)


def _touched(frame: Frame, writer: str) -> list[str]:
    if frame.op in (Op.CHUNK, Op.COMMIT) and len(frame.payload) >= 16:
        return [_upload_key(writer, split_piece(frame.payload)[0]), frame.key]
    if frame.op in (Op.MOVE, Op.COPY, Own.RENAME):
        return [frame.key, str(frame.payload, "utf-8", "replace")]
    if frame.op in (Own.DISCARD, Own.RESTORE):
        return [frame.key, place_of(str(frame.payload[:UNDO_SIZE], "utf-8", "replace"))]
    if frame.op is Own.EMPTY:
        return [place_of(frame.key)]
    return [frame.key]


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _size(source: Source) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size
