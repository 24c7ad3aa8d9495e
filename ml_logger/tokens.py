"""The token file: who may come in, how far, until when. `ml-logger token` writes it, a server reads it; hashes only."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ml_logger import keys
from ml_logger.errors import InvalidKey, InvalidSetting, StorageFailed
from ml_logger.transport.private import held, sync_folder, write_private

#: From the least to the most: each may do what those before it may.
SCOPES = ("read", "write", "admin")
#: What our tokens begin with, so that those who look for secrets in texts find them.
MARK = "mll_"
#: Characters of the shortest token that is taken from a person instead of being made.
SHORTEST = 32
#: Hundredths of a second that a change waits for another one to end.
_TRIES = 1000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Token(NamedTuple):
    """What is known of one token.

    Fields:
        name: who has it; this is what logs tell, and what revokes it.
        digest: the SHA-256 of it, in hexadecimal.
        scope: one of `SCOPES`.
        prefix: the key that it reaches, with all below it; empty for all keys.
        created, expires: seconds since the epoch; one that never expires has None.
    """

    name: str
    digest: str
    scope: str
    prefix: str
    created: float
    expires: float | None

    def reaches(self, key: str) -> bool:
        """Tell whether a key is within the prefix."""
        return keys.within(key, self.prefix)

    def may(self, scope: str) -> bool:
        """Tell whether the scope is enough."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def has_expired(self, now: float) -> bool:
        """Tell whether its time is over."""
        return self.expires is not None and now >= self.expires


def path_in(data_dir: Path) -> Path:
    """Return where the token file of a data folder is."""
    return data_dir / keys.PRIVATE / "tokens.json"


def digest_of(secret: str) -> str:
    """Return what is kept of a token.

    One SHA-256, without salt and without a slow function: those make it dear to guess what people choose, and nobody
    guesses 256 random bits. It is computed for each request, so it has to be cheap.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def read(path: Path) -> list[Token]:
    """Return the tokens of a file, none where there is no file.

    A file that is no JSON holds one plain token, as secrets are mounted into containers: it may do everything.

    Raises:
        StorageFailed: it cannot be read.
        InvalidSetting: it cannot be understood; nothing of what it holds is in the message.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageFailed(f"the token file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidSetting(f"the token file {path} is no text") from None
    if not text.startswith("{"):
        if not text or len(text.split("\n")) > 1:
            raise InvalidSetting(f"the token file {path} holds neither one token nor what `ml-logger token` writes")
        return [plain(text, "token-file")]
    try:
        known = json.loads(text)
        if known["version"] != 1:
            raise ValueError
        return [_token(entry) for entry in known["tokens"]]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        message = f"the token file {path} is damaged: mend it, or move it away and add the tokens anew"
        raise InvalidSetting(message) from None


def plain(secret: str, name: str) -> Token:
    """Return a token that stands somewhere as it is, and may do everything."""
    return Token(name, digest_of(secret), "admin", "", 0.0, None)


def _token(entry: dict[str, Any]) -> Token:
    name, digest, scope, prefix = (entry[field] for field in ("name", "sha256", "scope", "prefix"))
    if not (_NAME.fullmatch(name) and _DIGEST.fullmatch(digest) and scope in SCOPES):
        raise ValueError
    expires = entry["expires"]
    # What cannot be a prefix reaches nothing: an empty one would reach everything.
    return Token(name, digest, scope, keys.prefix(prefix), float(entry["created"]), expires and float(expires))


def add(
    path: Path,
    name: str,
    *,
    scope: str = "write",
    prefix: str = "",
    days: float | None = None,
    secret: str | None = None,
) -> str:
    """Add a token to a file, which is made where there is none, and return the token: it is kept nowhere.

    Args:
        path: the token file.
        name: who is to have it.
        scope: one of `SCOPES`.
        prefix: the key that it is to reach, with all below it.
        days: how long it holds; for ever by default.
        secret: a token that is there already; by default one is made, of 256 random bits.

    Raises:
        InvalidSetting: a name that is taken or no name, no scope, no prefix, no time, or a token that is too short.
        StorageFailed: the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise InvalidSetting(f"{name!r} is no name for a token: use up to 64 letters, digits and any of . _ @ -")
    if scope not in SCOPES:
        raise InvalidSetting(f"{scope!r} is no scope: choose one of {', '.join(SCOPES)}")
    if days is not None and not 0 < days < 1e6:
        raise InvalidSetting(f"a token cannot expire after {days:g} days: pass a number above 0")
    if secret is not None and len(secret) < SHORTEST:
        raise InvalidSetting(f"a token of {len(secret)} characters can be guessed: pass {SHORTEST} random ones or more")
    try:
        below = keys.prefix(prefix)
    except InvalidKey as error:
        raise InvalidSetting(f"the prefix of a token is a key: {error}") from None
    secret, now = secret or MARK + secrets.token_urlsafe(32), time.time()
    made = Token(name, digest_of(secret), scope, below, now, None if days is None else now + 86400 * days)
    with _changing(path) as known:
        for token in known:
            if token.name == name:
                raise InvalidSetting(f"there is a token {name!r} already: revoke it first, or choose another name")
            if token.digest == made.digest:
                raise InvalidSetting(f"this token is there already, under the name {token.name!r}")
        known.append(made)
    return secret


def revoke(path: Path, name: str) -> None:
    """Take a token out of a file: who comes with it is refused from then on.

    Raises:
        InvalidSetting: there is none of that name.
        StorageFailed: the file cannot be written.
    """
    with _changing(path) as known:
        left = [token for token in known if token.name != name]
        if len(left) == len(known):
            raise InvalidSetting(f"there is no token {name!r} in {path}: ml-logger token list tells those there are")
        known[:] = left


@contextmanager
def _changing(path: Path) -> Iterator[list[Token]]:
    """Give what a file holds, and put in its place what has become of that; nobody else changes it meanwhile."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(path.parent, alone=True, tries=_TRIES) as is_held:
            if not is_held:
                raise StorageFailed(f"the token file {path} cannot be locked: somebody else is changing it")
            known = read(path)
            if known and not known[0].created:
                raise InvalidSetting(f"{path} holds one plain token: name another file for tokens with names")
            yield known
            _replace(path, known)
    except OSError as error:
        if isinstance(error, StorageFailed):
            raise
        raise StorageFailed(f"the token file {path} cannot be written: {error.strerror}") from None


def _replace(path: Path, known: list[Token]) -> None:
    entries = [
        {
            "name": token.name,
            "sha256": token.digest,
            "scope": token.scope,
            "prefix": token.prefix,
            "created": token.created,
            "expires": token.expires,
        }
        for token in known
    ]
    staged = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        write_private(staged, json.dumps({"version": 1, "tokens": entries}, indent=1).encode() + b"\n")
        with staged.open("rb") as file:
            _give_to_owner(file.fileno(), path)
            os.fsync(file.fileno())
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    sync_folder(path.parent)


def _give_to_owner(file: int, path: Path) -> None:
    # Written by root for a server that runs as somebody else: only its owner may read it, so that must be the server.
    if os.geteuid() == 0:
        owner = os.stat(path if path.exists() else path.parent)
        os.fchown(file, owner.st_uid, owner.st_gid)
