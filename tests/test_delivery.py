"""What was logged arrives: all of it, once, in order, whatever is killed, frozen or absent meanwhile."""

from __future__ import annotations

import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import requests

from ml_logger import ML_Logger
from ml_logger.encoders.record_reader import DamagedRecords
from ml_logger.stores import open_store
from ml_logger.stores.base import Health
from ml_logger.stores.remote import RemoteStore
from ml_logger.testing import Server
from ml_logger.transport import outage
from ml_logger.transport.http import HttpTransport
from ml_logger.transport.outage import Outage
from ml_logger.transport.spool import Spool
from ml_logger.transport.spools import Spools
from tests import programs
from tests.slow_line import slow_line

# Logs rows for ever, and tells which calls have returned: through a pipe that outlives it.
ENDLESS = """
    import os, sys
    from ml_logger import logger
    root, prefix = sys.argv[1:]
    logger.configure(root=root, prefix=prefix)
    for n in range(10**9):
        logger.log(n, value=n, text="x" * (n % 300), silent=True, flush=True)
        os.write(1, b"%d\\n" % n)
"""

# Logs a number of rows and ends as programs end.
COUNT = """
    import sys
    from ml_logger import logger
    root, prefix, count, writer = sys.argv[1:]
    logger.configure(root=root, prefix=prefix)
    for n in range(int(count)):
        logger.log(n, value=n, writer=writer, silent=True)
"""


def kill_while_logging(root: str, prefix: str, after: int) -> list[int]:
    """Start an endless program, kill it after some rows, and return the rows whose call returned."""
    program = programs.start(ENDLESS, root, prefix)
    assert program.stdout is not None
    said = b""
    while said.count(b"\n") < after:
        said += os.read(program.stdout.fileno(), 4096)
    program.send_signal(signal.SIGKILL)
    said += program.communicate(timeout=programs.PATIENCE)[0]
    return [int(line) for line in said.split(b"\n")[:-1]]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("seed", range(5))
def test_sigkill_loses_no_returned_row(root: str, seed: int) -> None:
    """Killed at any moment, a training leaves every row whose call returned: on disk, or for the next program."""
    returned = kill_while_logging(root, "run", random.Random(seed).randrange(1, 3000))
    if root.startswith("http"):
        programs.run("import sys; from ml_logger import logger; logger.configure(sys.argv[1])", root)

    with warnings.catch_warnings():
        # A kill can tear the one write that is under way, where it crosses a page: its call has not returned.
        warnings.simplefilter("ignore", DamagedRecords)
        found = [row["value"] for row in programs.rows(root, "run")]

    assert found[: len(returned)] == returned
    assert found == list(range(len(found)))
    # A call that was under way may have been done or not.
    assert len(found) <= len(returned) + 1


def test_push_sends_what_a_killed_program_left(tmp_path: Path) -> None:
    """`ml-logger push` delivers the rows of a program that was killed while its server was down; once."""
    server = Server(tmp_path / "data")
    server.start()
    server.kill()
    returned = kill_while_logging(server.url, "run", 500)
    failed = programs.run(
        "import sys; from ml_logger.cli import main; sys.exit(main(['push', '--timeout', '1']))", check=False
    )
    server.start()
    try:
        pushed = programs.push(server.url)
        again = programs.push(server.url)
        found = [row["value"] for row in programs.rows(server.url, "run")]
    finally:
        server.stop()

    assert failed.returncode == 1
    assert "not all was sent" in failed.stderr
    assert pushed.returncode == 0
    assert "sent" in pushed.stdout
    assert "nothing to send" in again.stdout
    assert found[: len(returned)] == returned
    assert found == list(range(len(found)))
    assert programs.spooled() == []


def test_a_frozen_server_does_not_hold_up_the_training(server: Server) -> None:
    """With a server that is stopped, every call returns, the program ends, says what is unsent, and push sends it."""
    server.send(signal.SIGSTOP)
    try:
        done = programs.run(COUNT, server.url, "run", 5000, "a")  # ends while the server is still stopped
    finally:
        server.send(signal.SIGCONT)

    assert "not sent yet: 5,000 records" in done.stderr
    assert "ml-logger push" in done.stderr
    assert programs.push(server.url).returncode == 0
    assert [row["value"] for row in programs.rows(server.url, "run")] == list(range(5000))


