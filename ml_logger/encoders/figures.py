"""Figures of matplotlib to the bytes of every format that it writes."""

from __future__ import annotations

import gzip
import io
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ml_logger.errors import UnsupportedFormat, UnsupportedValue

# What has no date, and so is the same whenever it is written.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": "matplotlib"},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "ps": {"Creator": "matplotlib"},
    "eps": {"Creator": "matplotlib"},
}
_POSTSCRIPT_DATE = re.compile(rb"^%%CreationDate: .*\n", re.MULTILINE)


def encode(fig: object | None, suffix: str, **savefig_kw: Any) -> bytes:
    """Draw a figure in the format of a suffix, with its dot or without: .png .pdf .svg .jpg .eps and others.

    `fig` is a Figure, something that belongs to one (an Axes, a seaborn grid), or None for the current figure of
    pyplot. The keywords go to `Figure.savefig`; a `metadata` among them is added to ours. Needs no display, shows
    nothing, leaves the backend and rcParams alone. The same figure gives the same bytes.

    Raises UnsupportedFormat, which lists what matplotlib writes, and UnsupportedValue for what is no figure, or where
    there is no current one.
    """
    figure = _figure(fig)
    supported = figure.canvas.get_supported_filetypes()
    name = suffix.lower().lstrip(".")
    if name not in supported:
        raise UnsupportedFormat(f"matplotlib cannot write {suffix!r}: pass one of {', '.join(sorted(supported))}")
    written = "svg" if name == "svgz" else name  # matplotlib's own svgz has the time in it
    if written in _METADATA:
        given: Mapping[str, Any] = savefig_kw.pop("metadata", None) or {}
        savefig_kw["metadata"] = {**_METADATA[written], **given}
    buffer = io.BytesIO()
    with _salted() if written == "svg" else _nothing():
        figure.savefig(buffer, format=written, **savefig_kw)
    data = buffer.getvalue()
    if written in ("ps", "eps"):
        data = _POSTSCRIPT_DATE.sub(b"", data, count=1)
    return gzip.compress(data, mtime=0) if name == "svgz" else data


def close(fig: object | None = None) -> None:
    """Close a figure, or the current one, so that pyplot no longer keeps it in memory."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and (fig is not None or pyplot.get_fignums()):
        pyplot.close(_figure(fig))


def _figure(fig: Any) -> Any:
    """Find the figure that is meant."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if fig is None or (pyplot is not None and fig is pyplot):
        # Without pyplot there is no current figure; gcf() would open a new one, and perhaps a window.
        if pyplot is None or not pyplot.get_fignums():
            raise UnsupportedValue("there is no current figure: draw one first, or pass fig=")
        return pyplot.gcf()
    found, owner = fig, None
    while found is not None and found is not owner:  # an Axes belongs to a SubFigure, which belongs to a Figure
        if callable(getattr(found, "savefig", None)) and hasattr(found, "canvas"):
            return found
        owner, found = found, getattr(found, "figure", None)
    kind = f"{type(fig).__module__}.{type(fig).__qualname__}"
    raise UnsupportedValue(f"a {kind} is no figure of matplotlib: pass a Figure, an Axes, or None for the current one")


@contextmanager
def _salted() -> Iterator[None]:
    """Make the ids in an SVG the same each time, unless the user has a salt of their own.

    Only this one parameter is touched and put back: `rc_context` would also put back what another thread changed
    meanwhile.
    """
    from matplotlib import rcParams

    before = rcParams["svg.hashsalt"]
    if before is None:
        rcParams["svg.hashsalt"] = "ml-logger"
    try:
        yield
    finally:
        if before is None:
            rcParams["svg.hashsalt"] = None


@contextmanager
def _nothing() -> Iterator[None]:
    yield
