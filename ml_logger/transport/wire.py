"""The connection that batches go through: one request at a time, kept open."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ml_logger.errors import ServerUnavailable
from ml_logger.notices import printable
from ml_logger.stores.base import Deadline

CONNECT_TIMEOUT = 3.05
#: A larger batch is sent in blocks of this size, each with the whole timeout: a slow line is no dead one.
BLOCK = 64 * 2**10
#: Seconds between two calls of `meanwhile` while an answer is waited for.
MEANWHILE_EVERY = 1.0
#: The answer to a batch is short: more of it than this is not read.
MAX_ANSWER = 2**22
#: What OpenSSL says of a certificate that nobody signed whom we know: 18 to 21 of x509_vfy.h.
_UNKNOWN = (18, 19, 20, 21)


class Reply(NamedTuple):
    """The answer to a batch: its status, and the fields of its JSON body (empty when it had none)."""

    status: int
    body: dict[str, Any]
    retry_after: float | None = None


class Wire:
    """One connection that batches go through, kept open.

    `http.client` and not requests: it takes a third of the processor time, and what the sender's thread takes, the
    training waits for at the interpreter's lock.

    Args:
        url: the address of the server.
        verify: for https, True, or the path of a CA bundle.
    """

    def __init__(self, url: str, verify: bool | str | None) -> None:
        import http.client

        from ml_logger.transport.answers import PromptAnswer

        self._url = url
        parts = urlsplit(url)
        assert parts.hostname is not None
        if parts.scheme == "https":
            import ssl

            import certifi

            place = verify if isinstance(verify, str) else certifi.where()
            is_folder = os.path.isdir(place)
            context = ssl.create_default_context(
                cafile=None if is_folder else place, capath=place if is_folder else None
            )
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, parts.port, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port)
        self._connection.response_class = PromptAnswer
        self._http_error = http.client.HTTPException

    def post(
        self, path: str, body: bytes, headers: dict[str, str], timeout: float, meanwhile: Callable[[], object]
    ) -> Reply:
        """Send one request and read its answer; every second that it takes, `meanwhile` is called.

        Raises:
            ServerUnavailable: there was no answer; the connection is begun anew for the next one.
        """
        reused = self._connection.sock is not None
        try:
            try:
                return self._post(path, body, headers, timeout, meanwhile)
            except (ConnectionError, self._http_error):
                if not reused:
                    raise
                # The server has closed what it kept open, or was restarted: a batch may be sent again at any time.
                self.close()
                return self._post(path, body, headers, timeout, meanwhile)
        except (OSError, self._http_error) as error:
            self.close()
            raise ServerUnavailable(f"{self._url} cannot be reached: {reason_of(error)}") from None

    def _post(
        self, path: str, body: bytes, headers: dict[str, str], timeout: float, meanwhile: Callable[[], object]
    ) -> Reply:
        connection = self._connection
        if connection.sock is None:
            connection.timeout = min(CONNECT_TIMEOUT, timeout)
            connection.connect()
        connection.sock.settimeout(timeout)
        if len(body) <= BLOCK:
            connection.request("POST", path, body, headers)
        else:
            connection.request("POST", path, _blocks(body), {**headers, "Content-Length": str(len(body))})
        _wait_for_answer(connection.sock, timeout, meanwhile)
        response = connection.getresponse()
        content = response.read(MAX_ANSWER)
        # Where it was cut, `read` says nothing; what is left would be taken for the next answer.
        if response.length or (not response.isclosed() and response.read(1)):
            raise self._http_error("its answer was cut, or is too long")
        return reply_of(response.status, content, response.headers.get("Retry-After"))

    def close(self) -> None:
        """Close the connection; a request opens it again."""
        self._connection.close()


def _blocks(body: bytes) -> Iterator[memoryview]:
    view = memoryview(body)
    for start in range(0, len(view), BLOCK):
        yield view[start : start + BLOCK]


def _wait_for_answer(connection: socket.socket, timeout: float, meanwhile: Callable[[], object]) -> None:
    deadline = Deadline(timeout)
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    pending = getattr(connection, "pending", int)  # what TLS has decrypted is not seen by poll(2)
    while not pending() and not poll.poll(1000 * min(MEANWHILE_EVERY, deadline.left() or 0.0)):
        if deadline.passed():
            raise TimeoutError("timed out")
        meanwhile()


def reply_of(status: int, content: bytes, after: str | None) -> Reply:
    """Make a reply of what came: a status, a body, and the header Retry-After."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    retry_after = float(after) if after and after.isascii() and after.isdigit() and len(after) < 10 else None
    return Reply(status, body if isinstance(body, dict) else {}, retry_after)


def number_of(told: object) -> int:
    """Return the number of a frame that a server tells. Raises ValueError: JSON has much that Python takes for one."""
    if type(told) is not int or not 0 <= told < 2**63:
        raise ValueError("no number of a frame")
    return told


def catalog_of(told: object) -> str:
    """Return the id of a catalog that a server tells, which is kept in a file. Raises ValueError."""
    if not isinstance(told, str) or not 0 < len(told) <= 100 or not told.isprintable():
        raise ValueError("no id of a catalog")
    return told


def reason_of(error: Exception) -> str:
    """Return what helps of an error of the network."""
    # The innermost cause is what helps: "Connection refused" and not three wrappers around it.
    cause: BaseException = error
    while True:
        inner = cause.__cause__ or cause.__context__ or getattr(cause, "reason", None)
        if not isinstance(inner, BaseException) or inner is cause:
            break
        cause = inner
    untrusted = getattr(cause, "verify_message", None)  # of ssl.SSLCertVerificationError
    if untrusted:
        hint = ": name what to trust in ML_LOGGER_CA_BUNDLE" if getattr(cause, "verify_code", 0) in _UNKNOWN else ""
        return f"its certificate is not trusted ({untrusted}){hint}"
    # The library quotes what came: a line that is no answer, say.
    return printable(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__)
