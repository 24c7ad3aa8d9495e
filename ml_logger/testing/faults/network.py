"""Faults: what networks do to connections, requests and answers, and servers that are not there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from ml_logger.testing import Server
from ml_logger.testing.faults.proxy import Plan, Proxy, Trouble, reset
from ml_logger.testing.faults.report import Report
from ml_logger.testing.faults.scene import Scene, wait_until
from ml_logger.transport import protocol

#: A record that a call hands over must not wait for the network: half of the calls are quicker than this, in seconds.
QUICK = 0.05
#: By how much a client may grow while its server is slow, in bytes.
GROWTH = 64 * 2**20


def _often(scene: Scene, troubles: Sequence[Trouble], share: float) -> Plan:
    """Return a plan that lets each trouble happen in turn, to a share of the batches."""
    left = list(troubles)

    def plan(body: bytes) -> Trouble:
        if scene.chance.random() >= share:
            return Trouble.NONE
        left.append(left.pop(0))
        return left[-1]

    return plan


def _troubled(scene: Scene, rounds: int, troubles: Sequence[Trouble], statuses: Sequence[int] = ()) -> Report:
    """Let writers log through a proxy until each trouble has happened so many times."""
    report = Report()
    server = scene.server()
    server.start()
    with Proxy(server.port, _often(scene, troubles, 0.5)) as proxy:
        writers = [scene.writer(proxy.url, "--files", 2, "--pause", 0.0002) for _ in range(2)]

        def enough() -> bool:
            happened = all(proxy.counts[trouble] >= rounds for trouble in troubles)
            return happened or all(writer.process.poll() is not None for writer in writers)

        wait_until(enough, "the troubles")
        proxy.plan = lambda body: Trouble.NONE
        for writer in writers:
            writer.stop()
        scene.push(proxy.url)
        for trouble in troubles:
            report.happened(trouble.value, proxy.counts[trouble], rounds)
        for status in statuses:
            report.happened(f"answers {status}", proxy.statuses[status])
    report.judge(scene.settle(server))
    return report


def connections_reset(scene: Scene, rounds: int) -> Report:
    """Reset connections in the header, in the body, after the body, and in the reply."""
    return _troubled(
        scene, rounds, (Trouble.CUT_HEADER, Trouble.CUT_BODY, Trouble.CUT_BEFORE_REPLY, Trouble.CUT_REPLY), (200,)
    )


def requests_duplicated(scene: Scene, rounds: int) -> Report:
    """Send batches a second time, at once, and late behind newer ones."""
    return _troubled(scene, rounds, (Trouble.TWICE, Trouble.LATE), (200,))


def requests_reordered(scene: Scene, rounds: int) -> Report:
    """Let the second half of a batch arrive before the first, on another connection."""
    return _troubled(scene, rounds, (Trouble.SWAP, Trouble.DELAY), (200, 409))


def requests_damaged(scene: Scene, rounds: int) -> Report:
    """Flip a bit of a batch, or cut it short, on the way."""
    return _troubled(scene, rounds, (Trouble.FLIP, Trouble.TRUNCATE), (200, 400))


def acknowledgements_lost(scene: Scene, rounds: int) -> Report:
    """Swallow every answer for a while: all is committed and nobody knows."""
    report = Report()
    server = scene.server()
    server.start()
    with Proxy(server.port) as proxy:
        # Slowly: hardly anything gets through for as long as this takes, and all of it is sent at the end.
        writers = [scene.writer(proxy.url, "--pause", 0.005) for _ in range(3)]
        for _ in range(rounds):
            for writer in writers:
                writer.wait_for(writer.count() + 100)
            before = proxy.counts[Trouble.SWALLOW]
            proxy.plan = lambda body: Trouble.SWALLOW
            wait_until(lambda before=before: proxy.counts[Trouble.SWALLOW] >= before + 12, "answers")  # type: ignore[misc]
            proxy.plan = lambda body: Trouble.NONE
        for writer in writers:
            writer.stop()
        scene.push(proxy.url)
        report.happened("acknowledgements lost", proxy.counts[Trouble.SWALLOW], 12 * rounds)
        report.happened("answers 200", proxy.statuses[200], proxy.counts[Trouble.SWALLOW])
    report.judge(scene.settle(server))
    return report


def server_absent(scene: Scene, rounds: int) -> Report:
    """Let a server be absent at the start, and for the whole run; it is there when another program comes."""
    report = Report()
    server = scene.server()
    server.start()
    server.kill()
    early = scene.writer(server.url, "--pause", 0.001)
    early.wait_for(200)
    whole = scene.writer(server.url, "--count", 400)
    report.happened("runs without a server", int(whole.finish() == 0), 1)
    report.expect("not sent yet: 400 records" in whole.log.read_text(), "it did not say what is unsent")
    server.start()
    early.wait_for(early.count() + 200)
    report.happened("runs that began without one", int(early.stop() == 0), 1)
    report.judge(scene.settle(server))
    return report


def server_mute(scene: Scene, rounds: int) -> Report:
    """Let a server take requests and never answer, or answer with headers alone; then an honest one takes over."""
    report = Report()
    server = scene.server()
    server.start()
    with Proxy(server.port) as proxy:
        for trouble in (Trouble.MUTE, Trouble.HEADERS_ONLY):
            proxy.plan = lambda body, trouble=trouble: trouble  # type: ignore[misc]
            began = time.monotonic()
            writer = scene.writer(proxy.url, "--count", 300)
            report.happened("runs that ended", int(writer.finish() == 0))
            report.expect(time.monotonic() - began < 20, f"a run took long to end: {trouble.value}")
            report.expect("not sent yet" in writer.log.read_text(), f"it did not say what is unsent: {trouble.value}")
            report.happened(trouble.value, proxy.counts[trouble])
        proxy.plan = lambda body: Trouble.NONE
        report.expect(scene.push(proxy.url).returncode == 0, "push did not send what was left")
    report.judge(scene.settle(server))
    return report


_MEASURED = """
import resource, sys, time
from ml_logger import ML_Logger
from ml_logger.testing.faults.writer import row_of
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
logger = ML_Logger(url, prefix="run", silent=True)
logger.log(0, row_of(name, 0, 2000), flush=True)
before, times = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
for n in range(1, count):
    row = row_of(name, n, 2000)
    began = time.perf_counter()
    logger.log(n, row, flush=True)
    times.append(time.perf_counter() - began)
