"""Each attack is answered as it should be, and nothing comes of it that must not come of any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.attack import Attack
from tests.attacks.corpus import CORPUS
from tests.attacks.scene import Scene


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Scene]]:
    """The servers that were needed so far, by their kind."""
    opened: dict[str, Scene] = {}
    yield opened
    for scene in opened.values():
        scene.stop()


@pytest.mark.parametrize("attack", CORPUS, ids=lambda attack: attack.name)
def test_nothing_comes_of_it(
    attack: Attack, scenes: dict[str, Scene], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The answer is the one that is right; nobody got in or out, the server lives, and others are served."""
    if attack.at not in scenes:
        scenes[attack.at] = Scene(Path(tmp_path_factory.mktemp(attack.at)), attack.at)
    scene = scenes[attack.at]
    answer = attack.deed(scene)

    assert scene.problems(attack) == []
    assert answer == attack.expected
