"""A server that means harm gets no memory, no hours, no file, no token and no terminal of its clients, and no row."""

from __future__ import annotations

import gzip
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from ml_logger.columns import wire
from ml_logger.testing import Server
from ml_logger.transport import pieces, protocol
from tests import programs
from tests.attacks import hostile
from tests.attacks.hostile import Answer, dribble, endless, head, silence, told, whole

TOKEN = "t0ken-of-the-client-0123456789abcdef"
#: Half a GiB of nothing, in half a MiB.
BOMB = gzip.compress(bytes(1 << 24)) * 32
MEGABYTE = b"x" * (1 << 20)
EVIL = "no\x1b]0;owned\x07\x1b[2J\r\nTraceback\u202e\x9b2J"

# -- what is no answer, whatever was asked ----------------------------------------------------------------------------

REPLIES: dict[str, Answer] = {
    "nothing": hostile.raw(),
    "no HTTP": hostile.raw(b"SSH-2.0-OpenSSH_9.9\r\n" * 3),
    "random bytes": hostile.raw(bytes(range(256)) * 9),
    "a status that is a word": hostile.raw(b"HTTP/1.1 OK 200\r\n\r\n"),
    "a status of four digits": hostile.raw(b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    "a negative status": hostile.raw(b"HTTP/1.1 -200 OK\r\nContent-Length: 0\r\n\r\n"),
    "a status line of a megabyte": hostile.raw(b"HTTP/1.1 200 " + MEGABYTE + b"\r\nContent-Length: 0\r\n\r\n"),
    "an endless status line": endless(b"HTTP/1.1 200 ", MEGABYTE),
    "an endless header": endless(b"HTTP/1.1 200 OK\r\nX: ", MEGABYTE),
    "endless headers": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000),
    "a hundred thousand headers": hostile.raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n"),
    "ten megabytes of headers": hostile.raw(
        b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"y" * 60_000 + b"\r\n") * 170 + b"\r\n"
    ),
    "a header without a colon": hostile.raw(b"HTTP/1.1 200 OK\r\nno header at all\r\nContent-Length: 2\r\n\r\n{}"),
    "two lengths": hostile.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}{}"),
    "a length beside chunks": hostile.raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    ),
    "a negative length": hostile.raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
    "a length in words": hostile.raw(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}"),
    "a length in other digits": hostile.raw("HTTP/1.1 200 OK\r\nContent-Length: ²\r\n\r\n{}".encode("latin-1")),
    "endless 100 Continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "dribbling 100 Continue": dribble(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "101 to another protocol": hostile.raw(head("101 Switching Protocols", "Upgrade: h2c")),
    "103 and nothing behind it": hostile.raw(head("103 Early Hints")),
    "a head that dribbles": dribble(b"HTTP/1.1 200 OK\r\nX: "),
    "silence": silence(),
    "silence in a head": silence(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a page for people": whole(b"<html><h1>It works!</h1></html>", "200 OK", "Content-Type: text/html"),
    "an empty 200": whole(b""),
    "204": hostile.raw(head("204 No Content")),
    "206 of nothing": whole(b"", "206 Partial Content"),
    "304": hostile.raw(head("304 Not Modified")),
    "418": whole(b"short and stout", "418 I'm a teapot"),
    "999": whole(b"?", "999 Blocked"),
    "the token in an error": lambda asked: whole(json.dumps({"error": asked.head.decode()}).encode(), "500 No")(asked),
    "the token in a reason": hostile.raw(head(f"500 {TOKEN}", "Content-Length: 0")),
    "escapes in an error": whole(json.dumps({"error": EVIL}).encode(), "503 No"),
    "escapes in a denial": whole(json.dumps({"error": EVIL}).encode(), "403 No"),
    "escapes in a reason": hostile.raw(b"HTTP/1.1 500 \x1b[2J\x07\x9b\r\nContent-Length: 0\r\n\r\n"),
    "escapes in a status line": hostile.raw(b"\x1b[2J\x07\x9bHTTP/1.1 200 OK\r\n\r\n"),
    "escapes in a length": hostile.raw(b"HTTP/1.1 200 OK\r\nContent-Length: \x1b[2J\r\n\r\n"),
    "an error of ten megabytes": whole(json.dumps({"error": "x" * 10 * (1 << 20)}).encode(), "500 No"),
    "an error that is a list": whole(b'{"error": [[[]]]}', "500 No"),
    "an error of deep JSON": whole(b"[" * 100_000, "500 No"),
    "an endless error": endless(head("500 No"), MEGABYTE),
    "an error that dribbles": dribble(head("500 No", "Content-Length: 100000")),
    "an error that is packed": whole(BOMB, "500 No", "Content-Encoding: gzip"),
    "a redirect to a file": hostile.raw(head("302 Found", "Location: file:///etc/passwd", "Content-Length: 0")),
    "a redirect to itself": lambda asked: [head("307 Again", f"Location: {asked.path}", "Content-Length: 0")],
    "a redirect to nowhere": hostile.raw(head("301 Moved", "Location: http://[::1", "Content-Length: 0")),
    "a redirect to another scheme": hostile.raw(head("308 Moved", "Location: gopher://x/\x7f", "Content-Length: 0")),
    "a redirect with an endless body": endless(head("302 Found", "Location: /"), MEGABYTE),
    "a redirect with a bomb": whole(BOMB, "302 Found", "Location: /", "Content-Encoding: gzip"),
    "a bomb": whole(BOMB, "200 OK", "Content-Encoding: gzip"),
    "a bomb of deflate": whole(zlib.compress(bytes(1 << 26), 1), "200 OK", "Content-Encoding: deflate"),
    "a bomb in chunks": hostile.raw(
        head("200 OK", "Content-Encoding: GZIP", "Transfer-Encoding: chunked"),
        b"%x\r\n" % len(BOMB) + BOMB + b"\r\n0\r\n\r\n",
    ),
    "packed a hundred times": whole(b"x", "200 OK", "Content-Encoding: " + ", ".join(["gzip"] * 100)),
    "chunks of a negative size": hostile.raw(head("200 OK", "Transfer-Encoding: chunked"), b"-5\r\nhello\r\n0\r\n\r\n"),
    "chunks of no size": hostile.raw(head("200 OK", "Transfer-Encoding: chunked"), b"zz\r\nhello\r\n0\r\n\r\n"),
    "chunks that end early": hostile.raw(head("200 OK", "Transfer-Encoding: chunked"), b"ffff\r\nhello"),
    "chunks of an endless size": endless(head("200 OK", "Transfer-Encoding: chunked") + b"f", b"f" * 65536),
    "chunks with endless extensions": endless(head("200 OK", "Transfer-Encoding: chunked") + b"1;a=", MEGABYTE),
    "many chunks with extensions": endless(
        head("200 OK", "Transfer-Encoding: chunked"), b"1;a=" + b"y" * 60_000 + b"\r\nx\r\n"
    ),
    "endless lines behind chunks": endless(
        head("200 OK", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 1000
    ),
    "a body that ends early": hostile.raw(head("200 OK", "Content-Length: 100"), b"{"),
    "a length of 10^18": hostile.raw(head("200 OK", f"Content-Length: {10**18}"), b"{"),
    "an endless body": endless(head("200 OK"), MEGABYTE),
    "an endless body in chunks": endless(
        head("200 OK", "Transfer-Encoding: chunked"), b"100000\r\n" + MEGABYTE + b"\r\n"
    ),
    "an endless body of spaces": endless(head("200 OK") + b"{", b" " * (1 << 20)),
    "a body that dribbles": dribble(head("200 OK", "Content-Length: 100000")),
    "a body that dribbles in chunks": dribble(head("200 OK", "Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
    "a body that never comes": silence(head("200 OK", "Content-Length: 100")),
    "deep JSON": whole(b"[" * 1_000_000),
    "a number of a million digits": whole(b'{"entries": ' + b"9" * 1_000_000 + b"}"),
    "JSON that is a list": whole(b"[1, 2]"),
    "JSON that is NaN": whole(b"NaN"),
    "JSON in UTF-16": whole('{"entries": []'.encode("utf-16")),
    "no text": whole(b"\xff\xfe\xfd"),
    "cookies": hostile.raw(head("500 No", *[f"Set-Cookie: c{n}={'y' * 400}" for n in range(90)], "Content-Length: 0")),
}

# -- files that are none ----------------------------------------------------------------------------------------------


def piece(data: bytes, crc: int | None = None, size: int | None = None) -> bytes:
    """Return a piece of a file, true or forged."""
    known = zlib.crc32(data) if crc is None else crc
    return pieces.HEAD.pack(len(data) if size is None else size, known) + data


def file(span: str, *body: bytes, kind: str = protocol.PIECES, fields: tuple[str, ...] = ()) -> Answer:
    """Answer a request for a file with pieces."""
    told = [f"Content-Type: {kind}", f"{protocol.RANGE}: {span}", 'ETag: "e"', *fields]
    return whole(b"".join(body), "200 OK", *told)


def endless_file(span: str, first: bytes, more: bytes) -> Answer:
    """Answer a request for a file with pieces, over and over."""
    fields = (f"Content-Type: {protocol.PIECES}", f"{protocol.RANGE}: {span}", 'ETag: "e"')
    return endless(head("200 OK", *fields) + first, more)


FILES: dict[str, Answer] = {
    "no range": whole(piece(b"x"), "200 OK", f"Content-Type: {protocol.PIECES}"),
    "a range in words": file("a-b", piece(b"x")),
    "a range that goes back": file("0--5", piece(b"x")),
    "a range with a sign": file("+0-1", piece(b"x")),
    "a range of many digits": file("0-" + "9" * 5000, piece(b"x")),
    "a range in other digits": file("0-²", piece(b"x")),
    "a range elsewhere": file("5-6", piece(b"x")),
    "another type": file("0-1", b"x", kind="text/html"),
    "a wrong checksum": file("0-1", piece(b"x", crc=7)),
    "a piece of nothing": file("0-1", piece(b"")),
    "a piece longer than the file": file("0-1", piece(b"xx")),
    "a piece of 4 GiB": file("0-8000000000", piece(b"x", size=2**32 - 1)),
    "a piece larger than any": file(f"0-{1 << 22}", piece(b"x" * (1 << 21))),
    "pieces of one byte": endless_file(f"0-{10**18}", piece(b"x"), b"\1\0\0\0" + bytes(4) + b"x"),
    "a file of 10^18 bytes that ends": file(f"0-{10**18}", piece(b"x" * (1 << 20))),
    "a file that is cut": file("0-100000", piece(b"x" * (1 << 16))),
    "bytes of something else": file("0-100", b"<html>" * 20),
    "a file that never comes": silence(
        head("200 OK", f"Content-Type: {protocol.PIECES}", f"{protocol.RANGE}: 0-10", "Content-Length: 18")
    ),
    "a file that dribbles": dribble(
        head("200 OK", f"Content-Type: {protocol.PIECES}", f"{protocol.RANGE}: 0-60000", "Content-Length: 60008")
        + pieces.HEAD.pack(60_000, 0)
    ),
    "an endless piece that is wrong": endless_file("0-1048576", pieces.HEAD.pack(1 << 20, 1), MEGABYTE),
    "a packed file": file("0-1", piece(b"x"), fields=("Content-Encoding: gzip",)),
}


def status_of_file(**fields: str) -> Answer:
    """Answer what is known of a file, which has no body."""
    return hostile.raw(head("200 OK", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())))


STATS: dict[str, Answer] = {
    "nothing told": status_of_file(),
    "no time": status_of_file(Content_Length="5"),
    "a time in words": status_of_file(Content_Length="5", X_ML_Logger_MTime="yesterday"),
    "a time that is NaN": status_of_file(Content_Length="5", X_ML_Logger_MTime="nan"),
    "a time without end": status_of_file(Content_Length="5", X_ML_Logger_MTime="inf"),
    "a time of 10^300": status_of_file(Content_Length="5", X_ML_Logger_MTime="1e300"),
    "a size of 2^80": status_of_file(Content_Length=str(2**80), X_ML_Logger_MTime="1"),
    "a size of many digits": status_of_file(Content_Length="9" * 5000, X_ML_Logger_MTime="1"),
    "a size below zero": status_of_file(Content_Length="-5", X_ML_Logger_MTime="1"),
    "a size with a fraction": status_of_file(Content_Length="5.5", X_ML_Logger_MTime="1"),
    "a size with underscores": status_of_file(Content_Length="5_0", X_ML_Logger_MTime="1"),
}

# -- names that lead out, and listings that make no sense -------------------------------------------------------------

NAMES = {
    "up": "set/../../x",
    "up at once": "../x",
    "absolute": "/etc/passwd",
    "absolute below": "set//etc/passwd",
    "of another host": "//host/x",
    "NUL": "set/a\0.pkl",
    "bookkeeping": ".ml_logger/catalog.db",
    "bookkeeping below": "set/.ml_logger/../x",
    "bookkeeping in capitals": "set/.ML_LOGGER/lock",
    "a device": "set/CON",
    "a device with a suffix": "set/nul.txt",
    "a drive": "C:/x",
    "backslashes": "set\\..\\x",
    "a trailing dot": "set/x.",
    "a trailing space": "set/x ",
    "a newline": "set/a\nb",
    "an escape": "set/\x1b[2J",
    "turned around": "set/\u202egpj.exe",
    "a lone surrogate": "set/\ud800",
    "what looks like a slash": "set/..\u2215x",
    "what looks like dots": "set/\uff0e\uff0e/x",
    "empty": "",
    "a dot": "set/./x",
    "only the folder": "set/",
    "5,000 bytes": "set/" + "x" * 5000,
    "a name of 256 bytes": "set/" + "x" * 256,
    "a thousand folders": "set/" + "x/" * 1000 + "y",
    "not composed": "set/u\u0308",
    "of another folder": "sets/x",
    "of a folder with a longer name": "setx/etc/passwd",
    "a scheme": "file:///etc/passwd",
}

ODD_ENTRIES: dict[str, object] = {
    "a number": {"entries": [[7, 1, 1.0]]},
    "null": {"entries": [[None, 1, 1.0]]},
    "a list for a name": {"entries": [[["set/x"], 1, 1.0]]},
    "no size": {"entries": [["set/x"]]},
    "a size below zero": {"entries": [["set/x", -1, 1.0]]},
    "a size that is NaN": {"entries": [["set/x", float("nan"), 1.0]]},
    "a size without end": {"entries": [["set/x", float("inf"), 1.0]]},
    "a size of 2^80": {"entries": [["set/x", 2**80, 1.0]]},
    "a size that is a text": {"entries": [["set/x", "1", 1.0]]},
    "a size that is true": {"entries": [["set/x", True, 1.0]]},
    "a time that is NaN": {"entries": [["set/x", 1, float("nan")]]},
    "a time without end": {"entries": [["set/x", 1, float("-inf")]]},
    "a time that is null": {"entries": [["set/x", 1, None]]},
    "one file twice": {"entries": [["set/x", 1, 1.0], ["set/x", 1, 1.0]]},
    "out of order": {"entries": [["set/y", 1, 1.0], ["set/x", 1, 1.0]]},
    "entries that are a text": {"entries": "set/x"},
    "entries that are a dict": {"entries": {"set/x": 1}},
    "no entries": {},
    "a next page behind nothing": {"entries": [], "next": "set/x"},
    "a next page elsewhere": {"entries": [["set/x", 1, 1.0]], "next": "set/y"},
    "a next page that is a number": {"entries": [["set/x", 1, 1.0]], "next": 7},
    "the same page again": {"entries": [["set/x", 1, 1.0]], "next": "set/x"},
}
#: Without it the request for a next page may be lost on a connection that is about to close.
HANGS_UP = "Connection: close"
LISTINGS: dict[str, Answer] = {
    **{f"name {case}": told(entries=[[name, 4, 1.0]]) for case, name in NAMES.items()},
    # It says that it hangs up: else the request for a next page may be lost on a connection that is about to close.
    **{
        f"entry {case}": whole(json.dumps(body).encode(), "200 OK", "Connection: close")
        for case, body in ODD_ENTRIES.items()
    },
}

# -- tables that are none ---------------------------------------------------------------------------------------------


def block(body: bytes = b"", claimed: int | None = None, **fields: Any) -> bytes:
    """Return one block of an answer about rows, true or forged."""
    text = json.dumps(fields).encode()
    return b"MLT\x01" + struct.pack("<IQ", len(text), len(body) if claimed is None else claimed) + text + body


FILE = block(kind="file", key="a.pkl", size=100, start=0)
ENDED = block(kind="ended", damage=[], others=0)
STOP = wire.note(kind="stop")
FLOATS = [["loss", [["f8", 3, 0]]]]
#: A row of one column, and three codes that say which of one value it is.
VALUE = b"\x80\x04}\x94\x8c\x00K\x01s.".ljust(16, b"\0") + b"\x09\x09\x09" + bytes(5)


def rows(body: bytes = b"", **fields: Any) -> bytes:
    """Return an answer with one table, and its end."""
    told: dict[str, Any] = {"kind": "rows", "rows": 3, "sampled": None, "columns": FLOATS, **fields}
    return FILE + block(body, **told) + ENDED + STOP


TABLES: dict[str, Answer] = {
    case: whole(answer)
    for case, answer in {
        "no magic": b"PK\3\4" * 20,
        "another version": b"MLT\x02" + FILE[4:],
        "a head of 4 GiB": b"MLT\x01" + struct.pack("<IQ", 2**32 - 1, 0),
        "a head that is no JSON": b"MLT\x01" + struct.pack("<IQ", 2, 0) + b"{]",
        "a head of deep JSON": b"MLT\x01" + struct.pack("<IQ", 100_000, 0) + b"[" * 100_000,
        "a head that is a list": b"MLT\x01" + struct.pack("<IQ", 2, 0) + b"[]",
        "a body of 2^63 bytes": FILE + block(kind="rows", rows=1, sampled=None, columns=[], claimed=2**63),
        "no kind": block() + STOP,
        "an unknown kind": FILE + block(kind="exec", code="1") + STOP,
        "a kind that is a list": FILE + block(kind=["rows"]) + STOP,
        "no end": FILE,
        "no file": STOP,
        "rows without a file": rows(struct.pack("<3d", 1, 2, 3))[len(FILE) :],
        "a file without a name": block(kind="file", size=1, start=0) + ENDED + STOP,
        "another file": block(kind="file", key="b.pkl", size=1, start=0) + ENDED + STOP,
        "a file elsewhere": block(kind="file", key="../x", size=1, start=0) + ENDED + STOP,
        "a file whose name is a number": block(kind="file", key=5, size=1, start=0) + ENDED + STOP,
        "two files": (FILE + ENDED) * 2 + STOP,
        "a negative size": block(kind="file", key="a.pkl", size=-1, start=0) + ENDED + STOP,
        "a size that is a float": block(kind="file", key="a.pkl", size=1.5, start=0) + ENDED + STOP,
        "fewer bytes than rows": rows(struct.pack("<2d", 1, 2)),
        "more bytes than rows": rows(struct.pack("<4d", 1, 2, 3, 4)),
        "an unknown dtype": rows(bytes(24), columns=[["loss", [["O8", 3, 0]]]]),
        "objects as numbers": rows(bytes(24), columns=[["loss", [["o", 3, 0]]]]),
        "a pickle that is code": rows(
            b"cos\nsystem\n(S'true'\ntR.".ljust(32, b"."), columns=[["loss", [["o", 3, 0, 3, 27, 0]]]]
        ),
        "codes beyond the values": rows(
            VALUE,
            columns=[["loss", [["o", 3, 0, 1, 11, 1]]]],
        ),
        "codes of another width": rows(VALUE, columns=[["loss", [["o", 3, 0, 1, 11, 3]]]]),
        "offsets that go back": rows(struct.pack("<3q", 2, 1, 0) + bytes(24), columns=[["loss", [["f8", 3, 1]]]]),
        "offsets below zero": rows(struct.pack("<q", -5) + bytes(8), columns=[["loss", [["f8", 1, 1]]]]),
        "offsets beyond the rows": rows(struct.pack("<q", 5) + bytes(8), columns=[["loss", [["f8", 1, 1]]]]),
        "bits of another number": rows(b"\xff" + bytes(7) + bytes(8), columns=[["loss", [["f8", 1, 2]]]]),
        "bools that are neither": rows(b"\2\2\2" + bytes(5), columns=[["loss", [["b1", 3, 0]]]]),
        "negative rows": rows(rows=-1),
        "rows that are true": rows(bytes(8), rows=True, columns=[["loss", [["f8", 1, 0]]]]),
        "rows without end": FILE + block(kind="rows", rows=2**62, sampled=None, columns=[]) + ENDED + STOP,
        "more rows than memory": rows(rows=2**45, columns=[["loss", [["f8", 0, 1]]]]),
        "one column twice": rows(bytes(48), columns=FLOATS * 2),
        "a column without a name": rows(bytes(24), columns=[[None, [["f8", 3, 0]]]]),
        "columns that are a number": rows(columns=7),
        "columns of deep nests": rows(columns=[["loss", [[[[[[]]]]]]]]),
        "damage that is a text": FILE + block(kind="ended", damage="abc", others=0) + STOP,
        "damage without end": FILE + block(kind="ended", damage=[[float("inf"), 1, True]], others=0) + STOP,
        "damage below zero": FILE + block(kind="ended", damage=[[-5, -1, True]], others=0) + STOP,
        "others without end": FILE + block(kind="ended", damage=[], others=float("inf")) + STOP,
        "others below zero": FILE + block(kind="ended", damage=[], others=-1) + STOP,
        "others of a text": FILE + block(kind="ended", damage=[], others="7") + STOP,
        "a failure with escapes": FILE + block(kind="failed", error=EVIL) + STOP,
        "a failure with the token": FILE + block(kind="failed", error=f"Bearer {TOKEN}") + STOP,
        "a failure of megabytes": FILE + block(kind="failed", error="x" * (1 << 21)) + STOP,
    }.items()
}
TABLES["an endless body that is claimed"] = endless(
    head("200 OK") + FILE + block(kind="rows", rows=1, sampled=None, columns=[], claimed=2**60), MEGABYTE
)
TABLES["an endless head"] = endless(head("200 OK") + b"MLT\x01" + struct.pack("<IQ", 1 << 24, 0), b"[" * (1 << 20))

# -- reading ----------------------------------------------------------------------------------------------------------

#: A program that reads what it is told to from each server, several at once, within 512 MiB, and tells what came of it.
READER = """
import concurrent.futures, json, os, resource, sys, warnings
from ml_logger import ML_Logger
from ml_logger.errors import LoggerError
from ml_logger.readers import read_columns

warnings.simplefilter("ignore")

READS = {
    "glob": lambda logger: logger.glob("**", wd="/set"),
    "download_dir": lambda logger: logger.download_dir("/set", to="into/target"),
    "load_file": lambda logger: logger.load_file("/a.pkl"),
    "stat": lambda logger: logger._store.stat("a.pkl"),
    "read_columns": lambda logger: read_columns(logger._store, "a.pkl", ["loss"]).items(),
    "frame": lambda logger: logger.frame("/**", ["loss"]),
    "load_pkl": lambda logger: logger.load_pkl("/a.pkl"),
    "get_exps": lambda logger: logger.get_exps("/**"),
}

def read(asked):
    verb, url = asked
    try:
        with ML_Logger(root=url, access_token=sys.argv[1], silent=True) as logger:
            return ["returned", repr(READS[verb](logger))[:200]]
    except Exception as error:
        ours = isinstance(error, LoggerError)
        return [type(error).__name__ if ours else f"{type(error).__name__}, which is not ours", str(error)]

import pandas, ml_logger.columns.wire, ml_logger.encoders.unpickle, ml_logger.transport.sessions
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 29), now + (1 << 29)))
asked = json.load(sys.stdin)
with concurrent.futures.ThreadPoolExecutor(6) as pool:
    json.dump(list(pool.map(read, asked)), sys.stdout)
"""

#: The verbs that each table is answered to.
READ: dict[str, dict[str, Answer]] = {
    **{f"{verb} of a reply": REPLIES for verb in ("glob", "load_file", "read_columns")},
    "load_file of a file": FILES,
    "load_pkl of a file": FILES,
    "stat of a file": STATS,
    **{f"{verb} of a listing": LISTINGS for verb in ("glob", "download_dir")},
    **{f"{verb} of a table": TABLES for verb in ("read_columns", "frame", "get_exps")},
}
ELSEWHERE = "a redirect to another port"
OVER_TLS = "silence in the handshake of TLS"

#: Where the answer itself is wrong, and not the server away. All else is ServerUnavailable.
CORRUPT = {
    "glob of a reply": {
        *("a page for people", "an empty 200", "deep JSON", "a number of a million digits", "JSON that is a list"),
        *("JSON that is NaN", "JSON in UTF-16", "no text"),
    },
    "load_file of a reply": set[str](),
    "read_columns of a reply": {
        *("a page for people", "an endless body", "an endless body in chunks", "an endless body of spaces"),
        *("a body that dribbles", "a body that dribbles in chunks", "deep JSON", "a number of a million digits"),
        "JSON in UTF-16",
    },
    "of a file": {
        *("a wrong checksum", "a piece of nothing", "a piece longer than the file", "a piece of 4 GiB"),
        *("a piece larger than any", "pieces of one byte", "bytes of something else", "an endless piece that is wrong"),
    },
    "stat of a file": STATS.keys() - {"a size below zero", "a size with a fraction", "a size with underscores"},
    "of a listing": {*LISTINGS},
    "of a table": TABLES.keys()
    - {"no end", "a failure with escapes", "a failure with the token", "a failure of megabytes"},
}


def expected(how: str, case: str) -> str:
    """Return the error that a case must end in."""
    if case == "escapes in a denial":
        return "Refused"
    if case in ("no file", "another file", "two files") and how == "read_columns of a table":
        return "ServerUnavailable"
    if case == "no file" and how in ("frame of a table", "get_exps of a table"):
        return "returned"  # nothing matches
    known = CORRUPT.get(how, CORRUPT.get(how[how.index("of a") :], set()))
    return "CorruptData" if case in known else "ServerUnavailable"


class Read:
    """What came of all reads: the outcomes, and what the servers and the disk have seen of it."""

    def __init__(self, folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        self.canary = folder / "x"
        self.canary.write_text("untouched")
        settings = {
            "ML_LOGGER_REQUEST_TIMEOUT": "1",
            "ML_LOGGER_SPOOL": str(folder / "spool"),
            "ML_LOGGER_CACHE": str(folder / "cache"),
            "NETRC": str(folder / "no-netrc"),
        }
        with hostile.hostile({ELSEWHERE: whole(b"")}) as witness:
            moved = hostile.raw(head("302 Found", f"Location: {witness.url(ELSEWHERE)}", "Content-Length: 0"))
            cases: dict[str, Answer] = {
                f"{how}: {case}": answer
                for how, table in READ.items()
                for case, answer in {
                    **table,
                    **({ELSEWHERE: moved, OVER_TLS: silence()} if table is REPLIES else {}),
                }.items()
            }
            with hostile.hostile(cases) as server:
                asked = [
                    [name.split(" ")[0], server.url(name, "https" if OVER_TLS in name else "http")] for name in cases
                ]
                done = subprocess.run(
                    [sys.executable, "-c", READER, TOKEN],
                    input=json.dumps(asked),
                    capture_output=True,
                    text=True,
                    timeout=programs.PATIENCE,
                    check=True,
                    cwd=work,
                    env={**os.environ, **settings},
                )
            self.seen, self.witnessed = server.asked, witness.asked
        self.stderr = done.stderr
        self.outcomes = dict(zip(cases, json.loads(done.stdout), strict=True))
        self.files = [path for path in folder.rglob("*") if path.is_file() and folder / "spool" not in path.parents]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """All reads of this file, in one process."""
    return Read(tmp_path_factory.mktemp("read"))


READS = [
    (how, case)
    for how, table in READ.items()
    for case in [*table, *([ELSEWHERE, OVER_TLS] if table is REPLIES else [])]
]


@pytest.mark.parametrize(("how", "case"), READS, ids=[f"{how}: {case}" for how, case in READS])
def test_a_read_ends_in_an_error_of_ours(read: Read, how: str, case: str) -> None:
    """Whatever comes, a read ends soon, in bounded memory, in one of our errors: short, and fit for a terminal."""
    kind, text = read.outcomes[f"{how}: {case}"]

    assert kind == expected(how, case), text
    assert kind == "returned" or (text.isprintable() and len(text) < 600)
    assert TOKEN not in text


def test_no_read_leaves_anything_anywhere(read: Read) -> None:
    """No file is written outside of the folder that was named, nor in it; nothing is printed, and no traceback."""
    assert read.canary.read_text() == "untouched"
    assert read.files == [read.canary]
    assert read.stderr == ""


def test_the_token_goes_to_its_server_alone(read: Read) -> None:
    """The token is in one header, of requests to its own server; no redirect is followed, and no cookie taken."""
    assert len(read.seen) >= len(READS) - 3  # all but those over TLS
    for asked in read.seen:
        assert re.findall(TOKEN.encode(), asked.head + asked.body) == [TOKEN.encode()]
        assert f"\r\nAuthorization: Bearer {TOKEN}\r\n".encode() in asked.head
        assert b"\r\nAccept-Encoding: identity\r\n" in asked.head
        assert b"\r\ncookie" not in asked.head.lower()
    assert read.witnessed == []


# -- writing ----------------------------------------------------------------------------------------------------------


def conflict(**body: object) -> Answer:
    """Answer that another frame is expected."""
    return whole(json.dumps(body).encode(), "409 Conflict")


def retry_after(value: str) -> Answer:
    """Answer that the server is busy, and for how long."""
    return whole(b'{"error": "busy"}', "503 Busy", f"Retry-After: {value}")


NUMBERS: dict[str, object] = {
    "larger than all that was sent": 1000,
    "2^63": 2**63,
    "2^80": 2**80,
    "-1": -1,
    "0": 0,
    "1.0": 1.0,
    "1.5": 1.5,
    "a text": "1",
    "true": True,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "a list": [1],
    "a dict": {"seq": 1},
    "null": None,
}
GOOD: dict[str, object] = {"catalog": "c", "committed": 1}
REJECTED: dict[str, object] = {
    "a number": 7,
    "a text": "abc",
    "null": None,
    "a dict": {"seq": 1},
    "numbers": [1],
    "nulls": [None],
    "without a reason": [{"seq": 1}],
    "without a number": [{"error": "x"}],
    "a number as text": [{"seq": "1", "error": "x"}],
    "a number that is true": [{"seq": True, "error": "x"}],
    "a number that is NaN": [{"seq": float("nan"), "error": "x"}],
    "a number of 2^80": [{"seq": 2**80, "error": "x"}],
}
CATALOGS: dict[str, object] = {
    "null": None,
    "empty": "",
    "a number": 7,
    "a list": ["c"],
    "a megabyte": "c" * (1 << 20),
    "escapes": EVIL,
}
ACKS: dict[str, Answer] = {
    **{f"committed {case}": told(catalog="c", committed=number) for case, number in NUMBERS.items()},
    **{f"expected {case}": conflict(catalog="c", expected=number) for case, number in NUMBERS.items()},
    **{f"rejected {case}": told(**GOOD, rejected=value) for case, value in REJECTED.items()},
    **{f"catalog {case}": told(committed=1, catalog=value) for case, value in CATALOGS.items()},
    "no catalog": told(committed=1),
    "nothing committed": told(catalog="c"),
    "a catalog that changes": lambda asked: conflict(catalog=os.urandom(8).hex(), expected=1)(asked),
    "expected in words of a page": whole(b"<html>", "409 Conflict"),
    "an acknowledgement with another status": whole(json.dumps(GOOD).encode(), "202 Accepted"),
    "an acknowledgement that is cut": hostile.raw(head("200 OK", "Content-Length: 100"), json.dumps(GOOD).encode()),
    "an acknowledgement that is packed": whole(
        gzip.compress(json.dumps(GOOD).encode()), "200 OK", "Content-Encoding: gzip"
    ),
    "an acknowledgement in a redirect": whole(json.dumps(GOOD).encode(), "302 Found", "Location: /"),
    **{
        f"Retry-After {case}": retry_after(value)
        for case, value in {
            "10^9": str(10**9),
            "of many digits": "9" * 5000,
            "-5": "-5",
            "0": "0",
            "NaN": "nan",
            "Infinity": "inf",
            "1e9": "1e9",
            "a date": "Fri, 31 Dec 9999 23:59:59 GMT",
            "in other digits": "\u00b2",
            "empty": "",
        }.items()
    },
}
#: How often each server answers nonsense before it is a good one.
TIMES = 2
WRITTEN = {**REPLIES, **ACKS}

#: A program that logs three rows to each server, and delivers all of it.
WRITER = """
import json, os, resource, sys, threading
from ml_logger import ML_Logger

import ml_logger.transport.sessions
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
# Each of so many threads takes eight MiB of addresses for its stack, and more for its heap.
threading.stack_size(1 << 18)
os.environ["MALLOC_ARENA_MAX"] = "2"
limit = now + (3 << 30)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
loggers = []
for number, url in enumerate(json.load(sys.stdin)):
    logger = ML_Logger(root=url, prefix=f"run-{number}", access_token=sys.argv[1], silent=True)
    for step in range(3):
        logger.log(step, value=step)
    logger.flush()
    loggers.append(logger)
print(len(loggers), "are logged", flush=True)
leaving = [threading.Thread(target=logger.close, args=(60,)) for logger in loggers]
for thread in leaving:
    thread.start()
for thread in leaving:
    thread.join()
with open("/proc/self/status") as file:
    print(next(int(line.split()[1]) // 1024 for line in file if line.startswith("VmHWM")))
"""


class Written:
    """What came of all rows: what the program said, what the servers saw, and the folder of the good one."""

    def __init__(self, folder: Path) -> None:
        settings = {
            "ML_LOGGER_REQUEST_TIMEOUT": "0.5",
            "ML_LOGGER_SPOOL": str(folder / "spool"),
            "NETRC": str(folder / "no-netrc"),
        }
        good = Server(folder / "data")
        good.start()
        try:
            with (
                hostile.hostile({ELSEWHERE: whole(b"")}) as witness,
                hostile.hostile(
                    {**WRITTEN, ELSEWHERE: hostile.raw(head("307 Go", f"Location: {witness.url(ELSEWHERE)}"))},
                    TIMES,
                    good.port,
                ) as server,
            ):
                done = subprocess.run(
                    [sys.executable, "-c", WRITER, TOKEN],
                    input=json.dumps([server.url(case) for case in server.names]),
                    capture_output=True,
                    text=True,
                    timeout=programs.PATIENCE,
                    check=True,
                    env={**os.environ, **settings},
                )
                self.counts, self.seen, self.witnessed = server.counts, server.asked, witness.asked
                self.numbers = {case: number for number, case in enumerate(server.names)}
        finally:
            good.stop()
        self.said, self.stderr = done.stdout.split(), done.stderr
        self.data, self.spool = good.data_dir, folder / "spool"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """All rows of this file, in one process."""
    return Written(tmp_path_factory.mktemp("written"))


@pytest.mark.parametrize("case", [*WRITTEN, ELSEWHERE])
def test_no_answer_costs_a_row(written: Written, case: str) -> None:
    """Nonsense acknowledges nothing: a good server that answers afterwards has each row exactly once."""
    rows = programs.rows(written.data, f"run-{written.numbers[case]}")

    assert [row["value"] for row in rows] == [0, 1, 2]
    assert written.counts[case] > TIMES


def test_the_training_notices_nothing(written: Written) -> None:
    """Each call that logs returns; memory stays bounded; what is said is one line each, without token or traceback."""
    assert int(written.said[0]) == len(WRITTEN) + 1
    assert int(written.said[-1]) < 600
    assert list(written.spool.rglob("seg-*")) == []
    assert "Traceback (most" not in written.stderr and TOKEN not in written.stderr
    lines = written.stderr.splitlines()
    assert lines and all(line.startswith("ml-logger: ") and line.isprintable() and len(line) < 700 for line in lines)
    assert not [line for line in lines if "failed: " in line]  # what nobody has thought of


def test_no_batch_goes_elsewhere(written: Written) -> None:
    """A redirect is not followed by what writes, either, and the token is in its header alone."""
    assert written.witnessed == []
    for asked in written.seen:
        assert asked.head.count(TOKEN.encode()) == 1 and TOKEN.encode() not in asked.body
        assert f"\r\nAuthorization: Bearer {TOKEN}\r\n".encode() in asked.head
