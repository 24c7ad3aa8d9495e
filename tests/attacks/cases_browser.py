"""Browsers as attackers: names that lead here, pages of other sites, and what was logged shown as a page."""

from __future__ import annotations

from ml_logger.transport import protocol
from ml_logger.transport.frames import Op, encode
from tests.attacks.attack import Attack, Deed, gets, head, posts, sends
from tests.attacks.scene import Scene
from tests.wire import append, parsed

HOSTS = {
    "B01 another name": ("evil.example", "403"),
    "B01 another name with our port": ("evil.example:8081", "403"),
    "B01 percent signs in a name": ("%6c%6f%63%61%6c%68%6f%73%74", "400"),
    "B01 a name in other letters": ("xn--lcalhost-n7a", "403"),
    "B01 letters of no ASCII": ("l\xf6calhost", "400"),
    "B03 our address below another name": ("127.0.0.1.evil.example", "403"),
    "B03 our name below another": ("localhost.evil.example", "403"),
    "B03 our name behind another": ("evil.localhost", "403"),
    "B03 a dot at the end": ("localhost.", "200"),
    "B03 two dots at the end": ("localhost..", "403"),
    "B03 the address of IPv6": ("[::1]", "200"),
    "B03 a zone of IPv6": ("[fe80::1%25eth0]", "200"),
    "B03 half an address of IPv6": ("[::1", "400"),
    "B03 a decimal address": ("2130706433", "403"),
    "B03 a hexadecimal address": ("0x7f000001", "403"),
    "B03 an octal address": ("0177.0.0.1", "403"),
    "B03 a short address": ("127.1", "403"),
    "B03 somebody before our name": ("user@localhost", "400"),
    "B03 a path behind our name": ("localhost/evil", "400"),
    "B03 a port that is none": ("localhost:http", "400"),
    "B03 two names": ("localhost, evil.example", "400"),
    "B03 a name of 10,000 letters": ("x" * 10_000, "403"),
}

FROM_ELSEWHERE = {
    "B04 text": ("text/plain", ("Origin: https://evil.example",)),
    "B05 a form": ("application/x-www-form-urlencoded", ("Origin: https://evil.example",)),
    "B05 a form with files": ("multipart/form-data; boundary=x", ("Origin: https://evil.example",)),
    "B06 no site": (protocol.CONTENT_TYPE, ("Origin: null",)),
    "B06 an empty site": (protocol.CONTENT_TYPE, ("Origin: ",)),
    "B07 a site that begins like ours": (protocol.CONTENT_TYPE, ("Origin: http://localhost.evil.example",)),
    "B07 with a cookie": (protocol.CONTENT_TYPE, ("Origin: https://evil.example", "Cookie: session=1")),
    "B07 another port of ours": (protocol.CONTENT_TYPE, ("Origin: http://localhost:1",)),
    "B07 the allowed site without TLS": (protocol.CONTENT_TYPE, ("Origin: http://plots.example.org",)),
    "B07 the allowed site, and more": (protocol.CONTENT_TYPE, ("Origin: https://plots.example.org.evil.example",)),
    "B07 two sites": (protocol.CONTENT_TYPE, ("Origin: https://plots.example.org https://evil.example",)),
    "B07 no site, but from elsewhere": (protocol.CONTENT_TYPE, ("Sec-Fetch-Site: cross-site",)),
    "B07 no site, but from a neighbor": (protocol.CONTENT_TYPE, ("Sec-Fetch-Site: same-site",)),
    "B07 an extension": (protocol.CONTENT_TYPE, ("Origin: chrome-extension://abcdef",)),
}

PAGE = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/><script>alert(1)</script>"
SHOWN = {
    "B09 SVG": "x.svg",
    "B10 HTML": "x.html",
    "B10 XML": "x.xml",
    "B10 XHTML": "x.xhtml",
    "B10 PDF": "x.pdf",
    "B10 a web archive": "x.mht",
    "B10 two suffixes": "x.svg.txt",
    "B10 no suffix": "x",
    "B10 a script": "x.js",
    "B10 a style": "x.css",
    "B10 flash": "x.swf",
    "B11 markdown": "x.md",
    "B13 a formula in CSV": "x.csv",
}


def writes_from(kind: str, fields: tuple[str, ...]) -> Deed:
    """Post a batch as a page of another site would, and tell the status and whether the page may read the answer."""

    def deed(scene: Scene) -> str:
        known = (f"Content-Type: {kind}", f"{protocol.WRITER}: {scene.fresh()}")
        answer = parsed(scene.ask(head("POST", protocol.BATCHES, *known, *fields, body=append(1, b"x", "stolen"))))
        return f"{answer.status}{_leave(answer.headers)}"

    return deed


