"""Faults: processes fork and start others, in the middle of everything, and all of them log."""

from __future__ import annotations

import re
import signal

from ml_logger.testing.faults.report import Report
from ml_logger.testing.faults.scene import Scene

#: Seconds after which a child counts as hanging: SIGALRM ends it then.
PATIENCE = 20

_FORKS = f"""
import gc, os, signal, sys, threading
from ml_logger.testing.faults.calls import watch
from ml_logger.testing.faults.writer import Teller, row_of
root, prefix, name, *rest = sys.argv[1:]
teller = Teller(root, prefix, name)
PATIENCE = {PATIENCE}

def child_of(task):
    child = os.fork()
    if not child:
        status = 70
        try:
            signal.alarm(PATIENCE)
            task()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def say(what, statuses):
    os.write(2, f"{{what}}: {{len(statuses)}} children, {{len([s for s in statuses if s])}} ended badly\\n".encode())
"""

_STORM = (
    _FORKS
    + """
ending = threading.Event()
def steadily():
    number = 0
    while not ending.is_set():
        teller.row(number, name + ".thread")
        number += 1
thread = threading.Thread(target=steadily)
thread.start()
statuses = []
for fork in range(int(rest[0])):
    teller.row(fork, name + ".main")
    statuses.append(child_of(lambda: teller.rows(3, f"{name}.{fork}")))
ending.set()
thread.join()
say("storm", statuses)
"""
)

_LOCKS = (
    _FORKS
    + """
def locks():
    kinds = (type(threading.Lock()), type(threading.RLock()))
    for thing in gc.get_objects():
        if str(type(thing).__module__).startswith("ml_logger."):
            slots = [getattr(thing, slot, None) for slot in getattr(type(thing), "__slots__", ())]
            for value in [*getattr(thing, "__dict__", {}).values(), *slots]:
                yield from [value] if isinstance(value, kinds) else []
                inner = getattr(value, "_lock", None) if isinstance(value, threading.Condition) else None
                yield from [inner] if isinstance(inner, kinds) else []

held, let_go = threading.Event(), threading.Event()
count = 0
def hold():
    global count
    taken = [lock for lock in {id(lock): lock for lock in locks()}.values() if lock.acquire(timeout=5)]
    count = len(taken)
    held.set()
    let_go.wait()
    for lock in reversed(taken):
        lock.release()

teller.rows(20)
statuses = []
for fork in range(int(rest[0])):
    held.clear(), let_go.clear()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    statuses.append(child_of(lambda: teller.rows(3, f"{name}.locks{fork}")))
    let_go.set()
    thread.join()
say(f"{count} locks held", statuses)

blocked, free, parent = threading.Event(), threading.Event(), os.getpid()
def hook(call):
    result = call.make()
    if threading.current_thread().name == "blocked" and os.getpid() == parent:
        blocked.set()
        free.wait()
    return result
watch(hook)
statuses = []
for fork in range(int(rest[0])):
    blocked.clear(), free.clear()
    thread = threading.Thread(target=teller.row, args=(fork, name + ".blocked"), name="blocked")
    thread.start()
    blocked.wait()
    statuses.append(child_of(lambda: teller.rows(3, f"{name}.writing{fork}")))
    free.set()
    thread.join()
say("a thread within a write", statuses)
teller.rows(20, first=20)
"""
)

_COLLECTS = (
    _FORKS
    + """
teller.rows(200)
def collect():
    global teller
    del teller
    gc.collect()
statuses = [child_of(collect) for fork in range(int(rest[0]))]
def exit():
    teller.rows(3, name + ".exit")
    teller.logger.close(0.1)
statuses += [child_of(exit)]
say("collected", statuses)
teller.rows(10, first=200)
"""
)

_STARTS = """
import multiprocessing, os, sys
from ml_logger.testing.faults.writer import Teller, work
root, prefix, name, method = sys.argv[1:]
context = multiprocessing.get_context(method)
teller = Teller(root, prefix, name)
teller.rows(50)
children = [context.Process(target=work, args=(root, prefix, f"{name}.{child}", 50)) for child in range(2)]
for child in children:
    child.start()
for child in children:
    child.join()
statuses = [child.exitcode for child in children]
with context.Pool(2) as pool:  # is ended with SIGTERM
    pool.starmap(work, [(root, prefix, f"{name}.pool{task}", 20) for task in range(6)])
teller.rows(50, first=50)
os.write(2, f"{method}: {len(statuses) + 2} children, {len([s for s in statuses if s])} ended badly\\n".encode())
"""

_SAID = re.compile(r"(?m)^(.+): ([0-9]+) children, ([0-9]+) ended badly$")


