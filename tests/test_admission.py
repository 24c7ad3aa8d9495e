"""Browsers as attackers: names that lead here, pages of other sites, and heads that mean two things."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_logger import ML_Logger
from ml_logger.errors import InvalidSetting, Refused
from ml_logger.server.admission import names_of, origins_of
from ml_logger.testing import Server
from ml_logger.transport import protocol
from tests.test_server import refused
from tests.wire import WRITER, append, ask, parsed, raw

BATCH = (f"Content-Type: {protocol.CONTENT_TYPE}", f"{protocol.WRITER}: {WRITER}")


def serving(folder: Path, *options: str) -> Server:
    """Start a server with flags."""
    server = Server(folder, options=options)
    server.start()
    return server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a few names, whose pages of one other site may use it."""
    server = serving(
        tmp_path_factory.mktemp("site") / "data",
        *("--allow-host", "logs.example.org", "--allow-host", "Trainbox"),
        *("--allow-origin", "https://plots.example.org"),
    )
    log(server, "run/a", b"0123456789")
    yield server
    server.stop()


def log(server: Server, key: str, data: bytes) -> None:
    """Log to a file, as a writer of its own."""
    fields = (BATCH[0], f"{protocol.WRITER}: {os.urandom(16).hex()}")
    assert raw(server, "POST", protocol.BATCHES, *fields, body=append(1, data, key)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8081",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:65535",
        "127.8.9.1:80",
        "[::1]",
        "[::1]:8081",
        "[fe80::1%eth0]:8081",
        "192.168.1.20:8081",
        "logs.example.org",
        "logs.example.org:443",
        "trainbox:8081",
    ],
)
def test_its_own_names_are_served(site: Server, host: str) -> None:
    """Addresses, localhost, and the names that were listed are served, with any port and in any case."""
    assert raw(site, "GET", protocol.HEALTH, host=host).status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("evil.example:8081", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("evil.localhost", 403),
        ("logs.example.org.evil.example", 403),
        ("example.org", 403),
        ("2130706433", 403),
        ("0x7f000001", 403),
        ("0177.0.0.1", 403),
        ("127.1", 403),
        (socket.gethostname() + "x", 403),
        ("", 400),
        (None, 400),
        ("localhost:port", 400),
        ("localhost:123456", 400),
        ("local host", 400),
        ("user@localhost", 400),
        ("localhost/", 400),
        ("[::1", 400),
        ("localhost, evil.example", 400),
        ("löcalhost", 400),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_names_are_not(site: Server, method: str, host: str | None, status: int) -> None:
    """A name that anybody could make lead here is turned away, for reading and for writing, before anything is done."""
    answer = raw(site, method, protocol.BATCHES if method == "POST" else protocol.ENTRIES, *BATCH, host=host)

    assert answer.status == status
    assert answer.body.startswith(b'{"error":"')
    assert b"evil" not in answer.body


def test_a_client_is_told_which_name_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that asks under a name which is not listed is told so, and how to mend it; its records are kept."""
    resolve = socket.getaddrinfo
    monkeypatch.setattr(  # what a name in somebody's network leads to
        socket, "getaddrinfo", lambda host, *args, **kw: resolve("127.0.0.1" if host == "logs" else host, *args, **kw)
    )
    server = serving(tmp_path / "data")
    try:
        logger = ML_Logger(root=f"http://logs:{server.port}", prefix="run", silent=True)
        logger.log(0, loss=1, flush=True)
        with pytest.raises(Refused, match="--allow-host NAME"):
            logger.load_pkl("metrics.pkl")
        logger.close(timeout=1)
        server.stop()
        server = Server(server.data_dir, server.port, options=("--allow-host", "logs"))
        server.start()
        with ML_Logger(root=f"http://logs:{server.port}", prefix="run", silent=True) as reader:
            reader.close()  # waits for what the first one left
            assert [row["loss"] for row in reader.load_pkl("metrics.pkl") or []] == [1]
    finally:
        server.stop()


def test_beyond_this_machine_it_goes_by_the_names_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that others reach is asked by address, or by the name of its machine, and by no other one."""
    monkeypatch.setenv("ML_LOGGER_ACCESS_TOKEN", "secret-token")
    server = serving(tmp_path / "data", "--host", "127.1")  # not known to be this machine, though it is
    try:
        for host in (socket.gethostname(), "10.1.2.3:8081", f"localhost:{server.port}"):
            assert raw(server, "GET", protocol.HEALTH, host=host).status == 200
        assert raw(server, "GET", protocol.HEALTH, host="evil.example").status == 403
    finally:
        server.stop()


def test_names_are_checked_before_it_starts(tmp_path: Path) -> None:
    """A name or a site that is none is refused when the server is started, with how to write it."""
    for name in ("http://logs", "logs:8081", "*", "a b", ""):
        with pytest.raises(InvalidSetting, match="--allow-host"):
            names_of("127.0.0.1", [name], beyond=False)
    for origin in ("*", "null", "logs.example.org", "https://logs.example.org/", "file://x", "https://"):
        with pytest.raises(InvalidSetting, match="--allow-origin"):
            origins_of([origin])
    assert names_of("logs.lab", ["A.b."], beyond=False) == {"localhost", "logs.lab", "a.b"}
    assert "--allow-host '*'" in refused("--data-dir", tmp_path / "d", "--port", 0, "--allow-host", "*")


OWN = {"none": "http://localhost:{port}", "tls proxy": "https://localhost:{port}"}


@pytest.mark.parametrize("origin", OWN.values(), ids=OWN)
def test_its_own_pages_may_write(site: Server, origin: str) -> None:
    """A page of the server itself may change things, also where a proxy before it speaks TLS."""
    host = f"localhost:{site.port}"
    fields = (f"Origin: {origin.format(port=site.port)}", "Sec-Fetch-Site: same-origin")

    assert raw(site, "POST", protocol.BATCHES, *BATCH, *fields, body=append(1), host=host).status == 200


FOREIGN: dict[str, tuple[str, ...]] = {
    "another site": ("Origin: https://evil.example",),
    "no site": ("Origin: null",),
    "a name that begins like ours": ("Origin: http://localhost.evil.example",),
    "a name that ends like ours": ("Origin: http://evil-localhost",),
    "another port": ("Origin: http://localhost:1",),
    "another scheme": ("Origin: ftp://localhost",),
    "an extension": ("Origin: chrome-extension://abcdef",),
    "nothing": ("Origin: ",),
    "two": ("Origin: https://plots.example.org https://evil.example",),
    "the allowed one with a path": ("Origin: https://plots.example.org/",),
    "the allowed one without TLS": ("Origin: http://plots.example.org",),
    "the allowed one below another": ("Origin: https://plots.example.org.evil.example",),
    "no origin, but from elsewhere": ("Sec-Fetch-Site: cross-site",),
    "no origin, but from a neighbor": ("Sec-Fetch-Site: same-site",),
    "our origin, but from elsewhere": ("Origin: http://localhost", "Sec-Fetch-Site: cross-site"),
    "with a cookie": ("Origin: https://evil.example", "Cookie: session=1"),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("kind", [protocol.CONTENT_TYPE, "text/plain", "multipart/form-data; boundary=x"])
def test_pages_of_other_sites_may_not_write(site: Server, name: str, kind: str) -> None:
    """A request that changes something and comes from a page elsewhere is turned away, and changes nothing."""
    writer = f"{protocol.WRITER}: {'e' * 32}"
    answer = raw(site, "POST", protocol.BATCHES, f"Content-Type: {kind}", writer, *FOREIGN[name], body=append(1))

    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers
    assert parsed(raw_answer(site, protocol.ENTRIES)).body.count(b"eeee") == 0


def raw_answer(server: Server, target: str) -> bytes:
    """Get an address."""
    return ask(server, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())


@pytest.mark.parametrize("name", FOREIGN)
def test_pages_of_other_sites_are_given_no_leave_to_read(site: Server, name: str) -> None:
    """What a page elsewhere asks for comes without the headers that would let it read the answer, or embed it."""
    answer = raw(site, "GET", protocol.ENTRIES, *FOREIGN[name])

    assert not [header for header in answer.headers if header.startswith("access-control-")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_methods_that_change_nothing_are_known(site: Server) -> None:
    """Every other method is checked, also one that nobody serves."""
    for method in ("PUT", "DELETE", "PATCH", "POST", "PROPFIND"):
        assert raw(site, method, protocol.ENTRIES, "Origin: https://evil.example").status == 403


def test_an_allowed_site_may_read_and_write(site: Server) -> None:
    """Pages of a site that was named are asked first and let in, with what they need to read the answer."""
    origin = "Origin: https://plots.example.org"
    first = raw(site, "OPTIONS", protocol.BATCHES, origin, "Access-Control-Request-Method: POST")
    answer = raw(site, "POST", protocol.BATCHES, *BATCH, origin, "Sec-Fetch-Site: cross-site", body=append(1))

    assert first.status == 204
    assert "POST" in first.headers["access-control-allow-methods"]
    assert protocol.WRITER in first.headers["access-control-allow-headers"]
    assert answer.status == 200
    for each in (first, answer, raw(site, "GET", "/nowhere", origin)):
        assert each.headers["access-control-allow-origin"] == "https://plots.example.org"
        assert each.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in each.headers
    assert raw(site, "GET", f"{protocol.FILES}/run/a", origin).headers["vary"] == "Accept, Origin"


@pytest.mark.parametrize(
    "fields",
    [
        ("Origin: https://evil.example", "Access-Control-Request-Method: POST"),
        ("Origin: https://plots.example.org",),
        ("Access-Control-Request-Method: POST",),
    ],
)
def test_nobody_else_is_answered_beforehand(site: Server, fields: tuple[str, ...]) -> None:
    """A browser that asks whether another site may write is not told that it may."""
    answer = raw(site, "OPTIONS", protocol.BATCHES, *fields)

    assert answer.status == 405
    assert "access-control-allow-methods" not in answer.headers


def test_without_the_flag_there_is_no_leave_at_all(server: Server) -> None:
    """A server that was told of no site answers no preflight, and sends no header for other sites."""
    fields = ("Origin: https://plots.example.org", "Access-Control-Request-Method: POST")
    for method in ("OPTIONS", "GET", "POST"):
        answer = raw(server, method, protocol.ENTRIES, *fields)
        assert answer.status == {"OPTIONS": 405, "GET": 200, "POST": 403}[method]
        assert not [header for header in answer.headers if header.startswith("access-control-")]


ANSWERS: dict[str, tuple[int, Callable[[Server], bytes]]] = {
    "health": (200, lambda server: raw_answer(server, protocol.HEALTH)),
    "listing": (200, lambda server: raw_answer(server, protocol.ENTRIES)),
    "file": (200, lambda server: raw_answer(server, f"{protocol.FILES}/run/a")),
    "no file": (404, lambda server: raw_answer(server, f"{protocol.FILES}/run/b")),
    "no key": (400, lambda server: raw_answer(server, f"{protocol.FILES}/run/..")),
    "no address": (404, lambda server: raw_answer(server, "/<script>alert(1)</script>")),
    "no request": (400, lambda server: ask(server, b"nonsense\r\n\r\n")),
    "too long": (414, lambda server: raw_answer(server, "/" + "x" * 20_000)),
    "another name": (
        403,
        lambda server: ask(server, b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_is_a_page(site: Server, name: str) -> None:
    """Each answer, also one that tells an error, is a download that no browser sniffs at, shows, or runs."""
    status, request = ANSWERS[name]
    answer = parsed(request(site))

    assert answer.status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["content-type"] in ("application/json", "application/octet-stream")
    assert answer.headers["cache-control"] in ("no-store", "no-cache")
    assert b"<" not in answer.body


@pytest.mark.parametrize(
    "key",
    ["x.html", "x.svg", "x.xhtml", "x.xml", "x.pdf", "x.mht", "x.svg.txt", "x.js", "x.css", "x", "x.md", "x.swf"],
)
def test_whatever_was_logged_is_a_download(site: Server, key: str) -> None:
    """HTML, SVG and all else comes as bytes to keep, whatever its name says and whatever it holds."""
    page = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/><script>alert(1)</script>"
    log(site, key, page)
    answer = raw(site, "GET", f"{protocol.FILES}/{key}")

    assert answer.body == page
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"


GET = f"GET {protocol.HEALTH} HTTP/1.1\r\n"
HEADS: dict[str, tuple[str, int]] = {
    "two hosts": (GET + "Host: localhost\r\nHost: evil.example\r\n", 400),
    "the same host twice": (GET + "Host: localhost\r\nHost: localhost\r\n", 400),
    "a space before the colon": (GET + "Host: localhost\r\nHost : evil.example\r\n", 400),
    "nothing but that": (GET + "Host : localhost\r\n", 400),
    "a folded line": (GET + "Host: localhost\r\nX-A: b\r\n c: d\r\n", 400),
    "NUL": (GET + "Host: localhost\r\nX-A: b\0c\r\n", 400),
    "a bare CR": (GET + "Host: localhost\r\nX-A: b\rX-B: c\r\n", 400),
    "a bare LF": (GET + "Host: localhost\r\nX-A: b\nHost: evil.example\r\n", 400),
    "no colon": (GET + "Host: localhost\r\nX-A\r\n", 400),
    "no name": (GET + "Host: localhost\r\n: x\r\n", 400),
    "two origins": (GET + "Host: localhost\r\nOrigin: http://localhost\r\nOrigin: null\r\n", 400),
    "two tokens": (GET + "Host: localhost\r\nAuthorization: a\r\nAuthorization: b\r\n", 400),
    "two lengths": (GET + "Host: localhost\r\nContent-Length: 0\r\nContent-Length: 5\r\n", 400),
    "a length and chunks": (GET + "Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    "an absolute address": ("GET http://evil.example/v1/health HTTP/1.1\r\nHost: localhost\r\n", 400),
    "our own absolute address": ("GET http://localhost/v1/health HTTP/1.1\r\nHost: localhost\r\n", 400),
    "an address of two slashes": ("GET //evil.example/v1/health HTTP/1.1\r\nHost: localhost\r\n", 400),
    "no address": ("GET * HTTP/1.1\r\nHost: localhost\r\n", 400),
    "an authority": ("CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n", 400),
    "an address that is not ASCII": ("GET /v1/h\xe9 HTTP/1.1\r\nHost: localhost\r\n", 400),
    "a control character": ("GET /v1/\x01 HTTP/1.1\r\nHost: localhost\r\n", 400),
    "HTTP 0.9": (f"GET {protocol.HEALTH}\r\n", 400),
    "HTTP 9.9": (f"GET {protocol.HEALTH} HTTP/9.9\r\nHost: localhost\r\n", 400),
    "HTTP 2": ("PRI * HTTP/2.0\r\n", 400),
    "a hello of TLS": ("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n", 400),
    "a web socket": (GET + "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", 400),
    "HTTP 1.0 without a host": (f"GET {protocol.HEALTH} HTTP/1.0\r\n", 400),
    "a method of nobody": (f"get {protocol.HEALTH} HTTP/1.1\r\nHost: localhost\r\n", 405),
    "a method in a header": (
        f"GET {protocol.BATCHES} HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: POST\r\n",
        405,
    ),
}


BODIES: dict[str, tuple[str, int]] = {
    "chunks": ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 411),
    "chunks in hexadecimal": ("Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 411),
    "a negative chunk": ("Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", 411),
    "a chunk with 20 kB of extensions": (
        f"Transfer-Encoding: chunked\r\n\r\n5;{'x' * 20_000}\r\nhello\r\n0\r\n\r\n",
        411,
    ),
    "another coding": ("Transfer-Encoding: xchunked\r\n\r\nhello", 400),
    "chunks of chunks": ("Transfer-Encoding: chunked, chunked\r\n\r\nhello", 400),
    "a length with a sign": ("Content-Length: +5\r\n\r\nhello", 400),
    "a negative length": ("Content-Length: -1\r\n\r\nhello", 400),
    "a length in hexadecimal": ("Content-Length: 0x5\r\n\r\nhello", 400),
    "a length with an underscore": ("Content-Length: 0_5\r\n\r\nhello", 400),
    "a length in other digits": ("Content-Length: \u0665\r\n\r\nhello", 411),
    "two lengths in one": ("Content-Length: 5, 5\r\n\r\nhello", 400),
    "no number": ("Content-Length: \r\n\r\nhello", 400),
}


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_has_one_length(site: Server, name: str, method: str) -> None:
    """Where a body ends is never guessed: what is behind it is not taken for a second request."""
    rest, status = BODIES[name]
    second = f"GET {protocol.HEALTH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = ask(site, f"{method} {protocol.ENTRIES} HTTP/1.1\r\nHost: localhost\r\n{rest}{second}".encode())

    assert parsed(answer).status == status
    assert answer.count(b"HTTP/1.1 ") == 1
    assert raw(site, "GET", protocol.HEALTH).status == 200


@pytest.mark.parametrize("line", ["Transfer-Encoding : chunked", "Transfer-Encoding: \x0bchunked", "X: a\0b", "X"])
def test_nothing_is_read_behind_a_head_that_could_mean_two_things(site: Server, line: str) -> None:
    """Whoever sent such a head on to us may see other requests behind it than we do: none of them is answered."""
    first = f"POST {protocol.ENTRIES} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n0\r\n\r\n"
    answer = ask(site, (first + GET + "Host: localhost\r\nConnection: close\r\n\r\n").encode())

    assert parsed(answer).status == 400
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("name", HEADS)
def test_heads_that_could_mean_two_things_are_turned_away(site: Server, name: str) -> None:
    """A head that others might read differently is answered with 400 and one sentence, and hurts nobody."""
    head, status = HEADS[name]
    end = "Connection: close\r\n\r\n" if " HTTP/1.1\r\n" in head else "\r\n"
    answer = parsed(ask(site, (head + end).encode("latin-1")))

    assert answer.status == status
    assert answer.body.startswith(b'{"error":"')
    assert raw(site, "GET", protocol.HEALTH).status == 200