print(sorted(times)[len(times) // 2], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
logger.close(1)
"""


def network_slow(scene: Scene, rounds: int) -> Report:
    """Let everything pass at 1 kB a second: calls stay quick, and the client does not grow."""
    report = Report()
    server = scene.server()
    server.start()
    count = 20_000 * (10 if scene.long else 1)
    with Proxy(server.port, rate=1000) as proxy:
        done = scene.program(_MEASURED, proxy.url, "slow", count)
        median, growth = (float(word) for word in done.stdout.split())
        report.happened("rows logged over a slow line", count)
        report.expect("not sent yet" in done.stderr, "the line was not slow: all was sent")
        report.expect(median < QUICK, f"half of the calls took longer than {median * 1000:.1f} ms")
        report.expect(growth * 1024 < GROWTH, f"the client grew by {growth / 1024:.0f} MiB")
        report.tried["microseconds of a call (median)"] = int(median * 1e6)
        proxy.rate = 0
        report.expect(scene.push(proxy.url).returncode == 0, "push did not send what was left")
    report.judge(scene.settle(server, extra={"slow": range(count)}))
    return report


def dribblers(scene: Scene, rounds: int) -> Report:
    """Open 200 connections whose headers and bodies come byte by byte: everybody else is served."""
    report = Report()
    server = scene.server()
    server.start()
    head = (
        f"POST {protocol.BATCHES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
        f"{protocol.WRITER}: {'0' * 32}\r\nContent-Length: 1000\r\n\r\n"
    ).encode()
    dribblers = _Dribblers(server, [head[:20], head], 200)
    before = dribblers.sent
    writer = scene.writer(server.url, "--count", 2000)
    report.happened("runs that were served meanwhile", int(writer.finish() == 0))
    report.expect("not sent yet" not in writer.log.read_text(), "it was not served in time")
    report.happened("bytes that dribbled", dribblers.end() - before)
    report.happened("connections", 200, 200)
    report.judge(scene.settle(server))
    return report


class _Dribblers:
    """Connections that send one byte at a time."""

    def __init__(self, server: Server, starts: Sequence[bytes], count: int) -> None:
        self.sent = 0
        self._sockets: list[socket.socket] = []
        for number in range(count):
            one = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            one.sendall(starts[number % len(starts)])
            self._sockets.append(one)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(0.05):
            for one in self._sockets:
                with suppress(OSError):  # the server has hung up on it, as it should
                    self.sent += one.send(b"M")

    def end(self) -> int:
        """Reset them all, and return how many bytes they sent."""
        self._stopped.set()
        self._thread.join()
        for one in self._sockets:
            reset(one)
        return self.sent
