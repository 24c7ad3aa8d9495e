"""Failpoints do what they say, to programs that know nothing of them."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ml_logger.testing.faults import failpoints
from tests import programs

# Opens a file, writes two records, syncs, renames, and commits in a database.
WORK = """
import os, sqlite3, sys
folder = sys.argv[1]
file = os.open(f"{folder}/a", os.O_WRONLY | os.O_CREAT, 0o600)
for data in (b"0123456789", b"abcdefghij"):
    print(os.write(file, data), flush=True)
os.fsync(file)
os.ftruncate(file, 15)
os.rename(f"{folder}/a", f"{folder}/b")
db = sqlite3.connect(f"{folder}/c.db", isolation_level=None)
db.execute("CREATE TABLE t(x)")
db.execute("BEGIN")
db.execute("INSERT INTO t VALUES (1)")
db.execute("COMMIT")
os.mkdir(f"{folder}/d")
os.unlink(f"{folder}/b")
print("done", flush=True)
"""


def fail(folder: Path, *points: str) -> subprocess.CompletedProcess[str]:
    """Run the program with failpoints, and a trace of its calls."""
    spec = ";".join([*points, f"under={folder}", f"trace={folder.parent / 'trace'}"])
    command = failpoints.command(spec, "-c", WORK, str(folder))
    return subprocess.run(command, capture_output=True, text=True, timeout=programs.PATIENCE, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the program works in."""
    own = tmp_path / "own"
    own.mkdir()
    return own


def test_a_trace_tells_every_call(folder: Path) -> None:
    """Without a failpoint the program does its work, and each call that changes something is told, in order."""
    done = fail(folder)
    calls = [line.split() for line in (folder.parent / "trace").read_text().splitlines()]

    assert done.stdout.split() == ["10", "10", "done"]
    assert [call[0] for call in calls] == [
        "open", "write", "write", "fsync", "ftruncate", "rename", "begin", "commit", "mkdir", "unlink",
    ]  # fmt: skip
    assert calls[5][1:] == [str(folder / "a"), str(folder / "b")]
    assert calls[7][1] == str(folder / "c.db")


@pytest.mark.parametrize(
    ("point", "left"),
    [
        ("write@2=kill-before", b"0123456789"),
        ("write@2=kill-middle", b"0123456789abcde"),
        ("write@2=kill-after", b"0123456789abcdefghij"),
        ("fsync@1=kill-before", b"0123456789abcdefghij"),
        ("ftruncate@1=kill-after", b"0123456789abcde"),
        ("*@1=kill-after", b""),
    ],
)
def test_a_kill_comes_where_it_is_told_to(folder: Path, point: str, left: bytes) -> None:
    """SIGKILL comes before, within, or after the call that is named, and leaves what had been done."""
    done = fail(folder, point)

    assert done.returncode == -signal.SIGKILL
    assert (folder / "a").read_bytes() == left
    assert " !kill" in (folder.parent / "trace").read_text().splitlines()[-1]


def test_a_kill_before_the_commit_leaves_nothing_and_after_it_all(folder: Path) -> None:
    """COMMIT is a call like the others."""
    import sqlite3

    for point, rows in (("commit@1=kill-before", []), ("commit@1=kill-after", [(1,)])):
        assert fail(folder, point).returncode == -signal.SIGKILL
        db = sqlite3.connect(folder / "c.db")
        assert db.execute("SELECT x FROM t").fetchall() == rows
        db.close()
        (folder / "c.db").unlink()


@pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EMFILE"])
@pytest.mark.parametrize("kind", ["open", "write", "fsync", "ftruncate", "rename", "mkdir", "unlink"])
def test_a_call_fails_with_the_error_that_is_named(folder: Path, kind: str, name: str) -> None:
    """The caller sees the error of the system, and the call is not made."""
    done = fail(folder, f"{kind}@1={name}")

    assert f"[Errno {getattr(errno, name)}]" in done.stderr
    assert (folder.parent / "trace").read_text().splitlines()[-1].startswith(f"{kind} !{name} ")


def test_a_database_fails_as_sqlite_does(folder: Path) -> None:
    """A COMMIT that fails says what SQLite says."""
    assert "database or disk is full" in fail(folder, "commit@1=ENOSPC").stderr
    (folder / "c.db").unlink()
    assert "disk I/O error" in fail(folder, "commit@1=EIO").stderr


def test_a_short_write_takes_half(folder: Path) -> None:
    """The caller is told how much was taken, and no more was."""
    done = fail(folder, "write@1=short", "rename@1=EIO")

    assert done.stdout.split() == ["5", "10"]
    assert (folder / "a").read_bytes() == b"01234abcdefghij"


def test_every_call_from_a_number_on_may_fail(folder: Path) -> None:
    """With a plus sign the failure stays; kinds may be named together."""
    assert "[Errno 5]" in fail(folder, "write|fsync@2+=EIO").stderr
    assert (folder.parent / "trace").read_text().count(" !EIO ") == 1
    assert (folder / "a").read_bytes() == b"0123456789"


def test_nothing_counts_before_its_time_or_elsewhere(folder: Path, tmp_path: Path) -> None:
    """Calls count only once the file of `when` is there, and only below the folder of `under`."""
    assert fail(folder, "*@1=EIO", f"when={tmp_path / 'never'}").stdout.endswith("done\n")
    assert not (tmp_path / "trace").read_text()
    (tmp_path / "now").touch()

    assert fail(folder, "*@1=EIO", f"when={tmp_path / 'now'}").returncode == 1


def test_an_interrupt_comes_behind_the_call(folder: Path) -> None:
    """The call is made, and Ctrl-C comes before anything else."""
    done = fail(folder, "write@1=interrupt")

    assert "KeyboardInterrupt" in done.stderr
    assert (folder / "a").read_bytes() == b"0123456789"


@pytest.mark.parametrize("spec", ["write", "write@0=EIO", "write@1=nonsense", "sing@1=EIO", "write@1=EIOO"])
def test_a_failpoint_that_makes_no_sense_is_refused(spec: str) -> None:
    """A mistake in a specification says so: a test that injects nothing must not pass."""
    done = subprocess.run(
        failpoints.command(spec, "-c", "print('ran')"),
        capture_output=True,
        text=True,
        timeout=programs.PATIENCE,
        check=False,
    )

    assert done.returncode == 1
    assert "is no failpoint" in done.stderr
    assert done.stdout == ""


def test_modules_and_files_run_as_they_would_alone(tmp_path: Path) -> None:
    """A module, a program file, and their arguments are what they are without failpoints."""
    script = tmp_path / "script.py"
    script.write_text("import sys; print(__name__, sys.argv[1:])")
    for program in (["-m", "ml_logger.server", "--help"], [str(script), "one", "two"]):
        alone, failing = (
            subprocess.run(command, capture_output=True, text=True, timeout=programs.PATIENCE, check=True).stdout
            for command in ([sys.executable, *program], failpoints.command("write@9=EIO", *program))
        )
        assert alone == failing != ""
