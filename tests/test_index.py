"""`GET /v1/runs`: what is told of each run is so, whoever wrote it, and only what has changed is told again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import requests

from ml_logger import ML_Logger, tokens
from ml_logger.dashboard.index import Index
from ml_logger.dashboard.shelf import Shelf
from ml_logger.encoders import records
from ml_logger.stores.folder import Folder
from ml_logger.testing import Server
from ml_logger.transport import frames
from ml_logger.transport.frames import Op
from tests.live import settled_runs
from tests.pickle_attacks import CODE, HARM
from tests.wire import post

pytestmark = pytest.mark.usefixtures("patient")


def runs(server: Server, since: str | None = None, **headers: str) -> dict[str, Any]:
    """Return what is told of runs, with all rows read."""
    return settled_runs(server, {} if since is None else {"since": since}, headers)


def by_name(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is told of each run."""
    return {run["run"]: run for run in told["runs"]}


def test_a_run_is_told_of_as_it_was_logged(server: Server) -> None:
    """Parameters by their dotted names, the last, least and greatest of each metric, rows, size, times and status."""
    with ML_Logger(root=server.url, prefix="me/run", silent=True) as logger:
        logger.job_started(Args={"lr": 0.1, "net": {"width": 64}, "tags": ["a", "b"], "none": None, "on": True})
        for step, loss in enumerate((3.0, float("nan"), 1.0, 2.0)):
            logger.log(step, loss=loss, text="word", flush=True)
        logger.job_completed()
        logger.log_text("some text", "notes.txt")
        logger.flush()
        (row,) = logger.runs(wd="/", as_="polars").iter_rows(named=True)
    told = runs(server)
    (run,) = told["runs"]

    assert told["complete"] and told["reset"] and told["removed"] == []
    assert run["run"] == "me/run" and run["status"] == row["status"] == "completed"
    assert run["parameters"]["Args.lr"] == 0.1 and run["parameters"]["Args.net.width"] == 64
    assert run["parameters"]["Args.tags"] == ["a", "b"] and run["parameters"]["Args.none"] is None
    assert run["metrics"] == {"loss": [2, 1, 3]}
    assert run["rows"] == row["rows"] == 4
    assert run["start"] == pytest.approx(row["start"].timestamp(), abs=1e-3)
    assert run["duration"] == pytest.approx(row["duration"], abs=1e-3)
    assert run["size"] == row["size"] == sum(f.stat().st_size for f in (server.data_dir / "me/run").rglob("*"))
    assert run["alive"] is None and run["tags"] == [] and run["note"] == ""
    assert run["updated"] == pytest.approx((server.data_dir / "me/run/parameters.pkl").stat().st_mtime)


def test_numbers_that_json_has_not_are_words(server: Server) -> None:
    """A metric that ends in NaN or is infinite is told so, and one of large integers as a number."""
    row = {"nan": float("nan"), "inf": float("inf"), "low": float("-inf"), "large": 2**70, "yes": True, "none": None}
    post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", records.encode({**row, "_step": 1})))
    (run,) = runs(server)["runs"]

    assert run["metrics"]["nan"][0] == "NaN" and run["metrics"]["inf"][0] == "Infinity"
    assert run["metrics"]["low"][0] == "-Infinity" and run["metrics"]["large"] == [2**70] * 3
    assert run["metrics"]["yes"] == [1, 1, 1] and {"none", "_step"}.isdisjoint(run["metrics"])


