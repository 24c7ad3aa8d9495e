"""What lies directly in a folder is listed, without a look at what is further down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import requests

from ml_logger import tokens
from ml_logger.server import listings
from ml_logger.testing import Server
from ml_logger.transport import protocol
from tests import programs


def listing(server: Server, secret: str = "", **asked: Any) -> dict[str, Any]:
    """Return what a request for a listing is answered with."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    answer = requests.get(server.url + protocol.ENTRIES, params=asked, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def keys_in(server: Server, folder: str, secret: str = "") -> list[str]:
    """Return the keys that lie directly in a folder."""
    return [key for key, _, _ in listing(server, secret, folder=folder, limit=1000)["entries"]]


@pytest.fixture
def tree(server: Server) -> Server:
    """A server with files and folders that others have put there."""
    for key in ("a.txt", "me/one/metrics.pkl", "me/one/images/face/0004.png", "me/two.txt", "me-too/x", "you/x"):
        path = server.data_dir / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    return server


def test_files_and_folders_of_a_folder_are_listed(tree: Server) -> None:
    """Each once and sorted, folders with a slash and no size; our own bookkeeping is not among them."""
    assert keys_in(tree, "") == ["a.txt", "me-too/", "me/", "you/"]
    assert keys_in(tree, "me") == ["me/one/", "me/two.txt"]
    assert keys_in(tree, "me/one") == ["me/one/images/", "me/one/metrics.pkl"]
    [[_, folder_size, folder_time], [_, size, time]] = listing(tree, folder="me")["entries"]
    assert (folder_size, size) == (0, 5)
    assert folder_time > 0 and time > 0


def test_what_is_no_folder_has_nothing_in_it(tree: Server) -> None:
    """A file, and what is not there, are answered as an empty folder is."""
    assert keys_in(tree, "me/two.txt") == keys_in(tree, "nobody") == []


def test_a_large_folder_comes_in_pages(server: Server) -> None:
    """Pages together hold each name once, in order, also where folders are among the files."""
    top = server.data_dir / "many"
    for number in range(250):
        (top / f"{number:04d}").mkdir(parents=True)
        (top / f"{number:04d}.png").write_bytes(b"")
    found: list[str] = []
    page = listing(server, folder="many", limit=70)
    while True:
        found += [key for key, _, _ in page["entries"]]
        if "next" not in page:
            break
        page = listing(server, folder="many", limit=70, after=page["next"])

    assert found == sorted(found)
    assert len(set(found)) == len(found) == 500


def test_what_is_kept_of_a_folder_is_never_old(tree: Server) -> None:
    """A folder that was listed before is listed as it is now: with what has come, and without what has gone."""
    long_ago = 1_000_000_000
    os.utime(tree.data_dir / "me", (long_ago, long_ago))
    assert keys_in(tree, "me") == keys_in(tree, "me") == ["me/one/", "me/two.txt"]
    (tree.data_dir / "me" / "three.txt").write_bytes(b"")
    assert keys_in(tree, "me") == ["me/one/", "me/three.txt", "me/two.txt"]
    os.utime(tree.data_dir / "me", (long_ago, long_ago + 1))
    assert keys_in(tree, "me") == ["me/one/", "me/three.txt", "me/two.txt"]
    (tree.data_dir / "me" / "two.txt").unlink()

    assert keys_in(tree, "me") == ["me/one/", "me/three.txt"]


def test_few_folders_are_kept(tmp_path: Path) -> None:
    """What is kept of folders is bounded: those that were listed longest ago are forgotten."""
    scanned, known = listings.Scanned(most=6), {}
    for name in "abc":
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / str(number)).write_bytes(b"")
        os.utime(tmp_path / name, (1, 1))

    def is_kept(name: str) -> bool:
        fd = os.open(tmp_path / name, os.O_RDONLY)
        before, known[name] = known.get(name), scanned.names(fd, follow_links=False)
        os.close(fd)
        assert known[name] == ["0", "1", "2"]
        return known[name] is before

    assert [is_kept(name) for name in "aabbacab"] == [False, True, False, True, True, False, True, False]


def test_links_are_not_listed(tree: Server, tmp_path: Path) -> None:
    """A link to a folder outside is no folder of ours."""
    (tree.data_dir / "out").symlink_to(tmp_path)

    assert "out/" not in keys_in(tree, "")
    assert keys_in(tree, "out") == []


def test_a_prefix_shows_the_way_to_itself_alone(tree: Server) -> None:
    """Of the folders above its prefix a token is shown the one that leads there, and not what lies beside."""
    secret = tokens.add(tokens.path_in(tree.data_dir), "me", scope="read", prefix="me/one")
    programs.wait_until(lambda: requests.get(tree.url + protocol.ENTRIES, timeout=30).status_code == 401)

    assert keys_in(tree, "", secret) == ["me/"]
    assert keys_in(tree, "me", secret) == ["me/one/"]
    assert keys_in(tree, "me/one", secret) == ["me/one/images/", "me/one/metrics.pkl"]
    assert keys_in(tree, "you", secret) == []
