"""What a block changes: the prefix, the names of metrics, and whether calls wait."""

from __future__ import annotations

from typing import NamedTuple

#: Where a pending row belongs: its file, its cache, and the prefix of the block it was logged in, None outside of one.
Slot = tuple[str, "str | None", "str | None"]

Steps = list["int | float | None"]


class Scope(NamedTuple):
    """What holds within a block; None where the block says nothing.

    `names` is put before the names of metrics. `steps` holds the last step, one for all who log to the same prefix.
    """

    prefix: str | None
    names: str
    waits: bool | None
    steps: Steps

    def below(self, prefix: str) -> Scope:
        """Return the scope of a block with another prefix: it goes on from the last step, and keeps its own."""
        return self if prefix == self.prefix else self._replace(prefix=prefix, steps=[*self.steps])

    def elsewhere(self, steps: Steps) -> Scope:
        """Return the scope without its prefix, for when the logger is configured to log somewhere else."""
        return self._replace(prefix=None, steps=steps)