def test_a_server_that_starts_late_gets_everything(tmp_path: Path) -> None:
    """A training that starts before its server delivers once the server is there."""
    server = Server(tmp_path / "data")
    server.start()
    server.kill()
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        for n in range(1000):
            logger.log(n, value=n)
        health = logger.health()
        assert health.unsent > 0
        assert health.oldest is not None and 0 <= health.oldest < programs.PATIENCE
        server.start()
        found = [row["value"] for row in logger.load_pkl("metrics.pkl") or []]
        assert logger.health() == Health()
    server.stop()

    assert found == list(range(1000))


def test_a_server_that_is_killed_again_and_again_gets_every_row_once(server: Server) -> None:
    """Over restarts of the server, at random moments under load, no row is lost, doubled or moved."""
    chance = random.Random(1)
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        n = 0
        for _ in range(6):
            for _ in range(chance.randrange(50, 2000)):
                logger.log(n, value=n, flush=True)
                n += 1
            server.kill()
            for _ in range(100):
                logger.log(n, value=n, flush=True)
                n += 1
            server.start()
        found = [row["value"] for row in logger.load_pkl("metrics.pkl") or []]

    assert found == list(range(n))
    assert logger.health().rejected == 0


def test_eight_processes_log_to_one_server(server: Server) -> None:
    """Seven programs share a file beside one that is killed and started again twice: all rows once, in order."""
    rest = [programs.start(COUNT, server.url, "shared", 2000, f"w{number}") for number in range(7)]
    returned = [kill_while_logging(server.url, f"killed/{life}", 300) for life in range(3)]
    for program in rest:
        program.communicate(timeout=programs.PATIENCE)
        assert program.returncode == 0
    assert programs.push(server.url).returncode == 0
    shared = programs.rows(server.url, "shared")
    killed = [[row["value"] for row in programs.rows(server.url, f"killed/{life}")] for life in range(3)]

    for number in range(7):
        assert [row["value"] for row in shared if row["writer"] == f"w{number}"] == list(range(2000))
    assert len(shared) == 7 * 2000
    assert all(life == list(range(len(life))) for life in killed)
    assert all(len(life) >= len(rows) for life, rows in zip(killed, returned, strict=True))


def test_numbers_survive_a_restart_of_the_server(server: Server) -> None:
    """A batch that was acknowledged before a restart has no effect when it is sent again after it."""
    from ml_logger.transport import frames
    from ml_logger.transport.http import HttpTransport

    transport = HttpTransport(server.url, None, 30.0)
    batch = b"".join(frames.encode(n, frames.Op.APPEND, b"run/a", b"%d," % n) for n in (1, 2, 3))
    first = transport.post_batch("ab" * 16, batch)
    server.kill()
    server.start()
    again = transport.post_batch("ab" * 16, batch)
    longer = transport.post_batch("ab" * 16, batch + frames.encode(4, frames.Op.APPEND, b"run/a", b"4,"))
    gap = transport.post_batch("ab" * 16, frames.encode(9, frames.Op.APPEND, b"run/a", b"9,"))
    transport.close()

    assert (first.status, first.body["committed"]) == (200, 3)
    assert (again.status, again.body["committed"]) == (200, 3)
    assert (longer.status, longer.body["committed"]) == (200, 4)
    assert (gap.status, gap.body["expected"]) == (409, 5)
    assert (server.data_dir / "run" / "a").read_bytes() == b"1,2,3,4,"


