"""Files that are read again: only what is new is decoded and sent, and the result is that of reading anew."""

from __future__ import annotations

import os
import pickle
import random
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger import column_readers, readers
from ml_logger.columns import portions
from ml_logger.columns.boundaries import DamagedRecords
from ml_logger.columns.decoder import OtherRecords
from ml_logger.columns.portions import Gathered, Mark, Source
from ml_logger.stores import open_store
from ml_logger.stores.base import Store
from ml_logger.table_cache import TableCache, trim
from ml_logger.testing import Server
from tests import programs
from tests.row_files import file_of, identical, rows_of, rows_of_all, runs
from tests.test_unpickle_attacks import mutated

SHAPES = [{"_step": "step", "loss": "float", "word": "two words"}, {"_step": "step", "accuracy": "float"}]
ROWS = rows_of((SHAPES, 3000, 5))


class Metered:
    """A store that counts the bytes of answers about rows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.received = 0
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def tables(self, question: Any) -> Iterator[bytes] | None:
        """Pass an answer on."""
        pieces = self._store.tables(question)
        return None if pieces is None else self._counted(pieces)

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        self.asked += 1
        for piece in pieces:
            self.received += len(piece)
            yield piece


class Place:
    """A file in a place, that is read with the cache and changed behind its back."""

    def __init__(self, root: str, path: Path) -> None:
        self.root, self.path = root, path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.store: Any = Metered(open_store(root, None, {}))

    def read(self, keys: list[str] | None = None) -> list[dict[str, Any]]:
        """Return the rows, read with the cache."""
        return list(readers.read_columns(self.store, "run/metrics.pkl", keys).iter_rows())

    def read_anew(self, keys: list[str] | None = None) -> list[dict[str, Any]]:
        """Return the rows, read without it."""
        return list(column_readers.ColumnReader(self.store, keys).one("run/metrics.pkl").iter_rows())


@pytest.fixture(params=["local", "remote"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A file in a folder, then on a server; small ones are kept too."""
    monkeypatch.setattr(column_readers, "LARGE", 1)
    monkeypatch.setattr(column_readers, "LARGE_THERE", 1)
    monkeypatch.setattr(column_readers, "SMALL_PART", 0)
    if request.param == "local":
        made = Place(str(tmp_path / "root"), tmp_path / "root" / "run" / "metrics.pkl")
    else:
        server = request.getfixturevalue("server")
        made = Place(server.url, server.data_dir / "run" / "metrics.pkl")
    yield made
    made.store.close()


def entries(tmp_path: Path) -> list[Path]:
    """Return the files of the cache."""
    return sorted(path for path in (tmp_path / "cache").rglob("*") if path.is_file())


def add(path: Path, data: bytes) -> None:
    """Append to a file, as a program does that logs."""
    with path.open("ab") as file:
        file.write(data)


def test_a_growing_file_is_read_on(place: Place, tmp_path: Path) -> None:
    """What is read again and again is all of it each time, with all columns and with some, also behind a torn row."""
    data = file_of(ROWS)
    for stop in (1, 100, 5000, 5001, 5300, 20_000, len(data)):
        place.path.write_bytes(b"") if stop == 1 else None
        add(place.path, data[place.path.stat().st_size if place.path.exists() else 0 : stop])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamagedRecords)
            for keys in (None, ["loss", "nothing", "word"]):
                for _ in range(2):
                    assert identical(place.read(keys), place.read_anew(keys))
    assert identical(place.read(), ROWS)
    assert len(entries(tmp_path)) == 2


def put_in_place(path: Path, data: bytes) -> None:
    """Replace a file by another one."""
    path.with_name("new").write_bytes(data)
    path.with_name("new").rename(path)


