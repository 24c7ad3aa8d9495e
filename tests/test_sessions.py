"""Sessions of browsers: a cookie counts as the token it was traded for, for pages of the server, and no longer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from ml_logger import tokens
from ml_logger.server import sessions
from ml_logger.server.sessions import Sessions
from ml_logger.testing import Server
from ml_logger.tokens import Token
from ml_logger.transport import protocol
from tests import programs
from tests.test_tokens import bearer
from tests.wire import append, get, post

NOBODY = {"required": True, "name": None, "scopes": [], "prefix": ""}


@pytest.fixture
def add(server: Server) -> Callable[..., str]:
    """Adds a token to the server, and returns it once the server knows it."""

    def added(name: str, **more: object) -> str:
        secret = tokens.add(tokens.path_in(server.data_dir), name, **more)  # type: ignore[arg-type]
        programs.wait_until(lambda: get(server, protocol.SESSION, **bearer(secret)).json()["name"] == name)
        return secret

    return added


def begin(server: Server, secret: str, **headers: str) -> requests.Response:
    """Trade a token for a cookie, as the page does."""
    known = {"Origin": server.url, **bearer(secret), **headers}
    return requests.post(server.url + protocol.SESSION, headers=known, timeout=30)


def cookie(answer: requests.Response) -> dict[str, str]:
    """Return the header by which a browser sends back the cookie that it got."""
    return {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}


def test_without_tokens_there_is_nothing_to_begin(server: Server) -> None:
    """A server that needs no token says so, and that all is allowed; it sets no cookie."""
    told = get(server, protocol.SESSION)
    begun = requests.post(server.url + protocol.SESSION, timeout=30)

    assert told.json() == {"required": False, "name": None, "scopes": ["read", "write", "admin"], "prefix": ""}
    assert begun.json() == told.json()
    assert "Set-Cookie" not in begun.headers


def test_a_cookie_counts_as_its_token(server: Server, add: Callable[..., str]) -> None:
    """What the token may, the session may: its scope, its prefix, and its name are those of the token."""
    secret = add("ann", scope="write", prefix="team")
    begun = begin(server, secret)
    session = cookie(begun)
    own = {**session, "Origin": server.url}

    assert begun.json() == {"required": True, "name": "ann", "scopes": ["read", "write"], "prefix": "team"}
    assert get(server, protocol.SESSION, **session).json() == begun.json()
    assert post(server, append(1, b"x", "team/a"), **own).status_code == 200
    assert get(server, f"{protocol.FILES}/team/a", **session).content == b"x"
    assert post(server, append(2, b"x", "others/a"), **own).status_code == 403
    assert get(server, f"{protocol.FILES}/others/a", **session).status_code == 403


def test_a_reader_cannot_write_with_a_cookie(server: Server, add: Callable[..., str]) -> None:
    """A session of a token for reading is one for reading."""
    session = cookie(begin(server, add("eve", scope="read")))

    assert get(server, protocol.ENTRIES, **session).status_code == 200
    assert post(server, append(1), **session, Origin=server.url).status_code == 403


def test_the_cookie_is_for_no_script_and_no_other_site(server: Server, add: Callable[..., str]) -> None:
    """The cookie is HttpOnly and SameSite=Strict, names the server, and holds nothing of the token."""
    secret = add("ann", days=1)
    begun = begin(server, secret)
    name, value = cookie(begun)["Cookie"].split("=", 1)
    parts = begun.headers["Set-Cookie"].split("; ")[1:]

    assert {"Path=/", "HttpOnly", "SameSite=Strict"} <= {*parts} and "Secure" not in parts
    assert 86000 < int(re.findall(r"Max-Age=(\d+)", begun.headers["Set-Cookie"])[0]) <= 86400
    assert get(server, protocol.HEALTH).json()["catalog"].startswith(name.removeprefix("ml-logger-"))
    assert len(value) >= 40
    assert secret not in value and tokens.digest_of(secret) not in value
    assert get(server, protocol.ENTRIES, **bearer(value)).status_code == 401


def test_an_encrypted_page_has_a_cookie_that_only_it_can_set(server: Server, add: Callable[..., str]) -> None:
    """Behind a proxy that speaks TLS the cookie is Secure, and one that was planted beside it does not count."""
    secret = add("ann")
    begun = begin(server, secret, Origin=server.url.replace("http://", "https://"))
    session = cookie(begun)["Cookie"]
    planted = f"{session.removeprefix('__Host-').split('=')[0]}=planted"

    assert session.startswith("__Host-ml-logger-")
    assert begun.headers["Set-Cookie"].endswith("; Secure")
    assert get(server, protocol.ENTRIES, Cookie=f"{planted}; {session}").status_code == 200
    assert get(server, protocol.ENTRIES, Cookie=planted).status_code == 401


def test_a_cookie_ends(server: Server, add: Callable[..., str]) -> None:
    """Ended by its page, it counts no more, and the browser is told to forget it; others go on."""
    secret = add("ann")
    first, second = cookie(begin(server, secret)), cookie(begin(server, secret))
    ended = requests.delete(server.url + protocol.SESSION, headers={**first, "Origin": server.url}, timeout=30)

    assert ended.json() == NOBODY
    assert "Max-Age=0" in ended.headers["Set-Cookie"]
    assert get(server, protocol.ENTRIES, **first).status_code == 401
    assert get(server, protocol.SESSION, **first).json() == NOBODY
    assert get(server, protocol.ENTRIES, **second).status_code == 200


def test_a_revoked_token_ends_its_sessions(server: Server, add: Callable[..., str]) -> None:
    """Who loses the token loses the page; adding another one of the same name brings nothing back."""
    session = cookie(begin(server, add("ann")))
    tokens.revoke(tokens.path_in(server.data_dir), "ann")

    programs.wait_until(lambda: get(server, protocol.ENTRIES, **session).status_code == 401)
    add("ann")
    assert get(server, protocol.ENTRIES, **session).status_code == 401


def test_an_expired_token_ends_its_sessions(server: Server, add: Callable[..., str]) -> None:
    """A session lasts no longer than its token."""
    session = cookie(begin(server, add("ann", days=10 / 86400)))

    programs.wait_until(lambda: get(server, protocol.ENTRIES, **session).status_code == 401)
    assert get(server, protocol.SESSION, **session).json() == NOBODY


def test_the_id_of_a_session_is_never_chosen_by_others(server: Server, add: Callable[..., str]) -> None:
    """A login makes a new id, whatever cookie came with it, and ends what that was (no session fixation)."""
    secret = add("ann")
    name = cookie(begin(server, secret))["Cookie"].split("=")[0]
    before = {"Cookie": f"{name}=chosen-by-somebody-else"}
    first = begin(server, secret, **before)
    second = begin(server, secret, **cookie(first))

    assert get(server, protocol.ENTRIES, **before).status_code == 401
    assert cookie(first) != cookie(second)
    assert get(server, protocol.ENTRIES, **cookie(first)).status_code == 401
    assert get(server, protocol.ENTRIES, **cookie(second)).status_code == 200


def test_a_session_begins_with_a_token_only(server: Server, add: Callable[..., str]) -> None:
    """A session cannot make another one, and live for ever so; a wrong token gets none."""
    session = cookie(begin(server, add("ann")))
    again = requests.post(server.url + protocol.SESSION, headers={**session, "Origin": server.url}, timeout=30)
    wrong = begin(server, "mll_" + "x" * 43)

    assert again.status_code == 400 and "Set-Cookie" not in again.headers
    assert wrong.status_code == 401 and "Set-Cookie" not in wrong.headers


def test_a_token_that_comes_along_counts_and_not_the_cookie(server: Server, add: Callable[..., str]) -> None:
    """A program that sends a token is who the token says, also if the token is wrong."""
    session = cookie(begin(server, add("ann")))
    reader = add("eve", scope="read")

    assert get(server, protocol.SESSION, **session, **bearer(reader)).json()["name"] == "eve"
    assert get(server, protocol.ENTRIES, **session, **bearer("mll_" + "x" * 43)).status_code == 401


def test_a_server_that_was_started_again_knows_no_sessions(server: Server, add: Callable[..., str]) -> None:
    """Sessions are kept in memory alone."""
    session = cookie(begin(server, add("ann")))
    server.stop()
    server.start()

    assert get(server, protocol.ENTRIES, **session).status_code == 401


def test_two_servers_of_one_host_do_not_take_each_others_cookies(tmp_path: Path) -> None:
    """Browsers send cookies to all ports of a host: the names tell which server set them."""
    names = [Sessions(catalog)._name for catalog in ("0" * 32, "1" * 32)]

    assert len({*names}) == 2


def test_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often somebody logs in, so many sessions are kept, the newest; one token does not push others out."""
    monkeypatch.setattr(sessions, "MOST", 6)
    monkeypatch.setattr(sessions, "MOST_OF_ONE", 3)
    ann, eve, bob = (Token(name, name * 8, "read", "", 0.0, None) for name in ("ann", "eve", "bob"))
    kept = Sessions("0" * 32)
    kept.begin(eve)
    for _ in range(50):
        kept.begin(ann)
    counts = [session.token for session in kept._known.values()]
    assert (counts.count(ann.digest), counts.count(eve.digest)) == (3, 1)
    for _ in range(50):
        kept.begin(bob)
    for _ in range(50):
        kept.begin(eve)

    assert len(kept._known) == 6


def test_sessions_that_are_over_are_forgotten() -> None:
    """A session that has ended takes no memory once another one begins."""
    kept = Sessions("0" * 32)
    kept.begin(Token("old", "a" * 64, "read", "", 0.0, 1.0))
    kept.begin(Token("new", "b" * 64, "read", "", 0.0, None))

    assert [session.token for session in kept._known.values()] == ["b" * 64]
