"""Calls of the operating system, seen and changed from outside the code that makes them: `watch` puts a hook around.

The functions of `os` that change files, the syncs, and BEGIN and COMMIT of SQLite. Linux only: `/proc` tells paths.
"""

from __future__ import annotations

import functools
import os
import pathlib
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

_ON_DESCRIPTORS = ("write", "pwrite", "fsync", "fdatasync", "ftruncate")
_ON_PATHS = ("unlink", "remove", "rmdir", "truncate")
_ON_PAIRS = ("rename", "replace")
_SUPPORTS = ("supports_dir_fd", "supports_fd", "supports_follow_symlinks")
_WRITING = os.O_CREAT | os.O_WRONLY | os.O_RDWR | os.O_TRUNC
_STATEMENTS = ("begin", "commit")

#: Every kind of call that is watched, in the order of the docs.
KINDS = (*_ON_DESCRIPTORS, *_ON_PATHS, *_ON_PAIRS, "open", "mkdir", "syncfs", *_STATEMENTS)


class Call:
    """One call that is about to be made.

    Attributes:
        kind: one of `KINDS`.
        paths: absolute paths of what it is about; two for a rename.
        args: its arguments, as they were given.
        data: the bytes that it writes, empty for other kinds.
    """

    __slots__ = ("_make", "args", "data", "kind", "paths")

    def __init__(self, kind: str, paths: tuple[str, ...], args: tuple[Any, ...], make: Callable[..., Any]) -> None:
        self.kind = kind
        self.paths = paths
        self.args = args
        self.data = bytes(args[1]) if kind in ("write", "pwrite") else b""
        self._make = make

    def make(self) -> Any:
        """Make it."""
        return self._make(*self.args)

    def make_half(self) -> Any:
        """Make it with half of its bytes: as a disk does that runs full in the middle."""
        return self._make(self.args[0], self.data[: len(self.data) // 2], *self.args[2:])


#: What decides about a call: it makes it, or not, and returns what the caller is to see.
Hook = Callable[[Call], Any]


def path_of(descriptor: int) -> str:
    """Return the path that a descriptor was opened by."""
    return os.readlink(f"/proc/self/fd/{descriptor}")


def watch(hook: Hook) -> None:
    """Let a hook decide about every call from here on, for the rest of the process."""
    for name in _ON_DESCRIPTORS:
        _wrap(name, hook, lambda args, kw: (path_of(args[0]),))
    for name in _ON_PATHS:
        _wrap(name, hook, lambda args, kw: (_absolute(args[0], kw.get("dir_fd")),))
    for name in _ON_PAIRS:
        _wrap(
            name,
            hook,
            lambda args, kw: (_absolute(args[0], kw.get("src_dir_fd")), _absolute(args[1], kw.get("dst_dir_fd"))),
        )
    _wrap("open", hook, _opened_for_writing)
    _wrap("mkdir", hook, _made_anew)
    _watch_syncfs(hook)
    _watch_sqlite(hook)


def _absolute(path: Any, dir_fd: int | None) -> str:
    if isinstance(path, int):
        return path_of(path)
    base = os.getcwd() if dir_fd is None else path_of(dir_fd)
    return os.path.normpath(os.path.join(base, os.fsdecode(path)))


def _opened_for_writing(args: tuple[Any, ...], kw: dict[str, Any]) -> tuple[str, ...]:
    # What is only read changes nothing: no path, no hook.
    return (_absolute(args[0], kw.get("dir_fd")),) if args[1] & _WRITING else ()


def _made_anew(args: tuple[Any, ...], kw: dict[str, Any]) -> tuple[str, ...]:
    # A folder that is there already is asked for again and again, which changes nothing.
    path = _absolute(args[0], kw.get("dir_fd"))
    return () if os.path.isdir(path) else (path,)


def _wrap(name: str, hook: Hook, paths: Callable[[tuple[Any, ...], dict[str, Any]], tuple[str, ...]]) -> None:
    real = getattr(os, name)

    @functools.wraps(real)
    def watched(*args: Any, **kw: Any) -> Any:
        touched = paths(args, kw)
        if not touched or not _is_on_disk(touched[0]):
            return real(*args, **kw)
        return hook(Call(name, touched, args, functools.partial(real, **kw)))

    setattr(os, name, watched)
    for names in _SUPPORTS:
        if real in getattr(os, names):
            getattr(os, names).add(watched)  # else shutil takes another way than without us
    accessor = getattr(pathlib, "_NormalAccessor", None)  # Python 3.10 keeps functions of its own
    if getattr(accessor, name, None) is real:
        setattr(accessor, name, staticmethod(watched))


def _is_on_disk(path: str) -> bool:
    # Not a pipe, a socket, a terminal, or something of the kernel's.
    return path.startswith("/") and (path.startswith("/dev/shm/") or not path.startswith(("/dev/", "/proc/")))


def _watch_syncfs(hook: Hook) -> None:
    from ml_logger.server import effects

    real = effects.sync_file_system

    def watched(path: pathlib.Path) -> None:
        hook(Call("syncfs", (str(path),), (path,), real))

    effects.sync_file_system = watched
    for name, module in list(sys.modules.items()):
        if name.startswith("ml_logger.server") and getattr(module, "sync_file_system", None) is real:
            module.sync_file_system = watched  # type: ignore[attr-defined]


def _watch_sqlite(hook: Hook) -> None:
    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            kind = sql.split(None, 1)[0].lower()
            if kind not in _STATEMENTS:
                return super().execute(sql, *args)
            path = sqlite3.Connection.execute(self, "PRAGMA database_list").fetchone()[2]
            return hook(Call(kind, (path,), (sql, *args), super().execute))  # type: ignore[no-any-return]

    setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Watched))  # noqa: B010 - for mypy
