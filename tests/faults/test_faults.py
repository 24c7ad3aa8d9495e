"""Everything that can be broken is broken, in short rounds: the long ones are `python -m ml_logger.testing.faults`."""

from __future__ import annotations

import pytest

from ml_logger.testing.faults.matrix import FAULTS
from ml_logger.testing.faults.report import Fault, Unavailable
from tests.faults.conftest import Outcomes


def test_every_row_of_the_matrix_has_a_fault() -> None:
    """The faults F01 to F40 are all tried, and no two entries have the same name."""
    rows = {row for fault in FAULTS for row in fault.rows}

    assert rows == {f"F{number:02}" for number in range(1, 41)}
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.id for fault in FAULTS])
def test_nothing_is_lost_twice_or_out_of_order(fault: Fault, outcomes: Outcomes) -> None:
    """A fault happens, and every row whose call returned is there: once, in order, in files that load."""
    outcome = outcomes[fault.name].result()

    if isinstance(outcome, Unavailable):
        pytest.skip(str(outcome))
    assert outcome.passed, outcome.line()
