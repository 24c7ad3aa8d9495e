"""What one page watches, and what it knows of it: each step tells what is new, and what was told is not told again.

Nothing is queued: a page that reads slowly is told later, and then all at once.
"""

from __future__ import annotations

import json
import os
import stat
import struct
import time
from collections.abc import Callable, Generator, Iterable
from itertools import product
from typing import Any, NamedTuple

from ml_logger import keys
from ml_logger.dashboard.curves import columns_of
from ml_logger.dashboard.index import Index
from ml_logger.dashboard.known import Which
from ml_logger.dashboard.news import Line, encoded, line_of
from ml_logger.dashboard.places import METRICS, Stamp
from ml_logger.dashboard.rows import Rows
from ml_logger.dashboard.shelf import Shelf, file_of
from ml_logger.errors import CorruptData, StorageFailed

#: What a message holds: JSON, or series.
JSON_KIND, SERIES_KIND = 74, 83
_HEAD = struct.Struct("<IB")

#: Runs, names of metrics, and files that one page may watch, and series in all.
MOST_RUNS, MOST_KEYS, MOST_XS, MOST_FILES, MOST_SERIES = 10_000, 1000, 16, 1000, 100_000
#: Seconds between two tellings of runs.
RUNS_EVERY = 0.25
#: Bytes that one step tells, about, and the runs that it looks at and lines that it makes: some 20 ms of work, told by
#: no clock, since each step would tell less the more others have the processor.
READY, WORK = 2**18, 128
#: Lines of one message, about.
MOST_LINES = 64
#: New rows of a run that are told one by one: of more it is said that they are to be asked for.
MOST_ROWS = 20_000


class TooMuch(CorruptData):
    """More is watched than one page may."""


class Question(NamedTuple):
    """What a page watches.

    Fields:
        version: that of the index which the page has; None where it has none.
        keys, xs: names of metrics, and what they are drawn over.
        runs: of which runs, and how many rows of each are known.
        files: keys of files, and of folders whose entries are watched.
    """

    version: str | None
    keys: list[str]
    xs: list[str]
    runs: dict[str, int]
    files: list[str]

    def touched(self) -> list[str]:
        """Return the keys that are read."""
        return [*(file_of(run) for run in self.runs), *self.files]


def question_of(asked: dict[str, Any]) -> Question:
    """Return what an object asks to watch.

    Raises:
        CorruptData: it asks nothing that can be watched.
        TooMuch: it asks for too much.
        InvalidKey: one of its keys is none.
    """
    version, watch, files = asked.get("runs"), asked.get("watch", {}), asked.get("files", [])
    if type(version) not in (str, type(None)) or type(watch) is not dict:
        raise CorruptData("runs is a version or null, and watch an object")
    names, xs, runs = watch.get("keys", []), watch.get("xs", [""]), watch.get("runs", {})
    if any(type(each) is not list or not all(type(text) is str for text in each) for each in (names, xs, files)):
        raise CorruptData("keys, xs and files are lists of texts")
    if type(runs) is not dict or not all(type(rows) is int and 0 <= rows < 2**53 for rows in runs.values()):
        raise CorruptData("watch.runs is an object: how many rows are known of each run")
    names, xs, files = ([*dict.fromkeys(each)] for each in (names, xs, files))
    for what, count, most in (
        ("runs", len(runs), MOST_RUNS),
        ("keys", len(names), MOST_KEYS),
        ("xs", len(xs), MOST_XS),
        ("files", len(files), MOST_FILES),
        ("series", len(runs) * len(names) * len(xs), MOST_SERIES),
    ):
        if count > most:
            raise TooMuch(f"{count:,} {what} are watched: a page watches at most {most:,}")
    known = {run and keys.check(run): rows for run, rows in runs.items()}
    return Question(version, names, xs, known, [keys.check(key) for key in files])


def packed(kind: int, body: bytes) -> bytes:
    """Return a message."""
    return _HEAD.pack(len(body), kind) + body


def told(**message: Any) -> bytes:
    """Return a message in JSON."""
    return packed(JSON_KIND, json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode())


def _series(lines: list[Line]) -> bytes:
    return packed(SERIES_KIND, encoded(lines))


class _Run:
    """What a page knows of the rows of a run: how many it was told of, up to which of each series, and which ones."""

    __slots__ = ("begin", "lines", "rows", "which")

    def __init__(self, rows: int, which: Which | None = None) -> None:
        self.begin = self.rows = rows
        self.which = which
        self.lines: dict[tuple[str, str], int] = {}


