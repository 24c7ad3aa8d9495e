"""The job that this process is a part of: its rank, and a name that the ranks have in common."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from ml_logger import config
from ml_logger.config import LAUNCHERS, Launcher

_NO_NAME = {"", "none"}  # torchrun passes on "none" when it was given no name


def rank() -> int | None:
    """Return the rank of this process in a job of several, None where it is alone."""
    launcher = _launcher()
    return None if launcher is None else _count(launcher.rank)


def prints() -> bool:
    """Tell whether this process prints: one that is alone does, and the ranks that ML_LOGGER_PRINT_RANKS names."""
    own = rank()
    if own is None:
        return True
    ranks = config.get("ML_LOGGER_PRINT_RANKS")
    return ranks is None or own in ranks


def parent() -> int | None:
    """Return the process id of the parent of a child of `multiprocessing`, None in any other process."""
    process = sys.modules.get("multiprocessing.process")
    above = process.parent_process() if process is not None else None
    return None if above is None else above.pid


def name() -> str | None:
    """Return what the ranks of this job have in common, and no other job has; None where this process is alone.

    On one machine that is the launcher: when it was started, and its process id. Over several machines it is the id of
    the job that launchers pass on. Where neither is known, the ranks have nothing in common.
    """
    launcher = _launcher()
    if launcher is None:
        return None
    here = _count(launcher.local_size) == _count(launcher.size)
    passed_on = next((found for each in (launcher, *LAUNCHERS) if (found := _passed_on(each))), None)
    return (_started_by(launcher) or passed_on) if here or not passed_on else passed_on


def _launcher() -> Launcher | None:
    for launcher in LAUNCHERS:
        own = _count(launcher.rank)
        if own is not None and (_count(launcher.size) or own + 1) > 1:
            return launcher
    return None


def _count(variable: str) -> int | None:
    text = config.variable(variable)
    return int(text) if text.isascii() and text.isdigit() else None


def _passed_on(launcher: Launcher) -> str | None:
    parts = [config.variable(variable) for variable in launcher.job]
    return "-".join(parts) if parts and _NO_NAME.isdisjoint(part.lower() for part in parts) else None


def _started_by(launcher: Launcher) -> str | None:
    """Name the launcher's process: the nearest one above that was not given a rank. None where there is no /proc."""
    pid, own = os.getppid(), f"{launcher.rank}=".encode()
    try:
        while pid > 1 and any(line.startswith(own) for line in _proc(f"{pid}/environ").split(b"\0")):
            pid = int(_proc(f"{pid}/stat").rpartition(b")")[2].split()[1])
        ticks = int(_proc(f"{pid}/stat").rpartition(b")")[2].split()[19])  # from the start of the machine
        booted = next(int(line.split()[1]) for line in _proc("stat").splitlines() if line.startswith(b"btime"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    started = time.localtime(booted + ticks // os.sysconf("SC_CLK_TCK"))
    return f"{time.strftime('%Y-%m-%d-%H.%M.%S', started)}-{pid}"


def _proc(path: str) -> bytes:
    return Path("/proc", path).read_bytes()
