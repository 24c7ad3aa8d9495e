"""The short form of the suite: faults begin before their tests ask for them, a few at a time, as most of them wait."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ml_logger.testing.faults.__main__ import run
from ml_logger.testing.faults.report import Fault, Report, Unavailable

#: What is left to chance is the same in every run of the tests; other seeds are for the command.
SEED = 20
#: How many faults are tried at once: what works alone must work beside others.
AT_ONCE = 3

Outcomes = dict[str, Future[Report | Unavailable]]


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Iterator[Outcomes]:
    """What comes of each fault that a test of this session asks for, by its name."""
    asked = [item for item in request.session.items if "outcomes" in getattr(item, "fixturenames", ())]
    faults: list[Fault] = [item.callspec.params["fault"] for item in asked]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {fault.name: pool.submit(run, fault, fault.short, SEED) for fault in faults}
        pool.shutdown(cancel_futures=True)
