"""What a block changes: the prefix, the names of metrics, and whether calls wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

#: Where a pending row belongs: its file, its cache, and within a block the prefix. Short, as it is hashed for each row.
Slot = tuple[str, "str | None"] | tuple[str, "str | None", str]

#: Makes bytes of a row.
RowEncoder = Callable[[dict[str, Any]], bytes]

Steps = list["int | float | None"]


class Scope(NamedTuple):
    """What holds within a block; None where the block says nothing.

    `names` is put before the names of metrics. `steps` holds the last step, one for all who log to the same prefix.
    """

    prefix: str | None
    names: str
    waits: bool | None
    steps: Steps

    def slot(self, file: str, cache: str | None) -> Slot:
        """Return where a row of a file and a cache belongs."""
        return (file, cache) if self.prefix is None else (file, cache, self.prefix)

    def below(self, prefix: str) -> Scope:
        """Return the scope of a block with another prefix: it goes on from the last step, and keeps its own."""
        return self if prefix == self.prefix else self._replace(prefix=prefix, steps=[*self.steps])

    def elsewhere(self, steps: Steps) -> Scope:
        """Return the scope without its prefix, for when the logger is configured to log somewhere else."""
        return self._replace(prefix=None, steps=steps)
