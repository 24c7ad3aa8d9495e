"""The proxy does to requests what it counts."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator

import pytest

from ml_logger.testing import Server
from ml_logger.testing.faults.proxy import Proxy, Trouble
from ml_logger.transport import protocol
from tests.wire import WRITER, append

#: Troubles that a client waits out: nobody hangs up on it.
SILENT = (Trouble.MUTE, Trouble.HEADERS_ONLY)
BATCH = b"".join(append(number, b"%d;" % number) for number in range(1, 5))


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy before a server."""
    with Proxy(server.port) as opened:
        yield opened


def send(proxy: Proxy, body: bytes = BATCH) -> int:
    """Send a batch, and return the status; 0 when the connection broke."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=1 if proxy.plan(body) in SILENT else 20)
    headers = {"Content-Type": protocol.CONTENT_TYPE, protocol.WRITER: WRITER}
    try:
        connection.request("POST", protocol.BATCHES, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def stored(server: Server) -> bytes:
    """Return what the server has stored."""
    path = server.data_dir / "run" / "a"
    return path.read_bytes() if path.exists() else b""


@pytest.mark.parametrize(
    ("trouble", "status", "reached"),
    [
        (Trouble.NONE, 200, True),
        (Trouble.CUT_HEADER, 0, False),
        (Trouble.CUT_BODY, 0, False),
        (Trouble.CUT_REPLY, 0, True),
        (Trouble.SWALLOW, 0, True),
        (Trouble.DELAY, 200, True),
        (Trouble.TWICE, 200, True),
        (Trouble.SWAP, 409, True),
        (Trouble.TRUNCATE, 400, False),
        (Trouble.FLIP, 400, False),
        (Trouble.MUTE, 0, False),
        (Trouble.HEADERS_ONLY, 0, False),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Trouble) else None,
)
def test_each_trouble_happens(proxy: Proxy, server: Server, trouble: Trouble, status: int, reached: bool) -> None:
    """The client sees the trouble, the server stores something or nothing, and the trouble is counted."""
    proxy.plan = lambda body: trouble
    assert send(proxy) == status
    assert proxy.counts == {trouble: 1}
    assert bool(stored(server)) == reached
    proxy.plan = lambda body: Trouble.NONE

    assert send(proxy) == 200
    assert stored(server) == b"1;2;3;4;"


def test_old_requests_come_late(proxy: Proxy, server: Server) -> None:
    """What was sent before is sent again behind newer batches, and the server answers it."""
    assert send(proxy) == 200
    assert send(proxy, append(5, b"5;")) == 200
    proxy.plan = lambda body: Trouble.LATE
    assert send(proxy, append(6, b"6;")) == 200

    assert proxy.statuses == {200: 5}
    assert stored(server) == b"1;2;3;4;5;6;"


@pytest.mark.parametrize("trouble", [Trouble.LATE, Trouble.SWAP])
def test_a_trouble_that_cannot_happen_is_not_counted(proxy: Proxy, trouble: Trouble) -> None:
    """With nothing to repeat, and one frame that has no halves, the batch passes and is counted as that."""
    proxy.plan = lambda body: trouble
    assert send(proxy, append(1)) == 200

    assert proxy.counts == {Trouble.NONE: 1}


def test_what_carries_no_batch_passes(proxy: Proxy, server: Server) -> None:
    """Reading through the proxy works while batches are cut."""
    assert send(proxy) == 200
    plans: list[Callable[[bytes], Trouble]] = [lambda body: Trouble.CUT_BODY]
    proxy.plan = plans[0]
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    for method, length in (("HEAD", 0), ("GET", 8)):
        connection.request(method, f"{protocol.FILES}/run/a")
        assert len(connection.getresponse().read()) == length
    connection.close()
