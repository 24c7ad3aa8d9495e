"""The spool keeps every frame until it is acknowledged, through any end of its process."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.errors import SpoolFull
from ml_logger.transport import frames
from ml_logger.transport.frames import Op
from ml_logger.transport.spool import Spool, SpoolLimits
from ml_logger.transport.spools import Spools, servers

COUNTS = st.integers(1, 9)


@pytest.fixture
def home() -> Iterator[Spools]:
    """A place for spools, with small files."""
    folder = Path(tempfile.mkdtemp())
    yield Spools(folder, "http://host", SpoolLimits(300, 1000))
    shutil.rmtree(folder)


def put(spool: Spool, count: int) -> None:
    """Append frames that hold their own numbers."""
    for _ in range(count):
        number = spool.last + 1
        assert spool.append(Op.APPEND, b"key", b"%d" % number) == number


def drain(spool: Spool, limit: int = 200) -> list[int]:
    """Take every frame out, batch by batch, and return their numbers."""
    numbers = []
    while (batch := spool.batch(limit)) is not None:
        decoded = frames.decode(batch.data)
        assert [frame.seq for frame in decoded] == list(range(batch.first, batch.last + 1))
        assert all(frame.payload == b"%d" % frame.seq for frame in decoded)
        numbers += [frame.seq for frame in decoded]
        spool.acknowledge(batch, batch.last)
    return numbers


def test_frames_come_out_in_order(home: Spools) -> None:
    """Frames come out once, in their order, whatever the sizes of files and batches, and nothing is left behind."""
    spool = home.create()
    put(spool, 100)

    assert drain(spool) == list(range(1, 101))
    assert spool.unsent() == (0, 0)
    put(spool, 10)
    assert drain(spool, 10**6) == list(range(101, 111))
    assert len(list(home.folder.rglob("seg-*"))) == 1
    spool.close()
    assert home.folders() == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=12), st.integers(1, 400))
def test_any_order_of_appending_and_sending(steps: list[tuple[int, int]], limit: int) -> None:
    """However appending and acknowledging take turns, and whatever part of a batch is acknowledged, nothing is lost."""
    folder = Path(tempfile.mkdtemp())
    spool = Spools(folder, "http://host", SpoolLimits(200, 1000)).create()
    received = 0
    for appended, acknowledged in steps:
        put(spool, appended)
        batch = spool.batch(limit)
        if batch is not None:
            assert batch.first == received + 1
            assert frames.decode(batch.data)[-1].seq == batch.last
            received = min(batch.last, received + acknowledged)
            spool.acknowledge(batch, received)
        assert spool.unsent()[0] == spool.last - received
    assert drain(spool, limit) == list(range(received + 1, spool.last + 1))
    assert spool.unsent() == (0, 0)
    spool.close()
    shutil.rmtree(folder)


def test_a_living_spool_is_not_adopted(home: Spools) -> None:
    """A spool whose owner lives is nobody else's; once let go of, it is adopted by one."""
    spool = home.create()
    put(spool, 30)
    (folder,) = home.folders()

    assert home.adopt(folder) is None
    spool.close()
    adopted = home.adopt(folder)
    assert adopted is not None
    assert home.adopt(folder) is None
    assert adopted.writer == spool.writer
    assert drain(adopted) == list(range(1, 31))
    adopted.close()
    assert home.folders() == []


def test_adoption_goes_on_where_the_owner_stopped(home: Spools) -> None:
    """What the owner knew to be acknowledged is not sent again."""
    spool = home.create()
    put(spool, 30)
    batch = spool.batch(10**6)
    assert batch is not None
    spool.acknowledge(batch, min(12, batch.last))
    acknowledged = spool.acknowledged
    spool.close()
    adopted = home.adopt(home.folders()[0])

    assert adopted is not None
    assert acknowledged > 0
    assert drain(adopted) == list(range(acknowledged + 1, 31))


