"""Figures of matplotlib in every format it writes."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ml_logger.encoders import figures
from ml_logger.errors import UnsupportedFormat, UnsupportedValue

MAGIC = {
    ".png": b"\x89PNG",
    ".pdf": b"%PDF",
    ".svg": b"<?xml",
    ".svgz": b"\x1f\x8b",
    ".ps": b"%!PS-Adobe",
    ".eps": b"%!PS-Adobe",
    ".jpg": b"\xff\xd8",
    ".jpeg": b"\xff\xd8",
    ".tif": b"II*",
    ".tiff": b"II*",
    ".webp": b"RIFF",
}


def draw(dpi: float = 100) -> Figure:
    """A figure with what has ids and clip paths in an SVG."""
    figure = Figure(figsize=(3, 2), dpi=dpi)
    axes = figure.add_subplot()
    axes.plot([1, 3, 2], "o-", label="loss")
    axes.imshow([[0, 1], [2, 3]])
    axes.set_title("a curve")
    axes.legend()
    return figure


@pytest.fixture
def plt() -> Iterator[Any]:
    """pyplot without a figure, on a backend without a window."""
    from matplotlib import pyplot

    before = matplotlib.get_backend()
    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")
    pyplot.switch_backend(before)


@pytest.mark.parametrize("suffix", MAGIC)
@pytest.mark.filterwarnings("ignore:The PostScript backend")
def test_formats(suffix: str) -> None:
    """Each format begins as its files do, and the same figure gives the same bytes, drawn anew or again."""
    figure = draw()
    data = figures.encode(figure, suffix)

    assert data.startswith(MAGIC[suffix])
    assert data == figures.encode(figure, suffix) == figures.encode(draw(), suffix.upper().lstrip("."))


@pytest.mark.parametrize("suffix", ["pdf", "svg", "svgz", "ps", "eps", "png"])
def test_no_dates(suffix: str) -> None:
    """Two processes at two dates write the same bytes."""
    code = (
        "import sys; from matplotlib.figure import Figure; from ml_logger.encoders import figures;"
        "f = Figure(); f.add_subplot().plot([1, 2]); sys.stdout.buffer.write(figures.encode(f, sys.argv[1]))"
    )
    dates = ({"SOURCE_DATE_EPOCH": "0"}, {"SOURCE_DATE_EPOCH": "1700000000"})
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code, suffix], env=os.environ | date, check=True, stdout=subprocess.PIPE
        ).stdout
        for date in dates
    )

    assert first == second
    assert b"Date" not in (gzip.decompress(first) if suffix == "svgz" else first)


def test_pixels() -> None:
    """The picture has the size that was asked for, and shows what matplotlib itself would write."""
    mine = np.asarray(Image.open(io.BytesIO(figures.encode(draw(), ".png", dpi=50))))
    buffer = io.BytesIO()
    draw().savefig(buffer, format="png", dpi=50)

    assert mine.shape == (100, 150, 4)
    assert np.array_equal(mine, np.asarray(Image.open(buffer)))


def test_options() -> None:
    """Keywords go to matplotlib; metadata of the user's is added to ours."""
    plain = Image.open(io.BytesIO(figures.encode(draw(), "png", facecolor="red")))
    noted = Image.open(io.BytesIO(figures.encode(draw(), "png", metadata={"Author": "me"})))

    assert plain.getpixel((0, 0)) == (255, 0, 0, 255)
    assert noted.info["Author"] == "me"
    assert b"<dc:date>" not in figures.encode(draw(), "svg", metadata={"Title": "x"})


@pytest.mark.parametrize("suffix", [".xyz", "", ".mp4"])
def test_unknown_format(suffix: str) -> None:
    """A format that matplotlib lacks is refused with the list of those it has."""
    with pytest.raises(UnsupportedFormat, match=r"eps, .*pdf, .*png, .*svg"):
        figures.encode(draw(), suffix)


@pytest.mark.parametrize("value", [3, "figure", object(), Figure, [1, 2]])
def test_no_figure(value: object) -> None:
    """What is no figure is refused, with what to pass."""
    with pytest.raises(UnsupportedValue, match="pass a Figure, an Axes, or None"):
        figures.encode(value, ".png")


def test_owners(plt: Any) -> None:
    """An Axes, also of a subfigure, pyplot itself, and an object with a figure stand for their figure."""
    figure = plt.figure()
    left, _ = figure.subfigures(1, 2)
    axes = left.add_subplot()
    axes.plot([1, 2])

    class Grid:
        def __init__(self) -> None:
            self.figure = figure

        def savefig(self) -> None:
            """As a grid of seaborn has."""

    expected = figures.encode(figure, "png")
    assert all(figures.encode(one, "png") == expected for one in (axes, left, plt, Grid()))


def test_current_figure(plt: Any) -> None:
    """None is the current figure of pyplot; without one, no new one is opened."""
    with pytest.raises(UnsupportedValue, match="no current figure"):
        figures.encode(None, "png")
    assert plt.get_fignums() == []

    plt.plot([1, 2])
    assert figures.encode(None, "png") == figures.encode(plt.gcf(), "png")


def test_no_pyplot() -> None:
    """Drawing a figure imports no pyplot, needs no display, and chooses no backend."""
    code = (
        "import sys; from matplotlib.figure import Figure; from ml_logger.encoders import figures;"
        "f = Figure(); f.add_subplot().plot([1, 2]); assert figures.encode(f, 'png'); figures.close(f)\n"
        "import matplotlib; assert dict.__getitem__(matplotlib.rcParams, 'backend') is "
        "matplotlib.rcsetup._auto_backend_sentinel\n"
        "try: figures.encode(None, 'png')\n"
        "except TypeError: pass\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "MPLBACKEND")}

    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_settings_stay(suffix: str, plt: Any) -> None:
    """The backend, rcParams and the figure are as they were, also where drawing fails; a salt of the user's is used."""
    plt.plot([1, 2])
    before, backend, size = dict(matplotlib.rcParams), matplotlib.get_backend(), plt.gcf().get_size_inches().tolist()
    figures.encode(None, suffix, dpi=37, bbox_inches="tight")
    with pytest.raises(TypeError):
        figures.encode(None, suffix, dpi="wrong")

    assert dict(matplotlib.rcParams) == before
    assert (matplotlib.get_backend(), plt.gcf().get_size_inches().tolist(), plt.gcf().dpi) == (backend, size, 100)


def test_own_salt() -> None:
    """A salt that the user has set is the one that is used."""
    with matplotlib.rc_context({"svg.hashsalt": "mine"}):
        salted = figures.encode(draw(), "svg")

    assert salted != figures.encode(draw(), "svg")


def test_close(plt: Any) -> None:
    """Closing takes a figure out of pyplot: the one given, or the current one; what is not there is no error."""
    first, second = plt.figure(), plt.figure()
    figures.close(first)
    assert plt.get_fignums() == [second.number]
    figures.close()
    figures.close()
    figures.close(draw())
    assert plt.get_fignums() == []