def test_only_what_has_changed_is_told(server: Server) -> None:
    """Since a version come the runs that were changed, and the names of those that are gone; nothing else."""
    for number, key in enumerate((b"a/metrics.pkl", b"b/parameters.pkl", b"c/metrics.pkl")):
        post(server, frames.encode(number + 1, Op.APPEND, key, records.encode({"x": number})))
    first = runs(server)
    assert sorted(by_name(first)) == ["a", "b", "c"]
    post(server, frames.encode(4, Op.APPEND, b"a/metrics.pkl", records.encode({"x": 7})))
    post(server, frames.encode(5, Op.REMOVE, b"b", b""))
    second = runs(server, first["version"])

    assert not second["reset"] and second["removed"] == ["b"] and [*by_name(second)] == ["a"]
    assert by_name(second)["a"]["metrics"] == {"x": [7, 0, 7]}
    third = runs(server, second["version"])
    assert third == {**second, "runs": [], "removed": []}
    for unknown in ("", "x", "x-1", third["version"] + "0", f"{third['version'].rpartition('-')[0]}-\u0661"):
        assert runs(server, unknown)["reset"] and len(runs(server, unknown)["runs"]) == 2
    server.stop()
    server.start()
    assert runs(server, third["version"])["reset"]


def test_runs_follow_moves_copies_and_removals(server: Server) -> None:
    """A folder that is moved takes its runs along, one that is copied has its own, and what is removed is gone."""
    post(server, frames.encode(1, Op.APPEND, b"all/a/metrics.pkl", records.encode({"x": 1})))
    post(server, frames.encode(2, Op.APPEND, b"all/b/parameters.pkl", records.encode({"y": 1})))
    known = runs(server)["version"]
    post(server, frames.encode(3, Op.MOVE, b"all", b"moved"))
    told = runs(server, known)
    assert sorted(told["removed"]) == ["all/a", "all/b"] and sorted(by_name(told)) == ["moved/a", "moved/b"]
    post(server, frames.encode(4, Op.COPY, b"moved/a", b"copied"))
    assert by_name(runs(server, told["version"]))["copied"]["metrics"] == {"x": [1, 1, 1]}
    post(server, frames.encode(5, Op.REMOVE, b"moved/a/metrics.pkl", b""))
    post(server, frames.encode(6, Op.WRITE, b"copied/metrics.pkl", records.encode({"x": 5})))
    told = runs(server, told["version"])

    assert told["removed"] == ["moved/a"] and by_name(told)["copied"]["metrics"] == {"x": [5, 5, 5]}


def test_sizes_are_those_of_the_innermost_run(server: Server) -> None:
    """The files in folders of a run count, but not those of a run within it; the data folder may be a run, too."""
    for number, (key, size) in enumerate(
        {"metrics.pkl": 0, "a/metrics.pkl": 0, "a/images/1.png": 500, "b/x": 30}.items()
    ):
        data = bytes(size) or records.encode({"x": 1})
        post(server, frames.encode(number + 1, Op.WRITE, key.encode(), data))
    told, row = by_name(runs(server)), len(records.encode({"x": 1}))

    assert {name: run["size"] for name, run in told.items()} == {"": row + 30, "a": row + 500}


def test_notes_and_signs_of_life_are_told(server: Server) -> None:
    """Tags and a note come from `.run.json`, and life from `heartbeat.json`, by the clock of the server."""
    sign = {"status": "training", "time": 0.0, "interval": 60.0}
    post(server, frames.encode(1, Op.APPEND, b"a/metrics.pkl", records.encode({"x": 1})))
    post(server, frames.encode(2, Op.WRITE, b"a/.run.json", json.dumps({"tags": ["x", "y", 1], "note": "so"}).encode()))
    post(server, frames.encode(3, Op.WRITE, b"a/heartbeat.json", json.dumps(sign).encode()))
    (run,) = runs(server)["runs"]
    assert (run["tags"], run["note"], run["alive"], run["status"]) == (["x", "y"], "so", True, "training")
    os.utime(server.data_dir / "a/heartbeat.json", (1.6e9, 1.6e9))
    post(server, frames.encode(4, Op.APPEND, b"a/heartbeat.json", b"\n"))
    os.utime(server.data_dir / "a/heartbeat.json", (1.6e9, 1.6e9))
    while run["alive"]:  # found by the next look through the folder
        (run,) = runs(server)["runs"]

    assert run["alive"] is False


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"tags": 3, "note": []}', b"[" * 60_000])
def test_odd_notes_and_signs_say_nothing(data: bytes, server: Server) -> None:
    """What is no object of ours is left out, and the run is there."""
    for number, name in enumerate((b".run.json", b"heartbeat.json", b"parameters.pkl", b"metrics.pkl")):
        post(server, frames.encode(number + 1, Op.WRITE, b"a/" + name, data or b"x"))
    (run,) = runs(server)["runs"]

    assert (run["tags"], run["note"], run["status"]) == ([], "", None)


