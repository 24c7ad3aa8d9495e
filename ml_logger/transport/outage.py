"""What goes wrong between a sender and its server: kept, said once, and the pause before the next attempt."""

from __future__ import annotations

import random
import time

from ml_logger.notices import notice
from ml_logger.transport.http import HttpTransport

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
#: An outage is announced when it has lasted this long, in seconds: a restarting server is no news.
PATIENCE = 1.0


class Outage:
    """The failures of a sender since its server last took something.

    Args:
        transport: the way to the server; it knows what was said already, by others who send to it, too.
    """

    def __init__(self, transport: HttpTransport) -> None:
        self.error: str | None = None
        self.denied = False
        self._transport = transport
        self._since: float | None = None
        self._announced = False
        self._denial = ""
        self._failures = 0

    def add(self, error: str, retry_after: float | None = None) -> float:
        """Take in that an attempt has failed; return for how many seconds to wait before the next."""
        now = time.monotonic()
        self.error = error
        self._failures += 1
        if self._since is None:
            self._since = now
        if now - self._since >= PATIENCE and not self._announced:
            self._announced = True
            notice(f"{error}; records are kept, and sent as soon as it takes them")
        if retry_after is not None:
            return min(retry_after, LONGEST_DELAY)
        # Full jitter over an exponential ceiling: clients of a restarted server come back spread out, not at once.
        ceiling = min(LONGEST_DELAY, FIRST_DELAY * float(2 ** min(self._failures - 1, 10)))
        return random.uniform(0.5, 1.0) * ceiling  # nosec B311 # it spreads clients, and hides nothing

    def deny(self, said: str) -> None:
        """Say at once that we are not let in: once for all who send to this server, however often they try."""
        first = self._transport.told.setdefault(said, self)  # in one step: two threads may be turned away together
        if said != self._denial and first is self:
            notice(f"{said}; records are kept, and sent once that is mended")
        self._denial, self._announced = said, True

    def end(self) -> None:
        """Say that the server takes records again, where it was said that it does not."""
        if self._transport.told.pop(self._denial, None) is not None:
            self._transport.told.clear()
            notice(f"{self._transport.url} lets us in again: records are being sent")
        elif self._announced and not self._denial:
            notice(f"{self._transport.url} is back: records are being sent again")
        self.error, self._since, self._announced, self._failures = None, None, False, 0
        self.denied, self._denial = False, ""
