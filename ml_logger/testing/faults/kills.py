"""Faults: processes are killed, frozen, or told to end in the middle of their work."""

from __future__ import annotations

import io
import pickle
import signal
import socket
import threading
import time
from contextlib import suppress

from ml_logger.errors import KeyNotFound, ServerUnavailable
from ml_logger.testing import Server
from ml_logger.testing.faults.report import Report
from ml_logger.testing.faults.scene import Scene, wait_until
from ml_logger.transport import protocol
from ml_logger.transport.http import HttpTransport


def server_killed(scene: Scene, rounds: int) -> Report:
    """Kill the server at random instants under load from 4 writers, while somebody reads."""
    report = Report()
    server = scene.server()
    server.start()
    writers = [scene.writer(server.url, "--files", 3, "--pause", 0.0005, prefix="shared") for _ in range(4)]
    for writer in writers:
        writer.wait_for(20)
    readers = _Readers(scene, server, "shared/0.pkl")
    died = 0
    for _ in range(rounds):
        threading.Event().wait(scene.chance.uniform(0.03, 0.25))
        died += server.stop(signal.SIGKILL) == -signal.SIGKILL
        server.start()
    for writer in writers:
        writer.stop()
    report.happened("kills of the server", died, rounds)
    report.happened("reads meanwhile", readers.end())
    report.wrong += readers.wrong
    report.tried["torn tails set aside"] = len(list((scene.data / ".ml_logger").glob("quarantine/*")))
    report.judge(scene.settle(server))
    return report


class _Readers:
    """Reads a file again and again, as a plain loop and through the server, and notes what should not be seen."""

    def __init__(self, scene: Scene, server: Server, key: str) -> None:
        self.wrong: list[str] = []
        self._looks = 0
        self._most = 0
        self._path = scene.data / key
        self._key = key
        self._transport = HttpTransport(server.url, None, 5.0)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> int:
        """Stop, and return how often it has read."""
        self._stopped.set()
        self._thread.join()
        return self._looks

    def _run(self) -> None:
        while not self._stopped.wait(0.02) and not self.wrong:
            if self._path.exists():
                _, damage = _load(self._path.read_bytes())
                if damage not in ("", "torn"):
                    self.wrong.append(f"a plain loop read {damage}")
            try:
                data = b"".join(self._transport.stream(self._key, 0, None))
            except (KeyNotFound, ServerUnavailable):
                continue  # it is being restarted
            self._looks += 1
            count, damage = _load(data)
            if damage or count < self._most:
                self.wrong.append(f"the server served {count} rows after {self._most}, {damage or 'all whole'}")
            self._most = count
        self._transport.close()


def _load(data: bytes) -> tuple[int, str]:
    """Return how many whole records there are, and what follows them."""
    file, count = io.BytesIO(data), 0
    while file.tell() < len(data):
        try:
            pickle.load(file)
        except (EOFError, pickle.UnpicklingError) as error:
            return count, "torn" if isinstance(error, EOFError) or "truncated" in str(error) else repr(error)
        count += 1
    return count, ""


def client_killed(scene: Scene, rounds: int) -> Report:
    """Kill a writer at a random instant, again and again; what it leaves is sent by the next."""
    report = Report()
    server = scene.server()
    server.start()
    died = 0
    for _ in range(rounds):
        writer = scene.writer(server.url, "--files", 2, "--threads", 2, prefix="shared")
        writer.wait_for(scene.chance.randrange(1, 1500))
        threading.Event().wait(scene.chance.uniform(0, 0.02))
        writer.kill()
        died += writer.process.returncode == -signal.SIGKILL
    report.happened("kills of a writer", died, rounds)
    report.judge(scene.settle(server))
    return report


def server_frozen(scene: Scene, rounds: int) -> Report:
    """Stop the server with SIGSTOP while writers log, start and end, and let it go on."""
    report = Report()
    server = scene.server()
    server.start()
    steady = scene.writer(server.url, "--pause", 0.001)
    steady.wait_for(10)
    for _ in range(rounds):
        server.send(signal.SIGSTOP)
        before = steady.count()
        short = scene.writer(server.url, "--count", 500)
        report.happened("writers that ended while it stood still", int(short.finish() == 0))
        report.expect("not sent yet" in short.log.read_text(), "a writer did not say what it left unsent")
        steady.wait_for(before + 100)  # the training is not held up
        server.send(signal.SIGCONT)
    report.happened("times frozen", rounds, rounds)
    steady.stop()
    report.judge(scene.settle(server))
    return report


def client_frozen(scene: Scene, rounds: int) -> Report:
    """Stop a writer with SIGSTOP in the middle of sending: nobody else may take its spool."""
    report = Report()
    server = scene.server()
    server.start()
    for _ in range(rounds):
        writer = scene.writer(server.url)
        writer.wait_for(scene.chance.randrange(50, 1000))
        writer.signal(signal.SIGSTOP)
        pushed = scene.push(server.url)
        report.happened("pushes that left it alone", int("sent" not in pushed.stdout))
        writer.signal(signal.SIGCONT)
        writer.wait_for(writer.count() + 50)
        writer.kill()
    report.happened("times frozen", rounds, rounds)
    report.judge(scene.settle(server))
    return report


def server_told_to_end(scene: Scene, rounds: int) -> Report:
    """End the server with SIGTERM under load, with an idle connection and one whose body never ends."""
    report = Report()
    server = scene.server()
    server.start()
    writers = [scene.writer(server.url, "--pause", 0.0005) for _ in range(2)]
    for writer in writers:
        writer.wait_for(50)
    for _ in range(rounds):
        idle, stalled = (socket.create_connection(("127.0.0.1", server.port)) for _ in range(2))
        stalled.sendall(
            f"POST {protocol.BATCHES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
            f"{protocol.WRITER}: {'0' * 32}\r\nContent-Length: 1000\r\n\r\nMLF".encode()
        )
        began = time.monotonic()
        report.happened("clean ends", int(server.stop(signal.SIGTERM) == 0))
        report.expect(time.monotonic() - began < 15, "the server took longer than 15 s to end")
        idle.close()
        stalled.close()
        server.start()
    for writer in writers:
        writer.stop()
    report.judge(scene.settle(server))
    return report


_KILLS = ("write|pwrite@{}=kill-middle", "*@{}=kill-before", "*@{}=kill-after", "commit@{}=kill-after")


def killed_at_calls(scene: Scene, rounds: int) -> Report:
    """Kill the server, and then a writer, at random calls: before, in the middle of, and after them."""
    report = Report()
    plain = scene.server()
    plain.start()
    plain.kill()
    for _ in range(rounds):
        kind = scene.chance.choice(_KILLS)
        trace = scene.folder / "trace"
        server = scene.server(spec=f"{kind.format(scene.chance.randrange(5, 40))};under={scene.data};trace={trace}")
        server.port = plain.port
        with suppress(ServerUnavailable):  # it may die in its recovery
            server.start()
        write = f"write@{scene.chance.randrange(2, 60)}=kill-middle;under={scene.spool}"
        torn = scene.writer(plain.url, "--files", 2, spec=write)
        whole = scene.writer(plain.url, "--files", 2, "--pause", 0.001)
        wait_until(server.ended, "the server to die at its failpoint")
        report.happened("kills of the server", trace.read_text().count(" !kill"))
        trace.unlink()
        plain.start()
        torn.finish()
        whole.stop()
        report.happened("kills of a writer", int(torn.process.returncode == -signal.SIGKILL))
        plain.kill()
    plain.start()
    report.judge(scene.settle(plain))
    return report
