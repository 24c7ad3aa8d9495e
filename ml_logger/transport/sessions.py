"""Sessions of requests that keep to the bounds of `answers`, go nowhere else, and remember nothing of a server."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from ml_logger.errors import ServerUnavailable
from ml_logger.notices import amount
from ml_logger.transport.answers import Answer
from ml_logger.transport.wire import reason_of

#: What goes wrong on the way: `requests` lets some of the libraries below it through, of heads that make no sense.
FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)


class _Connection(HTTPConnection):
    response_class = Answer


class _SecureConnection(HTTPSConnection):
    response_class = Answer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kw: Any) -> None:
        """Make connections of ours."""
        super().init_poolmanager(*args, **kw)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kw: Any) -> Any:
        """Make connections of ours, also through a proxy."""
        manager = super().proxy_manager_for(proxy, **kw)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


class Session(requests.Session):
    """A session that follows no redirect, and takes no cookie."""

    def __init__(self) -> None:
        super().__init__()
        self.headers["User-Agent"] = "ml-logger"
        self.headers["Accept-Encoding"] = "identity"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None, also to those who follow none and only look: a token must not travel to another host."""
        return None


def _let_go(response: requests.Response) -> None:
    """Keep the connection for the next request where nothing of this answer is left on it."""
    answer = response.raw._original_response
    response.raw.release_conn() if answer is not None and answer.isclosed() else response.close()


def check_plain(response: requests.Response, url: str) -> None:
    """Make sure that a body is what it says, and not what it would be inflated to.

    Raises:
        ServerUnavailable: it is packed, which nobody has asked for.
    """
    packed = response.headers.get("Content-Encoding", "identity")
    if packed.strip().lower() not in ("identity", ""):
        response.close()
        raise ServerUnavailable(
            f"{url} sends an answer that is packed ({packed[:40]!r}), which this client never asks for"
        )


def pieces_of(response: requests.Response) -> Iterator[bytes]:
    """Yield the body of an answer as it comes, whatever its chunks claim to be, and let go of it."""
    # `requests` reads a chunk as a whole, and a body without chunks as one piece.
    answer = response.raw._original_response
    assert answer is not None
    try:
        while piece := answer.read1(1 << 16):
            yield piece
    finally:
        _let_go(response)


def body_of(response: requests.Response, limit: int, url: str) -> bytes:
    """Return the body of an answer, and let go of it.

    Raises:
        ServerUnavailable: it was cut, is packed, or has more than `limit` bytes.
    """
    check_plain(response, url)
    pieces, size = [], 0
    try:
        while piece := response.raw.read(1 << 16, decode_content=False):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise ServerUnavailable(f"{url} sends an answer of more than {amount(limit)}")
    except FAILURES as error:
        if isinstance(error, ServerUnavailable):
            raise
        raise ServerUnavailable(f"{url} stopped in the middle of an answer: {reason_of(error)}") from None
    finally:
        _let_go(response)
    return b"".join(pieces)
