"""Where a logger logs: root and prefix, from the arguments of `configure` in all the forms that programs use."""

from __future__ import annotations

import datetime
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from ml_logger import config, jobs, keys
from ml_logger.errors import InvalidKey, InvalidRoot, InvalidSetting


class Place(NamedTuple):
    """A root, a folder's absolute path or a server's address, and the folder of the run below it."""

    root: str
    prefix: str


def default() -> Place:
    """Return the place when nothing was configured: a folder that no other run has, in a child that of its parent."""
    parent = jobs.parent()
    if parent is not None:
        pid, _, text = (config.get("ML_LOGGER_PARENT") or "").partition("\n")
        if pid == str(parent):
            prefix, _, root = text.partition("\n")
            return Place(root, prefix)
    root = normal_root(config.get("ML_LOGGER_ROOT") or "runs")
    given = config.get("ML_LOGGER_PREFIX")
    return Place(root, prefix_of((given,), None) if given else _fresh_prefix())


def hand_down(place: Place) -> None:
    """Let the processes that `multiprocessing` starts anew log here too, as those that it forks do anyway."""
    config.hand_down("ML_LOGGER_PARENT", f"{os.getpid()}\n{place.prefix}\n{place.root}")


def _fresh_prefix() -> str:
    now = datetime.datetime.now()
    script = Path(sys.argv[0]).stem if sys.argv and sys.argv[0] not in ("", "-", "-c", "-m") else "python"
    script = {"ipykernel_launcher": "notebook", "__main__": Path(sys.argv[0]).parent.name}.get(script, script)
    job = jobs.name()
    if job is not None:  # the ranks of a job begin at times of their own, and yet in one folder
        return keys.prefix("jobs", _file_name(script), _file_name(job))
    return keys.prefix(f"{now:%Y-%m-%d}", _file_name(script), f"{now:%H.%M.%S}-{os.urandom(3).hex()}")


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text).strip(".") or "python"


def resolve(
    current: Place, args: tuple[object, ...], roots: dict[str, object], prefix: object, user: str | None
) -> Place:
    """Return the place that a call of `configure` means.

    Args:
        current: the place so far.
        args: the positional arguments; None stands for nothing.
        roots: `root`, `root_dir` and `log_directory` as they were given, None where they were not.
        prefix: the keyword `prefix`, a str, a Path, or a list of parts.
        user: the name for `{USER}`.

    Raises:
        TypeError: two different roots.
        InvalidRoot: a root that cannot be understood.
        InvalidKey: a prefix that could leave the root.
    """
    given = {name: value for name, value in roots.items() if value is not None}
    if len({normal_root(value) for value in given.values()}) > 1:
        raise TypeError(f"{' and '.join(given)} are one thing, and were given two values: {given}")
    root, args = next(iter(given.values()), None), tuple(arg for arg in args if arg is not None)
    if root is None and args and _is_root(args[0], current.root):
        root, *rest = args
        args = tuple(rest)
    more = prefix if isinstance(prefix, (list, tuple)) else (prefix,)
    parts = (*args, *(part for part in more if part is not None))
    if root is not None:
        return Place(normal_root(root), prefix_of(parts, user))
    return Place(current.root, prefix_of(parts, user) if args or prefix is not None else current.prefix)


def _is_root(value: object, current_root: str) -> bool:
    if isinstance(value, os.PathLike):
        return True
    if not isinstance(value, str):
        return False
    local = "://" not in current_root
    return "://" in value or (local and (value in (".", "..", "~") or value.startswith(("/", "~/", "./", "../"))))


def normal_root(root: object) -> str:
    """Return a root as an absolute path or an http(s) address.

    Raises:
        InvalidRoot: neither.
    """
    if not isinstance(root, (str, os.PathLike)):
        raise InvalidRoot(f"a log directory is a str or a Path, not {type(root).__name__}: {root!r}")
    text = os.fspath(root)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidRoot(f"{text!r} is no log directory: pass a folder, or the address of a server")
    if text.startswith("file:"):
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise InvalidRoot(f"{text!r} names the host {parts.netloc!r}: write file:///folder")
        text = unquote(parts.path)
    if re.fullmatch(r"[\w.-]+:[0-9]{1,5}", text):
        raise InvalidRoot(f"{text!r} looks like the address of a server: write http://{text}, or ./{text} for a folder")
    if "://" in text:
        from ml_logger.transport.http import check_url

        return check_url(text)
    return str(Path(text).expanduser().absolute())


def prefix_of(parts: tuple[object, ...], user: str | None) -> str:
    """Join the parts of a prefix; `{now:%Y-%m-%d}`, `{USER}` and `$NAME` in them are filled in."""
    return keys.prefix(*(_filled(part, user) for part in parts))


def below(prefix: str, parts: tuple[str | os.PathLike[str] | None, ...], user: str | None) -> str:
    """Return the prefix that parts lead to from another one: `..` goes up, a `/` at the start means the root.

    >>> below("me/exp", ("..", "eval/{now:%Y}", None), None)[:8], below("me/exp", ("/you",), None)
    ('me/eval/', 'you')

    Raises:
        InvalidKey: `..` leads above the root, or a part that no key can have.
    """
    here = prefix.split("/") if prefix else []
    for part in parts:
        text = "" if part is None else _filled(part, user)
        if text.startswith("/"):
            here = []
        for name in text.strip("/").split("/") if text.strip("/") else ():
            if name != "..":
                here.append(name)
            elif here:
                here.pop()
            else:
                raise InvalidKey(f"{text!r} leads above the root from prefix {prefix!r}: leave out a '..'")
    return keys.prefix("/".join(here))


def _filled(part: object, user: str | None) -> str:
    text = os.fspath(part) if isinstance(part, os.PathLike) else part
    if not isinstance(text, str):
        raise InvalidSetting(f"a part of a prefix is a str or a Path, not {type(part).__name__}: {part!r}")
    text = re.sub(r"\{now(?::([^{}]*))?\}", lambda match: f"{datetime.datetime.now():{match[1] or '%Y-%m-%d'}}", text)
    text = text.replace("{USER}", user or config.user()) if "{USER}" in text else text
    return config.expand(text) if "$" in text else text