def _run(scene: Scene, report: Report, code: str, url: str, *args: object) -> None:
    """Run a program that says how its children ended."""
    program = scene.start(code, url, *args)
    status = program.finish()
    said = program.log.read_text()
    report.expect(status == 0, f"a parent ended with {status}, {said[-1000:]}")
    report.expect("Traceback" not in said, f"a traceback: {said[-1000:]}")
    found = _SAID.findall(said)
    report.expect(found, f"it said nothing of its children: {said[-500:]}")
    for what, children, bad in found:
        report.happened(f"children ({what})", int(children))
        report.expect(bad == "0", f"{bad} children ended badly ({what})")


def forked_in_a_storm(scene: Scene, rounds: int) -> Report:
    """Fork again and again while a thread of the parent logs; each child logs with the logger that it inherits."""
    report = Report()
    server = scene.server()
    server.start()
    _run(scene, report, _STORM, server.url, 500 if scene.long else 10 * rounds)
    report.judge(scene.settle(server))
    return report


def forked_under_locks(scene: Scene, rounds: int) -> Report:
    """Fork while another thread holds every lock of ours, and while one is in the middle of a write."""
    report = Report()
    server = scene.server()
    server.start()
    _run(scene, report, _LOCKS, server.url, rounds)
    report.expect(not any(what.startswith("children (0 locks") for what in report.tried), "no lock was held")
    report.judge(scene.settle(server))
    return report


def collected_in_children(scene: Scene, rounds: int) -> Report:
    """Let children collect what they inherit while the server is frozen: no finalizer waits for a thread."""
    report = Report()
    server = scene.server()
    server.start()
    server.send(signal.SIGSTOP)
    try:
        _run(scene, report, _COLLECTS, server.url, rounds)
    finally:
        server.send(signal.SIGCONT)
    report.judge(scene.settle(server))
    return report


def started_by_multiprocessing(scene: Scene, rounds: int) -> Report:
    """Log from children of multiprocessing, forked, from a fork server and spawned, and from its pools."""
    report = Report()
    server = scene.server()
    server.start()
    for method in ("fork", "forkserver", "spawn") * rounds:
        _run(scene, report, _STARTS, server.url, method)
    report.judge(scene.settle(server))
    return report


_OF_C = (
    _FORKS
    + """
import ctypes
fork = ctypes.PyDLL(None).fork
teller.rows(50)
statuses = []
def let_it_rest():
    # A thread that waits for the interpreter, just as C forks, may leave a lock of Python's own closed for ever in the
    # child: no program survives that. So the thread that sends has nothing to do.
    teller.logger.flush()
    while not teller.logger._store._sender.idle: threading.Event().wait(0.001)
    threading.Event().wait(0.02)
for number in range(int(rest[0])):
    let_it_rest()
    child = fork()
    if not child:
        signal.alarm(PATIENCE)
        teller.rows(20, f"{name}.{number}")
        os._exit(0)
    teller.rows(5, first=50 + 5 * number)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
say("by C", statuses)
"""
)


def forked_by_c(scene: Scene, rounds: int) -> Report:
    """Fork as a library in C does, that runs none of Python's hooks: a child finds out by the id of its process."""
    report = Report()
    server = scene.server()
    server.start()
    _run(scene, report, _OF_C, server.url, 10 * rounds)
    report.expect(report.tried.get("children (by C)") == 10 * rounds, f"not all of {10 * rounds} children were made")
    report.judge(scene.settle(server))
    return report


_HANDLED = """
import os, signal, sys
from ml_logger.testing.faults.writer import Teller, row_of, tell
root, prefix, name, count = sys.argv[1:]
teller, returned, handling = Teller(root, prefix, name), [], []
teller.rows(1)
def handle(*_):
    if handling: return  # a signal in the handler: it would take the same number
    handling.append(True)
    teller.logger.flush()
    number = len(returned)
    teller.logger.log(number, row_of(f"{name}.handler", number, 100), cache="handler")
    returned.append(number)
    handling.clear()
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
for number in range(1, int(count)):
    teller.logger.log(number, row_of(name, number, 100), silent=True)
signal.setitimer(signal.ITIMER_REAL, 0)
teller.logger.flush()
for number in range(1, int(count)): tell(name, number)
for number in returned: tell(f"{name}.handler", number)
os.write(2, f"handled {len(returned)}\\n".encode())
"""


def flushed_in_handlers(scene: Scene, rounds: int) -> Report:
    """Log and flush in a signal handler, as a job that is told to end does, in the middle of calls that log."""
    report = Report()
    server = scene.server()
    server.start()
    program = scene.start(_HANDLED, server.url, 10_000 * rounds)
    report.expect(program.finish() == 0, f"it ended badly: {program.log.read_text()[-300:]}")
    handled = re.search(r"handled ([0-9]+)", program.log.read_text())
    report.happened("signals handled", int(handled[1]) if handled else 0, 20)
    report.judge(scene.settle(server))
    return report