@pytest.mark.parametrize("note", [None, b"", b"nonsense"])
def test_adoption_needs_no_note_of_what_was_acknowledged(home: Spools, note: bytes | None) -> None:
    """When the note of what was acknowledged is lost, what was deleted still counts as acknowledged."""
    spool = home.create()
    put(spool, 60)
    while (batch := spool.batch(200)) is not None and batch.last < 40:
        spool.acknowledge(batch, batch.last)
    first = spool.first_available()
    spool.close()
    (folder,) = home.folders()
    (folder / "ack").unlink()
    if note is not None:
        (folder / "ack").write_bytes(note)
    adopted = home.adopt(folder)

    assert adopted is not None
    assert first > 1
    assert adopted.writer == spool.writer
    assert drain(adopted) == list(range(first, 61))


@pytest.mark.parametrize("on_disk", [True, False], ids=["disk", "memory"])
def test_what_waits_is_counted_right_after_a_jump(home: Spools, on_disk: bool) -> None:
    """Sent again from an earlier number, or under a new writer, a spool knows how many bytes wait."""
    spool = home.create()
    if not on_disk:
        spool.folder = None
    sizes = []
    for _ in range(20):
        before = spool.unsent()[1]
        put(spool, 1)
        sizes.append(spool.unsent()[1] - before)
    while (batch := spool.batch(200)) is not None and batch.last < 9:
        spool.acknowledge(batch, batch.last)
    first = spool.first_available()

    spool.rewind(first)
    assert spool.unsent() == (21 - first, sum(sizes[first - 1 :]))
    spool.start_over(first)
    assert spool.unsent() == (21 - first, sum(sizes[first - 1 :]))
    assert drain(spool) == list(range(first, 21))
    assert spool.unsent() == (0, 0)


def test_a_note_that_knows_of_too_much_is_not_believed(home: Spools) -> None:
    """A note of more acknowledged records than there ever were keeps none of those that are here from being sent."""
    spool = home.create()
    put(spool, 60)
    spool.close()
    (folder,) = home.folders()
    (folder / "ack").write_bytes(b"100000")
    adopted = home.adopt(folder)

    assert adopted is not None
    assert drain(adopted) == list(range(1, 61))


def test_a_spool_that_cannot_be_read_is_told(home: Spools, capsys: pytest.CaptureFixture[str]) -> None:
    """Adoption says which spool it leaves where it is, and why; one that was just removed is none."""
    spool = home.create()
    put(spool, 3)
    spool.close()
    (folder,) = home.folders()
    (segment,) = folder.glob("seg-*")
    segment.rename(folder / "kept")
    segment.mkdir()

    assert home.adopt(folder) is None
    assert f"the spool {folder} cannot be read (IsADirectoryError" in home.trouble
    assert home.trouble in capsys.readouterr().err
    segment.rmdir()
    (folder / "kept").rename(segment)
    adopted = home.adopt(folder)
    assert adopted is not None
    assert drain(adopted) == [1, 2, 3]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_spool_cut_at_any_byte_gives_what_is_whole(data: st.DataObject) -> None:
    """After a power loss that tore the last file, the whole frames are sent, and the torn bytes are kept aside."""
    folder = Path(tempfile.mkdtemp())
    home = Spools(folder, "http://host", SpoolLimits(10**6, 1000))
    spool = home.create()
    put(spool, 10)
    spool.close()
    (segment,) = folder.rglob("seg-*")
    whole = segment.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    segment.write_bytes(whole[:cut])
    adopted = home.adopt(home.folders()[0])

    assert adopted is not None
    stops = [span.stop for span in frames.spans(whole)]
    expected = sum(stop <= cut for stop in stops)
    assert drain(adopted) == list(range(1, expected + 1))
    kept = b"".join(path.read_bytes() for path in (home.folder / "quarantine").glob("*"))
    assert kept == whole[max([stop for stop in stops if stop <= cut], default=0) : cut]
    shutil.rmtree(folder)


def test_damage_in_the_middle_costs_what_is_damaged(home: Spools) -> None:
    """A damaged file gives the frames before the damage; the files behind it are not touched by it."""
    spool = home.create()
    put(spool, 40)
    spool.close()
    segments = sorted(home.folder.rglob("seg-*"))
    assert len(segments) > 3
    damaged = bytearray(segments[1].read_bytes())
    damaged[50] ^= 1
    segments[1].write_bytes(damaged)
    adopted = home.adopt(home.folders()[0])

    assert adopted is not None
    first = adopted.batch(10**6)
    assert first is not None
    assert first.first == 1
    adopted.acknowledge(first, first.last)
    numbers = drain_over_gaps(adopted)
    missing = set(range(first.last + 1, 41)) - set(numbers)
    assert missing == set(range(min(missing), max(missing) + 1))
    assert max(missing) < int(segments[2].name[4:])
    assert numbers[-1] == 40


