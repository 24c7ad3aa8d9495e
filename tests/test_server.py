"""The server over the wire: what it answers, what it refuses, and how it starts and stops."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from ml_logger import ML_Logger, tokens
from ml_logger.errors import Refused
from ml_logger.readers import read_columns
from ml_logger.server.limits import DEFAULT
from ml_logger.stores import open_store
from ml_logger.testing import Server
from ml_logger.transport import frames, pieces, protocol
from ml_logger.transport.frames import Op
from tests import programs
from tests.wire import append, get, post

pytestmark = pytest.mark.usefixtures("patient")


def test_it_says_where_it_is(tmp_path: Path) -> None:
    """The first line on stdout names the address and the data folder, and nothing else is printed."""
    command = [sys.executable, "-m", "ml_logger.server", "--data-dir", str(tmp_path / "d"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=programs.PATIENCE)

    assert re.fullmatch(rf"ml-logger server and dashboard at http://127\.0\.0\.1:\d+, data in {tmp_path / 'd'}\n", line)
    assert (rest, errors, process.returncode) == ("", "", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly(filled: Server, number: int) -> None:
    """SIGTERM and Ctrl-C end the server with status 0, also while connections are open; what it took in is there."""
    with requests.Session() as session:
        session.get(filled.url + protocol.HEALTH, timeout=30)
        with socket.create_connection(("127.0.0.1", filled.port)) as stalled:
            stalled.sendall(b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
            status = filled.stop(number)

    assert status == 0
    assert (filled.data_dir / "run" / "a").read_bytes() == b"0123456789"
    assert not list((filled.data_dir / ".ml_logger").glob("*-wal"))


def test_it_works_without_uvloop(tmp_path: Path) -> None:
    """Where uvloop cannot be had, the server serves, is told of connections, and stops cleanly, all the same."""
    code = "import sys; sys.modules['uvloop'] = None; from ml_logger.server.__main__ import main; sys.exit(main())"
    server = Server(tmp_path / "data", command=(sys.executable, "-c", code))
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as stalled:
        stalled.sendall(b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        assert post(server, append(1)).status_code == 200
        status = server.stop()

    assert (status, server.log.read_text()) == (0, "")


def test_health_is_open(server: Server) -> None:
    """Anybody can ask whether the server is there."""
    assert get(server, protocol.HEALTH).json()["status"] == "ok"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"nonsense", "cut short"),
        (b"n" * 100, "no frame of this version"),
        (append(1)[:-1], "cut short"),
        (append(1)[:-1] + b"y", "checksum"),
        (append(1) + append(3), "follows frame 1"),
        (append(0), "numbered from 1"),
        (append(2**63), "numbered from 1"),
        (frames.encode(1, 99, b"a", b"x"), "cannot be understood"),
        (frames.encode(1, Op.APPEND, b"\xff", b"x"), "cannot be understood"),
    ],
    ids=["empty", "short", "magic", "cut", "flipped", "gap", "zero", "huge", "op", "key"],
)
def test_bad_batches_change_nothing(server: Server, body: bytes, says: str) -> None:
    """A batch that is damaged or makes no sense is refused whole, with a sentence that says why."""
    response = post(server, body)

    assert response.status_code == 400
    assert says in response.json()["error"]
    assert get(server, protocol.ENTRIES).json() == {"entries": []}
    assert post(server, append(1)).json()["committed"] == 1


@pytest.mark.parametrize("writer", ["", "x" * 32, "ab" * 15, "../" + "a" * 29, "AB" * 16])
def test_bad_writers_are_refused(server: Server, writer: str) -> None:
    """The id of a writer is 32 hexadecimal digits, and nothing that could be a path."""
    assert post(server, append(1), writer).status_code == 400


def test_browsers_content_types_are_refused(server: Server) -> None:
    """A batch comes with our content type, which a page of another site cannot send."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert post(server, append(1), **{"Content-Type": kind}).status_code == 415


