"""Floods cost others nothing but time, and the server nothing that stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.attack import Attack
from tests.attacks.bystander import LINE, Bystander, Sample, longest_stretch
from tests.attacks.floods import FLOODS, Flood
from tests.attacks.scene import Scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The server that is flooded."""
    opened = Scene(Path(tmp_path_factory.mktemp("flooded")), "open")
    yield opened
    opened.stop()


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.name)
def test_others_are_served_meanwhile(flood: Flood, scene: Scene) -> None:
    """While it lasts, every batch of a bystander is taken, once, and before long; then nothing is left of it."""
    key = f"bystander/{flood.name.split()[0]}"
    with flood.around(scene), Bystander(scene.server.port, key) as bystander:
        answer = flood.deed(scene, bystander)

    assert answer == flood.expected
    assert bystander.trouble == ""
    assert (scene.data / key).read_bytes() == LINE * len(bystander.samples)
    assert scene.problems(Attack(flood.name, lambda _: "", "")) == []


def test_a_stretch_is_what_is_slow_without_a_break() -> None:
    """A stretch begins with its first slow batch, ends with its last, and one quick batch ends it."""
    samples = [Sample(float(n), took) for n, took in enumerate((0.1, 0.9, 0.8, 0.1, 0.9, 0.1))]

    assert longest_stretch(samples, 0.5) == pytest.approx(1.8)
    assert longest_stretch(samples[3:], 0.5) == pytest.approx(0.9)
    assert longest_stretch(samples, 1.0) == 0.0
