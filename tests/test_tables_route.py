"""Columns from a server: the same as from a folder, in one request, and only what is asked for."""

from __future__ import annotations

import json
import os
import pickle
import socket
import struct
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from ml_logger.column_readers import ColumnReader, files_of
from ml_logger.columns import wire
from ml_logger.errors import CorruptData, KeyNotFound, LoggerError, Refused, ServerUnavailable, UntrustedData
from ml_logger.following import follow
from ml_logger.readers import read_columns, read_tables
from ml_logger.stores import open_store
from ml_logger.testing import Server, serve
from ml_logger.transport import protocol
from tests import programs
from tests.row_files import VALUES, file_of, identical, rows_of

ROWS = [{"_step": n, "loss": n / 7, **({"phase": "eval"} if n % 10 == 0 else {})} for n in range(500)]


def files() -> dict[str, bytes]:
    """Return files of every sort: plain, damaged, torn, of old protocols, with names, and some that hold no rows."""
    whole = file_of(ROWS)
    made = {f"kinds/{number}.pkl": file_of(rows_of(([{"a": kind, "b": "step"}, {"a": kind}], 60, number)))
            for number, kind in enumerate(VALUES)}  # fmt: skip
    return made | {
        "plain.pkl": whole,
        "old.pkl": file_of(ROWS, 2),
        "empty.pkl": b"",
        "torn.pkl": whole[:-5],
        "cut.pkl": whole[:3000] + whole[3010:],
        "zeros.pkl": whole + bytes(77) + whole,
        "no-rows.pkl": file_of([1, [2], {"a": 1}, {3: 4}]),
        "text.txt": b"no pickles at all\n" * 40,
        "bytearray.pkl": file_of([{"a": bytearray(b"x")}, {"a": 1}], 5),
        "numpy.pkl": file_of([{"a": np.float32(n), "b": [np.int8(n), 1j]} for n in range(9)]),
        "names.pkl": file_of([{f"name {n}": n} for n in range(3000)]),
        "large.pkl": file_of([{"a": "x" * (2 << 20)}, {"a": "y"}]),
    }


def put(folder: Path) -> None:
    """Write these files into a folder."""
    for key, data in files().items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def told(root: str, keys: list[str] | None) -> tuple[dict[str, Any], list[str]]:
    """Read all tables below a root; return their rows and columns by key, and what was warned."""
    store = open_store(root, None, {})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = {
            key: (list(table), table.rows, list(table.iter_rows())) for key, table in read_tables(store, "**", keys)
        }
    store.close()
    return found, [str(each.message) for each in caught]


@pytest.mark.parametrize("keys", [None, ["a"], ["phase", "nothing", "_step"]])
def test_a_server_gives_the_tables_of_a_folder(server: Server, keys: list[str] | None) -> None:
    """Whatever is in the files, tables, values, their types and the warnings are the same, local and remote."""
    put(server.data_dir)
    local, local_warnings = told(str(server.data_dir), keys)
    remote, remote_warnings = told(server.url, keys)

    assert list(remote) == list(local) == sorted(files())
    for key in local:
        assert remote[key][:2] == local[key][:2], key
        assert all(map(identical, remote[key][2], local[key][2])), key
    assert remote_warnings == local_warnings
    assert len(local_warnings) == 5


