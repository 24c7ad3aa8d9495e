"""Faults: processes end in every way there is, are interrupted, run out of threads, and have clocks that jump."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time

from ml_logger.testing.faults.report import Report, Unavailable
from ml_logger.testing.faults.scene import Scene, Writer, wait_until

#: Seconds in which a program that leaves must be gone, whatever its server does. The limit of the settings is 10.
LEAVES_WITHIN = 20.0
#: Seconds in which a program must be gone that is told to by Ctrl-C.
GONE_WITHIN = 5.0

_LOGS = """
import atexit, gc, os, signal, sys, threading
from ml_logger.testing.faults.writer import Teller, row_of, tell
root, prefix, name, *rest = sys.argv[1:]
"""

_ENDS = {
    "os._exit": ("os._exit(3)", 3),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); threading.Event().wait()", -signal.SIGTERM),
    "uncaught exceptions": ("pend(); raise RuntimeError('on purpose')", 1),
    "sys.exit": ("pend(); sys.exit(5)", 5),
    "sys.exit in threads": ("threading.Thread(target=lambda: (teller.rows(50, name + '.t'), sys.exit(6))).start()", 0),
}

_ENDING = (
    _LOGS
    + """
teller = Teller(root, prefix, name)
def pend():
    teller.logger.log(100, row_of(name, 100, 300), cache=name, silent=True)  # of a step that has not ended
    tell(name, 100)
teller.rows(100, name + ".0")
teller.rows(100)
"""
)


def processes_end(scene: Scene, rounds: int) -> Report:
    """End programs by os._exit, SIGTERM, an exception, sys.exit, and in a thread: with a server, and a frozen one."""
    report = Report()
    server = scene.server()
    server.start()
    for number in range(rounds):
        if number % 2:
            server.send(signal.SIGSTOP)
        began = time.monotonic()
        programs = {how: scene.start(_ENDING + code, server.url) for how, (code, _) in _ENDS.items()}
        for how, program in programs.items():
            status = program.finish()
            report.happened(how, int(status == _ENDS[how][1]))
            report.expect(status == _ENDS[how][1], f"{how}: ended with {status}, {program.log.read_text()[-500:]}")
        report.expect(time.monotonic() - began < LEAVES_WITHIN, f"programs took longer than {LEAVES_WITHIN} s to end")
        server.send(signal.SIGCONT)
    report.judge(scene.settle(server))
    return report


def calls_interrupted(scene: Scene, rounds: int) -> Report:
    """Press Ctrl-C as a call that logs writes to the spool: the row is there once, and the program ends by it."""
    report = Report()
    server = scene.server()
    server.start()
    for _ in range(rounds):
        spec = f"write@{scene.chance.randrange(2, 200)}=interrupt;under={scene.spool}"
        writer = scene.writer(server.url, "--files", 2, "--pause", 0.0005, spec=spec)
        status = writer.finish()
        report.happened("calls that Ctrl-C came into", int("KeyboardInterrupt" in writer.log.read_text()))
        report.expect(status in (-signal.SIGINT, 130), f"a writer ended with {status}")
    report.judge(scene.settle(server))
    return report


_LEAVING = _LOGS + "Teller(root, prefix, name).rows(100)\n"


def exits_interrupted(scene: Scene, rounds: int) -> Report:
    """Press Ctrl-C while a program waits for a frozen server at its end, once and twice: it is gone, its rows stay."""
    report = Report()
    server = scene.server()
    server.start()
    for times in (1, 2) * rounds:
        server.send(signal.SIGSTOP)
        with _Terminal() as terminal:
            program = scene.start(_LEAVING, server.url, terminal=terminal.theirs)
            terminal.wait_for(b"Ctrl-C leaves", program)
            began = time.monotonic()
            for _ in range(times):
                program.signal(signal.SIGINT)
            program.finish()
            report.expect(time.monotonic() - began < GONE_WITHIN, f"it took longer than {GONE_WITHIN} s to leave")
        said = terminal.said()
        report.happened("ends that were interrupted " + ("once", "twice")[times - 1], int(b"Ctrl-C leaves" in said))
        report.expect(b"Traceback" not in said, f"a traceback: {said!r}")
        server.send(signal.SIGCONT)
    report.judge(scene.settle(server))
    return report


class _Terminal:
    """A terminal that a program writes to, and what it wrote."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self._said = bytearray()

    def __enter__(self) -> _Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.theirs)
        while self._read():
            pass
        os.close(self._ours)

    def wait_for(self, text: bytes, program: Writer) -> None:
        """Read until a text comes, or the program has ended."""
        os.set_blocking(self._ours, False)

        def come() -> bool:
            self._read()
            return text in self._said or program.process.poll() is not None

        wait_until(come, repr(text))

    def said(self) -> bytes:
        """Return all that was written so far."""
        return bytes(self._said)

    def _read(self) -> bytes:
        try:
            data = os.read(self._ours, 4096)
        except OSError:  # nothing there, or the other end is closed
            return b""
        self._said += data
        return data


