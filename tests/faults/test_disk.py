"""The disk that loses power keeps what was synced, and may keep or lose all else."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ml_logger.testing.faults.disk import Step, build, safe_from
from tests import programs

# Two files in a new folder; the first is synced with its name, the second only in its bytes.
STEPS = [
    Step("mkdir", "run"),
    Step("link", "run/a", 1),
    Step("write", file=1, at=0, data=b"first"),
    Step("sync", file=1),
    Step("sync", path="run"),
    Step("sync", path="."),
    Step("link", "run/b", 2),
    Step("write", file=2, at=0, data=b"other"),
    Step("sync", file=2),
    Step("write", file=1, at=5, data=b" second"),
    Step("rename", "run/a", to="run/c"),
]


def image(folder: Path, way: str, crash: int, seed: int = 0, steps: list[Step] = STEPS) -> dict[str, bytes]:
    """Build the disk after a crash, and return its files."""
    folder.mkdir()
    build(steps, safe_from(steps), crash, way, random.Random(seed), folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_synced_is_there(tmp_path: Path) -> None:
    """Dropped, all that no sync followed is gone: bytes, names, and files whose name nobody made safe."""
    assert image(tmp_path / "0", "dropped", 5) == {}  # the folder's own name is not safe yet
    assert image(tmp_path / "1", "dropped", 6) == {"run/a": b"first"}
    assert image(tmp_path / "2", "dropped", len(STEPS)) == {"run/a": b"first"}
    assert image(tmp_path / "3", "dropped", len(STEPS) + 1, steps=[*STEPS, Step("syncfs")]) == {
        "run/b": b"other",
        "run/c": b"first second",
    }


def test_all_may_be_there(tmp_path: Path) -> None:
    """Kept, all that was done is there, and nothing of what comes behind the crash."""
    assert image(tmp_path / "0", "kept", 3) == {"run/a": b"first"}
    assert image(tmp_path / "1", "kept", len(STEPS)) == {"run/b": b"other", "run/c": b"first second"}


def test_anything_in_between_may_be_there(tmp_path: Path) -> None:
    """Torn, what is safe is always there, and all else sometimes, in parts, and the same for the same seed."""
    found = [image(tmp_path / str(seed), "torn", len(STEPS), seed) for seed in range(60)]
    first = [files.get("run/a") or files.get("run/c") for files in found]

    assert all(data is not None and data.startswith(b"first") for data in first)
    assert {"run/b" in files for files in found} == {True, False}
    assert {"run/c" in files for files in found} == {True, False}
    assert {b"first", b"first second"} < {*first}
    assert image(tmp_path / "again", "torn", len(STEPS), 7) == found[7]


@pytest.mark.parametrize("durable", [True, False])
def test_a_transaction_is_safe_when_sqlite_says_so(tmp_path: Path, durable: bool) -> None:
    """With FULL a COMMIT is safe at once, with NORMAL when the file system is synced."""
    steps = [Step("mkdir", ".ml_logger"), Step("catalog", data=b"one", durable=durable), Step("sync", path=".")]
    found = image(tmp_path / "0", "dropped", 3, steps=steps)
    assert found == ({".ml_logger/catalog.db": b"one"} if durable else {})
    synced = image(tmp_path / "1", "dropped", 4, steps=[*steps, Step("syncfs")])

    assert synced == {".ml_logger/catalog.db": b"one"}


def test_a_recorder_sees_what_a_program_does(tmp_path: Path) -> None:
    """Writes at offsets and at the end, truncation, names and syncs are written down, and nothing of other folders."""
    code = """
        import os, sys
        from pathlib import Path
        from ml_logger.testing.faults.calls import watch
        from ml_logger.testing.faults.disk import Recorder
        root = Path(sys.argv[1])
        recorder = Recorder(root, full=True)
        watch(recorder)
        (root / "run").mkdir()
        file = os.open(root / "run" / "a", os.O_RDWR | os.O_CREAT)
        os.write(file, b"one"); os.write(file, b"two"); os.pwrite(file, b"x", 1); os.ftruncate(file, 5)
        os.fsync(file); os.close(file)
        file = os.open(root / "run" / "a", os.O_WRONLY | os.O_APPEND)
        os.write(file, b"end")
        os.open(root.parent / "elsewhere", os.O_RDWR | os.O_CREAT)
        os.rename(root / "run" / "a", root / "run" / "b")
        for step in recorder.steps: print(step.kind, step.path, step.at, step.data.decode(), step.to, sep="|")
    """
    root = tmp_path / "root"
    root.mkdir()
    (root / "before").write_bytes(b"there")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line[8:] for line in code.splitlines()), str(root)],
        capture_output=True,
        text=True,
        timeout=programs.PATIENCE,
        check=True,
    )

    assert done.stdout.split() == [
        "link|before|0||", "write||0|there|", "mkdir|run|0||", "link|run/a|0||", "write||0|one|", "write||3|two|",
        "write||1|x|", "truncate||5||", "sync||0||", "write||5|end|", "rename|run/a|0||run/b",
    ]  # fmt: skip
    assert os.path.exists(tmp_path / "elsewhere")