def test_parameters_that_are_an_attack_are_left_out(server: Server, tmp_path: Path) -> None:
    """Files that are more than plain values say nothing, their runs are told of, and nothing is run."""
    attacks = [attack(str(tmp_path / "canary")) for attack in (*CODE.values(), *HARM.values())]
    for number, attack in enumerate(attacks):
        folder = server.data_dir / f"r{number}"
        folder.mkdir()
        for name in ("parameters.pkl", "metrics.pkl", "heartbeat.json", ".run.json"):
            (folder / name).write_bytes(b"\x80\x04" + attack + b".")
    post(server, frames.encode(1, Op.WRITE, b"good/parameters.pkl", records.encode({"x": 1})))

    while not (told := runs(server))["complete"] or len(told["runs"]) <= len(attacks):
        pass
    assert by_name(told)["good"]["parameters"] == {"x": 1}
    assert not (tmp_path / "canary").exists()


def test_what_was_whole_before_a_tear_counts(server: Server) -> None:
    """Parameters of which the last record is torn are those of the records before it."""
    post(
        server,
        frames.encode(1, Op.WRITE, b"a/parameters.pkl", records.encode({"x": 1}) + records.encode({"y": 2})[:-3]),
    )

    assert runs(server)["runs"][0]["parameters"] == {"x": 1}


def test_runs_of_others_are_found(server: Server) -> None:
    """Runs that are written straight into the folder are told of, and so are their new rows; links are not followed."""
    outside = server.data_dir.parent / "outside"
    for folder in (outside / "secret", server.data_dir / "mine"):
        with ML_Logger(root=str(folder.parent), prefix=folder.name, silent=True) as logger:
            logger.log_params(Args={"lr": 1})
            logger.log(0, loss=1, flush=True)
    (server.data_dir / "link").symlink_to(outside)
    (server.data_dir / "mine/link.pkl").symlink_to(outside / "secret/metrics.pkl")
    (server.data_dir / "linked").mkdir()
    (server.data_dir / "linked/metrics.pkl").symlink_to(outside / "secret/metrics.pkl")
    told = runs(server)
    assert [*by_name(told)] == ["mine"]
    with ML_Logger(root=str(server.data_dir), prefix="mine", silent=True) as logger:
        logger.log(1, loss=0.5, flush=True)
    while not (later := runs(server, told["version"]))["runs"]:
        pass
    assert later["runs"][0]["metrics"]["loss"] == [0.5, 0.5, 1]


def test_a_prefix_narrows_runs(tmp_path: Path) -> None:
    """A token for some keys is told of the runs below them, also of those that are gone."""
    data = tmp_path / "data"
    everybody = {"Authorization": f"Bearer {tokens.add(tokens.path_in(data), 'all')}"}
    mine = {"Authorization": f"Bearer {tokens.add(tokens.path_in(data), 'mine', scope='read', prefix='mine')}"}
    server = Server(data)
    server.start()
    try:
        for number, run in enumerate((b"mine", b"mine/a", b"other", b"mines")):
            body = frames.encode(1 + number, Op.APPEND, run + b"/metrics.pkl", records.encode({"x": 1}))
            assert post(server, body, **everybody).status_code == 200
        assert len(runs(server, **everybody)["runs"]) == 4
        told = runs(server, **mine)
        assert sorted(by_name(told)) == ["mine", "mine/a"]
        post(server, frames.encode(5, Op.REMOVE, b"other", b""), **everybody)
        assert runs(server, told["version"], **mine)["removed"] == []
        post(server, frames.encode(6, Op.REMOVE, b"mine/a", b""), **everybody)
        assert runs(server, told["version"], **mine)["removed"] == ["mine/a"]
        assert requests.get(f"{server.url}/v1/runs", timeout=30).status_code == 401
    finally:
        server.stop()


