"""The suite of faults can fail: its oracle, its report, its proxy and its model of a disk see what they are to see."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_logger.testing import Server
from ml_logger.testing.faults import disk, failpoints, oracle
from ml_logger.testing.faults.__main__ import main, run
from ml_logger.testing.faults.disk import Step
from ml_logger.testing.faults.matrix import FAULTS
from ml_logger.testing.faults.oracle import Verdict
from ml_logger.testing.faults.proxy import Proxy, Trouble
from ml_logger.testing.faults.report import Fault, Report, Unavailable
from ml_logger.testing.faults.scene import Scene
from ml_logger.testing.faults.writer import row_of
from tests import programs
from tests.wire import append, post

Rows = list[dict[str, object]]


def rows(count: int = 10) -> Rows:
    """Return what a writer `w` logs."""
    return [row_of("w", number, 40) for number in range(count)]


def changed(found: Rows) -> Rows:
    """Change a character of the fifth row."""
    return [*found[:5], {**found[5], "text": f"{found[5]['text']}!"}, *found[6:]]


DAMAGES: dict[str, Callable[[Rows], Rows]] = {
    "lost": lambda found: found[:4] + found[5:],
    "twice": lambda found: [*found, found[-1]],
    "disordered": lambda found: [*found[:3], found[4], found[3], *found[5:]],
    "strange": changed,
    "strange writer": lambda found: [*found, row_of("x", 0, 40)],
    "strange number": lambda found: [*found, row_of("w", 12, 40)],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_oracle_sees_what_is_wrong(tmp_path: Path, damage: str) -> None:
    """A row that is lost, there twice, out of order, or that nobody wrote is counted as that."""
    for name, found in (("right", rows()), ("wrong", DAMAGES[damage](rows()))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.pkl").write_bytes(b"".join(pickle.dumps(row) for row in found))
    right = oracle.check(tmp_path / "right", {"w": range(10)})
    wrong = oracle.check(tmp_path / "wrong", {"w": range(10)})

    assert right == Verdict(returned=10, held=10)
    assert not wrong.is_clean
    assert getattr(wrong, damage.split()[0]) == 1


@pytest.mark.parametrize("cut", [b"", b"\x80\x04\x95", b"nonsense"], ids=["whole", "torn", "foreign"])
def test_the_oracle_sees_files_that_do_not_load(tmp_path: Path, cut: bytes) -> None:
    """A file with anything behind its whole records is counted as unreadable."""
    (tmp_path / "a.pkl").write_bytes(b"".join(pickle.dumps(row) for row in rows()) + cut)

    assert oracle.check(tmp_path, {"w": range(10)}).unreadable == bool(cut)


def test_the_oracle_forgives_the_row_that_a_kill_came_into(tmp_path: Path) -> None:
    """One row behind the last that returned may be there; two may not."""
    (tmp_path / "a.pkl").write_bytes(b"".join(pickle.dumps(row) for row in rows()))

    assert oracle.check(tmp_path, {"w": range(9)}).is_clean
    assert oracle.check(tmp_path, {"w": range(8)}).strange == 1


def test_threads_that_were_killed_in_their_first_call_are_known(tmp_path: Path) -> None:
    """A thread that has not said anything yet is one of the writers: its first row may be there."""
    with Scene(tmp_path, 0) as scene:
        writer = scene.writer(str(tmp_path / "data"), "--threads", 3, "--count", 0)
        writer.finish()

        assert scene.returned() == {f"{writer.name}.{number}": [] for number in range(3)}


def test_a_fault_that_did_not_happen_fails() -> None:
    """A report with a kill that was not seen, a condition that does not hold, or a lost row has not passed."""
    reports = {name: Report() for name in ("well", "no kill", "broken", "lost")}
    for report in reports.values():
        report.happened("kills", 3, 3)
    reports["no kill"].happened("kills of the recovery", 0)
    reports["broken"].expect(False, "it did not say so")
    reports["lost"].judge(Verdict(returned=10, held=9, lost=1))

    assert [name for name, report in reports.items() if report.passed] == ["well"]
    assert "did not happen: kills of the recovery (0 of at least 1)" in reports["no kill"].line()
    assert "lost 1" in reports["lost"].line()


def test_a_fault_that_cannot_be_tried_to_its_end_fails() -> None:
    """What raises has failed, what this machine lacks is skipped, and neither stops the others."""

    def raises(scene: Scene, rounds: int) -> Report:
        raise ValueError("on purpose")

    def lacks(scene: Scene, rounds: int) -> Report:
        raise Unavailable("no such device")

    raised, lacked = run(Fault("raises", (), raises), 1, 0), run(Fault("lacks", (), lacks), 1, 0)

    assert isinstance(raised, Report) and raised.wrong == ["ValueError: on purpose"]
    assert str(lacked) == "no such device"


def test_the_proxy_counts_what_it_does(server: Server) -> None:
    """Troubles are counted by kind and answers by status, and a batch that is sent twice arrives twice."""
    with Proxy(server.port) as proxy:
        there = Server(server.data_dir, port=proxy.port)
        post(there, append(1))
        proxy.plan = lambda body: Trouble.TWICE
        post(there, append(2))
        proxy.plan = lambda body: Trouble.FLIP
        post(there, append(3))

    assert proxy.counts == {Trouble.NONE: 1, Trouble.TWICE: 1, Trouble.FLIP: 1}
    assert proxy.statuses == {200: 3, 400: 1}
    assert (server.data_dir / "run" / "a").read_bytes() == b"xx"


STEPS = [
    Step("link", "a", 1),
    Step("write", "", 1, 0, b"first"),
    Step("sync", ".", 9),
    Step("sync", "", 1),
    Step("write", "", 1, 5, b"second"),
    Step("ack", at=1),
]


@pytest.mark.parametrize(("way", "content"), [("dropped", b"first"), ("kept", b"firstsecond")])
def test_the_model_of_a_disk_drops_what_was_not_synced(tmp_path: Path, way: str, content: bytes) -> None:
    """What follows the last sync of a file is gone with the power, or not, as it was asked for."""
    disk.build(STEPS, disk.safe_from(STEPS), len(STEPS), way, random.Random(0), tmp_path)

    assert (tmp_path / "a").read_bytes() == content


@pytest.mark.parametrize(
    ("spec", "status", "size"),
    [("", 0, 10), ("write@1=short", 0, 5), ("write@1=kill-middle", -9, 5), ("write@1=EIO", 1, 0)],
)
def test_failpoints_do_what_they_say(tmp_path: Path, spec: str, status: int, size: int) -> None:
    """A program with failpoints runs as it is, writes half, is killed in the middle of a write, or gets the error."""
    code = f"import os; file = os.open({str(tmp_path / 'f')!r}, os.O_WRONLY | os.O_CREAT); os.write(file, b'x' * 10)"
    ended = subprocess.run(
        failpoints.command(spec, "-c", code), timeout=60, check=False, capture_output=True
    ).returncode

    assert ended == status
    assert (tmp_path / "f").stat().st_size == size


def test_the_command_tells_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """The command lists every fault, and refuses a name that is none."""
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert main(["--only", "F99"]) == 2

    assert all(fault.name in listed for fault in FAULTS)
    assert "no such fault: F99" in capsys.readouterr().out


def test_the_command_leaves_nothing_running(tmp_path: Path) -> None:
    """Ended by SIGTERM in the middle of a fault, the command ends what it has started, and removes its scratch."""
    command = [sys.executable, "-m", "ml_logger.testing.faults", "--rounds", "1000", "--only", "server-killed"]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    programs.wait_until(lambda: any(scratch.glob("*/**/*.pkl")))
    program.send_signal(signal.SIGTERM)
    program.communicate(timeout=programs.PATIENCE)

    assert program.returncode == 143
    assert list(scratch.iterdir()) == []
    assert programs.running(str(scratch)) == []


def test_the_command_interrupts_in_the_background_too() -> None:
    """Started where a shell has Ctrl-C ignored, as it does in the background, the command presses it all the same."""
    command = f"trap '' INT; exec {sys.executable} -m ml_logger.testing.faults --rounds 1 --only calls-interrupted"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=programs.PATIENCE, check=False)

    assert done.returncode == 0, done.stdout
