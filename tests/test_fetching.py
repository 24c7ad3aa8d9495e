"""Reading from a server over lines that break: all of one file, right to the byte, or an error that says why."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_logger import ML_Logger
from ml_logger.errors import CorruptData, FileReplaced, KeyNotFound, ServerUnavailable
from ml_logger.readers import read_columns
from ml_logger.testing import Server
from ml_logger.transport import fetches, pieces
from tests.cut_line import Cut, cut_line

pytestmark = pytest.mark.usefixtures("patient")

DATA = os.urandom(3 * 2**20 + 17)
#: Where the second and the third piece begin in the file, and behind how many bytes of a body the second one ends.
SECOND, THIRD = pieces.FIRST, 3 * pieces.FIRST
TWO = THIRD + 2 * pieces.HEAD.size


@pytest.fixture
def stored(server: Server) -> Server:
    """A server with one file of a few pieces."""
    store(server, DATA)
    return server


def store(server: Server, data: bytes, key: str = "a.bin") -> None:
    """Make or replace a file on a server, past any line."""
    with ML_Logger(root=server.url, silent=True) as logger:
        logger.upload_buffer(data, key)


def grow(server: Server, data: bytes, key: str = "a.bin") -> None:
    """Append to a file on a server, past any line."""
    with ML_Logger(root=server.url, silent=True) as logger:
        logger._store.append(key, data)


def remove(server: Server, key: str = "a.bin") -> None:
    """Remove a file on a server, past any line."""
    with ML_Logger(root=server.url, silent=True) as logger:
        logger.remove(key)


def downloaded(logger: ML_Logger, to: Path) -> bytes:
    """Return a file after it went through this machine's disk."""
    return Path(logger.download_file("a.bin", to=to / "down.bin")).read_bytes()


def below(logger: ML_Logger, to: Path) -> bytes:
    """Return a file that came with its folder."""
    [path] = logger.download_dir(".", to=to / "down")
    return Path(path).read_bytes()


READS: dict[str, Callable[[ML_Logger, Path], bytes]] = {
    "load_file": lambda logger, to: logger.load_file("a.bin"),
    "download_file": downloaded,
    "download_dir": below,
    "stream": lambda logger, to: b"".join(logger._store.stream("a.bin")),
}


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("read", READS)
def test_a_read_goes_on_where_it_was_cut(stored: Server, tmp_path: Path, read: str, end: str) -> None:
    """A connection that ends in a piece, between two, in a head and before the first: nothing comes twice."""
    cuts = [Cut(0, end), Cut(TWO, end), Cut(5, end), Cut(pieces.FIRST + 8, end), Cut(2**20, end)]
    with cut_line(stored.port, *cuts) as line, ML_Logger(root=line.url, silent=True) as logger:
        assert READS[read](logger, tmp_path) == DATA
        asked = line.asked

    assert asked == sorted(asked) and len(asked) == 6
    if end == "close":  # a reset may take with it what had not arrived
        assert asked[:5] == [0, 0, THIRD, THIRD, THIRD + pieces.FIRST]


def test_a_range_goes_on_within_itself(stored: Server) -> None:
    """A part of a file ends where it ends, however often it was cut."""
    with cut_line(stored.port, *[Cut(TWO)] * 3) as line, ML_Logger(root=line.url, silent=True) as logger:
        assert logger._store.read("a.bin", 1000, 2**20) == DATA[1000 : 2**20]
        assert line.asked == [1000, 1000 + THIRD, 1000 + 2 * THIRD, 1000 + 3 * THIRD]


@pytest.mark.parametrize(("start", "stop"), [(5, None), (0, 10), (5, 10)])
def test_a_line_that_loses_ranges_is_said(stored: Server, start: int, stop: int | None) -> None:
    """Where something on the way asks for all of a file, its bytes are not taken for those of the part."""
    with cut_line(stored.port, Cut(whole=True)) as line, ML_Logger(root=line.url, silent=True) as logger:
        with pytest.raises(ServerUnavailable, match="ignores ranges"):
            logger._store.read("a.bin", start, stop)
        assert logger._store.read("a.bin", start, stop) == DATA[start:stop]


