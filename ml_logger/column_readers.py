"""Read files of rows as columns: decoded by the server where it can, else here, with the same result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from ml_logger import config
from ml_logger import keys as key_rules
from ml_logger.columns import portions, wire
from ml_logger.columns.boundaries import warn_of_damage
from ml_logger.columns.decoder import warn_of_others
from ml_logger.columns.portions import Gathered, Settled, Source
from ml_logger.columns.sampling import sample
from ml_logger.columns.segments import Shapes
from ml_logger.columns.table import Columns
from ml_logger.errors import CorruptData, InvalidKey, KeyNotFound, ServerUnavailable
from ml_logger.stores.base import Entry, Store
from ml_logger.table_cache import TableCache

#: Bytes of a file from which on it is kept in the cache: a smaller one is decoded as fast as it is looked up. What
#: comes from a server has also travelled.
LARGE, LARGE_THERE = 1 << 22, 1 << 16
#: What is decoded here is kept if it is not more than this part of the file: else it would take too long to write.
SMALL_PART = 8
#: A file is kept anew when it has grown by this part, or by `LARGE_THERE`: what is kept is written as a whole.
GROWN = 32


class ColumnReader:
    """Read columns of files in a store.

    Args:
        store: where the files are.
        columns: the columns to read; all by default.
        cache: what was read before, with the same columns.
        curves: over which column curves are drawn, and how many points of each are enough; all rows by default.
    """

    def __init__(
        self,
        store: Store,
        columns: Sequence[str] | None = None,
        cache: TableCache | None = None,
        curves: tuple[str, int] | None = None,
    ) -> None:
        self._store = store
        self._columns = columns
        self._cache = cache
        self._curves = curves
        self._shapes = Shapes()

    def one(self, key: str) -> Columns:
        """Return the table of one file.

        Raises:
            KeyNotFound: there is no such file.
            UntrustedData: a row names a class outside the audited list.
            CorruptData: a row is larger than `ML_LOGGER_MAX_PICKLE`.
        """
        try:
            files = self._answer(key)
        except ServerUnavailable:
            files = self._answer(key)  # it was restarted in the middle of its answer, say
        if files is None:
            return self._here(key)
        if [name for name, _ in files] != [key]:
            raise ServerUnavailable(f"the server answered about {len(files)} files, and not about {key!r}")
        return self._finish(key, files[0][1])

    def _answer(self, key: str) -> list[tuple[str, File]] | None:
        known = self._cache.find(key) if self._cache else None
        answer = self._ask({"key": key}, {} if known is None else {key: known})
        return None if answer is None else [*islice(answer, 2)]

    def many(self, pattern: str) -> Iterator[tuple[str, Columns]]:
        """Yield key and table of each file whose key matches a glob, sorted by key."""
        after = begun = ""
        known = self._cache.find_all(pattern) if self._cache else {}
        matches = key_rules.pattern(pattern).fullmatch
        while True:
            answer = self._ask({"pattern": pattern, "after": after}, known)
            if answer is None:
                yield from self._many_here(pattern, after)
                return
            try:
                for key, file in answer:
                    if not matches(key) or key <= after:
                        raise CorruptData(f"the server answered about {key!r}, which was not asked for")
                    with suppress(KeyNotFound):  # read here, and removed meanwhile
                        yield key, self._finish(key, file)
                    after = key
                return
            except ServerUnavailable:
                # It was restarted, or has hung up on a program that took long between two tables.
                if after == begun:
                    raise
                begun = after

    def _ask(self, question: dict[str, Any], known: dict[str, Settled]) -> Iterator[tuple[str, File]] | None:
        question["columns"] = self._columns
        if self._curves:
            question["x"], question["points"] = self._curves
        elif self._cache:
            question["marks"] = {key: settled.mark for key, settled in known.items()}
        pieces = self._store.tables(question)
        return None if pieces is None else files_of(pieces, known, self._cache, self._store.said)

    def _finish(self, key: str, file: File) -> Columns:
        """Return the table of what the server told of a file; what it leaves to us is read here."""
        if file.is_lost:
            return ColumnReader(self._store, self._columns, curves=self._curves).one(key)
        if file.is_left:
            return self._here(key)
        if file.size >= LARGE_THERE:
            self._keep(key, file)
        return self._told(key, file.gathered)

    def _keep(self, key: str, file: File) -> None:
        settled, known = file.gathered.settled, file.known
        if self._cache is None or settled is None:
            return
        grown = settled.mark.offset - (known.mark.offset if known is not None else 0)
        if known is None or grown >= max(LARGE_THERE, known.mark.offset // GROWN):
            self._cache.keep(key, file.gathered.settle(), settled)

    def _told(self, key: str, gathered: Gathered) -> Columns:
        for damage in gathered.damage:
            warn_of_damage(key, damage, 2)
        if gathered.others:
            warn_of_others(key, gathered.others, 2)
        table = gathered.table(self._columns)
        return sample(table, *self._curves) if self._curves and not table.sampled else table

    # -- files that are decoded here ----------------------------------------------------------------------------------

    def _many_here(self, pattern: str, after: str) -> Iterator[tuple[str, Columns]]:
        for entry in self._store.entries(pattern):
            if entry.key > after:
                with suppress(KeyNotFound):
                    yield entry.key, self._here(entry.key, entry)

    def _here(self, key: str, entry: Entry | None = None) -> Columns:
        """Decode a file here, with the names of the audited list."""
        from ml_logger.encoders.audited import AUDITED
        from ml_logger.encoders.unpickle_late import settle

        if self._cache and entry is None:
            entry = self._store.stat(key)
        source = self._source(key, entry)
        marked = self._cache is not None and source.size >= LARGE
        file = File(source.size, self._cache.find(key) if self._cache and marked else None)
        start = portions.start_of(file.known.mark, source) if file.known else 0
        if not file.begin(key, start, self._cache):
            start = 0
        options: Any = {"names": AUDITED, "settle": settle, "shapes": self._shapes, "name": key}
        most = config.get("ML_LOGGER_MAX_PICKLE")
        for event in portions.decode(source, self._columns, start, marked=marked, most=most, **options):
            file.gathered.add(event)
        if file.known and start and portions.start_of(file.known.mark, self._source(key, self._store.stat(key))) == 0:
            return ColumnReader(self._store, self._columns, curves=self._curves)._here(key)  # replaced meanwhile
        if marked and SMALL_PART * file.gathered.settle().nbytes <= source.size:
            self._keep(key, file)
        return self._told(key, file.gathered)

    def _source(self, key: str, entry: Entry | None) -> Source:
        store, (_, size, mtime) = self._store, entry or Entry(key, 0, 0.0)
        return Source("", size, mtime, lambda at, to: store.read(key, at, to), lambda start: store.stream(key, start))


class File:
    """What is there of one file: what was known, and what has come.

    Attributes:
        known: what the cache has of it; None where that is not the same file any more.
        is_left: whether the server leaves it to us.
        is_lost: whether what was known is gone: the server's answer begins behind it.
    """

    def __init__(self, size: int, known: Settled | None) -> None:
        self.size = size
        self.known = known
        self.gathered = Gathered()
        self.is_left = self.is_lost = False

    def begin(self, key: str, start: int, cache: TableCache | None) -> bool:
        """Begin with the rows before an offset, which the cache has; tell whether it has them."""
        known, self.known = self.known, None
        if not start:
            return True
        table = cache.load(key, known) if cache and known and known.mark.offset == start else None
        if table is None or known is None:
            return False
        self.known = known
        self.gathered.go_on(table, known)
        return True


def files_of(
    pieces: Iterator[bytes],
    known: dict[str, Settled] | None = None,
    cache: TableCache | None = None,
    said: Callable[[object], str] = repr,
) -> Iterator[tuple[str, File]]:
    """Yield key and content of each file of an answer; `said` makes a text of the server's fit to be shown.

    Raises:
        CorruptData: it is no answer of a server of ours.
        ServerUnavailable: it is not whole.
    """
    blocks, key, file = wire.Blocks(wire.LARGEST_SENT), "", None
    for piece in pieces:
        for block in blocks.feed(piece):
            head = block.head
            kind = head.get("kind")
            if kind == "stop":
                next(pieces, None)  # the end of the answer: the connection can be used again
                return
            if kind == "failed":
                raise ServerUnavailable(f"the server could not go on behind {key!r}: {said(head.get('error'))}")
            if kind == "file":
                key = _key(head.get("key"))
                file = File(_number(head, "size"), (known or {}).get(key))
                file.is_lost = not file.begin(key, _number(head, "start"), cache)
            elif file is None:
                raise CorruptData(f"an answer with {str(kind)[:20]!r} of no file")
            elif kind == "fetch":
                file.is_left = True
                yield key, file
                file = None
            elif kind == "rows":
                file.gathered.add(wire.decode(block))
            else:
                file.gathered.add(portions.told_by({"kind": None, **head}))
                if kind == "ended":
                    yield key, file
                    file = None
    raise ServerUnavailable(f"the server stopped in the middle of its answer, behind {key!r}")


def _key(told: Any) -> str:
    try:
        return key_rules.check(told)
    except InvalidKey as error:
        raise CorruptData(f"an answer about a file that cannot be: {error}") from None


def _number(head: dict[str, Any], name: str) -> int:
    number = head.get(name)
    if type(number) is not int or number < 0:
        raise CorruptData(f"a file with {name} {str(number)[:100]}")
    return number
