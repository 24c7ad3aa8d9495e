"""Edits: runs are deleted, come back, get other names, tags and notes, and nothing of them is lost on the way."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ml_logger import tokens
from ml_logger.server import trash
from ml_logger.server.recovery import drop_old
from ml_logger.stores.folder import Folder
from ml_logger.testing import Server
from ml_logger.transport import frames
from ml_logger.transport.frames import Op
from tests import programs
from tests.wire import append, get, post


def edit(server: Server, action: str, token: str = "", **fields: Any) -> requests.Response:
    """Ask for one edit."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(f"{server.url}/v1/edits", json={"action": action, **fields}, headers=headers, timeout=30)


def files(folder: Path) -> dict[str, bytes]:
    """Return what is stored, without the bookkeeping."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {key: data for key, data in found.items() if not key.startswith(".ml_logger/")}


@pytest.fixture
def site(server: Server) -> Server:
    """A server with two runs."""
    body = append(1, b"rows", "me/a/metrics.pkl") + append(2, b"text", "me/a/deep/log.txt")
    assert post(server, body + append(3, b"other", "me/b/metrics.pkl")).json()["committed"] == 3
    return server


def test_a_deleted_run_waits_in_the_trash_and_comes_back(site: Server) -> None:
    """A run that is deleted is gone for readers, is listed in the trash, and undoing puts every byte in its place."""
    before = files(site.data_dir)
    undo = edit(site, "delete", run="me/a").json()["undo"]

    assert files(site.data_dir) == {"me/b/metrics.pkl": b"other"}
    assert get(site, "/v1/files/me/a/metrics.pkl").status_code == 404
    (waiting,) = get(site, "/v1/trash").json()["entries"]
    assert (waiting["undo"], waiting["key"]) == (undo, "me/a")
    assert edit(site, "restore", undo=undo).json() == {"key": "me/a"}
    assert files(site.data_dir) == before
    assert get(site, "/v1/trash").json() == {"entries": []}
    assert not (site.data_dir / trash.place_of(undo)).exists()


def test_the_trash_outlives_the_server(site: Server) -> None:
    """What is in the trash is there after a crash and a start, and comes back then."""
    undo = edit(site, "delete", run="me/a").json()["undo"]
    site.kill()
    site.start()

    assert edit(site, "restore", undo=undo).status_code == 200
    assert files(site.data_dir)["me/a/deep/log.txt"] == b"text"


def test_a_run_that_is_logged_to_begins_anew_and_is_not_overwritten(site: Server) -> None:
    """Who goes on logging to a deleted run starts it anew; undoing says so, puts it elsewhere, and mixes nothing."""
    undo = edit(site, "delete", run="me/a").json()["undo"]
    assert post(site, append(4, b"new", "me/a/metrics.pkl")).json()["rejected"] == []
    refused = edit(site, "restore", undo=undo)

    assert refused.status_code == 409
    assert "is there already" in refused.json()["error"]
    assert edit(site, "restore", undo=undo, to="me/c").status_code == 200
    found = files(site.data_dir)
    assert (found["me/a/metrics.pkl"], found["me/c/metrics.pkl"]) == (b"new", b"rows")


def test_a_deletion_is_not_made_again_over_a_run_that_began_anew(site: Server) -> None:
    """Killed when a deleted run is there again, a server leaves it, and what is in the trash, as they are."""
    undo = edit(site, "delete", run="me/a").json()["undo"]
    assert post(site, append(4, b"new", "me/a/metrics.pkl")).json()["committed"] == 4
    for _ in range(2):
        site.kill()
        site.start()

    assert (site.data_dir / "me" / "a" / "metrics.pkl").read_bytes() == b"new"
    assert (site.data_dir / trash.content_key(undo) / "metrics.pkl").read_bytes() == b"rows"


def test_a_single_file_is_deleted_too(site: Server) -> None:
    """A file goes into the trash as a folder does."""
    undo = edit(site, "delete", key="me/a/deep/log.txt").json()["undo"]
    assert get(site, "/v1/files/me/a/deep/log.txt").status_code == 404
    assert edit(site, "restore", undo=undo).json() == {"key": "me/a/deep/log.txt"}

    assert get(site, "/v1/files/me/a/deep/log.txt").content == b"text"


def test_a_run_gets_another_name(site: Server) -> None:
    """A rename moves everything, and never takes a name that is there, or one within the run itself."""
    assert edit(site, "rename", run="me/a", to="me/new/name").json() == {"key": "me/new/name"}
    assert files(site.data_dir)["me/new/name/deep/log.txt"] == b"text"
    before = files(site.data_dir)
    for to, status in (("me/b", 409), ("me/b/metrics.pkl", 409), ("me/new/name/x", 400), ("me", 400), ("../x", 400)):
        assert edit(site, "rename", run="me/new/name", to=to).status_code == status, to
    assert edit(site, "rename", run="nothing", to="x").status_code == 404

    assert files(site.data_dir) == before


def test_tags_and_a_note_are_a_plain_file_of_the_run(site: Server) -> None:
    """Tags and note stand in `.run.json`; setting one leaves the other, and what others wrote there, as they are."""
    (site.data_dir / "me" / "a" / ".run.json").write_text('{"other": 1}')
    assert edit(site, "tag", run="me/a", tags=["best", "lr 1e-3", "best"]).json() == {"tags": ["best", "lr 1e-3"]}
    assert edit(site, "note", run="me/a", text="Größer \u2713").status_code == 200

    told = json.loads((site.data_dir / "me" / "a" / ".run.json").read_text())
    assert told == {"other": 1, "tags": ["best", "lr 1e-3"], "note": "Größer \u2713"}
    assert edit(site, "tag", run="me/nothing", tags=[]).status_code == 404
    assert edit(site, "tag", run="", tags=["the folder itself"]).status_code == 200
    assert edit(site, "note", run="me/b/metrics.pkl", text="a file is no run").status_code == 404


def test_many_who_describe_a_run_at_once_lose_nothing(site: Server) -> None:
    """Tags and a note that are set at the same moment are both there."""
    asked: list[tuple[str, dict[str, Any]]] = [("tag", {"tags": ["x"]}), ("note", {"text": "y"})] * 8
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda one=one: statuses.append(edit(site, one[0], run="me/a", **one[1]).status_code))
        for one in asked
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(programs.PATIENCE)

    assert statuses == [200] * len(asked)
    assert json.loads((site.data_dir / "me" / "a" / ".run.json").read_text()) == {"tags": ["x"], "note": "y"}


def test_a_text_is_written_only_over_the_one_that_was_read(site: Server) -> None:
    """A report is saved with the etag of what was edited; who comes second is told what is there, and loses nothing."""
    first = edit(site, "write", key="me/a/README.md", text="# One", etag=None).json()["etag"]
    late = edit(site, "write", key="me/a/README.md", text="# Mine", etag=None)
    assert late.status_code == 409
    assert (late.json()["text"], late.json()["etag"]) == ("# One", first)
    second = edit(site, "write", key="me/a/README.md", text="# Two", etag=first).json()["etag"]
    (site.data_dir / "me" / "a" / "README.md").write_text("# By hand")

    assert edit(site, "write", key="me/a/README.md", text="# Three", etag=second).status_code == 409
    assert (site.data_dir / "me" / "a" / "README.md").read_text() == "# By hand"
    assert edit(site, "write", key="me/x/.charts.yml", text="keys: loss", etag=None).status_code == 200


@pytest.mark.parametrize(
    ("action", "fields", "status"),
    [
        ("write", {"key": "me/a/metrics.pkl", "text": "", "etag": None}, 400),
        ("write", {"key": "me/a/README.md", "text": "x" * (2**20 + 1), "etag": None}, 413),
        ("write", {"key": "me/a/README.md", "text": "x", "etag": "short"}, 400),
        ("write", {"key": "me/a/README.md", "text": "x", "etag": 3}, 400),
        ("write", {"key": "me/a/README.md", "etag": None}, 400),
        ("write", {"key": "me/b/metrics.pkl/README.md", "text": "x", "etag": None}, 409),
        ("delete", {"run": ""}, 400),
        ("delete", {"run": "../x"}, 400),
        ("delete", {"run": ".ml_logger"}, 400),
        ("delete", {"run": ".ml_logger/catalog.db"}, 400),
        ("delete", {"run": "nothing"}, 404),
        ("delete", {"run": 3}, 400),
        ("delete", {}, 400),
        ("restore", {"undo": "../../me/b"}, 404),
        ("restore", {"undo": "0" * trash.UNDO_SIZE}, 404),
        ("tag", {"run": "me/a", "tags": "best"}, 400),
        ("tag", {"run": "me/a", "tags": [""]}, 400),
        ("tag", {"run": "me/a", "tags": ["x"] * 101}, 400),
        ("note", {"run": "me/a", "text": "x" * 65_537}, 400),
        ("empty", {"undo": "../x"}, 404),
        ("empty", {"days": -1}, 400),
        ("empty", {"days": True}, 400),
        ("empty", {}, 400),
        ("sing", {}, 400),
    ],
    ids=range(24),
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    shared_server: Server, action: str, fields: dict[str, Any], status: int
) -> None:
    """Keys that are none, texts that are too long, and actions that are none are told, and every file stays."""
    for run in ("me/a", "me/b"):
        (shared_server.data_dir / run).mkdir(parents=True, exist_ok=True)
        (shared_server.data_dir / run / "metrics.pkl").write_bytes(b"rows")
    before = files(shared_server.data_dir)
    answer = edit(shared_server, action, **fields)

    assert (answer.status_code, next(iter(answer.json()))) == (status, "error")
    assert files(shared_server.data_dir) == before


def test_no_frame_of_a_client_reaches_the_trash(site: Server) -> None:
    """What the server asks of itself cannot be asked on the wire, and no key leads into the trash."""
    undo = edit(site, "delete", run="me/a").json()["undo"]
    for op in frames.Own:
        frame = bytearray(frames.encode(4, Op.REMOVE, b"me/b", b""))
        frame[4] = op & 0xFF
        assert post(site, bytes(frame)).status_code == 400
    stolen = post(site, frames.encode(4, Op.MOVE, trash.content_key(undo).encode(), b"stolen"))

    assert stolen.json()["rejected"][0]["seq"] == 4
    assert get(site, f"/v1/files/{trash.about_key(undo)}").status_code == 400
    assert list(files(site.data_dir)) == ["me/b/metrics.pkl"]


def test_the_trash_is_emptied_when_it_is_asked_for_or_its_time_is_over(site: Server) -> None:
    """One thing, or all that is old enough, is removed for good; what is younger stays."""
    one, two = (edit(site, "delete", run=run).json()["undo"] for run in ("me/a", "me/b"))
    assert edit(site, "empty", days=1).json() == {"removed": []}
    assert edit(site, "empty", undo=one).json() == {"removed": [one]}
    assert [entry["undo"] for entry in get(site, "/v1/trash").json()["entries"]] == [two]
    assert edit(site, "empty", days=0).json() == {"removed": [two]}
    assert list((site.data_dir / ".ml_logger" / "trash").iterdir()) == []


def test_old_trash_is_removed_by_itself(tmp_path: Path) -> None:
    """After 30 days, and not before, what was deleted is removed."""
    from ml_logger.server.appends import Appends
    from ml_logger.server.catalog import Catalog

    folder = Folder(tmp_path / "own", follow_links=False)
    catalog = Catalog(folder.private("catalog.db"), "FULL")
    now = int(trash.fresh_undo()[:10], 16)
    old, young = (f"{now - days * 86400:010x}{'0' * 12}" for days in (31, 29))
    for undo in (old, young):
        folder.private("trash", undo, "content").write_bytes(b"x")
    drop_old(folder, catalog, Appends(folder, catalog))
    catalog.close()

    assert trash.names(folder) == [young]


# ------------------------------------------------------------------------------------------------------ who may do what


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with two runs, and tokens: one that reads, one for `me`, one for all."""
    data = tmp_path / "data"
    path = tokens.path_in(data)
    made = {
        "read": tokens.add(path, "reader", scope="read"),
        "me": tokens.add(path, "mine", prefix="me"),
        "all": tokens.add(path, "writer"),
    }
    for run in ("me/a", "you/b"):
        (data / run).mkdir(parents=True)
        (data / run / "metrics.pkl").write_bytes(b"rows")
    server = Server(data)
    server.start()
    yield server, made
    server.stop()


