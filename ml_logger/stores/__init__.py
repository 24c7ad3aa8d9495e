"""Stores: places for bytes under keys. `open_store` finds the right one for a log directory."""

from __future__ import annotations

from pathlib import Path

from ml_logger import config
from ml_logger.stores.base import Store
from ml_logger.stores.local import Boundaries, LocalStore


def open_store(root: str, token: str | None, boundaries: Boundaries) -> Store:
    """Open the store of a log directory: a server for an http(s) address, else a folder.

    Where no token is given, a server gets that of the settings.

    Raises:
        InvalidRoot: an address that names no server.
        InvalidSetting: a token that cannot be sent, or certificates that cannot be read.
    """
    if "://" in root:
        return _open_remote(root, token)
    return LocalStore(Path(root), boundaries)


def _open_remote(url: str, token: str | None) -> Store:
    # Imported here: a run that logs to disk needs none of it.
    from ml_logger.stores.remote import Limits, RemoteStore
    from ml_logger.transport.http import transport_to
    from ml_logger.transport.spools import spools_of

    transport = transport_to(url, token)
    limits = Limits(
        linger=config.get("ML_LOGGER_LINGER"),
        exit_timeout=config.get("ML_LOGGER_EXIT_TIMEOUT"),
        exit_silence=config.get("ML_LOGGER_EXIT_SILENCE"),
    )
    return RemoteStore(transport, spools_of(transport.url), limits)
