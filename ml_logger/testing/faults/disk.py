"""A disk that loses power: what was written and synced is recorded, and then the disk is built as a crash leaves it.

The model is the strictest that POSIX allows. Bytes of a file are safe once the file, or the whole file system, was
synced after they were written. A name is safe once its folder, or the file system, was synced. Everything else may be
there, or not, or in part. A transaction of SQLite is safe at its COMMIT with `synchronous=FULL`; with NORMAL it is when
the file system is synced.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import sqlite3
import stat
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from ml_logger.testing.faults.calls import Call

CATALOG = ".ml_logger/catalog.db"

#: What becomes of all that was not synced.
WAYS = ("dropped", "kept", "torn")


class Step(NamedTuple):
    """One thing that was done to the disk.

    Attributes:
        kind: `write`, `truncate` (of a file); `link`, `unlink`, `rename`, `mkdir`, `rmdir` (of names); `sync` (of a
            file or a folder), `syncfs`, `catalog`, and `ack`, which does nothing but was told to somebody.
        path: the name, relative to the root; of a rename, where from.
        file: the inode.
        at: the offset of a write, the length of a truncate, the number of an ack.
        data: what was written; the whole catalog.
        to: where a rename leads.
        durable: whether it is safe at once.
    """

    kind: str
    path: str = ""
    file: int = 0
    at: int = 0
    data: bytes = b""
    to: str = ""
    durable: bool = False


class Recorder:
    """A hook for `calls.watch` that makes every call, and writes down what it does below a folder.

    Args:
        root: the folder, as it is when it counts as safely on the disk.
        full: whether SQLite makes its transactions durable by itself.
    """

    def __init__(self, root: Path, *, full: bool) -> None:
        self.steps: list[Step] = []
        self.root = root.resolve()
        self._full = full
        self._connect = sqlite3.connect
        for path in sorted(self.root.rglob("*")):
            self._begin_with(path)

    def _begin_with(self, path: Path) -> None:
        name, file = path.relative_to(self.root).as_posix(), path.stat().st_ino
        if name == CATALOG:
            self.steps.append(Step("catalog", data=self._catalog(path), durable=True))
        elif path.is_dir():
            self.steps.append(Step("mkdir", name, durable=True))
        elif not name.startswith(CATALOG):
            self.steps.append(Step("link", name, file, durable=True))
            self.steps.append(Step("write", "", file, 0, path.read_bytes(), durable=True))

    def ack(self, number: int) -> None:
        """Note that somebody was told that something is safe."""
        self.steps.append(Step("ack", at=number))

    def __call__(self, call: Call) -> Any:
        """Make a call and write it down."""
        root = str(self.root)
        if not any(path == root or path.startswith(f"{root}/") for path in call.paths):
            return call.make()
        return getattr(self, f"_{call.kind}", self._other)(call)

    def _name(self, path: str) -> str:
        return os.path.relpath(path, self.root)

    def _note(self, kind: str, **fields: Any) -> None:
        self.steps.append(Step(kind, **fields))

    def _other(self, call: Call) -> Any:
        return call.make()

    def _write(self, call: Call) -> Any:
        descriptor = call.args[0]
        status = os.fstat(descriptor)
        if call.kind == "pwrite":
            at = call.args[2]
        elif fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND:
            at = status.st_size
        else:
            at = os.lseek(descriptor, 0, os.SEEK_CUR)
        written = call.make()
        self._note("write", file=status.st_ino, at=at, data=call.data[:written])
        return written

    _pwrite = _write

    def _ftruncate(self, call: Call) -> Any:
        result = call.make()
        self._note("truncate", file=os.fstat(call.args[0]).st_ino, at=call.args[1])
        return result

    def _fsync(self, call: Call) -> Any:
        result = call.make()
        status = os.fstat(call.args[0])
        folder = stat.S_ISDIR(status.st_mode)
        self._note("sync", path=self._name(call.paths[0]) if folder else "", file=status.st_ino)
        return result

    _fdatasync = _fsync

    def _syncfs(self, call: Call) -> Any:
        result = call.make()
        self._note("syncfs")
        return result

    def _open(self, call: Call) -> Any:
        (path,) = call.paths
        existed = os.path.lexists(path)
        descriptor = call.make()
        file = os.fstat(descriptor).st_ino
        if not existed:
            self._note("link", path=self._name(path), file=file)
        elif call.args[1] & os.O_TRUNC:
            self._note("truncate", file=file, at=0)
        return descriptor

    def _rename(self, call: Call) -> Any:
        result = call.make()
        self._note("rename", path=self._name(call.paths[0]), to=self._name(call.paths[1]))
        return result

    _replace = _rename

    def _unlink(self, call: Call) -> Any:
        result = call.make()
        self._note("unlink", path=self._name(call.paths[0]))
        return result

    _remove = _unlink

    def _mkdir(self, call: Call) -> Any:
        result = call.make()
        self._note("mkdir", path=self._name(call.paths[0]))
        return result

    def _rmdir(self, call: Call) -> Any:
        result = call.make()
        self._note("rmdir", path=self._name(call.paths[0]))
        return result

    def _commit(self, call: Call) -> Any:
        result = call.make()
        self._note("catalog", data=self._catalog(Path(call.paths[0])), durable=self._full)
        return result

    def _catalog(self, path: Path) -> bytes:
        with tempfile.TemporaryDirectory() as scratch:
            copy = os.path.join(scratch, "copy")
            source, target = self._connect(path), self._connect(copy)
            with contextlib.closing(source), contextlib.closing(target):
                source.backup(target)
            return Path(copy).read_bytes()


def build(steps: list[Step], safe: list[int], crash: int, way: str, chance: random.Random, folder: Path) -> None:
    """Build what is on the disk when the power goes after the first `crash` steps.

    Args:
        steps: what was recorded.
        safe: from which step on each is safe, see `safe_from`.
        crash: how many of them were made.
        way: one of `WAYS`: what becomes of what was not synced.
        chance: decides where it may be either.
        folder: where to, an empty folder.
    """
    names: dict[str, int] = {}
    folders = {""}
    files: dict[int, bytearray] = {}
    catalog = b""
    for step, at in zip(steps[:crash], safe, strict=False):
        unsafe = at >= crash
        if unsafe and (way == "dropped" or (way == "torn" and chance.random() < 0.5)):
            continue
        if step.kind == "catalog":
            catalog = step.data
        elif step.kind in ("write", "truncate"):
            torn = way == "torn" and unsafe and chance.random() < 0.5
            _change(files.setdefault(step.file, bytearray()), step, chance if torn else None)
        else:
            _rename(step, names, folders)
    for name in sorted(folders):
        if name and _is_reachable(name, folders):
            (folder / name).mkdir(parents=True, exist_ok=True)
    for name, file in names.items():
        if _is_reachable(name, folders):
            (folder / name).write_bytes(files.get(file, b""))
    if catalog:
        (folder / CATALOG).parent.mkdir(exist_ok=True)
        (folder / CATALOG).write_bytes(catalog)


def safe_from(steps: list[Step]) -> list[int]:
    """Return, for each step, the number of the step that makes it safe; beyond the end where none does."""
    return [
        number
        if step.durable
        else next((n for n in range(number + 1, len(steps)) if _syncs(steps[n], step)), len(steps))
        for number, step in enumerate(steps)
    ]


def _syncs(sync: Step, step: Step) -> bool:
    if sync.kind != "sync" or step.kind == "catalog":
        return sync.kind == "syncfs"
    if step.kind in ("write", "truncate"):
        return sync.file == step.file
    return sync.path == (os.path.dirname(step.to or step.path) or ".")


def _change(content: bytearray, step: Step, torn: random.Random | None) -> None:
    if step.kind == "truncate":
        content[step.at :] = bytes(max(0, step.at - len(content)))
        return
    data = step.data
    if torn is not None:  # the length has reached the disk, and the bytes only in part
        cut = torn.randrange(len(data) + 1)
        data = data[:cut] + bytes(len(data) - cut)
    if len(content) < step.at:
        content.extend(bytes(step.at - len(content)))
    content[step.at : step.at + len(data)] = data


def _rename(step: Step, names: dict[str, int], folders: set[str]) -> None:
    if step.kind == "link":
        names[step.path] = step.file
    elif step.kind == "unlink":
        names.pop(step.path, None)
    elif step.kind == "mkdir":
        folders.add(step.path)
    elif step.kind == "rmdir":
        folders.discard(step.path)
    elif step.kind == "rename":
        below = f"{step.path}/"
        for name in [name for name in names if name == step.path or name.startswith(below)]:
            names[step.to + name[len(step.path) :]] = names.pop(name)
        for name in [name for name in folders if name == step.path or name.startswith(below)]:
            folders.discard(name)
            folders.add(step.to + name[len(step.path) :])


def _is_reachable(name: str, folders: set[str]) -> bool:
    holder = os.path.dirname(name)
    return holder in folders and (not holder or _is_reachable(holder, folders))
