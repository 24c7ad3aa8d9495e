"""Limits: each has a setting, a default and an answer, and whoever is beyond one leaves the others alone."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import resource
import socket
import statistics
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
import requests
from PIL import Image

from ml_logger import ML_Logger
from ml_logger.columns import containers, instructions, opcodes
from ml_logger.encoders import arrays, images
from ml_logger.errors import CorruptData, Refused
from ml_logger.server.limits import DEFAULT, Limits
from ml_logger.server.turns import Turns
from ml_logger.settings import SETTINGS
from ml_logger.stores import open_store
from ml_logger.stores.folder import Folder
from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests import programs
from tests.test_server import refused
from tests.wire import WRITER, answering, append, ask, get, parsed, post, raw

DOCS = Path(__file__).resolve().parent.parent / "docs"
HEAD = f"POST {protocol.BATCHES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
HEAD += f"{protocol.WRITER}: {WRITER}\r\n"


@contextmanager
def limited(folder: Path, *options: str, **most: int | float) -> Iterator[Server]:
    """Run a server with other limits: `max_body=5`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in most.items():
            patch.setenv(f"ML_LOGGER_{name.upper()}", str(value))
        folder.mkdir(exist_ok=True)
        server = Server(folder / "limited", options=options)
        server.start()
    try:
        yield server
    finally:
        server.stop()


