"""Keys: relative paths below the log directory that cannot leave it and that every file system can hold."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from ml_logger.errors import InvalidKey

#: The folder for our own bookkeeping, below the root; no key reaches it.
PRIVATE = ".ml_logger"

MAX_KEY_BYTES = 1024
MAX_NAME_BYTES = 255
MAX_DEPTH = 64

#: Wildcards, and characters, of one glob: the longest key has no more when each of its characters is a set.
MAX_STARS, MAX_GLOB = 100, 4096

#: Controls, what turns the direction of text around, and what nobody sees; not the joiners, which emoji need.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
#: Looks like a separator, and becomes one where names are folded: fraction, division, set minus, small and wide.
_SEPARATOR = re.compile(r"[\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c]")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:[.:]|$)", re.IGNORECASE)
_SET = re.compile(r"\[[^/][^/\]]*\]")
#: On NTFS `a::$DATA` is the file `a`, and `ML_LOG~1` may be the short name of our own folder.
_STREAM = re.compile(r":\$\w+$")


@lru_cache(maxsize=4096)
def check(key: str) -> str:
    """Return the key in its one spelling, Unicode's NFC, if it is one; else say what is wrong with it.

    >>> check("me/exp-1/metrics.pkl")
    'me/exp-1/metrics.pkl'

    Raises:
        InvalidKey: empty, absolute, with an empty, `.` or `..` part, with control characters, backslashes or what looks
            like a slash, not encodable as UTF-8, too long, too deep, or a name that some file system reserves or takes
            for another one.
    """
    if not isinstance(key, str):
        raise InvalidKey(f"a key is a str, not {type(key).__name__}: {_show(key)}")
    if not key:
        raise InvalidKey("the key is empty: pass a relative path such as 'metrics.pkl'")
    key = normal(key)
    _check_length(key)
    control = _CONTROL.search(key)
    if control:
        raise InvalidKey(f"key {_show(key)} holds the control character {control[0]!r}: leave it out")
    if "\\" in key:
        raise InvalidKey(f"key {_show(key)} holds a backslash: separate folders with '/'")
    separator = None if key.isascii() else _SEPARATOR.search(key)
    if separator:
        name = unicodedata.name(separator[0]).lower()
        raise InvalidKey(f"key {_show(key)} holds a {name}, which only looks like a separator: use '/' or '-'")
    parts = key.split("/")
    if len(parts[0]) == 2 and parts[0][1] == ":" and parts[0][0].isalpha():
        raise InvalidKey(f"key {_show(key)} starts with {parts[0]!r}, a drive on Windows: use a relative path")
    if len(parts) > MAX_DEPTH:
        raise InvalidKey(f"key {_show(key)} has {len(parts)} parts, more than {MAX_DEPTH}: use fewer folders")
    for part in parts:
        _check_part(part, key)
    return key


def normal(text: str) -> str:
    """Return the one spelling of a text: Unicode's NFC. All names of files go through here, on either side of the wire.

    >>> normal("u\\u0308ber") == "\\xfcber"
    True
    """
    if text.isascii() or len(text) > 4 * MAX_KEY_BYTES:  # no key, and long runs of marks would take long to sort
        return text
    return unicodedata.normalize("NFC", text)


def _folded(part: str) -> str:
    # As file systems compare that see no case, no width, and no characters without a width.
    if part.isascii():
        return part.lower()
    wide = unicodedata.normalize("NFKC", part)
    return "".join(char for char in wide if unicodedata.category(char) != "Cf").casefold()


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
    folded = _folded(part)
    if folded in (".", ".."):
        raise InvalidKey(
            f"key {_show(key)} has the part {part!r}, which could leave the log directory: name the folder"
        )
    if len(part.encode()) > MAX_NAME_BYTES:
        raise InvalidKey(f"key {_show(key)} has a name longer than {MAX_NAME_BYTES} bytes: use a shorter one")
    if folded.startswith(PRIVATE) or (folded.startswith("ml_log~") and folded[7:8].isdigit()):
        raise InvalidKey(f"key {_show(key)} has a name that starts with {PRIVATE!r}, which is reserved: rename it")
    if part[-1] in ". ":
        raise InvalidKey(f"key {_show(key)} has a name that ends in {part[-1]!r}, which Windows drops: rename it")
    if ":$" in part and _STREAM.search(part):
        raise InvalidKey(f"key {_show(key)} has the name {part!r}, which is a stream on Windows: rename it")
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

    What follows a star is matched as early as it can be, and not looked for again: so the time that matching takes
    grows with the lengths, and not with their powers.

    >>> bool(pattern("**/metrics.pkl").fullmatch("a/b/metrics.pkl")), bool(pattern("*.pkl").fullmatch("a/b.pkl"))
    (True, False)

    Raises:
        InvalidKey: a set with its ends the wrong way round, the part `..`, more than `MAX_STARS` wildcards, or more
            than `MAX_GLOB` characters.
    """
    if len(query) > MAX_GLOB:
        raise InvalidKey(
            f"glob {_show(query)} has {len(query):,} characters, more than {MAX_GLOB:,}: use a shorter one"
        )
    query = normal(query)
    if _SET.sub("", query).count("*") > MAX_STARS:
        raise InvalidKey(f"glob {_show(query)} has more than {MAX_STARS} wildcards: use fewer")
    # Runs of ** mean the same as one: what is between them are groups of names, the first and the last at the ends.
    groups: list[list[str]] = [[]]
    for part in query.split("/"):
        if part == "..":
            raise InvalidKey(
                f"glob {_show(query)} has the part '..', which could leave the log directory: leave it out"
            )
        if part != "**":
            groups[-1].append(part)
        elif groups[-1] or len(groups) == 1:
            groups.append([])
    numbers = itertools.count()
    first, *middle = ["".join(f"{_name_pattern(part, numbers)}/" for part in group) for group in groups]
    # A final ** matches everything below, files at any depth.
    last = middle.pop() if middle else None
    text = first + "".join(_soonest(f"(?:[^/]+/)*?{group}", numbers) for group in middle)
    text = first[:-1] if last is None else text + (f"(?:[^/]+/)*{last[:-1]}" if last else ".+")
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise InvalidKey(f"glob {_show(query)} cannot be understood: {error}") from None


