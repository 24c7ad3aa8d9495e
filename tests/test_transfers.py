"""Files and folders of this machine, up and down: whole, in order, in bounded memory, and never out of the folder."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_logger import ML_Logger
from ml_logger.encoders import archives
from ml_logger.errors import CorruptData, InvalidKey, KeyNotFound, UnsupportedFormat, UnsupportedValue
from ml_logger.stores.base import Entry
from ml_logger.stores.memory import MemoryStore
from tests import programs

LARGE = os.urandom(1 << 20) * 9 + b"end"  # more than two pieces, and no multiple of one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a few files, empty, binary and large ones, at several depths."""
    base = tmp_path / "source"
    (base / "deep" / "er").mkdir(parents=True)
    (base / "empty").write_bytes(b"")
    (base / "a.bin").write_bytes(bytes(range(256)))
    (base / "deep" / "large.bin").write_bytes(LARGE)
    (base / "deep" / "er" / "ü b.txt").write_text("text")
    (base / "deep" / "er" / "c.pyc").write_bytes(b"x")
    return base


def contents(base: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()}


def test_upload_file_in_all_forms(logger: ML_Logger, folder: Path) -> None:
    """A file keeps its name in a folder, `files/` by default, or gets the path that is given."""
    logger.upload_file(folder / "a.bin")
    logger.upload_file(str(folder / "a.bin"), "scripts/")
    logger.upload_file(folder / "a.bin", target_path="as/b.bin")
    logger.upload_file(file_path=folder / "a.bin", target_folder="old")
    logger.log_file(folder / "a.bin", namespace="logged")
    logger.upload_file(folder / "deep" / "large.bin", "/root/large.bin")

    assert logger.glob("**/*.bin") == ["as/b.bin", "files/a.bin", "logged/a.bin", "old/a.bin", "scripts/a.bin"]
    assert logger.load_file("as/b.bin") == bytes(range(256))
    assert logger.load_file("/root/large.bin") == LARGE


def test_upload_once(logger: ML_Logger, folder: Path) -> None:
    """`once=True` uploads a file once to each path, and returns None after that; without it each call uploads."""
    path = folder / "a.bin"
    assert logger.upload_file(path, once=True) is not None
    path.write_bytes(b"new")
    assert logger.upload_file(path, once=True) is None
    assert logger.load_file("files/a.bin") == bytes(range(256))
    assert logger.upload_file(path, "other/", once=True) is not None
    assert logger.upload_file(path) is not None

    assert logger.load_file("files/a.bin") == logger.load_file("other/a.bin") == b"new"


def test_upload_buffer(logger: ML_Logger, folder: Path) -> None:
    """Bytes, buffers, binary files and pieces are stored as they are."""
    with (folder / "deep" / "large.bin").open("rb") as file:
        logger.upload_buffer(file, "file")
    logger.upload_buffer(b"bytes", "bytes")
    logger.upload_buffer(buffer=memoryview(b"view"), key="view")
    logger.upload_buffer(np.arange(3, dtype=np.uint8), Path("array"))
    logger.upload_buffer((bytes([n]) * 3 for n in range(65, 68)), "pieces")
    logger.upload_buffer(io.BytesIO(b""), "empty")

    assert logger.load_file("file") == LARGE
    found = {name: logger.load_file(name) for name in ("bytes", "view", "array", "pieces", "empty")}
    assert found == {"bytes": b"bytes", "view": b"view", "array": b"\0\1\2", "pieces": b"AAABBBCCC", "empty": b""}


def test_upload_and_download_dir(logger: ML_Logger, folder: Path, tmp_path: Path) -> None:
    """A folder comes back as it went, but for what was excluded; links to folders are not followed."""
    (folder / "loop").symlink_to(folder)
    logger.upload_dir(folder, "copy", excludes=["*.pyc", "nothing"])
    logger.upload_dir(folder, excludes=["deep"])
    logger.upload_dir(folder, target_folder="more/", excludes=["deep/er"])

    put = logger.download_dir("copy", tmp_path / "back")
    expected = contents(folder)
    del expected["deep/er/c.pyc"]
    assert contents(tmp_path / "back") == expected
    assert sorted(put) == sorted(str(tmp_path / "back" / name) for name in expected)
    assert logger.glob("files/**") == ["files/source/a.bin", "files/source/empty"]
    assert logger.glob("more/**") == ["more/source/a.bin", "more/source/deep/large.bin", "more/source/empty"]


@pytest.mark.parametrize(("name", "form"), [("x.tar", None), ("x.tar.gz", None), ("x.zip", None), ("data", "tar")])
def test_a_folder_as_one_archive(logger: ML_Logger, folder: Path, tmp_path: Path, name: str, form: str | None) -> None:
    """A path that ends as an archive does, or `archive=`, makes one; it is taken apart on the way down."""
    logger.upload_dir(folder, f"sets/{name}", archive=form)
    stored = logger.glob("sets/*")
    put = logger.download_dir(stored[0], tmp_path / "back")

    assert stored == [f"sets/{name}" if form is None else "sets/data.tar"]
    assert contents(tmp_path / "back") == contents(folder)
    assert len(put) == 5