def test_large_bodies_are_refused(server: Server) -> None:
    """A body beyond the limit is answered with 413."""
    response = post(server, b"x" * (DEFAULT.max_body + 1))

    assert response.status_code == 413


def test_a_refused_frame_does_not_stop_the_ones_behind_it(server: Server) -> None:
    """Frames that can never be applied use up their numbers, are reported each time, and the others are applied."""
    body = (
        append(1, b"one")
        + append(2, b"x", "../evil")
        + append(3, b"x", "run/a/b")
        + frames.encode(4, Op.MOVE, b"missing", b"b")
        + frames.encode(5, Op.MOVE, b"run/a", b"../b")
        + frames.encode(6, Op.COMMIT, b"c", frames.commit(7, 100))
        + frames.encode(7, Op.CHUNK, b"c", b"short")
        + frames.encode(8, Op.CHUNK, b"c", frames.piece(8, 5, b"late"))
        + append(9, b"two")
    )
    first, again = post(server, body).json(), post(server, body).json()

    assert first["committed"] == 9
    assert [refusal["seq"] for refusal in first["rejected"]] == [2, 3, 4, 5, 6, 7, 8]
    assert again == first
    assert (server.data_dir / "run" / "a").read_bytes() == b"onetwo"


def test_clients_that_go_away_do_no_harm(server: Server) -> None:
    """Requests whose client is gone before the answer leave the server serving the others."""
    for n in range(50):
        body = append(1, b"x", f"gone/{n}")
        head = (
            f"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
            f"{protocol.WRITER}: {n:032x}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(head.encode() + body)

    assert post(server, append(1)).json()["committed"] == 1


@pytest.mark.parametrize(
    ("given", "status", "content"),
    [
        (None, 200, b"0123456789"),
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=7-100", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=-100", 206, b"0123456789"),
        ("bytes=10-", 416, b""),
        ("bytes=5-2", 200, b"0123456789"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
        ("bytes=٣-٤".encode().decode("latin-1"), 200, b"0123456789"),
    ],
)
def test_ranges(filled: Server, given: str | None, status: int, content: bytes) -> None:
    """One range of bytes is served as RFC 9110 says; anything else gives the whole file."""
    response = get(filled, f"{protocol.FILES}/run/a", **({"Range": given} if given else {}))

    assert (response.status_code, response.content) == (status, content)
    assert response.headers["Accept-Ranges"] == "bytes"
    if status == 206:
        assert re.fullmatch(r"bytes \d+-\d+/10", response.headers["Content-Range"])
    if status == 416:
        assert response.headers["Content-Range"] == "bytes */10"


def test_unchanged_files_are_not_sent_again(filled: Server) -> None:
    """A reader that names the validator it has gets 304 until the file changes."""
    path = f"{protocol.FILES}/run/a"
    etag = get(filled, path).headers["ETag"]

    assert get(filled, path, **{"If-None-Match": etag}).status_code == 304
    post(filled, append(1) + append(2, b"more"))
    assert get(filled, path, **{"If-None-Match": etag}).status_code == 200


def test_conditions_of_a_file(filled: Server) -> None:
    """`If-Match` refuses another version, and `If-Range` sends all of it."""
    path = f"{protocol.FILES}/run/a"
    etag = get(filled, path).headers["ETag"]
    part = {"Range": "bytes=4-5"}

    for tags in (etag, "*", f'"other", {etag}'):
        assert get(filled, path, **part, **{"If-Match": tags}).content == b"45"
    assert get(filled, path, **part, **{"If-Range": etag}).content == b"45"
    assert get(filled, path, **part, **{"If-Match": '"other"'}).status_code == 412
    post(filled, append(1) + append(2, b"more"))
    assert get(filled, path, **part, **{"If-Match": etag}).status_code == 412
    answer = get(filled, path, **part, **{"If-Range": etag})
    assert (answer.status_code, answer.content) == (200, b"0123456789more")


@pytest.mark.parametrize(
    ("prefix", "status"),
    [
        ("0-4 {:08x}", 206),
        ("1-4 {:08x}", 206),
        ("4-4 00000000", 206),
        ("0-4 00000000", 412),
        ("0-99999999999 {:08x}", 412),
        ("0-4", 412),
        ("4-0 {:08x}", 412),
        ("0-٤ {:08x}", 412),
        ("0-4 {:08X}Z", 412),
    ],
)
def test_the_rest_of_a_file_that_grew(filled: Server, prefix: str, status: int) -> None:
    """A client that shows what it has gets the rest, where that is the beginning of what is there; else 412."""
    begin = int(prefix[0])
    had = prefix.format(zlib.crc32(b"0123"[begin:])).encode()
    headers = {"If-Match": b'"old"', "Range": b"bytes=4-6", protocol.PREFIX: had}
    answer = requests.get(f"{filled.url}{protocol.FILES}/run/a", headers=headers, timeout=30)

    assert answer.status_code == status
    assert answer.content == (b"456" if status == 206 else b"")


@pytest.mark.parametrize("size", [0, 1, pieces.FIRST, pieces.FIRST + 1, 5 * 2**20 + 3])
def test_a_file_in_pieces(server: Server, size: int) -> None:
    """A client that asks for pieces gets all bytes, each piece with the checksum of all so far; others get bytes."""
    data = os.urandom(size)
    server.data_dir.joinpath("a.bin").write_bytes(data)
    answer = get(server, f"{protocol.FILES}/a.bin", Accept=protocol.PIECES)
    body, got, crc = answer.content, b"", 0
    while body:
        length, crc = pieces.HEAD.unpack_from(body)
        got += body[8 : 8 + length]
        body = body[8 + length :]
        assert 0 < length <= 2**20
        assert crc == zlib.crc32(got)

    assert got == data == get(server, f"{protocol.FILES}/a.bin").content
    assert answer.headers["Content-Type"] == protocol.PIECES
    assert answer.headers[protocol.RANGE] == f"0-{size}"
    assert int(answer.headers["Content-Length"]) == len(answer.content) == pieces.wire_length(size)


def test_files_are_no_pages(filled: Server) -> None:
    """Whatever was logged is a download: no browser runs it as a page of ours."""
    post(filled, append(1) + append(2, b"<script>alert(1)</script>", "x.html"))
    headers = get(filled, f"{protocol.FILES}/x.html").headers

    assert headers["Content-Disposition"] == "attachment"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "path",
    [
        "..%2fsecret",
        "%2e%2e/secret",
        "a%00",
        "a//b",
        "%ff%fe",
        "a%5cb",
        ".ml_logger/lock",
        "x" * 300,
        "%2e%2e%2f%2e%2e%2fsecret",
    ],
)
def test_paths_that_lead_out_are_refused(filled: Server, path: str) -> None:
    """A path that could lead out of the data folder is refused, and nothing of it is echoed as a page."""
    (filled.data_dir.parent / "secret").write_text("TOP SECRET")
    with socket.create_connection(("127.0.0.1", filled.port)) as client:  # a client library would normalize the path
        client.sendall(f"GET {protocol.FILES}/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert re.match(rb"HTTP/1.1 (400|404) ", answer)
    assert b"TOP SECRET" not in answer


def test_links_are_not_followed(filled: Server) -> None:
    """A symbolic link planted in the data folder is neither read nor written through, nor is a hard link written."""
    outside = filled.data_dir.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("before")
    (filled.data_dir / "link").symlink_to(outside)
    (filled.data_dir / "run" / "soft").symlink_to(outside / "file")
    os.link(outside / "file", filled.data_dir / "run" / "hard")

    for path in ("link/file", "run/soft"):
        assert get(filled, f"{protocol.FILES}/{path}").status_code == 404
    keys = ("link/file", "link/new", "run/soft", "run/hard")
    answer = post(filled, append(1) + b"".join(append(n, b"evil", key) for n, key in enumerate(keys, 2))).json()
    assert len(answer["rejected"]) == 4
    assert (outside / "file").read_text() == "before"
    assert os.listdir(outside) == ["file"]
    assert [key for key, _, _ in get(filled, protocol.ENTRIES).json()["entries"]] == ["run/a", "run/hard"]


def test_pipes_do_not_hang_the_server(filled: Server) -> None:
    """A pipe or a device in the data folder is refused and not waited for."""
    os.mkfifo(filled.data_dir / "pipe")

    assert get(filled, f"{protocol.FILES}/pipe").status_code == 404
    assert post(filled, append(1) + append(2, b"x", "pipe")).json()["rejected"]


def test_unknown_addresses_are_answered_in_json(server: Server) -> None:
    """An address that is not ours is answered with a fixed sentence, in which nothing of the request is repeated."""
    response = get(server, "/<script>alert(1)</script>")

    assert response.status_code == 404
    assert response.json() == {"error": "there is no such address"}
    assert requests.delete(server.url + protocol.ENTRIES, timeout=30).status_code == 405


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with a token."""
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", "secret-token")
    server = Server(tmp_path / "guarded")
    server.start()
    monkeypatch.delenv("ML_LOGGER_ACCESS_TOKEN")
    yield server
    server.stop()


def test_a_token_is_asked_for(guarded: Server, capfd: pytest.CaptureFixture[str]) -> None:
    """Without the token everything but health is refused; with it all works; a refusal keeps the spool."""
    assert get(guarded, protocol.HEALTH).status_code == 200
    for path in (protocol.ENTRIES, f"{protocol.FILES}/a", protocol.BATCHES):
        assert get(guarded, path).status_code == 401
        assert get(guarded, path, Authorization="Bearer wrong").status_code == 401
    assert post(guarded, append(1)).status_code == 401

    logger = ML_Logger(root=guarded.url, prefix="run", silent=True)
    logger.log(0, value=1, flush=True)
    with pytest.raises(Refused, match="a token is needed"):
        logger.load_pkl("metrics.pkl")
    logger.close(timeout=1)
    assert "1 record" in capfd.readouterr().err
    with ML_Logger(root=guarded.url, prefix="run", access_token="secret-token") as reader:
        reader.close()  # waits for what the first one left
        assert [row["value"] for row in reader.load_pkl("metrics.pkl") or []] == [1]


def refused(*flags: object, **env: str) -> str:
    """Start a server that cannot start, and return what it says."""
    command = [sys.executable, "-m", "ml_logger.server", *map(str, flags)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=programs.PATIENCE, check=False, env={**os.environ, **env}
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_a_second_server_is_refused(server: Server, tmp_path: Path) -> None:
    """A data folder has one server; the second is told the process that has it."""
    said = refused("--data-dir", server.data_dir, "--port", 0)

    assert f"already served by process {server.pid}" in said


def test_what_it_cannot_have_is_said(server: Server, tmp_path: Path) -> None:
    """A port in use, a folder that is a file or cannot be made: each in a sentence."""
    (tmp_path / "file").write_text("x")

    assert f"port {server.port} cannot be listened on" in refused("--data-dir", tmp_path / "d", "--port", server.port)
    assert "is a file" in refused("--data-dir", tmp_path / "file", "--port", 0)
    assert "cannot be made" in refused("--data-dir", tmp_path / "file" / "below", "--port", 0)
    assert "cannot be made" in refused("--data-dir", "/proc/nowhere", "--port", 0)
    assert "cannot be listened on" in refused(
        "--data-dir", tmp_path / "d", "--port", 0, "--host", "127.0.0.1.invalid", ML_LOGGER_ACCESS_TOKEN="x"
    )
    assert "is no port" in refused("--data-dir", tmp_path / "d", "--port", 70000)
    assert "--workers 0" in refused("--data-dir", tmp_path / "d", "--port", 0, "--workers", 0)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A data folder of somebody else is refused before anything is promised."""
    if os.getuid() != 0:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o500)
        assert "cannot be made" in refused("--data-dir", folder, "--port", 0)
        return
    code = """
        import os, sys
        from ml_logger.server.__main__ import main, parser
        parser().parse_args([])  # loads what another user may not be able to read
        os.makedirs(sys.argv[1]); os.chmod(sys.argv[1], 0o755)
        os.setgid(65534); os.setuid(65534)
        sys.exit(main(["--data-dir", sys.argv[1], "--port", "0"]))
    """
    done = programs.run(code, tmp_path / "closed", check=False)

    assert done.returncode == 1
    assert "cannot be" in done.stderr


