"""Fuzz one target in this process, for some time or some number of inputs: started and watched by tests.fuzz.

python -m tests.fuzz.one NAME --engine hypothesis --seconds 60 --notes FILE --findings DIR
python -m tests.fuzz.one NAME --replay FILE
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from tests.fuzz.inputs import LONGEST, inputs
from tests.fuzz.notes import Notes
from tests.fuzz.targets import TARGETS, opened

#: Bytes of memory that a target may take.
MEMORY = 3 << 29
#: Bytes that it may hold after an input before it is started anew: what guides atheris is never given back.
HELD = 1 << 29
#: The exit status that asks for this.
AGAIN = 75
#: Different findings after which a target is given up.
MOST = 10
#: Inputs of one round of hypothesis.
ROUND = 400


class Trial:
    """Tries inputs, and keeps those that fail: the first of each kind, by where it was raised.

    Args:
        target: what is tried.
        notes: where that is noted.
        folder: where the inputs that fail go, with what they raised.
        name: what their names begin with.
    """

    def __init__(self, target: Callable[[Any], None], notes: Notes, folder: Path, name: str) -> None:
        self._target = target
        self._notes = notes
        self._folder = folder
        self._name = name
        self._known: set[str] = set()

    def __call__(self, data: Any) -> None:
        """Try one input."""
        content = data if isinstance(data, bytes) else data.as_curl_command().encode("utf-8", "replace")
        self._notes.begin(content)
        try:
            self._target(data)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # whatever a target lets through is a finding; a group of them is no Exception
            self.keep(error, content)
            self._notes.end(True)
        else:
            self._notes.end(False)

    def keep(self, error: BaseException, content: bytes) -> None:
        """Write down a finding, unless one like it is."""
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "ml_logger/" in frame.filename or "tests/fuzz" in frame.filename]
        place = f"{type(error).__name__} {ours[-1].filename}:{ours[-1].lineno}" if ours else type(error).__name__
        if place in self._known:
            return
        self._known.add(place)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._name}-{type(error).__name__}-{hashlib.sha256(content).hexdigest()[:8]}"
        path.write_bytes(content)
        path.with_name(f"{path.name}.txt").write_text("".join(traceback.format_exception(error)), errors="replace")

    @property
    def is_enough(self) -> bool:
        """Whether so much is wrong that more of it helps nobody."""
        return len(self._known) >= MOST


def memory(field: int) -> int:
    """Return how much memory this process has, in bytes: field 0 all that it could use, field 1 what it does use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[field]) * resource.getpagesize()


def limit_memory() -> None:
    """Let this process, and those that it starts, take only so much more memory."""
    now = memory(0)
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def with_hypothesis(trial: Trial, strategy: Any, seconds: float, most: int, seed: int) -> None:
    """Try what hypothesis draws, round by round, until the time is over or there were enough."""
    import hypothesis

    until, left = time.monotonic() + seconds, most
    while time.monotonic() < until and left > 0 and not trial.is_enough:
        settings = hypothesis.settings(
            max_examples=min(ROUND, left),
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )

        def attempt(data: Any) -> None:
            if time.monotonic() < until and not trial.is_enough:
                trial(data)

        hypothesis.seed(seed)(settings(hypothesis.given(strategy)(attempt)))()
        left, seed = left - ROUND, seed + 1


def with_atheris(trial: Trial, seeds: list[bytes], seconds: float, most: int, seed: int, scratch: Path) -> None:
    """Try what libFuzzer makes of the seeds, guided by what of our code it reaches; ends the process."""
    import atheris

    corpus = scratch / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds):
        (corpus / f"{number}").write_bytes(data[:LONGEST])
    flags = [f"-max_total_time={max(1, int(seconds))}", f"-seed={seed + 1}", f"-max_len={LONGEST}", "-timeout=86400"]
    flags += [f"-artifact_prefix={scratch}/", "-rss_limit_mb=0", "-print_final_stats=1"]
    if most < sys.maxsize:
        flags.append(f"-runs={most}")

    def attempt(data: bytes) -> None:
        nonlocal tried
        trial(data)
        tried += 1
        if trial.is_enough:
            os._exit(0)
        if tried % 256 == 0 and memory(1) > HELD:
            os._exit(AGAIN)

    tried = 0
    atheris.Setup([sys.argv[0], *flags, str(corpus)], attempt)
    atheris.Fuzz()


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    found = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    found.add_argument("name", choices=TARGETS)
    found.add_argument("--engine", choices=("hypothesis", "atheris"), default="hypothesis")
    found.add_argument("--seconds", type=float, default=60.0)
    found.add_argument("--inputs", type=int, default=sys.maxsize)
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--scratch", type=Path, help="a folder for what is made meanwhile")
    found.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    found.add_argument("--replay", type=Path, metavar="FILE", help="try this input alone, and show what it raises")
    return found


def main() -> int:
    """Fuzz one target; return the exit status: 1 where there was a finding."""
    args = parser().parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has started us in the background
    target = TARGETS[args.name]
    if args.engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["ml_logger"]):
            module = target.load()
    else:
        module = target.load()
    if args.replay:
        with opened(module) as function:
            function(args.replay.read_bytes())
        return 0
    notes = Notes(args.scratch / "notes")
    limit_memory()
    try:
        # What the library tells people is of no use here: there are none, and it would be very much.
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere), opened(module) as function:
            trial = Trial(function, notes, args.findings, args.name)
            if args.engine == "atheris":
                with_atheris(trial, module.seeds(), args.seconds, args.inputs, args.seed, args.scratch)
            strategy = function.inputs() if hasattr(function, "inputs") else inputs(module.seeds())
            with_hypothesis(trial, strategy, args.seconds, args.inputs, args.seed)
    except AssertionError as error:  # what a target tells at its end
        Trial(int, notes, args.findings, args.name).keep(error, notes.look()[3])
        notes.end(True)
    return 1 if notes.findings else 0


if __name__ == "__main__":
    sys.exit(main())
