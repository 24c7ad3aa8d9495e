"""The client's side of HTTP: one method for each route, bytes in and bytes out. What was cut is read on: `fetches`."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from ml_logger import config, keys
from ml_logger.errors import CorruptData, InvalidRoot, InvalidSetting, KeyNotFound, ServerUnavailable
from ml_logger.notices import printable
from ml_logger.stores.base import Entry
from ml_logger.transport import protocol
from ml_logger.transport.access import MASKED, check_token, token_for, warn_of_plain_http
from ml_logger.transport.fetches import Fetch
from ml_logger.transport.wire import CONNECT_TIMEOUT, MAX_ANSWER, Reply, Wire, reason_of, reply_of

if TYPE_CHECKING:
    import requests


def check_url(url: str) -> str:
    """Return a server's address without a trailing slash.

    Raises:
        InvalidRoot: no http(s) address, no host, a port out of range, or a password in it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidRoot(f"{url!r} is no address of a server: {error}") from None
    if parts.scheme not in ("http", "https"):
        message = f"{url!r} has the scheme {parts.scheme!r}: write http:// or https:// and a host, or a folder"
        raise InvalidRoot(message)
    if not host:
        raise InvalidRoot(f"{url!r} names no host: write it as {parts.scheme}://host:8081")
    if parts.username or parts.password:
        raise InvalidRoot("an address must not hold a password, it would end up in logs: pass access_token=")
    if parts.query or parts.fragment:
        raise InvalidRoot(f"{url!r} has a query or a fragment: write it as {parts.scheme}://{parts.netloc}{parts.path}")
    return url.rstrip("/")


