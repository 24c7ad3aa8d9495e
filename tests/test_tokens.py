"""Tokens: who is let in, how far, what is said to the others, and that no token is ever shown."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from ml_logger import ML_Logger, tokens
from ml_logger.errors import InvalidSetting, LoggerError, Refused
from ml_logger.redaction import redact
from ml_logger.stores import open_store
from ml_logger.stores.folder import Folder
from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests import programs
from tests.test_cli import command
from tests.test_delivery import kill_while_logging
from tests.test_server import refused
from tests.wire import answering, append, get, post

WRONG = "mll_" + "wrong" * 8


@pytest.fixture
def path(server: Server) -> Path:
    """The token file of a server that runs, and has none yet."""
    return tokens.path_in(server.data_dir)


def bearer(secret: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {secret}"}


def status(server: Server, secret: str | None = None) -> int:
    """Return what a listing is answered with."""
    return get(server, protocol.ENTRIES, **(bearer(secret) if secret else {})).status_code


def until(server: Server, secret: str | None, wanted: int) -> None:
    """Wait until the server has seen the token file change."""
    programs.wait_until(lambda: status(server, secret) == wanted)


def listed(server: Server, secret: str, pattern: str) -> list[str]:
    """Return the keys of a listing."""
    answer = requests.get(
        server.url + protocol.ENTRIES, params={"pattern": pattern}, headers=bearer(secret), timeout=30
    )
    return [key for key, _, _ in answer.json()["entries"]]


# ---------------------------------------------------------------- the file and the command


def test_a_token_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    """`token add` prints a token of 256 bits; the file, for its owner alone, has its SHA-256, and no list shows it."""
    made = command("token", "add", "laptop", "--data-dir", str(tmp_path / "d"))
    path = tokens.path_in(tmp_path / "d")
    secret = made.stdout.strip()

    assert re.fullmatch(r"mll_[\w-]{43}\n", made.stdout)
    assert "shown this once" in made.stderr and secret not in made.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret not in path.read_text() and hashlib.sha256(secret.encode()).hexdigest() in path.read_text()
    shown = command("token", "list", "--data-dir", str(tmp_path / "d"))
    assert re.fullmatch(r"laptop: write, made [-\d]{10} \d\d:\d\d, never expires\n", shown.stdout)
    assert command("token", "revoke", "laptop", "--data-dir", str(tmp_path / "d")).returncode == 0
    assert command("token", "list", "--data-dir", str(tmp_path / "d")).stdout == "no tokens\n"


def test_a_list_tells_scope_prefix_and_dates(tmp_path: Path) -> None:
    """A list names what each token may do, where, and until when, also of one whose time is over."""
    file = tmp_path / "elsewhere.json"
    tokens.add(file, "reader", scope="read", prefix="/me/exp-1/", days=30)
    tokens.add(file, "old", scope="admin", days=1e-9)
    shown = command("token", "list", "--token-file", str(file)).stdout.splitlines()

    assert re.fullmatch(r"reader: read below me/exp-1, made \S+ \S+, expires \S+ \S+", shown[0])
    assert re.fullmatch(r"old: admin, made \S+ \S+, expired \S+ \S+", shown[1])


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("add", "a b"), "no name for a token"),
        (("add", ""), "no name for a token"),
        (("add", "there"), "already: revoke it first"),
        (("add", "new", "--expires", "0"), "cannot expire"),
        (("add", "new", "--expires", "nan"), "cannot expire"),
        (("add", "new", "--prefix", "../out"), "could leave the log directory"),
        (("add", "new", "--stdin"), "can be guessed"),
        (("revoke", "nobody"), "no token 'nobody'"),
    ],
)
def test_what_makes_no_sense_changes_nothing(flags: tuple[str, ...], says: str, tmp_path: Path) -> None:
    """A name that is taken, a prefix that leads out, a short token: each in a sentence, and the file stays as it is."""
    file = tmp_path / "tokens.json"
    tokens.add(file, "there")
    before = file.read_bytes()
    words = [sys.executable, "-m", "ml_logger", "token", *flags, "--token-file", str(file)]
    done = subprocess.run(
        words, capture_output=True, text=True, input="hush-hush\n", timeout=programs.PATIENCE, check=False
    )

    assert done.returncode == 1
    assert says in done.stderr and "hush-hush" not in done.stderr
    assert file.read_bytes() == before


def test_root_adds_tokens_for_a_server_of_somebody_else(tmp_path: Path) -> None:
    """The token file belongs to whom the data folder belongs to, so that the server can read it."""
    if os.getuid() != 0:
        pytest.skip("only root can write files of others")
    path = tokens.path_in(tmp_path)
    path.parent.mkdir()
    os.chown(path.parent, 65534, 65534)
    for name in ("one", "two"):
        tokens.add(path, name)
        assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (65534, 65534, 0o600)
        os.chown(path.parent, 0, 0)


def test_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    """Tokens that are added at the same moment are all there, and nothing is left lying around."""
    words = [sys.executable, "-m", "ml_logger", "token", "add", "--data-dir", str(tmp_path / "d")]
    running = [subprocess.Popen([*words, f"t{n}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(8)]
    ended = [(process.communicate(timeout=programs.PATIENCE), process.returncode) for process in running]
    path = tokens.path_in(tmp_path / "d")

    assert [code for _, code in ended] == [0] * 8
    assert sorted(token.name for token in tokens.read(path)) == sorted(f"t{n}" for n in range(8))
    assert len({out for (out, _), _ in ended}) == 8
    assert os.listdir(path.parent) == ["tokens.json"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"version": 2, "tokens": []}',
        '{"version": 1}',
        '{"version": 1, "tokens": [{"name": "a"}]}',
        '{"version": 1, "tokens": [{"name": "a", "sha256": "hush", "scope": "admin", "prefix": "", "created": 1, '
        '"expires": null}]}',
        '{"version": 1, "tokens": [{"name": "a", "sha256": "' + "0" * 64 + '", "scope": "root", "prefix": "", '
        '"created": 1, "expires": null}]}',
        "two\nlines",
        "",
    ],
)
def test_a_damaged_token_file_is_said(text: str, tmp_path: Path) -> None:
    """A server does not start with a token file that cannot be understood, says so, and shows nothing of it."""
    file = tmp_path / "tokens.json"
    file.write_text(text)
    said = refused("--data-dir", tmp_path / "d", "--port", 0, "--token-file", file)

    assert str(file) in said
    assert "hush" not in said and "lines" not in said


# ---------------------------------------------------------------- what is answered


@pytest.fixture
def kinds(tmp_path: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with a file of its own for each of two people, and tokens of every kind."""
    server = Server(tmp_path / "data")
    path = tokens.path_in(server.data_dir)
    made = {
        "admin": tokens.add(path, "admin", scope="admin"),
        "write": tokens.add(path, "write"),
        "read": tokens.add(path, "read", scope="read"),
        "mine": tokens.add(path, "mine", prefix="me"),
        "look": tokens.add(path, "look", scope="read", prefix="me/run"),
        "old": tokens.add(path, "old", days=1e-9),
    }
    server.start()
    for writer, key in (("a" * 32, "me/run/metrics.pkl"), ("b" * 32, "me2/secret.txt"), ("c" * 32, "you/run/x.txt")):
        answer = post(server, append(1, b"0123456789", key), writer, **bearer(made["admin"]))
        assert answer.json()["committed"] == 1
    yield server, made
    server.stop()


