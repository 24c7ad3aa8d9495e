"""Faults at every step: the committer is killed, its calls fail, and the power goes, at each call in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ml_logger.testing.faults.oracle import Verdict
from ml_logger.testing.faults.report import Report
from ml_logger.testing.faults.scene import Scene

#: Seconds that all steps may take.
PATIENCE = 3000
#: A disk in memory, where there is one: thousands of syncs cost nothing there, and mean the same.
MEMORY = Path("/dev/shm")
#: How many of the things that were wrong are told.
TOLD = 5


def explore(scene: Scene, what: str, *options: object) -> dict[str, Any]:
    """Run `steps`, and return what it found."""
    place = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else scene.folder
    with tempfile.TemporaryDirectory(prefix="ml-logger-steps-", dir=place) as scratch:
        program = ("-m", "ml_logger.testing.faults.steps", what, scratch, "--seed", str(scene.seed), *map(str, options))
        done = subprocess.run(
            scene.command(sys.executable, *program), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    if done.returncode:
        raise AssertionError(f"{what}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _report(found: dict[str, Any], *needed: str) -> Report:
    report, counts = Report(), found["counts"]
    for what in needed:
        report.happened(what, counts.get(what, 0))
    report.wrong += found["wrong"][:TOLD]
    if len(found["wrong"]) > TOLD:
        report.wrong.append(f"and {len(found['wrong']) - TOLD} more")
    acknowledged = counts.get("batches acknowledged", 0)
    lost = counts.get("images that lost what was acknowledged", 0)
    report.judge(Verdict(returned=acknowledged, held=acknowledged - lost, lost=lost))
    return report


def killed_at_every_step(scene: Scene, rounds: int) -> Report:
    """Kill the committer before, within and after each of its calls, and the recoveries that follow at theirs."""
    every = 1 if scene.long else 40
    report = _report(explore(scene, "kill", "--every", every), "kills", "kills of the recovery")
    if scene.long:
        cheap = explore(scene, "kill", "--every", every, "--durability", "process")
        report.judge(_report(cheap, "kills").verdict)
        report.wrong += cheap["wrong"][:TOLD]
    return report


def calls_fail_everywhere(scene: Scene, rounds: int) -> Report:
    """Let each call of the committer fail in turn: EIO, no room, and half of the bytes taken."""
    found = explore(scene, "fail" if scene.long else "fail-once")
    return _report(found, "calls with EIO", "calls with ENOSPC", "calls with short", "stops by the server")


def power_lost(scene: Scene, rounds: int) -> Report:
    """Cut the power after each step: what was not synced is dropped, kept or torn, what was acknowledged is there."""
    return _report(explore(scene, "power", "--every", 2 if scene.long else 400), "disks without power")


def power_lost_unsynced(scene: Scene, rounds: int) -> Report:
    """Do the same without the syncs, as `--durability process` is: rows must be lost, or the model sees nothing."""
    found = explore(scene, "power", "--durability", "process", "--ways", "dropped", "--every", 10**9)
    report = Report()
    report.happened("disks without power", found["counts"]["disks without power"])
    report.happened("of them that lost rows, as they should", found["counts"]["images that lost what was acknowledged"])
    return report
