"""What a fuzzing process notes for the one that watches it, in a small mapped file: it outlives any kind of end."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from tests.fuzz.inputs import LONGEST

_HEAD = struct.Struct("<QQII")  # inputs begun, inputs done, findings, bytes of the input
_SIZE = 1 << 17


class Notes:
    """How many inputs were begun and done, how many findings there are, and the input that is tried.

    Args:
        path: the file; made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self.begun, self.done, self.findings, _ = _HEAD.unpack_from(self._map)

    def begin(self, data: bytes) -> None:
        """Note an input before it is tried."""
        self.begun += 1
        kept = data[: _SIZE - _HEAD.size]
        self._map[_HEAD.size : _HEAD.size + len(kept)] = kept
        _HEAD.pack_into(self._map, 0, self.begun, self.done, self.findings, len(kept))

    def end(self, finding: bool) -> None:
        """Note that it was done, and whether it was a finding."""
        self.done += 1
        self.findings += finding
        _HEAD.pack_into(self._map, 0, self.begun, self.done, self.findings, 0)

    def look(self) -> tuple[int, int, int, bytes]:
        """Return what is noted: inputs begun and done, findings, and the input that is tried."""
        begun, done, findings, size = _HEAD.unpack_from(self._map)
        return begun, done, findings, bytes(self._map[_HEAD.size : _HEAD.size + size])


assert _SIZE > 2 * LONGEST
