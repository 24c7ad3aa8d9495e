"""What is known of one run, and how it is told: as JSON that is encoded once, and sent to all who ask."""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml_logger import parameters, runs
from ml_logger.columns.opcodes import Machine
from ml_logger.dashboard.places import METRICS, PARAMETERS, SIGN, Stamp
from ml_logger.dashboard.rows import Rows
from ml_logger.errors import CorruptData, UntrustedData

#: The files whose changes are signs of a run that goes on.
_LIVELY = (METRICS, PARAMETERS, SIGN)
#: Bytes of the small files of a run that are read: with more in it, one is left out.
LARGEST = {PARAMETERS: 2**20, "": 2**16}
#: Opcodes of one record of parameters: about a tenth of a second.
BUDGET = 2**17
#: Parameters, metrics and tags of a run that are told, and characters of one text among them.
MOST_PARAMETERS, MOST_METRICS, MOST_TAGS, MOST_TEXT = 1000, 1000, 100, 1000
#: Signs of life that may be late, and the seconds that one may take on its way.
MISSED, ON_ITS_WAY = 2, 10.0


class Given(NamedTuple):
    """What a run was given, and what it has told of itself: parameters as JSON, its status, and its times."""

    parameters: bytes = b"{}"
    status: str | None = None
    times: runs.Times = (None, None)


class Notes(NamedTuple):
    """What people say of a run."""

    tags: tuple[str, ...] = ()
    note: str = ""


class Sign(NamedTuple):
    """A sign of life: what the run said it does, and until when it counts."""

    status: str | None
    until: float


class Which(NamedTuple):
    """Which rows were read: those of one file, as one object of the shelf has them, which may be made anew later."""

    inode: int
    rows: weakref.ref[Rows]
    generation: int

    @classmethod
    def of(cls, rows: Rows, inode: int) -> Which:
        """Return which rows they are now."""
        return cls(inode, weakref.ref(rows), rows.generation)

    def is_of(self, rows: Rows) -> bool:
        """Tell whether it is of these rows, and nothing became of them but that they are more."""
        return self.rows() is rows and self.generation == rows.generation

    def continues(self, before: Which) -> bool:
        """Tell whether rows that were told of before are still what they were."""
        if self.rows() is before.rows():
            return self.generation == before.generation
        return self.inode == before.inode


