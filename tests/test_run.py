"""The state of a run: jobs, signs of life, signals, and errors that end it."""

from __future__ import annotations

import datetime
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ml_logger import ML_Logger
from ml_logger.errors import UnsupportedValue
from ml_logger.testing import Server
from tests import programs

STATES = ["created", "requested", "started", "running", "paused", "completed", "errored"]
TIMES = ["createTime", "requestTime", "startTime", "runTime", "pauseTime", "completionTime", "errorTime"]


@pytest.mark.parametrize(("state", "time"), list(zip(STATES, TIMES, strict=True)))
def test_states_of_a_job(logger: ML_Logger, state: str, time: str) -> None:
    """Each call logs `job.status` and the time at which it came about, in UTC, beside what it is given."""
    before = datetime.datetime.now(datetime.timezone.utc)
    job = {"id": 5}
    getattr(logger, f"job_{state}")(job=job, Args={"lr": 0.1})
    getattr(logger, f"job_{state}")()
    first, second = logger.load_pkl("parameters.pkl") or []

    assert job == {"id": 5}
    assert first["Args"] == {"lr": 0.1}
    assert first["job"]["id"] == 5
    assert first["job"]["status"] == second["job"]["status"] == state
    assert set(second["job"]) == {"status", time}
    moment = datetime.datetime.fromisoformat(first["job"][time])
    assert before <= moment <= datetime.datetime.now(datetime.timezone.utc)


def test_a_job_is_printed_as_parameters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A job's state is printed as `log_params` prints, unless silent."""
    logger = ML_Logger(tmp_path)
    logger.job_started(Args={"lr": 0.1})
    assert "started" in capsys.readouterr().out
    logger.job_running(silent=True)
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------------------------------------------- errors


def test_errors_are_captured(logger: ML_Logger) -> None:
    """The traceback of an error that leaves the block is logged, and the error goes on up."""
    with pytest.raises(ZeroDivisionError), logger.capture_error():
        1 / 0  # noqa: B018
    with pytest.raises(ValueError, match="two"), logger.capture_error(file="logs/other.log"):
        raise ValueError("two")
    with logger.capture_error():
        pass

    assert logger.glob("**") == ["error.log", "logs/other.log"]
    text = logger.load_text("error.log")
    assert "ZeroDivisionError: division by zero" in text
    assert "1 / 0" in text
    assert text.count("Traceback") == 1
    assert "ValueError: two" in logger.load_text("logs/other.log")


