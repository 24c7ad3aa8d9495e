"""The committer: bytes stay where they belong, whatever runs out, fails, or is killed."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests

from ml_logger.errors import StorageFailed
from ml_logger.server import committer as committing
from ml_logger.server import stage as staging
from ml_logger.server.appends import MAX_OPEN
from ml_logger.server.catalog import Catalog, FileState
from ml_logger.server.committer import Committer
from ml_logger.server.groups import Answer, Request
from ml_logger.server.recovery import UPLOAD_KEPT
from ml_logger.stores.folder import Folder
from ml_logger.testing import Server
from ml_logger.transport import frames
from ml_logger.transport.frames import Op
from tests import programs
from tests.test_server import refused
from tests.wire import WRITER, append, post


def test_many_files_in_one_batch_keep_their_bytes(server: Server) -> None:
    """A batch that appends to more files than are kept open puts every byte where it belongs."""
    count = 3 * MAX_OPEN
    batch = [append(n + 1, f"{n};".encode(), f"run/{n % (count // 2)}") for n in range(count)]
    assert post(server, b"".join(batch)).json()["rejected"] == []

    found = {n: (server.data_dir / "run" / str(n)).read_bytes() for n in range(count // 2)}
    assert found == {n: f"{n};{n + count // 2};".encode() for n in range(count // 2)}


def test_few_descriptors_are_enough(tmp_path: Path) -> None:
    """A server that may open only a few files appends to many, by closing those that are idle."""
    command = ("bash", "-c", 'ulimit -n 48; exec "$0" -m ml_logger.server "$@"', sys.executable)
    server = Server(tmp_path / "data", command=command)
    server.start()
    try:
        for n in range(120):
            assert post(server, append(n + 1, f"{n}".encode(), f"run/{n}")).status_code == 200
    finally:
        server.stop()

    assert [(tmp_path / "data" / "run" / str(n)).read_bytes() for n in range(120)] == [b"%d" % n for n in range(120)]


def test_as_many_files_may_be_open_as_the_system_grants(tmp_path: Path) -> None:
    """The soft limit of open files that a shell sets is raised to the hard one."""
    command = ("bash", "-c", 'ulimit -Sn 64; exec "$0" -m ml_logger.server "$@"', sys.executable)
    server = Server(tmp_path / "data", command=command)
    server.start()
    try:
        (limits,) = re.findall(r"Max open files +(\d+) +(\d+)", Path(f"/proc/{server.pid}/limits").read_text())
    finally:
        server.stop()

    assert limits[0] == limits[1]


def test_bytes_of_others_are_never_overwritten(server: Server) -> None:
    """While a local program appends to the very file that a server appends to, every line of both stays whole."""
    others = programs.start(
        """
        import os, sys
        file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for n in range(30000):
            os.write(file, b"other %d\\n" % n)
            if n == 100: print("begun", flush=True)
        """,
        server.data_dir / "shared.txt",
    )
    assert others.stdout is not None
    others.stdout.readline()
    seq = 0
    while others.poll() is None or seq < 50:
        seq += 1
        assert post(server, append(seq, b"ours %d\n" % seq, "shared.txt")).json()["committed"] == seq
    others.communicate(timeout=programs.PATIENCE)
    lines = (server.data_dir / "shared.txt").read_text().splitlines()

    assert [line for line in lines if line.startswith("other")] == [f"other {n}" for n in range(30000)]
    assert [line for line in lines if line.startswith("ours")] == [f"ours {n}" for n in range(1, seq + 1)]
    assert len(lines) == 30000 + seq
    assert server.log.read_text().count("somebody else appended") == 1


def test_a_record_that_others_append_into_is_appended_again(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """When somebody appends between two parts of one write, the record is there whole behind what they wrote."""
    write, left = os.write, [1]

    def short(file: int, data: memoryview) -> int:
        if left and bytes(data) == b"record":
            left.pop()
            written = write(file, data[:3])
            with (folder.root / "run" / "a").open("ab") as other:
                other.write(b"OTHER")
            return written
        return write(file, data)

    monkeypatch.setattr(os, "write", short)
    (answer,) = commit_in(folder, append(1, b"record"))

    assert answer.status == 200
    assert (folder.root / "run" / "a").read_bytes() == b"recOTHERordrecord"


def test_a_failed_append_leaves_what_others_appended(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a write fails after somebody has appended before it, only our own bytes are taken back."""
    commit_in(folder, append(1, b"first"))
    sync, full = os.fdatasync, [1]

    def failing(file: int) -> None:
        if full:
            full.pop()
            raise OSError(28, "No space left on device")
        sync(file)

    write = os.write

    def late(file: int, data: memoryview) -> int:
        if full and bytes(data) == b"second":
            with (folder.root / "run" / "a").open("ab") as other:
                other.write(b"OTHER")
        return write(file, data)

    monkeypatch.setattr(os, "write", late)
    monkeypatch.setattr(os, "fdatasync", failing)
    failed, taken = commit_in(folder, append(2, b"second"), append(2, b"second"))

    assert (failed.status, taken.status) == (507, 200)
    assert (folder.root / "run" / "a").read_bytes() == b"firstOTHERsecond"


