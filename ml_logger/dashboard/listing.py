"""A list of runs, or of those that have changed, as it is sent."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import NamedTuple

from ml_logger.dashboard.known import Known

#: Bytes of a list that are given out at a time.
PIECE = 2**18


class News(NamedTuple):
    """The runs that have changed since a version, or all of them.

    Fields:
        version: what they are.
        complete: whether all runs were found.
        reset: whether what was known before is to be forgotten.
        runs: those that are new or have changed.
        removed: the names of those that are gone.
    """

    version: str
    complete: bool
    reset: bool
    runs: list[Known]
    removed: list[str]

    def __bool__(self) -> bool:
        return bool(self.reset or self.runs or self.removed)

    def encoded(self, before: bytes = b"{") -> Generator[bytes, None, None]:
        """Yield it as JSON, in pieces; `before` is how the object begins."""
        head = f'"version":"{self.version}","complete":{str(self.complete).lower()},"reset":{str(self.reset).lower()}'
        held, size = [before, head.encode(), b',"runs":['], 0
        for number, run in enumerate(self.runs):
            line = run.line()
            held += [b"," if number else b"", line]
            size += len(line)
            if size >= PIECE:
                yield b"".join(held)
                held, size = [], 0
        removed = ",".join(json.dumps(name, ensure_ascii=False) for name in self.removed)
        yield b"".join(held) + f'],"removed":[{removed}]}}'.encode()
