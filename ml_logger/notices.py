"""Lines to the person at the terminal: one place, so that saying something can never break the training."""

from __future__ import annotations

import sys
import time
import unicodedata

#: Characters that turn the direction of the text behind them.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Characters of somebody else's text that are shown: a server can send megabytes of it.
LONGEST = 300


def notice(text: str) -> None:
    """Write one line to stderr, whatever state stderr is in."""
    write(sys.stderr, f"ml-logger: {text}\n")


def write(stream: object, text: str) -> None:
    """Write text to a stream that may be missing, closed, full, or unable to hold the characters."""
    try:
        stream.write(text)  # type: ignore[attr-defined]
        stream.flush()  # type: ignore[attr-defined]
    except UnicodeEncodeError:
        encoding = getattr(stream, "encoding", None) or "ascii"
        write(stream, text.encode(encoding, "replace").decode(encoding))
    except (AttributeError, OSError, ValueError):
        pass  # no stream (pythonw), a closed one, or a broken pipe: nobody is there to be told


def printable(text: str) -> str:
    """Return a text of somebody else as a short line that a terminal shows, and does not obey.

    >>> printable("no\x1b[2J room\n")
    'no\\x1b[2J room\\n'
    """
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return shown if shown.isascii() and shown.isprintable() else "".join(map(safe, shown))


def safe(character: str) -> str:
    """Escape a character that moves the cursor, ends the line, turns the text around, or cannot be encoded."""
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI:
        return character.encode("unicode_escape").decode("ascii")
    return character


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "record"), plural(1200, "record")
    ('1 record', '1,200 records')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def amount(size: float) -> str:
    """Return a number of bytes for people.

    >>> amount(17), amount(2_500_000)
    ('17 bytes', '2.4 MiB')
    """
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"


def duration(seconds: float) -> str:
    """Return a time span for people.

    >>> duration(3.2), duration(600), duration(200_000)
    ('3 s', '10 min', '2.3 days')
    """
    for unit, size in (("days", 86400), ("h", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{max(0.0, seconds):.0f} s"


class ProgressLine:
    """A line on stderr that is written over itself: where stderr is a terminal, and once something takes long.

    Args:
        patience: seconds before the first line.
    """

    def __init__(self, patience: float = 1.0) -> None:
        self._begin = time.monotonic() + patience
        self._width = 0

    def show(self, text: str) -> None:
        """Put a text in the place of the one before."""
        if time.monotonic() >= self._begin and is_terminal(sys.stderr):
            write(sys.stderr, f"\rml-logger: {text:{self._width}}")
            self._width = len(text)

    def clear(self) -> None:
        """Leave an empty line."""
        if self._width:
            write(sys.stderr, f"\r{'':{self._width + len('ml-logger: ')}}\r")
            self._width = 0


def is_terminal(stream: object) -> bool:
    """Tell whether a stream is a terminal, whatever state it is in."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False