def test_a_lost_catalog_is_rebuilt_from_the_files(filled: Server) -> None:
    """Without its bookkeeping folder a server starts, says what it found, and goes on behind what is there."""
    filled.stop()
    shutil.rmtree(filled.data_dir / ".ml_logger")
    filled.start()
    with closing(sqlite3.connect(filled.data_dir / ".ml_logger" / "catalog.db")) as catalog:
        assert catalog.execute("SELECT key, length FROM files").fetchall() == [("run/a", 10)]
    assert post(filled, append(1, b"more", "run/a"), "f" * 32).status_code == 200

    assert (filled.data_dir / "run" / "a").read_bytes() == b"0123456789more"
    assert "had no catalog: rebuilt from its 1 file (10 bytes)" in filled.log.read_text()


def test_a_batch_that_finds_no_room_keeps_no_other_out(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """When one batch of a group is too large for the disk, the others of the group are committed."""
    write = staging.Appends.write

    def full(appends: staging.Appends, file: staging.OpenFile, sources: list[staging.Source]) -> int:
        if b"large" in sources:
            raise OSError(28, "No space left on device")
        return write(appends, file, sources)

    monkeypatch.setattr(staging.Appends, "write", full)
    catalog = Catalog(folder.private("catalog.db"), "FULL")
    committer = Committer(folder, catalog, power=True, fail=print)
    with committer._lock:  # none is taken before all three wait
        requests_ = []
        for number, data in enumerate((b"small", b"large", b"small")):
            request = Request.of(f"{number:032x}", frames.decode(append(1, data, str(number))))
            committer._waiting.put(request)
            requests_.append(request)
    statuses = [request.answer.result(20).status for request in requests_]
    committer.close()

    assert statuses == [200, 507, 200]
    assert sorted(path.name for path in folder.root.iterdir() if path.is_file()) == ["0", "2"]


def test_a_refused_append_closes_no_other_file(folder: Folder) -> None:
    """A frame for a key that is a folder leaves the files below it, which the same group writes, alone."""
    body = b"".join(append(seq, b"%d;" % seq, key) for seq, key in enumerate(("a/b", "a/d", "a", "c/e", "a/b", "a"), 1))
    (answer,) = commit_in(folder, body)

    assert [refusal["seq"] for refusal in answer.body["rejected"]] == [3, 6]
    found = {key: (folder.root / key).read_bytes() for key in ("a/b", "a/d", "c/e")}
    assert found == {"a/b": b"1;5;", "a/d": b"2;", "c/e": b"4;"}


def test_a_large_record_stays_whole_beside_others(server: Server) -> None:
    """While a local program appends all the time, a record that comes in pieces arrives whole, and small ones once."""
    others = programs.start(
        """
        import os, sys
        file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        print("begun", flush=True)
        while os.path.exists(sys.argv[2]):
            os.write(file, b".")
        """,
        server.data_dir / "shared",
        server.log,
    )
    assert others.stdout is not None
    others.stdout.readline()
    large = bytes(range(65, 91)) * 2**18
    pieces = [
        frames.encode(n, Op.CHUNK, b"shared", frames.piece(7, at, large[at : at + 2**21]))
        for n, at in enumerate(range(0, len(large), 2**21), 1)
    ]
    body = b"".join(pieces) + frames.encode(len(pieces) + 1, Op.COMMIT, b"shared", frames.commit(7, len(large)), 1)
    body += append(len(pieces) + 2, b"<small>", "shared")
    try:
        assert post(server, body).json()["rejected"] == []
    finally:
        others.kill()
        others.communicate(timeout=programs.PATIENCE)
    found = (server.data_dir / "shared").read_bytes()

    assert found.count(large) == 1
    assert found.count(b"<small>") == 1
    assert set(found.replace(large, b"").replace(b"<small>", b"")) == set(b".")


def test_an_answer_has_its_limit(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch with more refusals than an answer may hold is acknowledged part by part, and every refusal is told."""
    monkeypatch.setattr(committing, "MOST_REFUSALS", 3)
    body = b"".join(append(seq, b"x", "a" if seq == 1 else "a/b") for seq in range(1, 10))
    told, first = [], 1
    while first <= 9:
        (answer,) = commit_in(folder, body)
        rejected = [refusal["seq"] for refusal in answer.body["rejected"]]
        assert len(rejected) <= 3
        told += rejected
        first = answer.body["committed"] + 1
        body = b"".join(append(seq, b"x", "a/b") for seq in range(first, 10))

    assert told == list(range(2, 10))


def test_long_keys_are_quarantined(folder: Folder) -> None:
    """Two crashes in the middle of writes to one file with a long name leave both tails in quarantine."""
    key = "\u00e4" * 100 + "/" + "\u00f6" * 100
    for number, tail in enumerate((b"one", b"two"), 1):
        commit_in(folder, append(number, b"kept", key))
        with closing(Catalog(folder.private("catalog.db"), "FULL")) as catalog, catalog.transaction():
            catalog.set_files([(key, FileState(1, 4 * number, True))])
        with (folder.root / key).open("ab") as file:
            file.write(tail)
    commit_in(folder, append(3, b"kept", key))
    aside = sorted((folder.root / ".ml_logger" / "quarantine").iterdir())

    assert sorted(path.read_bytes() for path in aside) == [b"one", b"two"]
    assert (folder.root / key).read_bytes() == b"keptkeptkept"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A data folder without a server."""
    (tmp_path / "own").mkdir()
    return Folder(tmp_path / "own", follow_links=False)


def commit_in(folder: Folder, *batches: bytes, fail: list[str] | None = None) -> list[Answer]:
    """Let a committer of this process take batches in, each of its own, then end."""
    said = [] if fail is None else fail
    catalog = Catalog(folder.private("catalog.db"), "FULL")
    committer = Committer(folder, catalog, power=True, fail=said.append)
    try:
        return [committer.submit(Request.of(WRITER, list(frames.decode(batch)))).result(20) for batch in batches]
    finally:
        committer.close()


def test_a_move_is_not_made_again_over_its_target(server: Server) -> None:
    """Killed when the source of a move is there again, a server leaves the moved file as it is."""
    body = append(1, b"precious", "a") + frames.encode(2, Op.MOVE, b"a", b"b") + append(3, b"next", "a")
    for _ in range(5):
        assert post(server, body).json()["rejected"] == []
        server.kill()
        server.start()

    assert (server.data_dir / "b").read_bytes() == b"precious"
    assert (server.data_dir / "a").read_bytes() == b"next"


def test_a_failed_append_leaves_no_file(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows a move and fails neither leaves an empty file nor lets the move be made a second time."""
    body = append(1, b"precious", "a") + frames.encode(2, Op.MOVE, b"a", b"b") + append(3, b"next", "a")
    write = staging.Appends.write

    def full(appends: staging.Appends, file: staging.OpenFile, sources: list[bytes]) -> int:
        if b"next" in sources:
            raise OSError(28, "No space left on device")
        return write(appends, file, sources)

    monkeypatch.setattr(staging.Appends, "write", full)
    monkeypatch.setattr(Committer, "_tidy", lambda committer: None)
    (answer,) = commit_in(folder, body)
    assert answer.status == 507
    assert not (folder.root / "a").exists()
    with closing(Catalog(folder.private("catalog.db"), "FULL")) as catalog:
        assert catalog.intents() == []
    monkeypatch.undo()
    (answer,) = commit_in(folder, body)

    assert answer.status == 200
    assert ((folder.root / "a").read_bytes(), (folder.root / "b").read_bytes()) == (b"next", b"precious")


def test_a_copy_is_not_promised_on_a_full_disk(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy whose bytes find no room is answered with 507, leaves nothing, and is made when it is sent again."""
    commit_in(folder, append(1, b"one", "d/a") + append(2, b"two", "d/b"))
    stage, staged = Folder.stage, []

    def full(folder: Folder, data: object) -> Path:
        if staged:
            raise OSError(28, "No space left on device")
        staged.append(stage(folder, data))  # type: ignore[arg-type]
        return staged[0]

    monkeypatch.setattr(Folder, "stage", full)
    (answer,) = commit_in(folder, frames.encode(3, Op.COPY, b"d", b"e"))
    assert answer.status == 507
    assert not staged[0].exists()
    monkeypatch.undo()
    (answer,) = commit_in(folder, frames.encode(3, Op.COPY, b"d", b"e"))

    assert (answer.status, answer.body["rejected"]) == (200, [])
    assert [entry.key for entry in folder.entries("**")] == ["d/a", "d/b", "e/a", "e/b"]


def test_a_change_of_names_that_fails_is_made_later(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A committed move that the disk does not take stops the server, and is made by the next one."""
    commit_in(folder, append(1, b"one", "a"))

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "move", full)
    said: list[str] = []
    answers = commit_in(folder, frames.encode(2, Op.MOVE, b"a", b"b"), append(3), fail=said)
    assert [answer.status for answer in answers] == [200, 503]
    assert len(said) == 1
    monkeypatch.undo()
    commit_in(folder, append(3))

    assert (folder.root / "b").read_bytes() == b"one"


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_data_folder_that_is_moved_in_the_middle_of_a_commit(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_replaced: bool
) -> None:
    """Nothing is acknowledged or put where the folder was, or into another there; it goes on when it is back."""
    real, away, moved = Committer._check_alive, tmp_path / "away", list[bool]()

    def look_then_move(committer: Committer) -> None:
        real(committer)
        if not moved:
            moved.append(True)
            folder.root.rename(away)
            if is_replaced:
                folder.root.mkdir()

    with monkeypatch.context() as patch:
        patch.setattr(Committer, "_check_alive", look_then_move)
        body = append(1) + append(2, key="new/b") + frames.encode(3, Op.WRITE, b"c", b"whole")
        answers = commit_in(folder, body)
    left = sorted(folder.root.rglob("*")) if is_replaced else [folder.root] * folder.root.exists()
    if is_replaced:
        shutil.rmtree(folder.root)
    away.rename(folder.root)
    commit_in(folder, body + append(4))

    assert [answer.status for answer in answers] == [503]
    assert left == []
    assert [(folder.root / key).read_bytes() for key in ("run/a", "new/b", "c")] == [b"xx", b"x", b"whole"]


@pytest.mark.parametrize("name", ["lock", "catalog.db", ""])
def test_a_server_without_its_bookkeeping_stops(filled: Server, name: str) -> None:
    """Once its lock or catalog is gone, a server acknowledges nothing more and ends with status 1."""
    private = filled.data_dir / ".ml_logger"
    (private / name).unlink() if name else shutil.rmtree(private)
    try:
        assert post(filled, append(1) + append(2)).status_code == 503
    except requests.ConnectionError:
        pass  # it had found out by itself, and was gone
    process = filled._process
    assert process is not None

    assert process.wait(20) == 1
    assert "was removed or replaced: stopped" in filled.log.read_text()
    assert (filled.data_dir / "run" / "a").read_bytes() == b"0123456789"


def test_a_catalog_that_fails_to_answer_does_not_end_the_thread(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error while the answer is put together is answered with 503, and the next batch is taken in."""
    refusals, left = Catalog.refusals, [sqlite3.OperationalError("disk I/O error"), RuntimeError("a mistake")]

    def failing(catalog: Catalog, writer: str, first: int, last: int, most: int) -> list[tuple[int, str]]:
        if left:
            raise left.pop()
        return refusals(catalog, writer, first, last, most)

    monkeypatch.setattr(Catalog, "refusals", failing)
    answers = commit_in(folder, append(1), append(1), append(1), append(2))

    assert [answer.status for answer in answers] == [503, 503, 200, 200]
    assert (folder.root / "run" / "a").read_bytes() == b"xx"


def test_the_names_of_staged_files_are_synced(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a write is acknowledged, the file that waits to be renamed is durable with its name."""
    synced: list[str] = []
    sync = staging.sync_path
    monkeypatch.setattr(staging, "sync_path", lambda path: (synced.append(path.name), sync(path)))
    commit_in(folder, frames.encode(1, Op.WRITE, b"a", b"x"))

    assert synced[1:] == ["staged", ".ml_logger"]


def test_a_server_that_cannot_open_its_catalog_says_so(tmp_path: Path) -> None:
    """A folder in place of the catalog, or a disk that fails, gives a sentence and status 1; nothing is set aside."""
    catalog = tmp_path / "d" / ".ml_logger" / "catalog.db"
    catalog.mkdir(parents=True)
    assert "catalog" in refused("--data-dir", tmp_path / "d", "--port", 0)
    assert catalog.is_dir()
    (tmp_path / "e" / ".ml_logger").mkdir(parents=True)
    (tmp_path / "e" / ".ml_logger" / "uploads").mkdir()
    full = (
        "import sys\n"
        "from ml_logger.server import recovery\n"
        "from ml_logger.server.__main__ import main\n"
        "def full(*args): raise OSError(28, 'No space left on device')\n"
        "recovery._touch_uploads = full\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", full, "--data-dir", str(tmp_path / "e"), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=programs.PATIENCE, check=False)
    assert done.returncode == 1
    assert "cannot start in" in done.stderr
    assert "Traceback" not in done.stderr


def test_damage_that_is_told_in_no_text_is_damage(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """A catalog of which SQLite says what is wrong in bytes that are no text is set aside, as any damaged one."""
    path = folder.private("catalog.db")
    with closing(Catalog(path, "FULL")) as catalog:
        before = catalog.id
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET name = CAST(x'f0fff0' AS TEXT), sql = 'no sql' WHERE name = 'writers'")

    with closing(Catalog(path, "FULL")) as catalog:
        assert catalog.id != before
    assert len([*path.parent.glob("catalog.db.damaged-????????")]) == 1
    assert "is damaged" in capsys.readouterr().err


def test_a_disk_that_fails_is_no_damaged_catalog(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails as the catalog is opened, the catalog stays, and so does what it knows of writers."""
    commit_in(folder, append(1))

    def failing(*args: object, **kwargs: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(sqlite3, "connect", failing)
    with pytest.raises(StorageFailed, match="cannot be opened"):
        Catalog(folder.private("catalog.db"), "FULL")
    monkeypatch.undo()

    with closing(Catalog(folder.private("catalog.db"), "FULL")) as catalog:
        assert catalog.last_seq(WRITER) == 1


def test_what_others_append_is_kept_however_busy_the_server_is(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is never idle marks files clean every now and then: a crash does not cut what others appended."""
    monkeypatch.setattr(committing, "IDLE", 3600.0)
    monkeypatch.setattr(committing, "TIDY_EVERY", 0.0)
    catalog = Catalog(folder.private("catalog.db"), "FULL")
    committer = Committer(folder, catalog, power=True, fail=print)
    try:
        for number, batch in enumerate((append(1, b"ours", "run/a"), append(2, b".", "b"), append(3, b".", "b"))):
            committer.submit(Request.of(WRITER, list(frames.decode(batch)))).result(20)
            if number == 1:
                with (folder.root / "run" / "a").open("ab") as file:
                    file.write(b" theirs")
        with closing(sqlite3.connect(folder.private("catalog.db"))) as looked_at:
            dirty = looked_at.execute("SELECT dirty FROM files WHERE key = 'run/a'").fetchone()
    finally:
        committer.close()

    assert dirty == (0,)


def test_uploads_that_nobody_goes_on_with_are_removed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of uploads are kept for a week of the server's after the last one; a server that was off counts anew."""
    commit_in(folder, *(frames.encode(n, Op.CHUNK, b"c", frames.piece(n, 0, b"piece")) for n in (1, 2, 3)))
    first, second, kept = sorted((folder.root / ".ml_logger" / "uploads").iterdir())
    long_ago = time.time() - UPLOAD_KEPT - 60
    os.utime(first, (long_ago, long_ago))
    commit_in(folder, append(4))
    assert sorted(kept.parent.iterdir()) == [first, second, kept]
    monkeypatch.setattr(committing, "LOOK_FOR_UPLOADS", 0.0)
    monkeypatch.setattr(committing, "IDLE", 0.05)
    catalog = Catalog(folder.private("catalog.db"), "FULL")
    committer = Committer(folder, catalog, power=True, fail=print)
    for path in (first, second):
        os.utime(path, (long_ago, long_ago))
    programs.wait_until(lambda: not (first.exists() or second.exists()))
    committer.close()

    assert list(kept.parent.iterdir()) == [kept]
    with closing(Catalog(folder.private("catalog.db"), "FULL")) as catalog:
        assert catalog.file(f".ml_logger/uploads/{second.name}") is None
