"""Text on a terminal: progress bars stay whole, and `logging` has a way into the log."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_logger import ML_Logger
from ml_logger.integrations.logging import Handler
from tests import programs

pytestmark = pytest.mark.usefixtures("patient")

pty = pytest.importorskip("pty", reason="needs pseudo terminals")


def on_terminal(code: str, *args: object) -> str:
    """Run a program on a terminal of 80 columns, and return all that it wrote there, codes included."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError as error:
            assert error.errno == errno.EIO  # how a terminal says that nobody is at the other end any more
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    assert process.wait(programs.PATIENCE) == 0, b"".join(pieces).decode()
    return b"".join(pieces).decode()


def screen(written: str) -> list[str]:
    """Return the lines that are left on the screen, as a terminal obeys what is written."""
    import re

    lines, row, column = [""], 0, 0
    for code in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\r\n\x1b]+", written):
        if code == "\r":
            column = 0
        elif code == "\n":
            row, column = row + 1, column
        elif code.startswith("\x1b["):
            number = int(re.sub(r"\D", "", code) or 1)
            if code.endswith("A"):
                row = max(0, row - number)
            elif code.endswith("K"):
                lines[row] = "" if code == "\x1b[2K" else lines[row][:column]
        else:
            lines[row] = f"{lines[row][:column]:{column}}{code}{lines[row][column + len(code) :]}"
            column += len(code)
        while row >= len(lines):
            lines.append("")
    return [line.rstrip() for line in lines]


def check(lines: list[str]) -> list[str]:
    """Check that every table and every line is whole, and return the other lines."""
    for step in range(3):
        assert f"line {step}" in lines
        assert f"│        loss        │{step:^20}│" in lines
    assert sum(line.startswith("╒") for line in lines) == sum(line.startswith("╘") for line in lines) == 3
    assert all(len(line) == 43 for line in lines if line[:1] in ("╒", "│", "╘"))
    return [line for line in lines if line and line[0] not in "╒│╘" and not line.startswith("line ")]


def test_bars_of_tqdm_stay_whole(tmp_path: Path) -> None:
    """Lines and tables go above a bar of tqdm, and the bar is there once, at the end."""
    pytest.importorskip("tqdm")
    code = """
        import sys
        from tqdm import tqdm
        from ml_logger import ML_Logger
        logger = ML_Logger(sys.argv[1])
        for step in tqdm(range(3), mininterval=0, miniters=1, desc="train", ascii=True):
            logger.log(step, loss=step)
            logger.print("line", step)
        logger.close()
    """
    others = check(screen(on_terminal(code, tmp_path)))

    assert len(others) == 1
    assert others[0].startswith("train: 100%|")


def test_bars_of_rich_stay_whole(tmp_path: Path) -> None:
    """Lines and tables go above a bar of rich, and the bar is there once, at the end."""
    pytest.importorskip("rich")
    code = """
        import sys
        from rich.progress import track
        from ml_logger import ML_Logger
        logger = ML_Logger(sys.argv[1])
        for step in track(range(3), description="train"):
            logger.log(step, loss=step)
            logger.print("line", step)
        logger.close()
    """
    others = check(screen(on_terminal(code, tmp_path)))

    assert len(others) == 1
    assert others[0].startswith("train ")
    assert "100%" in others[0]


def test_the_screen_is_read_as_a_terminal_does() -> None:
    """The reader of these tests obeys what moves the cursor: a bar that is written into a table would be seen."""
    assert screen("one\r\ntwo\r\x1b[2Kthree\x1b[1A\r12") == ["12e", "three"]
    assert screen("bar 10%╒══\r\nbar 20%") == ["bar 10%╒══", "bar 20%"]


@pytest.fixture
def standard() -> Iterator[logging.Logger]:
    """A logger of the standard library, of this test's own."""
    own = logging.getLogger("tests.consoles")
    own.setLevel(logging.INFO)
    own.propagate = False
    yield own
    for handler in [*own.handlers]:
        own.removeHandler(handler)


def test_records_of_logging_become_lines(logger: ML_Logger, standard: logging.Logger) -> None:
    """A handler logs formatted records, with tracebacks, to the file of its choice, from its level on."""
    handler = Handler(logger, level=logging.INFO)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    standard.addHandler(handler)
    standard.addHandler(Handler(logger, file="warnings.log", level="WARNING"))
    standard.info("epoch %d", 1)
    standard.debug("not this")
    try:
        raise KeyError("lost")
    except KeyError:
        standard.exception("it failed")

    lines = logger.load_text("outputs.log").splitlines()
    assert lines[:3] == ["INFO epoch 1", "ERROR it failed", "Traceback (most recent call last):"]
    assert lines[-1] == "KeyError: 'lost'"
    assert logger.load_text("warnings.log").startswith("it failed\n")


def test_the_handler_is_of_this_process_by_default(tmp_path: Path) -> None:
    """`Handler()` logs by the logger of the process, wherever that is configured to log."""
    code = """
        import logging, sys
        from ml_logger import logger
        from ml_logger.integrations.logging import Handler
        logging.getLogger().addHandler(Handler())
        logger.configure(sys.argv[1])
        logging.warning("careful")
        logging.warning("%d", "no number")
    """
    done = programs.run(code, tmp_path)

    assert ML_Logger(tmp_path).load_text("outputs.log") == "careful\n"
    assert "no number" in done.stderr


def test_what_delivery_says_is_not_delivered(root: str) -> None:
    """With everything logged, also what libraries say while they send, a run comes to its end."""
    code = """
        import logging, sys
        from ml_logger import logger
        from ml_logger.integrations.logging import Handler
        logger.configure(root=sys.argv[1], prefix="run")
        logging.getLogger().addHandler(Handler())
        logging.getLogger().setLevel(logging.DEBUG)
        for number in range(20):
            logging.debug("number %d", number)
            logger.log_text("", "touch.txt")
            if number % 5 == 0:
                logger.load_text("outputs.log")
        logger.close()
        print(logger.health().unsent)
    """
    assert programs.run(code, root).stdout == "0\n"
    lines = ML_Logger(root=root, prefix="run").load_text("outputs.log").splitlines()

    assert [line for line in lines if line.startswith("number")] == [f"number {n}" for n in range(20)]
    assert not [line for line in lines if "/v1/batches" in line]
