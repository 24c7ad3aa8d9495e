"""The committer: the one thread that writes the data folder and its catalog, all batches at hand at a time."""

from __future__ import annotations

import errno
import operator
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future

from ml_logger.notices import notice
from ml_logger.server.appends import Appends
from ml_logger.server.catalog import Catalog
from ml_logger.server.effects import sync_file_system
from ml_logger.server.groups import Answer, Request, Waiting
from ml_logger.server.journal import Journal
from ml_logger.server.recovery import drop_old, rebuild, recover
from ml_logger.server.stage import Stage, touches
from ml_logger.stores.folder import Folder
from ml_logger.stores.ground import identity
from ml_logger.transport.frames import Frame

#: Seconds in which long batches may end when the server stops.
LEAVING = 3.0
#: Most bytes of batches that wait; beyond it clients are asked to come back later.
QUEUE_SIZE = 64 * 2**20
#: After this long without a batch, files are marked clean, in seconds.
IDLE = 1.0
#: And at least this often, in seconds, however much is to be done: what others append must not wait for a quiet night.
TIDY_EVERY = 10.0
#: Seconds between looks for uploads that nobody goes on with, and for what is old in the trash.
LOOK_FOR_UPLOADS = 3600.0
#: After this long without trouble, trouble is news again, in seconds.
QUIET = 60.0
#: Most refusals that one answer tells of.
MOST_REFUSALS = 1000
#: Seconds after which a client that was turned away should come back.
RETRY_AFTER = 1


