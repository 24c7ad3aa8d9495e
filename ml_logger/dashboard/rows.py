"""The rows of one run: the columns that are asked for, a summary of all, and how far its file was decoded."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Collection, Generator
from typing import Any, NamedTuple

from ml_logger.columns import portions
from ml_logger.columns.portions import Mark, Source
from ml_logger.columns.segments import Shapes
from ml_logger.columns.table import Columns
from ml_logger.dashboard.few import goes_on, new_rows
from ml_logger.dashboard.series import Series, as_float
from ml_logger.dashboard.summaries import Summaries, Told
from ml_logger.errors import CorruptData, UntrustedData

#: Bytes of a file that are decoded in one step: some milliseconds.
PIECE = 2**21
#: How many times its columns a file has, at most: rows repeat their names.
_LONGER = 4
#: Bytes of the largest row; a length can claim any.
LARGEST = 2**25
#: Bytes that the rows of a run cost beside what they hold, about.
_OWN = 2048
_DONE = object()

#: What opens a file for a reader: a descriptor, its status, and how many bytes are committed.
Opener = Callable[[], tuple[int, os.stat_result, int]]


class Decoding:
    """What all who decode share: the shapes that rows have, which need not be learned for each file, and a count."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.shapes = Shapes()
        self.generations = itertools.count(1)


class Look(NamedTuple):
    """What a file was when it was looked at: one that is the same has nothing new."""

    identity: tuple[int, int]
    length: int
    mtime: int