def test_a_server_that_has_forgotten_gets_what_it_never_acknowledged(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a catalog that was lost, nothing that was acknowledged is sent again, and the client says what happened."""
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        for n in range(100):
            logger.log(n, value=n, flush=True)
        assert len(logger.load_pkl("metrics.pkl") or []) == 100
        server.kill()
        for file in (server.data_dir / ".ml_logger").glob("catalog*"):
            file.unlink()
        server.start()
        for n in range(100, 200):
            logger.log(n, value=n, flush=True)
        found = [row["value"] for row in logger.load_pkl("metrics.pkl") or []]

    assert found == list(range(200))
    assert "may miss 100 records" in capfd.readouterr().err


def test_a_restored_catalog_is_told_what_is_still_here(server: Server, tmp_path: Path) -> None:
    """With a data folder restored from an older copy, the client sends again what it still has."""
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        for n in range(100):
            logger.log(n, value=n, flush=True)
            if n == 49:
                logger.load_pkl("metrics.pkl")
                server.stop()
                shutil.copytree(server.data_dir, tmp_path / "copy")
                server.start()
        logger.load_pkl("metrics.pkl")
        server.stop()
        shutil.rmtree(server.data_dir)
        shutil.move(tmp_path / "copy", server.data_dir)
        server.start()
        logger.log(100, value=100, flush=True)
        found = [row["value"] for row in logger.load_pkl("metrics.pkl") or []]

    assert found == list(range(101))


def test_a_frame_that_our_disk_damaged_stops_nothing(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    """A record that was damaged in the spool is left out, and said; those before and after it arrive."""
    server.send(signal.SIGSTOP)
    logger = ML_Logger(root=server.url, prefix="run", silent=True)
    for n in range(50):
        logger.log_text(f"line {n:03d}\n", "log.txt")
    (segment,) = programs.spooled()
    with segment.open("r+b") as file:  # in its place: a file that is emptied for a moment is another damage
        file.seek(file.read().index(b"line 020"))
        file.write(b"line XXX")
    server.send(signal.SIGCONT)
    read = logger.load_text("log.txt")
    logger.close()

    # The batch that was under way when the server froze may have left the disk before it was damaged.
    assert read.replace("line 020\n", "") == "".join(f"line {n:03d}\n" for n in range(50) if n != 20)
    assert "line 020" in read or "may miss" in capfd.readouterr().err


def test_a_spool_that_cannot_be_made_is_replaced_by_memory(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where no spool can be written, the training goes on, one warning says so, and the rows arrive all the same."""
    monkeypatch.setenv("ML_LOGGER_SPOOL", "/proc/nowhere")
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        for n in range(100):
            logger.log(n, value=n)
        found = [row["value"] for row in logger.load_pkl("metrics.pkl") or []]

    assert found == list(range(100))
    assert capfd.readouterr().err.count("cannot be made") == 1


@pytest.mark.usefixtures("patient")
def test_a_full_spool_falls_back_to_memory(server: Server) -> None:
    """When the disk takes no more in the middle of a run, rows wait in memory, in order, and none is torn."""
    code = """
        import resource, signal, sys
        from ml_logger import logger
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        logger.configure(sys.argv[1], prefix="run")
        for n in range(2000):
            logger.log(n, value=n, silent=True)
    """
    done = programs.run(code, server.url)

    assert "takes no more" in done.stderr
    assert [row["value"] for row in programs.rows(server.url, "run")] == list(range(2000))


@pytest.mark.usefixtures("patient")
def test_a_fork_is_a_writer_of_its_own(root: str) -> None:
    """Children of a fork log what they log, once; the parent's pending row is written by the parent alone."""
    code = """
        import os, sys
        from ml_logger import logger
        logger.configure(sys.argv[1], prefix="run")
        logger.log(0, parent=0, silent=True)
        children = []
        for number in range(3):
            child = os.fork()
            if not child:
                for n in range(200):
                    logger.log(n, child=number, value=n, silent=True)
                sys.exit()
            children.append(child)
        for n in range(1, 200):
            logger.log(n, parent=n, silent=True)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
    """
    programs.run(code, root)
    rows = programs.rows(root, "run")

    assert [row["parent"] for row in rows if "parent" in row] == list(range(200))
    for number in range(3):
        assert [row["value"] for row in rows if row.get("child") == number] == list(range(200))
    assert len(rows) == 800


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_deliver(root: str, method: str, tmp_path: Path) -> None:
    """Children of multiprocessing, whose end runs no exit hooks, deliver their last row too."""
    script = tmp_path / "training.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "from ml_logger import logger\n"
        "def work(root, number):\n"
        "    logger.configure(root, prefix=f'run/{number}')\n"
        "    for n in range(50):\n"
        "        logger.log(n, value=n, silent=True)\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context(sys.argv[2])\n"
        "    logger.configure(sys.argv[1], prefix='run/parent')\n"
        "    logger.log(0, value=0, silent=True)\n"
        "    children = [context.Process(target=work, args=(sys.argv[1], number)) for number in range(2)]\n"
        "    for child in children: child.start()\n"
        "    for child in children: child.join()\n"
        "    assert [child.exitcode for child in children] == [0, 0]\n"
    )
    subprocess.run([sys.executable, script, root, method], check=True, timeout=programs.PATIENCE)

    for number in ("0", "1"):
        assert [row["value"] for row in programs.rows(root, f"run/{number}")] == list(range(50))
    assert len(programs.rows(root, "run/parent")) == 1


