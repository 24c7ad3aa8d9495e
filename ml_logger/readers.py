"""The read side, over any store: records, arrays, text and bytes come back."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from ml_logger import config
from ml_logger.encoders import arrays, documents, pandas_data, record_reader
from ml_logger.encoders.unpickle import Limits, Trust
from ml_logger.errors import CorruptData, InvalidSetting, NotAvailable
from ml_logger.stores.base import Store, anew

if TYPE_CHECKING:
    from ml_logger.column_readers import ColumnReader
    from ml_logger.columns.table import Columns

__all__ = ["Trust"]


def read_records(
    store: Store,
    key: str,
    *,
    start: int | None = None,
    stop: int | None = None,
    trust: Trust = False,
    paranoid: bool = False,
    unknown: str = "raise",
) -> Iterator[Any]:
    """Yield the records of a file, `[start:stop]` of them, as they come; negative numbers count from the end.

    Args:
        store: where it is.
        key: the file.
        start, stop: which records.
        trust: what is admitted beyond the audited list.
        paranoid: read by the machine of our own, within the limits of the settings.
        unknown: "opaque" keeps objects of other classes as `Opaque`.

    Raises:
        KeyNotFound: there is no such file; raised at once, not at the first record.
        UntrustedData: a record names a class outside the audited list.
        CorruptData: a record asks for more than the limits.
        InvalidSetting: `paranoid` with trust, or "opaque" with `trust=True`.
    """
    limits = Limits(*map(config.get, ("ML_LOGGER_MAX_PICKLE", "ML_LOGGER_MAX_OPCODES", "ML_LOGGER_MAX_NESTING")))
    options: Any = {"trust": trust, "paranoid": paranoid, "unknown": unknown, "limits": limits, "name": key}
    chunks = store.stream(key)
    first, last = start or 0, stop
    if first < 0 or (last is not None and last < 0):
        # From the end means that all of it must be seen first; records are counted without decoding them.
        found = list(record_reader.decode(chunks, **options))
        return map(pandas_data.revive, found[start:stop])
    return map(pandas_data.revive, record_reader.decode(chunks, start=first, stop=last, **options))


def read_columns(
    store: Store, key: str, keys: Iterable[str] | None = None, *, points: int | None = None, x: str = "_step"
) -> Columns:
    """Return a file of rows, such as `metrics.pkl`, as columns: all of them, or those of `keys`; every row is there.

    A server decodes it and sends the columns alone. Of a file that has grown since it was read the last time, only what
    is new is decoded, see `ML_LOGGER_CACHE_SIZE`. Values are those of `read_records`, which the audited list admits,
    in the types that were logged.

    Args:
        store: where it is.
        key: the file.
        keys: the columns, in this order; those that the file does not have are left out.
        points: all rows by default; else, to draw curves, those with the lowest and the highest values only, at most so
            many for each column, see `sampling.sample`. The table says so: `sampled`, `sampled_from`.
        x: the column that curves are drawn over; with `points` it is there also where `keys` does not name it.

    Raises:
        KeyNotFound: there is no such file.
        UntrustedData: a row names a class outside the audited list.
        CorruptData: a row is larger than `ML_LOGGER_MAX_PICKLE`.
        NotAvailable: `points` needs tsdownsample, which is not installed.
        InvalidSetting: `points` is no number of points.
    """
    reader = _column_reader(store, keys, points, x)
    return anew(lambda: reader.one(key))


def read_tables(
    store: Store, pattern: str, keys: Iterable[str] | None = None, *, points: int | None = None, x: str = "_step"
) -> Iterator[tuple[str, Columns]]:
    """Yield key and columns of each file of rows whose key matches a glob, sorted by key; see `read_columns`.

    From a server they come in one request, decoded as they arrive. A file that is removed meanwhile is left out.
    """
    return _column_reader(store, keys, points, x).many(pattern)


def _column_reader(store: Store, keys: Iterable[str] | None, points: int | None, x: str) -> ColumnReader:
    """Return a reader of columns, with a cache where the store is one that outlives the program."""
    from ml_logger.column_readers import ColumnReader
    from ml_logger.table_cache import TableCache

    if points is not None:
        from ml_logger.columns import sampling

        sampling.check(points)
    columns = None if keys is None else list(dict.fromkeys(keys if points is None else [x, *keys]))
    limit, folder = config.get("ML_LOGGER_CACHE_SIZE"), config.cache_folder()
    cache = TableCache(folder / "tables", limit, store.address, columns) if limit and folder and store.address else None
    return ColumnReader(store, columns, cache, None if points is None else (x, points))


def read_array(store: Store, key: str, *, mmap: bool = False) -> Any:
    """Return the numpy array of an `.npy` file, or the dict of arrays of an `.npz` file; nothing in it is executed.

    With `mmap` the array of an `.npy` file is not read but mapped into memory: that of the file, or of a copy.
    """
    if mmap:
        if key.endswith(".npz"):
            raise InvalidSetting(f"mmap=True needs an .npy file, and {key!r} is an archive: load it without mmap")
        with store.open_file(key) as file:
            return arrays.decode_mapped(file, key)
    data = store.read(key)
    if key.endswith(".npz"):
        return arrays.decode_npz(data, key, limit=arrays.most(len(data), config.get("ML_LOGGER_MAX_INFLATED")))
    return arrays.decode(data, key)


def read_text(store: Store, key: str) -> str:
    """Return a text file; bytes that are no UTF-8 come back as escapes, not as an error."""
    return store.read(key).decode("utf-8", "backslashreplace")


def read_json(store: Store, key: str) -> Any:
    """Return the data of a JSON document."""
    return documents.decode_json(store.read(key), key)


def read_yaml(store: Store, key: str) -> Any:
    """Return the data of a YAML document of plain data; nothing in it is executed."""
    return documents.decode_yaml(store.read(key), key)


def read_lines(store: Store, key: str, *, start: int | None = None, stop: int | None = None) -> Iterator[Any]:
    """Yield the values of JSON lines, `[start:stop]` of them, as they come; negative numbers count from the end.

    Raises:
        KeyNotFound: there is no such file; raised at once, not at the first line.
    """
    values = documents.decode_lines(store.stream(key), key)
    if (start or 0) < 0 or (stop or 0) < 0:
        return iter(list(values)[start:stop])
    return itertools.islice(values, start, stop)


def read_csv(store: Store, key: str, **kw: Any) -> Any:
    """Return a CSV file as a DataFrame, parsed as it arrives.

    Raises:
        KeyNotFound: there is no such file.
        CorruptData: it is no CSV.
        NotAvailable: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise NotAvailable("tables need pandas, which is not installed: pip install pandas") from None

    def read() -> Any:
        with open_stream(store.stream(key)) as file:
            return pandas.read_csv(file, **kw)

    try:
        return anew(read)
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise CorruptData(f"{key} is no CSV: {error}") from None


def open_stream(chunks: Iterable[bytes]) -> BinaryIO:
    """Open a stream of pieces as a binary file that is read once, from beginning to end."""
    return io.BufferedReader(_Pieces(iter(chunks)), 1 << 20)


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Tell that this is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next; 0 at the end."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        taken = min(len(buffer), len(self._left))
        buffer[:taken] = self._left[:taken]
        self._left = self._left[taken:]
        return taken
