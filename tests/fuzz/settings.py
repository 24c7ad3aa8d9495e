"""Settings: whatever the environment holds, a setting has a value, or InvalidSetting tells which one makes no sense."""

from __future__ import annotations

import os

from ml_logger import config
from ml_logger.errors import InvalidRoot, InvalidSetting
from ml_logger.server import limits
from ml_logger.transport.http import check_url
from tests.fuzz.inputs import Cut, text_of

NAMES = sorted(config.SETTINGS)


def seeds() -> list[bytes]:
    """Return values for each setting."""
    values = [
        b"1",
        b"inf",
        b"-1",
        b"nan",
        b"1e400",
        b"all",
        b"0,1",
        b"never",
        b"\xd9\xa3",
        b"http://host:1/p?q",
        b"$HOME",
    ]
    return [bytes([number]) + value for number in range(len(NAMES)) for value in values]


def target(data: bytes) -> None:
    """Set a variable of ours, and read it; then read the same text as an address, and as a template."""
    cut = Cut(data)
    name, text = cut.choice(NAMES), text_of(cut.rest()).replace("\0", "")
    before = os.environ.get(name)
    try:
        os.environ[name] = text
    except UnicodeEncodeError:
        return
    try:
        config.get(name)
        limits.from_settings()
    except InvalidSetting as error:
        assert "ML_LOGGER_" in str(error) or name in str(error)
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
    for read, refusal in ((config.expand, InvalidSetting), (check_url, InvalidRoot)):
        try:
            read(text)
        except refusal:
            pass
