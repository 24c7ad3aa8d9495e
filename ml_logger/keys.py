"""Keys: relative paths below the log directory that cannot leave it and that every file system can hold."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from ml_logger.errors import InvalidKey

#: The folder for our own bookkeeping, below the root; no key reaches it.
PRIVATE = ".ml_logger"

MAX_KEY_BYTES = 1024
MAX_NAME_BYTES = 255
MAX_DEPTH = 64

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)


@lru_cache(maxsize=4096)
def check(key: str) -> str:
    """Return the key if it is one, else say what is wrong with it.

    >>> check("me/exp-1/metrics.pkl")
    'me/exp-1/metrics.pkl'

    Raises:
        InvalidKey: empty, absolute, with an empty, `.` or `..` part, with control characters or backslashes,
            not encodable as UTF-8, too long, too deep, or a name that some file system reserves.
    """
    if not isinstance(key, str):
        raise InvalidKey(f"a key is a str, not {type(key).__name__}: {_show(key)}")
    if not key:
        raise InvalidKey("the key is empty: pass a relative path such as 'metrics.pkl'")
    _check_length(key)
    control = _CONTROL.search(key)
    if control:
        raise InvalidKey(f"key {_show(key)} holds the control character {control[0]!r}: leave it out")
    if "\\" in key:
        raise InvalidKey(f"key {_show(key)} holds a backslash: separate folders with '/'")
    parts = key.split("/")
    if len(parts) > MAX_DEPTH:
        raise InvalidKey(f"key {_show(key)} has {len(parts)} parts, more than {MAX_DEPTH}: use fewer folders")
    for part in parts:
        _check_part(part, key)
    return key


def _check_length(key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidKey(f"key {_show(key)} cannot be written as UTF-8: it holds a lone surrogate") from None
    if size > MAX_KEY_BYTES:
        raise InvalidKey(f"key {_show(key)} has {size:,} bytes, more than {MAX_KEY_BYTES:,}: use a shorter one")


def _check_part(part: str, key: str) -> None:
    if part == "":
        where = "starts with '/'" if key.startswith("/") else "has an empty part"
        raise InvalidKey(f"key {_show(key)} {where}: write it as 'folder/name'")
    if part in (".", ".."):
        raise InvalidKey(
            f"key {_show(key)} has the part {part!r}, which could leave the log directory: name the folder"
        )
    if len(part.encode()) > MAX_NAME_BYTES:
        raise InvalidKey(f"key {_show(key)} has a name longer than {MAX_NAME_BYTES} bytes: use a shorter one")
    if part.lower().startswith(PRIVATE):
        raise InvalidKey(f"key {_show(key)} has a name that starts with {PRIVATE!r}, which is reserved: rename it")
    if part[-1] in ". ":
        raise InvalidKey(f"key {_show(key)} has a name that ends in {part[-1]!r}, which Windows drops: rename it")
    if _DEVICE.match(part):
        raise InvalidKey(f"key {_show(key)} has the name {part!r}, which is a device on Windows: rename it")


def _show(key: object) -> str:
    text = ascii(key)
    return text if len(text) <= 80 else f"{text[:60]}...{text[-10:]}"


def join(prefix: str, *parts: str | os.PathLike[str]) -> str:
    """Join a prefix and parts of a key, and check the result.

    A leading `/` of the first part means the root instead of the prefix.

    >>> join("me/exp-1", "figures", "0004.png")
    'me/exp-1/figures/0004.png'
    >>> join("me/exp-1", "/you/exp-2/metrics.pkl")
    'you/exp-2/metrics.pkl'
    """
    texts = [text(part) for part in parts]
    if texts and texts[0].startswith("/"):
        if texts[0].startswith("//"):
            raise InvalidKey(f"key {_show(texts[0])} starts with '//', a path of the host: keys stay below the root")
        prefix, texts[0] = "", texts[0][1:]
    return check("/".join([prefix, *texts] if prefix else texts))


def prefix(*parts: str) -> str:
    """Join the parts of a prefix; slashes at either end of a part do not count, and no parts give the root, `""`.

    >>> prefix("me/", "exp-1")
    'me/exp-1'
    """
    stripped = [part for part in (text(part).strip("/") for part in parts) if part]
    return check("/".join(stripped)) if stripped else ""


def within(key: str, folder: str) -> bool:
    """Tell whether a key is a folder or lies below it; everything lies below the root, `""`.

    >>> within("me/exp-1/metrics.pkl", "me/exp-1"), within("me/exp-10/metrics.pkl", "me/exp-1")
    (True, False)
    """
    return not folder or key == folder or key.startswith(f"{folder}/")


def text(part: object) -> str:
    """Return a part of a key as text.

    Raises:
        InvalidKey: neither a str nor a Path.
    """
    found = part.__fspath__() if hasattr(part, "__fspath__") else part
    if not isinstance(found, str):
        raise InvalidKey(f"a part of a key is a str or a Path, not {type(part).__name__}: {_show(part)}")
    return found


def suffix(key: str) -> str:
    """Return the suffix of a key in lower case, with its dot; `""` when it has none.

    >>> suffix("figures/Curve.PNG")
    '.png'
    """
    name = key.rpartition("/")[2]
    stem, dot, end = name.rpartition(".")
    return f".{end.lower()}" if dot and stem else ""


def pattern(query: str) -> re.Pattern[str]:
    """Compile a glob over keys: `*` and `?` within a name, `**` over any number of folders, `[abc]` a set.

    >>> bool(pattern("**/metrics.pkl").fullmatch("a/b/metrics.pkl")), bool(pattern("*.pkl").fullmatch("a/b.pkl"))
    (True, False)
    """
    parts: list[str] = []
    for part in query.split("/"):
        if part == "**":
            # Runs of ** mean the same as one; many of them would make matching exponential.
            if parts[-1:] != ["(?:[^/]+/)*"]:
                parts.append("(?:[^/]+/)*")
        else:
            parts.append(_name_pattern(part) + "/")
    text = "".join(parts)
    # A final ** matches everything below, files at any depth.
    text = text[: -len("(?:[^/]+/)*")] + ".+" if text.endswith("(?:[^/]+/)*") else text[:-1]
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise InvalidKey(f"glob {_show(query)} cannot be understood: {error}") from None


def _name_pattern(part: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(part):
        char = part[at]
        at += 1
        close = part.find("]", at + 1) if char == "[" else -1
        if char == "*":
            if out[-1:] != ["[^/]*"]:
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif close > 0:
            chars = part[at:close].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
            out.append(f"[^/{chars[1:]}]" if chars.startswith("!") else f"[{chars}]")
            at = close + 1
        else:
            out.append(re.escape(char))
    return "".join(out)


def literal(key: str) -> str:
    """Return the glob that matches one key and nothing else.

    >>> literal("a[1]/b*.png")
    'a[[]1]/b[*].png'
    """
    return "".join(f"[{char}]" if char in "*?[" else char for char in key)


def literal_folder(query: str) -> str:
    """Return the folder that every match of a glob lies in: the parts before the first with a wildcard.

    >>> literal_folder("me/exp-1/images/*/0004.png")
    'me/exp-1/images'
    """
    folders = query.split("/")[:-1]
    wild = next((n for n, part in enumerate(folders) if re.search(r"[*?\[]", part)), len(folders))
    return "/".join(folders[:wild])
