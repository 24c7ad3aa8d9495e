"""Lines to the person at the terminal: one place, so that saying something can never break the training."""

from __future__ import annotations

import sys


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


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "record"), plural(1200, "record")
    ('1 record', '1,200 records')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
