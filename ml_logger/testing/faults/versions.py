"""Faults: client and server are not of the same age; what one does not know is refused, and kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from ml_logger.server.mounts import NETWORK, file_system
from ml_logger.testing.faults.report import Report, Unavailable
from ml_logger.testing.faults.scene import Scene
from ml_logger.transport import frames
from ml_logger.transport.frames import Op
from ml_logger.transport.http import HttpTransport

# The format on disk and on the wire has its version in the first bytes of each frame.
_OTHER = 'from ml_logger.transport import frames\nframes.MAGIC = b"MLF\\x02"\n'

_LOGS = """
import sys
from ml_logger.testing.faults.writer import work
work(*sys.argv[1:4], 100)
"""


def server_of_other_version(scene: Scene, rounds: int) -> Report:
    """Let a server of another version answer for a while: it refuses all, the spool is kept for the right one."""
    report = Report()
    server = scene.server()
    server.start()
    for _ in range(rounds):
        writer = scene.writer(server.url, "--pause", 0.001)
        writer.wait_for(50)
        server.stop()
        other = scene.server(before=_OTHER)
        other.port = server.port
        other.start()
        writer.wait_for(writer.count() + 200)
        late = scene.start(_LOGS, server.url, ML_LOGGER_EXIT_TIMEOUT=5)
        late.finish()
        said = late.log.read_text()
        report.happened("refusals by a server of another version", said.count("answered 400"))
        report.expect("not sent yet: 100 records" in said, f"it did not say what is unsent: {said[-500:]}")
        other.stop()
        server.start()
        report.expect(writer.stop() == 0, "a writer did not end well")
    report.judge(scene.settle(server))
    return report


def client_of_other_version(scene: Scene, rounds: int) -> Report:
    """Let a client of another version leave a spool: neither server nor push takes it, and its bytes stay."""
    report = Report()
    server = scene.server()
    server.start()
    done = scene.program(_OTHER + _LOGS, server.url, "other", "x", ML_LOGGER_EXIT_TIMEOUT=5)
    report.expect("answered 400" in done.stderr, f"the server took another version: {done.stderr}")
    left = b"".join(path.read_bytes() for path in sorted(scene.spool.glob("*/*/seg-*")))
    report.happened("frames of another version", left.count(b"MLF\x02"), 100)
    pushed = scene.push(server.url)
    report.expect("Traceback" not in pushed.stderr, f"push failed: {pushed.stderr[-500:]}")
    kept = b"".join(path.read_bytes() for path in sorted(scene.spool.rglob("*")) if path.is_file())
    report.expect(left in kept, "the bytes of another version are gone")
    report.expect(not (scene.data / "other").exists(), "something of another version was stored")
    for path in scene.spool.iterdir():  # nothing is left to send for the version that comes now
        shutil.rmtree(path)
    report.judge(scene.settle(server))
    return report


def frames_unknown(scene: Scene, rounds: int) -> Report:
    """Send frames of an unknown op, of another version, and torn ones: refused, and the right ones pass."""
    report = Report()
    server = scene.server()
    server.start()
    transport = HttpTransport(server.url, None, 30.0)
    good = frames.encode(1, Op.APPEND, b"run/known", b"x")
    bad = {
        "unknown op": frames.encode(1, 99, b"run/unknown", b"x"),
        "op 0": frames.encode(1, 0, b"run/unknown", b"x"),
        "another version": b"MLF\x02" + good[4:],
        "no frame": b"\0" * 64,
        "cut short": good[:-1],
    }
    for what, frame in bad.items():
        for number, body in enumerate((frame, good + frame, frame + good)):
            reply = transport.post_batch(f"{number:032x}", body, 30.0)
            report.happened(what, int(reply.status == 400))
            report.expect(reply.status == 400, f"{what}: answered {reply.status} {reply.body}")
    report.expect(not (scene.data / "run").exists(), "a batch was applied in part")
    reply = transport.post_batch("0" * 32, good, 30.0)
    report.expect(reply.status == 200 and reply.body["committed"] == 1, f"the right frame: {reply.status} {reply.body}")
    report.expect((scene.data / "run" / "known").read_bytes() == b"x", "the right frame is not there")
    transport.close()
    report.judge(scene.settle(server))
    return report


def network_file_system_real(scene: Scene, rounds: int) -> Report:
    """Serve a folder of a real network file system, where this machine has mounted one, and kill the server on it."""
    table = Path("/proc/self/mountinfo")
    mounts = [line.split()[4] for line in table.read_text().splitlines()] if table.exists() else []
    places = [Path(mount) for mount in mounts if file_system(Path(mount)) in NETWORK]
    for place in places:
        data = place / f"ml-logger-{scene.folder.name}"
        try:
            data.mkdir()
        except OSError:
            continue
        try:
            return _killed_at(scene, rounds, data)
        finally:
            shutil.rmtree(data, ignore_errors=True)
    raise Unavailable("no network file system is mounted here that can be written")


def _killed_at(scene: Scene, rounds: int, data: Path) -> Report:
    report = Report()
    server = scene.server(data=data)
    server.start()
    writer = scene.writer(server.url, "--pause", 0.001)
    for _ in range(rounds):
        writer.wait_for(writer.count() + 50)
        server.kill()
        server.start()
        report.happened("kills", 1)
    writer.stop()
    report.judge(scene.settle(server, data=data))
    return report