def drain_over_gaps(spool: Spool) -> list[int]:
    """Take frames out as the sender does, which starts over behind a gap."""
    numbers = []
    while (batch := spool.batch(10**6)) is not None:
        if batch.first != spool.acknowledged + 1:
            spool.start_over(batch.first)
            continue
        numbers += range(batch.first, batch.last + 1)
        spool.acknowledge(batch, batch.last)
    return numbers


def test_frames_wait_in_memory_where_the_disk_refuses(home: Spools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that the disk refuses wait in memory; beyond the limit they are dropped, and counted."""
    monkeypatch.setattr("ml_logger.transport.overflow.ROOM_TIMEOUT", 0.0)
    spool = home.create()
    put(spool, 20)
    shutil.rmtree(spool.folder or "")
    put_on = 0
    while spool.append(Op.APPEND, b"key", b"%d" % (spool.last + 1)):
        put_on += 1
    assert spool.dropped == 1
    assert put_on > 5
    numbers = drain_over_gaps(spool)

    assert numbers[-1] == spool.last
    assert spool.append(Op.APPEND, b"key", b"again") == numbers[-1] + 1


def test_spools_are_private(home: Spools) -> None:
    """What waits to be sent is readable by its owner alone."""
    spool = home.create()
    put(spool, 1)

    assert spool.folder is not None
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in spool.folder.glob("seg-*"))
    spool.close()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["put", "send", "refuse", "take", "secure"]), st.integers(1, 9)), max_size=30)
)
def test_a_disk_that_comes_and_goes_costs_nothing(steps: list[tuple[str, int]]) -> None:
    """However often the disk refuses and takes frames again, they come out once and in order, and end up on disk."""
    folder = Path(tempfile.mkdtemp())
    spool = Spools(folder, "http://host", SpoolLimits(200, 10**6, sync_every=0.0)).create()
    write, refusing, received = os.write, False, 0

    def refusable(file: int, data: bytes) -> int:
        if refusing:
            raise OSError(28, "No space left on device")
        return write(file, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", refusable)
        patch.setattr("ml_logger.transport.spool.RESCUE_EVERY", 0.0)
        for step, count in steps:
            if step == "put":
                put(spool, count)
            elif step == "send" and (batch := spool.batch(100 * count)) is not None:
                assert batch.first == received + 1
                received = min(batch.last, received + count)
                spool.acknowledge(batch, received)
            elif step == "secure":
                spool.secure()
            else:
                refusing = step == "refuse"
        refusing = False
        assert spool.rescue() == 0
    spool.abandon()
    if spool.last > received:
        adopted = Spools(folder, "http://host", SpoolLimits(200, 1000)).adopt(spool.folder or folder)
        assert adopted is not None
        numbers = drain_over_gaps(adopted)
        assert numbers[-1] == spool.last
        assert set(range(received + 1, spool.last + 1)) <= set(numbers)
        assert numbers == sorted(set(numbers))
    shutil.rmtree(folder)


def fill(home: Spools, when_full: str) -> Spool:
    """Return a spool without a disk whose memory is full."""
    spool = Spool(None, SpoolLimits(300, 1000, when_full))
    while spool.appended_bytes < 1000:
        spool.append(Op.APPEND, b"key", b"%d" % (spool.last + 1))
    return spool


def test_a_full_spool_raises_where_that_is_asked_for(home: Spools) -> None:
    """With the policy `raise` a record that finds no room raises at once, and uses no number up."""
    spool = fill(home, "raise")
    last = spool.last
    with pytest.raises(SpoolFull, match="ML_LOGGER_WHEN_FULL"):
        spool.append(Op.APPEND, b"key", b"x")
    batch = spool.batch(10**6)
    assert batch is not None
    spool.acknowledge(batch, 1)

    assert spool.append(Op.APPEND, b"key", b"x") == last + 1
    assert spool.dropped == 0


def test_a_full_spool_waits_where_that_is_asked_for(home: Spools) -> None:
    """With the policy `wait` a record that finds no room waits for it, and is not dropped."""
    spool = fill(home, "wait")
    last, numbers = spool.last, list[int]()
    thread = threading.Thread(target=lambda: numbers.append(spool.append(Op.APPEND, b"key", b"x")))
    thread.start()
    thread.join(1.5)  # longer than the second after which `drop` gives up
    assert thread.is_alive()
    batch = spool.batch(10**6)
    assert batch is not None
    spool.acknowledge(batch, batch.last)
    thread.join(60)

    assert numbers == [last + 1]
    assert spool.dropped == 0


def test_what_waits_is_synced(home: Spools, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that still wait after the interval are forced to disk with the names of their files, once; others not."""
    synced: list[str] = []
    for name in ("fsync", "fdatasync"):
        call = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda file, call=call: (synced.append(os.readlink(f"/proc/self/fd/{file}")), call(file))
        )
    spool = Spools(home.folder.parent, "http://host", SpoolLimits(10**6, 1000, sync_every=1e-9)).create()
    spool.secure()
    assert synced == []
    put(spool, 3)
    spool.secure()
    assert synced == []  # they are younger than the interval
    spool.secure()
    assert synced == [f"{spool.folder}/seg-{1:020d}", str(spool.folder), str(home.folder)]
    spool.secure()
    assert len(synced) == 3
    put(spool, 1)
    spool.secure()
    spool.secure()
    assert synced[3:] == [f"{spool.folder}/seg-{1:020d}"]
    put(spool, 1)
    assert drain(spool, 10**6) == [1, 2, 3, 4, 5]
    spool.secure()
    spool.secure()
    assert len(synced) == 4
    spool.close()


