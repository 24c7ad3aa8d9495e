"""What a server takes at most. The figures are in the table of settings; `docs/server.rst` tells what each is for."""

from __future__ import annotations

from typing import NamedTuple

from ml_logger import config
from ml_logger.errors import InvalidSetting
from ml_logger.settings import SETTINGS
from ml_logger.transport import frames


class Limits(NamedTuple):
    """The limits of one server: each field is a setting, `ML_LOGGER_` and its name in capitals.

    Fields:
        max_body: bytes of a body.
        max_batch_files: files that one batch touches; what is behind them waits for the next one.
        max_entries: files on one page of a listing.
        max_series: bytes of columns that are held for the dashboard.
        max_connections: open connections.
        max_in_flight: requests of one client that are worked on at a time.
        max_head, max_url: bytes of the head of a request, and of the address in it.
        max_headers: lines of the head behind the first.
        head_timeout: seconds in which the head must have come, from its first byte.
        idle_timeout: seconds that a connection stays open without a request, or for the rest of a body that was
            answered unread.
        body_timeout: seconds in which a small body, or the beginning of a large one, must have come.
    """

    max_body: int
    max_batch_files: int
    max_entries: int
    max_series: int
    max_connections: int
    max_in_flight: int
    max_head: int
    max_url: int
    max_headers: int
    head_timeout: float
    idle_timeout: float
    body_timeout: float


#: What holds where no setting says otherwise.
DEFAULT = Limits._make(SETTINGS[f"ML_LOGGER_{name.upper()}"].default for name in Limits._fields)


def from_settings() -> Limits:
    """Return the limits that the environment names.

    Raises:
        InvalidSetting: one of them makes no sense.
    """
    found = Limits._make(config.get(f"ML_LOGGER_{name.upper()}") for name in Limits._fields)
    if found.max_body < frames.MAX_FRAME:
        raise InvalidSetting(
            f"ML_LOGGER_MAX_BODY allows bodies of {found.max_body:,} bytes, but one frame may have "
            f"{frames.MAX_FRAME:,}, and could never arrive: set it to 5 or more (MiB)"
        )
    return found
