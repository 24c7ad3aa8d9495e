"""Follow a file of rows: each row once, in its order, as soon as it is whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ml_logger import config
from ml_logger.errors import InvalidSetting, KeyNotFound, ServerUnavailable
from ml_logger.notices import notice
from ml_logger.stores.base import Deadline, Store

if TYPE_CHECKING:
    from ml_logger.columns.decoder import Decoder

#: The last bytes that were read: as long as they are still there, the file is the same.
LAST = 4096


def follow(store: Store, key: str, *, poll: float, timeout: float | None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, those that are there and those that come.

    Args:
        store: where it is.
        key: which file; it may not be there yet.
        poll: seconds between two looks.
        timeout: seconds without a new row after which it is over; None for never.

    Raises:
        InvalidSetting: poll or timeout is no time to wait.
        ServerUnavailable: the server cannot be reached at the first look; later ones are made again.
        UntrustedData: a row names a class outside the audited list.
        CorruptData: a row is larger than `ML_LOGGER_MAX_PICKLE`.
    """
    if not poll > 0 or (timeout is not None and not timeout >= 0):
        raise InvalidSetting(
            f"poll={poll!r} and timeout={timeout!r} are seconds: pass a poll above 0, no timeout below"
        )
    return _rows(Follower(store, key), poll, timeout)


def _rows(follower: Follower, poll: float, timeout: float | None) -> Iterator[dict[str, Any]]:
    deadline, reached, told = Deadline(timeout), False, False
    while True:
        try:
            for row in follower.look():
                yield row
                deadline = Deadline(timeout)  # from when it was taken: what is done with it does not count
            reached, told = True, False
        except ServerUnavailable as error:
            if not reached:
                raise
            if not told:
                notice(f"{error}; still following {follower.key!r}")
            told = True
        if deadline.passed():
            return
        left = deadline.left()
        time.sleep(poll if left is None else min(poll, left))


class Follower:
    """One file that is followed: how far it was read, and what is not a whole row yet."""

    def __init__(self, store: Store, key: str) -> None:
        self.key = key
        self._store = store
        self._begin()

    def _begin(self) -> None:
        self._decoder = _decoder(self.key)
        self._read = 0  # bytes that the decoder has got
        self._last = b""  # the last of them
        self._seen: tuple[int, float] | None = None
        self._others = 0

    def look(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that have come since the last look; of a file that is another one now, all."""
        try:
            _, *seen = self._store.stat(self.key)
            if tuple(seen) == self._seen:
                return
            if seen[0] < self._read or not self._is_same():
                self._begin()
            for piece in self._store.stream(self.key, self._read):
                self._decoder.feed(piece)
                self._read += len(piece)
                self._last = (self._last + piece[-LAST:])[-LAST:]
                yield from self._decoder.take().iter_rows()
            self._seen = (int(seen[0]), seen[1])
            self._tell_others()
        except KeyNotFound:  # not yet, or no more: what comes then is another file
            self._begin()

    def _is_same(self) -> bool:
        """Tell whether the bytes that were read last are still there."""
        return self._store.read(self.key, self._read - len(self._last), self._read) == self._last

    def _tell_others(self) -> None:
        from ml_logger.columns.decoder import warn_of_others

        more, self._others = self._decoder.others - self._others, self._decoder.others
        if more:
            warn_of_others(self.key, more, 2)


def _decoder(key: str) -> Decoder:
    from ml_logger.columns.decoder import Decoder
    from ml_logger.encoders.audited import AUDITED
    from ml_logger.encoders.unpickle_late import settle

    return Decoder(names=AUDITED, settle=settle, name=key, most=config.get("ML_LOGGER_MAX_PICKLE"))