def test_edits_take_the_scope_and_the_prefix_of_a_token(guarded: tuple[Server, dict[str, str]]) -> None:
    """Who may only read changes nothing; a prefix bounds every key, the one in the trash too."""
    server, made = guarded
    yours = edit(server, "delete", made["all"], run="you/b").json()["undo"]
    mine = edit(server, "delete", made["me"], run="me/a").json()["undo"]
    before = files(server.data_dir)

    assert edit(server, "delete", run="me/a").status_code == 401
    assert edit(server, "restore", made["read"], undo=mine).status_code == 403
    for action, fields in (
        ("delete", {"run": "you"}),
        ("rename", {"run": "you/b", "to": "me/b"}),
        ("rename", {"run": "me/a", "to": "you/a"}),
        ("tag", {"run": "you/b", "tags": []}),
        ("note", {"run": "", "text": ""}),
        ("write", {"key": "README.md", "text": "", "etag": None}),
        ("restore", {"undo": mine, "to": "you/a"}),
    ):
        assert edit(server, action, made["me"], **fields).status_code == 403, action
    assert edit(server, "restore", made["me"], undo=yours).status_code == 404
    assert edit(server, "empty", made["me"], days=0).json() == {"removed": [mine]}
    assert files(server.data_dir) == before
    headers = {"Authorization": f"Bearer {made['me']}"}
    assert get(server, "/v1/trash", **headers).json() == {"entries": []}
    assert edit(server, "restore", made["all"], undo=yours).status_code == 200


