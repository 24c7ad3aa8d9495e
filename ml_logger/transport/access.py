"""How a client gets in: which token it comes with, where it finds that, and who may see it on the way."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from ml_logger import config
from ml_logger.errors import InvalidSetting
from ml_logger.notices import notice

#: What stands in the place of a token in a text.
MASKED = "[redacted]"


class Secret(str):
    """A text that is not shown by mistake: debuggers, and tracebacks with variables, show its `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASKED}'"


def token_for(url: str, given: str | None, *, quiet: bool = True) -> Secret | None:
    """Return the token for a server: the one that is given, else that of the settings, else that of `~/.netrc`.

    In `~/.netrc` it is the password of the machine that has the name of the server's host; `default` is not meant, as
    that would send a password to any server. What is wrong with that file is said, unless this is to be quiet.
    """
    found = given or config.get("ML_LOGGER_ACCESS_TOKEN") or _of_netrc(urlsplit(url).hostname, quiet)
    return Secret(found) if found else None


def check_token(token: str | None) -> Secret | None:
    """Return a token without the blanks around it, None for none.

    Raises:
        InvalidSetting: no header could carry it. (Libraries would say so, and show it.)
    """
    if token is None or not token.strip():
        return None
    stripped = token.strip()
    at = next((n for n, char in enumerate(stripped) if not " " <= char <= "~"), None)
    if at is not None:
        raise InvalidSetting(f"the access token has a character that no header can carry, at position {at}")
    return Secret(stripped)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name or number alone: nobody is asked."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def warn_of_plain_http(url: str, token: str | None) -> None:
    """Say that a token travels where others can read it, if it does."""
    parts = urlsplit(url)
    if token and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        notice(
            f"{url} is plain HTTP: whoever is on the way can read the token and all that is logged; start the server "
            "with --tls-cert and --tls-key, and write https://"
        )


def _of_netrc(host: str | None, quiet: bool) -> str | None:
    path = os.path.expanduser(config.get("NETRC") or "~/.netrc")
    if not host or not os.path.exists(path):
        return None
    import netrc

    say = (lambda text: None) if quiet else notice
    try:
        found = netrc.netrc(path).hosts.get(host)
        is_open = bool(os.stat(path).st_mode & 0o077)
    except netrc.NetrcParseError as error:  # its text may hold a piece of a password
        say(f"{path} cannot be understood at line {error.lineno}: no token is taken from it")
        return None
    except (OSError, UnicodeError) as error:
        say(f"{path} cannot be read ({type(error).__name__}): no token is taken from it")
        return None
    if found is None or not found[2]:
        return None
    if is_open:  # used all the same, as curl and requests do: a training must not end for it
        say(f"{path} holds the token for {host}, and others on this machine may read it: chmod 600 {path}")
    return found[2]
