"""What an index knew, kept in a file from one start of the server to the next: files that are the same are not read.

The file is a line of JSON for each run. It can be removed at any time, and one that makes no sense is as good as none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from ml_logger.dashboard.known import Given, Known, Notes, Sign, encode
from ml_logger.dashboard.places import METRICS, TELLING, Stamp
from ml_logger.runs import LATEST

#: The first line: of another format nothing is taken.
_HEAD = "ml-logger index 1"


def remembered(path: Path) -> Iterator[Known]:
    """Yield the runs that a file tells of, as they were when it was written."""
    try:
        with path.open("rb") as lines:
            if json.loads(next(lines, b"null")) != _HEAD:
                return
            for line in lines:
                yield _known(json.loads(line))
    except (OSError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return  # what came before is as good as it is: each run is compared with its files


def keep(path: Path, runs: Iterable[Known]) -> Generator[None, None, None]:
    """Write what is known of runs into a file, run by run; it is there when all is written."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(encode(_HEAD) + b"\n")
        for known in runs:
            file.write(_line(known) + b"\n")
            yield
    os.replace(fresh, path)


def _line(known: Known) -> bytes:
    # Rows that were not read yet are to be read the next time: the file is told as it was when they were.
    files = {name: stamp for name, stamp in known.files.items() if name != METRICS}
    head = {
        "run": known.name,
        "files": files if known.counted is None else {**files, METRICS: known.counted},
        "status": known.given.status,
        "given": known.given.times,
        "notes": known.notes,
        "sign": known.sign,
        "size": known.size,
        "rows": known.rows,
        "times": known.times,
    }
    return b'%b,"parameters":%b,"metrics":%b}' % (encode(head)[:-1], known.given.parameters, known.metrics)


def _known(told: Any) -> Known:
    known = Known(_text(told["run"]))
    known.files = {name: Stamp(*map(int, told["files"][name])) for name in TELLING if name in told["files"]}
    known.counted = known.files.get(METRICS)
    status = told["status"]
    known.given = Given(encode(dict(told["parameters"])), status and _text(status), _times(told["given"]))
    tags, note = told["notes"]
    known.notes = Notes(tuple(map(_text, tags)), _text(note))
    if told["sign"] is not None:
        text, until = told["sign"]
        known.sign = Sign(text and _text(text), float(until))
    known.size = int(told["size"])
    known.rows, known.times, known.metrics = int(told["rows"]), _times(told["times"]), encode(dict(told["metrics"]))
    return known


def _text(told: Any) -> str:
    if type(told) is not str:
        raise TypeError("no text")
    return told


def _times(told: Any) -> tuple[float | None, float | None]:
    begin, end = (None if each is None else float(each) for each in told)
    if not all(each is None or abs(each) < LATEST for each in (begin, end)):
        raise ValueError("no times")
    return begin, end
