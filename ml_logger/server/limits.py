"""What a server takes at most. The figures are in the table of settings; `docs/server.rst` tells what each is for."""

from __future__ import annotations

from typing import NamedTuple

from ml_logger import config


class Limits(NamedTuple):
    """The limits of one server: each field is a setting, `ML_LOGGER_` and its name in capitals.

    Fields:
        max_head, max_url: bytes of the head of a request, and of the address in it.
        max_headers: lines of the head behind the first.
        head_timeout: seconds in which the head must have come, from its first byte.
        idle_timeout: seconds that a connection stays open without a request, or for the rest of a body that was
            answered unread.
        body_timeout: seconds in which a small body, or the beginning of a large one, must have come.
    """

    max_head: int
    max_url: int
    max_headers: int
    head_timeout: float
    idle_timeout: float
    body_timeout: float


#: What holds where no setting says otherwise.
DEFAULT = Limits._make(config.SETTINGS[f"ML_LOGGER_{name.upper()}"].default for name in Limits._fields)


def from_settings() -> Limits:
    """Return the limits that the environment names.

    Raises:
        InvalidSetting: one of them makes no sense.
    """
    return Limits._make(config.get(f"ML_LOGGER_{name.upper()}") for name in Limits._fields)
