"""The safeguards that `tests.mutations` takes out are where it looks for them, and one of them is shown to matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import mutations


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_mutation_finds_its_place(mutation: mutations.Mutation) -> None:
    """The text of a mutation is in the code exactly once."""
    assert (mutations.ROOT / mutation.path).read_text().count(mutation.old) == 1


def test_a_missing_safeguard_is_noticed(tmp_path: Path) -> None:
    """Without the lock of a spool a test fails, and with it none does."""
    mutation = next(one for one in mutations.MUTATIONS if one.name == "lock of a spool")
    folder = mutations.copy_of_the_repository(tmp_path)
    found = mutations.caught_by(mutation, folder)

    assert found is not None
    assert found.startswith("tests/test_spool.py::test_a_living_spool_is_not_adopted")
    assert mutations.caught_by(mutation._replace(new=mutation.old), folder) is None
