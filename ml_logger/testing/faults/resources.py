"""Faults: disks are full or read-only, descriptors and memory run out; there is room again, and nothing is missing."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from ml_logger.testing import Server
from ml_logger.testing.faults import oracle
from ml_logger.testing.faults.proxy import Proxy
from ml_logger.testing.faults.report import Report
from ml_logger.testing.faults.scene import Scene, wait_until
from ml_logger.testing.faults.small_disk import SmallDisk
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op

_FULL = "the disk of the server is full"
#: KiB of a disk that has room.
ROOM = 256 * 1024


def disk_full_by_limit(scene: Scene, rounds: int) -> Report:
    """Let no file of the server grow beyond a limit, short writes included; then lift it."""
    server = scene.server(shell="ulimit -Sf 512")
    server.start()
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    return _filled(scene, server, rounds, lambda: resource.prlimit(server.pid, resource.RLIMIT_FSIZE, unlimited))


def disk_full(scene: Scene, rounds: int) -> Report:
    """Fill the server's disk: it answers 507 and says so once, and all arrives once there is room."""
    with SmallDisk(scene.data, 1024) as disk:
        server = scene.server()
        server.start()
        return _filled(scene, server, rounds, lambda: disk.grow(ROOM))


def catalog_disk_full(scene: Scene, rounds: int) -> Report:
    """Fill the disk of the catalog, while that of the files has room."""
    with SmallDisk(scene.data / ".ml_logger", 512) as disk:
        server = scene.server()
        server.start()
        return _filled(scene, server, rounds, lambda: disk.grow(ROOM))


def data_disk_full(scene: Scene, rounds: int) -> Report:
    """Fill the disk of the files, while that of the catalog has room."""
    with SmallDisk(scene.data, 512) as disk, SmallDisk(scene.data / ".ml_logger", ROOM):
        server = scene.server()
        server.start()
        return _filled(scene, server, rounds, lambda: disk.grow(ROOM))


def _filled(scene: Scene, server: Server, rounds: int, give_room: Callable[[], object]) -> Report:
    """Let writers log to a server until it is full, and on; then give it room."""
    report = Report()
    with Proxy(server.port) as proxy:
        writers = [scene.writer(proxy.url, "--size", 4000, "--pause", 0.0005) for _ in range(2)]
        wait_until(lambda: proxy.statuses[507] >= 2 * rounds, "answers 507")
        for writer in writers:
            writer.wait_for(writer.count() + 100)  # the training is not held up
        report.expect(server.log.read_text().count(_FULL) == 1, "it did not say once that the disk is full")
        report.tried["rows that are whole on the full disk"] = _whole(scene, server, report)
        give_room()
        committed = proxy.statuses[200]
        wait_until(lambda: proxy.statuses[200] > committed, "a batch to be taken again")
        for writer in writers:
            report.expect(writer.stop() == 0, "a writer did not end well")
        report.happened("answers 507", proxy.statuses[507], 2 * rounds)
        report.expect(scene.push(proxy.url).returncode == 0, "push did not send what was left")
    report.judge(scene.settle(server))
    return report


def _whole(scene: Scene, server: Server, report: Report) -> int:
    """Load the file of a full disk: what is there is whole."""
    server.send(signal.SIGSTOP)
    try:
        copy = scene.folder / "copy.pkl"
        copy.write_bytes((scene.data / "run" / "metrics.pkl").read_bytes())
        return sum(1 for _ in oracle.records(copy))
    except Exception as error:  # whatever pickle raises
        tail = type(error).__name__
        report.expect("truncated" in str(error) or tail == "EOFError", f"on the full disk a plain loop read {error!r}")
        return 0
    finally:
        server.send(signal.SIGCONT)


_COUNTS = """
import os, sys
from ml_logger.testing.faults.writer import Teller, row_of, tell
root, prefix, name, count = sys.argv[1:]
teller = Teller(root, prefix, name)
dropped = 0
for number in range(int(count)):
    teller.logger.log(number, row_of(name, number, 3000), cache=name, silent=True, flush=True)
    now = teller.logger.health().dropped
    if now == dropped:
        tell(name, number)
    dropped = now
os.write(2, f"dropped {dropped}\\n".encode())
sys.stdin.read()
"""


def spool_full(scene: Scene, rounds: int) -> Report:
    """Fill the client's disk while its server is away: it counts what it drops, says so once, loses no other."""
    report = Report()
    server = scene.server()
    server.start()
    server.kill()
    with SmallDisk(scene.spool, 512):
        program = scene.start(_COUNTS, server.url, 1000, ML_LOGGER_MEMORY_QUEUE="0.25")
        wait_until(
            lambda: "\ndropped " in f"\n{program.log.read_text()}" or program.process.poll() is not None, "drops"
        )
        server.start()
        status = program.finish()
        said = program.log.read_text()
        found = re.search(r"(?m)^dropped ([0-9]+)$", said)
        dropped = int(found[1]) if found else 0
        report.happened("records dropped, and counted", dropped)
        report.expect(dropped + program.count() == 1000, f"{dropped} dropped and {program.count()} kept of 1,000 rows")
        report.expect(said.count("are dropped from here on") == 1, f"it did not say once that it drops: {said[-800:]}")
        report.expect(said.count("takes no more") == 1, f"it did not say once that the spool is full: {said[-800:]}")
        report.expect(status == 0 and "Traceback" not in said, f"ended with {status}, {said[-800:]}")
        report.judge(scene.settle(server))
    return report


