"""A TCP proxy between clients and a server, that does to batches what networks do."""

from __future__ import annotations

import enum
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType

from ml_logger.testing.faults.messages import Closed, Message, read_message
from ml_logger.transport import frames, protocol

#: Seconds that a connection may be silent before it is given up: nothing here waits for ever.
PATIENCE = 60.0
#: How many requests are kept for sending them again late.
KEPT = 4


class Trouble(enum.Enum):
    """What can happen to one request that carries a batch."""

    NONE = "passed"
    CUT_HEADER = "reset in the header"
    CUT_BODY = "reset in the body"
    CUT_BEFORE_REPLY = "reset after the body"
    CUT_REPLY = "reset in the reply"
    SWALLOW = "reply swallowed"
    DELAY = "delayed"
    TWICE = "sent twice at once"
    LATE = "sent again late"
    SWAP = "halves swapped"
    TRUNCATE = "truncated"
    FLIP = "bit flipped"
    MUTE = "never answered"
    HEADERS_ONLY = "answered with headers alone"


#: Decides what happens to a batch, by its body.
Plan = Callable[[bytes], Trouble]


class Proxy:
    """Passes connections on to a server, except for what its plan says.

    Requests that carry no batch pass as they are. What was done is counted in `counts`, by `Trouble`, and how the
    server answered in `statuses`; both only grow.

    Args:
        port: the server's port on this machine.
        plan: what happens to each batch; `plan` may be replaced at any time.
        rate: bytes per second in either direction of each connection; 0 does not hold anything up.
        delay: seconds of `Trouble.DELAY`.
    """

    def __init__(
        self, port: int, plan: Plan = lambda body: Trouble.NONE, *, rate: float = 0.0, delay: float = 0.05
    ) -> None:
        self.plan = plan
        self.rate = rate
        self.delay = delay
        self.counts: Counter[Trouble] = Counter()
        self.statuses: Counter[int] = Counter()
        self._target = ("127.0.0.1", port)
        self._kept: deque[Message] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Reset every connection and stop listening."""
        self._stopped.set()
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for one in sockets:
            reset(one)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="proxy-connection", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        connection = _Connection(self, self._opened(client))
        try:
            while not self._stopped.is_set():
                connection.pass_one()
        except (OSError, Closed):
            pass  # either side went away: so does the other
        finally:
            connection.reset()

    def _opened(self, one: socket.socket) -> socket.socket:
        one.settimeout(PATIENCE)
        with self._lock:
            self._sockets.add(one)
        return one

    def _reset(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(one)
        reset(one)

    def _decide(self, request: Message) -> Trouble:
        if not request.start.startswith(f"POST {protocol.BATCHES} ".encode()):
            return Trouble.NONE
        with self._lock:
            trouble = self.plan(request.body)
            if trouble is Trouble.SWAP and _middle(request.body) is None:
                trouble = Trouble.NONE  # a batch of one frame has no halves
            if trouble is Trouble.LATE and not self._kept:
                trouble = Trouble.NONE
            self.counts[trouble] += 1
            return trouble

    def _connect(self) -> socket.socket:
        return self._opened(socket.create_connection(self._target, timeout=PATIENCE))

    def _exchange(self, request: Message) -> Message:
        """Send a request over a connection of its own, and return the answer."""
        server = self._connect()
        try:
            server.sendall(request.encoded())
            return self._noted(request, read_message(server))
        finally:
            self._reset(server)

    def _noted(self, request: Message, reply: Message) -> Message:
        with self._lock:
            if request.start.startswith(b"POST "):
                self.statuses[reply.status] += 1
                self._kept.append(request)
        return reply


class _Connection:
    """One client's connection, and the one to the server that goes with it."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None

    def reset(self) -> None:
        """Reset both."""
        for one in (self._client, self._server):
            if one is not None:
                self._proxy._reset(one)

    def pass_one(self) -> None:
        """Pass one request on, and its answer back.

        Raises:
            Closed: either side went away, or is to be reset.
        """
        request = read_message(self._client, self._proxy.rate)
        trouble = self._proxy._decide(request)
        if trouble in (Trouble.CUT_HEADER, Trouble.CUT_BODY):
            self._send_part(request, trouble)
            raise Closed
        if trouble is Trouble.DELAY:
            self._proxy._stopped.wait(self._proxy.delay)
        elif trouble is Trouble.TWICE:
            self._proxy._exchange(request)
        elif trouble is Trouble.LATE:
            with self._proxy._lock:
                kept = list(self._proxy._kept)
            for old in kept:
                self._proxy._exchange(old)
        self._answer(request, trouble)

    def _send_part(self, request: Message, trouble: Trouble) -> None:
        whole = request.encoded()
        head = len(whole) - len(request.body)
        size = head // 2 if trouble is Trouble.CUT_HEADER else head + len(request.body) // 2
        self._to_server().sendall(whole[:size])

    def _answer(self, request: Message, trouble: Trouble) -> None:
        if trouble is Trouble.MUTE:
            self._wait_for_the_end()
        if trouble is Trouble.HEADERS_ONLY:
            self._client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n")
            self._wait_for_the_end()
        if trouble is Trouble.CUT_BEFORE_REPLY:
            self._to_server().sendall(request.encoded())
            raise Closed
        reply = self._reply(request, trouble)
        if trouble is Trouble.SWALLOW:
            raise Closed
        whole = reply.encoded()
        if trouble is Trouble.CUT_REPLY:
            self._client.sendall(whole[: len(whole) - max(1, len(reply.body) // 2)])
            raise Closed
        _send_slowly(self._client, whole, self._proxy.rate)

    def _reply(self, request: Message, trouble: Trouble) -> Message:
        if trouble is Trouble.FLIP:
            request = request.with_body(_flipped(request.body))
        elif trouble is Trouble.TRUNCATE:
            request = request.with_body(request.body[:-7])  # within the last frame
        elif trouble is Trouble.SWAP:
            middle = _middle(request.body)
            second = self._proxy._exchange(request.with_body(request.body[middle:]))  # a gap: the first is not there
            first = self._proxy._exchange(request.with_body(request.body[:middle]))
            return second if second.status == 409 else first
        self._to_server().sendall(request.encoded())
        reply = read_message(self._to_server(), bodyless=request.start.startswith(b"HEAD "))
        return self._proxy._noted(request, reply)

    def _to_server(self) -> socket.socket:
        if self._server is None:
            self._server = self._proxy._connect()
        return self._server

    def _wait_for_the_end(self) -> None:
        while self._client.recv(1024):
            pass
        raise Closed


def reset(one: socket.socket) -> None:
    """Close a connection as a crash does: the other side gets a reset, and not an end."""
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RD)  # wakes up a thread of ours that reads from it
    except OSError:
        pass
    one.close()


def _send_slowly(one: socket.socket, data: bytes, rate: float) -> None:
    if not rate:
        one.sendall(data)
        return
    step = max(1, int(rate / 10))
    for start in range(0, len(data), step):
        one.sendall(data[start : start + step])
        threading.Event().wait(0.1)


def _middle(body: bytes) -> int | None:
    """Return where the second half of a batch's frames begins; None when it has only one."""
    starts = [span.start for span in frames.spans(body)]
    return starts[len(starts) // 2] if len(starts) > 1 else None


def _flipped(body: bytes) -> bytes:
    """Flip one bit, at a place that depends on the body alone."""
    place = sum(body[:64]) * 31 % len(body)
    return body[:place] + bytes([body[place] ^ (1 << place % 8)]) + body[place + 1 :]
