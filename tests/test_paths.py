"""Paths as attackers write them: nothing outside the data folder is read or written, and one file has one name."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_logger import ML_Logger, keys
from ml_logger.errors import InvalidKey, KeyNotFound
from ml_logger.stores.base import Deadline, Store
from ml_logger.stores.local import LocalStore
from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests import programs
from tests.wire import ask, parsed, post, raw

SECRET = b"TOP SECRET"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server beside a file and a folder that nobody may get at, with ways to them planted in its data folder."""
    home = tmp_path_factory.mktemp("target")
    for outside in (home / "secret", home / "data-evil" / "secret"):
        outside.parent.mkdir(exist_ok=True)
        outside.write_bytes(SECRET)
    server = Server(home / "data")
    server.start()
    post(server, frames.encode(1, Op.WRITE, b"run/a", b"0123456789"), "f" * 32)
    run = server.data_dir / "run"
    (run / "file").symlink_to(home / "secret")
    (run / "relative").symlink_to("../../secret")
    (run / "dir").symlink_to(home)
    (run / "inside").symlink_to("a")
    (run / "own").symlink_to("../.ml_logger")
    (run / "nowhere").symlink_to(home / "new")
    (run / "loop").symlink_to("loop")
    (run / "up").symlink_to("..")
    os.link(home / "secret", run / "hard")
    os.mkfifo(run / "pipe")
    (run / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(run / "socket"))
    yield server
    server.stop()


