"""Find where pickles begin and end without decoding them, by the frame lengths that protocols 4 and 5 state."""

from __future__ import annotations

import io
import pickletools
import re
import struct
import sys
import warnings
from collections.abc import Iterable
from typing import NamedTuple

from ml_logger.columns.containers import OverLimit

_PLACE = re.compile(rb"\x80[\x04\x05]")
_FRAMED = (b"\x80\x04\x95", b"\x80\x05\x95")
_LENGTH = struct.Struct("<Q").unpack_from
_HEAD = 11  # PROTO, version, FRAME, 8 bytes of length
_PROTO, _FRAME, _STOP = 0x80, 0x95, 0x2E
_LOOSE = 3  # a pickler puts no frame around fewer than 4 bytes, and around nothing else but large bytes and texts
_LARGE = frozenset(b"BX\x8d\x8e\x96")
_LARGEST_FOUND = 1 << 28  # a place after damage that claims a longer part is taken for no record, not read to find out

_CREDIT, _STEPS = 1 << 18, 4  # opcodes that a search may look at: to begin with, and for each byte that it goes on

# opcode -> bytes of its argument, or a negative code of pickletools: -1 a line, -2 to -5 a counted string
_ARGUMENT = {ord(op.code): op.arg.n if op.arg else 0 for op in pickletools.opcodes}
_TWO_LINES = frozenset(b"ci")
_COUNTS = {
    pickletools.TAKEN_FROM_ARGUMENT1: struct.Struct("<B"),
    pickletools.TAKEN_FROM_ARGUMENT4: struct.Struct("<i"),
    pickletools.TAKEN_FROM_ARGUMENT4U: struct.Struct("<I"),
    pickletools.TAKEN_FROM_ARGUMENT8U: struct.Struct("<Q"),
}


class DamagedRecords(UserWarning):
    """Bytes in a file of records that are no whole record, and were passed over."""


class Damage(NamedTuple):
    """Bytes that were passed over: from where on, how many, and whether nothing comes behind them."""

    offset: int
    size: int
    at_the_end: bool


