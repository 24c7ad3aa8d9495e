"""What every store promises; a new store is finished when its name is in the `store` fixture."""

from __future__ import annotations

import pytest

from ml_logger.errors import InvalidKey, KeyNotFound, Refused, StorageFailed
from ml_logger.stores.base import Store

pytestmark = pytest.mark.usefixtures("patient")


def test_appends_come_back_in_order(store: Store) -> None:
    """Bytes are read in the order they were appended."""
    for number in range(500):
        store.append("run/metrics.pkl", f"{number},".encode())
    store.flush(20)

    assert store.read("run/metrics.pkl") == b"".join(f"{number},".encode() for number in range(500))


def test_a_write_replaces_the_whole_file(store: Store) -> None:
    """Of two writes to a key the second is what is read."""
    store.write("run/a.txt", b"a longer text")
    store.write("run/a.txt", b"short")
    store.flush(20)

    assert store.read("run/a.txt") == b"short"


def test_an_append_follows_a_write(store: Store) -> None:
    """Writes and appends to one key take effect in their order."""
    store.append("run/a.txt", b"lost")
    store.write("run/a.txt", b"one")
    store.append("run/a.txt", b" two")
    store.flush(20)

    assert store.read("run/a.txt") == b"one two"


@pytest.mark.parametrize("size", [0, 1, 4 * 2**20, 4 * 2**20 + 1, 9_000_001])
def test_data_of_any_size_comes_back(store: Store, size: int) -> None:
    """Empty, small and large data is written and appended whole."""
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    store.write("w.bin", data)
    store.append("a.bin", b"before")
    store.append("a.bin", data)
    store.flush(60)

    assert store.read("w.bin") == data
    assert store.read("a.bin") == b"before" + data


def test_a_file_is_opened_at_any_place(store: Store) -> None:
    """A stored file is a binary file of this machine while it is open, with all its bytes."""
    store.write("run/a.bin", bytes(range(256)) * 9000)
    store.flush(20)
    with store.open_file("run/a.bin") as file:
        assert file.seek(-2, 2) == 256 * 9000 - 2
        assert file.read() == b"\xfe\xff"
        file.seek(1000)
        assert file.read(3) == bytes([1000 % 256, 1001 % 256, 1002 % 256])
    with pytest.raises(KeyNotFound, match="nothing"):
        store.open_file("run/nothing.bin")


def test_pieces_are_written_as_one_file(store: Store) -> None:
    """Data can be given piece by piece, of any size, and need not fit into memory at once."""
    pieces = [b"a" * 10, b"", b"b" * (5 * 2**20), b"c"]
    store.write("run/big.bin", iter(pieces))
    store.write("run/empty.bin", iter([]))
    store.flush(60)

    assert store.read("run/big.bin") == b"".join(pieces)
    assert store.read("run/empty.bin") == b""


def test_ranges_are_read(store: Store) -> None:
    """Reading takes any part of a file, and less where it ends earlier."""
    store.write("a", b"0123456789")
    store.flush(20)

    assert store.read("a", 2, 5) == b"234"
    assert store.read("a", 7) == b"789"
    assert store.read("a", 7, 100) == b"789"
    assert store.read("a", 10) == b""
    assert store.read("a", 50, 60) == b""
    assert store.read("a", 3, 3) == b""
    assert b"".join(store.stream("a", 4)) == b"456789"


def test_missing_files_say_so(store: Store) -> None:
    """Reading what is not there raises KeyNotFound with the key, at once."""
    with pytest.raises(KeyNotFound, match="nothing/here"):
        store.stream("nothing/here")
    with pytest.raises(FileNotFoundError):
        store.read("nothing/here")
    with pytest.raises(KeyNotFound):
        store.stat("nothing/here")


def test_a_folder_is_no_file(store: Store) -> None:
    """A folder cannot be read as a file."""
    store.write("run/a.txt", b"x")
    store.flush(20)

    with pytest.raises(KeyNotFound):
        store.read("run")
    with pytest.raises(KeyNotFound):
        store.stat("run")


def test_entries_match_globs(store: Store) -> None:
    """A pattern finds files by names and folders, sorted by key, with their sizes."""
    for number, key in enumerate(
        ["a/metrics.pkl", "a/b/metrics.pkl", "a/b/c/x.txt", "z.txt", "a/[1].txt", "ä ö/ü.txt"]
    ):
        store.write(key, b"x" * number)
    store.flush(20)

    def found(pattern: str) -> list[str]:
        return [entry.key for entry in store.entries(pattern)]

    assert found("**/metrics.pkl") == ["a/b/metrics.pkl", "a/metrics.pkl"]
    assert found("a/*") == ["a/[1].txt", "a/metrics.pkl"]
    assert found("*") == ["z.txt"]
    assert found("a/**/*.txt") == ["a/[1].txt", "a/b/c/x.txt"]
    assert found("a/[[]1].txt") == ["a/[1].txt"]
    assert found("ä ö/*") == ["ä ö/ü.txt"]
    assert found("nothing/**") == []
    assert {entry.key: entry.size for entry in store.entries()}["ä ö/ü.txt"] == 5
    assert len(store.entries()) == 6


def test_stat_tells_the_size(store: Store) -> None:
    """The entry of a file has its size and a time of change."""
    store.append("run/a", b"12345")
    store.flush(20)

    entry = store.stat("run/a")

    assert (entry.key, entry.size) == ("run/a", 5)
    assert entry.mtime > 1.7e9


def test_removing_takes_effect_in_order(store: Store) -> None:
    """A file that is removed and appended to again holds only what came after."""
    store.append("run/a", b"before")
    store.remove("run/a")
    store.append("run/a", b"after")
    store.flush(20)

    assert store.read("run/a") == b"after"


