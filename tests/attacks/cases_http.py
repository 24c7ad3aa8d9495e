"""Requests that mean two things, or nothing: smuggling, odd heads, odd bodies, other protocols."""

from __future__ import annotations

from ml_logger.transport import protocol
from tests.attacks.attack import MARK, OPEN, Attack, Deed, gets, head, sends, statuses
from tests.attacks.scene import Scene

HEALTH = protocol.HEALTH
START = f"GET {HEALTH} HTTP/1.1\r\n"
HOST = "Host: localhost\r\n"
END = "Connection: close\r\n\r\n"
#: What is hidden behind a body: answered, it would be a second answer.
SECOND = f"GET {protocol.ENTRIES} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
POST = f"POST {protocol.BATCHES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
POST += f"{protocol.WRITER}: {'a' * 32}\r\n"
FILE = f"{protocol.FILES}/{OPEN}"

HEADS = {
    "H01 no Host": (START + END, "400"),
    "H01 no Host in HTTP/1.0": (f"GET {HEALTH} HTTP/1.0\r\n\r\n", "400"),
    "H01 an empty Host": (START + "Host: \r\n" + END, "400"),
    "H02 two Hosts": (START + HOST + "Host: evil.example\r\n" + END, "400"),
    "H02 the same Host twice": (START + HOST + HOST + END, "400"),
    "H03 a space before the colon": (START + HOST + "Host : evil.example\r\n" + END, "400"),
    "H03 a tab before the colon": (START + HOST + "X\t: y\r\n" + END, "400"),
    "H04 an absolute address of another host": (f"GET http://evil.example{HEALTH} HTTP/1.1\r\n{HOST}{END}", "400"),
    "H04 an absolute address of ours": (f"GET http://localhost{HEALTH} HTTP/1.1\r\n{HOST}{END}", "400"),
    "H12 NUL in a header": (START + HOST + "X: a\0b\r\n" + END, "400"),
    "H12 a bare CR in a header": (START + HOST + "X: a\rHost: evil.example\r\n" + END, "400"),
    "H12 an escape in a header": (START + HOST + "X: \x1b[2J\r\n" + END, "400"),
    "H13 a folded line": (START + HOST + "X: a\r\n b: c\r\n" + END, "400"),
    "H13 a folded first line": (START + " X: a\r\n" + HOST + END, "400"),
    "H14 a bare LF": (START + HOST + "X: a\nHost: evil.example\r\n" + END, "400"),
    "H14 bare LFs alone, and an end": ((START + HOST).replace("\r\n", "\n") + "\r\n\r\n", "400"),
    "H15 a header of 9 kB": (START + HOST + f"X: {'y' * 9_000}\r\n" + END, "200"),
    "H15 a header of 17 kB": (START + HOST + f"X: {'y' * 17_000}\r\n" + END, "431"),
    "H15 a header of 1 MB": (START + HOST + f"X: {'y' * 10**6}\r\n" + END, "431"),
    "H15 1,000 headers": (START + HOST + "X: y\r\n" * 1000 + END, "431"),
    "H15 100,000 headers": (START + HOST + "X: y\r\n" * 100_000 + END, "431"),
    "H15 an address of 9 kB": (f"GET {HEALTH}?{'x' * 9_000} HTTP/1.1\r\n{HOST}{END}", "414"),
    "H15 an address of 1 MB": (f"GET /{'x' * 10**6} HTTP/1.1\r\n{HOST}{END}", "414"),
    "H16 HTTP/0.9": (f"GET {HEALTH}\r\n\r\n", "400"),
    "H16 HTTP/9.9": (f"GET {HEALTH} HTTP/9.9\r\n{HOST}\r\n", "400"),
    "H16 HTTP/2 from the start": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0" * 9, "400"),
    "H16 an upgrade to HTTP/2": (
        START + HOST + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "400",
    ),
    "H16 SSH": ("SSH-2.0-OpenSSH_9.6\r\n\r\n", "400"),
    "H16 only ends of lines": ("\r\n" * 1000, "400"),
    "H17 a method in lower case": (f"get {HEALTH} HTTP/1.1\r\n{HOST}{END}", "405"),
    "H17 a method of nobody": (f"EVIL {HEALTH} HTTP/1.1\r\n{HOST}{END}", "405"),
    "H17 a method of 10,000 letters": (f"{'G' * 10_000} {HEALTH} HTTP/1.1\r\n{HOST}{END}", "405"),
    "H17 a method in a header": (
        f"GET {protocol.BATCHES} HTTP/1.1\r\n{HOST}X-HTTP-Method-Override: POST\r\n{END}",
        "405",
    ),
    "H17 TRACE": (f"TRACE {HEALTH} HTTP/1.1\r\n{HOST}Cookie: a\r\n{END}", "405"),
    "H17 TRACK": (f"TRACK {HEALTH} HTTP/1.1\r\n{HOST}{END}", "405"),
    "H17 CONNECT": (f"CONNECT evil.example:443 HTTP/1.1\r\n{HOST}{END}", "400"),
    "H17 CONNECT to a path": (f"CONNECT {HEALTH} HTTP/1.1\r\n{HOST}{END}", "405"),
    "H17 OPTIONS of everything": (f"OPTIONS * HTTP/1.1\r\n{HOST}{END}", "400"),
    "H17 PUT of a file": (f"PUT {FILE} HTTP/1.1\r\n{HOST}Content-Length: 4\r\n{END}evil", "405"),
    "H17 DELETE of a file": (f"DELETE {FILE} HTTP/1.1\r\n{HOST}{END}", "405"),
    "H17 MOVE of a file": (f"MOVE {FILE} HTTP/1.1\r\n{HOST}Destination: /v1/files/x\r\n{END}", "405"),
    "H17 PROPFIND": (f"PROPFIND {protocol.FILES}/ HTTP/1.1\r\n{HOST}Depth: infinity\r\n{END}", "404"),
    "H27 CRLF in a path": (f"GET {FILE}%0d%0aX-Evil:%201 HTTP/1.1\r\n{HOST}{END}", "400"),
    "H27 CRLF in a query": (f"GET {protocol.ENTRIES}?pattern=a%0d%0aX-Evil:%201 HTTP/1.1\r\n{HOST}{END}", "200"),
    "H27 CR in the first line": (f"GET {HEALTH}\rX HTTP/1.1\r\n{HOST}{END}", "400"),
    "H28 two slashes, and another host": (f"GET //evil.example/%2e%2e HTTP/1.1\r\n{HOST}{END}", "400"),
    "H28 a backslash, and another host": (f"GET /\\evil.example/ HTTP/1.1\r\n{HOST}{END}", "404"),
    "H29 no colon in a header": (START + HOST + "evil\r\n" + END, "400"),
    "H29 no name of a header": (START + HOST + ": x\r\n" + END, "400"),
    "H29 a name with bytes of no ASCII": (START + HOST + "X-\xe9: x\r\n" + END, "400"),
    "H29 a name with brackets": (START + HOST + "X[y]: x\r\n" + END, "400"),
    "H29 bytes of no ASCII in a value": (START + HOST + "X: \xff\xfe\r\n" + END, "200"),
    "H29 two Authorizations": (START + HOST + "Authorization: a\r\nAuthorization: b\r\n" + END, "400"),
    "H29 two content types": (
        POST + "Content-Type: text/plain\r\nContent-Length: 1\r\n" + END + "x",
        "400",
    ),
    "H30 bytes of no ASCII in an address": (f"GET /v1/h\xe9 HTTP/1.1\r\n{HOST}{END}", "400"),
    "H30 a tab in an address": (f"GET /v1/\thealth HTTP/1.1\r\n{HOST}{END}", "400"),
    "H30 two spaces": (f"GET  {HEALTH} HTTP/1.1\r\n{HOST}{END}", "400"),
    "H30 a query of 4,000 parts": (f"GET {HEALTH}?{'&'.join('a' * 4000)} HTTP/1.1\r\n{HOST}{END}", "200"),
    "H30 an address that is no address": (f"GET localhost HTTP/1.1\r\n{HOST}{END}", "400"),
    "H30 our address with a dot": (f"GET /v1/./health HTTP/1.1\r\n{HOST}{END}", "404"),
}

