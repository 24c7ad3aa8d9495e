"""The catalog: what is committed, in SQLite. One connection, used by one thread, writes it.

Everything in it can be rebuilt from the files but the last number of each writer, without which a batch that is sent
twice could not be told from a new one.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ml_logger.errors import StorageFailed
from ml_logger.notices import notice

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files(
    key TEXT PRIMARY KEY, generation INTEGER NOT NULL, length INTEGER NOT NULL, dirty INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS dirty_files ON files(key) WHERE dirty;
CREATE TABLE IF NOT EXISTS writers(id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused(
    writer TEXT NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (writer, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents(
    id INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, key TEXT NOT NULL, source TEXT NOT NULL
);
"""

#: What no catalog has that we wrote: nothing else looks at the types of its numbers.
_ODD = (
    "SELECT 1 FROM files WHERE typeof(generation) != 'integer' OR typeof(length) != 'integer' OR length < 0",
    "SELECT 1 FROM writers WHERE typeof(last_seq) != 'integer' OR last_seq < 0",
    "SELECT 1 FROM refused WHERE typeof(seq) != 'integer' OR typeof(reason) != 'text'",
)
_ACTIONS = ("publish", "remove", "move", "copy")


class FileState(NamedTuple):
    """What is committed of one file: how often it was begun anew, its length, whether more may have been written."""

    generation: int
    length: int
    dirty: bool


class Intent(NamedTuple):
    """A change that is committed and then made: `publish` a blob as a key, `remove`, `move` or `copy`."""

    action: str
    key: str
    source: str


class Catalog:
    """The committed state of one data folder.

    Args:
        path: the database file; begun anew, with the old one set aside, when it cannot be read.
        synchronous: SQLite's `synchronous`: FULL survives power loss, NORMAL only the end of the process.
        journal: SQLite's `journal_mode`: WAL, or, on a network file system, TRUNCATE, which shares no memory.
    """

    def __init__(self, path: Path, synchronous: str, journal: str = "WAL") -> None:
        try:
            self._db = _open(path, synchronous, journal)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and path.exists() and not _is_damaged(error):
                raise StorageFailed(f"the catalog {path} cannot be opened: {error}") from None
            _set_aside(path, error)
            self._db = _open(path, synchronous, journal)
        self.transactions = 0
        self.is_new = self._db.execute("SELECT 1 FROM meta WHERE name = 'id'").fetchone() is None
        self.id = self._identity()
        self._last: dict[str, int] = dict(self._db.execute("SELECT id, last_seq FROM writers"))

    def _identity(self) -> str:
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('id', ?)", (secrets.token_hex(16),))
        (identity,) = self._db.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()
        return str(identity)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything within one atomic, durable change."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
            self.transactions += 1
        except BaseException:
            if self._db.in_transaction:  # a full disk has rolled back by itself
                self._db.execute("ROLLBACK")
            raise

    def last_seq(self, writer: str) -> int:
        """Return the number of the last committed frame of a writer; 0 for one never seen."""
        return self._last.get(writer, 0)

    def set_last_seqs(self, last: dict[str, int]) -> None:
        """Set the last numbers of writers, within a transaction; `remember_last_seqs` follows once it is committed."""
        self._db.executemany("INSERT OR REPLACE INTO writers VALUES (?, ?)", last.items())

    def remember_last_seqs(self, last: dict[str, int]) -> None:
        """Let `last_seq` answer with numbers that are committed now."""
        self._last.update(last)

    def file(self, key: str) -> FileState | None:
        """Return what is committed of a file, None for one that never was appended to."""
        row = self._db.execute("SELECT generation, length, dirty FROM files WHERE key = ?", (key,)).fetchone()
        return FileState(row[0], row[1], bool(row[2])) if row else None

    def set_files(self, states: Iterable[tuple[str, FileState]]) -> None:
        """Set what is committed of files, within a transaction."""
        rows = [(key, state.generation, state.length, int(state.dirty)) for key, state in states]
        self._db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)

    def dirty_files(self) -> list[tuple[str, FileState]]:
        """Return the files that may hold more than is committed."""
        rows = self._db.execute("SELECT key, generation, length FROM files WHERE dirty").fetchall()
        return [(key, FileState(generation, length, True)) for key, generation, length in rows]

    def mark_clean(self, keys: Iterable[str]) -> None:
        """Note that files hold nothing but what is committed, within a transaction."""
        self._db.executemany("UPDATE files SET dirty = 0 WHERE key = ?", [(key,) for key in keys])

    def forget(self, key: str) -> None:
        """Drop what is known of a file, and of all files below a folder, within a transaction."""
        low, high = f"{key}/", f"{key}0"  # "0" follows "/" in ASCII: exactly what starts with "key/"
        self._db.execute("DELETE FROM files WHERE key = ? OR (key > ? AND key < ?)", (key, low, high))

    def add_refusals(self, refusals: Iterable[tuple[str, int, str]]) -> None:
        """Note which numbers were refused for good and why, within a transaction."""
        self._db.executemany("INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", refusals)

    def refusals(self, writer: str, first: int, last: int, most: int) -> list[tuple[int, str]]:
        """Return the refused numbers among some of a writer's, with the reasons; the first `most` of them."""
        query = "SELECT seq, reason FROM refused WHERE writer = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
        return self._db.execute(query, (writer, first, last, most)).fetchall()

    def add_intents(self, intents: Iterable[Intent]) -> list[int]:
        """Note changes that are to be made once the transaction is committed; return their numbers."""
        query = "INSERT INTO intents(action, key, source) VALUES (?, ?, ?)"
        return [self._db.execute(query, intent).lastrowid or 0 for intent in intents]

    def intents(self) -> list[tuple[int, Intent]]:
        """Return the changes that were committed and perhaps not made, in their order."""
        rows = self._db.execute("SELECT id, action, key, source FROM intents ORDER BY id").fetchall()
        return [(number, Intent(action, key, source)) for number, action, key, source in rows]

    def clear_intents(self, numbers: Iterable[int]) -> None:
        """Forget changes that are made, within a transaction."""
        self._db.executemany("DELETE FROM intents WHERE id = ?", [(number,) for number in numbers])

    def close(self) -> None:
        """Close the database; its log is merged into it."""
        self._db.close()


