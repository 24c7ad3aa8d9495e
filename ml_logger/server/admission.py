"""Who may ask: what a request must look like before anybody else looks at it, and what every answer carries.

Browsers are the attackers here. A page of anybody's can make the browser of somebody who can reach this server send
requests to it: under a name that it makes lead here (DNS rebinding), or straight from its own site.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import SanicException
from sanic.response import BaseHTTPResponse

from ml_logger.errors import InvalidSetting
from ml_logger.server.bodies import hang_up
from ml_logger.server.limits import DEFAULT, Limits
from ml_logger.transport import protocol

#: Methods that change nothing.
SAFE = ("GET", "HEAD", "OPTIONS")

#: What comes from anybody is shown by nobody's browser: every answer is a download of bytes, without rights.
DOWNLOAD = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
#: And so is every page that brings a policy of its own.
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}

_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(rb"/(?!/)[\x21-\x7e]*")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[\w.-]+)(?::[0-9]{1,5})?", re.ASCII)
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*", re.ASCII)
_ORIGIN = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::[0-9]{1,5})?", re.ASCII)

#: Headers that decide something: of two that differ, others might take the other one.
_ONCE = (
    "host",
    "origin",
    "sec-fetch-site",
    "authorization",
    "content-type",
    "content-encoding",
    protocol.WRITER,
)

#: What pages of other sites may do, where `--allow-origin` names the site.
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": f"Authorization, Content-Type, If-None-Match, Range, {protocol.WRITER}",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = f"Content-Range, ETag, Retry-After, {protocol.ERROR}, {protocol.MTIME}"


class Admission:
    """Looks at each request first, and at each answer last.

    Args:
        hosts: the names under which the server may be asked, see `names_of`; addresses always may.
        origins: the sites whose pages may ask, besides the server's own, see `origins_of`.
        limits: how much a head may hold.
    """

    def __init__(
        self, hosts: Iterable[str] = ("localhost",), origins: Iterable[str] = (), limits: Limits = DEFAULT
    ) -> None:
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)
        self._limits = limits

    def install(self, app: Sanic[Any, Any]) -> None:
        """Have an application ask us before anything else."""
        app.register_middleware(self.admit, "request")
        app.register_middleware(self.dress, "response")

    def admit(self, request: Request) -> HTTPResponse | None:
        """Let a request pass, or answer it.

        Raises:
            SanicException: it is turned away, with a status and one sentence.
        """
        if request.method == "NONE":
            return None  # Sanic's stand-in for a head that it could not read, on its way to `answer_error`
        self._check_head(request)
        self._check_host(request.headers.get("host"))
        return self._check_origin(request)

    def _check_head(self, request: Request) -> None:
        try:
            self._check_lines(request)
        except SanicException:
            hang_up(request)  # who reads it in another way has another mind about where the next request begins
            raise
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise _turned(415, "a body is sent as it is: Content-Encoding is not understood")
        length = request.headers.get("content-length", "0")
        if "transfer-encoding" in request.headers or not (length.isascii() and length.isdigit()):
            hang_up(request)  # nobody knows where the next request begins
            raise _turned(411, "a body needs a Content-Length")
        if "upgrade" in request.headers.get("connection", "").lower() and request.headers.get("upgrade"):
            raise _turned(400, "there is nothing to upgrade to: HTTP/1.1 is spoken here")

    def _check_lines(self, request: Request) -> None:
        first, *lines = request.head.split(b"\r\n")
        target = first.split(b" ")[1]
        if len(target) > self._limits.max_url:
            raise _turned(414, f"an address has at most {self._limits.max_url:,} bytes")
        if not _TARGET.fullmatch(target):
            raise _turned(400, "the address of a request begins with one '/', and is printable ASCII")
        if len(lines) > self._limits.max_headers:
            raise _turned(431, f"a request has at most {self._limits.max_headers:,} headers")
        if not all(map(_LINE.fullmatch, lines)):
            raise _turned(400, "a header is 'Name: value', without spaces in the name and control characters")
        if any(len(request.headers.getall(name, ())) > 1 for name in _ONCE):
            raise _turned(400, "a header that may come once came twice")

    def _check_host(self, host: str | None) -> None:
        if not host:
            raise _turned(400, "a request has a Host header")
        match = _HOST.fullmatch(host.strip())
        if match is None:
            raise _turned(400, "the Host header is no name or address of a host")
        name = match[1].lower().removesuffix(".")
        if name not in self._hosts and not _is_address(name.strip("[]")):
            raise _turned(403, "the server does not go by the name in the Host header: start it with --allow-host NAME")

    def _check_origin(self, request: Request) -> HTTPResponse | None:
        origin = request.headers.get("origin")
        if origin in self._origins:
            asked = request.method == "OPTIONS" and "access-control-request-method" in request.headers
            return HTTPResponse(status=204, headers=_PREFLIGHT) if asked else None
        if request.method in SAFE:
            return None
        site = request.headers.get("sec-fetch-site", "none")
        if (origin is not None and not is_own(origin, request)) or site not in ("none", "same-origin"):
            raise _turned(403, "a page of another site may change nothing here: start the server with --allow-origin")
        return None

    def dress(self, request: Request, response: BaseHTTPResponse) -> None:
        """Add to an answer what keeps browsers from doing anything with it."""
        headers = response.headers
        others = {} if "content-security-policy" in headers else DOWNLOAD
        for name, value in (*ALWAYS.items(), *others.items()):
            headers.setdefault(name, value)
        if self._origins:
            headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Origin")))
            origin = request.headers.get("origin")
            if origin in self._origins:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = _EXPOSED
                headers["Cross-Origin-Resource-Policy"] = "cross-origin"


def _turned(status: int, text: str) -> SanicException:
    return SanicException(text, status_code=status)


def _is_address(name: str) -> bool:
    # A page cannot make an address lead elsewhere: that takes a name.
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_own(origin: str, request: Request) -> bool:
    """Tell whether an origin is that of the server, under the name that the request calls it by."""
    # Without TLS a proxy before us may speak it; which it does is not known here.
    host = request.headers["host"].strip().lower()
    schemes = ("https",) if request.transport.get_extra_info("sslcontext") else ("http", "https")
    return origin.lower() in [f"{scheme}://{host}" for scheme in schemes]


def status_of_head(request: Request, status: int) -> int:
    """Return the status for a head that Sanic finds too long: 414 when it is the address, else 431."""
    if status != 413 or request.method != "NONE":
        return status
    stream: Any = request.stream
    return 431 if b"\r\n" in stream.recv_buffer[: stream.HEADER_MAX_SIZE] else 414


def names_of(listening: str, allowed: Iterable[str], *, beyond: bool) -> set[str]:
    """Return the names under which a server may be asked, in lower case.

    Args:
        listening: what it listens on, a name or an address.
        allowed: further names, of `--allow-host`.
        beyond: whether other machines can reach it: then it also goes by the names of this machine.

    Raises:
        InvalidSetting: something allowed is no name.
    """
    names = {"localhost"}
    for name in allowed:
        if not _NAME.fullmatch(name.removesuffix(".")):
            raise InvalidSetting(
                f"--allow-host {name!r} is no name of a host: pass it as logs.example.org, without http:// and a port"
            )
        names.add(name)
    if not _is_address(listening):
        names.add(listening)
    if beyond:
        names |= {socket.gethostname(), socket.getfqdn()}
    return {name.lower().removesuffix(".") for name in names}


def origins_of(allowed: Iterable[str]) -> set[str]:
    """Return the sites of `--allow-origin`, as browsers write them.

    Raises:
        InvalidSetting: something is no site: no scheme, a path, or `*`, which would be anybody.
    """
    for origin in allowed:
        if not _ORIGIN.fullmatch(origin):
            raise InvalidSetting(
                f"--allow-origin {origin!r} is no site: pass it as browsers write it, https://plots.example.org"
            )
    return {origin.lower() for origin in allowed}