def test_one_file_is_the_same_too(server: Server) -> None:
    """Each file read by itself is what it is among others; a class that is not data raises in both places."""
    put(server.data_dir)
    (server.data_dir / "class.pkl").write_bytes(file_of(ROWS) + pickle.dumps({"a": Path}))
    remote, local = open_store(server.url, None, {}), open_store(str(server.data_dir), None, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key in files():
            one, other = (list(read_columns(store, key).iter_rows()) for store in (remote, local))
            assert all(map(identical, one, other)) and len(one) == len(other)
    for store in (remote, local):
        with pytest.raises(UntrustedData, match="Path"):
            read_columns(store, "class.pkl")
        with pytest.raises(KeyNotFound):
            read_columns(store, "nothing/here.pkl")
        with pytest.raises(KeyNotFound):
            read_columns(store, "kinds")
    remote.close()


def answer(server: Server, **question: Any) -> bytes:
    """Ask a server about rows, and return its answer as it is."""
    response = requests.post(server.url + protocol.TABLES, json=question, timeout=30)
    assert response.status_code == 200
    return response.content


def kinds(data: bytes) -> list[str]:
    """Return the kinds of the blocks of an answer."""
    return [block.head["kind"] for block in wire.Blocks().feed(data)]


def test_only_what_is_asked_for_travels(server: Server) -> None:
    """One column costs its own bytes; files that only the client can read, and columns longer than their file, none."""
    rows = rows_of(([{f"metric {n}": "float" for n in range(10)}], 20_000, 1))
    (server.data_dir / "m.pkl").write_bytes(file_of(rows))
    put(server.data_dir)

    one = answer(server, key="m.pkl", columns=["metric 3"])
    assert kinds(one) == ["file", "rows", "ended", "stop"]
    assert 160_000 <= len(one) < 161_000
    assert kinds(answer(server, key="plain.pkl", marks={})) == ["file", "rows", "settled", "ended", "stop"]
    for key in ("numpy.pkl", "bytearray.pkl", "names.pkl", "large.pkl"):
        whole = answer(server, key=key)
        assert kinds(whole)[::2] == ["file", "stop"] and "fetch" in kinds(whole)
        assert len(whole) < 1000


#: Files that begin with one record which is endless, as far as it says itself.
ENDLESS = {
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 2**40),
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**40),
    "old bytes": b"\x80\x02B" + struct.pack("<I", 2**31 - 1),
    "text": b"\x80\x02X" + struct.pack("<I", 2**31 - 1),
    "line": b"\x80\x02I",
    "behind damage": b"\x80\x04\xff\x80\x04\x95" + struct.pack("<Q", 2**27) + b"X" + struct.pack("<I", 2**26),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most memory is told in /proc, of Linux alone")
def test_an_endless_row_is_not_held(server: Server) -> None:
    """Of a file of 300 MB that claims to be one row, the server holds no more than a row may have, and leaves it."""
    (server.data_dir / "plain.pkl").write_bytes(file_of(ROWS))
    answer(server, key="plain.pkl")

    def peak() -> int:
        lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

    before = peak()
    for name, head in ENDLESS.items():
        with open(server.data_dir / "endless.pkl", "wb") as file:
            file.write(head)
            file.truncate(300 << 20)  # a hole, which is read as zeros
        assert kinds(answer(server, key="endless.pkl"))[-2:] == ["fetch", "stop"], name
    assert peak() - before < 160, f"{peak() - before} MiB"


def test_a_large_row_is_read_by_the_client(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is larger than the server decodes comes all the same; the client's own limit is told."""
    rows = [{"a": 1}, {"a": "x" * (33 << 20)}, {"a": 2}]
    (server.data_dir / "large.pkl").write_bytes(file_of(rows))
    remote, local = open_store(server.url, None, {}), open_store(str(server.data_dir), None, {})
    for store in (remote, local):
        assert read_columns(store, "large.pkl")["a"].to_list() == [row["a"] for row in rows]
    monkeypatch.setenv("ML_LOGGER_MAX_PICKLE", "32")
    for store in (remote, local):
        with pytest.raises(CorruptData, match=r"large\.pkl: more than 33,554,432 bytes.*ML_LOGGER_MAX_PICKLE"):
            read_columns(store, "large.pkl")
        with pytest.raises(CorruptData, match=r"large\.pkl: more than 33,554,432 bytes.*ML_LOGGER_MAX_PICKLE"):
            list(follow(store, "large.pkl", poll=1, timeout=0))
    remote.close()


def test_many_files_are_one_request(server: Server) -> None:
    """A glob is answered in one go, sorted by key, and from any key on."""
    for number in range(300):
        path = server.data_dir / f"run{number:03}" / "metrics.pkl"
        path.parent.mkdir()
        path.write_bytes(file_of(ROWS[:20]))
    (server.data_dir / "run007" / "other.pkl").write_bytes(file_of(ROWS))

    found = list(files_of(iter([answer(server, pattern="**/metrics.pkl", columns=["loss"])])))
    assert [key for key, _ in found] == [f"run{number:03}/metrics.pkl" for number in range(300)]
    rest = answer(server, pattern="**/metrics.pkl", after="run297/metrics.pkl")
    assert [key for key, _ in files_of(iter([rest]))] == ["run298/metrics.pkl", "run299/metrics.pkl"]


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (b"", "JSON object"),
        (b"[" * 100_000, "JSON object"),
        (b"[]", "JSON object"),
        (b'{"key": 1}', "texts"),
        (b'{"columns": "loss"}', "texts"),
        (b'{"columns": [1]}', "texts"),
        (b'{"after": null}', "texts"),
        (b'{"marks": []}', "object"),
        (b'{"marks": {"a": [1, 2]}}', "mark"),
        (b'{"marks": {"a": ["", true, 0, 0, ""]}}', "mark"),
        (b'{"key": "../a"}', "could leave"),
        (b'{"key": ""}', "empty"),
        (b'{"pattern": "[z-a]"}', "glob"),
        (b'{"pattern": "%b"}' % (b"?" * 10**6), "1,000,000 characters"),
        (b'{"pattern": "%b"}' % (b"a/" * 10**6), "2,000,000 characters"),
    ],
)
def test_questions_that_make_no_sense_are_refused(shared_server: Server, question: bytes, says: str) -> None:
    """A question is checked before it is answered, and told what is wrong with it."""
    headers = {"Content-Type": "application/json"}
    response = requests.post(shared_server.url + protocol.TABLES, data=question, headers=headers, timeout=30)
    if response.status_code == 200:  # the glob is looked at with the first step
        assert says in response.text
    else:
        assert response.status_code == 400
        assert says in response.json()["error"]


