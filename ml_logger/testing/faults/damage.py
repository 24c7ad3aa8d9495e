"""Faults: the catalog and the spool are damaged, lost, and of another age; client and server are of other versions."""

from __future__ import annotations

import json
import random
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from ml_logger.testing import Server
from ml_logger.testing.faults import oracle
from ml_logger.testing.faults.oracle import Verdict
from ml_logger.testing.faults.report import Report
from ml_logger.testing.faults.scene import Scene
from ml_logger.transport import frames

#: Rows of the spool that is damaged, and bytes of each of its files.
ROWS, SEGMENT = 120, 8192


def catalog_lost(scene: Scene, rounds: int) -> Report:
    """Delete the catalog, then restore an older one, under a running client: no row is lost, and it is told."""
    report = Report()
    server = scene.server()
    server.start()
    writer = scene.writer(server.url, "--files", 2, "--pause", 0.001)
    own = scene.data / ".ml_logger"
    for how in ("deleted", "older") * rounds:
        writer.wait_for(writer.count() + 100)
        server.stop()
        if how == "older":
            shutil.copy(own / "catalog.db", scene.folder / "older")
            server.start()
            writer.wait_for(writer.count() + 300)
            server.stop()
        for path in own.glob("catalog.db*"):
            path.unlink()
        if how == "older":
            shutil.copy(scene.folder / "older", own / "catalog.db")
        server.start()
        report.happened(f"catalogs that were {how}", 1)
        writer.wait_for(writer.count() + 300)
    writer.stop()
    verdict = scene.settle(server)
    # At least once is what is promised here: what an older memory does not know of is taken again.
    report.tried["rows there again, as is told"] = verdict.twice
    report.judge(verdict._replace(twice=0, disordered=0))
    report.expect("had no catalog: rebuilt" in server.log.read_text(), "the server did not say that it was rebuilt")
    said = writer.log.read_text()
    report.expect("may miss" in said or verdict.twice, f"the client did not say what was forgotten: {said[-500:]}")
    return report


def catalog_damaged(scene: Scene, rounds: int) -> Report:
    """Damage the catalog or its log at random: the server starts, takes rows, and what was in the files is kept."""
    report = Report()
    server = scene.server()
    server.start()
    scene.writer(server.url, "--files", 3, "--count", 200).finish()
    server.kill()
    # One as a kill leaves it, with nearly everything in the log, and one as a clean end does, with all in the catalog.
    killed, ended = scene.folder / "killed", scene.folder / "ended"
    shutil.copytree(scene.data, killed)
    server.start()
    server.stop()
    scene.data.rename(ended)
    before = {path.name: path.read_bytes() for path in (ended / "run").iterdir()}
    for number in range(rounds):
        what = _damage(scene.chance, (killed, ended)[number % 2], scene.data)
        _start_damaged(scene, report, server, f"case {number} ({what})", before)
        report.happened("damaged catalogs", 1)
        aside = (scene.data / ".ml_logger").glob("catalog.db.damaged-*")
        report.tried["catalogs set aside"] += sum(1 for path in aside if not path.name.endswith(("-wal", "-shm")))
        shutil.rmtree(scene.data)
    ended.rename(scene.data)
    report.judge(scene.settle(server))
    return report


def _damage(chance: random.Random, image: Path, data: Path) -> str:
    shutil.copytree(image, data)
    path = chance.choice([path for path in (data / ".ml_logger").glob("catalog.db*") if path.stat().st_size])
    content = bytearray(path.read_bytes())
    way = chance.choice(["flipped", "flipped", "zeroed", "cut"])
    if way == "cut":
        del content[chance.randrange(len(content)) :]
    elif way == "zeroed":
        start = chance.randrange(len(content))
        stop = min(len(content), start + 4096)
        content[start:stop] = bytes(stop - start)
    else:
        for _ in range(chance.choice([1, 8, 64])):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"{path.name} {way}"


_FEW = """
import sys
from ml_logger.testing.faults.writer import Teller
teller = Teller(*sys.argv[1:])
for number in range(5):
    teller.row(number, file="fresh.pkl")
teller.logger.close(30)
"""


def _start_damaged(scene: Scene, report: Report, server: Server, name: str, before: dict[str, bytes]) -> None:
    """Start a server on a damaged folder, let it take rows, and compare what is there with what was."""
    server.start()
    done = scene.program(_FEW, server.url, "run", "few")
    status = server.stop()
    report.expect(done.returncode == 0 and not done.stderr, f"{name}: a client said {done.stderr}")
    report.expect(status == 0, f"{name}: the server ended with {status}, {server.log.read_text()[-500:]}")
    fresh = [row["value"] for row in oracle.records(scene.data / "run" / "fresh.pkl")]
    report.expect(fresh == [0, 1, 2, 3, 4], f"{name}: rows afterwards are {fresh}")
    aside = b"".join(path.read_bytes() for path in (scene.data / ".ml_logger").glob("quarantine/*"))
    for key, data in before.items():
        found = (scene.data / "run" / key).read_bytes()
        kept = found == data or (data.startswith(found) and data[len(found) :] in aside)
        report.expect(kept, f"{name}: {key} had {len(data)} bytes and has {len(found)}")


Damage = Callable[[random.Random, list[Path]], int]


def _cut(chance: random.Random, files: list[Path]) -> int:
    path = chance.choice(files)
    size = chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.truncate(size)
    return _rows_before(files, path, size)


