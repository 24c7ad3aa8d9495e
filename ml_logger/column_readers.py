"""Read files of rows as columns: decoded by the server where it can, else here, with the same result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from ml_logger import keys as key_rules
from ml_logger.columns import portions, wire
from ml_logger.columns.boundaries import Damage, warn_of_damage
from ml_logger.columns.decoder import warn_of_others
from ml_logger.columns.portions import Ended, Gathered, Settled, Source
from ml_logger.columns.table import Columns
from ml_logger.errors import CorruptData, KeyNotFound, ServerUnavailable
from ml_logger.stores.base import Store


class ColumnReader:
    """Read columns of files in a store.

    Args:
        store: where the files are.
        columns: the columns to read; all by default.
    """

    def __init__(self, store: Store, columns: Iterable[str] | None = None) -> None:
        self._store = store
        self._columns = None if columns is None else list(dict.fromkeys(columns))

    def one(self, key: str) -> Columns:
        """Return the table of one file.

        Raises:
            KeyNotFound: there is no such file.
            UntrustedData: a row names a class outside the audited list.
        """
        answer = self._ask({"key": key})
        if answer is None:
            return self._here(key)
        [(_, gathered)] = answer
        return self._finish(key, gathered)

    def many(self, pattern: str) -> Iterator[tuple[str, Columns]]:
        """Yield key and table of each file whose key matches a glob, sorted by key."""
        after = begun = ""
        while True:
            answer = self._ask({"pattern": pattern, "after": after})
            if answer is None:
                yield from self._many_here(pattern, after)
                return
            try:
                for key, gathered in answer:
                    with suppress(KeyNotFound):  # read here, and removed meanwhile
                        yield key, self._finish(key, gathered)
                    after = key
                return
            except ServerUnavailable:
                # It was restarted, or has hung up on a program that took long between two tables.
                if after == begun:
                    raise
                begun = after

    def _many_here(self, pattern: str, after: str) -> Iterator[tuple[str, Columns]]:
        for entry in self._store.entries(pattern):
            if entry.key > after:
                with suppress(KeyNotFound):
                    yield entry.key, self._here(entry.key)

    def _ask(self, question: dict[str, Any]) -> Iterator[tuple[str, Gathered | None]] | None:
        pieces = self._store.tables({**question, "columns": self._columns})
        return None if pieces is None else _files(pieces)

    def _finish(self, key: str, gathered: Gathered | None) -> Columns:
        """Return the table of what was gathered; a file that the server leaves to us is read here."""
        if gathered is None:
            return self._here(key)
        for damage in gathered.damage:
            warn_of_damage(key, damage, 2)
        if gathered.others:
            warn_of_others(key, gathered.others, 2)
        return gathered.table(self._columns)

    def _here(self, key: str) -> Columns:
        """Decode a file here, with the names of the audited list."""
        from ml_logger.encoders.unpickle import AUDITED
        from ml_logger.encoders.unpickle_late import Walk

        store, gathered = self._store, Gathered()
        source = Source("", 0, 0.0, lambda at, to: store.read(key, at, to), lambda start: store.stream(key, start))
        settle = lambda record: Walk().settle(record)  # noqa: E731 - a walk of its own for each record
        for event in portions.decode(source, self._columns, 0, marked=False, names=AUDITED, settle=settle):
            gathered.add(event)
        return self._finish(key, gathered)


def _files(pieces: Iterator[bytes]) -> Iterator[tuple[str, Gathered | None]]:
    """Yield key and content of each file of an answer; None for one that the server leaves to us.

    Raises:
        CorruptData: it is no answer of a server of ours.
        ServerUnavailable: it is not whole.
    """
    blocks, key, gathered = wire.Blocks(), "", Gathered()
    for piece in pieces:
        for block in blocks.feed(piece):
            head = block.head
            kind = head.get("kind")
            if kind == "stop":
                return
            if kind == "failed":
                raise ServerUnavailable(f"the server could not go on behind {key!r}: {str(head.get('error'))[:200]}")
            if kind == "file":
                key, gathered = key_rules.check(head.get("key", "")), Gathered()
            elif kind == "fetch":
                yield key, None
            elif kind == "rows":
                gathered.add(wire.decode(block))
            else:
                gathered.add(_told(head))
                if kind == "ended":
                    yield key, gathered
    raise ServerUnavailable(f"the server stopped in the middle of its answer, behind {key!r}")


def _told(head: dict[str, Any]) -> Settled | Ended:
    """Return what a block without a body tells of a file."""
    try:
        damage = [Damage(int(offset), int(size), bool(at_the_end)) for offset, size, at_the_end in head["damage"]]
        if head["kind"] == "settled":
            return Settled(portions.mark_from(head["mark"]), damage, int(head["others"]))
        if head["kind"] == "ended":
            return Ended(damage, int(head["others"]))
    except (LookupError, TypeError, ValueError) as error:
        raise CorruptData(f"no answer about a file: {error}") from None
    raise CorruptData(f"{str(head['kind'])[:100]!r} is nothing that a server answers about a file")