def test_a_question_is_short(shared_server: Server) -> None:
    """Sixteen megabytes of empty objects would be half a gigabyte of values: clients read the files then."""
    headers = {"Content-Type": "application/json"}
    question = b'{"key": "a", "columns": [%b[]]}' % (b"{}," * 2**20)
    response = requests.post(shared_server.url + protocol.TABLES, data=question, headers=headers, timeout=30)

    assert response.status_code == 413
    assert "2,097,152 bytes" in response.json()["error"]


def test_only_questions_of_ours_are_taken(server: Server) -> None:
    """What a page of another site can send is refused, as other methods are."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = requests.post(server.url + protocol.TABLES, data=b"{}", headers={"Content-Type": kind}, timeout=30)
        assert response.status_code == 415
    assert requests.get(server.url + protocol.TABLES, timeout=30).status_code == 405


def test_a_token_guards_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the token there are no columns, and the reader is told so."""
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", "secret")
    with serve(tmp_path / "data") as server:
        (server.data_dir / "m.pkl").write_bytes(file_of(ROWS))
        store = open_store(server.url, "secret", {})
        assert read_columns(store, "m.pkl", ["loss"]).rows == 500
        with pytest.raises(Refused):
            read_columns(open_store(server.url, "wrong", {}), "m.pkl")
        store.close()


def test_a_server_without_the_route_is_read_file_by_file(tmp_path: Path) -> None:
    """From a server of an earlier version the files come, and are decoded here."""
    before = "import sanic; from ml_logger.server import tables; tables.routes = sanic.Blueprint('none')"
    older = programs.server_after(before, tmp_path / "data")
    older.start()
    put(older.data_dir)
    remote, _ = told(older.url, ["a"])
    local, _ = told(str(older.data_dir), ["a"])
    older.stop()

    assert list(remote) == sorted(files())
    assert all(all(map(identical, remote[key][2], local[key][2])) for key in local)


