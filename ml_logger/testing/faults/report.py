"""What a fault is, and what came of it: one line for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ml_logger.testing.faults.oracle import Verdict

if TYPE_CHECKING:
    from ml_logger.testing.faults.scene import Scene


class Unavailable(Exception):
    """This machine lacks what a fault needs: says what."""


class Report:
    """What was tried, what was held, and what went wrong."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.verdict = Verdict()
        self.wrong: list[str] = []

    def happened(self, what: str, count: int, least: int = 1) -> None:
        """Count what was done; a fault that did not happen often enough is itself a failure."""
        self.tried[what] += count
        if count < least:
            self.wrong.append(f"did not happen: {what} ({count} of at least {least})")

    def expect(self, condition: object, otherwise: str) -> None:
        """Note what is wrong, unless a condition holds."""
        if not condition:
            self.wrong.append(otherwise)

    def judge(self, verdict: Verdict) -> None:
        """Add what the oracle found."""
        self.verdict += verdict

    @property
    def passed(self) -> bool:
        """Whether the fault happened and nothing came of it."""
        return not self.wrong and self.verdict.is_clean

    def line(self) -> str:
        """Return it in one line."""
        tried = ", ".join(f"{count:,} {what}" for what, count in self.tried.items())
        verdict = self.verdict
        held = f"held {verdict.held:,} of {verdict.returned:,}"
        bad = f"lost {verdict.lost:,}, twice {verdict.twice:,}, out of order {verdict.disordered:,}"
        more = [f"{count:,} {what}" for what, count in _others(verdict) if count]
        return "; ".join([f"tried {tried or 'nothing'}", held, ", ".join([bad, *more]), *self.wrong])


def _others(verdict: Verdict) -> list[tuple[str, int]]:
    return [("rows nobody wrote", verdict.strange), ("files unreadable", verdict.unreadable)]


class Fault(NamedTuple):
    """One fault of the suite.

    Attributes:
        name: how it is called on the command line.
        rows: the rows of the fault matrix that it covers, F01 to F40.
        run: breaks things, at a scene, so many times, and reports.
        short: how many times, in the short form.
    """

    name: str
    rows: tuple[str, ...]
    run: Callable[[Scene, int], Report]
    short: int = 1

    @property
    def id(self) -> str:
        """Rows and name, as tests are called."""
        return "-".join([*(row.lower() for row in self.rows), self.name])