@pytest.mark.usefixtures("patient")
def test_threads_write_whole_rows(logger: ML_Logger) -> None:
    """Many threads that log at once, each into a row of its own, leave every row whole."""

    def work(number: int) -> None:
        for n in range(200):
            logger.log(n, a=number, b=number, cache=f"t{number}", flush=True)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(programs.PATIENCE)
    rows = logger.load_pkl("metrics.pkl") or []

    assert len(rows) == 1600
    assert all(row["a"] == row["b"] for row in rows)
    for number in range(8):
        assert [row["_step"] for row in rows if row["a"] == number] == list(range(200))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("call", ["logger.log_line(n)", "logger.log(n, value=n, flush=True)", "logger.log(n, value=n)"])
def test_handlers_that_raise_lose_nothing_that_returned(root: str, call: str) -> None:
    """Interrupted again and again at any point of a call, all of which the call returned arrives, and nothing twice."""
    code = """
        import signal, sys
        from ml_logger import logger
        class Interrupted(TimeoutError): pass  # as programs do it that put a limit on a call
        def handle(*_):
            global armed
            if armed:
                armed = False  # the next one must not come while this one is being caught
                raise Interrupted
        armed = False
        signal.signal(signal.SIGALRM, handle)
        logger.configure(sys.argv[1], prefix="run", silent=True)
        logger.log_line("begin")
        signal.setitimer(signal.ITIMER_REAL, 0.0007, 0.0007)
        returned, interrupted, n = [], 0, 0
        while interrupted < 300:
            n += 1
            try:
                armed = True
                CALL
                armed = False
                returned.append(n)
            except Interrupted:
                interrupted += 1
            armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(*returned)
    """
    returned = [int(number) for number in programs.run(code.replace("CALL", call), root).stdout.split()]
    with ML_Logger(root=root, prefix="run") as reader:
        arrived = [int(line) for line in reader.load_text("outputs.log").split()[1:]]
    if "log_line" not in call:
        arrived = [int(str(row["value"])) for row in programs.rows(root, "run")]

    assert arrived == sorted(set(arrived))
    assert set(returned) <= set(arrived)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "end", ["pass", "sys.exit(3)", "raise RuntimeError('x')", "os.kill(os.getpid(), signal.SIGINT)"]
)
def test_leaving_writes_the_pending_row(root: str, end: str) -> None:
    """However a program leaves in an orderly way, its last row is written and delivered."""
    code = f"""
        import os, signal, sys
        from ml_logger import logger
        logger.configure(sys.argv[1], prefix="run")
        logger.log(0, value=1, silent=True)
        {end}
    """
    programs.run(code, root, check=False)

    assert [row["value"] for row in programs.rows(root, "run")] == [1]


