"""The `ml-logger` command tells what is unsent, since when and for whom, and sends it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from ml_logger import ML_Logger
from ml_logger.testing import Server
from tests import programs
from tests.test_delivery import kill_while_logging


def command(*args: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ml_logger", *args],
        capture_output=True,
        text=True,
        timeout=programs.PATIENCE,
        check=False,
    )


def test_status_tells_what_is_unsent_since_when_and_of_whom(server: Server) -> None:
    """For a program that runs and one that was killed, the records, their size and the time of the first are shown."""
    assert command("status").stdout == "nothing unsent\n"
    server.send(signal.SIGSTOP)
    try:
        running = ML_Logger(root=server.url, prefix="run", silent=True)  # first: it would adopt what the other leaves
        for n in range(20):
            running.log_line(n)
        returned = kill_while_logging(server.url, "killed", 100)
        said = command("status").stdout
    finally:
        server.send(signal.SIGCONT)
    running.close()

    lines = said.splitlines()
    form = (
        rf"{server.url}: ([\d,]+) records \([\d.]+ (?:bytes|KiB)\) unsent since "
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(\d+ s ago\), in /\S+, (.*)"
    )
    found = [re.fullmatch(form, line) for line in lines]
    assert all(found), said
    records = {match[2]: int(match[1].replace(",", "")) for match in found if match}
    assert records["of a running program"] == 20
    # The kill may have come behind the write and before the program said so.
    assert records["of a program that is gone; send it with: ml-logger push"] in (len(returned), len(returned) + 1)


def test_status_tells_of_records_that_were_refused(server: Server) -> None:
    """Records that the server refused for good are counted, with the folder that tells why."""
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        logger.log_line("x", file="file")
        logger.log_line("x", file="file/below")
        logger.log_line("x", file="file")
        assert logger.load_text("file") == "x\nx\n"

    said = command("status").stdout
    folder = Path(os.environ["ML_LOGGER_SPOOL"])
    (rejected,) = folder.glob("*/rejected")
    assert said == (
        f"{server.url}: nothing unsent\n{server.url}: 1 record refused for good, with the reasons in {rejected}\n"
    )


def test_push_fails_for_a_spool_that_it_cannot_read(server: Server, tmp_path: Path) -> None:
    """What cannot be sent is told, and is no success; the other spools are sent."""
    server.send(signal.SIGSTOP)
    try:
        kill_while_logging(server.url, "one", 20)
        kill_while_logging(server.url, "two", 20)
    finally:
        server.send(signal.SIGCONT)
    bad = next(Path(os.environ["ML_LOGGER_SPOOL"]).glob("*/*/seg-*"))
    bad.rename(bad.parent / "kept")
    bad.mkdir()
    done = command("push")

    assert done.returncode == 1
    assert f"the spool {bad.parent} cannot be read" in done.stderr
    assert done.stdout.count("sent") == 1
    bad.rmdir()
    (bad.parent / "kept").rename(bad)
    done = command("push")
    assert (done.returncode, done.stdout.count("sent")) == (0, 1)


def test_push_shows_how_far_it_is_on_a_terminal(server: Server) -> None:
    """While a server is silent, push tells on a terminal what waits, and leaves no trace of the line."""
    server.send(signal.SIGSTOP)
    try:
        kill_while_logging(server.url, "killed", 100)
        ours, theirs = pty.openpty()
        push = subprocess.Popen([sys.executable, "-m", "ml_logger", "push"], stderr=theirs, stdout=subprocess.PIPE)
        os.close(theirs)
        watchdog = threading.Timer(programs.PATIENCE, push.kill)
        watchdog.start()
        said = b""
        while b"to be sent" not in said:
            said += os.read(ours, 1024)
    finally:
        server.send(signal.SIGCONT)
    output, _ = push.communicate(timeout=programs.PATIENCE)
    watchdog.cancel()
    os.close(ours)

    assert re.search(rb"\rml-logger: http://\S+: [\d,]+ records \(.*\) to be sent", said)
    assert push.returncode == 0
    assert b": sent " in output


@pytest.mark.parametrize("wrong", ["sometimes", "0"])
def test_a_setting_that_makes_no_sense_is_told(wrong: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A policy that there is not ends the command with a sentence that names it."""
    monkeypatch.setenv("ML_LOGGER_WHEN_FULL", wrong)
    done = command("push", "--root", "http://127.0.0.1:9")

    assert done.returncode == 1
    assert f"ML_LOGGER_WHEN_FULL='{wrong}' makes no sense" in done.stderr


def test_what_was_deleted_is_listed_restored_and_removed(server: Server) -> None:
    """`ml-logger trash` shows what is in the trash of a server, puts it back, elsewhere too, and empties it."""
    assert command("trash", "list", "--root", server.url).stdout == "the trash is empty\n"
    for run in ("me/a", "me/b"):
        (server.data_dir / run).mkdir(parents=True)
        (server.data_dir / run / "metrics.pkl").write_bytes(b"rows")
        edit = {"action": "delete", "run": run}
        assert requests.post(f"{server.url}/v1/edits", json=edit, timeout=30).status_code == 200
    lines = command("trash", "list", "--root", server.url).stdout.splitlines()
    undo = {re.fullmatch(r"(\S+)  (\S+), deleted [-\d]+ [:\d]+", line)[2]: line.split()[0] for line in lines}  # type: ignore[index]

    assert undo.keys() == {"me/a", "me/b"}
    assert command("trash", "restore", undo["me/a"], "--root", server.url).stdout == "restored me/a\n"
    again = command("trash", "restore", undo["me/a"], "--root", server.url)
    assert (again.returncode, "there is no" in again.stderr) == (1, True)
    assert command("trash", "empty", "--days", "1", "--root", server.url).stdout == "removed for good: 0 deletions\n"
    assert command("trash", "restore", undo["me/b"], "--to", "me/c", "--root", server.url).stdout == "restored me/c\n"
    assert sorted(path.name for path in (server.data_dir / "me").iterdir()) == ["a", "c"]


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    """Without a server `ml-logger trash` says so in one line."""
    done = command("trash", "list", "--root", "http://127.0.0.1:1")

    assert done.returncode == 1
    assert re.fullmatch(r"ml-logger: http://127\.0\.0\.1:1 cannot be reached: [^\n]+\n", done.stderr)
