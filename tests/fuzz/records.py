"""Records: any bytes are records, damage, or not trusted, however they are split; nothing else is raised."""

from __future__ import annotations

import io
import warnings

from ml_logger.encoders import record_reader, unpickle
from ml_logger.errors import CorruptData, UntrustedData
from tests.fuzz.pickles import rows, seeds
from tests.row_files import split

__all__ = ["seeds", "target"]


def target(data: bytes) -> None:
    """Decode bytes as a file of records, whole and in pieces, and as one pickle."""
    warnings.simplefilter("ignore")
    size = 1 + data[0] if data else 1
    whole = _count([data])
    assert whole == _count(split(data, [size]))
    assert 0 <= record_reader.whole_length(io.BytesIO(data)) <= len(data)
    try:
        unpickle.loads(data)
    except (CorruptData, UntrustedData):
        pass
    made = rows(data)
    count = _count([made.data])
    assert not made.is_good or count == len(made.rows)


def _count(chunks: list[bytes]) -> int:
    """Return how many records there are; how many before the first that is not trusted, less one, below zero."""
    count = 0
    try:
        for _ in record_reader.decode(chunks):
            count += 1
    except UntrustedData:
        return -1 - count
    return count