def opened(server: Server, data: bytes = b"") -> socket.socket:
    """Open a connection, and send a beginning."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(data)
    return connection


def half_body(token: str = "") -> bytes:
    """Return a request of which only a part of the body comes."""
    return (HEAD + (f"Authorization: {token}\r\n" if token else "") + "Content-Length: 5000\r\n\r\nMLF").encode()


@pytest.mark.parametrize("field", Limits._fields)
def test_every_limit_is_a_setting_in_the_table(field: str) -> None:
    """Each limit has a setting, and the docs name it with the default that it has."""
    name, value = f"ML_LOGGER_{field.upper()}", getattr(DEFAULT, field)
    table = (DOCS / "server.rst").read_text().split("\nLimits\n------")[1]
    told = re.search(rf"^``{name}`` +(\S+(?: (?:MiB|s))?)  ", table, re.M)

    assert name in SETTINGS
    assert told is not None
    assert told[1] == (
        f"{value // 2**20} MiB"
        if field in ("max_body", "max_series")
        else f"{value:g} s"
        if "time" in field
        else f"{value:,}"
    )


def test_the_limits_of_reading_are_those_in_the_table() -> None:
    """What the docs say about pickles, archives and pictures is what the code holds to."""
    table = (DOCS / "server.rst").read_text().split("**Reading**")[1]
    figures = [opcodes.BUDGET, containers.DEEPEST, instructions._LONGEST_NUMBER, images.MOST_PIXELS]
    figures += [2 * int(Image.MAX_IMAGE_PIXELS or 0), arrays._INFLATES_BY]

    for figure in figures:
        assert f"{figure:,}" in table, figure
    assert f"{arrays._INFLATES_TO >> 20} MiB" in table


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MAX_BODY", "1", "5 or more"),
        ("MAX_BODY", "-3", "makes no sense"),
        ("MAX_CONNECTIONS", "0", "makes no sense"),
        ("MAX_IN_FLIGHT", "many", "makes no sense"),
        ("MAX_ENTRIES", "1.5", "makes no sense"),
        ("MAX_BATCH_FILES", "-1", "makes no sense"),
        ("MAX_HEAD", "20000", "makes no sense"),
        ("HEAD_TIMEOUT", "-1", "makes no sense"),
    ],
)
def test_limits_that_make_no_sense_are_said(tmp_path: Path, name: str, value: str, says: str) -> None:
    """A server does not start with a limit under which nothing could work."""
    said = refused("--data-dir", tmp_path / "d", "--port", 0, **{f"ML_LOGGER_{name}": value})

    assert f"ML_LOGGER_{name}" in said
    assert says in said


def lines(count: int) -> list[str]:
    """Return headers that mean nothing."""
    return [f"X-{number}: y" for number in range(count)]


HEADS: dict[str, tuple[str, list[str], int]] = {
    "100 headers": (protocol.HEALTH, lines(98), 200),  # with Host and Connection
    "101 headers": (protocol.HEALTH, lines(99), 431),
    "1,000 headers": (protocol.HEALTH, lines(1000), 431),
    "a header of 9,000 bytes": (protocol.HEALTH, ["X: " + "y" * 9_000], 200),
    "a header of 16,384 bytes": (protocol.HEALTH, ["X: " + "y" * 16_384], 431),
    "a header of a million bytes": (protocol.HEALTH, ["X: " + "y" * 10**6], 431),
    "a token of 15,000 bytes": (protocol.HEALTH, ["Authorization: " + "y" * 15_000], 200),
    "an address of 8,192 bytes": (f"{protocol.HEALTH}?" + "x" * 8_181 + "", [], 200),
    "an address of 8,193 bytes": (f"{protocol.HEALTH}?" + "x" * 8_182 + "", [], 414),
    "an address of 20,000 bytes": (f"/{'x' * 20_000}", [], 414),
    "an address of a million bytes": (f"/{'x' * 10**6}", [], 414),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_have_a_length(shared_server: Server, name: str) -> None:
    """Up to its limits a head is read; beyond, it is 414 for the address and 431 for the headers."""
    target, fields, status = HEADS[name]
    answer = raw(shared_server, "GET", target, *fields)

    assert answer.status == status
    assert status == 200 or answer.body.startswith(b'{"error":')


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate", "gzip, identity", "x"])
def test_nothing_is_inflated(shared_server: Server, coding: str) -> None:
    """A body that would have to be unpacked is refused, and not stored as it is either."""
    bomb = zlib.compress(bytes(10**7))
    answer = post(shared_server, bomb, os.urandom(16).hex(), **{"Content-Encoding": coding})

    assert answer.status_code == 415
    assert post(shared_server, append(1), os.urandom(16).hex(), **{"Content-Encoding": "identity"}).status_code == 200


def test_a_frame_has_a_length(shared_server: Server) -> None:
    """A frame that says it is longer than the format allows is refused before it is looked for."""
    frame = bytearray(append(1))
    struct.pack_into("<I", frame, 8, frames.MAX_PAYLOAD + 1)

    assert post(shared_server, bytes(frame) + bytes(100), os.urandom(16).hex()).status_code == 400


def test_bodies_have_a_length(tmp_path: Path) -> None:
    """A body up to the setting is taken, one beyond it is 413, and a client sends smaller ones by itself."""
    with limited(tmp_path, max_body=5) as server:
        frame = frames.encode(1, Op.APPEND, b"a", bytes(4 * 2**20))
        assert post(server, frame).status_code == 200
        answer = post(server, frame + frames.encode(2, Op.APPEND, b"a", bytes(2**20)))
        assert (answer.status_code, answer.json()["error"]) == (413, "a body has at most 5,242,880 bytes")
        with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
            for number in range(4):
                logger.log_data(np.full(3 * 2**17, number), path=f"{number}.pkl")
            logger.flush()
            assert [logger.load_pkl(f"{n}.pkl")[0][0] for n in range(4)] == [0, 1, 2, 3]


def test_a_batch_of_many_files_is_taken_part_by_part(tmp_path: Path) -> None:
    """Of a batch that touches too many files the first part is taken, and the answer says how far; none is refused."""
    with limited(tmp_path, max_batch_files=10) as server:
        body = b"".join(append(seq, b"x", f"many/{(seq + 1) // 2}") for seq in range(1, 51))  # two frames for each file
        answers = [post(server, body).json() for _ in range(4)]
        assert [answer["committed"] for answer in answers] == [20, 20, 20, 20]
        rest = b"".join(append(seq, b"x", f"many/{(seq + 1) // 2}") for seq in range(21, 51))
        assert post(server, rest).json()["committed"] == 40
        assert post(server, rest).json()["committed"] == 40
        with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
            for number in range(95):
                logger.log_text(f"{number}", f"{number:03}.txt")
            assert [logger.load_text(path) for path in logger.glob("*.txt")] == [str(number) for number in range(95)]
            assert logger.health()[:4] == (0, 0, 0, 0)
        one_file = b"".join(append(seq, b"x", "one") for seq in range(1, 2001))
        assert post(server, one_file, "f" * 32).json()["committed"] == 2000


KEYS = sorted(
    [*(f"run/{n:02}/metrics.pkl" for n in range(20)), *(f"run/{n:02}.txt" for n in range(15)), "run.txt", "ü"]
)


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with 37 files that lists 10 at a time."""
    with limited(tmp_path_factory.mktemp("paged"), max_entries=10) as server:
        body = b"".join(append(seq, key.encode(), key) for seq, key in enumerate(KEYS, 1))
        assert post(server, body).json()["committed"] == len(KEYS)
        yield server


