"""`python -m ml_logger.testing.faults.steps WHAT FOLDER`: crash a committer at each step of its work, in turn.

A committer takes in a story, batch by batch, in a child of this process, with failpoints at its k-th call of the
system, for every k. What it leaves is recovered by another child, which is killed at each of its own steps too, and the
writer sends again what was not acknowledged. Prints what was done and what was wrong, as JSON.

This is a program of its own because it forks, and because what it wraps stays wrapped.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ml_logger.server.catalog import Catalog
from ml_logger.server.committer import Committer
from ml_logger.server.groups import Request
from ml_logger.stores.folder import Folder
from ml_logger.testing.faults.calls import Hook, watch
from ml_logger.testing.faults.disk import WAYS, Recorder, Step, build, safe_from
from ml_logger.testing.faults.failpoints import Failpoints
from ml_logger.testing.faults.story import WRITER, Files, Story, files_in, tell
from ml_logger.transport.frames import Frame

#: Statuses of a child: all went well; the disk has failed and the committer said so; it could not start; a mistake.
DONE, FAILED, NOT_STARTED, MISTAKE = 0, 3, 4, 70
#: Seconds that one child may take.
CHILD_PATIENCE = 60
#: How often a batch is sent again to a committer that is alive.
TRIES = 5


def commit(
    folder: Path,
    batches: list[list[Frame]],
    power: bool,
    acknowledge: Callable[[int], object],
    started: Callable[[], object] = lambda: None,
) -> int:
    """Let a committer take batches in; tell that it has started, and what it acknowledges; return a status."""
    failures: list[str] = []
    try:
        place = Folder(folder, follow_links=False)
        catalog = Catalog(place.private("catalog.db"), "FULL" if power else "NORMAL")
        committer = Committer(place, catalog, power=power, fail=failures.append)
    except Exception:  # whatever stands in the way of a start: the next one finds the disk mended
        return NOT_STARTED
    started()
    for number, batch in enumerate(batches):
        for _ in range(TRIES):
            answer = committer.submit(Request.of(WRITER, batch)).result(CHILD_PATIENCE)
            if answer.status == 200 or failures:
                break
        if answer.status != 200:
            return FAILED
        if answer.body["rejected"]:
            raise AssertionError(f"refused: {answer.body['rejected']}")
        acknowledge(number)
    try:
        committer.close()
    except Exception:  # a disk that fails as the catalog is closed
        return FAILED
    return DONE


class Explorer:
    """Runs a story again and again, each time with another fault.

    Args:
        scratch: an empty folder.
        power: whether what is acknowledged must survive a power loss.
        seed: of what is left to chance.
        every: how many of the crashes are followed by crashes of the recovery too: one of so many.
        ways: what becomes of what was not synced when the power goes: all of these, in turn.
    """

    def __init__(self, scratch: Path, power: bool, seed: int, every: int, ways: Sequence[str] = WAYS) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._folder = scratch / "data"
        self._trace = scratch / "trace"
        self._mistake = scratch / "mistake"
        self._power = power
        self._chance = random.Random(seed)
        self._every = every
        self._ways = ways
        self._story: Story = tell()

    def _fresh(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._trace.unlink(missing_ok=True)

    def _child(self, task: Callable[[Callable[[int], object]], int], hook: Hook | None = None) -> tuple[int, int]:
        """Run a task in a child; return how many batches it acknowledged, and its status (negative for a signal)."""
        read, write = os.pipe()
        said = os.write
        child = os.fork()
        if not child:
            status = MISTAKE
            try:
                signal.alarm(CHILD_PATIENCE)
                quiet = os.open(os.devnull, os.O_WRONLY)
                os.dup2(quiet, 2)
                if hook is not None:
                    watch(hook)
                status = task(lambda number: said(write, b"."))
            except BaseException as error:
                self._mistake.write_text(f"{type(error).__name__}: {error}")
            finally:
                os._exit(status)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            acknowledged = len(pipe.read())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self._expect(status != MISTAKE, f"a child failed: {self._mistake.read_text() if status == MISTAKE else ''}")
        return acknowledged, status

    def _tell_story(self, batches: list[list[Frame]], hook: Hook | None = None) -> tuple[int, int]:
        return self._child(lambda acknowledge: commit(self._folder, batches, self._power, acknowledge), hook)

    def _failpoints(self, *points: str) -> Failpoints:
        return Failpoints(";".join([*points, f"under={self._folder}", f"trace={self._trace}"]))

    def _traced(self) -> list[str]:
        """Return the kind of each call of a story without a fault, in their order."""
        self._fresh()
        acknowledged, status = self._tell_story(self._story.batches, self._failpoints())
        self._expect(status == DONE and acknowledged == len(self._story.batches), "the story fails without any fault")
        self._expect(files_in(self._folder) == self._story.files[-1], "the story ends with other files than it tells")
        return [line.split()[0] for line in self._trace.read_text().splitlines()]

    def _expect(self, condition: object, otherwise: str) -> None:
        if not condition:
            self.wrong.append(otherwise)

    # ---------------------------------------------------------------- crashes

    def kill_everywhere(self) -> None:
        """Kill the committer before, in the middle of, and after every call, and then its recovery."""
        for number, kind in enumerate(self._traced(), 1):
            middle = ["kill-middle"] if kind in ("write", "pwrite") else []
            # After one call is before the next: told apart only where everything is tried.
            for action in ["kill-before", *middle, *(["kill-after"] if self._every == 1 else [])]:
                self._fresh()
                name = f"{action} of {kind}, call {number}"
                acknowledged, status = self._tell_story(self._story.batches, self._failpoints(f"*@{number}={action}"))
                self._expect(status == -signal.SIGKILL, f"{name}: it was not killed, but ended with {status}")
                self.counts["kills"] += 1
                if self._chance.randrange(self._every) == 0:
                    self._kill_recovery(name)
                self._recover(name, acknowledged)

    def _kill_recovery(self, name: str) -> None:
        for number in range(1, 200):
            action = self._chance.choice(["kill-before", "kill-middle", "kill-after"])
            _, status = self._tell_story([], self._failpoints(f"*@{number}={action}"))
            if status != -signal.SIGKILL:
                self._expect(status == DONE, f"{name}: a recovery ended with {status}")
                return
            self.counts["kills of the recovery"] += 1
        self.wrong.append(f"{name}: the recovery never came to its end")

    def fail_everywhere(self, one: bool) -> None:
        """Let every call fail: with EIO, without room, and taking half of the bytes; or in `one` of these ways."""
        for number, kind in enumerate(self._traced(), 1):
            actions = ["EIO", "ENOSPC", *(["short"] if kind in ("write", "pwrite") else [])]
            for action in [self._chance.choice(actions)] if one else actions:
                self._fresh()
                name = f"{action} of {kind}, call {number}"
                acknowledged, status = self._tell_story(self._story.batches, self._failpoints(f"*@{number}={action}"))
                self._expect(f"{kind} !{action} " in self._trace.read_text(), f"{name}: it did not fail")
                self._expect(status in (DONE, FAILED, NOT_STARTED), f"{name}: it ended with {status}")
                self.counts[f"calls with {action}"] += 1
                self.counts["stops by the server"] += status == FAILED
                self._recover(name, acknowledged)

    def _recover(self, name: str, acknowledged: int) -> None:
        """Recover what a crash has left, look at it, send the rest, and look again."""
        again, looked = self._story.resent(acknowledged), self._trace.with_name("looked")
        looked.unlink(missing_ok=True)

        def task(acknowledge: Callable[[int], object]) -> int:
            return commit(
                self._folder,
                again,
                self._power,
                acknowledge,
                lambda: looked.write_bytes(pickle.dumps(files_in(self._folder))),
            )

        sent, status = self._child(task)
        self._expect(status == DONE, f"{name}: the recovery ended with {status}, after {sent} batches were sent again")
        if looked.exists():
            self._judge(name, pickle.loads(looked.read_bytes()), acknowledged)
        self._expect(files_in(self._folder) == self._story.files[-1], f"{name}: other files at the end than were sent")
        self.counts["batches acknowledged"] += acknowledged

    def _judge(self, name: str, found: Files, acknowledged: int) -> None:
        """Check that the files are those after some batch, and not before the last that was acknowledged."""
        whole = {key: data for key, data in found.items() if data}
        for number, files in enumerate(self._story.files):
            if files == whole and number >= self._story.frames(acknowledged):
                return
        self.counts["images that lost what was acknowledged"] += 1
        self.wrong.append(
            f"{name}: after the recovery the files are not those after batch {acknowledged} or a later one"
        )

    # ---------------------------------------------------------------- power

    def lose_power_everywhere(self) -> None:
        """Let the power go after every step, with all that was not synced dropped, kept, or torn."""
        steps = self._recorded(self._story.batches, Path("steps"))
        self._lose_power(steps, "", deep=True)

    def _recorded(self, batches: list[list[Frame]], name: Path) -> list[Step]:
        """Return what a committer does to the disk."""
        out = self._trace.with_name(name.name)
        if not self._folder.exists():
            self._fresh()

        def task(acknowledge: Callable[[int], object]) -> int:
            recorder = Recorder(self._folder, full=self._power)
            watch(recorder)
            status = commit(self._folder, batches, self._power, lambda number: recorder.ack(number + 1))
            out.write_bytes(pickle.dumps(recorder.steps))
            return status

        _, status = self._child(task)
        self._expect(status == DONE, f"recording ended with {status}")
        steps: list[Step] = pickle.loads(out.read_bytes())
        return steps

    def _lose_power(self, steps: list[Step], before: str, *, deep: bool, acknowledged: int = 0) -> None:
        safe = safe_from(steps)
        first = next((n for n, step in enumerate(steps) if not step.durable), len(steps))
        for crash in range(first, len(steps) + 1):
            acknowledged = max([acknowledged, *(step.at for step in steps[:crash] if step.kind == "ack")])
            for way in self._ways:
                after = f"{steps[crash - 1].kind} {steps[crash - 1].path}" if crash else "nothing"
                name = f"{before}power lost after step {crash} ({after}), what was not synced is {way}"
                self._fresh()
                build(steps, safe, crash, way, self._chance, self._folder)
                self.counts["disks without power"] += 1
                if deep and self._chance.randrange(self._every) == 0:
                    again = self._recorded([], Path("recovery"))
                    self._lose_power(again, f"{name}; recovered; ", deep=False, acknowledged=acknowledged)
                    self._fresh()
                    build(steps, safe, crash, way, self._chance, self._folder)
                self._recover(name, acknowledged)


WHAT: dict[str, Callable[[Explorer], None]] = {
    "kill": Explorer.kill_everywhere,
    "fail": lambda explorer: explorer.fail_everywhere(one=False),
    "fail-once": lambda explorer: explorer.fail_everywhere(one=True),
    "power": Explorer.lose_power_everywhere,
}


def main() -> None:
    """Explore as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m ml_logger.testing.faults.steps")
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="one of so many crashes is followed by deeper ones")
    parser.add_argument("--durability", choices=("power", "process"), default="power")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    args = parser.parse_args()
    explorer = Explorer(args.folder, args.durability == "power", args.seed, args.every, args.ways)
    WHAT[args.what](explorer)
    sys.stdout.write(json.dumps({"counts": explorer.counts, "wrong": explorer.wrong}))


if __name__ == "__main__":
    main()