#: Behind each, `SECOND` follows: it is never answered, but where everybody agrees on where the first one ends.
BODIES = {
    "H05 two lengths": ("Content-Length: 0\r\nContent-Length: 5\r\n\r\n", "400"),
    "H05 the same length twice": ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400"),
    "H05 two lengths in one": ("Content-Length: 5, 5\r\n\r\nhello", "400"),
    "H06 a length and chunks": ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
    "H06 chunks and a length": ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "400"),
    "H07 a length with a sign": ("Content-Length: +5\r\n\r\nhello", "400"),
    "H07 a negative length": ("Content-Length: -1\r\n\r\n", "400"),
    "H07 a length in hexadecimal": ("Content-Length: 0x5\r\n\r\nhello", "400"),
    "H07 a length with an underscore": ("Content-Length: 0_5\r\n\r\nhello", "400"),
    "H07 a length with a space": ("Content-Length: 0 5\r\n\r\nhello", "400"),
    "H07 no number at all": ("Content-Length: \r\n\r\nhello", "400"),
    "H08 a length of 10^30": (f"Content-Length: 1{'0' * 30}\r\n\r\nhello", "413"),
    "H08 a length of 5,000 digits": (f"Content-Length: {'9' * 5000}\r\n\r\nhello", "400"),
    "H10 another coding": ("Transfer-Encoding: xchunked\r\n\r\nhello", "400"),
    "H10 chunks of chunks": ("Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400"),
    "H10 a coding behind chunks": ("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", "400"),
    "H10 a coding with a space before the colon": ("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"),
    "H10 a coding with a vertical tab": ("Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "400"),
    "H11 chunks": ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "411"),
    "H11 a negative chunk": ("Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", "411"),
    "H11 a chunk in hexadecimal": ("Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", "411"),
    "H11 a chunk of 16 digits": ("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n", "411"),
    "H11 a chunk with 20 kB behind it": (
        f"Transfer-Encoding: chunked\r\n\r\n5;{'x' * 20_000}\r\nhello\r\n0\r\n\r\n",
        "411",
    ),
    "H11 30,000 chunks of a byte": ("Transfer-Encoding: chunked\r\n\r\n" + "1\r\nx\r\n" * 30_000, "411"),
    "H23 gzip": ("Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", "415 200"),
    "H23 brotli": ("Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello", "415 200"),
    "H23 zstd": ("Content-Encoding: zstd\r\nContent-Length: 5\r\n\r\nhello", "415 200"),
    "H23 gzip, and then nothing": ("Content-Encoding: gzip, identity\r\nContent-Length: 5\r\n\r\nhello", "415 200"),
}