@pytest.mark.parametrize(
    ("header", "code", "says"),
    [
        (None, 401, "a token is needed: set access_token"),
        ("Basic bWU6bWU=", 401, "a token is needed: set access_token"),
        ("Bearer", 401, "a token is needed: set access_token"),
        (f"Bearer {WRONG}", 401, "the token is not one of the server's"),
        ("Bearer {old}", 401, "the token has expired"),
        ("Bearer {read}", 403, "the token has the scope read, and this needs write"),
        ("Bearer {mine}", 403, "the token is for other keys: its prefix does not reach this one"),
    ],
)
def test_a_denial_says_which_and_nothing_more(
    header: str | None, code: int, says: str, kinds: tuple[Server, dict[str, str]]
) -> None:
    """No token, another scheme, a wrong one, an expired one, too small a scope, another prefix: one sentence each."""
    server, made = kinds
    headers = {"Authorization": header.format(**made)} if header else {}
    answer = post(server, append(1, b"x", "you/run/x.txt"), **headers)

    assert (answer.status_code, answer.json()) == (code, {"error": says})
    assert (answer.headers.get("WWW-Authenticate") or "").startswith("Bearer") == (code == 401)
    assert (server.data_dir / "you/run/x.txt").read_bytes() == b"0123456789"


def test_addresses_that_are_not_about_keys_are_closed_to_prefixes(kinds: tuple[Server, dict[str, str]]) -> None:
    """What does not say that it keeps to a prefix is refused to tokens with one, and looks the same as what is not."""
    server, made = kinds

    assert get(server, "/nowhere", **bearer(made["admin"])).status_code == 404
    answer = get(server, "/nowhere", **bearer(made["mine"]))
    assert answer.status_code == 403
    assert answer.json() == {"error": "the token is for some keys only, and this address is about all of them"}


def test_scopes(kinds: tuple[Server, dict[str, str]]) -> None:
    """A token to read reads and changes nothing; one to write, and one of the admin, do both."""
    server, made = kinds
    for n, (name, code) in enumerate((("read", 403), ("write", 200), ("admin", 200))):
        assert status(server, made[name]) == 200
        assert get(server, f"{protocol.FILES}/you/run/x.txt", **bearer(made[name])).content == b"0123456789"
        assert post(server, append(1, b"", "n"), f"{n:032x}", **bearer(made[name])).status_code == code


