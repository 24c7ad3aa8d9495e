"""The list of attacks itself: long enough, each once, and each with what is expected."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.attacks.corpus import CORPUS, FAMILIES

#: The numbers in our list of attacks: paths, HTTP, browsers, the protocol, tokens and sessions, one case each at least.
NUMBERS = [
    *(f"P{n:02}" for n in range(1, 41) if n != 31),  # P31, links swapped meanwhile, is in tests/test_paths.py
    *(f"H{n:02}" for n in range(1, 29)),
    *(f"B{n:02}" for n in range(1, 16)),
    *(f"Q{n:02}" for n in range(1, 21) if n != 17),  # Q17, tokens, has letters of its own
    *(f"T{n:02}" for n in range(1, 17)),
    *(f"S{n:02}" for n in range(1, 10)),
]


def test_there_are_enough() -> None:
    """There are many, without the pickles and without counting one for each operation; no two have one name."""
    names = Counter(attack.name for attack in CORPUS)

    assert [name for name, count in names.items() if count > 1] == []
    assert len([name for name in names if not name.endswith("as columns")]) >= 400
    assert all(len(family) >= 40 for family in FAMILIES.values())


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_has_a_case(number: str) -> None:
    """What is in the list of attacks is tried."""
    assert [attack.name for attack in CORPUS if attack.name.startswith(f"{number} ")]


def test_each_says_what_is_expected() -> None:
    """No attack is right whatever comes: each expects something that can be told from something else."""
    for attack in CORPUS:
        assert re.match("[A-Z]+[0-9]*[a-z]? ", attack.name), attack.name
        assert attack.expected not in ("?", "500"), attack.name
