"""How programs leave: quickly, together, saying what is unsent, whatever ends them."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from ml_logger import ML_Logger
from ml_logger.testing import Server
from tests import programs

# Ten loggers of one program.
TEN = """
    import sys
    from ml_logger import ML_Logger
    loggers = [ML_Logger(root=sys.argv[1], prefix=f"run/{number}", silent=True) for number in range(10)]
    for logger in loggers:
        logger.log(0, value=1)
    print("logged", flush=True)
"""

# Logs for ever, with a row that is pending whenever it is looked at.
PENDING = """
    import signal, sys
    from ml_logger import logger
    {before}
    logger.configure(sys.argv[1], prefix="run", silent=True)
    n = 0
    while True:
        logger.log(n, value=n)
        n += 1
        if n == 500: print("begun", flush=True)
"""


def test_close_waits_as_long_as_it_is_told_to(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit of the caller's own, `close` waits for a server that does not answer, too."""
    monkeypatch.setenv("ML_LOGGER_EXIT_SILENCE", "0")
    logger = ML_Logger(root=server.url, prefix="run", silent=True)
    server.send(signal.SIGSTOP)
    try:
        logger.log(0, value=1)
        closing = threading.Thread(target=logger.close, args=(programs.PATIENCE,))
        closing.start()
        closing.join(0.5)
        assert closing.is_alive()
    finally:
        server.send(signal.SIGCONT)
    closing.join(programs.PATIENCE)

    assert programs.spooled() == []
    assert [row["value"] for row in programs.rows(server.url, "run")] == [1]


