"""The sender: carries one spool to its server, retries for ever, forgets only what was acknowledged."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from ml_logger.errors import Refused, ServerUnavailable
from ml_logger.notices import amount, notice, plural
from ml_logger.stores.base import Deadline, Progress
from ml_logger.transport import frames, protocol
from ml_logger.transport.batches import Batch
from ml_logger.transport.http import HttpTransport
from ml_logger.transport.outage import FIRST_DELAY, Outage
from ml_logger.transport.spool import Spool
from ml_logger.transport.wire import MEANWHILE_EVERY, Reply, catalog_of, number_of

#: After a batch of so many frames the stream is busy, and the linger is so many times as long: each request takes the
#: interpreter from the training. The first record after a pause waits so many seconds, for what is logged with it.
BUSY, BUSY_LINGER, MOMENT = 25, 4, 0.005
#: A batch is made so large that its request takes about so many seconds, but no smaller than so many bytes: on a slow
#: line a large one would run into a time limit, and never arrive.
REQUEST_SECONDS, SMALLEST_BATCH = 5.0, 64 * 2**10


class Sender:
    """One request in flight, frames in their order, until the spool is empty.

    Args:
        spool: what to send.
        transport: where to.
        linger: seconds between an answer and the next batch, in which records gather.
    """

    def __init__(self, spool: Spool, transport: HttpTransport, linger: float) -> None:
        self.spool = spool
        #: Which numbers are settled.
        self.progress = Progress()
        #: The thread that sends, see `start`.
        self.thread: threading.Thread | None = None
        self.idle = False
        self.outage = Outage(transport)
        self.rejected = 0
        self.last_answer = -1.0
        self._transport = transport
        self._linger = linger
        self._is_own = not spool.last
        self._hurry_to = 0
        # Not an Event: setting one from a signal handler that has interrupted just that waits for itself for ever.
        self._pokes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopped = False
        self._limit = protocol.BATCH_SIZE
        self._last_count = 0
        self._started_over = False
        #: Called about every second while something is waited for, for whoever shows how far it is.
        self.meanwhile: Callable[[], object] = int

    def start(self) -> None:
        """Send in a thread from now on; where none can be had, `thread` stays None."""
        thread = threading.Thread(target=self.run, name="ml-logger-sender", daemon=True)
        # Noted before it is started: a signal handler that logs meanwhile must not start another one. It may have done
        # so while this one was made: two would send the same records, each as if it were alone.
        self.thread = self.thread or thread
        if self.thread is thread:
            try:
                thread.start()
            except RuntimeError:
                self.thread = None  # too many threads

    def run(self) -> None:
        """Send until `stop` is called, then close the spool: the body of the sender's thread."""
        try:
            while not self._stopped:
                if not self._pending():
                    self._wait_for_work()
                    continue
                if self.spool.acknowledged >= self._hurry_to:
                    self._wait(self._pause())
                self.send_whatever_happens(Deadline(None))
        finally:
            self.spool.close()
            self._transport.close()

    def send_whatever_happens(self, deadline: Deadline) -> bool:
        """Do what `send_pending` does, and try again whatever goes wrong in it: for threads that nobody watches."""
        while True:
            try:
                return self.send_pending(deadline)
            except Exception as error:  # a thread that dies would keep everything behind it, and nobody would know
                self._wait(self.outage.add(f"sending to {self._transport.url} failed: {type(error).__name__}: {error}"))
            if self._stopped or deadline.passed():
                return False

    def _pause(self) -> float:
        if not 0 < self._last_count < BUSY:  # of the first batch, too: what a run before us has left goes before it
            return self._linger * (BUSY_LINGER if self._last_count else 1)
        return max(min(MOMENT, self._linger), self.last_answer + self._linger - time.monotonic())

    def _pending(self) -> bool:
        return self.spool.last > self.spool.acknowledged

    def _wait_for_work(self) -> None:
        self.idle = True  # from here on `append` pokes us; looked at once more, for what came just before
        if not self._pending() and not self._stopped:
            self._pokes.get()
        self.idle = False
        self._forget_pokes()

    def _wait(self, seconds: float) -> None:
        deadline = Deadline(seconds)
        while not self._stopped:
            try:
                self._pokes.get(timeout=min(deadline.left() or 0.0, MEANWHILE_EVERY))
            except queue.Empty:
                self._look_after()
                if not deadline.passed():
                    continue
            self._forget_pokes()
            return

    def _look_after(self) -> None:
        self.spool.secure()
        self.meanwhile()

    def _forget_pokes(self) -> None:
        while not self._pokes.empty():
            self._pokes.get()

    def poke(self) -> None:
        """Wake the sender up: there is something to send, or a reason to try again now."""
        self._pokes.put(None)

    def hurry(self) -> None:
        """Send all that is there now without lingering; somebody waits for it."""
        self._hurry_to = self.spool.last
        self._pokes.put(None)

    def stop(self) -> None:
        """Make `run` return soon; what is unsent stays in the spool."""
        self._stopped = True
        self._pokes.put(None)

    def send_pending(self, deadline: Deadline) -> bool:
        """Send what is there now; return False when the deadline passed, or `stop` was called, before it was done."""
        target = self.spool.last
        while self.spool.acknowledged < target and not self._stopped:
            if deadline.passed():
                return False
            batch = self.spool.batch(self._limit)
            if batch is None:
                self._skip_missing(target)
                continue
            if batch.first != self.spool.acknowledged + 1:
                self._start_over(batch.first)
                continue
            delay = self._send(batch, deadline)
            if delay:
                left = deadline.left()
                self._wait(delay if left is None else min(delay, left))
        return self.spool.acknowledged >= target

    def _send(self, batch: Batch, deadline: Deadline) -> float:
        """Send one batch, and return for how long to wait before the next."""
        body = batch.data if not self.spool.base else frames.renumber(batch.data, self.spool.base)
        left = deadline.left()
        timeout = self._transport.timeout if left is None else max(0.05, min(self._transport.timeout, left))
        self._look_after()
        started = time.monotonic()
        try:
            reply = self._transport.post_batch(self.spool.writer, body, timeout, self._look_after)
        except ServerUnavailable as error:
            self._limit = max(SMALLEST_BATCH, self._limit // 2)
            return self.outage.add(str(error))
        self.last_answer = time.monotonic()
        if reply.status == 200:
            self._fit_limit(len(body), self.last_answer - started)
            return self._accepted(batch, reply)
        if reply.status == 409 and "expected" in reply.body:
            return self._expected(batch, reply)
        if reply.status in (408, 413) and len(batch.stops) > 1:
            self._limit = max(1, self._limit // 2)
        if reply.status == 400 and self._go_around_damage(batch):
            return 0.0
        reason = reply.body.get("error") or "this is no ml-logger server, or something stands before it"
        said = f"{self._transport.url} answered {reply.status}: {self._transport.said(reason)}"
        self.outage.denied = reply.status in (401, 403)
        if self.outage.denied:
            self.outage.deny(said)
        return self.outage.add(said, reply.retry_after)

    def _fit_limit(self, size: int, seconds: float) -> None:
        wanted = REQUEST_SECONDS * size / max(seconds, 1e-6) if seconds > REQUEST_SECONDS else 2.0 * self._limit
        self._limit = min(protocol.BATCH_SIZE, max(SMALLEST_BATCH, int(wanted)))

    def _accepted(self, batch: Batch, reply: Reply) -> float:
        try:
            catalog, committed = catalog_of(reply.body["catalog"]), number_of(reply.body["committed"]) + self.spool.base
            refusals = [
                (number_of(refusal["seq"]) + self.spool.base, str(refusal["error"]))
                for refusal in reply.body.get("rejected", [])
            ]
            # A spool that was adopted may have lost its end in a power loss: then the server does have more.
            if self._is_own and committed > self.spool.last:
                raise ValueError("more than there is")
        except (TypeError, ValueError, KeyError):
            return self._nonsense(reply)
        if committed < batch.first:
            return self.outage.add(f"{self._transport.url} acknowledged nothing of what it was sent")
        seq = min(committed, batch.last)  # more of it may have arrived, in a larger batch whose answer did not
        for number, reason in refusals:
            self._reject(batch, number, reason)
        self.outage.end()
        self._started_over = False
        self.spool.remember_catalog(catalog)
        self.spool.acknowledge(batch, seq)
        self._last_count = len(batch.stops)
        self.progress.advance(seq)
        return 0.0

    def _nonsense(self, reply: Reply) -> float:
        return self.outage.add(f"{self._transport.url} answered nonsense: {self._transport.said(reply.body)}")

    def _reject(self, batch: Batch, seq: int, reason: str) -> None:
        if not batch.first <= seq <= batch.last or seq in self.progress.refused:
            return
        reason = self._transport.said(reason)
        self.progress.refused[seq] = Refused(f"{self._transport.url} refused record {seq} for good: {reason}")
        self.spool.reject(batch, seq, reason)
        self.rejected += 1
        if self.rejected == 1:
            where = f"; it is kept in {self.spool.folder.parent / 'rejected'}" if self.spool.folder else ""
            notice(f"{self._transport.url} refused a record for good: {reason}{where}")

    def _expected(self, batch: Batch, reply: Reply) -> float:
        """Go where the server says it is, or start over where its memory of this writer is another or too old."""
        try:
            seq = number_of(reply.body["expected"]) + self.spool.base
            catalog = catalog_of(reply.body.get("catalog"))
        except (TypeError, ValueError):
            return self._nonsense(reply)
        forgotten = bool(self.spool.catalog) and catalog != self.spool.catalog
        if not (forgotten or seq > batch.last or seq < self.spool.first_available()):
            self.spool.rewind(seq)
            return FIRST_DELAY if seq == batch.first else 0.0
        if self._started_over:
            return self.outage.add(f"{self._transport.url} contradicts itself: it expects a record that it never had")
        # What another memory has acknowledged may well be in the files: sent again it would be there twice.
        self._start_over(batch.first)
        return 0.0

    def _go_around_damage(self, batch: Batch) -> bool:
        """Find a frame that our own disk has damaged: send those before it, then leave it out."""
        start = 0
        for number, stop in enumerate(batch.stops):
            if not frames.is_whole(batch.data, frames.Span(start, stop, batch.first + number)):
                break
            start = stop
        else:
            return False  # it was damaged on the way: sent again it arrives
        if start:
            self._limit = start
        else:
            self._start_over(batch.first + 1)
        return True

    def _start_over(self, first: int) -> None:
        forgotten = first - 1 - self.spool.base
        notice(
            f"{self._transport.url} may miss {forgotten:,} records that went before record {first:,} of this run: its "
            "data folder or catalog was replaced, or the spool was damaged; going on with what was never acknowledged"
        )
        self.spool.start_over(first)
        self._started_over = True
        self.progress.advance(first - 1)

    def _skip_missing(self, target: int) -> None:
        # Frames with numbers but no bytes: their file was damaged or deleted under us.
        self._start_over(target + 1)

    def say_unsent(self, unsent: int, size: int, in_memory: int) -> None:
        """Tell what a writer that is closed leaves behind: how many records and bytes, and what is lost."""
        url = self._transport.url
        error = self.outage.error
        to = f"{url} ({error.removeprefix(f'{url} ')})" if error else url
        if in_memory:
            notice(
                f"lost, as the spool took no more and memory was all they had: the last {plural(in_memory, 'record')} "
                f"for {to}"
            )
        if unsent > in_memory:
            notice(
                f"not sent yet: {plural(unsent - in_memory, 'record')} ({amount(size)}) for {to}. "
                f"What is unsent is safe in {self.spool.folder}, and goes out with the next program that logs to "
                "this server, or with: ml-logger push"
            )