def _open(path: Path, synchronous: str, journal: str) -> sqlite3.Connection:
    # Made by the thread that starts the server, then used by the committer's alone.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    try:
        db.execute(f"PRAGMA journal_mode = {journal}")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.executescript(_SCHEMA)
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        _check_rows(db)
    except UnicodeDecodeError:  # the module cannot hand on what SQLite says of it
        db.close()
        raise sqlite3.DatabaseError("it holds names that are no text") from None
    except BaseException:
        db.close()
        raise
    return db


def _check_rows(db: sqlite3.Connection) -> None:
    """See that what the server goes by, at its start above all, is such as it writes itself.

    Raises:
        sqlite3.DatabaseError: it is not.
    """
    for query in _ODD:
        if db.execute(query).fetchone() is not None:
            raise sqlite3.DatabaseError("it has rows that are none of ours")
    for action, key, source in db.execute("SELECT action, key, source FROM intents"):
        if action not in _ACTIONS or not _is_below(key) or not (source == "" or _is_below(source)):
            raise sqlite3.DatabaseError("it has changes to make that are none of ours")
    for table in ("SELECT key FROM files WHERE dirty", "SELECT id FROM writers", "SELECT value FROM meta"):
        if not all(_is_below(name) for (name,) in db.execute(table)):
            raise sqlite3.DatabaseError("it has names that are none of ours")


def _is_below(name: object) -> bool:
    """Tell whether a name can be one of a file below the data folder, whoever wrote it here."""
    return isinstance(name, str) and "\0" not in name and not {"", ".", ".."} & {*name.split("/")}


def _is_damaged(error: sqlite3.Error) -> bool:
    text = str(error)
    return "malformed" in text or "not a database" in text or "decode" in text


def _set_aside(path: Path, error: Exception) -> None:
    aside = path.with_name(f"{path.name}.damaged-{secrets.token_hex(4)}")
    for suffix in ("", "-wal", "-shm"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(aside.with_name(aside.name + suffix))
    notice(
        f"the catalog {path} is damaged ({error}): it was set aside as {aside.name} and a new one begun. "
        "Clients that were sending will go on as new writers"
    )