@pytest.mark.usefixtures("patient")
def test_a_program_that_outlives_sigterm_logs_as_before(
    tmp_path: Path, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a handler of its own lets the program go on, rows are put together, and delivered at the end, as before."""
    monkeypatch.setenv("ML_LOGGER_SIGTERM", "1")
    code = """
        import os, signal, sys, threading
        from ml_logger import logger
        came = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: came.set())
        logger.configure(sys.argv[1], prefix="run", silent=True)
        logger.log(0, a=0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert came.wait(60)
        for step in (1, 2):
            logger.log(step, a=step)
            logger.log(step, b=step)
    """
    programs.run(code, root)

    with ML_Logger(root, prefix="run", silent=True) as logger:
        rows = [{name: row.get(name) for name in ("_step", "a", "b")} for row in logger.load_pkl("metrics.pkl") or []]
    assert rows == [{"_step": 0, "a": 0, "b": None}] + [{"_step": n, "a": n, "b": n} for n in (1, 2)]


def test_ten_loggers_leave_together(server: Server) -> None:
    """Ten loggers of a silent server are waited for once and not one after the other, and nothing of them is lost."""
    server.send(signal.SIGSTOP)
    try:
        program = programs.start(TEN, server.url)
        assert program.stdout is not None
        program.stdout.readline()
        begin = time.monotonic()
        _, said = program.communicate(timeout=programs.PATIENCE)
        took = time.monotonic() - begin
    finally:
        server.send(signal.SIGCONT)
    assert programs.push(server.url).returncode == 0

    assert said.count(b"not sent yet: 1 record") == 10
    assert took < 15  # one after the other they would take 20 seconds: ten times the patience with a silent server
    assert [len(programs.rows(server.url, f"run/{number}")) for number in range(10)] == [1] * 10


def start_on_terminal(code: str, *args: object) -> tuple[subprocess.Popen[bytes], int]:
    """Start a program whose stderr is a terminal; return it, and our end of the terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    program = subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    return program, ours


def read(terminal: int, until: bytes = b"") -> bytes:
    """Read from a terminal until a text comes, or until its other end is closed."""
    said = b""
    while not until or until not in said:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            break
    return said


def test_ctrl_c_while_leaving_leaves_at_once(server: Server) -> None:
    """Ctrl-C while a program waits for its server ends it, without a traceback, with everything in the spool."""
    code = """
        import sys
        from ml_logger import logger
        logger.configure(sys.argv[1], prefix="run", silent=True)
        for n in range(100):
            logger.log(n, value=n)
    """
    server.send(signal.SIGSTOP)
    try:
        program, terminal = start_on_terminal(code, server.url)
        read(terminal, until=b"Ctrl-C")
        begin = time.monotonic()
        program.send_signal(signal.SIGINT)
        said = read(terminal)
        program.wait(programs.PATIENCE)
        took = time.monotonic() - begin
        os.close(terminal)
    finally:
        server.send(signal.SIGCONT)
    assert programs.push(server.url).returncode == 0

    assert took < 5
    assert b"not sent yet: 100 records" in said
    assert b"Traceback" not in said
    assert [row["value"] for row in programs.rows(server.url, "run")] == list(range(100))


def test_leaving_shows_how_far_it_is_on_a_terminal(server: Server) -> None:
    """When leaving takes longer than a second, a terminal shows a line, which is wiped out before the program ends."""
    server.send(signal.SIGSTOP)
    try:
        program, terminal = start_on_terminal(TEN, server.url)
        said = read(terminal)
        program.wait(programs.PATIENCE)
        os.close(terminal)
    finally:
        server.send(signal.SIGCONT)

    assert re.search(rb"\rml-logger: sending 1 record \(\d+ bytes\) to http://\S+, for at most \d+ s; Ctrl-C", said)
    assert b"sending" not in said.rsplit(b"\r", 10)[-1]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("before", ["", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"], ids=["none", "own"])
def test_sigterm_writes_the_pending_row(root: str, before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the setting, SIGTERM at any moment writes and delivers every row, and does then what it would have done."""
    monkeypatch.setenv("ML_LOGGER_SIGTERM", "1")
    for round_ in range(4):
        prefix = f"run/{round_}"
        code = PENDING.format(before=before).replace('"run"', repr(prefix))
        program = programs.start(code, root)
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(signal.SIGTERM)
        _, said = program.communicate(timeout=programs.PATIENCE)

        found = [row["value"] for row in programs.rows(root, prefix)]
        assert program.returncode == (7 if before else -signal.SIGTERM)
        assert said == b""
        assert found == list(range(len(found)))
        assert len(found) >= 500


def test_sigterm_is_left_alone_without_the_setting(tmp_path: Path) -> None:
    """The library installs no handler by itself: SIGTERM ends a program at once, at the cost of one pending row."""
    program = programs.start(PENDING.format(before=""), tmp_path)
    assert program.stdout is not None
    program.stdout.readline()
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=programs.PATIENCE)
    found = [row["value"] for row in programs.rows(tmp_path, "run")]

    assert program.returncode == -signal.SIGTERM
    assert found == list(range(len(found)))
    assert len(found) >= 499


@pytest.mark.parametrize("where", ["before", "after", "del", "thread"])
def test_logging_at_the_very_end(root: str, where: str) -> None:
    """What exit hooks, finalizers and threads log while a program ends is recorded, with no traceback and no hang."""
    code = """
        import atexit, sys, threading
        from ml_logger import logger
        def late(): logger.log(1, late=1, silent=True)
        where = sys.argv[2]
        if where == "before": atexit.register(late)
        logger.configure(sys.argv[1], prefix="run")
        logger.log(0, value=1, silent=True, flush=True)
        if where == "after": atexit.register(late)
        class Last:
            def __del__(self, late=late): late()
        if where == "del": sys.last = Last()
        if where == "thread":
            def work():
                logger.log(1, late=1, silent=True)
                sys.exit(3)
            threading.Thread(target=work).start()
    """
    done = programs.run(code, root, where)
    if "://" in root:
        programs.push(root)

    assert "Traceback" not in done.stderr
    rows = programs.rows(root, "run")
    assert rows[0]["value"] == 1
    if where != "del":  # a finalizer may run when there is nothing left to log with
        assert rows[1]["late"] == 1


def test_what_memory_alone_held_is_told_as_lost(tmp_path: Path) -> None:
    """Records that no disk took and no server got are told as lost when the program ends, and the others as kept."""
    code = """
        import resource, signal, sys
        from ml_logger import logger
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        logger.configure("http://127.0.0.1:9", prefix="run", silent=True)
        logger.log_line("kept")
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
        for n in range(50):
            logger.log_line("lost", n)
        assert logger.health().unsent == 51
    """
    said = programs.run(code).stderr

    assert "takes no more" in said
    lost = re.search(r"lost, as the spool took no more and memory was all they had: the last (\d+) records", said)
    kept = re.search(r"not sent yet: (\d+) record", said)
    assert lost and kept, said
    assert int(lost[1]) + int(kept[1]) == 51
    assert int(kept[1]) >= 1


def test_a_full_disk_that_has_room_again_takes_what_memory_held(tmp_path: Path) -> None:
    """Once the disk takes records again, those in memory are moved there, and survive the end of the program."""
    code = """
        import resource, signal, sys, time
        from ml_logger import logger
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        logger.configure("http://127.0.0.1:9", prefix="run", silent=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
        for n in range(50):
            logger.log_line("n", n)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    """
    said = programs.run(code).stderr

    assert "takes records again" in said
    assert "lost" not in said
    assert "not sent yet: 50 records" in said


def test_a_call_that_waits_for_room_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the policy `wait` and no server, a program whose thread waits for room ends all the same, and says it."""
    monkeypatch.setenv("ML_LOGGER_WHEN_FULL", "wait")
    monkeypatch.setenv("ML_LOGGER_MEMORY_QUEUE", "0.01")
    monkeypatch.setenv("ML_LOGGER_SPOOL", "/proc/nowhere")
    code = """
        import threading
        from ml_logger import logger
        logger.configure("http://127.0.0.1:9", prefix="run", silent=True)
        def work():
            for n in range(10**9):
                logger.log(n, value=n)
        threading.Thread(target=work, daemon=True).start()
        while logger.health().unsent_bytes < 10_000: threading.Event().wait(0.01)
        print("full", flush=True)
    """
    done = programs.run(code)

    assert "the program waits whenever there is no room" in done.stderr
    assert "memory was all they had" in done.stderr


def test_ctrl_c_at_the_end_costs_no_row(tmp_path: Path) -> None:
    """Ctrl-C while the rows of the first logger are printed at the end: those of the others are written, too."""
    code = """
        import os, signal, sys
        from ml_logger import ML_Logger
        class Once:
            def __init__(self): self.left = 1
            def write(self, text):
                if self.left and text.strip():
                    self.left = 0
                    os.kill(os.getpid(), signal.SIGINT)
            def flush(self): pass
        loggers = [ML_Logger(root=sys.argv[1], prefix=f"run/{n}") for n in range(3)]
        for n, logger in enumerate(loggers):
            logger.log(0, value=n)
            logger.log(0, value=n, cache="other")
        sys.stdout = Once()
    """
    done = programs.run(code, tmp_path)

    assert "Traceback" not in done.stderr
    for n in range(3):
        assert [row["value"] for row in programs.rows(tmp_path, f"run/{n}")] == [n, n]


def test_closing_beside_threads_that_log(server: Server) -> None:
    """A logger that is closed again and again while threads log lines loses none of them, and raises in none."""
    code = """
        import sys, threading
        from ml_logger import ML_Logger
        logger = ML_Logger(root=sys.argv[1], prefix="run", silent=True)
        done = []
        def work(number):
            for n in range(1500):
                logger.log_line(number, n)
            done.append(number)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads: thread.start()
        while any(thread.is_alive() for thread in threads):
            logger.close()
        logger.close()
        assert sorted(done) == [0, 1, 2]
    """
    done = programs.run(code, server.url)
    programs.push(server.url)
    with ML_Logger(root=server.url, prefix="run", silent=True) as reader:
        lines = reader.load_text("outputs.log").splitlines()

    assert "Traceback" not in done.stderr
    assert sorted(lines) == sorted(f"{number} {n}" for number in range(3) for n in range(1500))