def asks_from(method: str, target: str, *fields: str) -> Deed:
    """Ask as a page of another site would, and tell the status and whether the page may read the answer."""

    def deed(scene: Scene) -> str:
        answer = parsed(scene.ask(head(method, target, *fields)))
        return f"{answer.status}{_leave(answer.headers)}"

    return deed


def _leave(headers: dict[str, str]) -> str:
    given = [name for name in headers if name.startswith("access-control-allow")]
    return f", and may read {headers.get('access-control-allow-origin')}" if given else ""


def shows(key: str) -> Deed:
    """Log a page, get it, and tell how it comes."""

    def deed(scene: Scene) -> str:
        scene.answered(encode(1, Op.WRITE, f"shown/{key}".encode(), PAGE))
        answer = parsed(scene.ask(head("GET", f"{protocol.FILES}/shown/{key}", "Accept: text/html")))
        return _kind(answer.headers) if answer.body == PAGE else "another file"

    return deed


def tells(target: str) -> Deed:
    """Get an address that is an error, and tell how the answer comes, and whether it says any of it."""

    def deed(scene: Scene) -> str:
        answer = parsed(scene.ask(head("GET", target, "Accept: text/html")))
        echo = ", and an echo" if b"<" in answer.body or b"script" in answer.body.lower() else ""
        return f"{answer.status} {_kind(answer.headers)}{echo}"

    return deed


def _kind(headers: dict[str, str]) -> str:
    wanted = {
        "content-type": headers.get("content-type", ""),
        "sandbox": headers.get("content-security-policy", "")[:7],
        "disposition": headers.get("content-disposition", ""),
        "sniffing": headers.get("x-content-type-options", ""),
        "embedding": headers.get("cross-origin-resource-policy", ""),
    }
    return " ".join(wanted.values())


DOWNLOAD = "application/octet-stream sandbox attachment nosniff same-origin"
TOLD = "application/json sandbox attachment nosniff same-origin"
SOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA")

CASES = [
    *(Attack(name, gets(protocol.ENTRIES, host=host), expected) for name, (host, expected) in HOSTS.items()),
    Attack(
        "B02 rebinding, and a name of its own",
        gets(protocol.ENTRIES, "User-Agent: evil", host="evil.example:8081"),
        "403",
    ),
    Attack("B02 rebinding, to write", sends(head("POST", protocol.BATCHES, host="evil.example", body=b"x")), "403"),
    Attack("B02 rebinding, for health", gets(protocol.HEALTH, host="evil.example"), "403"),
    *(Attack(name, writes_from(kind, fields), "403", "site") for name, (kind, fields) in FROM_ELSEWHERE.items()),
    Attack(
        "B08 asked before, for another site",
        asks_from("OPTIONS", protocol.BATCHES, "Origin: https://evil.example", "Access-Control-Request-Method: POST"),
        "405",
        "site",
    ),
    Attack(
        "B08 asked before, for a network of ours",
        asks_from(
            "OPTIONS",
            protocol.BATCHES,
            "Origin: https://evil.example",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Private-Network: true",
        ),
        "405",
        "site",
    ),
    Attack(
        "B08 asked before, where no site is allowed",
        asks_from(
            "OPTIONS", protocol.BATCHES, "Origin: https://plots.example.org", "Access-Control-Request-Method: POST"
        ),
        "405",
    ),
    Attack(
        "B08 asked before, by the allowed site, under another name",
        sends(
            head(
                "OPTIONS",
                protocol.BATCHES,
                "Origin: https://plots.example.org",
                "Access-Control-Request-Method: POST",
                host="evil.example",
            )
        ),
        "403",
        "site",
    ),
    Attack("B08 another site reads", asks_from("GET", protocol.ENTRIES, "Origin: https://evil.example"), "200", "site"),
    *(Attack(name, shows(key), DOWNLOAD, stores=True) for name, key in SHOWN.items()),
    Attack("B12 a script in an address", tells("/<script>alert(1)</script>"), f"404 {TOLD}"),
    Attack(
        "B12 a script in a key",
        tells(f"{protocol.FILES}/%3Cscript%3Ealert(1)%3C/script%3E/.."),
        f"400 {TOLD}, and an echo",
    ),
    Attack(
        "B12 a script in a glob", tells(f"{protocol.ENTRIES}?pattern=%3Cscript%3E[z-a]"), f"400 {TOLD}, and an echo"
    ),
    Attack(
        "B14 escapes of a terminal in a name",
        posts([(1, Op.WRITE, b"\x1b]0;evil\x07", b"x")]),
        "200, committed 1, rejected 1",
    ),
    Attack(
        "B15 a web socket",
        sends(head("GET", protocol.HEALTH, *SOCKET, "Origin: https://evil.example", keep=True)),
        "400",
    ),
    Attack(
        "B15 a web socket of ours",
        sends(head("GET", protocol.HEALTH, *SOCKET, "Origin: http://localhost", keep=True)),
        "400",
    ),
]
