"""`python -m ml_logger.testing.faults.failpoints SPEC -- -m ml_logger.server ...`: run a program that fails on purpose.

No program needs to know: the functions of `os`, syncs and SQLite are wrapped before it begins. SPEC is a list of parts
with `;` between them::

    pwrite@3=EIO          the third `pwrite` fails with EIO; any name of an error number will do
    write@2=short         the second `write` takes half of its bytes
    commit@1=kill-before  SIGKILL before the first COMMIT; also `kill-after`, and `kill-middle`: half of the bytes, then
                          SIGKILL
    write@9=interrupt     SIGINT as soon as the call is made, as if Ctrl-C came right then
    fsync|syncfs@4+=EIO   the fourth of these kinds, and every one behind it
    *@17=kill-after       the 17th call of any kind
    under=/folder         only calls on paths in this folder count
    when=/file            nothing counts before this file is there
    trace=/file           write each call that counts to a file, with a `!` before what was done to it

Then the program: `-m MODULE`, `-c CODE` or a file, with its arguments.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import runpy
import signal
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from ml_logger.testing.faults.calls import KINDS, Call, watch

#: What can be done to a call, besides the names of error numbers.
ACTIONS = ("kill-before", "kill-middle", "kill-after", "short", "interrupt")

_POINT = re.compile(r"(?P<kinds>\*|[a-z|]+)@(?P<at>[0-9]+)(?P<on>\+?)=(?P<action>[A-Za-z-]+)")


class Point(NamedTuple):
    """What happens at the `at`-th call of some kinds, and at all behind it where `on`."""

    kinds: frozenset[str]
    at: int
    on: bool
    action: str


class Failpoints:
    """A hook for `calls.watch` that counts calls, and makes some of them fail.

    Raises:
        ValueError: a part of the specification makes no sense.
    """

    def __init__(self, spec: str) -> None:
        self.points: list[Point] = []
        self._under = self._when = ""
        self._trace = -1
        for part in filter(None, spec.split(";")):
            name, _, value = part.partition("=")
            if name == "under":
                self._under = os.path.realpath(value)
            elif name == "when":
                self._when = value
            elif name == "trace":
                self._trace = os.open(value, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            else:
                self.points.append(_point(part))
        # Counters of itertools: one step of the interpreter each, so threads need no lock, and a fork none to inherit.
        self._counts = [itertools.count(1) for _ in self.points]
        self._tell = os.write  # the real one: taken before it is wrapped
        self._stat = os.stat

    def __call__(self, call: Call) -> Any:
        """Make a call, or what is to happen instead."""
        if not self._counts_call(call):
            return call.make()
        action = ""
        for point, count in zip(self.points, self._counts, strict=True):
            if call.kind in point.kinds:
                number = next(count)
                if number == point.at or (point.on and number > point.at):
                    action = action or point.action
        if self._trace >= 0:
            self._tell(self._trace, f"{call.kind}{f' !{action}' if action else ''} {' '.join(call.paths)}\n".encode())
        return _act(call, action) if action else call.make()

    def _counts_call(self, call: Call) -> bool:
        if self._under and not any(path == self._under or path.startswith(f"{self._under}/") for path in call.paths):
            return False
        if self._when:
            try:
                self._stat(self._when)
            except OSError:
                return False
            self._when = ""
        return True


def _point(part: str) -> Point:
    match = _POINT.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} is no failpoint: write KIND@NUMBER=ACTION")
    kinds = frozenset(KINDS if match["kinds"] == "*" else match["kinds"].split("|"))
    action = match["action"]
    if not kinds <= {*KINDS} or not (action in ACTIONS or hasattr(errno, action)) or match["at"] == "0":
        raise ValueError(
            f"{part!r} is no failpoint: kinds are {', '.join(KINDS)}, counted from 1; actions are "
            f"{', '.join(ACTIONS)} and names of error numbers"
        )
    return Point(kinds, int(match["at"]), bool(match["on"]), action)


def _act(call: Call, action: str) -> Any:
    if action == "short":
        return call.make_half() if call.data else call.make()
    if action == "interrupt":
        result = call.make()
        os.kill(os.getpid(), signal.SIGINT)
        return result
    if not action.startswith("kill"):
        raise _error(call, getattr(errno, action))
    if action == "kill-middle" and call.data:
        call.make_half()
    elif action == "kill-after":
        with contextlib.suppress(OSError):
            call.make()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process outlived SIGKILL")


def _error(call: Call, number: int) -> Exception:
    if call.kind in ("begin", "commit"):
        full = number in (errno.ENOSPC, errno.EDQUOT)
        return sqlite3.OperationalError("database or disk is full" if full else "disk I/O error")
    return OSError(number, os.strerror(number), call.paths[0])


def command(spec: str, *program: str) -> list[str]:
    """Return the command line that runs a program with failpoints."""
    return [sys.executable, "-m", __name__ if __name__ != "__main__" else _NAME, spec, "--", *program]


_NAME = "ml_logger.testing.faults.failpoints"


def main(argv: Sequence[str]) -> None:
    """Install the failpoints, then become the program."""
    if len(argv) < 3 or argv[1] != "--":
        raise SystemExit(f"usage: python -m {_NAME} SPEC -- -m MODULE | -c CODE | FILE [ARGUMENTS]")
    try:
        watch(Failpoints(argv[0]))
    except ValueError as error:
        raise SystemExit(f"failpoints: {error}") from None
    first, *rest = argv[2:]
    if first == "-m":
        sys.argv = ["-m", *rest[1:]]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<program>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    else:
        sys.argv = [first, *rest]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