def _soonest(text: str, numbers: Iterator[int]) -> str:
    # What a look-ahead has found is not gone back into: an atomic group, which Python has from 3.11 on only.
    name = f"g{next(numbers)}"
    return f"(?=(?P<{name}>{text}))(?P={name})"


def _name_pattern(part: str, numbers: Iterator[int]) -> str:
    pieces = [""]  # what is between the stars
    at = 0
    while at < len(part):
        char = part[at]
        at += 1
        close = part.find("]", at + 1) if char == "[" else -1
        if char == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
        elif char == "?":
            pieces[-1] += "[^/]"
        elif close > 0:
            chars = part[at:close]
            pieces[-1] += f"[^/{_set(chars[1:])}]" if chars.startswith("!") else f"[{_set(chars)}]"
            at = close + 1
        else:
            pieces[-1] += re.escape(char)
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(_soonest(f"[^/]*?{piece}", numbers) for piece in middle) + f"[^/]*{last}"


def _set(chars: str) -> str:
    # Each by itself: of two that follow each other, as in `a--b`, Python warns that they will mean something else.
    found, at = "", 0
    while at < len(chars):
        is_range = chars[at + 1 : at + 2] == "-" and at + 2 < len(chars)
        found += re.escape(chars[at]) + (f"-{re.escape(chars[at + 2])}" if is_range else "")
        at += 3 if is_range else 1
    return found


def check_apart(source: str, target: str) -> tuple[str, str]:
    """Check two keys of which one is moved or copied to the other, and return them in their one spelling.

    Raises:
        InvalidKey: one is none, they are the same, or one lies within the other.
    """
    source, target = check(source), check(target)
    if source == target or target.startswith(f"{source}/") or source.startswith(f"{target}/"):
        raise InvalidKey(f"{source!r} cannot be put in the place of {target!r}: one lies within the other")
    return source, target


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