_AT_THE_END = {
    "atexit before": "atexit.register(late); teller = Teller(root, prefix, name)",
    "atexit after": "teller = Teller(root, prefix, name); teller.row(0, name + '.m'); atexit.register(late)",
    "finalizers": """
teller = Teller(root, prefix, name)
class Last:
    def __del__(self): late()
sys.last = Last()
teller.row(0, name + ".m")
""",
    "daemon threads": """
teller = Teller(root, prefix, name)
def forever():
    for number in range(10**9): teller.row(number, name + f".{threading.current_thread().name}")
for number in range(4): threading.Thread(target=forever, name=str(number), daemon=True).start()
teller.rows(300, name + ".m")
""",
    "threads": """
teller = Teller(root, prefix, name)
threading.Thread(target=lambda: teller.rows(300, name + ".t")).start()
teller.rows(10, name + ".m")
""",
}
_LATE = _LOGS + "def late(): teller.rows(5, name + '.late')\n"


def logged_at_the_end(scene: Scene, rounds: int) -> Report:
    """Log from exit hooks before and after ours, finalizers and (daemon) threads, while the interpreter goes down."""
    report = Report()
    server = scene.server()
    server.start()
    for _ in range(rounds):
        programs = {how: scene.start(_LATE + code, server.url) for how, code in _AT_THE_END.items()}
        for how, program in programs.items():
            status = program.finish()
            said = program.log.read_text()
            report.happened(f"ends with {how}", int(program.count() > 0))
            report.expect(status == 0, f"{how}: ended with {status}, {said[-500:]}")
            report.expect("Traceback" not in said and "Fatal" not in said, f"{how}: {said[-500:]}")
            if how.startswith("atexit"):
                report.expect(program.count() >= 5, f"{how}: logged {program.count()} rows of 5")
    report.judge(scene.settle(server))
    return report


_NO_DESCRIPTORS = _LOGS + (
    """
def scarce():
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        os.dup(1)
    except OSError:
        os.write(2, b"refused\\n")
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
if rest[0] == "before":
    Teller(root, prefix, name + ".first").rows(1)  # Python itself needs descriptors to load what is needed first
    give_back = scarce()
    teller = Teller(root, prefix, name)
else:
    teller = Teller(root, prefix, name)
    teller.rows(10)
    give_back = scarce()
for number in range(10, 60): teller.row(number, file=f"{number % 5}.pkl")
give_back()
teller.rows(10, first=60)
"""
)
_NO_THREADS = _LOGS + (
    """
import resource, requests
from ml_logger.transport import http, sender, wire
teller = Teller(root, prefix, name)
if not os.getuid():
    os.setuid(65534)  # root is not bound by the limit
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    threading.Thread(target=int).start()
except RuntimeError:
    os.write(2, b"refused\\n")
teller.rows(100)
"""
)


def client_short_of_descriptors(scene: Scene, rounds: int) -> Report:
    """Take all descriptors from a client, before and after it is configured: no call raises, and nothing is lost."""
    report = Report()
    server = scene.server()
    server.start()
    for when in ("before", "after") * rounds:
        program = scene.start(_NO_DESCRIPTORS, server.url, when)
        status = program.finish()
        said = program.log.read_text()
        report.happened(f"clients without descriptors {when} they were configured", said.count("refused\n"))
        report.expect(status == 0 and program.count() >= 60, f"{when}: ended with {status}, {said[-1000:]}")
    report.judge(scene.settle(server))
    return report


def client_short_of_threads(scene: Scene, rounds: int) -> Report:
    """Let a client start no thread: no call raises, and the rows are in the spool for the next program."""
    if not os.getuid():
        _share_with_everybody(scene)
    report = Report()
    server = scene.server()
    server.start()
    for _ in range(rounds):
        program = scene.start(_NO_THREADS, server.url)
        status = program.finish()
        said = program.log.read_text()
        report.happened("clients without threads", said.count("refused\n"))
        report.expect(status == 0 and program.count() == 100, f"ended with {status}, {said[-1000:]}")
    report.judge(scene.settle(server))
    return report


def _share_with_everybody(scene: Scene) -> None:
    scene.spool.mkdir(exist_ok=True)
    for folder in (scene.folder, scene.spool):
        folder.chmod(0o777)
    able = ["setpriv", "--reuid", "65534", "--clear-groups", "test", "-w", str(scene.spool)]
    if subprocess.run(able, capture_output=True, check=False).returncode:
        raise Unavailable("no other user could be taken on: root is not bound by limits of processes")


_JUMPS = (
    """
import random, time
real, real_ns, shift = time.time, time.time_ns, [0]
time.time = lambda: real() + shift[0]  # before anything of ours takes hold of it
time.time_ns = lambda: real_ns() + shift[0] * 10**9
"""
    + _LOGS
    + """
chance, jumps = random.Random(int(rest[0])), 0
teller = Teller(root, prefix, name)
for number in range(400):
    if number % 10 == 0:
        shift[0] = chance.randrange(-20 * 365 * 86400, 20 * 365 * 86400)
        os.putenv("TZ", chance.choice(["UTC", "Asia/Tokyo", "America/New_York", "XXX+5YYY"]))
        time.tzset()
        jumps += 1
    teller.row(number)
os.write(2, b"jumped %d\\n" % jumps)
"""
)


def clocks_jump(scene: Scene, rounds: int) -> Report:
    """Let the clock of a client jump by up to twenty years, either way, and its time zone change."""
    report = Report()
    server = scene.server()
    server.start()
    for _ in range(rounds):
        program = scene.start(_JUMPS, server.url, scene.chance.randrange(2**31))
        status = program.finish()
        said = program.log.read_text()
        report.expect(status == 0, f"ended with {status}, {said[-500:]}")
        report.happened("jumps of the clock", int(said.rpartition("jumped ")[2] or 0) if status == 0 else 0, 40)
    report.judge(scene.settle(server))
    return report
