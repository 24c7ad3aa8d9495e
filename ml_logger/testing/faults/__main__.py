"""`python -m ml_logger.testing.faults`: break everything that can be broken, and say what was lost."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ml_logger.notices import plural, write
from ml_logger.testing.faults.matrix import FAULTS
from ml_logger.testing.faults.report import Fault, Report, Unavailable
from ml_logger.testing.faults.scene import Scene, heed_interrupts

#: From so many rounds on, what takes minutes is done too.
LONG = 100


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    build = argparse.ArgumentParser(
        prog="python -m ml_logger.testing.faults",
        description="Break servers, clients, disks and networks, and check that no row is lost, twice or out of order.",
    )
    build.add_argument("--rounds", type=int, help=f"how often each fault is tried; {LONG} or more is the long form")
    build.add_argument("--seed", type=int, help="what is left to chance; printed, to be given again")
    build.add_argument("--only", nargs="+", metavar="NAME", help="these faults alone: names, or rows such as F04")
    build.add_argument("--list", action="store_true", help="list the faults")
    return build


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suite; return the exit status."""
    args = parser().parse_args(argv)
    chosen = [fault for fault in FAULTS if not args.only or {fault.name, *fault.rows} & {*args.only}]
    unknown = {*(args.only or ())} - {name for fault in FAULTS for name in (fault.name, *fault.rows)}
    if unknown:
        _say(f"no such fault: {', '.join(sorted(unknown))}; --list tells them all")
        return 2
    if args.list:
        for fault in FAULTS:
            _say(f"{' '.join(fault.rows):<16}{fault.name:<26}{_about(fault)}")
        return 0
    seed = random.randrange(2**31) if args.seed is None else args.seed
    _say(f"seed {seed}")
    began, failed, skipped = time.monotonic(), [], []
    for number, fault in enumerate(chosen):
        _progress(f"{number + 1} of {len(chosen)}: {fault.name}")
        started = time.monotonic()
        outcome = run(fault, args.rounds or fault.short, seed, long=(args.rounds or 0) >= LONG)
        _progress("")
        if isinstance(outcome, Unavailable):
            skipped.append(fault.name)
            _line("skip", fault, str(outcome))
        else:
            failed += [] if outcome.passed else [fault.name]
            _line("ok" if outcome.passed else "FAIL", fault, f"{outcome.line()}; {time.monotonic() - started:.1f} s")
    done = len(chosen) - len(failed) - len(skipped)
    _say(
        f"{plural(len(chosen), 'fault')}, {done} passed, {len(failed)} failed, {len(skipped)} skipped in "
        f"{time.monotonic() - began:.0f} s; seed {seed}"
    )
    if failed:
        _say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def run(fault: Fault, rounds: int, seed: int, *, long: bool = False) -> Report | Unavailable:
    """Run one fault in a folder of its own, which is removed when it passes."""
    scratch = tempfile.TemporaryDirectory(prefix=f"ml-logger-{fault.name}-")
    try:
        with Scene(Path(scratch.name), seed, long=long) as scene:
            return fault.run(scene, rounds)
    except Unavailable as error:
        return error
    except Exception as error:  # a fault that cannot be tried to its end has failed: the others go on
        report = Report()
        report.wrong.append(f"{type(error).__name__}: {error}")
        return report
    finally:
        scratch.cleanup()


def _about(fault: Fault) -> str:
    return (fault.run.__doc__ or "").partition("\n")[0]


def _line(state: str, fault: Fault, text: str) -> None:
    _say(f"{state:<5}{' '.join(fault.rows)} {fault.name}: {text}")


def _say(text: str) -> None:
    write(sys.stdout, f"{text}\n")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        write(sys.stderr, f"\r\x1b[K{text}")


if __name__ == "__main__":
    heed_interrupts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended, and the scratch removed
    sys.exit(main())