def test_edits_are_in_the_audit_log(guarded: tuple[Server, dict[str, str]]) -> None:
    """Each edit leaves a line: who, what, which keys, and how it ended; not the texts."""
    server, made = guarded
    undo = edit(server, "delete", made["all"], run="you/b").json()["undo"]
    edit(server, "restore", made["all"], undo=undo)
    edit(server, "write", made["all"], key="me/README.md", text="a secret", etag=None)
    edit(server, "delete", made["me"], run="you/b")
    server.stop()
    text = (server.data_dir / ".ml_logger" / "audit.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]

    assert [(line["who"], line["ops"], line["keys"], line["status"]) for line in lines] == [
        ("writer", {"delete": 1}, ["you/b"], 200),
        ("writer", {"restore": 1}, ["you/b"], 200),
        ("writer", {"write": 1}, ["me/README.md"], 200),
        ("mine", {"delete": 1}, ["you/b"], 403),
    ]
    assert "secret" not in text


# -------------------------------------------------------------------------------------------------------- crashes

#: Makes an edit in a child that is killed at the n-th call that changes anything, for each n, recovers in a second one,
#: and tells what is there then. The last n is one at which the edit ends without having been killed.
STEPS = """
import json, os, shutil, sys
from pathlib import Path
from ml_logger.server import trash
from ml_logger.server.catalog import Catalog
from ml_logger.server.committer import Committer
from ml_logger.server.groups import Request
from ml_logger.stores.folder import Folder
from ml_logger.testing.faults.calls import watch
from ml_logger.testing.faults.failpoints import Failpoints
from ml_logger.transport.frames import Frame, Own

template, scratch, op, key, payload, where = sys.argv[1:]

def commit(data, frame):
    folder = Folder(data, follow_links=False)
    committer = Committer(folder, Catalog(folder.private("catalog.db"), "FULL"), power=True, fail=print)
    if frame:
        answer = committer.submit(Request.of("f" * 32, [frame])).result(20)
        (data.parent / "told").write_text(json.dumps([answer.status, answer.body]))
    committer.close()

def child(work, *args):
    pid = os.fork()
    if not pid:
        try:
            work(*args)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def killed(data, frame, n):
    watch(Failpoints(f"*@{n}={where};under={data}"))
    commit(data, frame)

frame = Frame(1, Own[op], 0, key, payload.encode())
for n in range(1, 200):
    data = Path(scratch) / "data"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(template, data)
    (Path(scratch) / "told").unlink(missing_ok=True)
    status = child(killed, data, frame, n)
    assert child(commit, data, None) == 0
    told = json.loads((Path(scratch) / "told").read_text()) if (Path(scratch) / "told").exists() else None
    files = {str(path.relative_to(data)): path for path in sorted(data.rglob("*")) if path.is_file()}
    found = {name: path.read_text() for name, path in files.items() if not name.startswith(".ml_logger/catalog")}
    print(json.dumps([status, told, found]))
    if status == 0:
        break
"""

UNDO = "00000000ff" + "0" * 12
ABOUT = '{"key": "me/a", "time": 1.0, "who": ""}\n'
RUN = {"me/a/deep/log.txt": "text", "me/a/metrics.pkl": "rows"}
IN_TRASH = {
    f".ml_logger/trash/{UNDO}/about.json": ABOUT,
    f".ml_logger/trash/{UNDO}/content/deep/log.txt": "text",
    f".ml_logger/trash/{UNDO}/content/metrics.pkl": "rows",
}
OTHER = {"me/b": "other"}


@pytest.mark.parametrize("where", ["kill-before", "kill-after"])
@pytest.mark.parametrize(
    ("op", "key", "payload", "before", "after"),
    [
        ("DISCARD", "me/a", UNDO + ABOUT, RUN, IN_TRASH),
        ("RESTORE", "me/a", UNDO, IN_TRASH, RUN),
        ("RENAME", "me/a", "me/c/d", RUN, {"me/c/d/deep/log.txt": "text", "me/c/d/metrics.pkl": "rows"}),
        ("REPLACE", "me/a", trash.etag_of(b"old") + "new", {"me/a": "old"}, {"me/a": "new"}),
        ("EMPTY", UNDO, "", IN_TRASH, {}),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isupper() else "",
)
def test_an_edit_that_is_killed_at_any_step_is_made_whole_or_not_at_all(
    tmp_path: Path, op: str, key: str, payload: str, before: dict[str, str], after: dict[str, str], where: str
) -> None:
    """Killed at each of its steps, a server has either not begun an edit or ends it at its next start; never both."""
    template = tmp_path / "template"
    for name, text in {**before, **OTHER}.items():
        (template / name).parent.mkdir(parents=True, exist_ok=True)
        (template / name).write_text(text)
    command = [sys.executable, "-c", STEPS, str(template), str(tmp_path), op, key, payload, where]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    shutil.rmtree(tmp_path / "data")

    outcomes = [found == {**after, **OTHER} for _, _, found in steps]
    for status, told, found in steps:
        whole = found == {**after, **OTHER}
        assert whole or found == {**before, **OTHER}, found
        assert whole or not told, "what was acknowledged is made"
        assert status in (-9, 0)
    assert len(steps) > 5 and not outcomes[0] and outcomes[-1] and steps[-1][1][0] == 200
    assert outcomes == sorted(outcomes)  # from one step on it is made, and not only at some


def test_what_lies_behind_files_and_links_is_not_there(site: Server, tmp_path: Path) -> None:
    """Below a file, or behind a link to somewhere else, nothing can be edited or is touched, and the answer says so."""
    outside = tmp_path / "outside"
    (outside / "run").mkdir(parents=True)
    (site.data_dir / "me/link").symlink_to(outside)
    (site.data_dir / "me/a/.run.json").symlink_to(outside / "notes.json")
    (site.data_dir / "me/b/.run.json").mkdir()
    for key in ("me/link/run", "me/a/metrics.pkl/x"):
        assert edit(site, "delete", run=key).status_code == 404
        assert edit(site, "rename", run=key, to="me/new").status_code == 404
        assert edit(site, "tag", run=key, tags=["x"]).status_code == 404
        assert edit(site, "write", key=f"{key}/README.md", text="x", etag=None).status_code == 409
    for run in ("me/a", "me/b"):
        assert edit(site, "note", run=run, text="x").status_code in (200, 409)

    assert [*outside.rglob("*")] == [outside / "run"]
    assert "mistake" not in site.log.read_text() and "failed" not in site.log.read_text()


def test_a_name_in_another_spelling_is_the_same_run(site: Server) -> None:
    """A run whose name comes with its accents apart is tagged and told of under the one name that it has."""
    post(site, append(4, b"rows", "me/\xfcber/metrics.pkl"))

    assert edit(site, "tag", run="me/u\u0308ber", tags=["x"]).status_code == 200
    assert json.loads(files(site.data_dir)["me/\xfcber/.run.json"]) == {"tags": ["x"]}