def _zeroed(chance: random.Random, files: list[Path]) -> int:
    path = chance.choice(files)
    data = path.read_bytes()
    start = chance.randrange(len(data))
    path.write_bytes(data[:start] + bytes(len(data) - start))
    return _rows_before(files, path, start, data)


def _flipped(chance: random.Random, files: list[Path]) -> int:
    path = chance.choice(files)
    data = bytearray(path.read_bytes())
    whole = bytes(data)
    place = chance.randrange(len(data))
    data[place] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return _rows_before(files, path, place, whole)


def _missing(chance: random.Random, files: list[Path]) -> int:
    path = chance.choice(files)
    path.unlink()
    return int(path.name.removeprefix("seg-")) - 1


def _duplicated(chance: random.Random, files: list[Path]) -> int:
    path = chance.choice(files)
    shutil.copy(path, path.with_name(f"seg-{int(path.name.removeprefix('seg-')) + chance.randrange(1, 20):020}"))
    return int(path.name.removeprefix("seg-")) - 1


def _foreign(chance: random.Random, files: list[Path]) -> int:
    for name in ("seg-not-a-number", "notes.txt", "seg-00000000000000000007.bak"):
        (files[0].parent / name).write_bytes(chance.randbytes(100))
    return ROWS


_DAMAGES: dict[str, Damage] = {
    "cut": _cut,
    "zeroed": _zeroed,
    "flipped": _flipped,
    "missing": _missing,
    "duplicated": _duplicated,
    "foreign": _foreign,
}


def _rows_before(files: list[Path], damaged: Path, place: int, data: bytes = b"") -> int:
    """Return how many rows lie before a place in a file of a spool: those must arrive."""
    whole = data or damaged.read_bytes()
    first = int(damaged.name.removeprefix("seg-")) - 1
    return first + sum(1 for span in frames.spans(whole[:place]) if span.stop <= place)


def spool_damaged(scene: Scene, rounds: int) -> Report:
    """Damage a spool that waits, at random: all before the damage arrives, the rest whole or kept, and none twice."""
    report = Report()
    server = scene.server()
    server.start()
    server.kill()
    settings = {"ML_LOGGER_SEGMENT_SIZE": SEGMENT / 2**20, "ML_LOGGER_EXIT_TIMEOUT": 0}
    done = scene.program(_SPOOLED, server.url, "run", "w", ROWS, **settings)
    (spool,) = (path.parent for path in scene.spool.glob("*/*/writer"))
    if done.returncode or len(list(spool.glob("seg-*"))) < 3:
        raise AssertionError(f"no spool to damage: {done.stderr}")
    image = scene.folder / "image"
    spool.rename(image)
    server.start()
    for number in range(rounds):
        name = list(_DAMAGES)[number % len(_DAMAGES)]
        _push_damaged(scene, report, server, image, spool.parent, name)
    report.tried["ends of files kept in quarantine"] = len(list(scene.spool.glob("*/quarantine/*")))
    report.judge(scene.settle(server))
    return report


_SPOOLED = """
import sys
from ml_logger.testing.faults.writer import work
work(*sys.argv[1:4], int(sys.argv[4]))
"""


def _push_damaged(scene: Scene, report: Report, server: Server, image: Path, home: Path, how: str) -> None:
    """Send a damaged copy of a spool, as another writer, and look at the rows that came."""
    writer = secrets.token_hex(16)
    spool = home / writer
    shutil.copytree(image, spool)
    known = json.loads((spool / "writer").read_text())
    (spool / "writer").write_text(json.dumps({**known, "writer": writer}))
    least = _DAMAGES[how](scene.chance, sorted(spool.glob("seg-*")))
    (home / "server").write_text(f"{server.url}\n")
    pushed = scene.push(server.url)
    file = scene.data / "run" / "metrics.pkl"
    found = [row["value"] for row in oracle.records(file)] if file.exists() else []
    file.unlink(missing_ok=True)
    report.happened(f"spools {how}", 1)
    report.expect("Traceback" not in pushed.stderr + pushed.stdout, f"{how}: {pushed.stderr[-500:]}")
    report.expect(pushed.returncode == 0, f"{how}: push ended with {pushed.returncode}, {pushed.stdout}{pushed.stderr}")
    report.expect(found == sorted(set(found)), f"{how}: rows twice or out of order: {found}")
    lost = [number for number in range(least) if number not in set(found)]
    report.judge(Verdict(returned=least, held=least - len(lost), lost=len(lost)))
    shutil.rmtree(spool, ignore_errors=True)


_NETWORK = "from ml_logger.server import app\napp.file_system = lambda folder: 'nfs4'\n"


def network_file_system(scene: Scene, rounds: int) -> Report:
    """Let the system say that the data folder is on NFS, and kill the server: it says so, and shares no memory."""
    report = Report()
    server = scene.server(before=_NETWORK)
    server.start()
    writer = scene.writer(server.url, "--pause", 0.001)
    for _ in range(rounds):
        writer.wait_for(writer.count() + 50)
        report.expect(not (scene.data / ".ml_logger" / "catalog.db-shm").exists(), "the catalog shares memory")
        server.kill()
        server.start()
        report.happened("kills on a network file system", 1)
    writer.stop()
    said = server.log.read_text().count("network file system (nfs4)")
    report.expect(said == rounds + 1, f"it said {said} times that it is on a network file system")
    report.judge(scene.settle(server))
    return report