def canaries(server: Server) -> list[tuple[str, bytes, int]]:
    """Return all that lies outside the data folder: names, contents, and times."""
    files = [path for path in server.data_dir.parent.rglob("*") if server.data_dir not in (path, *path.parents)]
    return [
        (str(path), path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(files)
        if path.is_file() and path.suffix != ".log"
    ]


#: name -> key, as it is in a frame.
NO_KEYS: dict[str, str] = {
    "P01 parent": "../secret",
    "P02 parent within": "run/../../secret",
    "P03 dot": "run/./a",
    "P04 absolute": "/etc/passwd",
    "P05 two slashes": "//etc/passwd",
    "P10 backslash": "..\\secret",
    "P12 NUL": "run/a\0.pkl",
    "P13 empty": "",
    "P14 the root": ".",
    "P15 empty part": "run//a",
    "P16 slash at the end": "run/a/",
    "P17 name of 256 bytes": "x" * 256,
    "P18 path of 5,000 bytes": "x/" * 2500 + "x",
    "P19 depth of 1,000": "/".join("a" * 1000)[:1023],
    "P23 newline": "run/a\nb",
    "P23 return": "run/a\rb",
    "P23 escape": "run/\x1b[2J",
    "P23 C1 control": "run/\x9b2J",
    "P23 override": "run/\u202egnp.exe",
    "P23 isolate": "run/\u2066a",
    "P23 Arabic mark": "run/\u061ca",
    "P23 line separator": "run/\u2028a",
    "P23 no width": "run/a\u200bb",
    "P23 byte order mark": "\ufeffrun/a",
    "P24 drive": "C:/x",
    "P24 share": "\\\\host\\x",
    "P24 device path": "\\\\?\\x",
    "P25 device": "CON",
    "P25 device with suffix": "run/nul.txt",
    "P25 device with a stream": "run/aux:x",
    "P25 device with a space": "run/prn .txt",
    "P25 serial port": "run/com\u00b9.log",
    "P25 console": "run/CONIN$",
    "P25 dot at the end": "run/x.",
    "P25 space at the end": "run/x ",
    "P25 stream": "run/a::$DATA",
    "P25 index": "run:$I30:$INDEX_ALLOCATION/a",
    "P26 our own": ".ml_logger/catalog.db",
    "P26 in capitals": ".ML_LOGGER/lock",
    "P26 below": "run/.ml_logger/x",
    "P26 alike": ".ml_logger.old/x",
    "P26 short name": "ML_LOG~1/lock",
    "P26 wide": "\uff0eml_logger/lock",
    "P26 with a joiner": ".ml_\u200dlogger/lock",
    "P26 mathematical": ".\U0001d426\U0001d425_logger/lock",
    "P37 address": "file:///etc/passwd",
    "S1 division slash": "..\u2215secret",
    "S2 fraction slash": "..\u2044secret",
    "S3 big solidus": "..\u29f8secret",
    "S4 wide solidus": "..\uff0fsecret",
    "S5 wide reverse solidus": "..\uff3csecret",
    "S6 small reverse solidus": "..\ufe68secret",
    "S7 set minus": "..\u2216secret",
    "S8 wide dots": "\uff0e\uff0e/secret",
    "S9 two dot leader": "\u2025/secret",
}


@pytest.mark.parametrize("name", NO_KEYS)
def test_what_is_no_key_reaches_nothing(target: Server, name: str) -> None:
    """No such key is read, told of, written, appended to, removed, or the source or the target of a move or a copy."""
    before, bad = canaries(target), NO_KEYS[name].encode()
    path = quote(NO_KEYS[name], safe="/")
    assert raw(target, "GET", f"{protocol.FILES}/{path}").status in (400, 404, 414)
    assert raw(target, "HEAD", f"{protocol.FILES}/{path}").status in (400, 404, 414)
    batch = [
        (Op.APPEND, bad, b"evil"),
        (Op.WRITE, bad, b"evil"),
        (Op.REMOVE, bad, b""),
        (Op.CHUNK, bad, frames.piece(1, 0, b"evil")),
        (Op.COMMIT, bad, frames.commit(2, 0)),
        (Op.MOVE, bad, b"stolen"),
        (Op.COPY, bad, b"stolen"),
        (Op.MOVE, b"run/a", bad),
        (Op.COPY, b"run/a", bad),
    ]
    body = b"".join(frames.encode(seq, op, key, data) for seq, (op, key, data) in enumerate(batch, 1))
    answer = post(target, body, os.urandom(16).hex())

    assert answer.status_code == 200
    assert [refusal["seq"] for refusal in answer.json()["rejected"]] == list(range(1, len(batch) + 1))
    assert canaries(target) == before
    assert (target.data_dir / "run" / "a").read_bytes() == b"0123456789"
    assert not (target.data_dir / "stolen").exists()


#: What only means something once it is decoded: name -> the address behind /v1/files/, status.
ENCODED: dict[str, tuple[str, int]] = {
    "P06 slash": ("..%2fsecret", 400),
    "P07 dots": ("%2e%2e/secret", 400),
    "P08 both": ("%2e%2e%2fsecret", 400),
    "P09 twice": ("%252e%252e%252fsecret", 404),
    "P09 thrice": ("%25252e%25252e%25252fsecret", 404),
    "P11 backslash": ("..%5csecret", 400),
    "P12 NUL": ("run/a%00.txt", 400),
    "P20 no UTF-8": ("%ff%fe", 400),
    "P21 overlong dots": ("%c0%ae%c0%ae/secret", 400),
    "P21 overlong slash": ("..%c0%afsecret", 400),
    "P21 overlong in three": ("..%e0%80%afsecret", 400),
    "P22 surrogate": ("%ed%a0%80", 400),
    "P27 sibling": ("..%2fdata-evil/secret", 400),
    "P36 home": ("~/x", 404),
    "P36 variable": ("$HOME/x", 404),
    "P36 another": ("%25HOME%25", 404),
    "P38 fragment": ("run/a%23../../secret", 400),
    "H27 CRLF": ("run%0d%0aX-Evil:%201", 400),
    "two slashes": ("/etc/passwd", 400),
    "a slash at the end": ("run/a/", 400),
    "nothing": ("", 400),
    "an unfinished escape": ("run/a%", 404),
    "a stray escape": ("run/a%zz", 404),
    "wide escape": ("%u002e%u002e/secret", 404),
}


@pytest.mark.parametrize("name", ENCODED)
def test_an_address_is_decoded_once(target: Server, name: str) -> None:
    """Percent signs are read once, as UTF-8 and nothing else: what is behind them is a key, or refused."""
    path, status = ENCODED[name]
    answer = raw(target, "GET", f"{protocol.FILES}/{path}")

    assert answer.status in ((400, 404) if not path or name == "nothing" else (status,))
    assert SECRET not in answer.body
    assert answer.body.startswith(b'{"error":')


def test_a_dot_is_nothing_special_to_the_server(target: Server) -> None:
    """An address in clear dots is a key with dots, and refused: nothing on the way shortens it."""
    for path in ("../secret", "run/../../secret", "run/./a", "./run/a"):
        assert raw(target, "GET", f"{protocol.FILES}/{path}").status == 400


GLOBS = [
    "../*",
    "../../**",
    "run/../../*",
    "/etc/*",
    "//etc/*",
    ".ml_logger/*",
    ".ml_logger/**/*",
    ".ML_LOGGER/*",
    ".ml_logger*/*",
    "[.]ml_logger/*",
    "?ml_logger/*",
    "**/catalog.db",
    "run/own/*",
    "run/dir/*",
    "run/dir/**",
    "run/up/*",
    "**/secret",
    "\uff0e\uff0e/*",
    "..\uff0f*",
]


@pytest.mark.parametrize("pattern", GLOBS)
def test_globs_find_nothing_outside(target: Server, pattern: str) -> None:
    """No pattern lists, or so much as walks, what is not below the root, is our own, or lies behind a link."""
    answer = raw(target, "GET", f"{protocol.ENTRIES}?pattern={quote(pattern, safe='')}")

    assert answer.status in (200, 400)
    assert answer.status == 400 or json.loads(answer.body)["entries"] == []


def test_a_pattern_walks_no_folder_outside(target: Server) -> None:
    """A listing opens no folder above the root: seen by the time of the last access, which reading one changes."""
    folder = target.data_dir.parent / "data-evil"
    os.utime(folder, ns=(0, 0))
    for pattern in ("../data-evil/*", "run/../../data-evil/*", "..%2fdata-evil%2f*"):
        raw(target, "GET", f"{protocol.ENTRIES}?pattern={pattern}")

    assert folder.stat().st_atime_ns == 0


LINKS = [
    "file",
    "relative",
    "dir/secret",
    "dir/new",
    "inside",
    "own/catalog.db",
    "own/new",
    "nowhere",
    "loop",
    "up/run/a",
]
LINKS += ["loop/x", "own", "dir", "up"]


@pytest.mark.parametrize("link", LINKS)
def test_links_are_neither_read_nor_written_through(target: Server, link: str) -> None:
    """A symbolic link, at the end or in the middle, to a file, a folder, our own or nowhere, leads nobody anywhere."""
    before, key = canaries(target), f"run/{link}".encode()
    assert raw(target, "GET", f"{protocol.FILES}/run/{link}").status == 404
    assert raw(target, "HEAD", f"{protocol.FILES}/run/{link}").status == 404
    batch = [
        (Op.APPEND, key, b"evil"),
        (Op.WRITE, key, b"evil"),
        (Op.COPY, key, b"stolen"),
        (Op.COPY, b"run/a", key),
    ]
    body = b"".join(frames.encode(seq, op, name, data) for seq, (op, name, data) in enumerate(batch, 1))
    answer = post(target, body, os.urandom(16).hex()).json()

    assert [refusal["seq"] for refusal in answer["rejected"]] == [1, 2, 3, 4]
    assert canaries(target) == before
    assert not (target.data_dir / "stolen").exists()
    assert (target.data_dir / "run" / "a").read_bytes() == b"0123456789"
    assert not (target.data_dir / ".ml_logger" / "new").exists()
    listed = json.loads(raw(target, "GET", protocol.ENTRIES).body)["entries"]
    assert {key for key, _, _ in listed} == {"run/a", "run/hard"}


@pytest.mark.parametrize("name", ["hard", "pipe", "socket", "folder"])
def test_what_is_no_plain_file_is_not_appended_to(target: Server, name: str) -> None:
    """A second name of a file outside, a pipe, a socket and a folder take no bytes, and nobody waits for them."""
    before = canaries(target)
    answer = post(target, frames.encode(1, Op.APPEND, f"run/{name}".encode(), b"evil"), os.urandom(16).hex()).json()

    assert [refusal["seq"] for refusal in answer["rejected"]] == [1]
    assert canaries(target) == before
    assert raw(target, "GET", f"{protocol.FILES}/run/{name}").status == (200 if name == "hard" else 404)


def test_removing_and_moving_a_link_leaves_what_it_leads_to(server: Server, tmp_path: Path) -> None:
    """A link is removed, or renamed, as the link that it is; a folder with one is removed without what is behind it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(SECRET)
    run = server.data_dir / "run"
    run.mkdir()
    for name in ("one", "two", "deep/three"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).symlink_to(outside)
    batch = (Op.REMOVE, b"run/one", b""), (Op.REMOVE, b"run/deep", b""), (Op.REMOVE, b"run/two/file", b"")
    body = b"".join(frames.encode(seq, *frame) for seq, frame in enumerate(batch, 1))
    assert post(server, body).status_code == 200

    assert os.listdir(outside) == ["file"]
    assert (outside / "file").read_bytes() == SECRET
    assert sorted(os.listdir(run)) == ["two"]


def test_links_that_are_planted_meanwhile_lead_nowhere(server: Server, tmp_path: Path) -> None:
    """While somebody swaps a folder and a link outside all the time, not one read or write of many goes through it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(SECRET)
    place, aside = server.data_dir / "run" / "d", server.data_dir / "run" / "aside"
    place.mkdir(parents=True)
    over = threading.Event()
    planted = 0

    def swap() -> None:
        nonlocal planted
        while not over.is_set():
            if not (place / "file").exists():  # the server has just made the folder anew
                (place / "file").write_bytes(b"inside")
            shutil.rmtree(aside, ignore_errors=True)
            with suppress(OSError):  # the server may make the folder again, at any of these steps
                os.rename(place, aside)
                os.symlink(outside, place)
                planted += 1
                os.unlink(place)
                os.rename(aside, place)

    thread = threading.Thread(target=swap)
    thread.start()
    seen, seq, deadline = set[int](), 0, Deadline(programs.PATIENCE)
    try:
        while (seq < 300 or seen != {200, 404} or planted < 100) and not deadline.passed():
            batch = (
                (Op.APPEND, b"run/d/log", b"x"),
                (Op.WRITE, b"run/d/new", b"x"),
                (Op.COPY, b"run/d/file", b"run/d/c"),
            )
            body = b"".join(frames.encode(seq + n, *frame) for n, frame in enumerate(batch, 1))
            assert post(server, body).status_code == 200
            seq += len(batch)
            answer = raw(server, "GET", f"{protocol.FILES}/run/d/file")
            seen.add(answer.status)
            assert SECRET not in answer.body
            assert (outside / "file").read_bytes() == SECRET
    finally:
        over.set()
        thread.join(programs.PATIENCE)

    assert os.listdir(outside) == ["file"]
    assert planted >= 100
    assert seen == {200, 404}


COMPOSED = unicodedata.normalize("NFC", "Zürich/Ångström é 각.txt")
SPLIT = unicodedata.normalize("NFD", COMPOSED)


def test_one_file_has_one_spelling(store: Store) -> None:
    """Whichever way an accent is spelled, it is the same file: to write, read, list, move, copy and remove."""
    assert COMPOSED != SPLIT
    store.append(SPLIT, b"one ")
    store.append(COMPOSED, b"two ")
    store.append(SPLIT, b"three")
    store.flush(20)

    assert [entry.key for entry in store.entries()] == [COMPOSED]
    assert [entry.key for entry in store.entries(SPLIT)] == [COMPOSED]
    assert [entry.key for entry in store.entries(SPLIT[:3] + "*/**")] == [COMPOSED]
    assert store.read(SPLIT) == store.read(COMPOSED) == b"one two three"
    assert store.stat(SPLIT).key == COMPOSED
    store.copy(SPLIT, "ä/x")
    store.move(COMPOSED, unicodedata.normalize("NFD", "ö/y"))
    store.write(unicodedata.normalize("NFD", "ä/x"), b"new")
    store.flush(20)
    assert {entry.key: entry.size for entry in store.entries()} == {"ä/x": 3, "ö/y": 13}
    store.remove(unicodedata.normalize("NFD", "ö"))
    store.flush(20)
    assert [entry.key for entry in store.entries()] == ["ä/x"]
    with pytest.raises(InvalidKey):
        store.move("ä/x", unicodedata.normalize("NFD", "ä/x"))


def test_frames_in_another_spelling_are_the_same_file(server: Server) -> None:
    """The server keeps the one spelling itself: what an older or another client sends is put where it belongs."""
    split, composed = (unicodedata.normalize(form, "é/ü.txt").encode() for form in ("NFD", "NFC"))
    body = (
        frames.encode(1, Op.APPEND, split, b"one ")
        + frames.encode(2, Op.WRITE, composed, b"two ")
        + frames.encode(3, Op.APPEND, split, b"three")
        + frames.encode(4, Op.COPY, split, unicodedata.normalize("NFD", "ñ/x").encode())
        + frames.encode(5, Op.APPEND, "ñ/x".encode(), b"!")
    )
    assert post(server, body).json()["rejected"] == []

    assert [path.name for path in server.data_dir.iterdir() if not path.name.startswith(".")] in (
        ["é", "ñ"],
        ["ñ", "é"],
    )
    assert (server.data_dir / "é" / "ü.txt").read_bytes() == b"two three"
    assert (server.data_dir / "ñ" / "x").read_bytes() == b"two three!"
    for spelling in (split, composed):
        assert raw(server, "GET", f"{protocol.FILES}/{quote(spelling)}").body == b"two three"
    foreign = server.data_dir / unicodedata.normalize("NFD", "ÿ.txt")
    foreign.write_bytes(b"put here by hand")
    assert b"txt" not in raw(server, "GET", f"{protocol.ENTRIES}?pattern=*").body


def test_a_prefix_has_one_spelling_too(root: str) -> None:
    """Runs whose prefix is spelled in two ways are one run."""
    for form in ("NFD", "NFC"):
        with ML_Logger(root=root, prefix=unicodedata.normalize(form, "müller/läuf"), silent=True) as logger:
            logger.log_text(f"{form}\n", unicodedata.normalize(form, "tägebuch.txt"))
    with ML_Logger(root=root, silent=True) as reader:
        assert reader.glob("**", wd="/") == ["müller/läuf/tägebuch.txt"]
        assert reader.load_text("/müller/läuf/tägebuch.txt") == "NFD\nNFC\n"


@pytest.mark.parametrize(
    "key",
    [
        "2026-11-24T12:45:00.log",
        "run 12:30/loss.txt",
        "a<b>c|d?e*f",
        'quoted "name".txt',
        "~backup/$HOME",
        "#1; DROP TABLE",
        "50%",
        "%2e%2e",
        "a=b&c=d+e",
        ".hidden/..twice",
        "...a",
        "日本語/한국어.txt",
        "family 👨\u200d👩\u200d👧.png",
        "می\u200cخواهم.txt",
        "conference/auxiliary/nullable/com10",
        "ml_logger/ml_log/ml_log~",
        "x" * 255,
        "/".join("y" * 64),
        "ﬁne ½ №.txt",
        "…",
    ],
)
def test_what_people_log_today_is_a_key(store: Store, key: str) -> None:
    """Times with colons, wildcards, percent signs, emoji and any script are stored under the name that was given."""
    store.append(key, b"one ")
    store.append(key, b"two")
    store.flush(20)

    assert store.read(key) == b"one two"
    assert [entry.key for entry in store.entries()] == [key]
    assert [entry.key for entry in store.entries(keys.literal(key))] == [key]


@given(st.text(alphabet=st.characters(codec=None) | st.sampled_from("./\\\0 ~:$．／e\u0301"), max_size=30))
def test_a_key_is_in_its_one_spelling(text: str) -> None:
    """What is accepted is composed, is accepted again as it is, and has no part that folds into a dangerous one."""
    try:
        key = keys.check(text)
    except InvalidKey as error:
        assert str(error).isprintable()
        return

    assert keys.check(key) == key == unicodedata.normalize("NFC", key)
    wide = unicodedata.normalize("NFKC", key).casefold()
    assert not {".", "..", ".ml_logger"} & set(wide.split("/"))


def test_long_runs_of_marks_are_refused_at_once() -> None:
    """A key that would take long to compose is refused before it is."""
    marks = "\u0301\u0316" * 500_000
    started = time.process_time()
    for bad in (marks, f"a/{marks}"):
        with pytest.raises(InvalidKey, match="more than 1,024"):
            keys.check(bad)

    assert time.process_time() - started < 5  # composed, it takes hours


@pytest.mark.parametrize(
    "pattern", ["*a" * 100 + "b", "**/" * 100 + "b", "*" * 100 + "b", "**/*a*a*a*a*a*a*a*a*a*/" * 8 + "b"]
)
def test_a_glob_takes_no_longer_than_its_length(tmp_path: Path, pattern: str) -> None:
    """Stars upon stars over names that nearly match are decided, or refused, in the time of a look at each."""
    store = LocalStore(tmp_path / "root")
    for key in ("a" * 255, "/".join("a" * 60), "/".join(["a" * 16] * 60)):
        store.write(key, b"")
    code = """
        import sys
        from pathlib import Path
        from ml_logger.errors import InvalidKey
        from ml_logger.stores.local import LocalStore
        try:
            print(LocalStore(Path(sys.argv[1])).entries(sys.argv[2]))
        except InvalidKey:
            print([])
    """
    assert programs.run(code, tmp_path / "root", pattern).stdout == "[]\n"


def brute(query: list[str], parts: list[str]) -> bool:
    """Match a glob the plain way, one part after the other."""
    if not query:
        return not parts
    if query[0] == "**":
        if len(query) == 1:
            return bool(parts)
        return any(brute(query[1:], parts[skip:]) for skip in range(len(parts) + 1))
    return bool(parts) and part_matches(query[0], parts[0]) and brute(query[1:], parts[1:])


def part_matches(pattern: str, name: str) -> bool:
    """Match a name the plain way, one character after the other."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(part_matches(pattern[1:], name[skip:]) for skip in range(len(name) + 1))
    return bool(name) and pattern[0] in ("?", name[0]) and part_matches(pattern[1:], name[1:])


@given(
    st.lists(
        st.sampled_from(["**", "*", "a", "a*", "*b", "a*b", "*a*", "?", "a?*b", "*ab*a", "**a", "a**b"]), max_size=5
    ),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=6), min_size=1, max_size=6),
)
def test_globs_match_as_they_are_written(query: list[str], parts: list[str]) -> None:
    """A glob, compiled so that it never goes back, matches just what one that tries everything does."""
    if query:
        assert bool(keys.pattern("/".join(query)).fullmatch("/".join(parts))) == brute(query, parts)


def test_entries_come_in_the_order_of_their_keys(store: Store) -> None:
    """A listing is sorted by whole keys, also where a file and a folder begin alike."""
    names = ["a/b", "a.txt", "a-b/c", "a0", "a/b.txt", "a/b-c/d", "b", "a b/c", "ä/b", "a/ä"]
    for name in names:
        store.write(name, b"")
    store.flush(20)

    assert [entry.key for entry in store.entries()] == sorted(names)


def test_a_link_that_leads_up_ends(tmp_path: Path) -> None:
    """On a person's own disk links are followed, but not in circles."""
    root = tmp_path / "root"
    (root / "run").mkdir(parents=True)
    (root / "run" / "a").write_bytes(b"x")
    for name in ("up", "here", "again"):
        (root / "run" / name).symlink_to("..")
    (root / "data").symlink_to(root / "run")
    store = LocalStore(root)

    assert [entry.key for entry in store.entries()] == ["data/a", "run/a"]
    assert store.read("data/a") == b"x"


def test_the_catalog_is_not_to_be_had(target: Server) -> None:
    """No request that a client could make reads the server's own bookkeeping, or tells that it is there."""
    answers = {
        parsed(ask(target, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())).status
        for path in (
            "/v1/files/.ml_logger/catalog.db",
            "/v1/files/.ml_logger/nothing",
            "/v1/files/%2eml_logger/catalog.db",
            "/v1/files/.ml_logger%2fcatalog.db",
            "/v1/files/.Ml_LoGgEr/catalog.db",
        )
    }
    assert answers == {400}
    logger = ML_Logger(root=target.url, silent=True)
    for call in (logger.load_file, logger.load_text):
        with pytest.raises(InvalidKey, match="reserved"):
            call("/.ml_logger/catalog.db")
    with pytest.raises(KeyNotFound):
        logger.load_file("/run/own/catalog.db")
    assert not re.search("ml_logger", " ".join(logger.glob("/**")))
