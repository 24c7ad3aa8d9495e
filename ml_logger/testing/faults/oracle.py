"""The oracle: outside of every process that is tested, it compares the files in a folder with what was said to be done.

It uses nothing of the library: a file is read by a plain `pickle.load` loop.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_logger.testing.faults.writer import row_of


class Verdict(NamedTuple):
    """What became of the rows. All but `returned` and `held` is 0 when all is well.

    Attributes:
        returned: rows whose call returned, or whose batch was acknowledged.
        held: those of them that are in the files.
        lost: those that are not.
        twice: rows that are there again.
        disordered: rows that follow a later one of their writer in one file.
        strange: rows that nobody wrote, or with other content than was written.
        unreadable: files that do not load to their end.
    """

    returned: int = 0
    held: int = 0
    lost: int = 0
    twice: int = 0
    disordered: int = 0
    strange: int = 0
    unreadable: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost, twice, out of order, strange or unreadable."""
        return not any(self[2:])

    def __add__(self, other: tuple[Any, ...]) -> Verdict:
        """Add up two verdicts over different rows."""
        return Verdict(*(one + more for one, more in zip(self, other, strict=True)))


def records(path: Path) -> Iterator[Any]:
    """Load one pickle after another.

    Raises:
        Exception: the file does not end with a whole pickle; whatever `pickle.load` raises.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        while file.tell() < size:
            yield pickle.load(file)


def check(folder: Path, returned: Mapping[str, Sequence[int]], *, under_way: int = 1) -> Verdict:
    """Compare all `.pkl` files of a folder with the rows of `writer` programs.

    Args:
        folder: the data folder; `.ml_logger` in it is left out.
        returned: for each writer, the numbers whose call returned.
        under_way: how many rows of each writer may be there that no call returned for: the one that a kill came into.
    """
    unreadable = strange = twice = disordered = 0
    found: dict[str, set[int]] = {name: set() for name in returned}
    for path in sorted(folder.rglob("*.pkl")):
        if ".ml_logger" in path.relative_to(folder).parts:
            continue
        last: dict[str, int] = {}
        try:
            for row in records(path):
                name, number = _identity(row)
                if name not in found:
                    strange += 1
                    continue
                twice += number in found[name]
                disordered += number < last.get(name, -1)
                found[name].add(number)
                last[name] = number
        except Exception:  # whatever a damaged pickle raises: the count is what matters
            unreadable += 1
    lost = 0
    for name, numbers in returned.items():
        said = set(numbers)
        lost += len(said - found[name])
        surplus = found[name] - said
        highest = max(said, default=-1)
        strange += sum(1 for number in surplus if not highest < number <= highest + under_way)
    total = sum(len(set(numbers)) for numbers in returned.values())
    return Verdict(total, total - lost, lost, twice, disordered, strange, unreadable)


def _identity(row: Any) -> tuple[str, int]:
    """Return writer and number of a row; `("", -1)` of one that is not as `writer` writes them."""
    try:
        name, number, size = str(row["writer"]), int(row["value"]), int(row["size"])
        if row["text"] == row_of(name, number, size)["text"]:
            return name, number
    except (TypeError, KeyError, ValueError):
        pass
    return "", -1
