"""The pending row of a step: pure, knows nothing of files, prefixes or threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ml_logger import plain
from ml_logger.colors import Color
from ml_logger.errors import InvalidKey
from ml_logger.plain import Late

#: Columns that every row has and that no caller sets.
STEP = "_step"
TIMESTAMP = "_timestamp"
#: The column of rows that one of several processes of a job has logged.
RANK = "_rank"


class Row:
    """What was logged for one step and is not written yet.

    Args:
        step: the step, a number or None.
        timestamp: when it was begun, in seconds since the epoch.
        values: its first values, plain, but for those that are still on a device.
        shown: the same with their colors, for the table; None leaves them out of it.
    """

    __slots__ = ("doubtful", "is_late", "record", "shown", "step")

    def __init__(
        self, step: int | float | None, timestamp: float, values: Mapping[str, Any], shown: Mapping[str, Any] | None
    ) -> None:
        self.step = step
        self.doubtful = False  # whether it may have been written, by a call that was interrupted
        self.is_late = type(values) is Late  # whether a value is still on a device
        self.record: dict[str, Any] = {STEP: step, TIMESTAMP: timestamp, **values}
        self.shown = dict(shown) if shown else None

    def takes(self, values: Mapping[str, Any]) -> bool:
        """Tell whether values fit into this row: a name that is there already would be overwritten, and lost."""
        if self.doubtful:
            return False
        return self.record.keys().isdisjoint(values) or self._repeats_the_step(values)

    def _repeats_the_step(self, values: Mapping[str, Any]) -> bool:
        # A step that is given by name is a column, too, and every call of the step has it.
        return self.record.keys() & values.keys() == {"step"} and bool(self.record["step"] == values["step"])

    def add(self, values: Mapping[str, Any], shown: Mapping[str, Any] | None) -> None:
        """Take more values in, as at the beginning."""
        self.record.update(values)
        self.is_late = self.is_late or type(values) is Late
        if shown:
            self.shown = {**(self.shown or {}), **shown}

    def settle(self) -> None:
        """Read the values that are still on a device."""
        for name, value in self.record.items():
            self.record[name] = plain.settled(value)
        if self.shown:
            self.shown = {name: self._shown(name, value) for name, value in self.shown.items()}
        self.is_late = False

    def _shown(self, name: str, value: Any) -> Any:
        return Color(self.record[name], value.color, value.formatter) if isinstance(value, Color) else self.record[name]


def check_names(values: Mapping[str, Any]) -> None:
    """Refuse names that every row has.

    Raises:
        InvalidKey: `_step` or `_timestamp` among the names.
    """
    for name in (STEP, TIMESTAMP):
        if name in values:
            raise InvalidKey(f"{name!r} is a column of every row: give the step as the first argument, or rename it")


def shown(values: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a table shows of values: what is stored of them, with the colors and formats of the caller."""
    return {**stored, **dict(_colored(values, stored, ""))}


def _colored(values: Mapping[Any, Any], stored: Mapping[str, Any], folder: str) -> Iterator[tuple[str, Color]]:
    for key, value in values.items():
        name = f"{folder}{plain.name_of(key)}"
        if isinstance(value, Mapping):
            yield from _colored(value, stored, f"{name}/")
        elif isinstance(value, Color):
            yield name, Color(stored[name], value.color, value.formatter)
