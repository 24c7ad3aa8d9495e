"""Files of rows that are decoded portion by portion: what is new since the last time, and what tells that it is new.

Shared by the client, for files that it has, and by the server, for those that it is asked about.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ml_logger.columns.boundaries import Damage
from ml_logger.columns.decoder import Decoder
from ml_logger.columns.opcodes import Names
from ml_logger.columns.segments import Shapes
from ml_logger.columns.table import Columns, concat
from ml_logger.errors import CorruptData

HEAD, TAIL = 1 << 12, 1 << 16  # bytes that are looked at to tell whether a file is still the same
_READ_SIZE = 1 << 20


class Source(NamedTuple):
    """A file to decode: which one it is, what it is now, and how its bytes are had.

    Fields:
        identity: what no other file of the same place has at the same time, empty where nothing is known.
        read: the bytes from one offset to another.
        stream: all from an offset on.
    """

    identity: str
    size: int
    mtime: float
    read: Callable[[int, int], bytes]
    stream: Callable[[int], Iterator[bytes]]


def source_of(descriptor: int, status: os.stat_result, length: int) -> Source:
    """Return a file that is open as a source: its first bytes, as many as are committed."""

    def stream(start: int) -> Iterator[bytes]:
        while start < length and (piece := os.pread(descriptor, min(_READ_SIZE, length - start), start)):
            yield piece
            start += len(piece)

    identity = f"{status.st_dev:x}-{status.st_ino:x}"
    return Source(identity, length, status.st_mtime, lambda at, to: os.pread(descriptor, to - at, at), stream)


def beginning_of(source: Source, stop: int) -> Source:
    """Return the first bytes of a file as a file."""

    def stream(start: int) -> Iterator[bytes]:
        for piece in source.stream(start):
            yield piece[: stop - start]
            start += len(piece)
            if start >= stop:
                return

    return source._replace(size=stop, stream=stream)


class Mark(NamedTuple):
    """How far a file was decoded, and what it was then."""

    identity: str
    size: int
    mtime: float
    offset: int
    digest: str


class Settled(NamedTuple):
    """What the rows before a mark are, however the file grows: the damage among them, and records that are no rows."""

    mark: Mark
    damage: list[Damage]
    others: int


class Ended(NamedTuple):
    """What was passed over behind the mark: a torn record may yet become a whole one."""

    damage: list[Damage]
    others: int


Event = Columns | Settled | Ended


def mark_of(source: Source, offset: int) -> Mark:
    """Return the mark of a file that was decoded so far."""
    return Mark(source.identity, source.size, source.mtime, offset, digest(source, offset))


def digest(source: Source, offset: int) -> str:
    """Return a hash of the first and the last bytes before an offset."""
    hashed = hashlib.blake2b(digest_size=16)
    hashed.update(source.read(0, min(offset, HEAD)))
    hashed.update(source.read(max(0, offset - TAIL), offset))
    return hashed.hexdigest()


def start_of(mark: Mark | None, source: Source) -> int:
    """Return where to go on: at the mark if the file is the same and has only grown, else at its beginning."""
    if mark is None or not 0 < mark.offset <= source.size:
        return 0
    if mark.identity and source.identity and mark.identity != source.identity:
        return 0
    if mark.size == source.size and mark.mtime != source.mtime:  # changed and no longer: edited in place
        return 0
    return mark.offset if digest(source, mark.offset) == mark.digest else 0


def mark_from(told: Any) -> Mark:
    """Return the mark that a list holds, as JSON has it.

    Raises:
        CorruptData: it is none.
    """
    if type(told) is list and len(told) == 5:
        identity, size, mtime, offset, hashed = told
        if (
            all(type(text) is str for text in (identity, hashed))
            and all(type(n) is int for n in (size, offset))
            and type(mtime) in (int, float)
        ):
            return Mark(identity, size, mtime, offset, hashed)
    raise CorruptData(f"{str(told)[:100]} is no mark of a file")


def told_by(head: Mapping[str, Any]) -> Settled | Ended:
    """Return what the head of a block tells of a file.

    Raises:
        CorruptData: it tells nothing that is known here.
    """
    try:
        damage = [
            Damage(_count(offset), _count(size), at_the_end is True) for offset, size, at_the_end in head["damage"]
        ]
        if head["kind"] == "settled":
            return Settled(mark_from(head["mark"]), damage, _count(head["others"]))
        if head["kind"] == "ended":
            return Ended(damage, _count(head["others"]))
    except (LookupError, TypeError, ValueError) as error:
        raise CorruptData(f"nothing that is told about a file: {error}") from None
    raise CorruptData(f"{str(head['kind'])[:100]!r} is nothing that is told about a file")


def _count(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 2**63:
        raise ValueError(f"{str(number)[:100]!r} is no number of bytes or records")
    return number


def decode(
    source: Source,
    keys: Sequence[str] | None,
    start: int,
    *,
    piece: int | None = None,
    marked: bool = True,
    names: Names | None = None,
    settle: Callable[[Any], Any] | None = None,
    shapes: Shapes | None = None,
    name: str = "",
    most: int = sys.maxsize,
) -> Iterator[Event]:
    """Yield the rows of a file from an offset on, what is settled about them, the rest, and the end.

    Args:
        source: the file.
        keys: the columns to build; None for all.
        start: where to begin, see `start_of`.
        piece: after how many bytes of the file to yield a table; all rows in one by default.
        marked: whether a mark is wanted, which takes two reads.
        names, settle, shapes, name, most: as in `Decoder`.
    """
    damage: list[Damage] = []
    options: Any = {"names": names, "settle": settle, "shapes": shapes, "name": name, "most": most}
    decoder = Decoder(keys, start=start, tell=damage.append, **options)
    fed = 0
    for data in source.stream(start):
        decoder.feed(data)
        fed += len(data)
        if piece is not None and fed >= piece:
            yield decoder.take()
            fed = 0
    if marked:
        if decoder.rows:
            yield decoder.take()
        yield Settled(mark_of(source, decoder.offset), damage[:], decoder.others)
    known, others = (len(damage), decoder.others) if marked else (0, 0)
    rest = decoder.finish()
    if rest.rows:
        yield rest
    yield Ended(damage[known:], decoder.others - others)


class Gathered:
    """Put together what comes of one file.

    Attributes:
        settled: what is settled, once it is known.
        damage, others: what was passed over so far.
    """

    def __init__(self) -> None:
        self.settled: Settled | None = None
        self.damage: list[Damage] = []
        self.others = 0
        self._tables: list[Columns] = []
        self._rest: list[Columns] = []

    def add(self, event: Event) -> None:
        """Take what comes next."""
        if isinstance(event, Columns):
            if event.rows:
                (self._tables if self.settled is None else self._rest).append(event)
            return
        self.damage += event.damage
        self.others += event.others
        if isinstance(event, Settled):
            self.settled = Settled(event.mark, self.damage[:], self.others)

    def go_on(self, table: Columns, settled: Settled) -> None:
        """Begin with what was settled another time."""
        self._tables.append(table)
        self.damage += settled.damage
        self.others += settled.others

    def settle(self) -> Columns:
        """Return the rows that are settled."""
        self._tables = [_join(self._tables)]
        return self._tables[0]

    def table(self, keys: Sequence[str] | None) -> Columns:
        """Return all rows."""
        whole = _join([*self._tables, *(rest for rest in self._rest if rest.rows)])
        return whole if keys is None else whole.select(keys)


def _join(tables: list[Columns]) -> Columns:
    return tables[0] if len(tables) == 1 else concat(tables)
