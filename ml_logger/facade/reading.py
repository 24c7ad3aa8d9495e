"""Reading back: every verb first waits until what this logger wrote is there to be read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ml_logger import config, keys
from ml_logger.errors import InvalidKey, KeyNotFound
from ml_logger.facade.files import DATA_FILE
from ml_logger.facade.metrics import METRICS_FILE
from ml_logger.facade.pictures import Pictures
from ml_logger.stores.base import Store, anew

if TYPE_CHECKING:
    from ml_logger.readers import Trust

PathLike = str | os.PathLike[str]


class Reading(Pictures):
    """The verbs that return what was logged."""

    def _settled(self) -> Store:
        """Return the store once everything logged so far can be read from it."""
        self.flush()
        self._store.flush(config.get("ML_LOGGER_READ_TIMEOUT"))
        return self._store

    def load_pkl(
        self,
        *paths: PathLike,
        key: PathLike | None = None,
        start: int | None = None,
        stop: int | None = None,
        tries: int = 1,
        delay: float = 1,
        trust: Trust | None = None,
        paranoid: bool | None = None,
        unknown: str = "raise",
    ) -> list[Any] | None:
        """Return the records of a file as a list, None where there is no such file.

        Records are built from data alone: nothing that is stored is executed.

        Args:
            paths: the path, in parts or whole; a `/` at its start means the root instead of the prefix.
            key: the same by name.
            start, stop: which records, counted as in a slice.
            tries: how often to look for a file that is not there yet, or has nothing in it yet.
            delay: seconds between two looks.
            trust: classes that may be rebuilt, as `["package.Class"]`; True for all, which can execute code; by default
                what `configure` or `ML_LOGGER_TRUST` says.
            paranoid: True reads what a stranger wrote: the same values, several times slower, in bounded memory and
                work; by default what `configure` or `ML_LOGGER_PARANOID` says.
            unknown: "opaque" keeps an object of any other class as an `Opaque`, which tells what is stored of it and
                does nothing; one `OpaqueObjects` warning names the classes. By default it raises.

        Raises:
            UntrustedData: a record names a class that is not trusted.
            CorruptData: a record is larger than `ML_LOGGER_MAX_PICKLE`, or, where reading is paranoid, asks for more
                than `ML_LOGGER_MAX_OPCODES` or `ML_LOGGER_MAX_NESTING`.
            InvalidSetting: `paranoid` and `trust` together, or `unknown="opaque"` and `trust=True`.
        """

        def read() -> list[Any] | None:
            found = self._records(paths, key, start, stop, self._manner(trust, paranoid), unknown)
            return None if found is None else list(found)

        while True:
            records = anew(read)
            tries -= 1
            if records or tries <= 0:
                return records
            time.sleep(delay)

    def iload_pkl(
        self,
        *paths: PathLike,
        key: PathLike | None = None,
        start: int | None = None,
        stop: int | None = None,
        trust: Trust | None = None,
        paranoid: bool | None = None,
        unknown: str = "raise",
    ) -> Iterator[Any]:
        """Return an iterator over the records of a file, decoded as they arrive; none where there is no such file.

        The arguments are those of `load_pkl`. A warning about what was kept as `Opaque` comes when it ends.
        """
        return self._records(paths, key, start, stop, self._manner(trust, paranoid), unknown) or iter(())

    def follow(
        self, *paths: PathLike, key: PathLike | None = None, poll: float = 1.0, timeout: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """Return an iterator over the rows of a file, those that are there and those that come: each once, in order.

        It waits for a file that is not there yet, and for a server that is restarted. A file that is replaced or
        removed is another one, which is read from its beginning. Leave the loop to end it, or set a timeout.

        Args:
            paths, key: the path, as in `load_pkl`.
            poll: seconds between two looks for more.
            timeout: seconds without a new row after which the iterator ends; never by default.

        Raises:
            InvalidSetting: poll or timeout is no time to wait.
            ServerUnavailable: the server cannot be reached when the loop begins.
            UntrustedData: a row names a class outside the audited list.
            CorruptData: a row is larger than `ML_LOGGER_MAX_PICKLE`.
        """
        from ml_logger.following import follow

        return follow(self._settled(), self._target(paths, key), poll=poll, timeout=timeout)

    def _records(
        self,
        paths: tuple[PathLike, ...],
        key: PathLike | None,
        start: int | None,
        stop: int | None,
        manner: dict[str, Any],
        unknown: str = "raise",
    ) -> Iterator[Any] | None:
        from ml_logger import readers

        store, target = self._settled(), self._target(paths, key)
        candidates = [target]
        if target.rpartition("/")[2] == DATA_FILE:
            # Programs of 2018 read the metrics under this name.
            candidates.append(target[: -len(DATA_FILE)] + METRICS_FILE)
        for candidate in candidates:
            try:
                return readers.read_records(store, candidate, start=start, stop=stop, unknown=unknown, **manner)
            except KeyNotFound:
                continue
        return None

    def _manner(self, trust: Trust | None = None, paranoid: bool | None = None) -> dict[str, Any]:
        """Return how stored pickles are read: what a call says, then the logger, then the settings."""
        said = self._paranoid if paranoid is None else paranoid
        if trust is None and not paranoid:  # a call that asks for paranoid reading asks for no trust
            trust = self._trust
        if trust is None:
            trust = not said and config.get("ML_LOGGER_TRUST")
        return {"trust": trust, "paranoid": config.get("ML_LOGGER_PARANOID") if said is None else said}

    def _target(self, paths: tuple[PathLike, ...], key: PathLike | None) -> str:
        return self._key(*paths, *(() if key is None else (key,)))

    def load_np(self, *paths: PathLike, key: PathLike | None = None, mmap: bool = False) -> Any:
        """Return the array of an `.npy` file, or the dict of arrays of an `.npz` file.

        Args:
            paths, key: the path, as in `load_pkl`.
            mmap: True maps an `.npy` file into memory, read-only, as `numpy.load(mmap_mode="r")` does: only what is
                looked at is read from the disk. From a server it is copied first, to a temporary file that is gone
                with the array. Replacing the file does no harm; cutting it does.

        Raises:
            KeyNotFound: there is no such file.
            CorruptData: it is no array.
            UnsupportedValue: an array of objects, which could execute code.
            InvalidSetting: `mmap` of an `.npz` file.
        """
        from ml_logger import readers

        return readers.read_array(self._settled(), self._target(paths, key), mmap=mmap)

    def load_jsonl(
        self,
        *paths: PathLike,
        key: PathLike | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> list[Any] | None:
        """Return the values of a file of JSON lines as a list, None where there is no such file.

        A line that is no JSON, as a killed program leaves behind, is passed over with a `DamagedLines` warning.

        Args:
            paths, key: the path, as in `load_pkl`.
            start, stop: which values, counted as in a slice.
        """
        from ml_logger import readers

        try:
            store, target = self._settled(), self._target(paths, key)
            return anew(lambda: list(readers.read_lines(store, target, start=start, stop=stop)))
        except KeyNotFound:
            return None

    def load_json(self, *paths: PathLike, key: PathLike | None = None) -> Any:
        """Return the data of a JSON document.

        Raises:
            KeyNotFound: there is no such file.
            CorruptData: it is no JSON.
        """
        from ml_logger import readers

        return readers.read_json(self._settled(), self._target(paths, key))

    def load_yaml(self, *paths: PathLike, key: PathLike | None = None) -> Any:
        """Return the data of a YAML document, read with the safe loader alone. Needs `ml-logger[yaml]`.

        Raises:
            KeyNotFound: there is no such file.
            CorruptData: it is no YAML, or asks for more than plain data.
            NotAvailable: PyYAML is not installed.
        """
        from ml_logger import readers

        return readers.read_yaml(self._settled(), self._target(paths, key))

    def load_csv(self, *paths: PathLike, key: PathLike | None = None, **kw: Any) -> Any:
        """Return a CSV file as a pandas DataFrame; `kw` goes to `pandas.read_csv`. Needs pandas.

        Raises:
            KeyNotFound: there is no such file.
            CorruptData: it is no CSV.
            NotAvailable: pandas is not installed.
        """
        from ml_logger import readers

        return readers.read_csv(self._settled(), self._target(paths, key), **kw)

    def load_text(self, *paths: PathLike, key: PathLike | None = None) -> str:
        """Return a file as text.

        Raises:
            KeyNotFound: there is no such file.
        """
        from ml_logger import readers

        return readers.read_text(self._settled(), self._target(paths, key))

    def load_file(self, *paths: PathLike, key: PathLike | None = None) -> bytes:
        """Return a file as bytes.

        Raises:
            KeyNotFound: there is no such file.
        """
        return self._settled().read(self._target(paths, key))

    def glob(
        self,
        query: PathLike = "*",
        wd: PathLike | None = None,
        recursive: bool = True,
        start: int | None = None,
        stop: int | None = None,
    ) -> list[str]:
        """Return the paths of files that match a pattern, sorted, relative to the folder that is searched.

        Args:
            query: `*` and `?` match within a name, `**` any number of folders; a `/` at the start means the root.
            wd: the folder to search, below the prefix, `.` for itself; a `/` at its start means the root.
            recursive: False gives `**` no meaning beyond `*`.
            start, stop: a slice of the result.
        """
        base, query = self._searched(query, wd)
        if not recursive:
            query = query.replace("**", "*")
        skip = len(base) + 1 if base else 0
        return [entry.key[skip:] for entry in self._settled().entries(pattern(base, query))][start:stop]

    def _searched(self, query: PathLike, wd: PathLike | None) -> tuple[str, str]:
        """Return the folder that a query searches, and the pattern below it."""
        query = keys.text(query)
        if query.startswith("//"):
            raise InvalidKey(f"glob {query!r} starts with '//', a path of the host: patterns stay below the root")
        if ".." in query.split("/"):
            raise InvalidKey(
                f"glob {query!r} has the part '..', which could leave the log directory: use wd=, or '/...'"
            )
        if wd is None:
            return "" if query.startswith("/") else self.prefix, query.lstrip("/")
        folder = os.fspath(wd)
        if folder in ("", ".", "/"):
            return "" if folder == "/" else self.prefix, query.lstrip("/")
        return keys.join(self.prefix, folder), query.lstrip("/")

    def abspath(self, *paths: PathLike) -> str:
        """Return where a path is kept: a file's absolute path, or its address on the server."""
        place = self._where()
        key = self._key(*paths) if paths else place.prefix
        return f"{place.root}/{key}".rstrip("/")


def pattern(base: str, query: str) -> str:
    """Return the glob over keys that a query below a folder means."""
    return f"{keys.literal(base)}/{query}" if base else query