def test_patience_begins_anew_with_each_piece(stored: Server) -> None:
    """A line that brings two pieces at a time may be cut more often than a read is tried again without any."""
    cuts = [Cut(TWO)] * (fetches.TRIES + 2)
    with cut_line(stored.port, *cuts) as line, ML_Logger(root=line.url, silent=True) as logger:
        assert logger.load_file("a.bin") == DATA
        assert len(line.asked) == fetches.TRIES + 3


def test_a_server_that_stays_away_is_said(stored: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """When no piece comes for as long as a request may take, the read is given up, and nothing short is returned."""
    monkeypatch.setenv("ML_LOGGER_REQUEST_TIMEOUT", "3")
    with cut_line(stored.port, *[Cut(TWO)], *[Cut(9)] * 50) as line, ML_Logger(root=line.url, silent=True) as logger:
        with pytest.raises(ServerUnavailable, match=r"in the middle of 'a\.bin', after 196,608 of 3,145,745 bytes"):
            logger.load_file("a.bin")
        assert set(line.asked[1:]) == {THIRD}
        assert 2 < len(line.asked) < 12


def test_a_server_that_is_restarted_meanwhile(stored: Server) -> None:
    """A read goes on with a server that was killed and started again."""

    def restart() -> None:
        stored.kill()
        stored.start()

    with cut_line(stored.port, Cut(TWO, meanwhile=restart)) as line, ML_Logger(root=line.url, silent=True) as logger:
        assert logger.load_file("a.bin") == DATA
        assert line.asked == [0, THIRD]


def test_a_file_that_grows_goes_on(stored: Server) -> None:
    """A file that was appended to is still the same: what was there when the read began comes, and no more."""
    cuts = [Cut(TWO, meanwhile=lambda: grow(stored, b"more" * 9)) for _ in range(3)]
    with cut_line(stored.port, *cuts) as line, ML_Logger(root=line.url, silent=True) as logger:
        assert b"".join(logger._store.stream("a.bin")) == DATA
        assert line.asked == [0, THIRD, 2 * THIRD, 3 * THIRD]
        assert logger.load_file("a.bin") == DATA + b"more" * 27


def test_rows_that_arrive_during_a_read(server: Server) -> None:
    """The rows of a run that goes on logging are read whole, over a line that breaks."""
    with ML_Logger(root=server.url, prefix="run", silent=True) as writer:
        for step in range(4000):
            writer.log(step, loss=step / 7, text="x" * 50)
        writer.load_pkl("metrics.pkl")  # waits until they are there

        def log() -> None:
            writer.log(5000, loss=0.0)
            writer.load_pkl("metrics.pkl")

        cuts = [Cut(TWO, meanwhile=log)] * 2
        with cut_line(server.port, *cuts) as line, ML_Logger(root=line.url, prefix="run", silent=True) as logger:
            rows = logger.load_pkl("metrics.pkl")
            assert rows is not None and [row["_step"] for row in rows] == list(range(4000))
            assert len(line.asked) == 3


OTHER = {
    "replaced": lambda server: store(server, DATA[::-1]),
    "replaced by a longer one": lambda server: store(server, DATA[::-1] * 2),
    "replaced by a shorter one": lambda server: store(server, b"short"),
    "replaced by its beginning": lambda server: store(server, DATA[:-1]),
    "begun anew": lambda server: (remove(server), grow(server, DATA[::-1])),
}


@pytest.mark.parametrize("how", OTHER)
@pytest.mark.parametrize("read", ["load_file", "download_file", "download_dir"])
def test_a_file_that_is_replaced_is_read_anew(stored: Server, tmp_path: Path, read: str, how: str) -> None:
    """Bytes of two files are never mixed: what is read as a whole is all of the new one."""
    cut = Cut(TWO, meanwhile=lambda: OTHER[how](stored))
    with cut_line(stored.port, cut) as line, ML_Logger(root=line.url, silent=True) as logger:
        data = READS[read](logger, tmp_path)
        assert line.asked == [0, THIRD, 0]

    assert data == (stored.data_dir / "a.bin").read_bytes() != DATA


def rows(count: int) -> bytes:
    """Return so many rows, as a logger writes them; another count makes other ones."""
    return b"".join(pickle.dumps({"step": step, "of": count}, 4) for step in range(count))


def lines(count: int) -> bytes:
    """Return so many lines of JSON; another count makes other ones."""
    return b"".join(b'{"step": %d, "of": %d}\n' % (step, count) for step in range(count))


def table(count: int) -> bytes:
    """Return so many lines of CSV below their head; another count makes other ones."""
    return b"step,of\n" + b"".join(b"%d,%d\n" % (step, count) for step in range(count))


@pytest.mark.parametrize(
    ("made", "read"),
    [
        (rows, lambda logger: [row["of"] for row in logger.load_pkl("a.bin")]),
        (rows, lambda logger: read_columns(logger._store, "a.bin", iter(["of"]))["of"].to_list()),
        (lines, lambda logger: [line["of"] for line in logger.load_jsonl("a.bin")]),
        (table, lambda logger: logger.load_csv("a.bin")["of"].tolist()),
    ],
    ids=["load_pkl", "read_columns", "load_jsonl", "load_csv"],
)
def test_rows_that_are_replaced_are_read_anew(
    server: Server, made: Callable[[int], bytes], read: Callable[[ML_Logger], list[int]]
) -> None:
    """Rows of two files are never mixed: a list, a table or columns are all of the new one."""
    store(server, made(30_000))
    cut = Cut(TWO, meanwhile=lambda: store(server, made(29_999)))
    with cut_line(server.port, cut) as line, ML_Logger(root=line.url, silent=True) as logger:
        assert read(logger) == [29_999] * 29_999
        assert line.asked == [0, THIRD, 0]


@pytest.mark.parametrize("how", OTHER)
def test_a_file_that_is_replaced_ends_a_stream(stored: Server, how: str) -> None:
    """Where the beginning of the old file was given away already, an error says so; no byte of the new one follows."""
    cut = Cut(TWO, meanwhile=lambda: OTHER[how](stored))
    got = io.BytesIO()
    said = r"'a\.bin' was (replaced|cut) .* after 196,608 bytes.*Read it again"
    with (
        cut_line(stored.port, cut) as line,
        ML_Logger(root=line.url, silent=True) as logger,
        pytest.raises(FileReplaced, match=said),
    ):
        got.writelines(logger._store.stream("a.bin"))

    assert got.getvalue() == DATA[:THIRD]


def test_a_file_that_is_removed_meanwhile(stored: Server, tmp_path: Path) -> None:
    """A stream says that its file was removed; a download that it is not there, and leaves nothing behind."""
    for read, error in (("stream", FileReplaced), ("download_file", KeyNotFound)):
        store(stored, DATA)
        cut = Cut(TWO, meanwhile=lambda: remove(stored))
        with (
            cut_line(stored.port, cut) as line,
            ML_Logger(root=line.url, silent=True) as logger,
            pytest.raises(error, match=r"a\.bin"),
        ):
            READS[read](logger, tmp_path)
    assert not list(tmp_path.glob("*.bin*")) and not list(tmp_path.glob(".*"))


def test_a_file_that_is_replaced_again_and_again(stored: Server, tmp_path: Path) -> None:
    """A download is begun anew a few times, and then says why it gives up."""
    cuts = [Cut(TWO, meanwhile=lambda: store(stored, os.urandom(2**20)))] * 9
    with cut_line(stored.port, *cuts) as line, ML_Logger(root=line.url, silent=True) as logger:
        with pytest.raises(FileReplaced):
            downloaded(logger, tmp_path)
        assert line.asked == [0, THIRD] * 3


def test_before_the_first_piece_any_file_will_do(stored: Server) -> None:
    """A stream of which nothing was given away yet brings the file that is there when it goes on."""
    cut = Cut(100, meanwhile=lambda: store(stored, DATA[::-1]))
    with cut_line(stored.port, cut) as line, ML_Logger(root=line.url, silent=True) as logger:
        assert b"".join(logger._store.stream("a.bin")) == DATA[::-1]


# In the first head: the size, its highest byte, the checksum; then in the bytes of the first and the third piece.
@pytest.mark.parametrize("flip", [0, 3, 6, 8, 1000, TWO + 1000])
def test_a_flipped_bit_is_noticed(stored: Server, tmp_path: Path, flip: int) -> None:
    """A bit that flips on the way is noticed before anybody sees it, and its piece is asked for again."""
    with cut_line(stored.port, Cut(flip=flip)) as line, ML_Logger(root=line.url, silent=True) as logger:
        assert downloaded(logger, tmp_path) == DATA
        assert line.asked == [0, THIRD if flip > TWO else 0]


@pytest.mark.parametrize("read", READS)
def test_a_bit_that_flips_again_is_said(stored: Server, tmp_path: Path, read: str) -> None:
    """When it arrives damaged a second time, CorruptData names the file, and nothing is left of it."""
    cuts = [Cut(flip=TWO + 1000), Cut(flip=1000)]
    with cut_line(stored.port, *cuts) as line, ML_Logger(root=line.url, silent=True) as logger:
        with pytest.raises(CorruptData, match=r"'a\.bin' arrives damaged, from byte 196,608 on, twice"):
            READS[read](logger, tmp_path)
        assert line.asked == [0, THIRD]
    assert not list(tmp_path.rglob("down.bin*"))


def test_arrays_and_archives_come_over_such_a_line(server: Server, tmp_path: Path) -> None:
    """Everything that reads goes on after a cut: arrays, mapped ones too, and archives."""
    array = np.arange(200_000)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.txt").write_bytes(DATA)
    with ML_Logger(root=server.url, silent=True) as logger:
        logger.save_np(array, "a.npy")
        logger.upload_dir(tmp_path / "source", "a.zip")
    reads: list[Callable[[ML_Logger], Any]] = [
        lambda logger: np.array_equal(logger.load_np("a.npy"), array),
        lambda logger: np.array_equal(logger.load_np("a.npy", mmap=True), array),
        lambda logger: Path(logger.download_dir("a.zip", to=tmp_path / "back")[0]).read_bytes() == DATA,
    ]
    for read in reads:
        with cut_line(server.port, Cut(TWO), Cut(TWO)) as line, ML_Logger(root=line.url, silent=True) as logger:
            assert read(logger)
            assert line.asked == [0, THIRD, 2 * THIRD]


def test_a_file_that_is_cut_while_it_is_sent(server: Server) -> None:
    """A file that somebody cuts on the server's disk meanwhile is an error on the client, and no short file."""
    path = server.data_dir / "a.bin"
    path.touch()
    os.truncate(path, 256 * 2**20)  # more than the buffers on the way hold
    with ML_Logger(root=server.url, silent=True) as logger:
        stream = logger._store.stream("a.bin")
        next(stream)
        os.truncate(path, 2**20)
        with pytest.raises(FileReplaced, match=r"'a\.bin' was (replaced|cut)"):
            for _ in stream:
                pass


def test_a_stream_that_is_left_is_closed(stored: Server) -> None:
    """A reader that goes away in the middle does no harm to what its logger reads next."""
    with ML_Logger(root=stored.url, silent=True) as logger:
        for _ in range(20):
            next(logger._store.stream("a.bin"))
        assert logger.load_file("a.bin") == DATA
        assert list(logger._store.stream("a.bin", len(DATA))) == list(logger._store.stream("a.bin", 9, 9)) == []