def test_a_torn_last_record_is_set_aside(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Resuming after a torn last record keeps its bytes beside the file, says so, and appends after the whole ones."""
    with ML_Logger(tmp_path, silent=True) as logger:
        for n in range(5):
            logger.log(n, value=n)
    metrics = tmp_path / "metrics.pkl"
    whole = metrics.read_bytes()
    metrics.write_bytes(whole[:-7])
    with ML_Logger(tmp_path, silent=True) as logger:
        logger.log(9, value=9)
        found = [row["value"] for row in logger.load_pkl("metrics.pkl") or []]

    assert found == [0, 1, 2, 3, 9]
    assert whole.startswith(metrics.read_bytes()[: len(whole) // 5 * 4])
    assert len((tmp_path / "metrics.pkl.torn").read_bytes()) == len(whole) // 5 - 7
    assert "torn record" in capfd.readouterr().err


def test_a_file_that_another_process_appends_to_is_not_cut(tmp_path: Path) -> None:
    """While a living process has a file open, what it is writing is not taken for a wreck."""
    with ML_Logger(tmp_path, silent=True) as one, ML_Logger(tmp_path, silent=True) as two:
        one.log(0, value=0, flush=True)
        with (tmp_path / "metrics.pkl").open("ab") as file:
            file.write(b"\x80\x04\x95")  # as if `one` were in the middle of a write
        two.log(1, value=1, flush=True)

    assert not (tmp_path / "metrics.pkl.torn").exists()


def test_a_line_that_is_too_slow_for_large_batches_gets_smaller_ones(server: Server) -> None:
    """Where large batches do not come through, smaller ones are sent, until all has arrived."""
    with slow_line(server.port, limit=200_000) as line:
        with ML_Logger(root=f"http://127.0.0.1:{line.port}", prefix="run", silent=True) as logger:
            server.send(signal.SIGSTOP)
            for n in range(3000):
                logger.log_line(f"{n:04d}", "x" * 500)
            server.send(signal.SIGCONT)
            read = logger.load_text("outputs.log")
        assert line.cut > 0

    assert [int(text[:4]) for text in read.splitlines()] == list(range(3000))


def test_what_is_logged_after_a_pause_does_not_wait_for_more(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first record after a pause goes out at once; those that follow it gather, and travel together."""
    monkeypatch.setenv("ML_LOGGER_LINGER", "3600")
    store = open_store(server.url, None, {})
    assert isinstance(store, RemoteStore)
    store.append("log", b"first")
    store.flush()
    assert store._sender is not None
    store._sender.last_answer -= 3600  # an hour later
    store.append("log", b"second").result(programs.PATIENCE)
    before = commits(server)
    receipts = [store.append("log", b"third"), store.append("log", b"fourth")]
    assert not any(receipt.done() for receipt in receipts)
    store.flush()

    assert b"".join(store.stream("log")) == b"firstsecondthirdfourth"
    assert commits(server) == before + 1
    store.close()


def commits(server: Server) -> int:
    """Return how often a server has committed."""
    return int(requests.get(f"{server.url}/v1/health", timeout=30).json()["commits"])


def test_another_process_id_is_another_writer(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a fork ran no hook of Python (a C library made it), the next call finds out by the id of its process."""
    store = open_store(server.url, None, {})
    assert isinstance(store, RemoteStore)
    store.append("run/a.txt", b"parent ")
    store.flush(30)
    assert store._sender is not None
    parents = store._sender.spool
    frames_before = [path.read_bytes() for path in programs.spooled()]
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    store.append("run/a.txt", b"child")
    store.flush(30)

    assert store._sender.spool.writer != parents.writer
    assert parents.last == 1
    assert [path.read_bytes() for path in programs.spooled() if path.parent == parents.folder] == frames_before
    assert store.read("run/a.txt") == b"parent child"
    store.close()
    parents.close()


@pytest.mark.parametrize("file", ["lock", "writer.new", "server.new"])
def test_a_handler_that_logs_while_a_spool_is_made(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    """A signal handler that logs in the middle of the very first call makes no second spool, and nothing is lost."""
    store = open_store(server.url, None, {})
    assert isinstance(store, RemoteStore)
    handled: list[object] = []
    real = os.open

    def interrupted(path: Any, *args: Any, **kw: Any) -> int:
        if str(path).endswith(f"/{file}") and not handled:
            handled.append(path)
            store.append("run/a.txt", b"handled ")
        return real(path, *args, **kw)

    monkeypatch.setattr(os, "open", interrupted)
    store.append("run/a.txt", b"called ")
    for _ in range(100):
        store.append("run/a.txt", b".")
    store.flush(30)

    assert handled
    assert store.read("run/a.txt") == b"handled called " + b"." * 100
    store.close()
    assert programs.spooled() == []
    assert capsys.readouterr().err == ""


def test_a_handler_that_logs_while_a_sender_is_made(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal handler that logs while the very first call makes the sender's thread leaves one thread, not two."""
    store = open_store(server.url, None, {})
    assert isinstance(store, RemoteStore)
    real, handled, senders = threading.Thread.__init__, list[bool](), list[threading.Thread]()

    def interrupted(thread: threading.Thread, *args: Any, **kw: Any) -> None:
        real(thread, *args, **kw)
        if kw.get("name") == "ml-logger-sender":
            senders.append(thread)
            if not handled:
                handled.append(True)
                store.append("run/a.txt", b"handled ")

    monkeypatch.setattr(threading.Thread, "__init__", interrupted)
    store.append("run/a.txt", b"called")
    store.flush(30)

    assert handled
    assert [thread.ident is not None for thread in senders].count(True) == 1
    assert store.read("run/a.txt") == b"handled called"
    store.close()


@pytest.mark.parametrize("step", ["__init__", "start"])
def test_a_handler_that_closes_while_a_sender_is_made(
    server: Server, monkeypatch: pytest.MonkeyPatch, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A signal handler that closes the store, wherever the very first call is with its thread, costs no record."""
    store = open_store(server.url, None, {})
    real, handled = getattr(threading.Thread, step), list[bool]()

    def interrupted(thread: threading.Thread, *args: Any, **kw: Any) -> None:
        if "ml-logger-sender" in (thread.__dict__.get("_name"), kw.get("name")) and not handled:
            handled.append(True)
            store.close()
        real(thread, *args, **kw)

    monkeypatch.setattr(threading.Thread, step, interrupted)
    for _ in range(3):
        store.append("run/a.txt", b".")
    store.flush(30)

    assert handled
    assert store.read("run/a.txt") == b"..."
    store.close()
    assert programs.spooled() == []
    assert capsys.readouterr().err == ""


def test_whoever_leaves_while_a_spool_is_adopted_does_not_send_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that ends just when it takes over what a dead one has left lets go of it, and the next one sends it."""
    server.send(signal.SIGSTOP)
    kill_while_logging(server.url, "dead", 5)
    real, stores = Spools.adopt, queue.Queue[RemoteStore]()

    def adopt_then_leave(spools: Spools, folder: Path) -> Spool | None:
        spool = real(spools, folder)
        stores.get(timeout=programs.PATIENCE)._adoption.stop()
        return spool

    with monkeypatch.context() as patch:
        patch.setattr(Spools, "adopt", adopt_then_leave)
        store = open_store(server.url, None, {})
        assert isinstance(store, RemoteStore)
        thread = store._adoption._thread
        stores.put(store)
        assert thread is not None
        thread.join(10)
        ended = not thread.is_alive()
        server.send(signal.SIGCONT)

    assert ended
    assert programs.push(server.url).returncode == 0
    assert len(programs.rows(server.url, "dead")) >= 5


def test_who_is_turned_away_by_two_ways_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server says against a token is one line, also where a second sender hears it meanwhile."""
    transport = HttpTransport("http://127.0.0.1:9", None, 1.0)
    one, other, said = Outage(transport), Outage(transport), list[str]()

    def notice(text: str) -> None:
        said.append(text)
        if len(said) == 1:
            other.deny("it is wrong")

    monkeypatch.setattr(outage, "notice", notice)
    one.deny("it is wrong")
    other.deny("it is wrong")
    assert said == ["it is wrong; records are kept, and sent once that is mended"]
    one.end()
    other.end()
    assert len(said) == 2


def test_closing_while_another_thread_makes_a_sender(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is closed just when a call of another thread starts the sender waits for it, and raises nothing."""
    store, raised = open_store(server.url, None, {}), list[BaseException]()
    real = threading.Thread.start

    def close() -> None:
        try:
            store.close()
        except BaseException as error:
            raised.append(error)

    closer = threading.Thread(target=close)

    def slow_start(thread: threading.Thread) -> None:
        if thread.name == "ml-logger-sender" and closer.ident is None:
            closer.start()
            closer.join(0.5)  # as far as it comes
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", slow_start)
    store.append("run/a.txt", b"1")
    store.append("run/a.txt", b"2")
    closer.join(30)
    assert raised == [] and not closer.is_alive()
    store.close()
    programs.push(server.url)  # what came while it was closed, behind what came afterwards
    assert sorted(store.read("run/a.txt")) == sorted(b"12")
    store.close()


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("handler", ["logger.flush()", "logger.log(-1, handled=1)", "logger.log_line('handled')"])
def test_handlers_that_log_break_no_call(root: str, handler: str) -> None:
    """Whatever a signal handler logs or flushes in the middle of a call, each row arrives once, and nothing raises."""
    code = f"""
        import signal, sys
        from ml_logger import logger
        logger.configure(sys.argv[1], prefix="run", silent=True)
        handled = []
        def handle(*_):
            handled.append({handler})
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        n = 0
        while len(handled) < 300:
            logger.log(n, value=n)
            n += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(n, len(handled))
    """
    done = programs.run(code, root)
    count, handled = map(int, done.stdout.split())
    if "://" in root:
        programs.push(root)  # a busy machine may not bring all away before the program leaves
    rows = programs.rows(root, "run")

    assert "Traceback" not in done.stderr
    assert "may miss" not in done.stderr
    assert [row["value"] for row in rows if "value" in row] == list(range(count))
    if "handled=1" in handler:
        assert sum("handled" in row for row in rows) == handled