class Known:
    """One run: what was read of it, and the JSON that tells it.

    Attributes:
        files: the stamps of its telling files when they were last looked at.
        size: the bytes of its other files.
        rows, times, metrics: what is told of its rows: how many, the first and the last time, and the metrics as JSON.
        which, counted: which rows were read, and what their file was then.
        read: when its rows were last read.
        head, parameters, version: its JSON as it is told, in two parts, and the version of the index that brought it.
        replaced: the version in which its rows were last found to be others.
    """

    __slots__ = (
        *("counted", "files", "given", "head", "metrics", "name", "notes", "parameters", "read", "replaced"),
        *("rows", "sign", "size", "times", "version", "which"),
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: dict[str, Stamp] = {}
        self.given = Given()
        self.notes = Notes()
        self.sign: Sign | None = None
        self.size = 0
        self.rows = 0
        self.times: runs.Times = (None, None)
        self.metrics = b"{}"
        self.which: Which | None = None
        self.counted: Stamp | None = None
        self.read = -math.inf
        self.head, self.parameters = b"", b"{}"
        self.version = self.replaced = 0

    def sum_up(self, summary: Mapping[str, Sequence[Any]]) -> None:
        """Take in what is told of the columns of its rows."""
        self.metrics, self.times = metrics_of(summary), times_of(summary)

    def line(self) -> bytes:
        """Return all that is told, as JSON."""
        return b'%b,"parameters":%b}' % (self.head, self.parameters)

    def told(self, now: float) -> bytes:
        """Return the head as it is at some time."""
        begins, ends = zip(self.given.times, self.times, strict=True)
        start = min((each for each in begins if each is not None), default=None)
        end = max((each for each in ends if each is not None), default=None)
        sign = self.sign
        head = {
            "run": self.name,
            "status": self.given.status or (sign.status if sign is not None else None),
            "alive": None if sign is None else now < sign.until,
            "start": start,
            "updated": max((self.files[name].mtime for name in _LIVELY if name in self.files), default=0) / 1e9,
            "duration": None if start is None or end is None else max(0.0, end - start),
            "rows": self.rows,
            "size": self.size + sum(stamp.size for stamp in self.files.values()),
            "tags": self.notes.tags,
            "note": self.notes.note,
        }
        return encode(head)[:-1] + b',"metrics":' + self.metrics


def given_of(data: bytes) -> Given:
    """Return what a file of parameters tells; nothing where it holds more than plain values, or none that are whole."""
    records, pos = [], 0
    try:
        while pos < len(data):
            machine = Machine(data, pos, budget=BUDGET)
            records.append(machine.load())
            pos = machine.end
    except UntrustedData:
        return Given()
    except CorruptData:
        pass  # torn: what is before it counts
    try:
        status, times = runs.life(records)
        flat = parameters.flatten(parameters.merge(records))
        told = {str(name)[:MOST_TEXT]: value for name, value in [*flat.items()][:MOST_PARAMETERS]}
        return Given(encode(_plain(told)), status and status[:MOST_TEXT], times)
    except (RecursionError, TypeError, ValueError):  # names that are none, nested too deep, integers of any length
        return Given()


def notes_of(data: bytes) -> Notes:
    """Return what a file of notes tells; nothing where it is none."""
    told = _object(data)
    tags, note = told.get("tags"), told.get("note")
    tags = [tag[:MOST_TEXT] for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return Notes(tuple(dict.fromkeys(tags[:MOST_TAGS])), note if isinstance(note, str) else "")


def sign_of(data: bytes, stamp: Stamp) -> Sign:
    """Return what a sign of life tells: it counts from when it came, whatever the clock of its sender says."""
    told = _object(data)
    status, interval = told.get("status"), told.get("interval")
    seconds = float(interval) if isinstance(interval, (int, float)) and 0 <= interval < 1e9 else 0.0
    text = status[:MOST_TEXT] if isinstance(status, str) else None
    return Sign(text, stamp.mtime / 1e9 + (1 + MISSED) * seconds + ON_ITS_WAY)


def metrics_of(summary: Mapping[str, Sequence[Any]]) -> bytes:
    """Return the last, the least and the greatest value of each metric that is a number, as JSON."""
    told = {}
    for key, values in summary.items():
        if key[:1] == "_" or isinstance(values[0], str) or values[:3] == (None, None, None):
            continue
        told[key] = [math.nan if value is None else value for value in values[:3]]
        if len(told) == MOST_METRICS:
            break
    return encode(_plain(told))


def times_of(summary: Mapping[str, Sequence[Any]]) -> runs.Times:
    """Return the first and the last time of rows; none where they tell of one that is no time."""
    _, first, last = summary.get("_timestamp", (None, None, None))
    if first is None or last is None or max(abs(first), abs(last)) >= runs.LATEST:
        return None, None
    return first, last


def _object(data: bytes) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _plain(value: Any) -> Any:
    """Return a value as JSON can tell it: shortened where it is long, words for numbers that JSON has no form for."""
    if isinstance(value, float):
        if math.isfinite(value):
            return int(value) if value.is_integer() and abs(value) < 2**53 else value
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 2**63 else str(value)[:MOST_TEXT] if abs(value) < 2**2000 else "a large integer"
    if isinstance(value, str):
        return value[:MOST_TEXT].encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_plain(str(name)): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value[:MOST_PARAMETERS]]
    return value if value is None or isinstance(value, bool) else repr(value)[:MOST_TEXT]


def encode(value: Any) -> bytes:
    """Return a value as JSON, as short as it can be."""
    # A lone half of a character, which a text from anybody may hold, is none: it is told as a question mark.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")