@pytest.mark.parametrize(
    "header",
    [
        b"Authorization: Bearer \xff\xfe",
        "Authorization: Bearer schlüssel".encode(),
        b"Authorization: Bearer " + b"x" * 7000,
        b"Authorization: Bearer",
        b"Authorization:",
        b"Authorization: Bearer " + b"0" * 64,
        b"X-Authorization: Bearer {write}",
        b"Cookie: token={write}",
    ],
)
def test_odd_tokens_are_answered(header: bytes, kinds: tuple[Server, dict[str, str]]) -> None:
    """Bytes that are no text, a very long token, one in another place: 401, and nothing in the server's log."""
    server, made = kinds
    header = header.replace(b"{write}", made["write"].encode())
    request = (
        f"GET {protocol.ENTRIES}?token={made['write']}&access_token={made['write']} HTTP/1.1\r\nHost: localhost\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request.encode() + header + b"\r\nConnection: close\r\n\r\n")
        answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert server.log.read_text() == ""


def test_two_tokens_in_one_request_are_none(kinds: tuple[Server, dict[str, str]]) -> None:
    """A request with two Authorization headers makes no sense: nobody could tell which one counts."""
    server, made = kinds
    connection = requests.packages.urllib3.connection_from_url(server.url)  # type: ignore[attr-defined]
    headers = requests.packages.urllib3.HTTPHeaderDict()  # type: ignore[attr-defined]
    for name in ("admin", "read"):
        headers.add("Authorization", f"Bearer {made[name]}")

    assert connection.request("GET", protocol.ENTRIES, headers=headers).status == 400
    connection.close()


def test_a_prefix_narrows_reading(kinds: tuple[Server, dict[str, str]]) -> None:
    """A token with a prefix reads what is below it; of all else it is told the same, whether it is there or not."""
    server, made = kinds
    for name in ("mine", "look"):
        assert get(server, f"{protocol.FILES}/me/run/metrics.pkl", **bearer(made[name])).content == b"0123456789"
        for key in ("you/run/x.txt", "me2/secret.txt", "nothing", "you", "me2"):
            for ask in (requests.get, requests.head):
                answer = ask(f"{server.url}{protocol.FILES}/{key}", headers=bearer(made[name]), timeout=30)
                assert answer.status_code == 403


@pytest.mark.parametrize(
    ("pattern", "mine", "look"),
    [
        ("**", ["me/run/metrics.pkl"], ["me/run/metrics.pkl"]),
        ("me/**", ["me/run/metrics.pkl"], ["me/run/metrics.pkl"]),
        ("*/run/*", ["me/run/metrics.pkl"], ["me/run/metrics.pkl"]),
        ("me/run/*", ["me/run/metrics.pkl"], ["me/run/metrics.pkl"]),
        ("me/run/metrics.pkl", ["me/run/metrics.pkl"], ["me/run/metrics.pkl"]),
        ("me/*", [], []),
        ("me*/**", ["me/run/metrics.pkl"], ["me/run/metrics.pkl"]),
        ("you/**", [], []),
        ("**/x.txt", [], []),
        ("me2/*", [], []),
    ],
)
def test_a_prefix_narrows_listings(
    pattern: str, mine: list[str], look: list[str], kinds: tuple[Server, dict[str, str]]
) -> None:
    """A listing holds what matches and is below the prefix, whatever the pattern asks for."""
    server, made = kinds

    assert listed(server, made["mine"], pattern) == mine
    assert listed(server, made["look"], pattern) == look


def test_a_prefix_that_is_a_file_looks_at_no_neighbor(tmp_path: Path) -> None:
    """A page of a listing may end with any file that was looked at: for one file that is itself."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"x")
    folder = Folder(tmp_path, follow_links=False)

    assert [entry.key for entry, _ in folder.look("**", "", "b")] == ["b"]
    assert list(folder.look("**", "b", "b")) == []


def test_a_prefix_may_be_a_file_or_nothing(kinds: tuple[Server, dict[str, str]]) -> None:
    """A prefix that is one file lists that file, and one that is not there yet lists nothing."""
    server, _ = kinds
    path = tokens.path_in(server.data_dir)
    file = tokens.add(path, "file", scope="read", prefix="me/run/metrics.pkl")
    future = tokens.add(path, "future", prefix="later/run")
    until(server, future, 200)

    assert listed(server, file, "**") == ["me/run/metrics.pkl"]
    assert listed(server, future, "**") == []
    assert post(server, append(1, b"x", "later/run/a"), "e" * 32, **bearer(future)).status_code == 200
    assert listed(server, future, "**") == ["later/run/a"]


@pytest.mark.parametrize(
    "frame",
    [
        append(2, b"x", "you/run/x.txt"),
        append(2, b"x", "me2/secret.txt"),
        append(2, b"x", "men"),
        frames.encode(2, Op.WRITE, b"you/run/x.txt", b"x"),
        frames.encode(2, Op.REMOVE, b"you", b""),
        frames.encode(2, Op.MOVE, b"me/run", b"you/taken"),
        frames.encode(2, Op.MOVE, b"you/run", b"me/stolen"),
        frames.encode(2, Op.COPY, b"you/run", b"me/stolen"),
        frames.encode(2, Op.COPY, b"me/run", b"you/run"),
        frames.encode(2, Op.CHUNK, b"you/run/x.txt", frames.piece(1, 0, b"x")),
        frames.encode(2, Op.COMMIT, b"you/run/x.txt", frames.commit(1, 0)),
        append(2, b"x", "me/../you/run/x.txt"),
    ],
    ids=[
        "other",
        "similar",
        "longer",
        "write",
        "remove",
        "out",
        "in",
        "copy-in",
        "copy-out",
        "piece",
        "commit",
        "dots",
    ],
)
def test_a_batch_out_of_reach_is_refused_whole(frame: bytes, kinds: tuple[Server, dict[str, str]]) -> None:
    """One key out of reach, source or target, and nothing of the batch is applied, and no number is used up."""
    server, made = kinds
    before = {file: file.read_bytes() for file in server.data_dir.glob("*/**/*") if file.is_file()}
    body = append(1, b"ours", "me/run/new.txt") + frame
    answer = post(server, body, **bearer(made["mine"]))
    now = {file: file.read_bytes() for file in server.data_dir.glob("*/**/*") if file.is_file()}
    for found in (before, now):
        for file in [file for file in found if ".ml_logger" in file.parts]:
            del found[file]

    if b"/../" in frame:  # below the prefix as text, and no key: refused for good, as it is without a prefix
        assert [refusal["seq"] for refusal in answer.json()["rejected"]] == [2]
        return
    assert answer.status_code == 403
    assert now == before
    assert post(server, body, **bearer(made["admin"])).json()["committed"] == 2


def test_a_prefix_covers_its_own_folder(kinds: tuple[Server, dict[str, str]]) -> None:
    """Within its prefix a token writes, moves, copies and removes, also the folder of that name."""
    server, made = kinds
    body = (
        append(1, b"a", "me/run/a")
        + frames.encode(2, Op.COPY, b"me/run", b"me/copy")
        + frames.encode(3, Op.MOVE, b"me/copy", b"me/moved")
    )
    answer = post(server, body, **bearer(made["mine"])).json()
    assert (answer["committed"], answer["rejected"]) == (3, [])
    assert listed(server, made["mine"], "me/moved/*") == ["me/moved/a", "me/moved/metrics.pkl"]
    assert post(server, body + frames.encode(4, Op.REMOVE, b"me", b""), **bearer(made["mine"])).status_code == 200
    assert listed(server, made["admin"], "**") == ["me2/secret.txt", "you/run/x.txt"]


# ---------------------------------------------------------------- without a restart


def test_tokens_change_under_a_running_server(server: Server, path: Path) -> None:
    """The first token closes a server that was open; each is let in once added, and no more once revoked."""
    assert status(server) == 200
    one = command("token", "add", "one", "--data-dir", str(server.data_dir)).stdout.strip()
    until(server, None, 401)
    assert status(server, one) == 200
    two = tokens.add(path, "two", scope="read")
    until(server, two, 200)
    tokens.revoke(path, "one")
    until(server, one, 401)
    assert status(server, two) == 200


def test_no_token_left_is_no_open_door(server: Server, path: Path) -> None:
    """Revoking the last token, or removing the file, lets nobody in; nor does a start with what is left of it."""
    secret = tokens.add(path, "one")
    until(server, secret, 200)
    tokens.revoke(path, "one")
    until(server, secret, 401)
    assert status(server) == 401
    path.unlink()
    assert [status(server), status(server, secret)] == [401, 401]
    server.stop()
    tokens.add(path, "one")
    tokens.revoke(path, "one")
    assert "nobody could come in" in refused("--data-dir", server.data_dir, "--port", 0)


def test_a_token_file_that_breaks_lets_nobody_in(server: Server, path: Path) -> None:
    """What a server cannot read it does not guess: 503 until it is mended, told once in its log."""
    secret = tokens.add(path, "one")
    until(server, secret, 200)
    good = path.read_bytes()
    path.write_bytes(b"{")
    until(server, secret, 503)
    assert get(server, protocol.ENTRIES).json() == {"error": "the server cannot read its tokens; its log says why"}
    path.write_bytes(good)
    until(server, secret, 200)
    assert server.log.read_text().count("is damaged") == 1


def test_tokens_of_before_go_on_to_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One token in the environment, or in a file as it is, does everything, together with those that have names."""
    data, mounted = tmp_path / "data", tmp_path / "mounted"
    named = tokens.add(tokens.path_in(data), "named", scope="read")
    mounted.write_text("a plain token\n")
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", "of the environment")
    for options, inside in (((), ("of the environment", named)), (("--token-file", str(mounted)), ("a plain token",))):
        server = Server(data, options=options)
        server.start()
        try:
            assert [status(server, secret) for secret in inside] == [200] * len(inside)
            assert status(server, WRONG) == status(server) == 401
            assert post(server, append(1), **bearer(inside[0])).status_code == 200
        finally:
            server.stop()
    assert "one plain token" in command("token", "add", "x", "--token-file", str(mounted)).stderr
    assert "is not there" in refused("--data-dir", data, "--port", 0, "--token-file", tmp_path / "none")


def test_an_open_host_makes_its_first_token(tmp_path: Path) -> None:
    """A host that may not be this machine alone gets a token, printed once with the lines for clients and browsers."""

    def printed() -> tuple[str, str]:
        # 127.1 is this machine, but a name that only the system can tell so: for us, any host.
        flags = ["--data-dir", str(tmp_path / "d"), "--port", "0", "--host", "127.1"]
        words = [sys.executable, "-m", "ml_logger.server", *flags]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watchdog = threading.Timer(programs.PATIENCE, process.kill)
        watchdog.start()
        assert process.stdout is not None
        first = process.stdout.readline()
        url = re.findall(r"http://127\.0\.0\.1:\d+", first)[0]
        assert requests.get(url + protocol.ENTRIES, timeout=30).status_code == 401
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        _, errors = process.communicate(timeout=programs.PATIENCE)
        watchdog.cancel()
        assert (errors, process.returncode) == ("", 0)
        return url, rest

    url, said = printed()
    (secret,) = set(re.findall(r"mll_[\w-]{43}", said))
    assert f'logger.configure(log_directory="{url}", access_token="{secret}")' in said
    assert f"{url}/#token={secret}\n" in said
    assert f"ml-logger token add NAME --data-dir {tmp_path / 'd'}" in said
    assert [(token.name, token.scope) for token in tokens.read(tokens.path_in(tmp_path / "d"))] == [("first", "admin")]
    assert secret not in tokens.path_in(tmp_path / "d").read_text()
    assert printed()[1] == ""
    server = Server(tmp_path / "d")
    server.start()
    assert status(server, secret) == 200
    server.stop()


# ---------------------------------------------------------------- the client


def denials(text: str) -> list[str]:
    """Return the lines that tell of a token that is not taken, but for the one that a program leaves with."""
    return [line for line in text.splitlines() if "answered 40" in line and "not sent yet" not in line]


def test_a_program_whose_token_is_revoked_goes_on_when_it_is_mended(
    server: Server, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It says once what the server says, keeps every row, and sends them all, in order, once the token is back."""
    secret = tokens.add(path, "one")
    until(server, secret, 200)
    logger = ML_Logger(root=server.url, prefix="run", access_token=secret, silent=True)
    logger.log(0, value=0, flush=True)
    logger.load_pkl("metrics.pkl")
    tokens.revoke(path, "one")
    until(server, secret, 401)
    for n in range(1, 50):
        logger.log(n, value=n, flush=True)
    programs.wait_until(lambda: logger.health().error is not None)
    for _ in range(3):  # each makes the sender try again
        with pytest.raises(Refused, match="the token is not one of the server's"):
            logger.load_pkl("metrics.pkl")
    assert logger.health().unsent == 49
    tokens.add(path, "one", secret=secret)
    programs.wait_until(lambda: logger.health().unsent == 0)
    logger.close()
    said = capfd.readouterr().err

    assert len(denials(said)) == 1 and "the token is not one of the server's; records are kept" in said
    assert said.count("lets us in again") == 1
    with ML_Logger(root=server.url, prefix="run", access_token=secret) as reader:
        assert [row["value"] for row in reader.load_pkl("metrics.pkl") or []] == list(range(50))


@pytest.mark.parametrize("kind", ["none", "wrong", "old", "read", "mine"])
def test_a_program_with_another_token_sends_what_was_denied(
    kind: str,
    kinds: tuple[Server, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever was wrong with a token, the records stay in the spool, and the next program sends them."""
    server, made = kinds
    secret = {"none": None, "wrong": WRONG}.get(kind, made.get(kind))
    with ML_Logger(root=server.url, prefix="run", access_token=secret, silent=True) as logger:
        for n in range(20):
            logger.log(n, value=n)
        logger.flush()
        programs.wait_until(lambda: logger.health().error is not None)
        logger.close(timeout=0.1)
    said = capfd.readouterr().err

    assert len(denials(said)) == 1 and "not sent yet: 20 records" in said
    assert not (server.data_dir / "run").exists()
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", made["write"])
    assert programs.push(server.url).returncode == 0
    assert [row["value"] for row in programs.rows(server.url, "run")] == list(range(20))


def test_push_ends_at_once_when_it_is_denied(
    kinds: tuple[Server, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who pushes with the wrong token is told so, and need not wait for the time limit."""
    server, made = kinds
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", WRONG)
    kill_while_logging(server.url, "dead", 5)
    done = subprocess.run(
        [sys.executable, "-m", "ml_logger", "push", "--timeout", str(2 * programs.PATIENCE)],
        capture_output=True,
        text=True,
        timeout=programs.PATIENCE,
        check=False,
    )

    assert done.returncode == 1 and done.stdout == ""
    assert "not all was sent; what is left stays where it is" in done.stderr and WRONG not in done.stderr
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", made["mine"])
    assert programs.push(server.url).returncode == 1
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", made["write"])
    assert programs.push(server.url).returncode == 0


def test_a_new_token_sends_what_waits_in_the_same_program(
    kinds: tuple[Server, dict[str, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    """`configure` with the right token mends a running program: what was denied goes out with it, in order."""
    server, made = kinds
    with ML_Logger(root=server.url, prefix="run", access_token=WRONG, silent=True) as logger:
        logger.log(0, value=0, flush=True)
        programs.wait_until(lambda: logger.health().error is not None)
        logger.configure(access_token=made["write"])
        logger.log(1, value=1, flush=True)
        programs.wait_until(lambda: logger.health().unsent == 0)
        assert [row["value"] for row in logger.load_pkl("metrics.pkl") or []] == [0, 1]
    assert len(denials(capfd.readouterr().err)) == 1


def test_a_denial_is_told_once_for_all_that_waits(
    kinds: tuple[Server, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records of this program and of dead ones, all denied: one line, whoever sends them."""
    server, made = kinds
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", WRONG)
    for n in range(2):
        kill_while_logging(server.url, f"dead-{n}", 5)
    code = """
        import sys, threading
        from ml_logger import logger
        logger.configure(root=sys.argv[1], prefix="run", silent=True)
        logger.log(0, value=0, flush=True)
        pause = threading.Event()
        for _ in range(1000):
            if logger.health().error:
                break
            pause.wait(0.01)
    """
    done = programs.run(code, server.url)

    assert len(denials(done.stderr)) == 1
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", made["write"])
    assert programs.push(server.url).returncode == 0
    assert len(programs.rows(server.url, "run")) == 1
    assert programs.spooled() == []


def test_netrc_has_a_token_when_nothing_else_has(
    kinds: tuple[Server, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The password of the machine is the token; settings win over it, `default` is not meant, open files are told."""
    server, made = kinds
    file = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(file))

    def reads(text: str, token: str | None = None) -> bool:
        file.write_text(text)
        with ML_Logger(root=server.url, prefix="me/run", access_token=token, silent=True) as logger:
            try:
                return logger.load_file("metrics.pkl") == b"0123456789"
            except Refused:
                return False

    good = f"machine elsewhere login me password {WRONG}\nmachine 127.0.0.1 login me password {made['read']}\n"
    file.touch(mode=0o600)
    assert reads(good)
    assert capfd.readouterr().err == ""
    assert not reads(good, WRONG)
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", WRONG)
    assert not reads(good)
    monkeypatch.delenv("ML_LOGGER_ACCESS_TOKEN")
    assert not reads(f"default login me password {made['read']}\n")
    assert capfd.readouterr().err == ""
    assert not reads(f"machine 127.0.0.1\nlogin me nonsense {made['read']}\n")
    said = capfd.readouterr().err
    assert "cannot be understood at line" in said and made["read"] not in said and "nonsense" not in said
    file.chmod(0o644)
    assert reads(good)
    said = capfd.readouterr().err
    assert f"chmod 600 {file}" in said and made["read"] not in said
    with ML_Logger(root=server.url, prefix="me/run", silent=True) as logger:
        for n in range(3):
            logger.configure(prefix=f"me/run-{n}")
    assert capfd.readouterr().err.count("chmod") == 1


class _Echo(BaseHTTPRequestHandler):
    """A server that tells everybody what it was sent, in every way there is."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = self.headers.get("Authorization", "")
        body = json.dumps({"error": f"{said} is not known", "committed": said}).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = _answer

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a server that shows tokens to everybody."""
    with answering(_Echo) as url:
        yield url


def _raised(call: Callable[[], object]) -> str:
    try:
        call()
    except LoggerError as error:
        return "".join(traceback.format_exception(error)) + repr(error)
    raise AssertionError("nothing was raised")


def test_a_token_is_never_shown(echo: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Not by a `repr`, an error, a notice, `health`, or the spool: not even where the server shows what it was sent."""
    secret = tokens.MARK + "hush" * 10
    logger = ML_Logger(root=echo, prefix="run", access_token=secret, silent=True)
    store = open_store(echo, secret, {})
    logger.log(0, value=1, flush=True)
    programs.wait_until(lambda: logger.health().error is not None)
    shown = [
        _raised(lambda: logger.load_pkl("metrics.pkl")),
        _raised(lambda: store.read("a")),
        _raised(lambda: store.entries("**")),
        str(logger.health()),
        *(repr(thing) for thing in (logger, store, vars(logger), vars(store), vars(store.transport))),  # type: ignore[attr-defined]
    ]
    logger.close(timeout=0.1)
    store.close()
    shown += [*capfd.readouterr(), command("status").stdout]
    spooled = [file.read_bytes() for file in Path(os.environ["ML_LOGGER_SPOOL"]).rglob("*") if file.is_file()]

    assert "answered 403: Bearer [redacted] is not known" in "".join(shown)
    assert not [text for text in shown if "hush" in text]
    assert spooled and not [data for data in spooled if b"hush" in data]


@pytest.mark.parametrize("bad", ["hush\nhush", "hush\x00", "hu\u2028sh", "hüsh"])
def test_a_token_that_no_header_carries_is_told_without_it(bad: str, server: Server) -> None:
    """A token with characters that cannot be sent is refused where it is configured, and is not in the message."""
    with pytest.raises(InvalidSetting, match="no header can carry, at position") as raised:
        ML_Logger(root=server.url, access_token=bad)

    assert "h" + bad[1:4] not in str(raised.value)


def test_plain_http_to_others_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    """A token that would cross the network in the clear is told once; on this machine, or without one, nothing is."""
    logger = ML_Logger(root="http://192.0.2.1:9", prefix="a", access_token=WRONG)
    logger.configure(prefix="b")
    logger.configure(root="http://192.0.2.1:9", prefix="c")
    logger.close()
    said = capfd.readouterr().err
    assert said.count("is plain HTTP") == 1 and WRONG not in said
    for root, token in (("http://127.0.0.1:9", WRONG), ("http://192.0.2.1:9", None), ("https://192.0.2.1:9", WRONG)):
        ML_Logger(root=root, prefix="a", access_token=token).close()
    assert capfd.readouterr().err == ""


def test_our_tokens_are_found_in_patches() -> None:
    """A token of ours is taken out of a stored diff, wherever it stands."""
    secret = tokens.MARK + "A1b2-C3d4_" * 4 + "xyz"

    assert redact(f"+++ b/a.py\n+connect({secret!r})\n") == "+++ b/a.py\n+connect('[redacted]')\n"


# ---------------------------------------------------------------- the audit log


def lines(server: Server, count: int) -> list[dict[str, object]]:
    """Return the lines of the audit log, once there are so many."""
    path = server.data_dir / ".ml_logger" / "audit.log"
    programs.wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count)
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_what_changes_something_leaves_a_line(kinds: tuple[Server, dict[str, str]]) -> None:
    """Each request that changes something, or wanted to, is a line: who, what, size, result; reading leaves none."""
    server, made = kinds
    body = append(1, b"x", "me/a\nb") + append(2, b"y", "me/run/a") + frames.encode(3, Op.REMOVE, b"me/run", b"")
    post(server, body, **bearer(made["mine"]))
    post(server, append(1, b"x", "you/x"), **bearer(made["mine"]))
    post(server, append(1), **bearer(made["read"]))
    post(server, append(1), **bearer(WRONG))
    post(server, b"nonsense", **bearer(made["admin"]))
    status(server, made["read"])
    found = lines(server, 8)

    assert len(found) == 8  # the first three are those that filled the server
    mine, outside, scope, wrong, nonsense = found[3:]
    assert (mine["who"], mine["size"], mine["status"], mine["committed"]) == ("mine", len(body), 200, 3)
    assert (mine["ops"], mine["rejected"]) == ({"append": 2, "remove": 1}, 1)
    assert mine["keys"] == ["me/a\nb", "me/run/a", "me/run"]
    assert (mine["request"], mine["address"]) == ("POST /v1/batches", "127.0.0.1")
    assert (outside["who"], outside["status"], outside["keys"]) == ("mine", 403, ["you/x"])
    assert (scope["who"], scope["status"]) == ("read", 403)
    assert (wrong["who"], wrong["status"], wrong["error"]) == (None, 401, "the token is not one of the server's")
    assert (nonsense["who"], nonsense["status"]) == ("admin", 400)
    assert all(abs(time.time() - _seconds(str(line["time"]))) < 600 for line in found)
    text = (server.data_dir / ".ml_logger" / "audit.log").read_text()
    assert not [secret for secret in (*made.values(), WRONG) if secret[4:] in text]
    assert (server.data_dir / ".ml_logger" / "audit.log").stat().st_mode & 0o777 == 0o600


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_what_is_committed_has_a_line_whoever_is_still_there(kinds: tuple[Server, dict[str, str]]) -> None:
    """A client that hangs up while its batch is being committed leaves a line for it all the same."""
    server, made = kinds
    for n in range(3):
        body = b"".join(append(seq, b"x", f"gone/{n}/{seq % 1000}") for seq in range(1, 2001))
        head = (
            f"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
            f"Authorization: Bearer {made['write']}\r\n{protocol.WRITER}: {n:032x}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(head.encode() + body)
            programs.wait_until((server.data_dir / "gone" / str(n) / "1").exists)  # it is being written
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert post(server, append(1, b"x", "last"), "f" * 32, **bearer(made["write"])).status_code == 200

    def noted() -> set[str]:
        return {str(key) for line in lines(server, 4) for key in line.get("keys", [])}  # type: ignore[attr-defined]

    programs.wait_until(lambda: {"gone/0/1", "gone/1/1", "gone/2/1", "last"} <= noted())
    assert sorted(line["committed"] for line in lines(server, 7)[3:]) == [1, 2000, 2000, 2000]


def test_a_batch_that_waits_has_a_line_when_it_is_committed(kinds: tuple[Server, dict[str, str]]) -> None:
    """A client that hangs up while its small batch waits for a larger one has a line with what became of it."""
    server, made = kinds
    large = b"".join(append(seq, b"x", f"large/{seq % 1000}") for seq in range(1, 2001))
    clients = [_sent(server, made["write"], "d" * 32, large)]
    programs.wait_until((server.data_dir / "large" / "1").exists)  # it is being written, for some time
    clients += [_sent(server, made["write"], f"{n:032x}", append(1, b"x", f"small/{n}")) for n in range(20)]
    for _ in range(8):  # the batches were handed to the threads before these, which are done
        assert get(server, f"{protocol.FILES}/none", **bearer(made["read"])).status_code == 404
    for client in clients:
        client.close()
    found = lines(server, 3 + len(clients))[3:]
    stored = {path.name for path in (server.data_dir / "small").iterdir()}

    told = {line["keys"][0]: line for line in found if "keys" in line}  # type: ignore[index]
    assert len(stored) >= 10
    for name in stored:
        line = told[f"small/{name}"]
        assert (line["who"], line["status"], line["committed"], line["ops"]) == ("write", 200, 1, {"append": 1})
    others = [line for line in found if line["status"] != 200]
    assert all((line["status"], line["error"]) == (503, "given up before it was answered") for line in others)
    assert len(found) == len(clients) == len(stored) + len(others) + 1


def _sent(server: Server, secret: str, writer: str, body: bytes) -> socket.socket:
    """Send a batch whole, and return the connection without waiting for the answer."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = (
        f"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
        f"Authorization: Bearer {secret}\r\n{protocol.WRITER}: {writer}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    client.sendall(head.encode() + body)
    return client


def test_no_name_forges_or_bloats_a_line(kinds: tuple[Server, dict[str, str]]) -> None:
    """Line ends, escape sequences and very long keys, addresses and methods stay one line, and a short one."""
    server, made = kinds
    evil = [
        'a"}\n{"who": "admin", "status": 200}',
        "b\r\n\x1b[2J\x1b]0;title\x07",
        "c\u2028\u2029\x85\u202e",
        "d" * 60_000,
        "e\x00" * 30_000,
    ]
    post(server, b"".join(append(seq, b"x", key) for seq, key in enumerate(evil, 1)), **bearer(made["write"]))
    requests.post(f"{server.url}/{'%0A' * 1000}?token={made['write']}", headers=bearer(WRONG), timeout=30)
    requests.request("X" * 5000, server.url + "/", headers=bearer(made["write"]), timeout=30)
    found = lines(server, 6)[3:]
    data = (server.data_dir / ".ml_logger" / "audit.log").read_bytes()

    assert [line["who"] for line in found] == ["write", None, "write"]
    assert found[0]["keys"] == [key[:200] for key in evil]
    assert all(byte == 10 or 32 <= byte < 127 for byte in data)
    assert max(map(len, data.splitlines())) < 8000
    assert made["write"].encode() not in data and b"token=" not in data


def test_a_line_names_both_ends_of_a_move(kinds: tuple[Server, dict[str, str]]) -> None:
    """What a move or a copy changes is where it leads: the target stands beside the source."""
    server, made = kinds
    frame = frames.encode(1, Op.MOVE, b"me/run", b"me/taken")
    assert post(server, frame, **bearer(made["mine"])).json()["committed"] == 1

    assert lines(server, 4)[3]["keys"] == ["me/run", "me/taken"]


def test_an_audit_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    """A long log is set aside under another name, and the next one begins."""
    path = tmp_path / "audit.log"
    server = Server(tmp_path / "data", options=("--audit-log", str(path)))
    server.start()
    with path.open("wb") as file:
        file.truncate(33 * 2**20)
    assert post(server, append(1)).status_code == 200
    assert server.stop() == 0

    assert [line["status"] for line in map(json.loads, path.read_text().splitlines())] == [200]
    assert path.with_name("audit.log.1").stat().st_size == 33 * 2**20


def test_an_audit_log_can_be_elsewhere_and_in_the_way_of_nobody(tmp_path: Path) -> None:
    """Named by a flag it is written without tokens too; where it cannot be written that is said, and all goes on."""
    for name, exists in (("audit.jsonl", True), ("none/audit.jsonl", False)):
        server = Server(tmp_path / "data", options=("--audit-log", str(tmp_path / name)))
        server.start()
        assert post(server, append(1)).status_code == 200
        assert post(server, append(1)).status_code == 200
        assert server.stop() == 0
        assert (tmp_path / name).exists() == exists
    first, *_ = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(first)["who"] is None and json.loads(first)["committed"] == 1
    assert server.log.read_text().count("cannot be written: No such file or directory") == 1


@pytest.mark.parametrize("damage", ['"created": 1' + "0" * 400, '"created": ' + "[" * 100_000])
def test_a_token_file_that_is_damaged_anyhow_is_said(damage: str, tmp_path: Path) -> None:
    """A number beyond all numbers, or lists within lists without end, are damage like any other."""
    path = tmp_path / "tokens.json"
    entry = f'{{"name": "me", "sha256": "{"0" * 64}", "scope": "read", "prefix": "", "expires": null, {damage}'
    path.write_text(f'{{"version": 1, "tokens": [{entry}}}]}}')
    with pytest.raises(InvalidSetting, match="damaged"):
        tokens.read(path)
