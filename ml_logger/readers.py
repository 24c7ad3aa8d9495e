"""The read side, over any store: records, arrays, text and bytes come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ml_logger.encoders import arrays, pandas_data, record_reader
from ml_logger.stores.base import Store

Trust = bool | Sequence[str]


def read_records(
    store: Store, key: str, *, start: int | None = None, stop: int | None = None, trust: Trust = False
) -> Iterator[Any]:
    """Yield the records of a file, `[start:stop]` of them, as they come; negative numbers count from the end.

    Raises:
        KeyNotFound: there is no such file; raised at once, not at the first record.
        UntrustedData: a record names a class outside the audited list.
    """
    chunks = store.stream(key)
    first, last = start or 0, stop
    if first < 0 or (last is not None and last < 0):
        # From the end means that all of it must be seen first; records are counted without decoding them.
        found = list(record_reader.decode(chunks, trust=trust, name=key))
        return map(pandas_data.revive, found[start:stop])
    return map(pandas_data.revive, record_reader.decode(chunks, trust=trust, name=key, start=first, stop=last))


def read_array(store: Store, key: str) -> Any:
    """Return the numpy array of an `.npy` file, or the dict of arrays of an `.npz` file; nothing in it is executed."""
    data = store.read(key)
    return arrays.decode_npz(data, key) if key.endswith(".npz") else arrays.decode(data, key)


def read_text(store: Store, key: str) -> str:
    """Return a text file; bytes that are no UTF-8 come back as escapes, not as an error."""
    return store.read(key).decode("utf-8", "backslashreplace")