def page(server: Server, query: str) -> dict[str, Any]:
    """Get a page of a listing."""
    answer = get(server, f"{protocol.ENTRIES}?{query}")
    assert answer.status_code == 200
    found = answer.json()
    assert isinstance(found, dict)
    return found


def test_listings_come_in_pages(paged: Server) -> None:
    """Each page begins behind the one before it, none is larger than the limit, and the last one says so."""
    found, after, sizes = [], "", []
    while True:
        answer = page(paged, f"limit=1000&after={after}")
        sizes.append(len(answer["entries"]))
        found += [key for key, _, _ in answer["entries"]]
        if "next" not in answer:
            break
        after = answer["next"]
        assert after == found[-1]

    assert found == KEYS
    assert sizes == [10, 10, 10, 7]
    assert page(paged, "limit=37")["next"] == KEYS[9]
    assert [key for key, _, _ in page(paged, "limit=3&pattern=**/metrics.pkl&after=run/07")["entries"]] == [
        f"run/{n:02}/metrics.pkl" for n in (7, 8, 9)
    ]
    assert page(paged, "limit=5&after=zzz") == {
        "entries": [["ü", 2, page(paged, "limit=5&pattern=ü")["entries"][0][2]]]
    }
    assert page(paged, "limit=5&after=ü") == {"entries": []}


def test_a_list_can_begin_anywhere(paged: Server) -> None:
    """Behind any text, with any limit, a page holds just what the whole list holds there."""
    folder = Folder(paged.data_dir, follow_links=False)
    whole = folder.entries("**")
    assert [entry.key for entry in whole] == KEYS
    for after in (
        "",
        "run",
        "run.",
        "run/",
        "run0",
        "run/05",
        "run/05/",
        "run/05/metrics.pkl",
        "run/05.txt",
        "z",
        *KEYS,
    ):
        behind = [entry for entry in whole if entry.key > after]
        for limit in (1, 2, 7, 100, None):
            assert folder.entries("**", after, limit) == behind[:limit]


def test_a_page_does_not_walk_what_lies_before_it(tmp_path: Path) -> None:
    """Folders before the page are not read: seen by the time of the last access, which reading one changes."""
    folder = Folder(tmp_path, follow_links=False)
    for name in ("a", "b", "c"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_bytes(b"")
        os.utime(tmp_path / name / "inner", ns=(0, 0))
    assert [entry.key for entry in folder.entries("**", "b", 1)] == ["b/inner/file"]

    assert [(tmp_path / name / "inner").stat().st_atime_ns for name in ("a", "c")] == [0, 0]


def test_a_page_takes_its_time_and_no_more(tmp_path: Path) -> None:
    """Where looking takes long a page ends early, also an empty one; the pages together are the whole list."""
    server = programs.server_after("from ml_logger.server import files; files.LOOK = -1.0", tmp_path / "data")
    server.start()
    try:
        assert post(server, b"".join(append(n + 1, b"x", key) for n, key in enumerate(KEYS))).status_code == 200
        assert page(server, "limit=1000") == {"entries": [[KEYS[0], 1, ANY]], "next": KEYS[0]}
        assert page(server, "limit=1000&pattern=none/*") == {"entries": []}
        assert page(server, "limit=1000&pattern=**/none") == {"entries": [], "next": KEYS[0]}
        store = open_store(server.url, None, {})
        assert [entry.key for entry in store.entries()] == KEYS
        assert [entry.key for entry in store.entries("**/metrics.pkl")] == [k for k in KEYS if k.endswith("rics.pkl")]
        assert store.entries("**/none") == []
        assert get(server, protocol.ENTRIES).status_code == 413
    finally:
        server.stop()


def test_everybody_has_a_turn() -> None:
    """Who asks for much is served between the others, in turn; what is called off meanwhile is not begun."""
    done: list[str] = []

    async def main() -> None:
        turns = Turns(1)
        started, hold = threading.Event(), threading.Event()
        first = turns.take("greedy", lambda: (started.set(), hold.wait(30)))
        assert await asyncio.to_thread(started.wait, 30)
        asked = [turns.take("greedy", done.append, f"greedy {n}") for n in range(5)]
        asked += [turns.take(name, done.append, name) for name in ("modest", "quiet")]
        failing = turns.take("modest", int, "no number")
        asked[1].cancel()
        hold.set()
        await asyncio.wait_for(asyncio.wait([first, failing, *asked]), 30)
        assert isinstance(failing.exception(), ValueError)
        turns.close()

    asyncio.run(main())
    assert done == ["greedy 0", "modest", "quiet", "greedy 2", "greedy 3", "greedy 4"]


def test_the_client_asks_for_all_pages(paged: Server) -> None:
    """Who lists files through a logger or a store notices nothing of pages."""
    assert [entry.key for entry in open_store(paged.url, None, {}).entries()] == KEYS
    with ML_Logger(root=paged.url, prefix="run", silent=True) as reader:
        assert reader.glob("**/metrics.pkl") == [f"{n:02}/metrics.pkl" for n in range(20)]


def test_a_client_without_pages_is_told(paged: Server) -> None:
    """A request that knows nothing of pages gets all of a short list, and an error instead of a part of a long one."""
    answer = get(paged, protocol.ENTRIES)

    assert answer.status_code == 413
    assert "limit= and after=" in answer.json()["error"]
    assert set(page(paged, "pattern=run/0*.txt")) == {"entries"}
    assert len(page(paged, "pattern=run/0*.txt")["entries"]) == 10


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "", "1e3", "\u0665", "9" * 30])
def test_a_page_has_a_size(paged: Server, limit: str) -> None:
    """A limit that is no number is refused."""
    answer = raw(paged, "GET", f"{protocol.ENTRIES}?limit={requests.utils.quote(limit)}")

    assert answer.status == (413 if limit == "" else 400)  # an empty one is none


