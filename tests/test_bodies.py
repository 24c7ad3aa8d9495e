"""Bodies of requests: many at once need bounded memory, slow ones hold up nobody, and odd ones are refused."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from pathlib import Path

import pytest

from ml_logger.server.bodies import Room
from ml_logger.server.limits import DEFAULT
from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests import programs
from tests.wire import WRITER, append, ask, get, post

HEAD = f"POST {protocol.BATCHES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
HEAD += f"{protocol.WRITER}: {WRITER}\r\n"


def test_many_large_batches_at_once_need_bounded_memory(server: Server) -> None:
    """A hundred clients that each send a batch of 6 MiB at once are all served, in far less memory than they send."""
    statuses: list[int] = []

    def send(number: int) -> None:
        body = b"".join(frames.encode(seq, Op.APPEND, b"run/%d" % number, bytes(3 * 2**20)) for seq in (1, 2))
        statuses.append(post(server, body, f"{number:032x}").status_code)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())

    assert statuses == [200] * 100
    assert int(peak) < 300 * 1024


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("", 411),
        ("Transfer-Encoding: chunked\r\n", 411),
        (f"Content-Length: {DEFAULT.max_body + 1}\r\n", 413),
        (f"Content-Length: 1{'0' * 30}\r\n", 413),
        ("Content-Length: \u0665\r\n", 411),
    ],
    ids=["none", "chunked", "large", "huge", "digits"],
)
def test_a_body_says_how_long_it_is(server: Server, fields: str, status: int) -> None:
    """A body without a length in ASCII digits, or with too large a one, is answered before it is read."""
    answer = ask(server, (HEAD + fields + "\r\n").encode())

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b'{"error":' in answer
    assert post(server, append(1)).status_code == 200


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server that waits for nobody longer than two seconds, and has room for one large body."""
    before = """
        from ml_logger.server import bodies
        bodies.SLOWEST, bodies.ROOM = 2**40, 2**20
    """
    for name in ("HEAD", "IDLE", "BODY"):
        monkeypatch.setenv(f"ML_LOGGER_{name}_TIMEOUT", "2")
    return programs.server_after(before, tmp_path / "data")


def test_slow_senders_are_hung_up_on(impatient: Server) -> None:
    """Heads and bodies that dribble in are cut by a total deadline, while others are served."""
    impatient.start()
    try:
        heads = [socket.create_connection(("127.0.0.1", impatient.port), timeout=30) for _ in range(20)]
        bodies = [socket.create_connection(("127.0.0.1", impatient.port), timeout=30) for _ in range(20)]
        for connection in bodies:
            connection.sendall((HEAD + "Content-Length: 1000000\r\n\r\n").encode())
        open_ones = {*heads, *bodies}
        seq = 0
        while open_ones:  # each gets one byte after each batch of somebody else's
            seq += 1
            assert post(impatient, append(seq), "f" * 32).status_code == 200
            for connection in list(open_ones):
                try:
                    connection.sendall(b"x")
                    connection.setblocking(False)
                    if not connection.recv(65536):
                        raise ConnectionError
                except BlockingIOError:
                    pass
                except OSError:
                    open_ones.remove(connection)
                finally:
                    connection.settimeout(30)
        for connection in (*heads, *bodies):
            connection.close()
        assert get(impatient, protocol.HEALTH).status_code == 200
    finally:
        impatient.stop()


def test_a_body_that_was_answered_unread_is_not_waited_for(impatient: Server) -> None:
    """Who is told that a request is wrong, and goes on to dribble its body in, is hung up on."""
    impatient.start()
    try:
        with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as connection:
            connection.sendall(
                (HEAD.replace(protocol.CONTENT_TYPE, "x/y") + "Content-Length: 1000000\r\n\r\n").encode()
            )
            assert connection.recv(65536).startswith(b"HTTP/1.1 415 ")
            connection.settimeout(0.05)
            for _ in range(600):
                try:
                    connection.sendall(b"x")
                    if not connection.recv(65536):
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            else:
                pytest.fail("the connection is still open after half a minute")
    finally:
        impatient.stop()


def test_a_body_that_stops_is_hung_up_on(tmp_path: Path) -> None:
    """A body that stops coming, well before its time is over, is given up: its rest is not read without any limit."""
    server = programs.server_after("from ml_logger.server import app; app.STALLED = 0.5", tmp_path / "data")
    server.start()
    try:
        answer = ask(server, (HEAD + "Content-Length: 8388608\r\n\r\n").encode() + bytes(200_000))
        assert answer.startswith(b"HTTP/1.1 503 ")
    finally:
        server.stop()


def test_a_slow_large_body_does_not_keep_the_room_for_ever(impatient: Server) -> None:
    """A large body that stops half way gives the room that it holds back, and the next one is taken."""
    impatient.start()
    try:
        with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as stalled:
            stalled.sendall((HEAD + "Content-Length: 1000000\r\n\r\n").encode() + bytes(500_000))
            body = frames.encode(1, Op.APPEND, b"run/a", bytes(900_000))
            assert post(impatient, body, "f" * 32).status_code == 200
            assert stalled.recv(65536).startswith(b"HTTP/1.1 408 ")
    finally:
        impatient.stop()


def test_room_is_given_in_the_order_of_coming() -> None:
    """Nobody is passed over: a small wish waits behind a large one, and one that is given up is forgotten."""

    async def scenario() -> list[str]:
        room, order, came = Room(10), list[str](), asyncio.Queue[str]()
        leave = asyncio.Event()

        async def use(name: str, size: int) -> None:
            async with room.taken(size):
                came.put_nowait(name)
                await leave.wait()

        tasks = [asyncio.ensure_future(use(name, size)) for name, size in (("a", 6), ("b", 8), ("c", 3), ("d", 40))]
        order.append(await came.get())
        assert came.empty()
        tasks[1].cancel()
        order.append(await came.get())
        assert came.empty()
        leave.set()
        order.append(await came.get())
        await asyncio.gather(*tasks, return_exceptions=True)
        assert room._free == 10
        return order

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) == ["a", "c", "d"]