class HttpTransport:
    """Requests to one server. Each thread has its own connection; a fork starts with none.

    Args:
        url: the address of the server, `http(s)://host[:port][/path]`.
        token: sent as a bearer token when given.
        timeout: seconds that one request waits for its answer.
        ca_bundle: a file with the certificates to trust, instead of those that the environment names.
    """

    def __init__(self, url: str, token: str | None, timeout: float, ca_bundle: str | None = None) -> None:
        # Imported here, where a person configures: in the sender's thread the import would hold up the training.
        from ml_logger.transport import answers, sessions

        self._answers, self._sessions = answers, sessions
        self.url = check_url(url)
        self._path = urlsplit(self.url).path
        self.timeout = timeout
        #: What the server said when it did not take the token, as far as it was told: those who send share it.
        self.told: dict[str, object] = {}
        self._token = check_token(token)
        self._ca_bundle = ca_bundle
        self._local = threading.local()

    def __repr__(self) -> str:
        return f"HttpTransport({self.url!r})"

    def authorize(self, token: str | None) -> bool:
        """Come with another token from now on; tell whether it is another one."""
        before, self._token = self._token, check_token(token)
        return before != self._token

    def masked(self, text: str) -> str:
        """Return a text of the server without the token: one that echoes what it was sent must not get it shown."""
        # A short one is a word that any sentence may have: hidden, it would be told by what is missing.
        return text.replace(self._token, MASKED) if self._token and len(self._token) >= 8 else text

    def said(self, text: object) -> str:
        """Return what the server said as a person may be shown it: one short line, without the token."""
        return printable(self.masked(str(text)))

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _session(self) -> requests.Session:
        if getattr(self._local, "pid", None) != os.getpid():
            session = self._sessions.Session()
            # Looked up once and not at each request: proxies and CA bundles of the environment.
            settings = session.merge_environment_settings(self.url, {}, None, self._ca_bundle, None)
            session.proxies, session.verify = settings["proxies"], settings["verify"]
            session.trust_env = False
            self._local.__dict__.clear()
            self._local.session, self._local.pid = session, os.getpid()
        session = self._local.session
        assert isinstance(session, self._sessions.Session)
        return session

    def close(self) -> None:
        """Close the connections of the calling thread; the next request opens new ones."""
        if getattr(self._local, "pid", None) == os.getpid():
            self._local.session.close()
            if getattr(self._local, "wire", None) is not None:
                self._local.wire.close()
            self._local.__dict__.clear()

    def request(self, method: str, path: str, **kw: Any) -> requests.Response:
        """Ask, and return the answer with its body unread."""
        timeout = kw.pop("timeout", self.timeout)
        headers = {**kw.pop("headers", {}), **self._authorization()}
        try:
            # Redirects are not followed: a token must not travel to another host.
            return self._session().request(
                method,
                self.url + path,
                headers=headers,
                timeout=(min(CONNECT_TIMEOUT, timeout), timeout),
                allow_redirects=False,
                stream=True,
                **kw,
            )
        except self._sessions.FAILURES as error:
            raise ServerUnavailable(f"{self.url} cannot be reached: {self.masked(reason_of(error))}") from None

    def body(self, response: requests.Response, limit: int) -> bytes:
        """Return the body of an answer, of so many bytes at most."""
        return self._sessions.body_of(response, limit, self.url)

    def post_batch(
        self, writer: str, body: bytes, timeout: float | None = None, meanwhile: Callable[[], object] = int
    ) -> Reply:
        """Send one batch of frames; every second that the answer takes, `meanwhile` is called.

        Raises:
            ServerUnavailable: there was no answer.
        """
        headers = {"Content-Type": protocol.CONTENT_TYPE, protocol.WRITER: writer, **self._authorization()}
        wire = self._wire()
        if wire is None:
            response = self.request(
                "POST", protocol.BATCHES, data=body, headers=headers, timeout=timeout or self.timeout
            )
            content = self.body(response, MAX_ANSWER)
            return reply_of(response.status_code, content, response.headers.get("Retry-After"))
        return wire.post(self._path + protocol.BATCHES, body, headers, timeout or self.timeout, meanwhile)

    def _wire(self) -> Wire | None:
        """Return this thread's connection for batches; None behind a proxy, which requests knows how to use."""
        session = self._session()
        if not hasattr(self._local, "wire"):
            scheme = urlsplit(self.url).scheme
            proxied = scheme in session.proxies or "all" in session.proxies
            self._local.wire = None if proxied else Wire(self.url, session.verify)
        wire: Wire | None = self._local.wire
        return wire

    def stream(self, key: str, start: int, stop: int | None) -> Iterator[bytes]:
        """Yield the bytes `[start, stop)` of a file as they arrive, verified, and on after a cut; see `Fetch.open`.

        Raises:
            KeyNotFound: there is no such file; raised at once, not at the first piece.
            ServerUnavailable: the server cannot be reached.
        """
        if stop is not None and stop <= start:
            self.stat(key)
            return iter(())
        return Fetch(self, key, start, stop).open()

    def get_file(self, key: str, headers: dict[str, str]) -> requests.Response:
        """Ask for a file, and return the answer with its body unread: 200, 206, or a condition that does not hold.

        Raises:
            KeyNotFound: there is no such file.
        """
        response = self.request("GET", f"{protocol.FILES}/{quote(key)}", headers=headers)
        self._raise_for(response, (200, 206, 412, 416), key)
        self._sessions.check_plain(response, self.url)
        return response

    def tables(self, question: Mapping[str, Any]) -> Iterator[bytes] | None:
        """Return the answer to a question about rows as it arrives; None from a server that is older, or busy.

        Raises:
            KeyNotFound: there is no such file.
            ServerUnavailable: the server cannot be reached, or the connection ended early.
        """
        response = self.request("POST", protocol.TABLES, json=question)
        is_older = response.status_code in (404, 405) and protocol.ERROR not in response.headers
        if is_older or response.status_code in (413, 503):
            response.close()
            return None
        self._raise_for(response, (200,), str(question.get("key", question.get("pattern"))))
        self._sessions.check_plain(response, self.url)
        return self._all(response)

    def _all(self, response: requests.Response) -> Iterator[bytes]:
        """Yield what comes of an answer that tells itself where it ends."""
        try:
            yield from self._sessions.pieces_of(response)
        except self._sessions.FAILURES as error:
            raise ServerUnavailable(f"{self.url} stopped in the middle of an answer: {reason_of(error)}") from None
        finally:
            response.close()

    def stat(self, key: str) -> Entry:
        """Return what the server knows of one file.

        Raises:
            KeyNotFound: there is no such file.
        """
        response = self.request("HEAD", f"{protocol.FILES}/{quote(key)}")
        self._raise_for(response, (200,), key)
        headers = response.headers
        self.body(response, 0)
        try:
            return _entry(key, int(headers["Content-Length"]), float(headers[protocol.MTIME]))
        except (KeyError, ValueError) as error:
            raise CorruptData(f"{self.url} says of {key!r} what no file can be: {self.said(error)}") from None

    def entries(self, pattern: str) -> list[Entry]:
        """Return the files whose key matches a glob, sorted by key; asked for page by page."""
        found: list[Entry] = []
        after: str | None = ""
        matches = keys.pattern(pattern).fullmatch
        while after is not None:
            page, after = self._page(pattern, after, matches)
            found += page
        return found

    def _page(self, pattern: str, after: str, matches: Callable[[str], object]) -> tuple[list[Entry], str | None]:
        """Return the files of one page, and the key behind which the next one begins.

        Raises:
            CorruptData: it is no listing, or one with a name that no file of ours has, or that was not asked for.
        """
        params = {"pattern": pattern, "limit": str(protocol.PAGE), **({"after": after} if after else {})}
        response = self.request("GET", protocol.ENTRIES, params=params)
        self._raise_for(response, (200,), pattern)
        content, begin = self.body(response, self._answers.MAX_PAGE), after
        try:
            answer = json.loads(content)
            page = []
            for key, size, mtime in answer["entries"]:
                if type(key) is not str or keys.check(key) != key or not matches(key):
                    raise ValueError(f"{key!r} is no file that was asked for")
                if key <= after:
                    raise ValueError(f"{key!r} comes behind {after!r}")
                page.append(_entry(key, size, mtime))
                after = key
            more = answer.get("next")
            # The last file of a page need not match: it may be one at which the server stopped looking.
            if more is not None and not (type(more) is str and keys.check(more) == more >= after and more > begin):
                raise ValueError(f"the page behind {begin!r} leads to {more!r}")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CorruptData(f"{self.url} answered with something that is no listing: {self.said(error)}") from None
        return page, more

    def _raise_for(self, response: requests.Response, good: tuple[int, ...], key: str) -> None:
        if response.status_code in good:
            return
        message = self.said(self._message(response))
        if response.status_code == 404 and protocol.ERROR in response.headers:
            raise KeyNotFound(f"no file is stored under {key!r} on {self.url}")
        if response.status_code == 404:
            raise ServerUnavailable(
                f"{self.url} is no ml-logger server: is a prefix in the address? Pass it as prefix="
            )
        raise protocol.error_of(response.status_code, f"{self.url} answered {response.status_code}: {message}")

    def _message(self, response: requests.Response) -> str:
        try:
            return str(json.loads(self.body(response, self._answers.MAX_ERROR))["error"])
        except (ServerUnavailable, ValueError, KeyError, TypeError, RecursionError):
            return response.reason or "no reason given"


def _entry(key: str, size: Any, mtime: Any) -> Entry:
    if type(size) is not int or not 0 <= size < 2**63:
        raise ValueError(f"{size!r} is no number of bytes")
    if type(mtime) not in (int, float) or not abs(mtime) < 2**40:
        raise ValueError(f"{mtime!r} is no time")
    return Entry(key, size, float(mtime))


def transport_to(url: str, token: str | None) -> HttpTransport:
    """Return the way to a server, with the token that is given, and otherwise as the settings say.

    Raises:
        InvalidRoot: an address that names no server.
        InvalidSetting: a token that cannot be sent, or certificates that cannot be read.
    """
    found, bundle = token_for(url, token, quiet=False), config.get("ML_LOGGER_CA_BUNDLE")
    if bundle:
        _check_bundle(bundle)
    transport = HttpTransport(url, found, config.get("ML_LOGGER_REQUEST_TIMEOUT"), bundle)
    warn_of_plain_http(transport.url, found)
    return transport


def _check_bundle(path: str) -> None:
    import ssl

    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no certificate in PEM format"
        raise InvalidSetting(f"ML_LOGGER_CA_BUNDLE={path} cannot be used: {why}") from None
