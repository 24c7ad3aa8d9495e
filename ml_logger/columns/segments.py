"""A segment of a file: some hundred rows of whatever shapes, sorted by shape and decoded together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ml_logger.columns import lockstep
from ml_logger.columns.lockstep import Shape, Walked
from ml_logger.columns.table import Array, Builder, as_positions, is_row
from ml_logger.columns.templates import FEW, Template, template_of
from ml_logger.errors import CorruptData

_HEAD, _STOP, _PROTO, _FRAME = 11, 0x2E, 0x80, 0x95
_NONE = np.zeros(0, np.int64)
_MANY = 4 * FEW  # rows of one length from which on it pays to look for a template
_MOST_TEMPLATES, _MOST_OF_A_LENGTH, _MOST_SHAPES = 64, 2, 32
_ATTEMPTS = 4  # new shapes that are looked for in one segment


class Shapes:
    """The templates and shapes that were met, the latest first."""

    def __init__(self) -> None:
        self.last: Template | None = None
        self.walked: dict[Shape, None] = {}
        self._templates: dict[int, list[Template]] = {}
        self._failures: dict[int, int] = {}  # length -> how often a new template has fitted few others

    def of_length(self, length: int) -> list[Template]:
        """Return the templates of rows of so many bytes."""
        return self._templates.get(length, [])

    def likely(self, length: int) -> list[Template]:
        """Return the templates that rows may have of which the next has so many bytes, or none that it tells."""
        if length > 0:
            return self.of_length(length)
        return [] if self.last is None else [self.last]

    def learn(self, row: bytes) -> Template | None:
        """Make a template of a row that was decoded."""
        template = template_of(row)
        if template is not None:
            known = self._templates.pop(len(row), [])
            self._templates[len(row)] = [template, *known[: _MOST_OF_A_LENGTH - 1]]
            if len(self._templates) > _MOST_TEMPLATES:
                del self._templates[next(iter(self._templates))]
            self.last = template
        return template

    def are_alike(self, length: int) -> bool:
        """Tell whether rows of a length may have a template in common: integers and texts of any width have not."""
        return self._failures.get(length, 0) < _ATTEMPTS

    def note(self, length: int, fitted: int, count: int) -> None:
        """Note how many of so many rows a new template has fitted."""
        if 2 * fitted < count:
            if len(self._failures) > _MOST_TEMPLATES:
                self._failures.clear()
            self._failures[length] = self._failures.get(length, 0) + 1

    def learn_shape(self, row: bytes) -> Shape | None:
        """Return the shape of a row that was decoded, noted as the latest."""
        template = template_of(row)
        shape = None if template is None else lockstep.shape_of(template)
        if shape is not None and shape not in self.walked:
            if len(self.walked) >= _MOST_SHAPES:
                del self.walked[next(iter(self.walked))]
            self.walked[shape] = None
            return shape
        return None


def framed_rows(view: Array, pos: int, span: int) -> tuple[Array, Array]:
    """Follow records of one frame each through about `span` bytes; return where they begin and end.

    What is inside of them was not looked at.
    """
    region = view[pos : pos + span]
    found = pos + np.flatnonzero((region[:-2] == _PROTO) & (region[2:] == _FRAME))
    found = found[(found + _HEAD <= len(view)) & ((view[found + 1] == 4) | (view[found + 1] == 5))]
    if not len(found) or found[0] != pos:
        return _NONE, _NONE
    ends = (
        found + _HEAD + np.minimum(lockstep.bytes_at(view, found + 3, 8).view("<u8")[:, 0], len(view)).astype(np.int64)
    )
    # What looks like a head within a record breaks the chain here: the record is then decoded by itself.
    follows = (ends <= len(view)) & (view[np.minimum(ends, len(view)) - 1] == _STOP)
    follows[:-1] &= ends[:-1] == found[1:]
    count = len(found) if follows.all() else int(follows.argmin())
    return found[:count], ends[:count]


class Segment:
    """Rows that lie one behind another."""

    def __init__(self, view: Array, starts: Array, ends: Array, shapes: Shapes) -> None:
        self._view = view
        self._starts, self._ends = starts, ends
        self._shapes = shapes
        self._open = np.ones(len(starts), np.bool_)  # those that no shape was found for
        self._matched: list[tuple[Template, Array, Array]] = []
        self._walked: list[tuple[Shape, Walked, Array]] = []
        self._records: dict[int, Any] = {}
        self._whole = 0
        self.others = 0

    def decode(self, load: Callable[[int], tuple[Any, int]]) -> int:
        """Sort the rows by shape, and decode what has none one by one; return how many rows are whole."""
        self._match(load)
        self._walk(load)
        self._whole = len(self._starts)
        for number in np.flatnonzero(self._open).tolist():
            if not self._decode_one(number, load):
                self._whole = number
                break
        return self._whole

    def add_to(self, builder: Builder, wanted: Callable[[Iterable[str]], list[str]]) -> None:
        """Put the values of the whole rows into a table."""
        rows = np.ones(self._whole, np.bool_)
        for number in [number for number in self._records if number < self._whole]:
            rows[number] = is_row(self._records[number])
        places = builder.rows + np.cumsum(rows) - 1
        for template, numbers, matched in self._matched:
            inside = int(np.searchsorted(numbers, self._whole))
            if inside:
                where = as_positions(places[numbers[:inside]])
                for key in wanted(template.fields):
                    builder.add(key, where, template.lift(matched[:inside], key))
        for shape, walked, numbers in self._walked:
            self._add_walked(builder, wanted(shape.names), shape, walked, numbers, places)
        for number in sorted(self._records):  # a builder takes single rows in their order
            if number < self._whole and rows[number]:
                record = self._records[number]
                builder.add_row(int(places[number]), {key: record[key] for key in wanted(record)})
        builder.rows += int(rows.sum())
        self.others = self._whole - int(rows.sum())

    def _match(self, load: Callable[[int], tuple[Any, int]]) -> None:
        """Find the rows that have the same bytes as others of their length, but for the values."""
        lengths = self._ends - self._starts
        for length in np.unique(lengths).tolist():
            left = np.flatnonzero(lengths == length)
            if len(left) < _MANY:
                continue
            rows = lockstep.bytes_at(self._view, self._starts[left], length)
            for template in self._shapes.of_length(length):
                left, rows = self._take(template, left, rows)
            while len(left) >= _MANY and self._shapes.are_alike(length) and self._decode_one(int(left[0]), load):
                made = self._shapes.learn(rows[0].tobytes())
                count = len(left)
                if made is not None:
                    left, rows = self._take(made, left, rows)
                self._shapes.note(length, count - len(left), count)

    def _take(self, template: Template, left: Array, rows: Array) -> tuple[Array, Array]:
        """Take the rows of a template; return the others."""
        if not len(left):
            return left, rows
        fits = template.match(rows)
        if fits.all():
            self._close(template, left, rows)
            return left[:0], rows[:0]
        if np.count_nonzero(fits) >= FEW:
            self._close(template, left[fits], rows[fits])
            return left[~fits], rows[~fits]
        return left, rows

    def _close(self, template: Template, numbers: Array, rows: Array) -> None:
        self._matched.append((template, numbers, rows))
        self._open[numbers] = False
        self._shapes.last = template
        for number in numbers[:1].tolist():
            self._records.pop(number, None)

    def _walk(self, load: Callable[[int], tuple[Any, int]]) -> None:
        """Find the rows that have the same names as others, whatever their values."""
        for shape in reversed(self._shapes.walked):
            self._walk_along(shape)
        for _ in range(_ATTEMPTS):
            left = np.flatnonzero(self._open)
            if len(left) < FEW or not self._decode_one(int(left[0]), load):
                return
            start, end = self._starts[left[0]], self._ends[left[0]]
            made = self._shapes.learn_shape(self._view[start:end].tobytes())
            if made is None or not self._walk_along(made):
                return

    def _walk_along(self, shape: Shape) -> bool:
        left = np.flatnonzero(self._open)
        if len(left) < FEW:
            return False
        walked = lockstep.walk(shape, self._view, self._starts[left], self._ends[left])
        if np.count_nonzero(walked.fits) < FEW:
            return False
        self._walked.append((shape, walked, left))
        for number in left[walked.fits].tolist():
            self._records.pop(number, None)
        self._open[left[walked.fits]] = False
        return True

    def _add_walked(
        self, builder: Builder, names: list[str], shape: Shape, walked: Walked, numbers: Array, places: Array
    ) -> None:
        walked.fits[numbers >= self._whole] = False
        for key in names:
            for chosen, values in lockstep.lift(walked, shape.names.index(key), self._view):
                builder.add(key, as_positions(places[numbers[chosen]]), values)

    def _decode_one(self, number: int, load: Callable[[int], tuple[Any, int]]) -> bool:
        """Decode a row by its opcodes; tell if it is one, and ends where its frame does."""
        if number not in self._records:
            try:
                record, end = load(int(self._starts[number]))
            except CorruptData:
                return False
            if end != self._ends[number]:
                return False
            self._records[number] = record
        return True
