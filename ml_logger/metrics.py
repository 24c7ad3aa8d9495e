"""The pending row of a step: pure, knows nothing of files, prefixes or threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_logger import plain
from ml_logger.colors import Color
from ml_logger.errors import InvalidKey

#: Columns that every row has and that no caller sets.
STEP = "_step"
TIMESTAMP = "_timestamp"


class Row:
    """What was logged for one step and is not written yet.

    Args:
        step: the step, a number or None.
        timestamp: when it was begun, in seconds since the epoch.
        values: its first values, plain.
        shown: the same as the caller gave them, for the table; None leaves them out of it.
    """

    __slots__ = ("doubtful", "record", "shown", "step")

    def __init__(
        self, step: int | float | None, timestamp: float, values: Mapping[str, Any], shown: Mapping[str, Any] | None
    ) -> None:
        self.step = step
        self.doubtful = False  # whether it may have been written, by a call that was interrupted
        self.record: dict[str, Any] = {STEP: step, TIMESTAMP: timestamp, **values}
        self.shown = dict(shown) if shown else None

    def takes(self, values: Mapping[str, Any]) -> bool:
        """Tell whether values fit into this row: a name that is there already would be overwritten, and lost."""
        return not self.doubtful and self.record.keys().isdisjoint(values)

    def add(self, values: Mapping[str, Any], shown: Mapping[str, Any] | None) -> None:
        """Take more values in, as at the beginning."""
        self.record.update(values)
        if shown:
            self.shown = {**(self.shown or {}), **shown}


def check_names(values: Mapping[str, Any]) -> None:
    """Refuse names that every row has.

    Raises:
        InvalidKey: `_step` or `_timestamp` among the names.
    """
    for name in (STEP, TIMESTAMP):
        if name in values:
            raise InvalidKey(f"{name!r} is a column of every row: give the step as the first argument, or rename it")


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table shows of values: with colors and formats, nested mappings flattened as in the row."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update((f"{key}/{inner}", item) for inner, item in shown(value).items())
        elif isinstance(value, Color):
            flat[key] = Color(plain.metric(value.value, key), value.color, value.formatter)
        else:
            flat[key] = plain.metric(value, key)
    return flat