def test_an_answer_may_take_any_number_of_turns(tmp_path: Path) -> None:
    """Where each file that is looked at takes a turn, also one that does not match, all tables come."""
    before = "from ml_logger.server import tables; tables.AT_LEAST_EVERY = -1.0; tables.READY = 1"
    slow = programs.server_after(before, tmp_path / "data")
    slow.start()
    put(slow.data_dir)
    for n in range(50):
        (slow.data_dir / f"{n}.other").write_bytes(b"")
    store = open_store(slow.url, None, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damage, which is told elsewhere
        found = [key for key, _ in read_tables(store, "**/*.???", ["a"])]
    store.close()
    slow.stop()

    assert found == sorted(files())


def test_a_server_that_comes_back_goes_on_behind_the_last_table(server: Server) -> None:
    """When it is killed between two tables and started again, each table comes once, and all of them."""
    data = file_of(rows_of(([{f"metric {n}": "float" for n in range(8)}], 30_000, 1)))
    for number in range(16):
        (server.data_dir / f"{number:02}.pkl").write_bytes(data)
    tables = read_tables(open_store(server.url, None, {}), "*.pkl")
    found = [next(tables)]
    server.kill()
    server.start()
    found += tables
    assert [(key, table.rows, len(table)) for key, table in found] == [(f"{n:02}.pkl", 30_000, 8) for n in range(16)]


def test_an_answer_that_breaks_off_is_asked_for_again(tmp_path: Path) -> None:
    """A file whose columns stop coming in the middle is asked for once more, before anybody is told."""
    before = """
        from ml_logger.server import tables
        real, broken = tables._answer, []
        def breaks(*args):
            for data in real(*args):
                yield data
                if not broken:
                    broken.append(True)
                    raise OSError(5, "on purpose")
        tables._answer = breaks
    """
    fragile = programs.server_after(before, tmp_path / "data")
    fragile.start()
    try:
        rows = rows_of(([{"loss": "float"}], 30_000, 1))
        (fragile.data_dir / "m.pkl").write_bytes(file_of(rows))
        store = open_store(fragile.url, None, {})
        assert identical(read_columns(store, "m.pkl")["loss"].to_list(), [row["loss"] for row in rows])
    finally:
        fragile.stop()


def test_a_server_that_is_gone_is_said(server: Server) -> None:
    """When it stays away, the reader gets ServerUnavailable and no table that is not whole."""
    data = file_of(rows_of(([{f"metric {n}": "float" for n in range(8)}], 30_000, 1)))
    for number in range(16):
        (server.data_dir / f"{number:02}.pkl").write_bytes(data)
    tables = read_tables(open_store(server.url, None, {}), "*.pkl")
    rows = [next(tables)[1].rows]
    server.kill()
    with pytest.raises(ServerUnavailable):
        for _, table in tables:
            rows.append(table.rows)
    assert len(rows) < 16 and set(rows) == {30_000}


def test_answers_that_are_none_are_refused() -> None:
    """Nonsense, an answer that stops, and one that tells nonsense of a file raise what a reader can catch."""
    good = wire.note(kind="file", key="a", size=1, start=0)
    for bad in (b"<html>" * 9, good + wire.note(kind="ended", damage=[[1]], others=0), good + wire.note(kind="x")):
        with pytest.raises(CorruptData):
            list(files_of(iter([bad])))
    for cut in (b"", good, good[:9], good + wire.note(kind="ended", damage=[], others=0)):
        with pytest.raises(ServerUnavailable):
            list(files_of(iter([cut])))
    with pytest.raises(LoggerError):
        list(files_of(iter([wire.note(kind="file", key="../a", size=1, start=0)])))


def descriptors(server: Server) -> int:
    """Count the files that a server holds open."""
    return len(os.listdir(f"/proc/{server.pid}/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc, which only Linux has")
def test_clients_that_hang_up_leave_nothing_open(server: Server) -> None:
    """Readers that go away in the middle of an answer leave no file open and nobody without a turn."""
    (server.data_dir / "m.pkl").write_bytes(file_of(rows_of(([{"a": "float", "b": "word"}], 200_000, 1))))
    answer(server, key="m.pkl", columns=["a"])
    before = descriptors(server)
    body = json.dumps({"key": "m.pkl"}).encode()
    head = (
        f"POST {protocol.TABLES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    for number in range(40):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(head + body)
            if number % 2:
                client.recv(1000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    programs.wait_until(lambda: descriptors(server) <= before)
    assert len(answer(server, key="m.pkl", columns=["a"])) > 1_600_000


def test_many_readers_at_once_get_their_tables(server: Server) -> None:
    """More readers than have a turn at one time: each gets its table, and the server takes batches meanwhile."""
    (server.data_dir / "m.pkl").write_bytes(file_of(rows_of(([{"a": "float", "b": "list"}], 5_000, 1))))
    found: list[int] = []

    def read() -> None:
        found.append(ColumnReader(open_store(server.url, None, {}), ["a"]).one("m.pkl").rows)

    threads = [threading.Thread(target=read) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(programs.PATIENCE)
    assert found == [5_000] * 40