def test_archives_are_what_others_read(logger: ML_Logger, folder: Path, tmp_path: Path) -> None:
    """The standard library's readers find the files of our archives."""
    for name in ("x.tar", "x.tar.gz", "x.zip"):
        logger.upload_dir(folder, name)
        logger.download_file(name, tmp_path / name)
        if name.endswith("zip"):
            with zipfile.ZipFile(tmp_path / name) as packed:
                assert packed.testzip() is None
                found = {info.filename: packed.read(info) for info in packed.infolist()}
        else:
            with tarfile.open(tmp_path / name) as tar:
                found = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
                assert all(info.mtime > 0 for info in tar.getmembers())
        assert found == contents(folder)


@pytest.mark.parametrize("form", ["tar", "gztar", "zip"])
def test_make_archive(logger: ML_Logger, folder: Path, tmp_path: Path, form: str) -> None:
    """`make_archive` packs what was logged, a folder or all of the run, and never the archive itself."""
    logger.upload_dir(folder, "images")
    logger.log_text("note", "note.txt")
    logger.make_archive("images", form, "images")
    suffix = {"tar": ".tar", "gztar": ".tar.gz", "zip": ".zip"}[form]
    logger.download_dir(f"images{suffix}", to=tmp_path / "images")
    logger.make_archive("all", format=form)
    logger.make_archive("all", format=form)
    logger.download_dir(f"all{suffix}", to=tmp_path / "all")

    assert contents(tmp_path / "images") == contents(folder)
    assert sorted(os.listdir(tmp_path / "all")) == sorted(["images", f"images{suffix}", "note.txt"])
    with pytest.raises(KeyNotFound, match="below 'me/run/nothing'"):
        logger.make_archive("x", root_dir="nothing")
    with pytest.raises(UnsupportedFormat, match="rar"):
        logger.make_archive("x", "rar")


def test_an_archive_under_another_name(logger: ML_Logger, folder: Path, tmp_path: Path) -> None:
    """`unpack=` says what a file is whose name does not; a folder that ends as an archive does is a folder."""
    logger.upload_dir(folder, "x.tar")
    logger.move("x.tar", "set")
    logger.download_dir("set", to=tmp_path / "back", unpack="tar")
    logger.log_text("inside", "folder.tar/a.txt")
    logger.download_dir("folder.tar", tmp_path / "folder")

    assert contents(tmp_path / "back") == contents(folder)
    assert contents(tmp_path / "folder") == {"a.txt": b"inside"}


def test_download_file(logger: ML_Logger, tmp_path: Path) -> None:
    """A file goes to a path, into a folder, or by default here; folders are made, and what was there is replaced."""
    logger.upload_buffer(LARGE, "net.pt")
    (tmp_path / "there").mkdir()
    (tmp_path / "old").write_text("old")
    for to, expected in (
        (tmp_path / "new" / "deep" / "a.pt", "new/deep/a.pt"),
        (str(tmp_path / "there"), "there/net.pt"),
        (f"{tmp_path}/made/", "made/net.pt"),
        (tmp_path / "old", "old"),
        (None, "work/net.pt"),
    ):
        assert logger.download_file("net.pt", to=to) == str(tmp_path / expected)
        assert (tmp_path / expected).read_bytes() == LARGE
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_download_appears_when_it_is_whole(tmp_path: Path) -> None:
    """A download that fails in the middle leaves what was there, and nothing else."""

    class Breaking(MemoryStore):
        def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
            yield b"half"
            raise ConnectionError("gone")

    logger = ML_Logger(tmp_path / "root", silent=True)
    logger.log_text("x", "a.txt")
    logger._opened = Breaking()
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(UnsupportedValue, match="cannot be written: gone"):
        logger.download_file("a.txt", tmp_path / "a.txt")

    assert contents(tmp_path)["a.txt"] == b"before"
    assert [name for name in os.listdir(tmp_path) if name.endswith(".part")] == []


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "a//b", "x\\..\\y", ".ml_logger/x", ""])
def test_no_name_of_a_server_leads_out(tmp_path: Path, name: str) -> None:
    """What a server calls its files cannot lead a download out of its folder: it is refused, and nothing is written."""

    class Lying(MemoryStore):
        def entries(self, pattern: str = "**") -> list[Entry]:
            return [Entry(f"set/{name}", 4, 0.0)]

        def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
            return iter([b"evil"])

    logger = ML_Logger(tmp_path / "root", silent=True)
    logger._opened = Lying()
    with pytest.raises(CorruptData, match="cannot be below 'set'"):
        logger.download_dir("set", tmp_path / "into" / "target")

    assert contents(tmp_path) == {}