def test_long_lists_are_compressed_for_those_who_can(server: Server) -> None:
    """The same list comes as it is, or with gzip; many runs in pieces."""
    for number in range(200):
        body = frames.encode(1 + number, Op.APPEND, b"r%d/parameters.pkl" % number, records.encode({"x": "y" * 900}))
        post(server, body)
    assert len(runs(server)["runs"]) == 200
    plain = requests.get(f"{server.url}/v1/runs", headers={"Accept-Encoding": "identity"}, timeout=30)
    packed = requests.get(f"{server.url}/v1/runs", headers={"Accept-Encoding": "gzip"}, timeout=30)

    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert plain.json() == packed.json() and len(plain.json()["runs"]) == 200


def test_appended_rows_alone_are_read(tmp_path: Path) -> None:
    """Of a file that has grown, the bytes that are new are decoded, and not the others again."""
    (tmp_path / "a").mkdir()
    file = tmp_path / "a/metrics.pkl"
    file.write_bytes(b"".join(records.encode({"x": n}) for n in range(50_000)))
    folder, read = Folder(tmp_path, follow_links=False), [0]

    def opener(key: str) -> tuple[int, os.stat_result, int]:
        descriptor = folder.open(key, os.O_RDONLY)
        read.append(os.fstat(descriptor).st_size)
        return descriptor, os.fstat(descriptor), os.fstat(descriptor).st_size

    index = Index(folder, opener, Shelf(opener, 2**24), "i")
    for step in (index.look, index.read_files, index.read_rows):
        assert len(list(step())) >= 1
    before = index.since(None).runs[0]
    assert before.rows == 50_000
    with file.open("ab") as more:
        more.write(records.encode({"x": -1}))
    list(index.change({"a/metrics.pkl"}, ()))
    index.hurry()
    steps = len(list(index.read_rows()))

    (run,) = index.since(None).runs
    assert run.rows == 50_001 and b'"x":[-1,-1,49999]' in run.metrics
    assert steps <= 3


def test_what_is_known_is_kept_from_one_start_to_the_next(server: Server) -> None:
    """A server that starts again reads only the files that have changed meanwhile, and tells the same of the others."""
    sign = json.dumps({"status": "training", "interval": 1e6}).encode()
    for number, name in enumerate(("same", "grown", "gone", "other")):
        for at, (file, data) in enumerate(
            {
                "metrics.pkl": records.encode({"x": float("nan")}) + records.encode({"x": number, "_timestamp": 5.0}),
                "parameters.pkl": records.encode({"Args": {"n": number, "inf": float("inf")}}),
                ".run.json": b'{"tags": ["a"], "note": "b"}',
                "heartbeat.json": sign,
            }.items()
        ):
            post(server, frames.encode(1 + 4 * number + at, Op.WRITE, f"{name}/{file}".encode(), data))
    before = by_name(runs(server))
    assert server.stop() == 0
    kept = server.data_dir / ".ml_logger/runs.jsonl"
    kept.write_bytes(kept.read_bytes().replace(b'["a"],"b"', b'["a"],"kept"'))
    with (server.data_dir / "grown/metrics.pkl").open("ab") as file:
        file.write(records.encode({"x": 9}))
    (server.data_dir / "other/.run.json").write_bytes(b"{}")
    (server.data_dir / "gone").rename(server.data_dir / "moved")
    server.start()
    after = by_name(runs(server))

    assert sorted(after) == ["grown", "moved", "other", "same"]
    assert after["same"] == {**before["same"], "note": "kept"}  # it was not read
    assert after["grown"]["metrics"] == {"x": [9, 1, 9]} and after["grown"]["rows"] == 3
    assert (after["other"]["tags"], after["other"]["note"], after["moved"]["note"]) == ([], "", "b")


