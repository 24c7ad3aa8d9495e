"""Where a run comes from: what git knows of its code, its machine, and its functions. Nothing here raises or hangs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from ml_logger import config, redaction

_PATIENCE = 60  # seconds for one command of git
#: Untracked files up to this size are in a patch, and of all of them together so many bytes.
LARGEST_FILE = 1 << 20
LARGEST_TOTAL = 10 << 20


class Patch(NamedTuple):
    """What differs from a revision: the patch, or why there is none, and the untracked files that it leaves out."""

    text: str | None
    why: str | None
    left_out: tuple[str, ...] = ()


def git(*args: str, folder: str | os.PathLike[str] = ".", **run: Any) -> bytes | None:
    """Return what a command of git prints; None where it fails, where there is no git, or where it takes too long.

    It runs without a shell, without a pager, without hooks of diffs, and takes no locks that it can do without.
    """
    command = ["git", "--no-optional-locks", "--no-pager", "-c", "core.fsmonitor=false", "-C", os.fspath(folder), *args]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL if "input" not in run else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            **run,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return done.stdout if done.returncode == 0 else None


def _line(*args: str, folder: str | os.PathLike[str] = ".") -> str | None:
    found = git(*args, folder=folder)
    return found.decode("utf-8", "replace").strip() or None if found is not None else None


def revision(ref: str = "HEAD", folder: str | os.PathLike[str] = ".") -> str | None:
    """Return the hash of a branch, a tag or any other revision; None where there is none."""
    return None if ref.startswith("-") else _line("rev-parse", "--verify", "--quiet", ref, folder=folder)


def branch(folder: str | os.PathLike[str] = ".") -> str | None:
    """Return the name of the branch; None where there is none, or where no branch is checked out."""
    return _line("symbolic-ref", "--quiet", "--short", "HEAD", folder=folder)


def tags(folder: str | os.PathLike[str] = ".") -> str | None:
    """Return the last tag, with the commits since and the hash where there are some; None where there is none."""
    return _line("describe", "--tags", folder=folder)


def patch(
    folder: str | os.PathLike[str], ref: str, secrets: tuple[str, ...] = (), without: tuple[str, ...] = ()
) -> Patch:
    """Return what the files of a repository, also those that are not tracked, have that a revision has not.

    The index and the objects of the repository are not touched: git works with copies, in a temporary folder.

    Args:
        folder: the repository, or a folder in it.
        ref: the revision.
        secrets: texts to redact wherever they stand.
        without: folders whose untracked files do not count: where the log goes.
    """
    top = _line("rev-parse", "--show-toplevel", folder=folder)
    if top is None:
        return Patch(None, f"{os.path.abspath(folder)} is in no repository of git, or there is no git")
    base = revision(ref, top)
    if base is None and ref == "HEAD":  # nothing was committed so far
        base = _line("hash-object", "-t", "tree", os.devnull, folder=top)
    if base is None:
        return Patch(None, f"there is no revision {ref!r}")
    try:
        with tempfile.TemporaryDirectory(prefix="ml-logger-") as scratch:
            return _patch(top, base, Path(scratch), secrets, without)
    except OSError as error:
        return Patch(None, f"no temporary files can be made: {error.strerror or error}")


def _patch(top: str, base: str, scratch: Path, secrets: tuple[str, ...], without: tuple[str, ...]) -> Patch:
    taken, left_out = _untracked(top, without)
    index = _line("rev-parse", "--path-format=absolute", "--git-path", "index", folder=top)
    objects = _line("rev-parse", "--path-format=absolute", "--git-path", "objects", folder=top)
    if index is None or objects is None:
        return Patch(None, "this git is too old: 2.31 or newer is needed")
    if os.path.exists(index):
        # With its time: git takes a file that changed no earlier than the index for one that may have changed since.
        shutil.copy2(index, scratch / "index")
    (scratch / "objects").mkdir()
    environment = config.environment(
        GIT_INDEX_FILE=str(scratch / "index"),
        GIT_OBJECT_DIRECTORY=str(scratch / "objects"),
        GIT_ALTERNATE_OBJECT_DIRECTORIES=objects,
    )
    if taken:
        names = b"\0".join(map(os.fsencode, taken))
        command = ("--literal-pathspecs", "add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
        if git(*command, folder=top, input=names, env=environment) is None:
            taken, left_out = [], [*left_out, *taken]
    found = git(
        "diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv", base, "--", folder=top, env=environment
    )
    if found is None:
        return Patch(None, "git could not compare the files")
    # Any bytes pass through: files need not be UTF-8.
    return Patch(redaction.redact(found.decode("utf-8", "surrogateescape"), secrets), None, tuple(left_out))


def _untracked(top: str, without: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the untracked files that a patch takes, and those that it leaves out: large ones, secrets, no files."""
    listed = git("ls-files", "--others", "--exclude-standard", "-z", folder=top) or b""
    taken, left_out, total = [], [], 0
    inside = [f"{folder}/" for folder in map(os.path.realpath, without) if not f"{top}/".startswith(f"{folder}/")]
    for name in map(os.fsdecode, filter(None, listed.split(b"\0"))):
        path = os.path.join(top, name)
        if path.startswith(tuple(inside)):
            continue
        size = os.lstat(path).st_size if os.path.islink(path) or os.path.isfile(path) else LARGEST_FILE + 1
        if size > LARGEST_FILE or total + size > LARGEST_TOTAL or redaction.is_secret_file(name):
            left_out.append(name)
            continue
        total += size
        taken.append(name)
    return taken, left_out


def hostname() -> str:
    """Return the name of this machine."""
    import socket

    return socket.gethostname()


def function_info(function: Any) -> dict[str, str | None]:
    """Return the name, the first line of the docstring, the module and the file of a function, behind all wrappers."""
    import functools

    for _ in range(100):  # a wrapper may be made to wrap itself
        if hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif isinstance(function, functools.partial):
            function = function.func
        else:
            break
    inner = getattr(function, "__func__", function)
    code = getattr(inner, "__code__", None)
    doc = (getattr(function, "__doc__", None) or "").strip()
    return {
        "name": getattr(function, "__qualname__", None) or type(function).__qualname__,
        "doc": doc.splitlines()[0] if doc else None,
        "module": getattr(function, "__module__", None),
        "file": code.co_filename if code is not None else None,
    }
