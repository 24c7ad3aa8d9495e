"""Attacks by number and by patience: many connections, large requests, dear questions, and answers nobody reads."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests import programs
from tests.attacks.attack import batch_head, head, statuses, told
from tests.attacks.bystander import Bystander
from tests.attacks.scene import Scene
from tests.row_files import file_of, rows_of
from tests.wire import append

#: Batches of the bystander that an attack goes on for.
MEANWHILE = 60
HALF_OPEN = 500
#: Bytes of memory that an attack may cost the server, in MiB: room for bodies, and what a connection holds.
MEMORY = 128
POST = f"POST {protocol.BATCHES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {protocol.CONTENT_TYPE}\r\n"
POST += f"{protocol.WRITER}: {'a' * 32}\r\n"
START = f"GET {protocol.HEALTH} HTTP/1.1\r\nHost: localhost\r\n"


class Flood(NamedTuple):
    """One attack that lasts.

    Fields:
        name: its number, and what it is.
        deed: does it while a bystander posts, and returns what came of it.
        expected: the words that are right.
        around: makes what it needs, before it begins, and takes it away.
    """

    name: str
    deed: Callable[[Scene, Bystander], str]
    expected: str
    around: Callable[[Scene], AbstractContextManager[None]] = lambda _: nullcontext()


def held(begin: bytes, count: int, *, dribble: bytes = b"") -> Callable[[Scene, Bystander], str]:
    """Open connections that send a beginning, and then nothing, or a byte now and then."""

    def deed(scene: Scene, bystander: Bystander) -> str:
        before, files = scene.memory(), scene.descriptors()
        with ExitStack() as stack:
            attackers = [stack.enter_context(scene.connect(begin)) for _ in range(count)]
            for _ in range(6):
                bystander.wait_for(MEANWHILE // 6)
                for attacker in attackers if dribble else ():
                    with suppress(OSError):
                        attacker.sendall(dribble)
            cost = scene.memory() - before
        return cheap(cost) or leaves(scene, files)

    return deed


def cheap(cost: int) -> str:
    """Return what an attack cost, if that is too much."""
    return "" if cost <= MEMORY else f"{cost} MiB of memory"


def leaves(scene: Scene, files: int) -> str:
    """Wait until nothing of an attack is held any more."""
    programs.wait_until(lambda: scene.descriptors() <= files + 20)
    return "nothing is left"


def resets(scene: Scene, bystander: Bystander) -> str:
    """Open 1,000 connections, and reset each, most in the middle of a request."""
    files = scene.descriptors()
    for number in range(1000):
        with scene.connect(b"" if number % 3 == 0 else POST.encode()[: number % 150]) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    bystander.wait_for(10)
    return leaves(scene, files)


def unread(request: bytes, count: int, most: int = 2**18) -> Callable[[Scene, Bystander], str]:
    """Send requests over and over on each of many connections, and read no answer."""

    def deed(scene: Scene, bystander: Bystander) -> str:
        before, files = scene.memory(), scene.descriptors()
        with ExitStack() as stack:
            for _ in range(count):
                connection = stack.enter_context(scene.connect())
                connection.setblocking(False)
                sent = 0
                with suppress(OSError):  # until nothing more is taken
                    while sent < most:
                        sent += connection.send(request * (65536 // len(request) + 1))
            bystander.wait_for(MEANWHILE)
            cost = scene.memory() - before
        return cheap(cost) or leaves(scene, files)

    return deed


def at_once(count: int, work: Callable[[int], str]) -> str:
    """Do something in many threads, and return the different things that came of it."""
    said: set[str] = set()
    threads = [threading.Thread(target=lambda n=n: said.add(work(n))) for n in range(count)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(programs.PATIENCE)
        assert not thread.is_alive(), "an attacker got no answer"
    return " or ".join(sorted(said))


def many(
    request: Callable[[Scene, int], bytes], clients: int, times: int, tell: Callable[[bytes], str] = statuses
) -> Callable[[Scene, Bystander], str]:
    """Have many clients ask the same thing at once, some times."""

    def deed(scene: Scene, bystander: Bystander) -> str:
        said = at_once(
            clients, lambda n: " or ".join(sorted({tell(scene.ask(request(scene, n))) for _ in range(times)}))
        )
        bystander.wait_for(5)
        return said

    return deed


@contextmanager
def tree(scene: Scene) -> Iterator[None]:
    """Have a folder of 8,000 files for as long as the block lasts."""
    folder = scene.data / "tree"
    for number in range(8000):
        path = folder / f"{number // 400:03}" / f"{number // 20 % 20:02}" / f"{'a' * 80}-{number:05}"
        if number % 20 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    os.sync()
    try:
        yield
    finally:
        shutil.rmtree(folder)
        os.sync()


def listings(query: str, clients: int, times: int) -> Callable[[Scene, Bystander], str]:
    """List over and over."""
    return many(lambda *_: head("GET", f"{protocol.ENTRIES}?{query}"), clients, times)


@contextmanager
def large(scene: Scene, size: int) -> Iterator[str]:
    """Have a large file, which takes no room on the disk, for as long as the block lasts; give its key."""
    path = scene.data / "large.bin"
    path.touch()
    os.truncate(path, size)
    try:
        yield "large.bin"
    finally:
        path.unlink()


def slow_readers(scene: Scene, bystander: Bystander) -> str:
    """Ask for a file of 256 MiB on 64 connections, and read none of it."""
    with large(scene, 2**28) as key:
        return unread(head("GET", f"{protocol.FILES}/{key}", keep=True), 64, 1)(scene, bystander)


def prefixes(scene: Scene, bystander: Bystander) -> str:
    """Have the server read 64 MiB of a file for each of many requests, and tell it that it was another file."""
    with large(scene, 2**26) as key:
        fields = ('If-Match: "x"', f"{protocol.PREFIX}: 0-{2**26} 00000000")
        return many(lambda *_: head("GET", f"{protocol.FILES}/{key}", *fields), 20, 3)(scene, bystander)


def ranges(scene: Scene, bystander: Bystander) -> str:
    """Ask for single bytes all over a file."""
    with large(scene, 2**26) as key:
        return many(lambda _, n: head("GET", f"{protocol.FILES}/{key}", f"Range: bytes={n * 4096}-{n * 4096}"), 50, 20)(
            scene, bystander
        )


def pieces(scene: Scene, bystander: Bystander) -> str:
    """Ask for a large file with checksums, in very many ways at once, and hang up."""
    with large(scene, 2**26) as key:
        return unread(head("GET", f"{protocol.FILES}/{key}", f"Accept: {protocol.PIECES}", keep=True), 64, 1)(
            scene, bystander
        )


@contextmanager
def row_files(scene: Scene) -> Iterator[None]:
    """Have 20 files of rows for as long as the block lasts."""
    folder: Path = scene.data / "rows"
    folder.mkdir()
    data = file_of(rows_of(([{"a": "float", "b": "list", "c": "word"}], 600, 1)))
    for number in range(20):
        (folder / f"{number:03}.pkl").write_bytes(data)
    try:
        yield
    finally:
        shutil.rmtree(folder)


def tables(*, read: bool) -> Callable[[Scene, Bystander], str]:
    """Ask for the columns of many files on many connections at once, and read the answers, or none of them."""
    question = json.dumps({"pattern": "rows/*"}).encode()
    request = head("POST", protocol.TABLES, "Content-Type: application/json", body=question)
    if not read:
        return unread(request, 40, 1)
    return many(lambda *_: request, 12, 1, lambda answer: statuses(answer[:20]))


@contextmanager
def long_run(scene: Scene) -> Iterator[None]:
    """Have a run of 100,000 rows for as long as the block lasts."""
    folder: Path = scene.data / "long"
    folder.mkdir()
    (folder / "metrics.pkl").write_bytes(file_of([{"a": number / 7} for number in range(100_000)]))
    try:
        yield
    finally:
        shutil.rmtree(folder)


def lines(*, read: bool) -> Callable[[Scene, Bystander], str]:
    """Ask for 20 lines of 16 MB on many connections at once, and read the answers, or none of them."""
    question = json.dumps({"lines": [{"run": "long", "key": "a"}] * 20, "points": 50_000}).encode()
    request = head("POST", protocol.SERIES, "Content-Type: application/json", body=question)
    if not read:
        return unread(request, 40, 1)
    return many(lambda *_: request, 12, 1, lambda answer: statuses(answer[:20]))


def slow_bodies(scene: Scene, bystander: Bystander) -> str:
    """Announce 20 bodies of 16 MB, and send 100 kB of each: small batches go on."""
    return held(f"{POST}Content-Length: {2**24}\r\n\r\n".encode() + bytes(100_000), 20, dribble=bytes(100))(
        scene, bystander
    )


def hang_ups(scene: Scene, bystander: Bystander) -> str:
    """Post 300 batches, and hang up before the answer: each is there once, or not at all."""
    key = f"gone/{scene.fresh()}"
    for _ in range(300):
        with scene.connect(batch_head(scene.fresh(), append(1, b"12345678", key))) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    bystander.wait_for(20)
    path = scene.data / key
    size = path.stat().st_size if path.exists() else 0
    return "whole records" if size % 8 == 0 and size <= 2400 else f"{size} bytes"


def batch(op: Op, count: int, key: str = "bulk/{}", keys: int = 1) -> Callable[[Scene, Bystander], str]:
    """Post one batch of very many frames."""

    def deed(scene: Scene, bystander: Bystander) -> str:
        frames_ = [frames.encode(n + 1, op, key.format(n % keys).encode(), b"") for n in range(count)]
        said = told(scene.ask(batch_head(scene.fresh(), b"".join(frames_))))
        bystander.wait_for(5)
        return said

    return deed


FLOODS = [
    Flood("F01 500 heads that stop", held(f"{START}X: ".encode(), HALF_OPEN), "nothing is left"),
    Flood("F02 500 heads that dribble", held(f"{START}X: ".encode(), HALF_OPEN, dribble=b"x"), "nothing is left"),
    Flood(
        "F03 500 bodies that dribble",
        held(f"{POST}Content-Length: 5000\r\n\r\nMLF".encode(), HALF_OPEN, dribble=b"x"),
        "nothing is left",
    ),
    Flood("F04 500 connections that say nothing", held(b"", HALF_OPEN), "nothing is left"),
    Flood("F05 1,000 connections that are reset", resets, "nothing is left"),
    Flood("F06 20 bodies of 16 MB that dribble", slow_bodies, "nothing is left"),
    Flood("F07 pipelined requests, and no answer read", unread(f"{START}\r\n".encode(), 30), "nothing is left"),
    Flood(
        "F08 pipelined listings, and no answer read",
        unread(head("GET", protocol.ENTRIES, keep=True), 30),
        "nothing is left",
    ),
    Flood("F09 a large file that nobody reads, 64 times", slow_readers, "nothing is left"),
    Flood("F10 a large file in pieces that nobody reads, 64 times", pieces, "nothing is left"),
    Flood("F11 1,000 single bytes of a large file", ranges, "206"),
    Flood("F12 64 MiB to be compared, 60 times", prefixes, "412"),
    Flood("F13 listings of 8,000 files, from 6 clients", listings("limit=10000", 6, 2), "200", tree),
    Flood(
        "F14 globs with many stars over 8,000 files",
        listings("limit=10&pattern=" + "**/*a*a*a*a*a*/" * 3 + "*z", 20, 3),
        "200",
    ),
    Flood(
        "F15 globs of 4,000 characters over 8,000 files",
        listings("limit=10&pattern=**/" + "%3F" * 2000, 6, 2),
        "200",
        tree,
    ),
    Flood("F16 columns of 20 files, from 12 clients", tables(read=True), "200", row_files),
    Flood("F17 columns of 20 files, which 40 clients do not read", tables(read=False), "nothing is left", row_files),
    Flood(
        "F18 deep JSON of 2 MB, from 20 clients",
        many(
            lambda *_: head("POST", protocol.TABLES, "Content-Type: application/json", body=b'{"a":' * 400_000), 20, 1
        ),
        "400",
    ),
    Flood(
        "F19 16 MB of nonsense, from 10 clients",
        many(lambda scene, n: batch_head(scene.fresh(), bytes(2**24)), 10, 1),
        "400",
    ),
    Flood(
        "F20 tokens of 15 kB, from 50 clients",
        many(lambda *_: head("GET", protocol.HEALTH, f"Authorization: Bearer {'x' * 15_000}"), 50, 10),
        "200",
    ),
    Flood(
        "F21 1,000 new writers",
        many(lambda scene, n: batch_head(scene.fresh(), append(1, b"x", f"writers/{n % 7}")), 50, 20, told),
        "200, committed 1",
    ),
    Flood("F22 batches whose clients hang up", hang_ups, "whole records"),
    Flood("F23 a batch of 300,000 frames", batch(Op.APPEND, 300_000), "200, committed 300000"),
    Flood("F24 a batch of 300 removals", batch(Op.REMOVE, 300), "200, committed 300"),
    Flood("F25 a batch that writes one file 300 times", batch(Op.WRITE, 300), "200, committed 300"),
    Flood("F26 a batch of 1,000 files", batch(Op.WRITE, 1000, keys=1000), "200, committed 1000"),
    Flood("F27 a batch of 100,000 refusals", batch(Op.APPEND, 100_000, "../{}"), "200, committed 1000, rejected 1000"),
    Flood("F28 20 lines of 16 MB, from 12 clients", lines(read=True), "200", long_run),
    Flood("F29 20 lines of 16 MB, which 40 clients do not read", lines(read=False), "nothing is left", long_run),
]
