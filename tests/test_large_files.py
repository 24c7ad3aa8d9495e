"""Large files travel in pieces: in bounded memory, whole or not at all, and on from where they were interrupted."""

from __future__ import annotations

import hashlib
import re
import signal
from pathlib import Path

import pytest

from ml_logger import ML_Logger
from ml_logger.testing import Server
from tests import programs

SIZE = 160 * 2**20

# Logs a file, and tells how much memory it had needed before and after.
UPLOAD = """
    import re, sys
    from ml_logger import logger
    def peak(): return re.findall(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[0]
    root, path = sys.argv[1:]
    logger.configure(root, prefix="run", silent=True)
    logger.log_line("x")
    logger.load_text("outputs.log")
    before = peak()
    logger.log_file(path)
    print("logged", flush=True)
    assert logger.glob("files/*")
    print(before, peak())
"""


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in MiB."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) // 1024


def digest(path: Path) -> str:
    """Return the hash of a file."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            sha.update(block)
    return sha.hexdigest()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file in which every MiB is another."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        for number in range(SIZE // 2**20):
            file.write(b"%032d" % number * 2**15)
    return path


def test_a_large_file_needs_little_memory_and_appears_whole(server: Server, large: Path) -> None:
    """Either side stays below 64 MiB above what it needs anyway, and a reader sees the old file or all of the new."""
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        logger.log_text("old", "files/large.bin", overwrite=True)
        assert logger.glob("files/*") == ["files/large.bin"]
        before = peak(server.pid)
        program = programs.start(UPLOAD, server.url, large)
        sizes = set()
        while program.poll() is None:
            sizes.add(logger._store.stat("run/files/large.bin").size)
    output, errors = program.communicate(timeout=programs.PATIENCE)
    client_before, client_after = map(int, output.split()[1:])

    assert errors == b""
    assert sizes <= {3, SIZE}
    assert 3 in sizes
    assert client_after - client_before < 64 * 1024
    assert peak(server.pid) - before < 64
    assert digest(server.data_dir / "run" / "files" / "large.bin") == digest(large)
    assert list((server.data_dir / ".ml_logger" / "uploads").iterdir()) == []


# Hands a file over, says so, and goes on for ever.
HAND_OVER = """
    import sys
    from ml_logger import logger
    logger.configure(sys.argv[1], prefix="run", silent=True)
    logger.log_file(sys.argv[2])
    print("logged", flush=True)
    import signal; signal.pause()
"""


def test_an_interrupted_upload_goes_on_where_it_stopped(server: Server, large: Path) -> None:
    """When the server and the client are killed in the middle of it, pieces that had arrived are not sent again."""
    uploads = server.data_dir / ".ml_logger" / "uploads"

    def arrived() -> int:
        return sum(path.stat().st_size for path in uploads.glob("*"))

    program = programs.start(HAND_OVER, server.url, large)
    programs.wait_until(lambda: arrived() > SIZE // 4)
    server.kill()
    before = arrived()
    assert program.stdout is not None
    assert program.stdout.readline() == b"logged\n"
    program.send_signal(signal.SIGKILL)
    program.communicate(timeout=programs.PATIENCE)
    server.start()
    pushed = programs.push(server.url)
    (sent,) = re.findall(r"\(([\d,]+) bytes\)", pushed.stdout)

    assert SIZE // 4 < before < SIZE
    assert int(sent.replace(",", "")) < SIZE - before + 32 * 2**20  # a batch in flight, and the last file of frames
    assert digest(server.data_dir / "run" / "files" / "large.bin") == digest(large)
    assert arrived() == 0


def test_a_file_that_was_not_handed_over_whole_never_appears(server: Server, tmp_path: Path) -> None:
    """A client that is killed while it hands a file over leaves nothing that a reader could take for the file."""
    code = """
        import os, signal, sys
        from ml_logger import logger
        logger.configure(sys.argv[1], prefix="run", silent=True)
        def pieces():
            yield bytes(8 * 2**20)
            logger.log_line("half way")
            os.kill(os.getpid(), signal.SIGKILL)
        logger._store.write("run/half.bin", pieces())
    """
    assert programs.run(code, server.url, check=False).returncode == -signal.SIGKILL
    assert programs.push(server.url).returncode == 0
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        assert logger.glob("**") == ["outputs.log"]
    (piece,) = (server.data_dir / ".ml_logger" / "uploads").iterdir()

    assert piece.stat().st_size == 8 * 2**20  # removed when nobody has come back for a week
