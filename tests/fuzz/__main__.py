"""Fuzz targets for a long time, each in a process that is watched: what scripts/fuzz runs.

A process that makes no progress for a while has found an input that hangs; one that ends by itself, one that crashes.
Either way the input is in its notes.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

from tests.fuzz.notes import Notes
from tests.fuzz.one import AGAIN
from tests.fuzz.targets import TARGETS, Target

#: Seconds that one input may take.
DEADLINE = 20.0
#: Seconds that a process may take to begin, and, once its time is over, to end.
GRACE = 60.0
#: Seconds between two lines of progress.
PROGRESS_EVERY = 60.0

_COVERAGE = re.compile(rb"^#\d+\s+\w+\s+cov: (\d+) ft: \d+ corp: (\d+)", re.MULTILINE)


class Fuzzed:
    """One target that is being fuzzed, and what came of it.

    Args:
        target: which.
        args: the command line.
        scratch: a folder for what is made meanwhile.
    """

    def __init__(self, target: Target, args: argparse.Namespace, scratch: Path) -> None:
        self.name = target.name
        guided = target.guided and importlib.util.find_spec("atheris") is not None
        self.engine = "atheris" if guided else "hypothesis"
        self._findings = args.findings
        self._scratch = scratch / target.name
        self._scratch.mkdir()
        self._notes = Notes(self._scratch / "notes")
        self._seconds = 60.0 * args.minutes
        self._started = self._moved = time.monotonic()
        self._done = -1
        self._more = 0
        self.took = 0.0
        self._log = (self._scratch / "log").open("wb")
        self._seed = args.seed
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        seconds = self._seconds - (time.monotonic() - self._started)
        command = [sys.executable, "-m", "tests.fuzz.one", self.name, "--engine", self.engine]
        command += ["--seconds", str(seconds), "--seed", str(self._seed), "--scratch", str(self._scratch)]
        command += ["--findings", str(self._findings)]
        env = {**os.environ, "TMPDIR": str(self._scratch), "OPENBLAS_NUM_THREADS": "1"}
        # A session of its own: with it end the servers that it has started.
        return subprocess.Popen(
            command, stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL, env=env, start_new_session=True
        )

    def has_ended(self) -> bool:
        """Look how far it is; end it where it hangs, and keep what it was trying."""
        now, (begun, done, _, data) = time.monotonic(), self._notes.look()
        if self._process.poll() == AGAIN and now - self._started < self._seconds - 1:
            self._seed, self._moved = self._seed + 1, now
            self._process = self._start()  # goes on from the inputs that it has kept
            return False
        if self._process.poll() is not None:
            status = self._process.returncode
            if begun == 0 or not (status in (0, AGAIN) or (status == 1 and self.findings)):  # 1: it kept some itself
                self._keep("crash" if begun else "start", data)
            self.stop()
            return True
        if done != self._done:
            self._done, self._moved = done, now
        if now - self._moved > (DEADLINE if begun > done else GRACE):
            self._keep("hang", data)
            self.stop()
            return True
        if now - self._started > self._seconds + GRACE:
            self._keep("end", data)
            self.stop()
            return True
        return False

    def stop(self) -> None:
        """End it, and whatever it has started."""
        self.took = time.monotonic() - self._started
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._log.close()

    def _keep(self, how: str, data: bytes) -> None:
        self._more += 1
        self._findings.mkdir(parents=True, exist_ok=True)
        path = self._findings / f"{self.name}-{how}-{hashlib.sha256(data).hexdigest()[:8]}"
        path.write_bytes(data)
        log = (self._scratch / "log").read_bytes()[-10_000:]
        told = f"{how}, exit status {self._process.poll()}, after {self._notes.look()[1]:,} inputs\n"
        path.with_name(f"{path.name}.txt").write_bytes(told.encode() + log)

    @property
    def findings(self) -> int:
        """How many inputs failed, those that are like others too."""
        return self._notes.look()[2] + self._more

    def row(self) -> tuple[str, ...]:
        """Return its row of the table."""
        done, seconds = self._notes.look()[1], max(self.took or time.monotonic() - self._started, 1e-3)
        found = _COVERAGE.findall((self._scratch / "log").read_bytes())
        first, last = (found[0], found[-1]) if found else ((b"", b""), (b"", b""))
        reached = f"{int(last[0]):,} (+{int(last[0]) - int(first[0]):,})" if found else "-"
        kept = f"{int(last[1]):,}" if found else "-"
        return self.name, self.engine, f"{done:,}", f"{done / seconds:,.0f}", reached, kept, str(self.findings)


HEAD = ("target", "engine", "inputs", "per second", "edges (new)", "inputs kept", "findings")


def table(rows: list[tuple[str, ...]]) -> str:
    """Return the summary."""
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    lines = [HEAD, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) if number < 2 else cell.rjust(width) for number, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    )


def fuzz(args: argparse.Namespace, scratch: Path) -> list[Fuzzed]:
    """Fuzz the targets, some at a time; what was begun is returned also when somebody ends it."""
    waiting, running = deque(TARGETS[name] for name in args.targets or TARGETS), list[Fuzzed]()
    begun: list[Fuzzed] = []
    say_at = time.monotonic()
    try:
        while waiting or running:
            while waiting and len(running) < args.jobs:
                running.append(Fuzzed(waiting.popleft(), args, scratch))
                begun.append(running[-1])
            for one in [one for one in running if one.has_ended()]:
                running.remove(one)
                print(f"{one.name}: done, {one.findings} findings", flush=True)
            if time.monotonic() >= say_at:
                say_at = time.monotonic() + PROGRESS_EVERY
                shown = ", ".join(f"{row[0]} {row[2]} ({row[3]}/s)" for row in (one.row() for one in running))
                print(f"{time.strftime('%H:%M:%S')}  {shown}; {len(waiting)} wait", flush=True)
            threading.Event().wait(0.2)
    except KeyboardInterrupt:
        print("ended", flush=True)
    finally:
        for one in running:
            one.stop()
    return begun


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    found = argparse.ArgumentParser(prog="scripts/fuzz", description=(__doc__ or "").splitlines()[0])
    found.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)} (all of them)")
    found.add_argument("--minutes", type=float, default=10.0, help="how long each target is fuzzed (10)")
    found.add_argument("--seed", type=int, default=0, help="what is left to chance (0)")
    found.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time (one a processor)")
    found.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="where inputs that fail go")
    return found


def main() -> int:
    """Fuzz; return the exit status: 1 where there were findings, 2 for a target that is none."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    args = parser().parse_args()
    unknown = [name for name in args.targets if name not in TARGETS]
    if unknown:
        parser().error(f"there is no target {', '.join(unknown)}: choose from {', '.join(TARGETS)}")
    with tempfile.TemporaryDirectory(prefix="ml-logger-fuzz-") as scratch:
        begun = fuzz(args, Path(scratch))
        print(table([one.row() for one in begun]))
    found = [one for one in begun if one.findings]
    for path in sorted(args.findings.glob("*.txt")) if found else ():
        name = path.name.partition("-")[0]
        print(f"{path.with_suffix('')}: python -m tests.fuzz.one {name} --replay {path.with_suffix('')}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