def test_the_age_of_what_waits_is_known(home: Spools) -> None:
    """The time of the oldest frame that waits is that of its call, wherever it waits; None when nothing does."""
    spool = home.create()
    assert spool.oldest() is None
    begin = time.time()
    put(spool, 20)
    middle = time.time()
    assert begin <= (spool.oldest() or 0) <= middle
    assert drain(spool) == list(range(1, 21))
    assert spool.oldest() is None
    put(spool, 1)
    assert (spool.oldest() or 0) >= middle
    spool.close()
    in_memory = Spool(None, SpoolLimits(300, 1000))
    put(in_memory, 2)
    assert (in_memory.oldest() or 0) >= middle


def test_copies_by_hand_do_not_keep_a_spool_from_being_sent(home: Spools) -> None:
    """A file that somebody has put beside the frames does not stop the adoption of the spool."""
    spool = home.create()
    put(spool, 30)
    assert spool.folder is not None
    spool.abandon()
    (spool.folder / "seg-00000000000000000001.bak").write_bytes(b"x")
    adopted = home.adopt(spool.folder)

    assert adopted is not None
    assert drain(adopted) == list(range(1, 31))
    adopted.close()


def test_a_damaged_note_of_a_server_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A note that is no text any more is told, and the servers of the other spools are found."""
    for url in ("http://one", "http://two"):
        Spools(tmp_path, url, SpoolLimits(400, 1000)).create()
    damaged = next(path for path in tmp_path.glob("*/server") if path.read_text() == "http://one\n")
    damaged.write_bytes(b"http://\xff")

    assert servers(tmp_path) == ["http://two"]
    assert f"the note {damaged} is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("note", ["[" * 100_000, '{"writer": "w", "base": 1e999}'])
def test_a_note_of_nonsense_does_not_keep_a_spool(home: Spools, note: str) -> None:
    """Whatever has become of the note of a spool, its frames are sent, under the id that its folder is named after."""
    spool = home.create()
    put(spool, 3)
    spool.close()
    folder = home.folders()[0]
    (folder / "writer").write_text(note)
    adopted = home.adopt(folder)

    assert adopted is not None
    assert folder.name == adopted.writer
    assert drain(adopted) == [1, 2, 3]
