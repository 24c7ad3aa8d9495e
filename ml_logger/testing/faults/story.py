"""A story: what one writer sends, batch by batch, and what the files must be after each of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ml_logger.transport import frames
from ml_logger.transport.frames import Frame, Op

#: Who sends it.
WRITER = "fa" * 16
Files = dict[str, bytes]


class Story(NamedTuple):
    """Batches, and the files that are there after so many frames of them: `files[0]` is the empty folder."""

    batches: list[list[Frame]]
    files: list[Files]

    def frames(self, batches: int) -> int:
        """Return how many frames the first batches have."""
        return sum(len(batch) for batch in self.batches[:batches])

    def resent(self, acknowledged: int) -> list[list[Frame]]:
        """Return what a writer sends after a restart: the last batch again, together with the next, then the rest.

        A batch that was committed in part is what the trim rule is for.
        """
        first = max(0, acknowledged - 1)
        together = [frame for batch in self.batches[first : acknowledged + 1] for frame in batch]
        return [*([together] if together else []), *self.batches[acknowledged + 1 :]]


def tell() -> Story:
    """Tell a story with every kind of frame: few files and many, new and old, in every order that has a reason."""
    ops: list[list[tuple[Op, str, bytes, int]]] = [
        [(Op.APPEND, "run/a", b"one,", 0), (Op.APPEND, "run/b", b"eins,", 0)],
        [(Op.APPEND, "run/a", b"two,", 0)],
        [(Op.APPEND, f"d/{n}", b"%d," % n, 0) for n in range(10)],
        [(Op.APPEND, f"d/{n}", b"%d;" % n * 2000, 0) for n in range(10)],
        [(Op.WRITE, "run/w", b"first version", 0)],
        [(Op.WRITE, "run/w", b"second", 0), (Op.APPEND, "run/a", b"three,", 0)],
        [(Op.CHUNK, "run/big", frames.piece(7, 0, b"piece one "), 0)],
        [
            (Op.CHUNK, "run/big", frames.piece(7, 10, b"piece two"), 0),
            (Op.COMMIT, "run/big", frames.commit(7, 19), 0),
        ],
        [
            (Op.CHUNK, "run/a", frames.piece(8, 0, b"uploaded,"), 0),
            (Op.COMMIT, "run/a", frames.commit(8, 9), frames.APPENDED),
        ],
        [(Op.MOVE, "run/b", b"run/c", 0)],
        [(Op.APPEND, "run/b", b"anew,", 0), (Op.APPEND, "run/c", b"zwei,", 0)],
        [(Op.COPY, "run/a", b"run/copy", 0), (Op.APPEND, "run/copy", b"more", 0)],
        [(Op.REMOVE, "d", b"", 0), (Op.APPEND, "d/0", b"again", 0)],
        [(Op.APPEND, "run/a", b"last", 0)],
    ]
    batches: list[list[Frame]] = []
    states: list[Files] = [{}]
    seq = 0
    for batch in ops:
        batches.append([])
        for op, key, payload, flags in batch:
            seq += 1
            batches[-1].append(Frame(seq, op, flags, key, payload))
            states.append(dict(states[-1]))
            _apply(states[-1], batches[-1][-1])
    return Story(batches, [{key: data for key, data in files.items() if key[0] != "#"} for files in states])


def _apply(files: Files, frame: Frame) -> None:
    """Do to a dictionary what a frame does to a folder; uploads wait under names that begin with `#`."""
    if frame.op is Op.APPEND:
        files[frame.key] = files.get(frame.key, b"") + frame.payload
    elif frame.op is Op.WRITE:
        files[frame.key] = frame.payload
    elif frame.op in (Op.CHUNK, Op.COMMIT):
        upload, _, data = frames.split_piece(frame.payload)
        if frame.op is Op.CHUNK:
            files[f"#{upload}"] = files.get(f"#{upload}", b"") + data
        else:
            before = files.get(frame.key, b"") if frame.flags & frames.APPENDED else b""
            files[frame.key] = before + files.pop(f"#{upload}")
    else:
        below = [key for key in files if key == frame.key or key.startswith(f"{frame.key}/")]
        for key in below:
            data = files[key] if frame.op is Op.COPY else files.pop(key)
            if frame.op is not Op.REMOVE:
                files[str(frame.payload, "utf-8") + key[len(frame.key) :]] = data


def files_in(folder: Path) -> Files:
    """Read all files of a data folder but the bookkeeping."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".ml_logger" not in path.relative_to(folder).parts
    }
