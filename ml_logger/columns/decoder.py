"""Decode a file of rows into columns, piece by piece, as fast as the bytes come; loaded when rows are read."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ml_logger.columns.boundaries import Damage, Pushed, Search, Starved, next_record, too_large, warn_of_damage
from ml_logger.columns.containers import OverLimit
from ml_logger.columns.opcodes import Machine, Names
from ml_logger.columns.segments import Segment, Shapes, framed_rows
from ml_logger.columns.table import Array, Builder, Columns, is_row
from ml_logger.columns.templates import FEW, Template
from ml_logger.errors import CorruptData, UntrustedData

_SHORTEST, _LONGEST = 1 << 12, 1 << 19  # bytes of a segment
_HEAD, _FRAMED = 11, (b"\x80\x04\x95", b"\x80\x05\x95")
_BRIDGE = 1 << 14  # bytes that are copied to decode the row between two large pieces
_PATIENT = 1 << 16  # bytes of a record from which on it is not looked at again for each little piece that comes


class OtherRecords(UserWarning):
    """Records that are no rows, dicts with text for keys, and were left out of a table."""


def warn_of_others(name: str, count: int, level: int) -> None:
    """Warn about records that were left out of a table: how many, and of which file."""
    warnings.warn(
        f"{count} records of {name or 'the stream'} are no rows, which are dicts with text for keys: left out "
        "(load_pkl returns all)",
        OtherRecords,
        stacklevel=level + 1,
    )


class Decoder:
    """Make columns of a stream of bytes that holds rows, one pickle each; nothing in it is executed.

    What comes out is what decoding one pickle after another gives, value by value and type by type; rows of one shape
    are decoded many at once. Bytes that are no whole record are passed over with a DamagedRecords warning, and the rows
    before and after them are there. In memory are the columns, and of the stream one piece and one row, or what claims
    to be one, of at most `most` bytes.

    >>> decoder = Decoder(keys=["loss"])
    >>> decoder.feed(b"\\x80\\x04\\x95\\x13\\x00\\x00\\x00\\x00\\x00\\x00\\x00}\\x94(\\x8c\\x04loss\\x94K\\x05")
    >>> decoder.feed(b"\\x8c\\x01n\\x94Nu.")
    >>> decoder.finish()["loss"].to_list()
    [5]

    Args:
        keys: the columns to build; all by default. The others are checked and not built.
        names: what rows may name, as in `opcodes.Machine`: nothing but plain values by default.
        settle: what puts in place the values that `names` left for the end of a row.
        name: what to call the stream in warnings and errors.
        start: where in the file the stream begins, for the same.
        tell: what is called with each damage instead of a warning; records that are no rows are then counted only.
        shapes: those of rows that were met before, in files of the same kind: they need not be learned again.
        most: bytes of the largest row that is waited for; a damaged or forged length can claim any.

    Attributes:
        others: how many records were no rows, so far.
    """

    def __init__(
        self,
        keys: Iterable[str] | None = None,
        *,
        names: Names | None = None,
        settle: Callable[[Any], Any] | None = None,
        name: str = "",
        start: int = 0,
        tell: Callable[[Damage], object] | None = None,
        shapes: Shapes | None = None,
        most: int = sys.maxsize,
    ) -> None:
        self.keys = None if keys is None else list(dict.fromkeys(keys))
        self._names = names
        self._settle = settle
        self._name = name
        self._tell = tell
        self._most = most
        self._data = b""
        self._base = start  # where in the file the data begins
        self._pos = 0  # where in the data the next record begins
        self._pieces: list[bytes] = []
        self._have = 0  # bytes in all of this
        self._wait = 0  # how many of them there must be before it is worth to look again
        self._search: Search | None = None
        self._shapes = shapes or Shapes()
        self._span = _SHORTEST
        self._alone = 0
        self.others = 0
        self._builder = Builder()

    @property
    def offset(self) -> int:
        """Where in the file the first byte is that is not decoded: a later reader may begin there."""
        return self._base + self._pos if self._search is None else self._search.damage

    @property
    def rows(self) -> int:
        """How many rows `take` would return."""
        return self._builder.rows

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the stream, and decode the rows that are whole with them.

        Raises:
            UntrustedData: a row names something that `names` does not have.
            OverLimit: what is there of a row that is not whole is more than `most`.
        """
        self._pieces.append(piece)
        self._have += len(piece)
        if self._have >= self._wait or self._have - self._pos > self._most:
            self._join()
            self._advance(final=False)
            if self._have - self._pos > self._most:
                raise self._too_large()

    def _too_large(self) -> OverLimit:
        error = too_large(self._most, self._base + self._pos)
        return OverLimit(f"{self._name}: {error}" if self._name else str(error), error.limit)

    def take(self) -> Columns:
        """Return the rows that were decoded since the last call; the next ones count from 0 again."""
        table = self._builder.build()
        self._builder = Builder()
        return table if self.keys is None else table.select(self.keys)

    def finish(self) -> Columns:
        """Say that the stream has ended, and return what `take` does; a torn record at the end is warned about."""
        self._join()
        self._advance(final=True)
        if self.others and self._tell is None:
            warn_of_others(self._name, self.others, 2)
            self.others = 0
        return self.take()

    # -- the way through the data -------------------------------------------------------------------------------------

    def _join(self) -> None:
        """Make one piece of what is left and what has come."""
        self._base += self._pos
        left, self._pos, self._wait = self._data[self._pos :], 0, 0
        if len(self._pieces) == 1 and (not left or self._bridge(left, self._pieces[0])):
            self._data = bytes(self._pieces[0])
        else:
            self._data = b"".join([left, *self._pieces])
        self._pieces.clear()
        self._have = len(self._data)

    def _bridge(self, left: bytes, piece: bytes) -> bool:
        """Decode the row that begins in what is left and ends in a piece, so that the piece need not be copied."""
        if self._search is not None or len(left) > _BRIDGE or len(piece) < 8 * _BRIDGE:
            return False
        self._data = left + piece[:_BRIDGE]
        is_one = max(_HEAD, len(left)) <= self._claimed() <= len(self._data)  # and not several that have waited
        if not is_one or not (self._alike() or self._one(final=False)) or self._search is not None:
            self._search, self._wait = None, 0  # it is looked at again with all of the piece
            return False
        self._base += len(left)
        self._pos -= len(left)
        return True

    def _advance(self, final: bool) -> None:
        view: Array = np.frombuffer(self._data, np.uint8)
        while self._pos < len(self._data):
            if self._search is not None:
                if not self._pass_over(self._search, final):
                    break
            elif (needed := self._claimed()) > len(self._data) and not final:
                self._await(needed)
                break
            elif not (self._run(view) or self._segment(view) or self._one(final)):
                break

    def _claimed(self) -> int:
        """Return how long the data must be for the next record to be whole, as far as its frame tells."""
        head = self._data[self._pos : self._pos + _HEAD]
        framed = len(head) == _HEAD and head[:3] in _FRAMED
        return self._pos + _HEAD + int.from_bytes(head[3:], "little") if framed else 0

    def _run(self, view: Array) -> bool:
        """Decode rows of a template that was met before, as many as follow one another; tell if there were some."""
        for template in self._shapes.likely(self._claimed() - self._pos):
            room = len(self._data) - self._pos >= FEW * template.length
            count = template.count(view[self._pos :]) if room else 0
            if count >= FEW:
                break
        else:
            return False
        self._shapes.last = template
        self._lift(template, view[self._pos : self._pos + count * template.length].reshape(count, template.length))
        return True

    def _alike(self) -> bool:
        """Decode one row, if it is of the template that the row before it was of; tell whether it is."""
        template, size = self._shapes.last, self._claimed() - self._pos
        if template is None or template.length != size:
            return False
        row = np.frombuffer(self._data, np.uint8, size, self._pos).reshape(1, size)
        if not template.match(row)[0]:
            return False
        self._lift(template, row)
        return True

    def _lift(self, template: Template, rows: Array) -> None:
        """Take the values of rows that are of a template."""
        count = len(rows)
        positions = range(self._builder.rows, self._builder.rows + count)
        for key in self._wanted(template.fields):
            self._builder.add(key, positions, template.lift(rows, key))
        self._builder.rows += count
        self._pos += count * template.length

    def _segment(self, view: Array) -> bool:
        """Decode some rows of several shapes; tell if there were any."""
        starts, ends = framed_rows(view, self._pos, self._span)
        if len(starts) < FEW:
            self._span = min(2 * self._span, _LONGEST)
            return False
        segment = Segment(view, starts, ends, self._shapes)
        whole = segment.decode(self._load)
        if whole:
            segment.add_to(self._builder, self._wanted)
            self.others += segment.others
            self._pos = int(ends[whole - 1])
        # Damage makes the rest of a segment worthless, so the next one is short.
        self._span = min(2 * self._span, _LONGEST) if whole == len(starts) else _SHORTEST
        return whole > 0

    def _one(self, final: bool) -> bool:
        """Decode one record by its opcodes; tell if it was one, or is known to be none."""
        try:
            record, end = self._load(self._pos)
        except _Cut as cut:
            if not final:
                self._await(cut.needed)
                return False
            self._search = Search(self._base + self._pos)
            return True
        except CorruptData:
            self._search = Search(self._base + self._pos)
            return True
        if is_row(record):
            self._builder.add_row(self._builder.rows, {key: record[key] for key in self._wanted(record)})
            self._builder.rows += 1
            if self._alone % FEW == 0:  # rows without frames are in no segment
                self._shapes.learn(self._data[self._pos : end])
            self._alone += 1
        else:
            self.others += 1
        self._pos = end
        return True

    def _load(self, pos: int) -> tuple[Any, int]:
        """Return the record at a place in the data, and where it ends."""
        machine = Machine(self._data, pos, self._names)
        try:
            record = machine.load()
            return (record if self._settle is None else self._settle(record)), machine.end
        except UntrustedData as error:
            raise UntrustedData(f"{self._name}: {error}" if self._name else str(error)) from None
        except CorruptData as error:
            if machine.needed > len(self._data):
                raise _Cut(machine.needed) from error
            raise
        except RecursionError as error:
            raise CorruptData("a value that is nested too deeply to be put in place") from error

    def _await(self, needed: int) -> None:
        """Do nothing before there are so many bytes of data; for a large record, a quarter more than there are now."""
        left = len(self._data) - self._pos
        self._wait = max(needed, len(self._data) + (left // 4 if left > _PATIENT else 0)) - self._pos
        self._drop()

    def _pass_over(self, search: Search, final: bool) -> bool:
        """Find the next record behind a damaged place, and warn about the bytes in between; tell if that is over."""
        window = Pushed(self._data, final, search)
        try:
            found = next_record(window, self._pos + (self._base + self._pos == search.damage))
        except Starved:
            self._pos = max(self._pos, window.searched)
            self._wait = len(self._data) - self._pos + max(1, (len(self._data) - self._pos) // 4)
            self._drop()
            return False
        finally:
            search.credit = window.credit
        self._pos = len(self._data) if found is None else found
        damage = Damage(search.damage, self._base + self._pos - search.damage, found is None)
        if self._tell is None:
            warn_of_damage(self._name, damage, 4)
        else:
            self._tell(damage)
        self._search = None
        return True

    def _drop(self) -> None:
        """Let go of what is decoded."""
        self._data, self._base, self._pos = self._data[self._pos :], self._base + self._pos, 0
        self._have = len(self._data)

    def _wanted(self, names: Iterable[str]) -> list[str]:
        """Return the names of the columns to build, of those that a row has."""
        return list(names) if self.keys is None else [key for key in self.keys if key in names]


class _Cut(CorruptData):
    """A record that is cut short: it may be whole with more bytes."""

    def __init__(self, needed: int) -> None:
        super().__init__("cut short")
        self.needed = needed
