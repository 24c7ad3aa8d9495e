"""Attack a server that somebody else is logging to, and tell what came of it, and what he noticed.

    python -m tests.attacks [--only NAME ...]

All attacks and floods, one after another, on live servers on this machine. A bystander posts small batches meanwhile:
for each family of attacks, and for each flood, his median and his worst are told, and the longest stretch in which
every batch took more than twice as long as the slowest hundredth did while nothing happened. The exit status is 1 if an
attack did what it must not, or if such a stretch was longer than a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ml_logger.notices import ProgressLine
from tests.attacks.attack import Attack
from tests.attacks.bystander import Bystander, Sample, longest_stretch, median, worst
from tests.attacks.corpus import FAMILIES
from tests.attacks.floods import FLOODS
from tests.attacks.scene import Scene

#: Batches by which the bystander's quiet times are known, before and in the end.
QUIET = 300
#: The seconds of a stretch that is too long.
TOO_LONG = 1.0


class Line(NamedTuple):
    """What came of a family, or of a flood."""

    name: str
    wrong: list[str]
    samples: list[Sample]


def attacked(scenes: dict[str, Scene], folder: Path, attack: Attack) -> list[str]:
    """Do one attack, and return what was wrong with what came of it."""
    if attack.at not in scenes:
        scenes[attack.at] = Scene(folder / attack.at, attack.at)
    try:
        answer = attack.deed(scenes[attack.at])
    except (AssertionError, OSError) as error:
        answer = f"{type(error).__name__}: {error}"
    wrong = [] if answer == attack.expected else [f"got {answer!r} and not {attack.expected!r}"]
    return [f"{attack.name}: {text}" for text in (*wrong, *scenes[attack.at].problems(attack))]


def lines(scenes: dict[str, Scene], folder: Path, only: Sequence[str], bystander: Bystander) -> Iterator[Line]:
    """Do all attacks, and yield what came of each family and of each flood."""
    progress = ProgressLine(patience=0.0)
    scene = scenes["open"]
    families = {name: [a for a in family if _wanted(only, name, a.name)] for name, family in FAMILIES.items()}
    for name, family in families.items():
        began, wrong = len(bystander.samples), []
        for number, attack in enumerate(family, 1):
            progress.show(f"{name}: {number} of {len(family)}")
            wrong += attacked(scenes, folder, attack)
        progress.clear()
        if family:
            bystander.wait_for(3)
            yield Line(f"{name}, {len(family)} attacks", wrong, bystander.samples[began:])
    for flood in FLOODS:
        if _wanted(only, "floods", flood.name):
            progress.show(flood.name)
            with flood.around(scene):
                bystander.wait_for(50)  # so that what was before is not taken for it
                began = len(bystander.samples)
                attack = Attack(flood.name, lambda _, deed=flood.deed: deed(scene, bystander), flood.expected)  # type: ignore[misc]
                wrong = attacked(scenes, folder, attack)
                ended = len(bystander.samples)
            progress.clear()
            yield Line(flood.name, wrong, bystander.samples[began:ended])


def _wanted(only: Sequence[str], family: str, name: str) -> bool:
    return not only or family in only or name.split()[0] in only


def main(argv: Sequence[str] | None = None) -> int:
    """Attack; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="families, or numbers such as P01 or F07")
    args = parser.parse_args(argv)
    home, bad = Path.cwd(), 0
    with tempfile.TemporaryDirectory(prefix="ml-logger-attacks-") as scratch:
        folder = Path(scratch)
        scenes = {"open": Scene(folder / "open", "open")}
        try:
            with Bystander(scenes["open"].server.port, "bystander/log") as bystander:
                bystander.wait_for(QUIET)
                usual = statistics.quantiles([sample.took for sample in bystander.samples[5:]], n=100)[98]
                _say(f"quiet: median {_ms(median(bystander.samples))}, of a hundred the slowest {_ms(usual)}")
                for line in lines(scenes, folder, args.only, bystander):
                    bad += _judged(line, 2 * usual)
        finally:
            for scene in scenes.values():
                scene.stop()
            os.chdir(home)
    _say("nothing got through" if not bad else f"{bad} did what they must not")
    return 1 if bad else 0


def _judged(line: Line, limit: float) -> bool:
    stretch = longest_stretch(line.samples, limit)
    bad = bool(line.wrong) or stretch > TOO_LONG
    times = f"median {_ms(median(line.samples))}, worst {_ms(worst(line.samples))}, slow for {stretch:4.2f} s"
    _say(f"{'BAD' if bad else 'ok ':3} {line.name:56} {times}")
    for text in line.wrong:
        _say(f"      {text}")
    return bad


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:6.1f} ms"


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