@pytest.mark.parametrize(
    "pages",
    [
        [{"entries": [["a", 1, 1.0]], "next": "a"}, {"entries": [["a", 1, 1.0]], "next": "a"}],
        [{"entries": [], "next": ""}],
        [{"entries": [["b", 1, 1.0]], "next": "b"}, {"entries": [["a", 1, 1.0]], "next": "a"}],
        [{"entries": [["a", 1, 1.0]], "next": ["x"]}, {"entries": [], "next": "W"}],
        [[]],
    ],
)
def test_a_server_that_leads_in_circles_is_not_followed(pages: list[Any]) -> None:
    """A listing whose pages do not go on is an error, and not an endless one."""
    left = iter(pages)

    class Liar(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(next(left)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with answering(Liar) as url, pytest.raises(CorruptData, match="no listing"):
        open_store(url, None, {}).entries()


def test_requests_under_way_are_counted(tmp_path: Path) -> None:
    """A client with too many requests under way is told to wait; another one is served, and so is it once they end."""
    with limited(tmp_path, max_in_flight=3) as server, ExitStack() as stack:
        held = [stack.enter_context(opened(server, half_body())) for _ in range(3)]
        programs.wait_until(lambda: post(server, append(1)).status_code == 429)
        answer = post(server, append(1))
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert "at most 3 requests under way" in answer.json()["error"]
        assert post(server, append(1), "e" * 32, Authorization="Bearer another").status_code == 200
        logger = ML_Logger(root=server.url, prefix="run", silent=True)
        logger.log(0, loss=1, flush=True)
        held.pop().close()
        logger.close(timeout=30)
        programs.wait_until(lambda: post(server, append(1)).status_code == 200)
        assert (server.data_dir / "run" / "metrics.pkl").exists()


def test_connections_that_ask_nothing_give_up_their_place(tmp_path: Path) -> None:
    """However many connections wait, have asked before, or have sent half a head, a new one is served."""
    with limited(tmp_path, max_connections=8) as server, ExitStack() as stack:
        for beginning in (b"", HEAD.encode(), b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n") * 10:
            stack.enter_context(opened(server, beginning))
            assert get(server, protocol.HEALTH).status_code == 200
        assert post(server, append(1)).status_code == 200
        assert descriptors(server) < 60
    assert server.log.read_text() == ""


def test_too_many_connections_are_told(tmp_path: Path) -> None:
    """Where every place is taken by a request under way, a new connection gets 503, and a place as soon as one ends."""
    with limited(tmp_path, max_connections=8) as server, ExitStack() as stack:
        held = [stack.enter_context(opened(server, half_body(f"Bearer {n}"))) for n in range(8)]

        def answered() -> int:
            return raw(server, "GET", protocol.HEALTH).status

        programs.wait_until(lambda: answered() == 503)
        answer = parsed(ask(server, b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.headers["content-disposition"] == "attachment"
        assert json.loads(answer.body) == {"error": "the server has too many open connections"}
        held.pop().close()
        programs.wait_until(lambda: answered() == 200)
    assert server.log.read_text() == ""


def test_connections_leave_room_for_files(tmp_path: Path) -> None:
    """A process that may open few files has fewer connections, and goes on to write and to read."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "from ml_logger.server.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    server = Server(tmp_path / "data", command=(sys.executable, "-c", code))
    server.start()
    try:
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(opened(server))
            body = b"".join(append(seq, b"x", f"file/{seq}") for seq in range(1, 101))
            assert post(server, body).status_code == 200
            assert get(server, f"{protocol.FILES}/file/77").content == b"x"
    finally:
        server.stop()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def descriptors(server: Server) -> int:
    """Return how many descriptors a server has open."""
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def memory(server: Server) -> int:
    """Return the memory that a server has now, in KiB."""
    return int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())[0])


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


HALF_OPEN = 500


def test_half_open_connections_do_not_keep_a_writer_out(tmp_path: Path) -> None:
    """With 500 half heads and bodies that dribble on, batches are taken at half the rate at least of a server without.

    Batches go to the two servers in turn, so that whatever else the machine does slows both.
    """
    with limited(tmp_path / "calm") as calm, limited(tmp_path / "attacked") as attacked, ExitStack() as stack:
        sessions = {server: stack.enter_context(requests.Session()) for server in (calm, attacked)}
        headers = {"Content-Type": protocol.CONTENT_TYPE, protocol.WRITER: WRITER}
        seconds: dict[Server, list[float]] = {calm: [], attacked: []}

        def send(server: Server, seq: int) -> None:
            body = append(seq, b"x" * 1000)
            answer = sessions[server].post(server.url + protocol.BATCHES, data=body, headers=headers, timeout=30)
            assert answer.json()["committed"] == seq

        for server in (calm, attacked):
            send(server, 1)
        before, open_before = memory(attacked), descriptors(attacked)
        half = (HEAD + "X-Header: ").encode(), half_body()
        attackers = [stack.enter_context(opened(attacked, half[n % 2])) for n in range(HALF_OPEN)]
        programs.wait_until(lambda: descriptors(attacked) >= open_before + HALF_OPEN)
        for seq in range(2, 202):
            for server in (calm, attacked):
                seconds[server].append(timed(lambda server=server, seq=seq: send(server, seq)))  # type: ignore[misc]
            if not seq % 20:
                dribble(attackers)
        assert descriptors(attacked) <= open_before + HALF_OPEN + 5
        assert memory(attacked) - before < 64 * 1024
        assert (attacked.data_dir / "run" / "a").stat().st_size == 201_000
        assert statistics.median(seconds[attacked]) < 2 * statistics.median(seconds[calm]) + 0.005
        for attacker in attackers:
            attacker.close()
        programs.wait_until(lambda: descriptors(attacked) <= open_before + 5)


def dribble(attackers: list[socket.socket]) -> None:
    """Send one byte more on each connection that is still there."""
    for attacker in attackers:
        try:
            attacker.sendall(b"x")
        except OSError:
            continue


def png(width: int, height: int) -> bytes:
    """Return a small picture that says it is a large one."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    struct.pack_into(">II", data, 16, width, height)
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (100_000, 100_000), (1, 178_956_971)])
def test_a_picture_has_a_size(width: int, height: int) -> None:
    """A picture that would fill the memory is refused by what its head says."""
    with pytest.raises(CorruptData):
        images.decode(png(width, height), "bomb.png")


def test_an_animation_has_a_size() -> None:
    """Frames are counted together."""
    frames_ = [Image.new("P", (12_000, 12_000), color) for color in range(8)]
    buffer = io.BytesIO()
    frames_[0].save(buffer, "GIF", save_all=True, append_images=frames_[1:])

    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(CorruptData, match="too much to hold"):
        images.decode(buffer.getvalue(), "bomb.gif")


def test_a_wrong_token_counts_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests with a wrong token, or none, take no places from those with the right one."""
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", "right")
    with limited(tmp_path, max_in_flight=2) as server, ExitStack() as stack:
        for token in ("Bearer wrong", "Bearer wrong", "", "", ""):
            stack.enter_context(opened(server, half_body(token)))
        assert post(server, append(1), Authorization="Bearer right").status_code == 200
        with pytest.raises(Refused):
            ML_Logger(root=server.url, silent=True, access_token="wrong").glob("*")
