"""The pickle machine of our own: any bytes are a plain value, or one of two errors, and nothing is executed."""

from __future__ import annotations

import pickle

from ml_logger.columns.opcodes import loads
from ml_logger.encoders.unpickle import AUDITED
from ml_logger.encoders.unpickle_late import Walk
from ml_logger.errors import CorruptData, UntrustedData
from tests.fuzz.pickles import rows, seeds
from tests.row_files import identical

__all__ = ["seeds", "target"]


def target(data: bytes) -> None:
    """Read one pickle with no names, and with the audited ones; what `pickle` wrote of a row comes out of it."""
    for names in (None, AUDITED):
        try:
            value = loads(data, names)
            if names is not None:
                Walk().settle(value)
        except (CorruptData, UntrustedData):
            pass
    made = rows(data)
    for row in made.rows[:3]:
        for protocol in (0, 2, 4, 5):
            file = pickle.dumps(row, protocol)
            assert identical(loads(file), pickle.loads(file))
