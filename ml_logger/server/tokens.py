"""Who may do what: each request is let in by its token, and handlers ask here what the token reaches."""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sanic import HTTPResponse, Request, json

from ml_logger import tokens
from ml_logger.errors import LoggerError, Refused, ServerUnavailable
from ml_logger.notices import notice
from ml_logger.tokens import Token

#: Seconds after which a request has the token file looked at again.
LOOK_EVERY = 0.1

_READING = ("GET", "HEAD", "OPTIONS")
#: What a request has where no token is needed.
_ANYBODY = Token("", "", "admin", "", 0.0, None)


class Tokens:
    """The tokens of a server: those of a file, which is read again when it has changed, and one that it was given.

    Once there is a file, tokens are needed until the server ends, whatever becomes of the file: revoking the last one
    must let nobody in.

    Args:
        path: the token file; it need not be there.
        secret: one more token, which may do everything.
        required: whether a token is needed, also where there is none.
    """

    def __init__(self, path: Path, secret: str | None, *, required: bool) -> None:
        self.path = path
        self.required = required or secret is not None
        self._own = [tokens.plain(secret, "environment")] if secret is not None else []
        self._known: list[Token] = []
        self._trouble = ""
        self._identity: object = "not looked at"
        self._look_at = 0.0

    def is_due(self) -> bool:
        """Tell whether the file should be looked at again; the next one who asks is told no."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_EVERY
        return True

    def look(self) -> None:
        """Take in what has changed in the file. It may block."""
        identity = _identity(self.path)
        if identity == self._identity:
            return
        try:
            found = tokens.read(self.path)
            self._trouble = ""
        except LoggerError as error:
            found, self._trouble = [], str(error)
            notice(f"{error}; until then nobody is let in")
        self._known = [*self._own, *found]
        self.required = self.required or identity is not None
        self._identity = identity

    def check(self) -> None:
        """Look at the file, and see that somebody could come in.

        Raises:
            LoggerError: the file cannot be read or understood.
        """
        tokens.read(self.path)
        self.look()

    def lets_in(self) -> bool:
        """Tell whether there is a token that has not expired."""
        return any(not token.has_expired(time.time()) for token in self._known)

    async def of(self, request: Request) -> tuple[Token | None, str]:
        """Return the token that a request comes with, itself or by the cookie of a session, and why it is refused.

        Raises:
            ServerUnavailable: the token file cannot be read.
        """
        if self.is_due():
            await request.app.ctx.service.soon(self.look)
        if not self.required:
            return _ANYBODY, ""
        if self._trouble:
            raise ServerUnavailable("the server cannot read its tokens; its log says why")
        given = request.headers.getall("authorization", [])
        if not given and (digest := request.app.ctx.sessions.token_of(request)) is not None:
            return self._find(digest)
        scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not secret:
            return None, "a token is needed: set access_token"
        return self._find(tokens.digest_of(secret.strip()))

    def _find(self, digest: str) -> tuple[Token | None, str]:
        token = None
        for known in self._known:  # to the end, in constant time: how long it takes tells nothing of any token
            if hmac.compare_digest(known.digest, digest):
                token = known
        if token is None:
            return None, "the token is not one of the server's"
        return token, "the token has expired" if token.has_expired(time.time()) else ""


def _identity(path: Path) -> object:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.errno
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def guard(known: Tokens) -> Callable[[Request], Awaitable[HTTPResponse | None]]:
    """Return what is asked before each request: whether its token lets it in, and has the scope of the route."""

    async def let_in(request: Request) -> HTTPResponse | None:
        if _of_route(request, "open"):  # `ctx_open=`: it tells nothing secret, and is for those without a token, too
            return None
        request.ctx.token, why = await known.of(request)
        if why:
            kind = 'Bearer error="invalid_token"' if "authorization" in request.headers else "Bearer"
            return json({"error": why}, 401, headers={"WWW-Authenticate": kind})
        allowed(request, scope_of(request))
        if request.ctx.token.prefix and not _of_route(request, "keeps_prefix"):
            raise Refused("the token is for some keys only, and this address is about all of them")
        return None

    return let_in


def scope_of(request: Request) -> str:
    """Return the scope that a request needs: that of its route (`ctx_scope=`), else by its method."""
    return str(_of_route(request, "scope") or ("read" if request.method in _READING else "write"))


def _of_route(request: Request, name: str) -> object:
    return getattr(request.route.ctx, name, None) if request.route is not None else None


def allowed(request: Request, scope: str, *touched: str) -> Token:
    """Check that the token of a request has a scope and reaches the keys that are touched; return the token.

    A pattern is no key: list with `folder.entries(pattern, token.prefix)`, or keep what `token.reaches`. A route that
    does either says so with `ctx_keeps_prefix=True`; no other one is open to tokens with a prefix.

    Raises:
        Refused: the token is for less, or for other keys.
    """
    token: Token = request.ctx.token
    if not token.may(scope):
        raise Refused(f"the token has the scope {token.scope}, and this needs {scope}")
    if not all(map(token.reaches, touched)):
        raise Refused("the token is for other keys: its prefix does not reach this one")
    return token
