"""A data folder on a network file system is recognized, and its catalog shares no memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml_logger.server.catalog import Catalog
from ml_logger.server.mounts import NETWORK, file_system
from tests import programs
from tests.wire import append, post

TABLE = r"""
24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 24 0:27 / /dev/shm rw shared:4 - tmpfs tmpfs rw
40 24 0:50 / /mnt/two\040words rw shared:9 master:3 - nfs4 host:/export rw,vers=4.2
41 40 0:51 / /mnt/two\040words/inner rw - xfs /dev/vdb rw
42 24 0:52 / /mnt/two rw - fuse.sshfs host: rw
""".strip()


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me", "ext4"),
        ("/dev/shm/x", "tmpfs"),
        ("/mnt/two words/runs", "nfs4"),
        ("/mnt/two words/inner", "xfs"),
        ("/mnt/two", "fuse.sshfs"),
        ("/mnt/twofold", "ext4"),
    ],
)
def test_the_nearest_mount_counts(tmp_path: Path, folder: str, kind: str) -> None:
    """The type is that of the deepest mount above a folder, also where a name holds spaces."""
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)

    assert file_system(Path(folder), table) == kind
    assert file_system(Path(folder), tmp_path / "none") == ""


def test_this_machine_tells(tmp_path: Path) -> None:
    """The real table of this machine names a type for a real folder."""
    assert file_system(tmp_path) != "" or not Path("/proc/self/mountinfo").exists()


@pytest.mark.parametrize("kind", ["nfs4", "ext4"])
def test_a_server_says_that_it_is_on_a_network(tmp_path: Path, kind: str) -> None:
    """On a network file system a server says so, keeps a catalog without shared memory, and works all the same."""
    before = f"from ml_logger.server import app; app.file_system = lambda folder: {kind!r}"
    server = programs.server_after(before, tmp_path / "data")
    server.start()
    try:
        assert post(server, append(1)).status_code == 200
        shared = (server.data_dir / ".ml_logger" / "catalog.db-shm").exists()
        server.kill()
        server.start()
        assert post(server, append(1) + append(2)).json()["committed"] == 2
    finally:
        server.stop()

    assert ("network file system (nfs4)" in server.log.read_text()) == (kind in NETWORK)
    assert shared == (kind not in NETWORK)
    assert (server.data_dir / "run" / "a").read_bytes() == b"xx"


def test_a_catalog_may_change_its_journal(tmp_path: Path) -> None:
    """A folder that moves to a network file system and back keeps what its catalog knows."""
    for round_, journal in enumerate(("WAL", "TRUNCATE", "WAL")):
        catalog = Catalog(tmp_path / "catalog.db", "FULL", journal)
        assert catalog.last_seq("w") == round_
        with catalog.transaction():
            catalog.set_last_seqs({"w": round_ + 1})
        catalog.close()
        with closing(sqlite3.connect(tmp_path / "catalog.db")) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ({"WAL": "wal", "TRUNCATE": "delete"}[journal],)
