"""What scripts/fuzz does for long, for a moment: whatever the bytes are, each target comes back."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.notes import Notes
from tests.fuzz.targets import TARGETS
from tests.test_docs import ROOT

#: Inputs of each target here: as many as take about two seconds.
INPUTS = {"spools": 80, "catalogs": 50, "http": 100, "api": 60}
MOST = 300


def fuzz(name: str, scratch: Path, inputs: int, *more: str) -> subprocess.CompletedProcess[str]:
    """Fuzz one target, the same inputs each time, in a process with bounded memory."""
    command = [sys.executable, "-m", "tests.fuzz.one", name, "--inputs", str(inputs), "--scratch", str(scratch)]
    command += ["--findings", str(scratch / "findings"), "--seconds", "200", *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    """No input of a target crashes, hangs, or raises what is not documented."""
    if name == "api" and importlib.util.find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed, so the description of the API is not fuzzed")
    done = fuzz(name, tmp_path, INPUTS.get(name, MOST))
    found = "".join(path.read_text() for path in tmp_path.glob("findings/*.txt"))
    _, tried, findings, _ = Notes(tmp_path / "notes").look()

    assert done.returncode == 0, found or done.stderr
    assert findings == 0
    assert tried >= min(50, INPUTS.get(name, MOST))


def test_a_finding_is_kept_and_can_be_tried_again(tmp_path: Path) -> None:
    """What a target raises is a finding: its input is kept with the traceback, and raises the same again."""
    broken = (
        "from tests.fuzz import one, frames; frames.target = lambda data: 1 / len(data); raise SystemExit(one.main())"
    )
    command = [sys.executable, "-c", broken, "frames", "--inputs", "200", "--scratch", str(tmp_path)]
    done = subprocess.run(
        [*command, "--findings", str(tmp_path / "findings")], cwd=ROOT, capture_output=True, timeout=120, check=False
    )
    (kept,) = [path for path in tmp_path.glob("findings/*") if path.suffix != ".txt"]
    again = subprocess.run(
        [*command, "--replay", str(kept)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 1
    assert kept.read_bytes() == b""
    assert "ZeroDivisionError" in kept.with_name(f"{kept.name}.txt").read_text()
    assert "ZeroDivisionError" in again.stderr


def test_a_target_that_hangs_or_dies_is_a_finding(tmp_path: Path) -> None:
    """An input that takes too long, or ends the process, is kept by the one that watches it; the rest goes on.

    So is one after which a target does not come to a good end.
    """
    code = """if True:
        import sys
        from tests.fuzz import __main__ as watching
        watching.DEADLINE = 10.0
        one = "import contextlib, os, signal, threading; from tests.fuzz import catalogs, one, keys, tokens"
        one += "; keys.target = lambda data: threading.Event().wait()"
        one += "; del tokens.live; tokens.target = lambda data: os.kill(os.getpid(), signal.SIGSEGV)"
        one += "\\ndef live():\\n yield lambda data: None\\n raise SystemError('at the end')"
        one += "\\ncatalogs.live = contextlib.contextmanager(live); raise SystemExit(one.main())"
        start = watching.subprocess.Popen
        def broken(command, **more):
            return start([sys.executable, "-c", one, *command[3:4], *command[6:]], **more)
        watching.subprocess.Popen = broken
        sys.exit(watching.main())
    """
    command = [
        sys.executable,
        "-c",
        code,
        "--minutes",
        "0.2",
        "--findings",
        str(tmp_path),
        "keys",
        "tokens",
        "catalogs",
        "settings",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)

    assert done.returncode == 1, done.stderr
    assert [path.name.rsplit("-", 1)[0] for path in sorted(tmp_path.glob("*.txt"))] == [
        "catalogs-crash",
        "keys-hang",
        "tokens-crash",
    ]
    assert "settings: done, 0 findings" in done.stdout
    assert "python -m tests.fuzz.one keys --replay" in done.stdout


def test_a_target_that_is_none_is_said() -> None:
    """A name that is no target is told, with those there are."""
    command = [sys.executable, "-m", "tests.fuzz", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 2
    assert "there is no target nothing: choose from frames" in done.stderr