class Stream:
    """One page. `mark` is for the event loop, `step` for one thread at a time.

    Args:
        question: what is watched.
        below: a key: runs beside it are not told of.
        index: the index of runs.
        shelf: where rows are read.
        status: gives the status of a key, and follows no link.
        committed: how much of a file's size is committed.
    """

    def __init__(
        self,
        question: Question,
        below: str,
        index: Index,
        shelf: Shelf,
        status: Callable[[str], os.stat_result],
        committed: Callable[[str, int], int],
    ) -> None:
        self.question = question
        self._below = below
        self._index = index
        self._shelf = shelf
        self._status = status
        self._committed = committed
        self._version, self._number, self._complete = question.version, -1, True
        self._tell_runs_at = 0.0
        self._marked = {*question.files, *map(file_of, question.runs)}
        self._runs = {run: _Run(rows) for run, rows in question.runs.items()}
        self._files: dict[str, Stamp | None] = {}
        self._replaced = {run for run in self._runs if index.replaced_since(run, question.version)}
        self._columns = {name for key, x in product(question.keys, question.xs) for name in columns_of(key, x)}
        self._work: Generator[bytes, None, None] | None = None

    def mark(self, keys: Iterable[str]) -> None:
        """Note that watched files have changed."""
        self._marked.update(keys)

    def due(self) -> float | None:
        """Return when there is something to tell of runs, in seconds of `time.monotonic`; None where there is not."""
        return self._tell_runs_at if self._index.number != self._number else None

    def step(self) -> bytes | None:
        """Return the next messages; none where there may be some in the next step, and None when all is told.

        What tells ends a step with an empty piece.
        """
        pieces, size = [], 0
        if self._work is None:
            self._work = self._tell()
        for piece in self._work:
            pieces.append(piece)
            size += len(piece)
            if not piece or size >= READY:
                return b"".join(pieces)
        self._work = None
        return b"".join(pieces) or None

    def close(self) -> None:
        """Let go of what is under way."""
        if self._work is not None:
            self._work.close()

    def _tell(self) -> Generator[bytes, None, None]:
        yield from self._tell_runs()
        marked: set[str] = set()
        while self._marked:
            marked.add(self._marked.pop())
        files = self._changed_files(marked)
        if files:
            yield told(kind="files", files=files)
        held: list[Line] = []
        work = 0
        for key in marked:
            folder, _, name = key.rpartition("/")
            if name != METRICS or folder not in self._runs:
                continue
            before = len(held)
            yield from self._tell_rows(folder, held)
            work += 1 + len(held) - before
            if held and (len(held) >= MOST_LINES or work >= WORK):
                yield _series(held)
                held = []
            if work >= WORK:
                yield b""
                work = 0
        if held:
            yield _series(held)

    def _tell_runs(self) -> Generator[bytes, None, None]:
        now = time.monotonic()
        if self._index.number == self._number or now < self._tell_runs_at:
            return
        self._tell_runs_at = now + RUNS_EVERY
        news = self._index.since(self._version, self._below)
        self._number = int(news.version.rpartition("-")[2])
        if news or news.complete != self._complete or self._version is None:
            body = b"".join(news.encoded(b'{"kind":"runs",'))
            yield packed(JSON_KIND, body)
        self._version, self._complete = news.version, news.complete

    def _changed_files(self, marked: set[str]) -> dict[str, int | None]:
        """Return the sizes of the watched files that are not what they were."""
        changed: dict[str, int | None] = {}
        for key in self.question.files:
            if key not in marked:
                continue
            stamp = self._look(key)
            if key not in self._files or stamp != self._files[key]:
                changed[key] = None if stamp is None else stamp.size
                self._files[key] = stamp
        return changed

    def _inode(self, run: str) -> int:
        stamp = self._look(file_of(run))
        return -1 if stamp is None else stamp.inode

    def _look(self, key: str) -> Stamp | None:
        try:
            status = self._status(key)
        except OSError:
            return None
        if stat.S_ISDIR(status.st_mode):
            return Stamp.of(status)._replace(size=0)
        if not stat.S_ISREG(status.st_mode):
            return None
        return Stamp.of(status)._replace(size=self._committed(key, status.st_size))

    def _tell_rows(self, run: str, held: list[Line]) -> Generator[bytes, None, None]:
        """Add what is new of a run to the lines that are told; yield that they are others, where they are."""
        known = self._runs[run]
        reading = self._shelf.reading(run, self._columns)
        try:
            while True:
                try:
                    next(reading)
                except StopIteration as done:
                    rows: Rows = done.value
                    break
                yield b""
        except StorageFailed:
            return
        finally:
            reading.close()
        with rows.lock:
            count = rows.rows
            which = known.which
            if which is None or not which.is_of(rows):
                which = Which.of(rows, self._inode(run))
            is_other = run in self._replaced or not (known.which is None or which.continues(known.which))
            if is_other or count < known.rows or count - known.rows > MOST_ROWS:
                self._replaced.discard(run)
                self._runs[run] = _Run(count, which)
                yield told(kind="reset", run=run)
                return
            known.which = which
            for key, x in product(self.question.keys, self.question.xs) if count > known.rows else ():
                line = line_of(rows, run, key, x, known.lines.get((key, x), known.begin))
                if line is not None:
                    known.lines[key, x] = count
                    held.append(line)
            known.rows = count