@pytest.mark.parametrize(
    "damage", [b"", b"x", b"\xff" * 50, b'"ml-logger index 1"\n{}', b'"ml-logger index 1"\n{"run":3}', b"[" * 9999]
)
def test_what_was_kept_and_is_damaged_is_as_good_as_nothing(damage: bytes, server: Server) -> None:
    """A file of ours that makes no sense is passed over: all is read again."""
    post(server, frames.encode(1, Op.WRITE, b"a/metrics.pkl", records.encode({"x": 1})))
    kept = server.data_dir / ".ml_logger/runs.jsonl"
    kept.write_bytes(damage)

    assert by_name(runs(server))["a"]["metrics"] == {"x": [1, 1, 1]}
    server.stop()
    assert kept.read_bytes().startswith(b'"ml-logger index 1"\n{"run":"a"')


#: Files of a run that no client of ours writes: half characters, numbers of any size, what is nested very deep.
_ODD = {
    "note": {".run.json": rb'{"note": "\ud800"}'},
    "tag": {".run.json": rb'{"tags": ["\ud800"]}'},
    "sign": {"heartbeat.json": rb'{"status": "\ud800", "interval": 5}'},
    "status": {"parameters.pkl": b"\x80\x04}\x8c\x03job}\x8c\x06status\x8c\x03\xed\xa0\x80ss."},
    "name": {"parameters.pkl": b"\x80\x04}\x8c\x03\xed\xa0\x80K\x01s."},
    "number": {"parameters.pkl": records.encode({"a": {1 << 20_000: 1}, "b": [{1 << 20_000: 2}]})},
    "deep": {"parameters.pkl": b"\x80\x04}\x8c\x01a" + b"]" * 900 + b"a" * 899 + b"s."},
    "metric": {"metrics.pkl": b"\x80\x04}\x8c\x03\xed\xa0\x80K\x01s."},
    "times": {"metrics.pkl": records.encode({"_timestamp": 1e308}) + records.encode({"_timestamp": -1e308})},
}


def test_no_run_keeps_others_from_being_told_of(server: Server) -> None:
    """Whatever is in the files of a run, it is told of in JSON that browsers read, and so are all others."""
    rows = records.encode({"loss": 1.0})
    for name, files in {**_ODD, "~last": {}}.items():
        (server.data_dir / name).mkdir()
        for file, data in {"metrics.pkl": rows, **files}.items():
            (server.data_dir / name / file).write_bytes(data)
    for _ in range(2):
        answer = requests.get(f"{server.url}/v1/runs", timeout=30)
    told = json.loads(answer.content, parse_constant=pytest.fail)

    assert told["complete"] and by_name(told).keys() == {*_ODD, "~last"}
    assert by_name(told)["note"]["note"] == "?"
    assert by_name(told)["times"]["start"] is by_name(told)["times"]["duration"] is None
    assert by_name(told)["~last"]["metrics"] == {"loss": [1, 1, 1]}
    assert "not up to date" not in server.log.read_text()


@pytest.mark.parametrize(
    "odd",
    [b'"size": 1e999', b'"times": [-1e308, 1e308]', b'"parameters": {"lr": NaN}', b'"metrics": {"loss": [1e999]}'],
    ids=bytes.decode,
)
def test_numbers_that_nobody_kept_are_not_remembered(odd: bytes, server: Server) -> None:
    """What was kept and damaged since is left, from there on, and all runs are told of in JSON that browsers read."""
    logged = ML_Logger(root=server.url, prefix="me/run", silent=True)
    logged.log(0, loss=1.0, flush=True)
    logged.close()
    runs(server)
    server.stop()
    kept = server.data_dir / ".ml_logger/runs.jsonl"
    head, line = kept.read_bytes().splitlines()
    kept.write_bytes(head + b"\n" + line[:-1] + b", " + odd + b"}\n")
    server.start()
    for _ in range(2):
        answer = requests.get(f"{server.url}/v1/runs", timeout=30)

    (run,) = json.loads(answer.content, parse_constant=pytest.fail)["runs"]
    assert (run["run"], run["rows"], run["metrics"]) == ("me/run", 1, {"loss": [1, 1, 1]})