def range_of(value: str) -> Deed:
    """Ask for a range of ten bytes, and tell the status and how many came."""

    def deed(scene: Scene) -> str:
        answer = scene.ask(head("GET", FILE, f"Range: {value}"))
        return f"{statuses(answer)}, {len(answer.partition(bytes(2 * [13, 10]))[2])} bytes"

    return deed


RANGES = {
    "H26 reversed": ("bytes=5-2", "200, 10 bytes"),
    "H26 many": ("bytes=0-1,3-4", "200, 10 bytes"),
    "H26 3,000 overlapping": ("bytes=" + ",".join(["0-"] * 3000), "200, 10 bytes"),
    "H26 huge": ("bytes=0-9999999999999999999", "206, 10 bytes"),
    "H26 of 1,000 digits": (f"bytes={'9' * 1000}-", "200, 10 bytes"),
    "H26 behind the end": ("bytes=9999999999999999999-", "416, 0 bytes"),
    "H26 other digits": ("bytes=\xb2-", "200, 10 bytes"),
    "H26 another unit": ("lines=0-1", "200, 10 bytes"),
    "H26 negative": ("bytes=--5", "200, 10 bytes"),
    "H26 the last none": ("bytes=-0", "416, 0 bytes"),
}

CONDITIONS = {
    "H31 3,000 tags": ("If-Match: " + ", ".join(['"x"'] * 3000), "412"),
    "H31 a tag without an end": ('If-Match: "' + "x" * 5000, "412"),
    "H31 a prefix behind the end": (f'If-Match: "x"\r\n{protocol.PREFIX}: 0-9999999999999999999 00000000', "412"),
    "H31 a prefix that ends before it begins": (f'If-Match: "x"\r\n{protocol.PREFIX}: 9-1 00000000', "412"),
    "H31 a prefix of nonsense": (f'If-Match: "x"\r\n{protocol.PREFIX}: -1-zz \xff', "412"),
    "H31 a date of nonsense": ("If-Modified-Since: Thu, 99 Foo 99999 99:99:99 GMT", "200"),
    "H31 If-Range of nonsense": ("If-Range: \xff\r\nRange: bytes=0-1", "200"),
    "H32 an Accept of 3,000 kinds": ("Accept: " + ",".join(["*/*;q=0.1"] * 1500), "200"),
    "H32 an Accept of nonsense": ("Accept: ;;;=,,,q=", "200"),
    "H32 an Accept-Language of 15 kB": ("Accept-Language: " + "x-" * 7500, "200"),
    "H32 1,500 cookies": ("Cookie: " + "a=b;" * 3000, "200"),
    "H32 a cookie of nonsense": ('Cookie: ";;=\\"\\1;a="\\', "200"),
    "H33 forwarded from here": ("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: evil.example", "200"),
    "H33 forwarded, with nonsense": ('Forwarded: for=[::1;host=;;;by="\\\r\nX-Forwarded-Port: x', "200"),
    "H33 another address in a header": (f"X-Original-URL: {protocol.ENTRIES}\r\nX-Rewrite-URL: /", "200"),
}


