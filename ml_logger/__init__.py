"""ML-Logger: log machine-learning training to disk or to a server, with the same calls.

What a call has written is on disk when it returns (a row is written when its step is over); it arrives exactly once and
in order; it comes back at full resolution; and nobody's bytes are ever executed.
"""

from typing import TYPE_CHECKING

from ml_logger import compat
from ml_logger.colors import Color, brown, default, gray, green, grey, ms, percent, red, sec, yellow
from ml_logger.compat import memoize, metrify, pJoin
from ml_logger.facade import ML_Logger
from ml_logger.timers import now
from ml_logger.version import __version__

logger = ML_Logger()
"""The logger of this process: zero configuration, logs to `./runs` until `configure` says otherwise."""


if TYPE_CHECKING:
    USER: str
    ROOT: str
else:

    def __getattr__(name: str) -> str:
        """Return `USER` and `ROOT`, which are looked up when they are asked for; `compat` says what else is."""
        return compat.setting(name)


__all__ = [
    "Color",
    "ML_Logger",
    "__version__",
    "brown",
    "default",
    "gray",
    "green",
    "grey",
    "logger",
    "memoize",
    "metrify",
    "ms",
    "now",
    "pJoin",
    "percent",
    "red",
    "sec",
    "yellow",
]