def test_nothing_blocks_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a guard that makes every blocking call on the loop an error, a server does all it can do without one."""
    secret = tokens.add(tokens.path_in(tmp_path / "data"), "me")  # so that tokens are looked up, and lines noted
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", secret)
    known = {"Authorization": f"Bearer {secret}"}
    guard = """
        from blockbuster import BlockBuster
        from ml_logger.server import life
        greet = life.write
        def guarded(*args):  # from the moment it serves: before that, Sanic looks the machine over
            greet(*args)
            BlockBuster().activate()
        life.write = guarded
    """
    server = programs.server_after(guard, tmp_path / "data")
    server.start()
    try:
        with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
            for n in range(100):
                logger.log(n, value=n)
            logger.log_text("x" * 10_000_000, "big.txt", overwrite=True)
            logger.duplicate("big.txt", "copy.txt")
            logger.move("copy.txt", "moved/copy.txt")
            logger.remove("moved")
            assert len(logger.load_pkl("metrics.pkl") or []) == 100
            assert len(logger.load_text("big.txt")) == 10_000_000
            assert logger.glob("**") == ["big.txt", "metrics.pkl"]
        assert read_columns(open_store(server.url, secret, {}), "run/metrics.pkl", ["value"]).rows == 100
        paths = (protocol.HEALTH, f"{protocol.FILES}/none", "/nowhere")
        assert [get(server, path, **known).status_code for path in paths] == [200, 404, 404]
        assert get(server, protocol.ENTRIES).status_code == 401
        head = requests.head(f"{server.url}{protocol.FILES}/run/big.txt", headers=known, timeout=30)
        assert head.status_code == 200
    finally:
        status = server.stop()

    assert status == 0
    assert server.log.read_text() == ""
    assert (server.data_dir / ".ml_logger" / "audit.log").read_text().count("POST /v1/batches") >= 4


def test_the_guard_of_the_event_loop_can_fail(tmp_path: Path) -> None:
    """The guard of the test before catches a handler that does its file work on the loop."""
    code = """
        import asyncio, os
        from blockbuster import BlockBuster, BlockingError
        async def handler():
            try:
                os.write(os.open(os.devnull, os.O_WRONLY), b"x")
            except BlockingError:
                print("caught")
        guard = BlockBuster()
        guard.activate()
        asyncio.run(handler())
    """
    assert "caught" in programs.run(code).stdout


def test_a_damaged_catalog_is_set_aside(filled: Server) -> None:
    """A server whose catalog is damaged starts, says so, and serves the files as they are."""
    filled.stop()
    catalog = filled.data_dir / ".ml_logger" / "catalog.db"
    catalog.write_bytes(b"this is no database" * 100)
    filled.start()

    assert get(filled, f"{protocol.FILES}/run/a").content == b"0123456789"
    assert post(filled, append(1, b"more", "run/a"), "f" * 32).status_code == 200
    assert (filled.data_dir / "run" / "a").read_bytes() == b"0123456789more"
    assert "damaged" in filled.log.read_text()


def test_foreign_bytes_are_kept(filled: Server) -> None:
    """What somebody else appends to a file, or replaces it with, stays, and the server goes on behind it."""
    path = filled.data_dir / "run" / "a"
    with path.open("ab") as file:
        file.write(b"FOREIGN")
    post(filled, append(1) + append(2, b"two"))
    assert path.read_bytes() == b"0123456789FOREIGNtwo"
    path.unlink()
    post(filled, append(2) + append(3, b"three"))
    assert path.read_bytes() == b"three"
    path.write_bytes(b"new")
    post(filled, append(3) + append(4, b"four"))
    assert path.read_bytes() == b"newfour"


def test_what_was_never_committed_is_set_aside(filled: Server) -> None:
    """Bytes that a killed server had written and not committed are moved to quarantine, and what follows is whole."""
    post(filled, append(1) + append(2, b"two"))
    filled.kill()
    with (filled.data_dir / "run" / "a").open("ab") as file:
        file.write(b"half a rec")
    filled.start()
    post(filled, append(3, b"three"))

    assert (filled.data_dir / "run" / "a").read_bytes() == b"0123456789twothree"
    (aside,) = (filled.data_dir / ".ml_logger" / "quarantine").iterdir()
    assert aside.read_bytes() == b"half a rec"


def test_listings_are_json(filled: Server) -> None:
    """A listing gives key, size and time of every file that matches."""
    body = get(filled, f"{protocol.ENTRIES}?pattern=**/a").content

    ((key, size, mtime),) = json.loads(body)["entries"]
    assert (key, size) == ("run/a", 10)
    assert mtime > 1.7e9


def test_readers_that_go_away_leave_nothing_open(filled: Server) -> None:
    """However many clients hang up in the middle of a read, no descriptor of the file stays open."""
    for _ in range(300):
        with socket.create_connection(("127.0.0.1", filled.port), timeout=30) as connection:
            connection.sendall(f"GET {protocol.FILES}/run/a HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    post(filled, append(1) + append(2, b"x", "run/b"))
    programs.wait_until(lambda: sum(path.endswith("run/a") for path in programs.open_files(filled.pid)) <= 1)


def test_a_body_that_nobody_asked_for_is_not_kept(server: Server) -> None:
    """A request that has no body, and comes with a large one, does not fill the memory of the server."""
    before = memory(server)
    for path in (protocol.HEALTH, protocol.ENTRIES):
        for _ in range(3):
            requests.get(server.url + path, data=bytes(15 * 2**20), timeout=30)

    assert memory(server) - before < 12 * 1024


def memory(server: Server) -> int:
    """Return the most memory that a server has had, in KiB."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())[0])


