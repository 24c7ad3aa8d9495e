"""Whoever asks for much waits longest: short requests do not wait behind what others have asked for."""

from __future__ import annotations

import errno
import re
import threading
from pathlib import Path

import pytest

from ml_logger.server import committer as committing
from ml_logger.server.catalog import Catalog
from ml_logger.server.committer import Committer
from ml_logger.server.groups import Request
from ml_logger.stores.folder import Folder
from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Frame, Op
from tests import programs
from tests.wire import append, ask, get, post

#: Removals of one name: each takes a commit of its own.
LONG = frames.decode(b"".join(frames.encode(seq, Op.REMOVE, b"a", b"") for seq in range(1, 1001)))


def committer_in(folder: Path) -> Committer:
    """Begin a committer of this process."""
    opened = Folder(folder, follow_links=False)
    return Committer(opened, Catalog(opened.private("catalog.db"), "FULL"), power=True, fail=print)


def one(number: int) -> list[Frame]:
    """Return a short batch."""
    return frames.decode(append(number, b"x", "b"))


def test_a_long_batch_waits_for_short_ones(tmp_path: Path) -> None:
    """While a batch that takes long is worked on, short ones that come later are answered, and then it is, whole."""
    committer = committer_in(tmp_path)
    try:
        long = committer.submit(Request.of("a" * 32, LONG))
        for number in range(1, 6):
            assert committer.submit(Request.of("b" * 32, one(number))).result(programs.PATIENCE).status == 200
            assert not long.done()
        answer = long.result(programs.PATIENCE)
        assert (answer.status, answer.body["committed"]) == (200, len(LONG))
    finally:
        committer.close()
    assert (tmp_path / "b").read_bytes() == b"x" * 5


def test_a_short_batch_and_a_part_of_a_long_one_are_one_commit(tmp_path: Path) -> None:
    """Whoever comes while a long batch is worked on waits for one sync, his own, in which that goes along."""
    committer = committer_in(tmp_path)
    appends = frames.decode(b"".join(append(seq, b"x", "a") for seq in range(1, 100_001)))
    try:
        long = committer.submit(Request.of("a" * 32, appends))
        for number in range(1, 11):
            assert committer.submit(Request.of("b" * 32, one(number))).result(programs.PATIENCE).status == 200
        assert not long.done()
        assert long.result(programs.PATIENCE).body["committed"] == len(appends)
        assert committer.counts()["commits"] <= 12
    finally:
        committer.close()
    assert (tmp_path / "a").stat().st_size == len(appends)


def test_trouble_before_the_first_frame_is_told_to_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be committed, short batches and long ones are answered so, and taken when it can be again."""
    committer = committer_in(tmp_path)

    def gone(committer: Committer) -> None:
        raise OSError(errno.EAGAIN, "the data folder was removed")

    try:
        with monkeypatch.context() as patch:
            patch.setattr(Committer, "_check_alive", gone)
            waiting = [committer.submit(Request.of(f"{number:032x}", LONG)) for number in range(2)]
            waiting += [committer.submit(Request.of("b" * 32, one(1))) for _ in range(2)]
            assert [each.result(programs.PATIENCE).status for each in waiting] == [503] * 4
        for request in (Request.of(f"{0:032x}", LONG), Request.of("b" * 32, one(1))):
            assert committer.submit(request).result(programs.PATIENCE).status == 200
    finally:
        committer.close()


def test_long_batches_take_turns(tmp_path: Path) -> None:
    """Of long batches none is ended before the others were begun, and each is answered once, whole."""
    committer = committer_in(tmp_path)
    try:
        waiting = [committer.submit(Request.of(f"{number:032x}", LONG)) for number in range(3)]
        answers = [each.result(programs.PATIENCE) for each in waiting]
        assert [(answer.status, answer.body["committed"]) for answer in answers] == [(200, len(LONG))] * 3
        again = committer.submit(Request.of(f"{0:032x}", LONG)).result(programs.PATIENCE)
        assert again.body == {**answers[0].body}
        late = committer.submit(Request.of("f" * 32, [frame._replace(seq=frame.seq + 5) for frame in LONG]))
        assert late.result(programs.PATIENCE).body["expected"] == 1
    finally:
        committer.close()


def test_a_long_batch_does_not_keep_a_server_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stops tells the client of a batch that would take too long to come again; it goes on from there."""
    monkeypatch.setattr(committing, "LEAVING", 0.0)
    committer = committer_in(tmp_path)
    waiting = [committer.submit(Request.of(f"{number:032x}", LONG)) for number in range(3)]
    committer.close()
    assert [each.result(0).status for each in waiting][1:] == [503, 503]
    monkeypatch.undo()
    committer = committer_in(tmp_path)
    try:
        answer = committer.submit(Request.of(f"{2:032x}", LONG)).result(programs.PATIENCE)
        assert (answer.status, answer.body["committed"]) == (200, len(LONG))
    finally:
        committer.close()


def test_batches_do_not_wait_behind_listings(tmp_path: Path) -> None:
    """While all threads that read are busy with listings that do not end, batches are taken."""
    before = """
        import os, threading
        from ml_logger.stores.folder import Folder
        real = Folder.look
        def look(self, *args, **kw):
            while os.path.exists(self.root / "held"):
                threading.Event().wait(0.01)
            yield from real(self, *args, **kw)
        Folder.look = look
    """
    server = programs.server_after(before, tmp_path / "data")
    server.start()
    found: list[int] = []
    listers = [
        threading.Thread(target=lambda: found.append(get(server, protocol.ENTRIES).status_code)) for _ in range(12)
    ]
    try:
        (server.data_dir / "held").touch()
        for lister in listers:
            lister.start()
        programs.wait_until(lambda: descriptors(server) >= 12)
        for seq in range(1, 20):
            assert post(server, append(seq)).status_code == 200
        assert found == []
        (server.data_dir / "held").unlink(missing_ok=True)
        for lister in listers:
            lister.join(programs.PATIENCE)
        assert found == [200] * 12
    finally:
        (server.data_dir / "held").unlink(missing_ok=True)
        server.stop()


def descriptors(server: Server) -> int:
    """Return how many connections a server has."""
    return sum("socket:" in path for path in programs.open_files(server.pid))


def test_requests_that_come_together_take_turns(tmp_path: Path) -> None:
    """Of requests that were sent without waiting for answers one is begun in each turn of the loop, not all of them."""
    before = """
        import asyncio, atexit, collections, sys
        from ml_logger.server.admission import Admission
        real, seen, turns = Admission.admit, [], [0]
        def tick():
            turns[0] += 1
            asyncio.get_running_loop().call_later(0, tick)
        def admit(self, request):
            if not seen:
                tick()
            seen.append(turns[0])
            return real(self, request)
        Admission.admit = admit
        def tell():
            print("most in a turn:", max(collections.Counter(seen).values()), "of", len(seen), file=sys.stderr)
        atexit.register(tell)
    """
    server = programs.server_after(before, tmp_path / "data")
    server.start()
    request = f"GET {protocol.HEALTH} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    answer = ask(server, (request * 299 + last).encode())
    server.stop()

    assert answer.count(b"HTTP/1.1 200 ") == 300
    told = re.search(r"most in a turn: (\d+) of (\d+)", server.log.read_text())
    assert told is not None
    assert (int(told[1]) <= 3, told[2]) == (True, "300")