class Window:
    """Hold the part of a stream of bytes that is being looked at; positions count from its beginning.

    Args:
        chunks: the stream.
        most: bytes of the largest record, or damaged place, that is looked at.
    """

    def __init__(self, chunks: Iterable[bytes], most: int = sys.maxsize) -> None:
        self._chunks = iter(chunks)
        self._most = most
        self._record = 0  # where the record begins that is being looked at
        self.base = 0  # where in the stream the window begins
        self.data = b""
        self.searched = 0  # where in the stream the last search has come to
        self.credit = _CREDIT
        self.file = io.BytesIO(b"")  # the same bytes (shared, not copied), for the unpickler

    def trim(self, pos: int) -> int:
        """Let go of what is before `pos`, if that is half of the window; return where `pos` is now."""
        if pos and 2 * pos >= len(self.data):
            self.base += pos
            self._set(self.data[pos:])
            pos = 0
        self._record = pos
        return pos

    def check_size(self, size: int) -> None:
        """Raise OverLimit for a record of so many bytes, or of more, if that is too much."""
        if size > self._most:
            raise too_large(self._most, self.base + self._record)

    def need(self, size: int) -> bool:
        """Have at least `size` bytes in the window, if the stream has them."""
        if len(self.data) < size:
            self.grow(size)
        return len(self.data) >= size

    def grow(self, size: int = 0) -> bool:
        """Add a chunk, or as many as `size` asks; tell if there was one."""
        have = len(self.data)
        size = max(size, have + have // 4)  # a quarter at least: else a large record is copied once for each chunk
        parts, total = [self.data], have
        for chunk in self._chunks:
            self.check_size(total - self._record)  # there is more of it than this
            parts.append(chunk)
            total += len(chunk)
            if total >= size:
                break
        if total > have:
            self._set(b"".join(parts))
        return total > have

    def closes(self, end: int) -> bool:
        """Tell if a record that ends here would be a whole one: a STOP, and the end of the data or another PROTO."""
        if not self.need(end) or self.data[end - 1] != _STOP:
            return False
        return not self.need(end + 1) or self.data[end] == _PROTO

    def jump(self, pos: int, most: int = sys.maxsize) -> tuple[int, int]:
        """Follow records of one frame each in the window; return the end of the last that closes, and how many."""
        data, last, count = self.data, len(self.data) - 1, 0
        while count < most and pos + _HEAD <= last and data[pos : pos + 3] in _FRAMED:
            end: int = pos + _HEAD + _LENGTH(data, pos + 3)[0]
            if end > last or data[end - 1] != _STOP or data[end] != _PROTO:
                break
            pos = end
            count += 1
        return pos, count

    def progress(self, pos: int) -> None:
        """Note that a search has come to `pos`, which gives it more steps."""
        self.credit += _STEPS * max(0, self.base + pos - self.searched)
        self.searched = self.base + pos

    def spend(self, steps: int = 1) -> bool:
        """Tell whether there are steps left: bytes can be made so that every one seems to begin a long record."""
        self.credit -= steps
        return self.credit > 0

    def _set(self, data: bytes) -> None:
        self.data = data
        self.file = io.BytesIO(data)


def too_large(most: int, offset: int) -> OverLimit:
    """Return the error for what begins at an offset of the stream and is no whole record in so many bytes."""
    return OverLimit(
        f"more than {most:,} bytes from byte {offset:,} on are one record, or damaged: ML_LOGGER_MAX_PICKLE sets "
        "another limit",
        "size",
    )


def claimed_end(window: Window, pos: int) -> int | None:
    """Tell where the first frame of the record at `pos` says it ends; None without a frame."""
    if window.need(pos + _HEAD) and window.data[pos : pos + 3] in _FRAMED:
        return pos + _HEAD + int(_LENGTH(window.data, pos + 3)[0])
    return None


def may_join(window: Window, start: int, end: int) -> bool:
    """Tell if another record seems to begin between two positions: the first may be torn, and run into the second."""
    find = window.data.find
    return find(_FRAMED[0], start, end) >= 0 or find(_FRAMED[1], start, end) >= 0


def end_of_record(window: Window, pos: int, searching: bool = False) -> int | None:
    """Find the end of the record at `pos` by its frames, or by its opcodes where it has none; None if it is not whole.

    `searching` is for a place that may be no record at all: then what is outside of frames must be what a pickler puts
    there, and no part may be very long.
    """
    strict = searching or claimed_end(window, pos) is not None
    limit = _LARGEST_FOUND if searching else None
    at = pos + 2 if window.need(pos + 2) and window.data[pos] == _PROTO else pos
    loose = 0
    while window.need(at + 1):
        op = window.data[at]
        after = _after(window, at, limit)
        if after is None or op == _PROTO or (searching and not window.spend()):
            return None
        loose = 0 if op == _FRAME or op in _LARGE else loose + after - at
        if strict and loose > _LOOSE:
            return None
        if op == _STOP:
            return after
        if op == _FRAME:
            ends = _ends_in_frame(window, at + _HEAD - 2, after, searching)
            if ends is None or ends:
                return ends
        at = after
    return None


def next_record(window: Window, pos: int) -> int | None:
    """Find the first place from `pos` on where a whole record of protocol 4 or 5 begins."""
    while True:
        match = _PLACE.search(window.data, pos)
        if match is None:
            pos = max(pos, len(window.data) - 1)
            window.progress(pos)
            if not window.grow():
                return None
            continue
        pos = match.start()
        window.progress(pos)
        end = end_of_record(window, pos, searching=True)
        # What follows must fit, unless the opcodes of the one frame said that it ends here.
        if end is not None and (window.closes(end) or end == claimed_end(window, pos)):
            return pos
        pos += 1


def warn_of_damage(name: str, damage: Damage, level: int) -> None:
    """Warn about bytes that are passed over: how many, in which file, and from where on."""
    offset, size, at_the_end = damage
    where = "at the end of" if at_the_end else "inside"
    warnings.warn(
        f"{size} byte{'s' if size > 1 else ''} {where} {name or 'the records'}, from byte {offset} on, "
        "are no whole record: passed over",
        DamagedRecords,
        stacklevel=level + 1,
    )


def _ends_in_frame(window: Window, start: int, end: int, searching: bool) -> int | None:
    """Return the end of the frame if the record ends there, 0 if it goes on, None if it runs into another record."""
    window.need(end + 1)
    if searching and not window.spend((end - start) >> 10):
        return None
    stop = window.data[end - 1] == _STOP
    joined = may_join(window, start, end + 1)
    if not joined and (not stop or window.closes(end)):
        return end if stop else 0
    at: int | None = start  # only the opcodes can tell
    while at is not None and at < end:
        op = window.data[at]
        if searching and not window.spend():
            return None
        if op in (_STOP, _PROTO):
            return end if op == _STOP and at == end - 1 else None
        at = _after(window, at, None)
    return 0 if at == end else None


def _after(window: Window, at: int, limit: int | None) -> int | None:
    """Find where the opcode at `at` and its argument end (for a frame: the frame); None if it is none, or not whole."""
    op = window.data[at]
    size = _ARGUMENT.get(op)
    if size is None:
        return None
    if op == _FRAME:
        size = pickletools.TAKEN_FROM_ARGUMENT8U
    if size == pickletools.UP_TO_NEWLINE:
        if limit is not None:
            return None  # no line has a length, and protocols 4 and 5 write none
        end = _line(window, at + 1)
        return _line(window, end) if op in _TWO_LINES and end is not None else end
    at += 1
    if size < 0:
        count = _COUNTS[size]
        if not window.need(at + count.size):
            return None
        size, at = int(count.unpack_from(window.data, at)[0]), at + count.size
        if size < 0 or (limit is not None and size > limit):
            return None
    return at + size if window.need(at + size) else None


def _line(window: Window, at: int) -> int | None:
    """Find where the line at `at` ends."""
    while True:
        end = window.data.find(b"\n", at)
        if end >= 0:
            return end + 1
        if not window.grow():
            return None


class Starved(Exception):
    """A search that can go on only with more bytes."""


class Search:
    """A damaged place: where in the file it begins, and how much work the search for its end may still do."""

    def __init__(self, damage: int) -> None:
        self.damage = damage
        self.credit: int | None = None


class Pushed(Window):
    """A window on data that comes when it comes."""

    def __init__(self, data: bytes, final: bool, search: Search) -> None:
        super().__init__(())
        self._set(data)
        self._final = final
        if search.credit is not None:
            self.credit = search.credit

    def grow(self, size: int = 0) -> bool:
        """Say that there is no more, or that it is not known yet."""
        if not self._final:
            raise Starved
        return False