ODD_ROWS = (
    "UPDATE files SET length = -1, dirty = 1",
    "UPDATE files SET length = 'long'",
    "UPDATE writers SET last_seq = 'last'",
    "UPDATE files SET key = CAST(x'fffe' AS TEXT), dirty = 1",
    "INSERT INTO intents(action, key, source) VALUES ('remove', '../outside', '')",
    "INSERT INTO intents(action, key, source) VALUES ('move', 'inside', '../outside')",
    "INSERT INTO intents(action, key, source) VALUES ('publish', 'inside', '/etc/hostname')",
    "INSERT INTO intents(action, key, source) VALUES ('burn', 'inside', '')",
)


@pytest.mark.parametrize("query", ODD_ROWS)
def test_a_catalog_with_rows_of_nobody_is_set_aside(filled: Server, query: str) -> None:
    """A catalog that is a good database, but holds what we never write, is damaged: nothing is done because of it."""
    filled.stop()
    outside = filled.data_dir.parent / "outside"
    outside.write_text("here")
    with closing(sqlite3.connect(filled.data_dir / ".ml_logger" / "catalog.db")) as db:
        db.execute(query)
        db.commit()
    filled.start()

    assert outside.read_text() == "here"
    assert get(filled, "/v1/files/run/a").content == b"0123456789"
    assert "damaged" in filled.log.read_text()
    assert not (filled.data_dir / "inside").exists()