def spool_unusable(scene: Scene, rounds: int) -> Report:
    """Log with a spool that cannot be made, one that is read-only, and no home: everything arrives all the same."""
    report = Report()
    server = scene.server()
    server.start()
    places: dict[str, dict[str, Any]] = {
        "impossible": {"ML_LOGGER_SPOOL": "/proc/nowhere"},
        "read-only": {"ML_LOGGER_SPOOL": _read_only(scene)},
        "homeless": {"ML_LOGGER_SPOOL": "", "XDG_STATE_HOME": "", "HOME": "/dev/null/home", "TMPDIR": scene.folder},
    }
    for kind, settings in places.items():
        program = scene.start(_COUNTS, server.url, 300, **settings)
        status = program.finish()
        said = program.log.read_text()
        report.happened(f"spools that were {kind}", int(program.count() == 300))
        report.expect(status == 0 and "Traceback" not in said, f"{kind}: ended with {status}, {said[-800:]}")
        warned = said.count("wait in memory")
        report.expect(warned == (kind != "homeless"), f"{kind}: it warned {warned} times: {said[-800:]}")
    report.expect(
        list(scene.folder.glob("ml_logger-*/spool")), "without a home there was no spool in the temporary folder"
    )
    report.judge(scene.settle(server))
    return report


def _read_only(scene: Scene) -> Path:
    folder = scene.folder / "read-only"
    folder.mkdir(mode=0o500)
    return folder if os.getuid() else Path("/sys/kernel")  # which root cannot write to, either


def server_short_of_descriptors(scene: Scene, rounds: int) -> Report:
    """Give a server 64 descriptors, 500 files to write and 60 idle connections: it lives, and all arrives."""
    report = Report()
    # It keeps to a share of them for connections, and to another for files: some are gone, as where something leaks.
    leak = "import os; leaked = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]"
    server = scene.server(shell="ulimit -n 64", before=leak)
    server.start()
    pid = server.pid
    writers = [scene.writer(server.url, "--files", 500, "--count", 1000, "--wait", prefix="many") for _ in range(2)]
    for writer in writers:
        writer.wait_for(500)
    with ExitStack() as idle:
        for _ in range(60):
            with suppress(OSError):
                idle.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
                report.tried["idle connections"] += 1
        used = [0]

        def are_used_up() -> bool:
            used[0] = 0 if server.ended() else len(os.listdir(f"/proc/{pid}/fd"))
            return server.ended() or used[0] >= 62

        wait_until(are_used_up, "descriptors to run out")
        report.happened("descriptors in use", used[0], 62)
        late = scene.writer(server.url, "--count", 100)
        late.wait_for(100)
    for writer in [late, *writers]:
        report.expect(writer.finish() == 0, "a writer did not end well")
    report.expect(server.pid == pid and not server.ended(), "the server has ended")
    report.judge(scene.settle(server))
    report.happened("files", len(list((scene.data / "many").iterdir())), 500)
    return report


def server_short_of_memory(scene: Scene, rounds: int) -> Report:
    """Limit the server's memory, send it 100 MB in one body, and 12 large batches at once: it refuses, and lives."""
    report = Report()
    plain = scene.server()
    plain.start()
    size = _status(plain.pid, "VmPeak")
    plain.stop()
    server = scene.server(shell=f"ulimit -v {size + 96 * 1024}")
    server.start()
    pid = server.pid
    answers = [_post(server.port, 0, bytes(100_000_000))]
    report.expect(answers[0] in (400, 413, 503), f"100 MB were answered {answers[0]}")
    body = b"".join(frames.encode(n, Op.APPEND, b"big/file", bytes(2**20)) for n in range(1, 15))
    with ThreadPoolExecutor(12) as threads:
        answers += threads.map(lambda number: _post(server.port, number, body), range(1, 13))
    report.happened("large bodies", len(answers), 13)
    report.expect(set(answers) <= {200, 400, 413, 503}, f"answers were {sorted(set(answers))}")
    report.expect(not server.ended() and server.pid == pid, "the server has ended")
    writer = scene.writer(server.url, "--count", 200)
    report.expect(writer.finish() == 0, "a writer did not end well")
    report.judge(scene.settle(server))
    return report


def _status(pid: int, name: str) -> int:
    found = re.search(rf"(?m)^{name}:\s+([0-9]+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def _post(port: int, writer: int, body: bytes) -> int:
    """Send a batch of a writer, and return the status of the answer; 0 when the connection ended without one."""
    head = f"POST {protocol.BATCHES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(f"{head}{protocol.WRITER}: {writer:032x}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        with suppress(OSError):  # it need not take what it refuses
            one.sendall(body)
        with suppress(OSError):
            words = one.recv(4096).split(None, 2)
            return int(words[1]) if len(words) > 1 else 0
    return 0
