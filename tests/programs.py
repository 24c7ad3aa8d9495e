"""Small programs that log, run in processes of their own, that tests may kill."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ml_logger import ML_Logger
from ml_logger.testing import Server
from ml_logger.testing.faults.scene import SERVER

#: Seconds that any program of a test may take.
PATIENCE = 120


def run(code: str, *args: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; what it says is shown where it fails."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert not (check and done.returncode), f"ended with {done.returncode}: {done.stderr}"
    return done


def start(code: str, *args: object) -> subprocess.Popen[bytes]:
    """Start a program whose stdout is read while it runs."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def running(words: str) -> list[str]:
    """Return the command lines of the processes that name something."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in found if words in command]


def open_files(pid: object = "self") -> list[str]:
    """Return where the descriptors of a process lead; those that are closed meanwhile are left out."""
    found = []
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):
            found.append(os.readlink(path))
    return found


def server_after(before: str, data_dir: Path) -> Server:
    """Make a server in whose process some code has run before it begins."""
    return Server(data_dir, command=(sys.executable, "-c", f"{textwrap.dedent(before)}\n{SERVER}"))


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread does; fail when it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        threading.Event().wait(0.01)


#: For a program: `peak()` returns the most memory that it has had so far, in MiB. (What `getrusage` tells begins with
#: that of the program which started it.)
PEAK = """
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) // 1024
"""


def push(url: str) -> subprocess.CompletedProcess[str]:
    """Send what earlier programs left unsent."""
    command = [sys.executable, "-m", "ml_logger", "push", "--root", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def rows(root: object, prefix: str, file: str = "metrics.pkl") -> list[dict[str, object]]:
    """Read the rows of a run, from wherever it is."""
    with ML_Logger(root=str(root), prefix=prefix) as reader:
        return reader.load_pkl(file) or []


def spooled() -> list[Path]:
    """Return the spool files of this test: empty once everything was acknowledged."""
    return sorted(Path(os.environ["ML_LOGGER_SPOOL"]).rglob("seg-*"))