class Rows:
    """The rows of one run, decoded as far as they were read.

    Several may read at one time: all drive the same decoding, step by step, and none waits for another.

    Args:
        decoding: what is shared.
        most: bytes of columns that are held; a file with more of what is asked for is refused.

    Attributes:
        rows: how many there are.
        generation: another number, and one that no rows have had, when those that were told of are no longer true.
        missing: whether there is no such file.
        refused: why the file was not decoded to its end; empty where it was.
        is_crowded: whether that is only because too many columns were asked for at once.
        lock: held while anything is changed; hold it to work on several series of the same moment.
    """

    def __init__(self, decoding: Decoding, most: int) -> None:
        self.lock = threading.RLock()
        self.generation = next(decoding.generations)
        self._decoding = decoding
        self._most = most
        self._options: Any = {"piece": PIECE, "shapes": decoding.shapes, "most": LARGEST}
        self._work: Generator[None, None, None] | None = None
        self._readers = 0
        self._wanted: set[str] = set()
        self._room = 0
        self._begin_anew()
        self.missing = True

    def _begin_anew(self) -> None:
        self.rows = 0
        self.missing = False
        self.refused = ""
        self.is_crowded = False
        self._summaries = Summaries()
        self._series: dict[str, Series] = {}
        self._mark: Mark | None = None
        self._tail: bytes | None = None  # the bytes before the mark, where few rows were read behind the last one
        self._look: Look | None = None
        self._settled = 0  # rows before the mark; what is behind may yet be something else
        self._settled_summaries: Summaries | None = None
        self.worked_out: dict[object, object] = {}

    def keys(self) -> list[str]:
        """Return the names of all columns, in the order in which they came up."""
        return list(self._summaries)

    def series(self, key: str) -> Series | None:
        """Return a column that was asked for; None where no row has a number in it."""
        return self._series.get(key)

    def summary(self) -> dict[str, Told]:
        """Return the last value and the least and greatest finite number of each column, see `Told`."""
        with self.lock:
            return self._summaries.told()

    @property
    def nbytes(self) -> int:
        """The bytes that are held."""
        with self.lock:
            worked_out = sum(getattr(each, "nbytes", 0) for each in self.worked_out.values())
            return _OWN + worked_out + self._summaries.nbytes + sum(each.nbytes for each in self._series.values())

    def has(self, keys: Collection[str]) -> bool:
        """Tell whether columns are held, as far as the file has them."""
        with self.lock:
            return self._work is None and not self._lacking(keys)

    def reading(self, opener: Opener, keys: Collection[str], *, room: int = 0) -> Generator[None, None, None]:
        """Take in what is new of the file, step by step, and hold the columns that are asked for.

        Args:
            opener: opens the file.
            keys: the columns.
            room: bytes in which all columns are held, before anybody asks, of a file that is read for the first time.

        Raises:
            OSError: the file is there and cannot be read.
        """
        has_looked = False
        with self.lock:
            self._readers += 1
        try:
            while True:
                with self.lock:
                    if self._work is None:
                        if (has_looked and not self._lacking(keys)) or not self._begin(opener, keys, room):
                            return
                        has_looked = True
                    self._step()
                    if self._work is None and self.refused:
                        return
                yield
        finally:
            with self.lock:
                self._readers -= 1
                if not self._readers:
                    self._leave()

    def _step(self) -> None:
        work = self._work
        assert work is not None
        try:
            with self._decoding.lock:
                if next(work, _DONE) is _DONE:
                    self._work = None
        except (UntrustedData, CorruptData, RecursionError) as error:
            self._work, self._mark = None, None
            self.refused = str(error) or "a value that is nested too deeply"
            if isinstance(error, _TooMuch):
                self._look, self.is_crowded = None, True  # who asks for less may get it
        except BaseException:
            self._work, self._mark, self._look = None, None, None
            raise

    def _leave(self) -> None:
        """End a decoding that nobody drives: its file is closed, and the next one begins anew."""
        if self._work is not None:
            self._work.close()
            self._work, self._mark, self._look = None, None, None

    def _lacking(self, keys: Collection[str]) -> list[str]:
        """Return the columns that the file is known to have, and that are not held."""
        return [key for key in keys if key in self._summaries and key not in self._series]

    def _begin(self, opener: Opener, keys: Collection[str], room: int) -> bool:
        """Look at the file, and begin to decode what is new or lacking; tell whether there is anything to do."""
        try:
            descriptor, status, length = opener()
        except FileNotFoundError:
            if not self.missing:
                self._restart()
                self.missing = True
            return False
        look = Look((status.st_dev, status.st_ino), length, status.st_mtime_ns)
        is_same = self._is_same(look, being_written=length < status.st_size)
        lacking = self._lacking(keys)
        if is_same and (self.refused or not lacking):
            os.close(descriptor)
            return False
        try:
            source = portions.source_of(descriptor, status, length)
            if not (lacking or self.refused) and self._add_few(source, keys):
                os.close(descriptor)
                self._look = look
                return False
            if not is_same and not goes_on(source, self._mark, self._tail):
                self._restart()
                lacking = []
            self._make_room(keys)
        except BaseException:
            os.close(descriptor)
            raise
        self._look = look if not is_same else self._look
        self._wanted = {*keys, *self._series}
        self._room = room if not self.rows and length < _LONGER * room else 0
        self._work = self._decode(descriptor, source, lacking)
        return True

    def _add_few(self, source: Source, keys: Collection[str]) -> bool:
        """Add the rows behind the mark, where they are few; tell whether all is done."""
        new = new_rows(source, self._mark, self._tail) if self.rows == self._settled else None
        if new is None:
            return False
        self._wanted, self._room = {*keys, *self._series}, 0
        for row in new.rows:
            self._add_row(row)
        self._mark, self._tail, self._settled = new.mark, new.tail, self.rows
        return True

    def _add_row(self, row: dict[str, Any]) -> None:
        for key, value in row.items():
            is_new = key not in self._summaries
            self._summaries.add_one(key, value)
            series = self._held(key, is_new)
            if series is not None and isinstance(value, (int, float)):
                series.append(self.rows, as_float(value))
        self.rows += 1

    def _is_same(self, look: Look, *, being_written: bool) -> bool:
        if self._look is None or not being_written:
            return look == self._look
        return look[:2] == self._look[:2]  # the time is that of bytes which are not committed

    def _restart(self) -> None:
        """Forget all: the file is another one, or was not read to a place where one could go on."""
        if self.rows:
            self.generation = next(self._decoding.generations)
        self._begin_anew()

    def _make_room(self, keys: Collection[str]) -> None:
        """Let go of columns that nobody asks for now, where they take much."""
        if keys and self._readers == 1 and 4 * self.nbytes > self._most:
            self._series = {key: self._series[key] for key in keys if key in self._series}
            self.worked_out.clear()

    def _decode(self, descriptor: int, source: Source, lacking: list[str]) -> Generator[None, None, None]:
        try:
            if lacking:
                yield from self._fill(source, lacking)
            self._cut_back()
            start = self._mark.offset if self._mark is not None else 0
            for event in portions.decode(source, None, start, **self._options):
                if isinstance(event, Columns):
                    self._add(event)
                    yield
                elif isinstance(event, portions.Settled):
                    self._mark, self._tail, self._settled = event.mark, None, self.rows
                    self._settled_summaries = self._summaries.copy() if event.mark.offset < source.size else None
        finally:
            os.close(descriptor)

    def _fill(self, source: Source, keys: list[str]) -> Generator[None, None, None]:
        """Decode columns that were not asked for before, as far as the others are."""
        stop = self._mark.offset if self._mark is not None else 0
        part = portions.beginning_of(source, stop)
        filled, rows = {key: Series() for key in keys}, 0
        for event in portions.decode(part, keys, 0, marked=False, **self._options):
            if isinstance(event, Columns):
                for key, column in event.items():
                    filled[key].extend(rows, column)
                rows += event.rows
                self._check_room(filled)
                yield
        if rows != self._settled:  # it was edited in place meanwhile
            self._restart()
        else:
            self._cut_back()
            self._series.update(filled)

    def _cut_back(self) -> None:
        """Forget the rows behind the mark, which may have become others."""
        if self.rows > self._settled:
            self.generation = next(self._decoding.generations)
            self.rows = self._settled
            self._summaries = self._settled_summaries or Summaries()
            for series in self._series.values():
                series.cut(self.rows)
            self.worked_out.clear()

    def _add(self, table: Columns) -> None:
        for key, column in table.items():
            is_new = key not in self._summaries
            self._summaries.add(key, column)
            series = self._held(key, is_new)
            if series is not None:
                series.extend(self.rows, column)
        self.rows += table.rows
        self._check_room({})

    def _held(self, key: str, is_new: bool) -> Series | None:
        """Return the series to put values of a column into; None where it is not held, or others came before."""
        if is_new and (self._room or key in self._wanted) and key in self._summaries:
            return self._series.setdefault(key, Series())
        return self._series.get(key)

    def _check_room(self, more: dict[str, Series]) -> None:
        held = sum(each.nbytes for each in [*self._series.values(), *more.values()])
        if 0 < self._room < held:
            self._room = 0
            self._series = {key: series for key, series in self._series.items() if key in self._wanted}
        elif held > self._most:
            self._series.clear()
            raise _TooMuch(f"more columns than the {self._most:,} bytes of ML_LOGGER_MAX_SERIES: ask for fewer")


class _TooMuch(CorruptData):
    """More columns than may be held."""