def test_errors_are_swallowed_on_request(logger: ML_Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """With `reraise=False` the program goes on, and one line on stderr says what happened and where to look."""

    @logger.capture_error(reraise=False)
    def fail(text: str) -> None:
        """Fail."""
        raise ValueError(text)

    fail("one")
    fail("two")

    text = logger.load_text("error.log")
    assert text.count("Traceback") == 2
    assert "ValueError: one" in text
    assert "ValueError: one; caught, with its traceback in error.log" in capsys.readouterr().err


def test_the_end_is_not_captured(logger: ML_Logger) -> None:
    """Ctrl-C goes on up whatever is asked for, and is logged; the end of the program is no error."""
    with pytest.raises(KeyboardInterrupt), logger.capture_error(reraise=False):
        raise KeyboardInterrupt
    with pytest.raises(SystemExit), logger.capture_error("exit.log", reraise=False):
        sys.exit(0)

    assert "KeyboardInterrupt" in logger.load_text("error.log")
    assert logger.glob("exit.log") == []


def test_an_error_is_never_hidden_by_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the traceback cannot be logged, the error goes on up all the same, and stderr tells both."""
    (tmp_path / "file").write_text("in the way")
    logger = ML_Logger(tmp_path / "file", silent=True)
    with pytest.raises(ZeroDivisionError), logger.capture_error():
        1 / 0  # noqa: B018

    assert "the traceback could not be logged" in capsys.readouterr().err


# ----------------------------------------------------------------------------------------------- life and signals


def heartbeat(logger: ML_Logger, key: str = "heartbeat.json") -> dict[str, Any]:
    """Return the sign of life of a run, once there is one."""
    programs.wait_until(lambda: logger.glob(key) != [])
    found: dict[str, Any] = logger.load_json(key)
    return found


def test_a_sign_of_life(logger: ML_Logger) -> None:
    """`ping` returns at once, and the run's state can be read by others from then on; a new state is told at once."""
    assert logger.ping() == ()
    first = heartbeat(logger)
    assert (first["status"], first["interval"], first["pid"]) == ("running", 120, os.getpid())
    logger.ping("evaluating", interval=300)
    programs.wait_until(lambda: heartbeat(logger)["status"] == "evaluating")
    assert heartbeat(logger)["interval"] == 300
    assert heartbeat(logger)["time"] >= first["time"]


def test_it_goes_on_by_itself(logger: ML_Logger) -> None:
    """The sign of life is renewed without another call."""
    logger.ping(interval=0.05)
    first = heartbeat(logger)["time"]

    programs.wait_until(lambda: heartbeat(logger)["time"] > first)


def test_signals_arrive_once_and_in_order(logger: ML_Logger, root: str) -> None:
    """What others send is returned once, in order, by the run it is for and by no other."""
    with ML_Logger(root=root, prefix="me", silent=True) as sender:
        sender.send_signal("early", "run")
        sender.send_signal("not for it", "/other/run").result(30)
        got = list(logger.ping(interval=0.02))
        sender.send_signal({"lr": 0.1}, "/me/run")
        sender.send_signal("stop", Path("run"))

        def arrived() -> bool:
            got.extend(logger.ping())
            return len(got) >= 3

        programs.wait_until(arrived)
        assert got == ["early", {"lr": 0.1}, "stop"]
        time = heartbeat(logger)["time"]
        programs.wait_until(lambda: heartbeat(logger)["time"] > time)
        assert logger.ping() == ()
    with pytest.raises(UnsupportedValue):
        logger.send_signal(object())


def test_a_program_that_is_started_again_goes_on(root: str) -> None:
    """Signals that an earlier program of the run has taken are not given out again; those since are."""
    code = """
        import sys, threading
        from ml_logger import ML_Logger
        with ML_Logger(root=sys.argv[1], prefix="me/run", silent=True) as logger:
            got = []
            while sys.argv[2] not in got:
                got.extend(logger.ping(interval=0.02))
                threading.Event().wait(0.01)
            read = logger.load_json("heartbeat.json")["signals_read"]
            while read < int(sys.argv[3]):
                threading.Event().wait(0.01)
                read = logger.load_json("heartbeat.json")["signals_read"]
            print(*got)
    """
    with ML_Logger(root=root, prefix="me/run", silent=True) as sender:
        for signals in (["one", "two"], ["three"]):
            for signal in signals:
                sender.send_signal(signal)
            size = len(sender.load_file("signals.jsonl"))
            assert programs.run(code, root, signals[-1], size).stdout.split() == signals


def test_lines_of_others_are_passed_over(logger: ML_Logger) -> None:
    """A file of signals that somebody has edited, torn or begun anew does not stop those that are whole."""
    logger.log_text('nonsense\n{"signal": 1}\n[]\n{"other": 2}\n{"signal": 2}\n{"signal": 3', "signals.jsonl")
    got: list[Any] = []

    def arrived(count: int) -> bool:
        got.extend(logger.ping(interval=0.02))
        return len(got) >= count

    programs.wait_until(lambda: arrived(2))
    logger.log_text("3}\n", "signals.jsonl")
    programs.wait_until(lambda: arrived(3))
    logger.remove("signals.jsonl")
    logger.send_signal("anew")
    programs.wait_until(lambda: arrived(4))

    assert got == [1, 2, 33, "anew"]


def test_a_ping_needs_no_server(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an answer of the server a ping returns at once, and says nothing; the next one finds it again."""
    logger = ML_Logger(root=server.url, prefix="me/run", silent=True)
    logger.ping(interval=0.05)
    heartbeat(logger)
    server.stop()
    for number in range(50):
        assert logger.ping(f"state {number}") == ()
    server.start()
    logger.send_signal("again")
    got: list[Any] = []
    programs.wait_until(lambda: bool(got.extend(logger.ping()) or got))

    assert got == ["again"]
    logger.close()
    # A server that is away for longer than a second is told, whoever logs meanwhile.
    assert all("records are" in line for line in capsys.readouterr().err.splitlines())


@pytest.mark.parametrize("place", ["folder", "frozen server"])
def test_a_ping_holds_up_no_end(server: Server, tmp_path: Path, place: str) -> None:
    """A program that pings ends when its work is done, however long the interval, and also with a frozen server."""
    code = """
        import sys
        from ml_logger import ML_Logger
        logger = ML_Logger(root=sys.argv[1], silent=True)
        logger.ping(interval=3600)
        print("done")
    """
    if place == "folder":
        assert programs.run(code, tmp_path / "root").stdout == "done\n"
        return
    server.send(signal.SIGSTOP)
    try:
        assert programs.run(code, server.url).stdout == "done\n"
    finally:
        server.send(signal.SIGCONT)


def test_nothing_is_told_after_the_end(logger: ML_Logger) -> None:
    """After `close` no sign of life is written, until the logger is used to ping again."""
    logger.ping(interval=0.01)
    last = heartbeat(logger)
    threads = [thread for thread in threading.enumerate() if thread.name == "ml-logger-heartbeat"]
    logger.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    written = heartbeat(logger)
    assert written["time"] >= last["time"]
    assert heartbeat(logger) == written
    logger.ping("again")
    programs.wait_until(lambda: heartbeat(logger)["status"] == "again")


def test_forks(root: str) -> None:
    """The child of a fork does not tell of its parent; it tells of itself when it pings, in a thread of its own."""
    code = """
        import os, sys, threading, time
        from ml_logger import ML_Logger
        logger = ML_Logger(root=sys.argv[1], prefix="me/run", silent=True)
        logger.ping(interval=0.01)
        deadline = time.monotonic() + 60
        def wait(condition):
            while not condition():
                assert time.monotonic() < deadline
                threading.Event().wait(0.01)
        wait(lambda: logger.glob("heartbeat.json"))
        child = os.fork()
        if not child:
            names = [thread.name for thread in threading.enumerate()]
            assert "ml-logger-heartbeat" not in names, names
            logger.configure(prefix="me/child")
            logger.ping("child", interval=0.01)
            wait(lambda: logger.glob("heartbeat.json"))
            assert logger.load_json("heartbeat.json")["pid"] == os.getpid()
            sys.exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert logger.load_json("/me/run/heartbeat.json")["pid"] == os.getpid()
        print("both")
    """
    done = programs.run(code, root)

    assert done.stdout == "both\n"
    assert "Traceback" not in done.stderr  # newer Pythons warn of forks beside threads


def test_the_files_are_plain(tmp_path: Path) -> None:
    """Heartbeat and signals are JSON that anybody reads and writes."""
    logger = ML_Logger(tmp_path, silent=True)
    logger.ping(interval=0.02)
    programs.wait_until((tmp_path / "heartbeat.json").exists)
    assert json.loads((tmp_path / "heartbeat.json").read_text())["status"] == "running"
    with (tmp_path / "signals.jsonl").open("a") as file:
        file.write('{"signal": "by hand"}\n')
    got: list[Any] = []
    programs.wait_until(lambda: bool(got.extend(logger.ping()) or got))

    assert got == ["by hand"]
    logger.close()
