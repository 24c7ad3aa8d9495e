"""Batches: consecutive frames that travel together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ml_logger.errors import CorruptData
from ml_logger.transport import frames


class Batch(NamedTuple):
    """Consecutive frames: the numbers of the first and the last, where each ends in `data`."""

    first: int
    last: int
    data: bytes
    stops: list[int]


def readable(data: bytes) -> Iterator[frames.Span]:
    """Find whole frames as `frames.spans` does, up to damage."""
    try:
        yield from frames.spans(data)
    except CorruptData:
        return  # damaged on disk: the sender goes on with the next file, and says what is missing


def cut(data: bytes, spans: list[frames.Span]) -> Batch:
    """Take the consecutive frames at the start of a buffer; `spans` are those in it, at least one."""
    first = spans[0].seq
    stops = [span.stop for n, span in enumerate(spans) if span.seq == first + n]
    return Batch(first, first + len(stops) - 1, data[: stops[-1]], stops)