def silent(data: str) -> Deed:
    """Send a part of a request, and no more: tell what is said when it is given up."""
    return lambda scene: statuses(scene.ask(data.encode("latin-1")))


def pipelined(*requests: bytes) -> Deed:
    """Send requests at once, on one connection."""
    return sends(b"".join(requests))


GOOD = head("GET", HEALTH, keep=True)
LAST = head("GET", HEALTH)

CASES = [
    *(Attack(name, sends(data), expected) for name, (data, expected) in HEADS.items()),
    *(Attack(name, sends(POST + data + SECOND), expected) for name, (data, expected) in BODIES.items()),
    *(
        Attack(f"{name}, of a request without a body", sends(START + HOST + data + SECOND), expected)
        for name, (data, expected) in BODIES.items()
        if name[:3] in ("H06", "H10", "H11")
    ),
    *(Attack(f"{name}, as a range", range_of(value), expected) for name, (value, expected) in RANGES.items()),
    *(Attack(name, gets(FILE, field), expected) for name, (field, expected) in CONDITIONS.items()),
    Attack(
        "H09 a body that is shorter than its length", sends(POST + "Content-Length: 99\r\n\r\nx", half=True), "hung up"
    ),
    Attack("H09 half a head, and then closed", sends(START + "Ho", half=True), "hung up"),
    Attack("H09 nothing, and then closed", sends(b"", half=True), "hung up"),
    Attack("H16 a hello of TLS", sends(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500), half=True), "hung up"),
    Attack("H16 random bytes", sends(bytes(range(256)) * 66, half=True), "414"),
    Attack(
        "H18 Expect: 100-continue", sends(POST + "Expect: 100-continue\r\nContent-Length: 1\r\n" + END + "x"), "100 400"
    ),
    Attack("H18 another expectation", sends(POST + "Expect: evil\r\nContent-Length: 1\r\n" + END + "x"), "417"),
    Attack("H19 a head that stops", silent(START + "X-Evil: "), "408", "hasty"),
    Attack("H20 a small body that stops", silent(POST + "Content-Length: 5000\r\n\r\nMLF"), "408", "hasty"),
    Attack("H21 a connection that says nothing", silent(""), "hung up", "hasty"),
    Attack("H22 pipelined, one is bad", pipelined(GOOD, GOOD, b"nonsense\r\n\r\n", LAST), "200 200 400"),
    Attack(
        "H22 pipelined, behind a bad length",
        pipelined(GOOD, (POST + "Content-Length: -1\r\n\r\n").encode(), LAST),
        "200 400",
    ),
    Attack("H22 pipelined behind a last one", pipelined(LAST, LAST), "200"),
    Attack("H22 pipelined, 500", pipelined(*[GOOD] * 499, LAST), " ".join(["200"] * 500)),
    Attack(
        "H25 a form of 50,000 parts",
        sends(
            head(
                "POST", protocol.BATCHES, "Content-Type: multipart/form-data; boundary=x", body=b"--x\r\n\r\n" * 50_000
            )
        ),
        "415",
    ),
    Attack(
        "H25 a form with a file that climbs out",
        sends(
            head(
                "POST",
                protocol.BATCHES,
                "Content-Type: multipart/form-data; boundary=x",
                body=b'--x\r\nContent-Disposition: form-data; name="f"; filename="../../evil"\r\n\r\n%s\r\n--x--'
                % MARK,
            )
        ),
        "415",
    ),
    Attack(
        "H25 a form without a boundary",
        sends(head("POST", protocol.BATCHES, "Content-Type: multipart/form-data", body=b"\r\n" * 10**6)),
        "415",
    ),
    Attack("H34 a body of a request that has none", sends(head("GET", HEALTH, body=MARK) + SECOND.encode()), "200"),
    Attack("H34 a body of 5 MB of a request that has none", sends(head("GET", HEALTH, body=bytes(5 * 2**20))), "200"),
    Attack("H34 a request in the body of one that has none", sends(head("GET", HEALTH, body=SECOND.encode())), "200"),
]