def edit(path: Path, at: int, data: bytes) -> None:
    """Change bytes in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


OTHER = [{**row, "loss": 7.0} if "loss" in row else row for row in ROWS]

CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "replaced by as much": lambda path: put_in_place(path, file_of(OTHER)),
    "replaced by more": lambda path: put_in_place(path, file_of(OTHER + ROWS)),
    "replaced by less": lambda path: put_in_place(path, file_of(OTHER[:50])),
    "written over by as much": lambda path: path.write_bytes(file_of(OTHER)),
    "written over by more": lambda path: path.write_bytes(file_of(OTHER + ROWS)),
    "cut": lambda path: os.truncate(path, len(file_of(ROWS[:1000]))),
    "cut, and more": lambda path: (os.truncate(path, len(file_of(ROWS[:10]))), add(path, file_of(OTHER + OTHER))),
    "emptied": lambda path: path.write_bytes(b""),
    "removed and made anew": lambda path: (path.unlink(), path.write_bytes(file_of(OTHER[:2990] + ROWS))),
    "edited in the middle": lambda path: edit(path, len(file_of(ROWS[:1500])), file_of(OTHER[1500:1502])),
    "edited at its beginning, and more": lambda path: (edit(path, 0, file_of(OTHER[:5])), add(path, file_of(ROWS))),
    "edited at its end, and more": lambda path: (
        edit(path, len(file_of(ROWS[:2995])), file_of(OTHER[2995:])),
        add(path, file_of(ROWS)),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_is_another_one_is_read_anew(place: Place, change: str) -> None:
    """Replaced, cut, emptied, removed, or edited: what comes is what is there, and not a mixture."""
    place.path.write_bytes(file_of(ROWS))
    assert identical(place.read(), ROWS)
    os.utime(place.path, ns=(10**18, 10**18))  # long ago: a change shows in the time, whatever the clock's step
    assert identical(place.read(), ROWS)
    CHANGES[change](place.path)
    expected = place.read_anew()
    assert (expected == ROWS) == (change == "nothing")
    assert identical(place.read(), expected)
    assert identical(place.read(), expected)


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_entry_is_no_error(place: Place, tmp_path: Path, seed: int) -> None:
    """Whatever has happened to what was kept, the rows are right."""
    rng = random.Random(seed)
    place.path.write_bytes(file_of(ROWS))
    place.read()
    for _ in range(25):
        add(place.path, file_of(ROWS[:300]))
        for path in entries(tmp_path):
            data = bytearray(path.read_bytes())
            path.write_bytes(rng.choice([mutated(data, rng), data[: rng.randrange(len(data))], b"", b"MLT"]))
        assert identical(place.read(), place.read_anew())


def test_a_cache_that_cannot_be_is_no_error(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder that can be written, or with a file in its way, everything is read each time."""
    place.path.write_bytes(file_of(ROWS))
    (tmp_path / "file").write_bytes(b"")
    for folder in ("/proc/nowhere", str(tmp_path / "file"), str(tmp_path / "file" / "inner")):
        monkeypatch.setenv("ML_LOGGER_CACHE", folder)
        assert identical(place.read(), ROWS)
        assert identical(place.read(), ROWS)


