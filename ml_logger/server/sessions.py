"""`/v1/session`: a page trades its token for a cookie that no script can read, and that counts as the token.

The cookie holds a random number and nothing of the token; only its hash is kept, in memory. It counts for requests of
the server's own pages alone, and as long as the token itself lets in.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import NamedTuple

from sanic import Blueprint, HTTPResponse, Request, json
from sanic.exceptions import SanicException

from ml_logger.server.admission import SAFE, is_own
from ml_logger.tokens import SCOPES, Token, digest_of
from ml_logger.transport import protocol

routes = Blueprint("sessions", strict_slashes=True)

#: Sessions that are kept, and those of one token: with one more, the oldest ends.
MOST, MOST_OF_ONE = 2000, 100
#: Seconds after which a session ends in any case.
LONGEST = 30 * 86400.0
#: Before the name of a cookie that only an encrypted page may set, for its own host: nobody else can plant one.
_HOST_ONLY = "__Host-"


class Session(NamedTuple):
    """What is known of a session: the digest of its token, and when it ends, in seconds since the epoch."""

    token: str
    ends: float


class Sessions:
    """The sessions of a server.

    Args:
        catalog: the id of its catalog; two servers of one host have cookies of their own.
    """

    def __init__(self, catalog: str) -> None:
        self._name = f"ml-logger-{catalog[:16]}"
        self._known: dict[str, Session] = {}  # by the digest of what the cookie holds, the oldest first

    def begin(self, token: Token) -> tuple[str, float]:
        """Begin a session; return what its cookie holds, and the seconds that it may last."""
        now = time.time()
        ends = min(now + LONGEST, token.expires or float("inf"))
        self._known = {each: session for each, session in self._known.items() if session.ends > now}
        own = [each for each, session in self._known.items() if session.token == token.digest]
        for each in own[: max(0, len(own) + 1 - MOST_OF_ONE)]:
            del self._known[each]
        while len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        secret = secrets.token_urlsafe(32)
        self._known[digest_of(secret)] = Session(token.digest, ends)
        return secret, ends - now

    def token_of(self, request: Request) -> str | None:
        """Return the digest of the token that the cookie of a request stands for, if it is one of our own pages."""
        if not _is_of_own_page(request):
            return None
        session = self._known.get(self._named_by(request))
        return session.token if session is not None and session.ends > time.time() else None

    def end(self, request: Request) -> None:
        """End the session that a request comes with, if any."""
        self._known.pop(self._named_by(request), None)

    def _named_by(self, request: Request) -> str:
        strict, plain = (set(_cookies(request, name)) for name in (f"{_HOST_ONLY}{self._name}", self._name))
        given = strict or (set() if _is_encrypted(request) else plain)
        return digest_of(given.pop()) if len(given) == 1 else ""  # of two, one was planted

    def cookie(self, request: Request, secret: str, seconds: float) -> str:
        """Return the `Set-Cookie` that begins a session, or with no seconds ends it."""
        origin = request.headers.get("origin", "")
        is_secure = _is_encrypted(request) or origin.startswith("https:")  # the latter behind a proxy that encrypts
        name, more = (f"{_HOST_ONLY}{self._name}", "; Secure") if is_secure else (self._name, "")
        return f"{name}={secret}; Path=/; Max-Age={int(seconds)}; HttpOnly; SameSite=Strict{more}"


def _cookies(request: Request, name: str) -> Iterator[str]:
    for header in request.headers.getall("cookie", []):
        for part in header.split(";"):
            found, _, value = part.strip().partition("=")
            if found == name and value:
                yield value


def _is_encrypted(request: Request) -> bool:
    return request.transport.get_extra_info("sslcontext") is not None


def _is_of_own_page(request: Request) -> bool:
    """Tell whether a request comes from a page of this server; one that changes something has to prove it."""
    origin = request.headers.get("origin")
    if origin is None:
        site = request.headers.get("sec-fetch-site", "none")
        return request.method in SAFE and site in ("none", "same-origin")
    return is_own(origin, request)


@routes.get(protocol.SESSION, ctx_open=True)
async def get_session(request: Request) -> HTTPResponse:
    """Tell whether a token is needed, and what the one that came, or the session, may do."""
    token, why = await request.app.ctx.tokens.of(request)
    return json(told(request, None if why else token))


@routes.post(protocol.SESSION, ctx_scope="read", ctx_keeps_prefix=True)
async def post_session(request: Request) -> HTTPResponse:
    """Begin a session of the token that came with the request; the one that there was before ends."""
    known, sessions, token = request.app.ctx.tokens, request.app.ctx.sessions, request.ctx.token
    if not known.required:
        return json(told(request, token))
    if "authorization" not in request.headers:
        raise SanicException("a session begins with a token: send it in the header Authorization", status_code=400)
    sessions.end(request)
    return json(told(request, token), headers={"Set-Cookie": sessions.cookie(request, *sessions.begin(token))})


@routes.delete(protocol.SESSION, ctx_open=True)
async def delete_session(request: Request) -> HTTPResponse:
    """End the session that the request comes with."""
    sessions = request.app.ctx.sessions
    if _is_of_own_page(request):
        sessions.end(request)
    return json(told(request, None), headers={"Set-Cookie": sessions.cookie(request, "", 0)})


def told(request: Request, token: Token | None) -> dict[str, object]:
    """Return what a page is told of its session; `token` is None where there is none."""
    required = request.app.ctx.tokens.required
    if token is None:
        return {"required": required, "name": None, "scopes": [], "prefix": ""}
    scopes = [scope for scope in SCOPES if token.may(scope)]
    return {"required": required, "name": token.name or None, "scopes": scopes, "prefix": token.prefix}