def test_a_folder_is_removed_with_all_in_it(store: Store) -> None:
    """Removing a folder removes what is below it and nothing else; removing nothing is no error."""
    for key in ("run/a", "run/b/c", "running"):
        store.append(key, b"x")
    store.remove("run")
    store.remove("nothing/here")
    store.flush(20)

    assert [entry.key for entry in store.entries()] == ["running"]


def test_files_and_folders_are_moved(store: Store) -> None:
    """A moved file has its new key only, and takes appends under it."""
    store.append("a/x", b"1")
    store.append("f/one", b"one")
    store.append("f/g/two", b"two")
    store.move("a/x", "b/y")
    store.append("b/y", b"2")
    store.move("f", "h")
    store.flush(20)

    assert [entry.key for entry in store.entries()] == ["b/y", "h/g/two", "h/one"]
    assert store.read("b/y") == b"12"


def test_files_and_folders_are_copied(store: Store) -> None:
    """A copy is a file of its own."""
    store.append("a/x", b"1")
    store.copy("a/x", "b/y")
    store.append("a/x", b"2")
    store.copy("a", "c/d")
    store.flush(20)

    assert store.read("b/y") == b"1"
    assert store.read("c/d/x") == b"12"


@pytest.mark.parametrize(
    "key",
    ["", "../x", "a/../../x", "a/./b", "/etc/passwd", "a//b", "a/", "a\0b", "a\\b", "x" * 5000, "CON", "x.", "a\nb"],
)
def test_keys_that_lead_out_are_refused_at_once(store: Store, key: str) -> None:
    """A bad key raises at the caller's line, for every verb, and changes nothing."""
    store.append("good", b"1")
    for verb in (
        lambda: store.append(key, b"x"),
        lambda: store.write(key, b"x"),
        lambda: store.remove(key),
        lambda: store.move(key, "b"),
        lambda: store.move("good", key),
        lambda: store.copy("good", key),
        lambda: store.read(key),
        lambda: store.stat(key),
    ):
        with pytest.raises(InvalidKey):
            verb()
    store.append("good", b"2")
    store.flush(20)

    assert [entry.key for entry in store.entries()] == ["good"]
    assert store.read("good") == b"12"


def test_bookkeeping_is_out_of_reach(store: Store) -> None:
    """No key reaches `.ml_logger`, and no listing shows it."""
    store.write("a", b"1")
    store.flush(20)

    for key in (".ml_logger/catalog.db", ".ML_LOGGER/lock", "x/.ml_logger/y"):
        with pytest.raises(InvalidKey):
            store.read(key)
    assert [entry.key for entry in store.entries("**")] == ["a"]


def test_moving_into_itself_is_refused(store: Store) -> None:
    """A folder cannot be moved or copied into itself or onto itself."""
    store.append("a/b", b"1")

    for source, target in (("a", "a"), ("a", "a/c"), ("a/b", "a")):
        with pytest.raises(InvalidKey):
            store.move(source, target)
        with pytest.raises(InvalidKey):
            store.copy(source, target)


@pytest.mark.parametrize(
    ("verb", "source", "target"),
    [
        ("move", "dir", "full"),
        ("move", "file", "full"),
        ("move", "dir", "other"),
        ("move", "file", "other/below"),
        ("move", "dir", "other/below"),
        ("move", "nothing", "new"),
        ("move", "file/below", "new"),
        ("copy", "dir", "other"),
        ("copy", "file", "full"),
        ("copy", "file", "other/below"),
        ("copy", "dir", "clash"),
        ("copy", "nothing", "new"),
    ],
)
def test_what_cannot_be_moved_or_copied_changes_nothing(store: Store, verb: str, source: str, target: str) -> None:
    """A folder in place of a file, a file in place of a folder, a source that is not there: refused as a whole."""
    for key in ("dir/a", "dir/x", "full/y", "clash/x/z", "file", "other"):
        store.write(key, key.encode())
    store.flush(20)
    before = [(entry.key, entry.size) for entry in store.entries()]

    with pytest.raises((StorageFailed, Refused, KeyNotFound)):  # the last one for a source that is not there
        getattr(store, verb)(source, target).result(20)
    assert [(entry.key, entry.size) for entry in store.entries()] == before
    assert store.read("file") == b"file"
    assert store.read("other") == b"other"


def test_a_folder_is_copied_into_one_that_is_there(store: Store) -> None:
    """Copying a folder over another replaces the files of the same name and keeps the others."""
    for key in ("a/x", "a/b/y", "c/x", "c/z"):
        store.write(key, key.encode())
    store.copy("a", "c")
    store.flush(20)

    assert {entry.key: store.read(entry.key) for entry in store.entries("c/**")} == {
        "c/x": b"a/x",
        "c/b/y": b"a/b/y",
        "c/z": b"c/z",
    }


def test_a_file_replaces_a_file(store: Store) -> None:
    """A move or a copy onto a file replaces it."""
    for key in ("a", "b", "c"):
        store.write(key, key.encode())
    store.copy("a", "b")
    store.move("b", "c")
    store.flush(20)

    assert {entry.key: store.read(entry.key) for entry in store.entries()} == {"a": b"a", "c": b"a"}


def test_receipts_are_settled(store: Store) -> None:
    """A receipt is done once the data is where it belongs, and calls back once."""
    called = []
    receipt = store.append("a", b"1")
    receipt.add_done_callback(called.append)
    receipt.result(20)

    assert receipt.done()
    assert receipt.exception(20) is None
    store.flush(20)
    assert called == [receipt]
    assert store.read("a") == b"1"


def test_a_closed_store_owes_nothing(store: Store) -> None:
    """After `close` everything is where it belongs."""
    store.append("a", b"1")
    store.close()

    assert store.health().unsent == 0
    assert store.read("a") == b"1"
