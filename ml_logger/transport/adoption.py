"""Adoption: what processes that are gone have left unsent is sent by the next one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from ml_logger.stores.base import Deadline
from ml_logger.transport.http import HttpTransport
from ml_logger.transport.sender import Sender
from ml_logger.transport.spool import Spool
from ml_logger.transport.spools import Spools

#: How often somebody who waits looks whether the server is still silent, in seconds.
_GLANCE = 0.1


class Adoption:
    """Sends the dead spools of one server, oldest first, in a thread of its own.

    Args:
        spools: the spools of the server.
        transport: the way to it.
        report: called with the number of records and of bytes of each spool that was emptied.
        meanwhile: called every now and then with the numbers of records and bytes of the spool that are left.
    """

    def __init__(
        self,
        spools: Spools,
        transport: HttpTransport,
        report: Callable[[int, int], object] | None = None,
        meanwhile: Callable[[int, int], object] | None = None,
    ) -> None:
        self._spools = spools
        self._transport = transport
        self._report = report
        self._meanwhile = meanwhile
        self._thread: threading.Thread | None = None
        self._sender: Sender | None = None
        self._stopped = False
        self.why = ""

    def start(self) -> None:
        """Begin, if there is anything; where no thread can be had, the next process will."""
        if not self._spools.folders():
            return
        thread = threading.Thread(target=self.run, name="ml-logger-adoption", daemon=True)
        try:
            thread.start()
            self._thread = thread
        except RuntimeError:
            pass  # the interpreter is shutting down, or there are too many threads

    def run(self, deadline: Deadline | None = None) -> bool:
        """Send all dead spools; return False when the deadline passed, or `stop` was called, before that."""
        for folder in self._spools.folders():
            if self._stopped:
                return False
            spool = self._spools.adopt(folder)
            if spool is None:
                continue
            records, size = spool.unsent()
            sender = self._sender = Sender(spool, self._transport, linger=0.0)
            if self._stopped:  # while the spool was adopted: nobody has told the sender
                sender.stop()
            if self._meanwhile is not None:
                sender.meanwhile = partial(_tell, self._meanwhile, spool)
            try:
                done = sender.send_whatever_happens(deadline or Deadline(None))
                self.why = sender.outage.error or ""
            finally:
                self._sender = None
                spool.close()
                self._transport.close()
            if not done:
                return False
            if self._report is not None:
                self._report(records, size)
        return True

    def wait(self, deadline: Deadline, silence: float) -> None:
        """Wait for the end, at most until the deadline, and at most `silence` seconds for a server that is silent."""
        thread, started = self._thread, time.monotonic()
        while thread is not None and thread.is_alive() and not deadline.passed():
            sender = self._sender
            answered = max(started, sender.last_answer if sender is not None else started)
            if time.monotonic() >= answered + silence:
                return
            thread.join(min(_GLANCE, deadline.left() or _GLANCE))

    def stop(self) -> None:
        """Make the thread end soon; what it has not sent stays where it is."""
        self._stopped = True
        sender = self._sender
        if sender is not None:
            sender.stop()

    @property
    def is_denied(self) -> bool:
        """Whether the server, just now, did not take the token."""
        sender = self._sender
        return sender is not None and sender.outage.denied

    def poke(self) -> None:
        """Try again now, if it waits."""
        sender = self._sender
        if sender is not None:
            sender.poke()

    def abandon(self) -> None:
        """Forget all of it, in the child of a fork, where the thread does not exist."""
        sender, self._sender, self._thread = self._sender, None, None
        if sender is not None:
            sender.spool.abandon()


def _tell(meanwhile: Callable[[int, int], object], spool: Spool) -> None:
    meanwhile(*spool.unsent())