def _tar(*infos: tuple[str, bytes, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, target in infos:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = 4 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"data"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_tar(("../out", tarfile.REGTYPE, "")), "cannot be put below a folder"),
        (_tar(("/out", tarfile.REGTYPE, "")), "cannot be put below a folder"),
        (_tar(("link", tarfile.SYMTYPE, "/etc"), ("link/x", tarfile.REGTYPE, "")), "a link"),
        (_tar(("hard", tarfile.LNKTYPE, "/etc/passwd")), "a link"),
        (_tar(("pipe", tarfile.FIFOTYPE, "")), "a device"),
        (_tar(("a", tarfile.REGTYPE, ""))[:514], "torn"),
        (b"no archive at all" * 100, "no archive"),
    ],
)
def test_hostile_archives(logger: ML_Logger, tmp_path: Path, data: bytes, message: str) -> None:
    """Names that climb, links, devices and torn archives are refused, and nothing is written outside the folder."""
    logger.upload_buffer(data, "x.tar")
    with pytest.raises(CorruptData, match=message):
        logger.download_dir("x.tar", tmp_path / "into" / "target")

    assert contents(tmp_path / "into") == {}


def test_a_zip_that_grows_without_end(logger: ML_Logger, tmp_path: Path) -> None:
    """A zip whose files lie over one another is refused before anything is written."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a", os.urandom(10_000))
        packed.filelist *= 50
    logger.upload_buffer(buffer.getvalue(), "x.zip")

    with pytest.raises(CorruptData, match="over one another"):
        logger.download_dir("x.zip", tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_what_cannot_be_uploaded(logger: ML_Logger, folder: Path) -> None:
    """Missing files, folders, pipes and text are refused with what to pass, and nothing is stored."""
    os.mkfifo(folder / "pipe")
    (folder / "deep" / "trailing.").write_text("x")
    with pytest.raises(KeyNotFound, match="no file"):
        logger.upload_file(folder / "nothing")
    with pytest.raises(UnsupportedValue, match="upload_dir"):
        logger.upload_file(folder)
    with pytest.raises(UnsupportedValue, match="no plain file"):
        logger.upload_file(folder / "pipe")
    with pytest.raises(UnsupportedValue, match="log_text"):
        logger.upload_buffer("text", "x")
    with pytest.raises(UnsupportedValue, match="'rb'"):
        logger.upload_buffer(io.StringIO("text"), "x")
    with pytest.raises(KeyNotFound, match="no folder"):
        logger.upload_dir(folder / "nothing")
    for target in ("copy", "x.tar"):
        with pytest.raises(InvalidKey, match=r"trailing\."):
            logger.upload_dir(folder, target)
    with pytest.raises(KeyNotFound, match="below 'me/run/nothing'"):
        logger.download_dir("nothing", folder)
    with pytest.raises(KeyNotFound):
        logger.download_file("nothing", folder / "nothing")
    with pytest.raises(UnsupportedValue, match="cannot be written"):
        logger.upload_buffer(b"x", "a")
        logger.download_file("a", folder / "a.bin" / "b")

    assert logger.glob("**") == ["a"]


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 700)), max_size=5), st.sampled_from(["tar", "zip"]))
def test_archives_hold_what_they_promise(sizes: list[tuple[int, int]], form: str) -> None:
    """An archive has exactly the bytes that were there when it was begun, even of files that grow."""

    def member(index: int, size: int, piece: int) -> archives.Member:
        data = bytes([index]) * (size + 10)  # it has grown since its size was noted
        return archives.Member(
            f"f{index}", size, 0, lambda: (data[start : start + piece] for start in range(0, len(data), piece))
        )

    packed = b"".join(archives.pack([member(n, *pair) for n, pair in enumerate(sizes)], form))
    if form == "zip":
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            found = [archive.read(info) for info in archive.infolist()]
    else:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            found = [tar.extractfile(info).read() for info in tar]  # type: ignore[union-attr]
    assert found == [bytes([n]) * size for n, (size, _) in enumerate(sizes)]


def test_a_file_that_shrinks_while_it_is_packed() -> None:
    """An archive of a file that has become shorter is not finished with wrong bytes."""
    short: Any = archives.Member("a", 10, 0, lambda: iter([b"abc"]))

    with pytest.raises(CorruptData, match="7 bytes shorter"):
        list(archives.pack([short], "tar"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells how much memory a program had")
def test_memory_stays_bounded(root: str, tmp_path: Path) -> None:
    """Files much larger than the memory that a process may use go up, are packed, and come down."""
    code = """
        import sys
        from ml_logger import ML_Logger
        exec(sys.argv[3])
        root, folder = sys.argv[1:3]
        with open(f"{folder}/zeros", "wb") as file:
            file.truncate(300 * 2**20)
        with ML_Logger(root=root, silent=True) as logger:
            logger.upload_file(f"{folder}/zeros", "zeros")
            logger.make_archive("all")
            logger.download_dir("all.tar", f"{folder}/back")
            logger.download_file("zeros", f"{folder}/zeros.back")
        print(peak())
    """
    done = programs.run(code, root, tmp_path, programs.PEAK)

    assert done.stderr == ""
    assert (tmp_path / "zeros.back").stat().st_size == (tmp_path / "back" / "zeros").stat().st_size == 300 * 2**20
    assert int(done.stdout) < 200, "MiB at most"
