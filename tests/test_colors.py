"""Color: a value, its color and its format."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

from ml_logger import colors
from ml_logger.colors import Color, ms, paint, percent, sec


@pytest.mark.parametrize(
    ("text", "expected"),
    [(percent(0.85), "85.0%"), (percent(1), "100.0%"), (ms(0.0123), "12.3ms"), (sec(1.23), "1.2s"), (sec(60), "60.0s")],
)
def test_formats(text: str, expected: str) -> None:
    """The ready-made formatters print what their docstrings say."""
    assert text == expected


@pytest.mark.parametrize("name", ["default", "red", "green", "gray", "grey", "yellow", "brown"])
def test_named_functions(name: str) -> None:
    """Each named function makes a Color of its own name, with an optional formatter."""
    make = getattr(colors, name)

    assert make(0.5) == Color(0.5, name)
    assert make(0.5, percent).text() == "50.0%"


def test_attributes_and_repr() -> None:
    """A Color shows the value, color and formatter it was made of, and has no other attributes."""
    color = Color(0.85, "yellow", percent)

    assert (color.value, color.color, color.formatter) == (0.85, "yellow", percent)
    assert repr(color) == "Color(0.85, 'yellow', percent)"
    assert [repr(Color(1)), repr(Color(1, "red"))] == ["Color(1)", "Color(1, 'red')"]
    with pytest.raises(AttributeError):
        color.other = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("bad", ["yelow", "", "RED", 3, ["red"]])
def test_unknown_color(bad: object) -> None:
    """An unknown color is refused where the Color is made, and the error lists the known ones."""
    with pytest.raises(ValueError, match=r"unknown color .*green.*yellow"):
        Color(1, bad)  # type: ignore[arg-type]


def test_nested() -> None:
    """A Color around a Color holds the plain value; what the outer one leaves open comes from the inner one."""
    assert Color(Color(0.5, "red", percent)) == Color(0.5, "red", percent)
    assert Color(Color(0.5, "red", percent), "green", ms) == Color(0.5, "green", ms)
    assert colors.default(colors.red(1)).color == "default"


def test_equality() -> None:
    """Colors compare by value, color and formatter, whatever the value is, and can be keys."""
    array = np.zeros(3)

    assert Color(1, "red") == Color(1, "red")
    assert Color(1, "red") != Color(1, "green")
    assert Color(1) != 1
    assert Color(array) == Color(array)
    assert Color(array) != Color(np.zeros(3))
    assert len({Color([1], "red"), Color([1], "red")}) == 1


def test_copies() -> None:
    """A Color survives pickling and copying."""
    color = Color([1], "red", percent)

    assert pickle.loads(pickle.dumps(color)) == copy.deepcopy(color) == color


def test_broken_formatter() -> None:
    """A formatter that fails falls back to str, and one that returns no string is made one."""
    assert Color("text", None, percent).text() == "text"
    assert Color(0.5, None, lambda v: 7).text() == "7"  # type: ignore[arg-type, return-value]
    assert f"{Color(0.5, None, percent)}" == "50.0%"


def test_paint() -> None:
    """Painting adds the ANSI codes of the color and a reset; no color adds nothing."""
    assert paint("x", "yellow") == "\x1b[33mx\x1b[0m"
    assert paint("x", "gray") == paint("x", "grey") == "\x1b[90mx\x1b[0m"
    assert paint("x", "brown") == "\x1b[33m\x1b[2mx\x1b[0m"
    assert paint("x", None) == paint("x", "default") == "x"
    assert paint("", "red") == ""


@pytest.mark.parametrize("name", sorted(colors._PALETTE))
def test_every_color_paints(name: str) -> None:
    """Every known name can be painted with the installed termcolor."""
    assert paint("x", name).endswith("mx\x1b[0m")


def test_termcolor_comes_late() -> None:
    """Making Colors and printing them without color imports no termcolor."""
    code = "import sys, ml_logger.colors as c; c.paint(str(c.red(1)), None); sys.exit('termcolor' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)
