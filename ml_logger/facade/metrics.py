"""Metrics and parameters: rows that are written when the step changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from ml_logger import keys, parameters, plain, tables
from ml_logger import metrics as rows
from ml_logger.encoders import records
from ml_logger.errors import SpoolFull, UnsupportedValue
from ml_logger.facade.forms import END, SEP, check_options, told_apart
from ml_logger.facade.forms import UNSET as UNSET
from ml_logger.facade.scopes import RowEncoder, Scope, Slot, Steps
from ml_logger.facade.text import Text
from ml_logger.metrics import RANK, Row
from ml_logger.plain import PLAIN
from ml_logger.stores.base import Receipt

METRICS_FILE = "metrics.pkl"
PARAMETERS_FILE = "parameters.pkl"
HISTOGRAMS_FILE = "histograms.pkl"

#: Rows that may be pending at once, in files, caches and prefixes of their own; then the oldest is written.
MOST_PENDING = 256

_SLOT: tuple[str, str | None] = (METRICS_FILE, None)  # of nearly every row


class Metrics(Text):
    """The verbs for scalars, parameters and histograms."""

    _plain_names: list[str] | None = None  # of the last row whose names were looked at

    def log(
        self,
        /,  # a value may be called `self`; and Python compares the name of each value with those of all parameters
        *args: Any,
        metrics: Mapping[str, Any] | None = None,
        step: Any = UNSET,
        silent: bool = False,
        flush: bool | None = None,
        file: str | None = None,
        cache: str | None = None,
        sep: str = SEP,
        end: str = END,
        color: str | None = None,
        **key_values: Any,
    ) -> None:
        """Log values of a step: `log(step, loss=0.1)`, `log({"loss": 0.1}, step=3)`.

        The row is written, and its table printed, when the step changes, on `flush`, and at the end of the program.
        A name that the pending row has already begins a new row: nothing is overwritten.

        Args:
            args: a number first, together with values: the step. Every mapping: values. All else: a line of text.
            metrics: values, as a mapping.
            step: the step; given by this keyword it is also a column `step` of the row.
            silent: leave these values out of the printed table.
            flush: True writes the row of this call at once, and no other.
            file: the file of the rows, `metrics.pkl` by default, or lines of a `.jsonl`, or items of a `.yml`; of the
                text, where the call has no values.
            cache: the name of a row of its own, which is pending beside the others.
            sep, end, color: for a line of text.
            key_values: values by name.

        Raises:
            UnsupportedValue: a value that is no number, text, list or small array; a number for `file`, `cache`,
                `sep`, `end` or `color`, which would be lost. Nothing of the call is taken.
            InvalidKey: a `file` that no key can be.
            UnsupportedFormat: a `file` of a format that holds no rows.
        """
        slot = _SLOT
        if file is not None or cache is not None or color is not None or end is not END or sep is not SEP:
            check_options(file=file, cache=cache, sep=sep, end=end, color=color)
            slot = file or METRICS_FILE, cache
        if len(args) == 1 and type(args[0]) is int and key_values and metrics is None and step is UNSET:
            # What nearly every call is. Names are the same call after call, and are looked at once.
            if PLAIN.issuperset(map(type, key_values.values())) and [*key_values] == self._plain_names:
                stored = key_values
            else:
                stored = self._looked_at(key_values)
            if self._has_blocks:
                self._take_within(self._current(), args[0], key_values, stored, silent, slot)
            else:
                self._take(args[0], key_values, stored, silent, slot, self._steps)
            if flush:
                self._flush(slot=self._current().slot(*slot))
            return
        values, number, texts = told_apart(args, metrics, key_values, step)
        has_row = bool(values) or number is not UNSET
        if has_row:
            self._take_within(self._current(), number, values, plain.metrics(values), silent, slot)
        if texts:
            self.log_line(*texts, sep=sep, end=end, color=color, file=None if has_row else file)
        if flush:
            self._flush(cache, file, self._current().slot(*slot) if has_row else None)

    def _looked_at(self, values: dict[str, Any]) -> dict[str, Any]:
        stored = plain.metrics(values)
        if not self._has_blocks:  # which give other names
            rows.check_names(stored)
        if stored is values:
            self._plain_names = [*values]
        return stored

    def _take_within(
        self,
        scope: Scope,
        step: Any,
        values: Mapping[str, Any],
        stored: Mapping[str, Any],
        silent: bool,
        slot: tuple[str, str | None],
    ) -> None:
        """Take values as the block says: below its prefix, by its names."""
        if scope.names:
            values, stored = _renamed(values, scope.names), _renamed(stored, scope.names)
        rows.check_names(stored)
        self._take(step, values, stored, silent, scope.slot(*slot), scope.steps)

    def _take(
        self,
        step: Any,
        values: Mapping[str, Any],
        stored: Mapping[str, Any],
        silent: bool,
        slot: Slot,
        steps: Steps,
    ) -> None:
        if slot is not _SLOT and slot not in self._row_keys:
            self._row_key(slot)  # a file that cannot be is told here: its row would stand in the way of all others
        if type(step) is not int and step is not UNSET:
            step = plain.number(step)
        shown = None if silent or self._silent else rows.shown(values, stored)
        if self._lock._is_owned():  # type: ignore[attr-defined]
            # A signal handler has interrupted this very thread: the call that it interrupted finishes the work.
            self._interrupting.append(partial(self._put_in_row, step, stored, shown, slot, steps))
            return
        with self._lock:
            self._put_in_row(step, stored, shown, slot, steps)
            while self._interrupting:
                self._interrupting.popleft()()
            if self._has_left:
                self._write_rows()  # nobody else will: this runs at the very end of the program

    def _put_in_row(self, step: Any, stored: Mapping[str, Any], shown: Any, slot: Slot, steps: Steps) -> None:
        if not self._leaves_properly:
            self._leave_properly()
        row = self._rows.get(slot)
        if step is UNSET:
            step = row.step if row is not None else steps[0]
        steps[0] = step
        if row is not None:
            if row.step == step and row.takes(stored):
                row.add(stored, shown)
                return
            self._write_row(row, slot)
        elif len(self._rows) >= MOST_PENDING:
            oldest = next(iter(self._rows))
            self._write_row(self._rows[oldest], oldest)
        self._rows[slot] = row = Row(step, self._clock(), stored, shown)
        if self._rank is not None:
            row.record.setdefault(RANK, self._rank)

    def _write_row(self, row: Row, slot: Slot) -> None:
        # Joined once for each file: this is on the path of every row.
        key, encode = self._row_keys.get(slot) or self._row_key(slot)
        if row.is_late:
            row.settle()
        data = encode(row.record)
        if not (row.doubtful and self._store.holds(key, data)):
            # Ctrl-C, or a handler that raises, can end this at any point: whoever comes next looks what is there.
            row.doubtful = True
            try:
                self._append(key, data)
            except SpoolFull:
                row.doubtful = False  # nothing was written
                raise
        self._rows.pop(slot, None)
        if row.shown:
            self._echo(tables.metrics_table(row.shown, colored=self._colored))

    def _row_key(self, slot: Slot) -> tuple[str, RowEncoder]:
        prefix = slot[2] if len(slot) == 3 else self._configured().prefix
        if len(self._row_keys) >= MOST_PENDING:
            self._row_keys.clear()
        key = keys.join(prefix, slot[0])
        found = self._row_keys[slot] = key, records.encode_plain if key.endswith(".pkl") else _row_encoder(key)
        return found

    def log_metrics(
        self,
        metrics: Mapping[str, Any] | None = None,
        silent: bool = False,
        cache: str | None = None,
        file: str | None = None,
        flush: bool | None = None,
        **kw: Any,
    ) -> None:
        """Log a mapping of values: `log_metrics({"loss": 0.1}, step=3)`; the rest is as in `log`."""
        if metrics is not None and not isinstance(metrics, Mapping):
            raise UnsupportedValue(
                f"metrics are a mapping, not {metrics!r}: give a step by name, or use log(step, ...)"
            )
        self.log(metrics=metrics or {}, silent=silent, cache=cache, file=file, flush=flush, **kw)

    def log_key_value(self, *args: Any, **kw: Any) -> None:
        """Log one value: `log_key_value("loss", 0.1)`, or with the step first, `log_key_value(3, "loss", 0.1)`.

        Args:
            args: the step (where the first is no text), the key, the value, `silent` and `cache`, in this order.
            kw: any of them by name: `log_key_value(step=3, key="loss", value=0.1)`; the rest is as in `log`.
        """
        names = ["step"] if args and not isinstance(args[0], str) else []
        names += ["key", "value", "silent", "cache"]
        given = dict(zip(names, args, strict=False))
        if len(args) > len(names) or given.keys() & kw.keys() or not {"key", "value"} <= given.keys() | kw.keys():
            raise UnsupportedValue(f"pass a step, a key and a value, or a key and a value, each once, not {args!r}")
        first = (plain.number(given.pop("step")),) if "step" in given else ()
        given.update(kw)
        self.log(*first, metrics={given.pop("key"): given.pop("value")}, **given)

    def log_keyvalue(self, *args: Any, **kw: Any) -> None:
        """Log one value of a step: `log_keyvalue(3, "loss", 0.1)`; the same as `log_key_value`."""
        self.log_key_value(*args, **kw)

    def flush(self, cache: str | None = None, file: str | None = None) -> None:
        """Write the pending rows and print their tables; with `cache` or `file`, only those."""
        self._flush(cache, file)

    def _flush(self, cache: str | None = None, file: str | None = None, slot: Slot | None = None) -> None:
        if self._lock._is_owned():  # type: ignore[attr-defined]
            # As in `_take`: the row that is just being written would be written, and removed, twice.
            self._interrupting.append(partial(self._write_rows, cache, file, slot))
            return
        with self._lock:
            self._write_rows(cache, file, slot)
        if self._interrupting:  # of a handler that came between the last look and here
            self._flush(cache, file, slot)

    def _write_rows(self, cache: str | None = None, file: str | None = None, slot: Slot | None = None) -> None:
        """Do what `flush` does, or write one row alone, with the lock held."""
        for each in [*self._rows] if slot is None else [slot] if slot in self._rows else []:
            if (file is None or each[0] == file) and (cache is None or each[1] == cache):
                self._write_row(self._rows[each], each)
        if self._interrupting:
            while self._interrupting:
                self._interrupting.popleft()()
            self._write_rows(cache, file, slot)  # what they have left pending

    def log_params(self, path: str = PARAMETERS_FILE, silent: bool = False, **namespaces: Any) -> Receipt:
        """Log the parameters of a run: `log_params(Args=vars(args))`, and print them as a table.

        Args:
            path: the file; parameters that are logged later are merged when it is read.
            silent: print no table.
            namespaces: mappings (also the `vars()` of a class), argparse namespaces, dataclasses, or single values.

        Raises:
            UnsupportedValue: a value that cannot be stored, with its dotted name; nothing of the call is stored.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise UnsupportedValue(f"parameters are passed by name, log_params(Args={{...}}): {path!r:.60} is no path")
        if isinstance(silent, Mapping):
            raise UnsupportedValue("silent= says whether to print: name these parameters otherwise")
        stored = {name: parameters.to_plain(namespace, name) for name, namespace in namespaces.items()}
        receipt = self._append(self._key(path), records.encode(stored))
        if stored and not (silent or self._silent):
            self._echo(tables.parameters_table(stored, colored=self._colored))
        return receipt

    def log_histogram(self, step: Any = None, *, bins: Any = "auto", **key_arrays: Any) -> Receipt:
        """Log the distribution of arrays: their counts and edges, as one row of `histograms.pkl`.

        Args:
            step: the step of the row; the last one by default.
            bins: as in `numpy.histogram`: a rule, a number of bins, or their edges.
            key_arrays: arrays or lists of numbers, of any shape.
        """
        from ml_logger.encoders import histograms

        number = self._last_step if step is None else plain.number(step)
        row: dict[str, Any] = {rows.STEP: number, rows.TIMESTAMP: self._clock()}
        rows.check_names(key_arrays)
        for key, values in key_arrays.items():
            row[key] = histograms.encode(values, bins, key=key)
        return self._append(self._key(HISTOGRAMS_FILE), records.encode(row))


def _renamed(values: Mapping[str, Any], names: str) -> dict[str, Any]:
    # A step that was given by name stays the column that it is for everybody.
    renamed = {name if name == "step" else f"{names}{plain.name_of(name)}": value for name, value in values.items()}
    return plain.Late(renamed) if type(values) is plain.Late else renamed


def _row_encoder(key: str) -> RowEncoder:
    from ml_logger.encoders import documents  # most runs have no such files

    suffix = keys.suffix(key)
    documents.check_rows(suffix, key)
    return lambda record: documents.encode_row(record, suffix)
