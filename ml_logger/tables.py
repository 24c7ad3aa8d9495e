"""Mappings to box-drawing tables for a terminal; what a terminal would obey rather than print is escaped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from ml_logger.colors import Color, paint
from ml_logger.notices import safe

METRIC_KEY, METRIC_VALUE = 20, 20  # columns, at least
PARAMETER_KEY, PARAMETER_VALUE = 30, 20
LONGEST = 200  # columns of a cell, at most

_SGR = re.compile(r"(\x1b\[[0-9;:]*m)")
_RESET = "\x1b[0m"
_RESETS = {_RESET, "\x1b[m"}


class Cell(NamedTuple):
    """A text that is safe to print, and the columns it takes."""

    text: str
    width: int


class Section(NamedTuple):
    """A namespace of parameters: its title, if it has one, and its rows of a key and a value."""

    title: Cell | None
    rows: list[tuple[Cell, Cell]]


# ------------------------------------------------------------------------------------------------------- the tables


def metrics_table(values: Mapping[str, object], *, colored: bool) -> str:
    """Draw the metrics of one step: a centered box, underscores as spaces, no newline at the end.

    Both columns grow to their longest cell. Colors are ANSI codes with `colored`, and dropped without. An empty mapping
    gives an empty string.
    """
    if not values:
        return ""
    rows = [(_cell(_text(k).replace("_", " "), colored), _value(v, colored, _number)) for k, v in values.items()]
    left = max(METRIC_KEY, *(key.width for key, _ in rows))
    right = max(METRIC_VALUE, *(value.width for _, value in rows))
    lines = [f"│{_center(key, left)}│{_center(value, right)}│" for key, value in rows]
    top = f"╒{'═' * left}╤{'═' * right}╕\n"
    between = f"\n├{'─' * left}┼{'─' * right}┤\n"
    bottom = f"\n╘{'═' * left}╧{'═' * right}╛"
    return top + between.join(lines) + bottom


def parameters_table(namespaces: Mapping[str, Mapping[str, object] | object], *, colored: bool) -> str:
    """Draw namespaces of parameters one below the other, no newline at the end.

    The column of the keys grows to the longest of all namespaces; a long value runs over the right edge. Single values
    that follow each other form a section without a title. An empty mapping gives an empty string.
    """
    if not namespaces:
        return ""
    sections = list(_sections(namespaces, colored))
    widths = [section.title.width for section in sections if section.title]
    widths += [key.width for section in sections for key, _ in section.rows]
    left = max(PARAMETER_KEY, *widths)
    lines = [_rule("═", "╤" if sections[0].title is None else "═", left)]
    for number, section in enumerate(sections):
        if section.title is not None:
            lines.append(_center(section.title, left))
        if section.title is not None or number > 0:
            lines.append(_rule("─", "┬", left))
        lines += [f"{_center(key, left)} │ {_pad(value, PARAMETER_VALUE)}" for key, value in section.rows]
        lines.append(_rule("═", "╧", left))
    return "\n".join(lines)


def _sections(namespaces: Mapping[str, object], colored: bool) -> Iterator[Section]:
    """Make cells of the namespaces; the single values between two mappings become one section."""
    for titled, group in groupby(namespaces.items(), key=lambda item: isinstance(item[1], Mapping)):
        if not titled:
            yield Section(None, [(_cell(_text(k), colored), _value(v, colored, _text)) for k, v in group])
            continue
        for title, content in group:
            assert isinstance(content, Mapping)
            rows = [(_cell(_text(k), colored), _value(v, colored, _text)) for k, v in content.items()]
            yield Section(_cell(_text(title), colored), rows)


def _rule(line: str, cross: str, left: int) -> str:
    return line * (left + 1) + cross + line * (PARAMETER_VALUE + 1)


def _center(cell: Cell, width: int) -> str:
    """Center a cell; an odd space goes to the right."""
    space = max(0, width - cell.width)
    return " " * (space // 2) + cell.text + " " * (space - space // 2)


def _pad(cell: Cell, width: int) -> str:
    return cell.text + " " * (width - cell.width)


# ------------------------------------------------------------------------------------------------- values to strings


def _value(value: object, colored: bool, fallback: Callable[[object], str]) -> Cell:
    """Make the cell of a value, painted where it is a Color."""
    if not isinstance(value, Color):
        return _cell(fallback(value), colored)
    text = value.text(fallback)
    if not colored or value.color in (None, "default"):
        return _cell(text, colored)
    cell = _cell(text, False)  # a reset inside would end our color
    return Cell(paint(cell.text, value.color), cell.width)


def _number(value: object) -> str:
    """Shorten a float with a long repr to 6 significant digits."""
    if not isinstance(value, float):
        value = _scalar(value)
    if not isinstance(value, float):
        return _text(value)
    text = float.__repr__(value)  # numpy's float64 is a float with a repr of its own
    return text if len(text) <= 10 else f"{float(value):.6g}"


def _scalar(value: object) -> object:
    """Turn the scalar of an array library, an array without dimensions, into a Python number."""
    try:
        return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
    except Exception:  # a tensor without data, say
        return value


def _text(value: object) -> str:
    """Make a string of any object, also of one that cannot print itself."""
    try:
        return str(value)
    except Exception:  # a broken __str__ of the user's must not stop the training
        return f"<{type(value).__name__}>"


# ----------------------------------------------------------------------------------------------------- safe to print


def _cell(text: str, colored: bool) -> Cell:
    """Escape, measure and cut a text; colors in it are kept with `colored`, and end with the cell."""
    if len(text) <= LONGEST and text.isascii() and text.isprintable():
        return Cell(text, len(text))
    cut = len(text) > 16 * LONGEST  # before any work that grows with the length
    pieces: list[str] = []
    width, kept = 0, (0, 0)  # kept: the pieces and the columns that leave room for the mark of a cut
    for piece, is_code in _pieces(text[: 16 * LONGEST]):
        if is_code:
            pieces += [piece] * colored
            continue
        if width + _width(piece) > LONGEST:
            cut = True
            break
        pieces.append(piece)
        width += _width(piece)
        if width < LONGEST:
            kept = (len(pieces), width)
    if cut:
        pieces, width = [*pieces[: kept[0]], "…"], kept[1] + 1
    codes = [piece for piece in pieces if piece.startswith("\x1b")]
    end = _RESET if codes and codes[-1] not in _RESETS else ""
    return Cell("".join(pieces) + end, width)


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Split a text into color codes (True) and characters that are safe to print (False)."""
    for number, part in enumerate(_SGR.split(text)):
        if number % 2:
            yield part, True
        else:
            yield from ((safe(character), False) for character in part)


def _width(piece: str) -> int:
    """Count the columns that a character takes, or an escape of several."""
    if len(piece) > 1 or piece.isascii():
        return len(piece)
    if unicodedata.category(piece) in ("Mn", "Me", "Cf") or "\u1160" <= piece <= "\u11ff":
        return int(piece == "\xad")  # a soft hyphen is drawn; marks and joiners sit on the character before them
    return 2 if unicodedata.east_asian_width(piece) in "WF" else 1
