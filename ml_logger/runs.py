"""Many runs as one table, a row for each: what it was given, how it went, and what it takes; pure."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ml_logger import parameters
from ml_logger.columns.table import Builder, Column, Columns
from ml_logger.dataframes import RUN, free_name

STATUS, START, DURATION, ROWS, SIZE = "status", "start", "duration", "rows", "size"
_OWN = (RUN, STATUS, START, DURATION, ROWS, SIZE)
_TIMESTAMP = "_timestamp"
#: Columns of rows that are no metrics.
_NO_METRICS = (_TIMESTAMP, "_rank")
_BEGINS = ("startTime", "runTime")
_ENDS = ("completionTime", "errorTime")
#: Seconds since the epoch: what is far beyond is no time.
LATEST = 1e11


#: When something began and ended, in seconds since the epoch; None where that is not known.
Times = tuple[float | None, float | None]


class Told(NamedTuple):
    """What is told of the rows of a run: how many, the first and the last time, and columns about the metrics."""

    rows: int
    times: list[float]
    metrics: dict[str, Any]


_NOTHING = Told(0, [], {})


def columns_for(keys: Sequence[str] | None) -> list[str] | None:
    """Return the columns of the rows that a table of these metrics is made of."""
    return None if keys is None else [*dict.fromkeys([*keys, _TIMESTAMP])]


def sizes(runs: Iterable[str], files: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the bytes of the files of each run; a file belongs to the innermost run that it lies in."""
    found = dict.fromkeys(runs, 0)
    for name, size in files:
        folder = name.rpartition("/")[0]
        while folder not in found and folder:
            folder = folder.rpartition("/")[0]
        if folder in found:
            found[folder] += size
    return found


def summaries(tables: Iterable[tuple[str, Columns]], keys: Sequence[str] | None) -> dict[str, Told]:
    """Return what is told of the rows of each run; one table is in memory at a time."""
    return {name: Told(table.rows, _extent(table), _told(table, keys)) for name, table in tables}


def overview(
    runs: Sequence[str],
    rows: Mapping[str, Told],
    given: Mapping[str, Sequence[Mapping[str, Any]]],
    size_of: Mapping[str, int],
    keys: Sequence[str] | None = None,
) -> Columns:
    """Return a table with a row for each run.

    Its columns: `run`, `status`, `start` (seconds since the epoch), `duration` (seconds), `rows`, `size` (bytes), the
    parameters by their dotted names, and of each metric the last value, and of numbers the least and the greatest one.
    """
    plain = {run: _flat(given.get(run, ())) for run in runs}
    every = {name for each in plain.values() for name in each}
    flat = {run: _renamed(each, "parameters", _OWN, every) for run, each in plain.items()}
    names = dict.fromkeys([*_OWN, *(name for each in flat.values() for name in each)])
    asked = {f"{key}/{what}": None for key in keys or () for what in ("last", "min", "max")}
    metrics = _renamed(asked, "metrics", names)
    builder = Builder()
    for run in runs:
        told = rows.get(run, _NOTHING)
        values = _renamed(told.metrics, "metrics", names)
        own = {RUN: run, ROWS: told.rows, SIZE: size_of[run], **_life(given.get(run, ()), told.times)}
        builder.add_row(builder.rows, {**own, **flat[run], **values})
        builder.rows += 1
        metrics.update(values)
    made = builder.build()
    return Columns(made.rows, {name: made.get(name) or Column(made.rows, []) for name in (*names, *metrics)})


def parameter_table(found: Iterable[tuple[str, Sequence[Mapping[str, Any]]]], label: str) -> Columns:
    """Return the parameters of runs by their dotted names, with a row for each, and its name in a column `label`."""
    builder = Builder()
    plain = [(name, _flat(records)) for name, records in found]
    every = {name for _, each in plain for name in each}
    for name, each in plain:
        builder.add_row(builder.rows, {label: name, **_renamed(each, "parameters", (label,), every)})
        builder.rows += 1
    made = builder.build()
    return made if made.rows else Columns(0, {label: Column(0, [])})


def _flat(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return parameters.flatten(parameters.merge(records))


def _renamed(
    values: Mapping[str, Any], kind: str, taken: Collection[str], every: Collection[str] = ()
) -> dict[str, Any]:
    """Return values under names that are not taken, and that none of `every`, the names of all runs, has either."""
    used = {*taken, *every, *values}
    return {name if name not in taken else free_name(name, kind, used): each for name, each in values.items()}


def life(records: Iterable[Any]) -> tuple[str | None, Times]:
    """Return what the states that a run has told say: the last one, and when it began and ended."""
    jobs = [
        record["job"] for record in records if isinstance(record, Mapping) and isinstance(record.get("job"), Mapping)
    ]
    status = parameters.merge(jobs).get("status")
    times = min(_times(jobs, _BEGINS), default=None), max(_times(jobs, _ENDS), default=None)
    return status if isinstance(status, str) else None, times


def _life(records: Sequence[Mapping[str, Any]], rows: list[float]) -> dict[str, Any]:
    """Return the state of a run, and its time: from its start, or its first row, to its end, or its last row."""
    status, (begin, done) = life(records)
    start = min([*rows, *([] if begin is None else [begin])], default=None)
    end = max([*rows, *([] if done is None else [done])], default=None)
    return {
        STATUS: status,
        START: start,
        DURATION: None if start is None or end is None else max(0.0, end - start),
    }


def _extent(table: Columns) -> list[float]:
    """Return the first and the last time of rows, nothing where they have none."""
    times = table[_TIMESTAMP].to_floats() if _TIMESTAMP in table else np.empty(0)
    times = times[np.abs(times) < LATEST]
    return [float(times.min()), float(times.max())] if len(times) else []


def _times(jobs: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[float]:
    """Return what the state of a job tells of times, in seconds since the epoch."""
    found = []
    for text in [job[name] for job in jobs for name in names if isinstance(job.get(name), str)]:
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:  # of another program
            continue
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.timezone.utc)
        found.append(moment.timestamp())
    return found


def _told(table: Columns, keys: Sequence[str] | None) -> dict[str, Any]:
    """Return the last value of each metric, and the least and the greatest of numbers."""
    told: dict[str, Any] = {}
    for name, column in table.items():
        if name in _NO_METRICS and name not in (keys or ()):
            continue
        told[f"{name}/last"] = _last(column)
        extremes = _extremes(column)
        if extremes is not None:
            told[f"{name}/min"], told[f"{name}/max"] = extremes
    return told


def _last(column: Column) -> Any:
    """Return the last value that is not None."""
    best, value = -1, None
    for part in column.parts:
        for at in range(len(part.values) - 1, -1, -1):
            row = at if part.positions is None else int(part.positions[at])
            if row < best:
                break
            each = part.values[at]
            if each is not None:
                best, value = row, each.item() if part.values.dtype != object else each
                break
    return value


def _extremes(column: Column) -> tuple[Any, Any] | None:
    """Return the least and the greatest number, without NaN where there are others; None where there is no number."""
    found: list[tuple[Any, Any]] = []
    for part in column.parts:
        values = part.values
        if values.dtype == object:
            whole = [value for value in values if type(value) is int]
            found += [(min(whole), max(whole))] if whole else []
        elif len(values):
            found.append((np.fmin.reduce(values).item(), np.fmax.reduce(values).item()))
    numbers = [pair for pair in found if pair[0] == pair[0]]
    if not numbers:
        return found[0] if found else None
    return min(low for low, _ in numbers), max(high for _, high in numbers)
