"""A value with a color and a format, for the tables that the logger prints."""

from __future__ import annotations

from collections.abc import Callable

from ml_logger.errors import InvalidSetting

Formatter = Callable[..., str]

# Our names -> the name and the attributes that termcolor knows. Plain "grey" of termcolor is black on old releases, and
# invisible on a dark terminal; brown is what dim yellow looks like.
_PALETTE: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: (name, ()) for name in ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")},
    **{f"light_{name}": (f"light_{name}", ()) for name in ("red", "green", "yellow", "blue", "magenta", "cyan")},
    **{name: ("dark_grey", ()) for name in ("gray", "grey", "dark_gray", "dark_grey")},
    **{name: ("light_grey", ()) for name in ("light_gray", "light_grey")},
    "brown": ("yellow", ("dark",)),
}


class Color:
    """Hold a value together with how a table prints it.

    `color` is one of the names that `paint` knows, or None for no color; anything else raises InvalidSetting (a
    ValueError). `formatter` makes the value a string. A Color around a Color is one Color of the plain value: what the
    outer one leaves open comes from the inner one.
    """

    __slots__ = ("color", "formatter", "value")

    def __init__(self, value: object, color: str | None = None, formatter: Formatter | None = None) -> None:
        inner = value if isinstance(value, Color) else None
        self.value: object = inner.value if inner else value
        self.color: str | None = _known(inner.color if inner and color is None else color)
        self.formatter: Formatter | None = inner.formatter if inner and formatter is None else formatter

    def text(self, fallback: Callable[[object], str] = str) -> str:
        """Format the value with the formatter; with `fallback` where there is none, or it fails."""
        if self.formatter is not None:
            try:
                return str(self.formatter(self.value))
            except Exception:  # nosec B110 # a broken format of the user's must not stop the training
                pass
        return fallback(self.value)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        parts = [repr(self.value)]
        if self.color is not None or self.formatter is not None:
            parts.append(repr(self.color))
        if self.formatter is not None:
            parts.append(getattr(self.formatter, "__name__", repr(self.formatter)))
        return f"Color({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Color):
            return NotImplemented
        if (self.color, self.formatter) != (other.color, other.formatter):
            return False
        if self.value is other.value:
            return True
        try:
            return bool(self.value == other.value)
        except (ValueError, TypeError, RuntimeError):  # arrays and tensors have no single truth
            return False

    def __hash__(self) -> int:
        return hash(self.color)  # the value may be unhashable, an array say


def _known(color: str | None) -> str | None:
    """Check that a color is one of those that can be printed."""
    if color is None or color == "default" or (isinstance(color, str) and color in _PALETTE):
        return color
    raise InvalidSetting(f"unknown color {color!r}: pass one of default, {', '.join(sorted(_PALETTE))}, or None")


def paint(text: str, color: str | None) -> str:
    """Put the ANSI codes of a color around a text; None and "default" leave it as it is."""
    color = _known(color)
    if not text or color is None or color == "default":
        return text
    from termcolor import ATTRIBUTES, COLORS, RESET

    # termcolor.colored() asks the environment and the terminal; here the caller has decided already.
    name, attributes = _PALETTE[color]
    codes = [COLORS[name], *(ATTRIBUTES[attribute] for attribute in attributes)]
    return "".join(f"\x1b[{code}m" for code in codes) + text + RESET


def percent(v: float) -> str:
    """Format a ratio as a percentage: 0.85 is `85.0%`."""
    return f"{v * 100:.1f}%"


def ms(v: float) -> str:
    """Format seconds as milliseconds: 0.0123 is `12.3ms`."""
    return f"{v * 1000:.1f}ms"


def sec(v: float) -> str:
    """Format seconds: 1.23 is `1.2s`."""
    return f"{v:.1f}s"


def default(value: object, formatter: Formatter | None = None) -> Color:
    """Print a value in the terminal's own color."""
    return Color(value, "default", formatter)


def red(value: object, formatter: Formatter | None = None) -> Color:
    """Print a value in red."""
    return Color(value, "red", formatter)


def green(value: object, formatter: Formatter | None = None) -> Color:
    """Print a value in green."""
    return Color(value, "green", formatter)


def gray(value: object, formatter: Formatter | None = None) -> Color:
    """Print a value in gray."""
    return Color(value, "gray", formatter)


def grey(value: object, formatter: Formatter | None = None) -> Color:
    """Print a value in gray, by its British name."""
    return Color(value, "grey", formatter)


def yellow(value: object, formatter: Formatter | None = None) -> Color:
    """Print a value in yellow."""
    return Color(value, "yellow", formatter)


def brown(value: object, formatter: Formatter | None = None) -> Color:
    """Print a value in brown, which is dim yellow."""
    return Color(value, "brown", formatter)
