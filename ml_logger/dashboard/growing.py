"""Arrays that are appended to: what was given out of one stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Growing:
    """An array of one type that grows at its end.

    Attributes:
        count: how many values it has.
    """

    __slots__ = ("_data", "count")

    def __init__(self, kind: Any) -> None:
        self._data = np.empty(0, kind)
        self.count = 0

    @property
    def values(self) -> Array:
        """The values; this view stays as it is when more are appended, and when some are cut off."""
        view = self._data[: self.count]
        view.flags.writeable = False
        return view

    @property
    def nbytes(self) -> int:
        """The bytes that it takes, with the room to grow."""
        return self._data.nbytes

    def extend(self, values: Any) -> None:
        """Append values."""
        needed = self.count + len(values)
        if needed > len(self._data):
            # A quarter more: what grows at one end is copied seldom, and little of what is held is empty.
            grown = np.empty(max(needed, len(self._data) * 5 // 4), self._data.dtype)
            grown[: self.count] = self._data[: self.count]
            self._data = grown
        self._data[self.count : needed] = values
        self.count = needed

    def cut(self, count: int) -> None:
        """Keep the first values only."""
        if count < self.count:
            self._data = self._data[:count].copy()
            self.count = count