class Committer:
    """Applies batches exactly once and in order, and answers when they are durable.

    For a batch `[a..b]` and the writer's last committed number `s`: `b <= s` is acknowledged without effect, `a <= s`
    applies `s+1..b`, `a == s+1` applies all, `a > s+1` is answered with the number that is expected.

    Args:
        folder: the data folder.
        catalog: what is committed of it.
        power: whether what is acknowledged must survive a power loss, or only the end of the process.
        fail: called when the disk has failed in a way that only a restart recovers from.
    """

    def __init__(self, folder: Folder, catalog: Catalog, *, power: bool, fail: Callable[[str], object]) -> None:
        # Pinned: no frame of a group goes elsewhere when somebody moves the data folder in the middle of it.
        folder = Folder(folder.root, follow_links=folder.follow_links, pinned=True)
        self._folder = folder
        self._catalog = catalog
        self._power = power
        self._fail = fail
        self.appends = Appends(folder, catalog)
        self.journal = Journal()
        self._waiting = Waiting()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._accepting = True
        self._failed = ""
        self._applied: list[int] = []
        self._guarded: list[str] = []
        self._say_again = 0.0
        self._commits = self._syncs = 0
        self._tidy_at = time.monotonic() + TIDY_EVERY
        self._look_for_uploads = time.monotonic() + LOOK_FOR_UPLOADS
        self._bookkeeping = {path: identity(path) for path in map(folder.private, ("lock", "catalog.db"))}
        rebuild(folder, catalog)
        recover(folder, catalog, self.appends)
        self._stage = self._begin()
        self._thread = threading.Thread(target=self._run, name="ml-logger-committer", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> Future[Answer]:
        """Hand a verified batch over. For any thread; the answer comes when the batch is durable."""
        # A client that goes away cancels its request; what was taken in is committed all the same.
        request.answer.set_running_or_notify_cancel()
        with self._lock:
            if not self._accepting or self._queued_bytes + request.size > QUEUE_SIZE:
                why = "the server is busy" if self._accepting else "the server is shutting down"
                request.answer.set_result(Answer(503, {"error": why}))
                return request.answer
            self._queued_bytes += request.size
            self._waiting.put(request)
        return request.answer

    def counts(self) -> dict[str, int]:
        """Return how often groups were committed since the start, and how often the disk was made to sync for it.

        The syncs are those of files and folders, and, with durability `power`, the one of SQLite in each transaction.
        """
        transactions = self._catalog.transactions if self._power else 0
        return {"commits": self._commits, "syncs": self._syncs + transactions}

    def close(self) -> None:
        """Commit what was accepted, then mark every file clean and close the catalog."""
        with self._lock:
            self._accepting = False
            self._waiting.put(None)
        self._thread.join()
        if not self._failed:
            self._tidy()
        self.appends.close()
        self._catalog.close()
        self._folder.ground.release()

    def _run(self) -> None:
        while True:
            is_idle = not self._waiting.look(IDLE)
            if self._waiting.ended and not self._waiting.has_short():
                self._leave()
                return
            self._go_on()
            if is_idle or time.monotonic() >= self._tidy_at:
                self._tidy()

    def _go_on(self) -> None:
        """Work on long batches: to their end, or, while others wait, for a moment; commit it with the short ones."""
        long = self._waiting.long()
        # Where nothing long waits they are taken at once: what goes wrong before their first frame is theirs to hear.
        short = [] if long else self._waiting.short()
        trouble = self._commit(self._part_of(long, short))
        if short:
            self._end(short, trouble)
        done: list[Request] = []
        left: list[tuple[bool, Request]] = []
        for request in long:
            committed, first = self._catalog.last_seq(request.writer), request.frames[0].seq
            if trouble is None and first <= committed + 1 <= request.frames[-1].seq:
                left.append((committed >= first, request))
            else:
                done.append(request)
        left.sort(key=operator.itemgetter(0))  # those that were not begun are the next ones
        self._waiting.again(request for _, request in left)
        if done:
            self._end(done, trouble)

    def _part_of(self, long: list[Request], short: list[Request]) -> Iterator[tuple[Frame, str]]:
        """Yield frames of long batches while there is time, then those of short ones, taken at that moment."""
        if long:
            since = time.monotonic()
            for frame, writer in self._new_frames(long):
                yield frame, writer
                if self._waiting.want(time.monotonic() - since):
                    break
            short += self._waiting.short()
        yield from self._new_frames(short)

    def _leave(self) -> None:
        """End what is long, if it does not take too long: nobody was told that it is taken."""
        until = time.monotonic() + LEAVING
        while self._waiting.look(0.0) and time.monotonic() < until:
            self._go_on()
        while left := self._waiting.long():
            self._settle(left, Answer(503, {"error": "the server is shutting down"}))

    def _end(self, group: list[Request], trouble: Answer | None) -> None:
        if trouble is not None and len(group) > 1:
            # One that finds no room must not keep out those that would.
            for request in group:
                self._settle([request], self._commit(self._new_frames([request])))
        else:
            self._settle(group, trouble)
        with self._lock:
            self._queued_bytes -= sum(request.size for request in group)

    def _commit(self, frames: Iterable[tuple[Frame, str]]) -> Answer | None:
        """Commit frames of some writers together."""
        try:
            self._check_alive()
            for frame, writer in frames:
                self._add(frame, writer)
            self._finish()
        except Exception as error:  # also mistakes of ours: they must not end the thread and hang every client
            return self._give_up(error)
        return None

    def _new_frames(self, group: list[Request]) -> Iterator[tuple[Frame, str]]:
        """Yield the frames of batches that are not committed yet, and whose they are; none behind a gap."""
        for request in group:
            last = self._stage.last.get(request.writer) or self._catalog.last_seq(request.writer)
            first = request.frames[0].seq
            if first > last + 1:
                continue
            for number in range(last + 1 - first, len(request.frames)):
                yield request.frames[number], request.writer

    def _give_up(self, error: Exception) -> Answer:
        stage, self._stage = self._stage, self._begin()
        try:
            stage.abandon()
            self.appends.shrink()
        except Exception as second:
            error = second
        if not isinstance(error, (OSError, sqlite3.Error)):
            error = RuntimeError(f"{type(error).__name__}: {error}")
        return self._trouble(error)

    def _begin(self) -> Stage:
        return Stage(self._folder, self._catalog, self.appends, power=self._power)

    def _add(self, frame: Frame, writer: str) -> None:
        if self._stage.conflicts(frame, writer):
            self._finish()
        if self._guarded and touches(frame, writer, self._guarded):
            self._clear()
        try:
            self._stage.add(frame, writer)
        except OSError:
            self._finish()  # what was taken in before is good
            raise

    def _finish(self) -> None:
        stage, self._stage = self._stage, self._begin()
        if stage:
            self._applied = stage.commit(self._applied)
            self._guarded = stage.guarded()
            self._commits += 1
            self._syncs += stage.syncs
            if self.journal.is_on:
                self.journal.note(*stage.changed())
        else:
            stage.abandon()
        self.appends.shrink()

    def _clear(self, cleaned: Iterable[str] = ()) -> None:
        """Forget changes of names that are made, durably, so that no recovery makes them again."""
        if self._applied and self._power:
            sync_file_system(self._folder.root)
            self._syncs += 1
        with self._catalog.transaction():
            self._catalog.mark_clean(cleaned)
            self._catalog.clear_intents(self._applied)
        self._applied, self._guarded = [], []

    def _settle(self, group: list[Request], trouble: Answer | None) -> None:
        for request in group:
            try:
                answer = self._answer(request, trouble)
            except Exception as error:  # what is committed is acknowledged when the client comes again
                answer = self._trouble(error)
            request.answer.set_result(answer)

    def _answer(self, request: Request, trouble: Answer | None) -> Answer:
        first, last = request.frames[0].seq, request.frames[-1].seq
        committed = self._catalog.last_seq(request.writer)
        if committed < last:
            if trouble is not None:
                return trouble
            text = f"frame {committed + 1} is expected, not {first}"
            return Answer(409, {"catalog": self._catalog.id, "error": text, "expected": committed + 1})
        refusals = self._catalog.refusals(request.writer, first, last, MOST_REFUSALS + 1)
        if len(refusals) > MOST_REFUSALS:
            # The client comes again for the rest: an answer has its limit, too.
            committed = refusals.pop()[0] - 1
        rejected = [{"seq": seq, "error": reason} for seq, reason in refusals]
        return Answer(200, {"catalog": self._catalog.id, "committed": committed, "rejected": rejected})

    def _trouble(self, error: Exception) -> Answer:
        number = getattr(error, "errno", None)
        full = number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or str(error) == "database or disk is full"
        said = str(error) if getattr(error, "filename", None) else getattr(error, "strerror", None) or error
        text = "the disk of the server is full" if full else f"the server cannot write: {said}"
        now = time.monotonic()
        if now >= self._say_again:
            notice(f"{text}; clients keep their records and try again")
        self._say_again = now + QUIET
        if number == errno.EIO and not self._failed:
            # After a failed sync nobody knows what is on the disk: only recovery from the catalog does.
            self._failed = text
            self._fail(text)
        return Answer(507 if full else 503, {"error": text})

    def _check_alive(self) -> None:
        if self._failed:
            raise OSError(errno.EAGAIN, self._failed)
        self._folder.ground.check()
        for path, known in self._bookkeeping.items():
            if identity(path) != known:
                # Nothing keeps a second server out now, and nothing that is committed would be found again.
                raise OSError(errno.EIO, f"{path} was removed or replaced")

    def _tidy(self) -> None:
        """Forget what is done, and that files were being written: between groups all that they hold is committed."""
        self._tidy_at = time.monotonic() + TIDY_EVERY
        if self._failed:
            return
        try:
            self._check_alive()
            cleaned = self.appends.clean(evicted_only=False)
            if cleaned or self._applied:
                self._clear(cleaned)
            if time.monotonic() >= self._look_for_uploads:
                self._look_for_uploads = time.monotonic() + LOOK_FOR_UPLOADS
                drop_old(self._folder, self._catalog, self.appends)
        except Exception as error:  # nothing may end the thread
            self._trouble(error)