def test_the_cache_can_be_switched_off(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a size of 0 nothing is kept."""
    place.path.write_bytes(file_of(ROWS))
    for off in ("0", "off"):
        monkeypatch.setenv("ML_LOGGER_CACHE_SIZE", off)
        assert identical(place.read(), ROWS)
    assert not (tmp_path / "cache").exists()


def test_nobody_else_can_read_what_is_kept(place: Place, tmp_path: Path) -> None:
    """Folders and files of the cache are the user's alone, whatever the umask."""
    place.path.write_bytes(file_of(ROWS))
    before = os.umask(0)
    place.read()
    os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache", *(tmp_path / "cache").rglob("*"))]
    assert sorted(modes) == [0o600, 0o700, 0o700, 0o700]


def test_what_was_passed_over_is_told_each_time(place: Place) -> None:
    """Damage and records that are no rows are warned about also when they were met another time."""
    whole = file_of(ROWS[:50])
    place.path.write_bytes(whole + bytes(33) + file_of([1]) + whole)
    for _ in range(3):
        damage = pytest.warns(DamagedRecords, match=f"33 bytes inside run/metrics.pkl, from byte {len(whole)} on")
        with damage, pytest.warns(OtherRecords, match=r"1 records of run/metrics\.pkl"):
            assert len(place.read()) == 100


def test_much_damage_is_kept_too(place: Place, tmp_path: Path) -> None:
    """A file with many damaged places is read on like any other, and each place is told each time."""
    place.path.write_bytes((file_of(ROWS[:2]) + bytes(9)) * 500)
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert len(place.read(["loss"])) == 1000
        assert len(caught) == 500
    [entry] = entries(tmp_path)
    before = entry.stat().st_mtime_ns
    os.utime(entry, (1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        place.read(["loss"])
    assert entry.stat().st_mtime_ns >= before  # it was used


def test_little_that_is_new_costs_little(server: Server, tmp_path: Path) -> None:
    """After some more rows of a long file, only these travel, and what is kept is not written again."""
    path = server.data_dir / "run" / "metrics.pkl"
    place = Place(server.url, path)
    data = file_of(rows_of((SHAPES, 200_000, 1)))
    path.write_bytes(data)
    assert len(place.read(["loss"])) == 200_000
    cold, [entry] = place.store.received, entries(tmp_path)
    written = entry.stat().st_ino
    for number in range(1, 4):
        add(path, file_of(ROWS[:1000]))
        place.store.received = 0
        assert len(place.read(["loss"])) == 200_000 + 1000 * number
        assert place.store.received < 1000 + 4200 * number < cold / 50
    assert entries(tmp_path) == [entry] and entry.stat().st_ino == written
    add(path, data)
    assert len(place.read(["loss"])) == 403_000
    assert entries(tmp_path) == [entry] and entry.stat().st_ino != written
    place.store.close()


def test_many_growing_files_are_one_request(server: Server) -> None:
    """A glob that is read again fetches what is new of each file; one that is replaced or new comes whole."""
    paths = [server.data_dir / f"run{number:02}" / "metrics.pkl" for number in range(40)]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(file_of(ROWS))
    store: Any = Metered(open_store(server.url, None, {}))

    def tables() -> dict[str, list[Any]]:
        store.received, store.asked = 0, 0
        return {key: table["loss"].to_list() for key, table in readers.read_tables(store, "**/metrics.pkl", ["loss"])}

    losses = [row.get("loss") for row in ROWS]
    assert tables() == {f"run{number:02}/metrics.pkl": losses for number in range(40)}
    cold = store.received
    add(paths[3], file_of(ROWS[:10]))
    put_in_place(paths[5], file_of(ROWS[:7]))
    paths[7].unlink()
    again = tables()
    assert store.received < cold / 4 and store.asked == 1
    assert again["run03/metrics.pkl"] == losses + losses[:10]
    assert again["run05/metrics.pkl"] == losses[:7]
    assert [*again] == [f"run{number:02}/metrics.pkl" for number in range(40) if number != 7]
    store.close()


def test_the_cache_is_bounded(tmp_path: Path) -> None:
    """What was not used for the longest time is removed when it is too much; a table that is too large is not kept."""
    mark = Mark("", 1, 1.0, 1, "")
    decoder = portions.Decoder()
    decoder.feed(file_of(rows_of(([{"a": "float"}], 1000, 1))))
    table = decoder.finish()
    cache = TableCache(tmp_path / "cache", 100_000, "x", None)
    for number in range(60):
        cache.keep(f"{number}", table, portions.Settled(mark, [], 0))
        os.utime(cache._path(f"{number}"), (number, number))
        if number == 5:
            assert cache.load("0", portions.Settled(mark, [], 0)) is not None  # used now, so it stays
    kept = [number for number in range(60) if cache.find(f"{number}")]
    assert sum(path.stat().st_size for path in entries(tmp_path)) <= 100_000
    assert kept[0] == 0 and kept[1:] == list(range(60 - len(kept) + 1, 60))
    cache.keep("large", portions._join([table] * 20), portions.Settled(mark, [], 0))
    assert cache.find("large") is None
    stranger = tmp_path / "cache" / "notes.txt"
    stranger.write_bytes(b"not ours")
    trim(tmp_path / "cache", 0)
    assert entries(tmp_path) == [stranger]


def test_many_readers_at_once_share_the_cache(server: Server, tmp_path: Path) -> None:
    """Programs that read one growing file at the same time all get what is there."""
    path = server.data_dir / "run" / "metrics.pkl"
    path.parent.mkdir()
    path.write_bytes(file_of(ROWS))
    code = """
        import sys, warnings
        warnings.simplefilter("ignore")  # a row that is being written is a torn one
        from ml_logger.readers import read_columns
        from ml_logger.stores import open_store
        store, last = open_store(sys.argv[1], None, {}), 0
        for _ in range(60):
            steps = read_columns(store, "run/metrics.pkl", ["_step"])["_step"].to_list()
            assert len(steps) >= last and steps[:3000] == list(range(3000))
            assert steps[3000:3100] == list(range(100))[: len(steps) - 3000]
            last = len(steps)
        print(last)
    """
    readers_ = [programs.start(code, server.url) for _ in range(3)]
    more, done = file_of(ROWS[:100]), threading.Event()

    def grow() -> None:
        while not done.wait(0.02):
            add(path, more)

    growing = threading.Thread(target=grow)
    growing.start()
    outputs = [reader.communicate(timeout=programs.PATIENCE) for reader in readers_]
    done.set()
    growing.join()
    assert [errors for _, errors in outputs] == [b""] * 3
    assert all(int(output) >= 3000 for output, _ in outputs)
    assert len(entries(tmp_path)) == 1


def source_of(data: bytes) -> Source:
    """Return bytes as a file."""
    return Source("", len(data), 0.0, lambda at, to: data[at:to], lambda at: iter([data[at:]]))


def gather(source: Source, start: int, gathered: Gathered) -> Gathered:
    """Decode a file from an offset on."""
    for event in portions.decode(source, None, start):
        gathered.add(event)
    return gathered


@settings(deadline=None)
@given(runs, st.lists(st.integers(0, 20_000), max_size=4), st.none() | st.integers(0, 2**32))
def test_portions_are_the_whole(runs: list[Any], stops: list[int], damaged: int | None) -> None:
    """A file that is decoded portion by portion, cut anywhere and damaged anywhere, gives the same rows."""
    data = file_of(rows_of_all(runs))
    if damaged is not None and data:
        rng = random.Random(damaged)
        at = rng.randrange(len(data))
        data = data[:at] + bytes(rng.randrange(1, 60)) + data[at + rng.randrange(60) :]
    try:
        whole = gather(source_of(data), 0, Gathered())
        known = Gathered()
        gather(source_of(b""), 0, known)
        for stop in [*sorted(stops), len(data)]:
            source, before = source_of(data[:stop]), known.settled
            assert before is not None
            start = portions.start_of(before.mark, source) if before.mark.offset else 0
            assert start == before.mark.offset or stop < before.mark.offset
            if start or not before.mark.offset:
                now = Gathered()
                now.go_on(known.settle(), before)
                known = gather(source, start, now)
    except pickle.UnpicklingError:
        return  # damage that names something
    assert identical(list(known.table(None).iter_rows()), list(whole.table(None).iter_rows()))
    assert (known.damage, known.others) == (whole.damage, whole.others)
