"""Archives of strangers: what comes out of them are plain files below one folder, or an error that says why not."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from ml_logger import ML_Logger
from ml_logger.encoders import archives
from ml_logger.errors import CorruptData, LoggerError, UnsupportedValue
from tests.test_unpickle_attacks import memory_limit

# -- tar --------------------------------------------------------------------------------------------------------------


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"data", **fields: object) -> bytes:
    """Return one member of a tar, with any fields."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data) if kind in (tarfile.REGTYPE, tarfile.CONTTYPE, tarfile.AREGTYPE) else 0
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape") + data[: info.size] + bytes(-info.size % 512)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> bytes:
    """Return a link in a tar."""
    return member(name, kind, linkname=target)


def tar(*members: bytes) -> bytes:
    """Return a tar."""
    return b"".join(members) + bytes(1024)


def head(name: bytes = b"a", size: bytes = b"00000000004\0", kind: bytes = b"0", mode: bytes = b"0000644\0") -> bytes:
    """Return the head of a member, byte by byte, with the checksum that it must have."""
    fields = [name.ljust(100, b"\0"), mode, b"0000000\0", b"0000000\0", size, b"00000000000\0", b" " * 8, kind]
    made = b"".join(fields).ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0")
    return made[:148] + b"%06o\0 " % sum(made) + made[156:]


def extended(**told: str) -> bytes:
    """Return what pax tells of the next member."""
    lines = b""
    for key, value in told.items():
        line = f" {key}={value}\n".encode("utf-8", "surrogateescape")
        size = len(line) + len(str(len(line) + 3))
        lines += str(size).encode() + line
    return head(b"pax", b"%011o\0" % len(lines), b"x") + lines + bytes(-len(lines) % 512)


def squeezed(first: bytes, block: bytes, times: int) -> bytes:
    """Return a gzip of some bytes, and of a block over and over; its checksum is none."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = packer.compress(first) + packer.flush(zlib.Z_FULL_FLUSH)
    more = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + begin + more * times + b"\3\0" + bytes(8)


def zeros(kind: bytes) -> bytes:
    """Return a tar, packed, of a head that is followed by a GiB of zeros."""
    return squeezed(head(b"long", b"\x80" + (1 << 30).to_bytes(11, "big"), kind), bytes(1 << 24), 64)


#: The content of a member, as it lies in a tar.
DATA = b"data" + bytes(508)
LEADS_OUT = "cannot be put below a folder"
NO_FILE = "a link, a device or a file with holes"
LONG = "d" * 247

TARS: dict[str, tuple[Callable[[], bytes], str]] = {
    "A01 up": (lambda: tar(member("../x")), LEADS_OUT),
    "A01 up from within": (lambda: tar(member("a/../../x")), LEADS_OUT),
    "A01 up behind a good one": (lambda: tar(member("good"), member("../x")), LEADS_OUT),
    "A01 up behind a dot": (lambda: tar(member("./../x")), LEADS_OUT),
    "A01 up by pax": (lambda: tar(extended(path="../x"), head(), DATA), LEADS_OUT),
    "A01 up by a long name": (
        lambda: tar(head(b"@LongLink", b"00000000005\0", b"L"), b"../x\0".ljust(512, b"\0"), head(), DATA),
        LEADS_OUT,
    ),
    "A01 up by all members": (
        lambda: tar(head(b"pax", b"00000000015\0", b"g"), b"13 path=../x\n".ljust(512, b"\0"), head(), DATA),
        LEADS_OUT,
    ),
    "A02 absolute": (lambda: tar(member("/x")), LEADS_OUT),
    "A02 of another host": (lambda: tar(member("//host/x")), LEADS_OUT),
    "A03 a link, and a file through it": (lambda: tar(link("l", ".."), member("l/x")), NO_FILE),
    "A03 an absolute link": (lambda: tar(link("l", "/"), member("l/x")), NO_FILE),
    "A03 a link within": (lambda: tar(member("a"), link("l", "a")), NO_FILE),
    "A03 a file, and a link over it": (lambda: tar(member("a"), link("a", "../x"), member("a")), NO_FILE),
    "A04 a hard link outside": (lambda: tar(link("l", "/etc/passwd", tarfile.LNKTYPE)), NO_FILE),
    "A04 a hard link up": (lambda: tar(link("l", "../x", tarfile.LNKTYPE), member("l")), NO_FILE),
    "A05 a hard link to a deeper symbolic one": (
        lambda: tar(
            member("a", tarfile.DIRTYPE),
            link("a/l", "../../x", tarfile.SYMTYPE),
            link("h", "a/l", tarfile.LNKTYPE),
            member("h"),
        ),
        NO_FILE,
    ),
    "A06 a character device": (lambda: tar(member("d", tarfile.CHRTYPE, devmajor=1, devminor=3)), NO_FILE),
    "A06 a block device": (lambda: tar(member("d", tarfile.BLKTYPE, devmajor=8)), NO_FILE),
    "A06 a pipe": (lambda: tar(member("p", tarfile.FIFOTYPE)), NO_FILE),
    "A06 an unknown type": (lambda: tar(head(kind=b"Z"), DATA), NO_FILE),
    "A06 a file with holes": (lambda: tar(head(kind=b"S"), DATA), NO_FILE),
    "A06 a file with holes by pax": (
        lambda: tar(extended(**{"GNU.sparse.map": "0,1", "GNU.sparse.size": "9"}), head(), DATA),
        NO_FILE,
    ),
    "A07 links longer than PATH_MAX": (
        lambda: tar(
            *(link("/".join(["a"] * n + ["l"]), "/".join([LONG] * 16)) for n in range(16)),
            link("l" * 100, "../" * 16),
            member("x"),
        ),
        NO_FILE,
    ),
    "A07 a name longer than PATH_MAX": (lambda: tar(member("/".join([LONG] * 20))), LEADS_OUT),
    "A07 a name of 256 bytes": (lambda: tar(member("x" * 256)), LEADS_OUT),
    "A07 a thousand folders": (lambda: tar(member("x/" * 1000 + "y")), LEADS_OUT),
    "A08 a negative size": (lambda: tar(head(size=b"\xff" * 11 + b"\xfc"), DATA), "no file can have"),
    "A08 a size of 2^80": (lambda: tar(head(size=b"\x80\1" + bytes(10)), DATA), "torn"),
    "A08 a size by pax": (lambda: tar(extended(size="-5"), head(), DATA), "no file can have"),
    "A08 a size of words": (lambda: tar(head(size=b"four\0\0\0\0\0\0\0\0"), DATA), "no archive"),
    "A08 a wrong checksum": (lambda: tar(b"b" + head()[1:], DATA), "no archive"),
    "A08 a mode of words": (lambda: tar(head(mode=b"rwxrwxrw"), DATA), "no archive"),
    "A09 a pax that says nothing": (lambda: tar(head(kind=b"x", size=b"00000000000\0")), "no archive"),
    "A09 a pax of garbage": (lambda: tar(head(kind=b"x"), b"9999999999 a=b\n".ljust(512, b"\0")), "no archive"),
    "A09 pax upon pax": (lambda: tar(*[extended(a="b")] * 5000, member("a")), "no archive"),
    "A09 cut in a head": (lambda: tar(member("a"))[:300], "no archive"),
    "A09 cut in a file": (lambda: tar(member("a"))[:514], "torn"),
    "A09 nothing": (lambda: b"", "no archive"),
    "A09 a web page": (lambda: b"<html>" * 500, "no archive"),
    "A12 no UTF-8": (lambda: tar(head(name=b"a\xff\xfe"), DATA), LEADS_OUT),
    "A12 overlong UTF-8": (lambda: tar(head(name=b"\xc0\xae\xc0\xae/x"), DATA), LEADS_OUT),
    "A12 a newline": (lambda: tar(member("a\nb")), LEADS_OUT),
    "A12 an escape": (lambda: tar(member("\x1b[2J")), LEADS_OUT),
    "A12 turned around": (lambda: tar(member("\u202egpj.exe")), LEADS_OUT),
    "A12 a drive": (lambda: tar(member("C:/x")), LEADS_OUT),
    "A12 a share": (lambda: tar(member("\\\\host\\x")), LEADS_OUT),
    "A12 a device": (lambda: tar(member("CON")), LEADS_OUT),
    "A12 a device with a suffix": (lambda: tar(member("nul.txt")), LEADS_OUT),
    "A12 a trailing dot": (lambda: tar(member("x.")), LEADS_OUT),
    "A12 a trailing space": (lambda: tar(member("x ")), LEADS_OUT),
    "A12 no name": (lambda: tar(head(name=b"")), LEADS_OUT),
    "A12 bookkeeping": (lambda: tar(member(".ml_logger/lock")), LEADS_OUT),
}

# -- zip --------------------------------------------------------------------------------------------------------------


def packed(*names: str, method: int = zipfile.ZIP_DEFLATED, data: bytes = b"data", mode: int = 0o644) -> bytes:
    """Return a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = method, mode << 16
            made.writestr(info, data)
    return buffer.getvalue()


def changed(data: bytes, before: bytes, after: bytes) -> bytes:
    """Return a zip in which the last of some bytes are others: in its directory, that is."""
    start, found, rest = data.rpartition(before)
    assert found
    return start + after + rest


def listed(count: int) -> bytes:
    """Return a zip whose directory has many names for one empty file."""
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count & 0xFFFF, count & 0xFFFF, len(entry) * count, len(local), 0)
    return local + entry * count + end


def overlapping() -> bytes:
    """Return a zip with fifty names for one file of ten thousand bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a", os.urandom(10_000))
        made.filelist *= 50
    return buffer.getvalue()


SIZES = struct.pack("<2I", 6, 4)  # packed, and not
ZIPS: dict[str, tuple[Callable[[], bytes], str]] = {
    "A01 up": (lambda: packed("../x"), LEADS_OUT),
    "A01 up from within": (lambda: packed("a/../../x"), LEADS_OUT),
    "A01 up with backslashes": (lambda: packed("..\\x"), LEADS_OUT),
    "A02 absolute": (lambda: packed("/x"), LEADS_OUT),
    "A07 a name of 5,000 bytes": (lambda: packed("x" * 5000), LEADS_OUT),
    "A09 overlapping": (overlapping, "over one another"),
    "A09 packed by bzip2": (lambda: packed("a", method=zipfile.ZIP_BZIP2), "packed in a way"),
    "A09 packed by lzma": (lambda: packed("a", method=zipfile.ZIP_LZMA), "packed in a way"),
    "A09 more bytes than told": (
        lambda: changed(packed("a", data=b"x" * 100), struct.pack("<I", 100), struct.pack("<I", 4)),
        "no archive",
    ),
    "A09 fewer bytes than told": (
        lambda: changed(packed("a", data=b"x" * 100), struct.pack("<I", 100), struct.pack("<I", 2**31)),
        "torn",
    ),
    "A09 a wrong checksum": (
        lambda: changed(packed("a"), struct.pack("<I", zlib.crc32(b"data")), bytes(4)),
        "no archive",
    ),
    "A09 encrypted": (lambda: changed(packed("a"), b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0"), "no archive"),
    "A09 another name within": (lambda: changed(packed("aaaa"), b"aaaa", b"bbbb"), "no archive"),
    "A09 a directory that is elsewhere": (lambda: packed("a")[:-6] + b"\xff\xff\xff\x7f\0\0", "no archive"),
    "A09 cut": (lambda: packed("a")[:-30], "no archive"),
    "A10 a million empty members": (lambda: listed(10**6), "more than 100,000 files"),
    "A12 a drive": (lambda: packed("C:/x"), LEADS_OUT),
    "A12 a device": (lambda: packed("aux.log"), LEADS_OUT),
    "A12 a newline": (lambda: packed("a\nb"), LEADS_OUT),
    "A12 a trailing dot": (lambda: packed("x."), LEADS_OUT),
    "A12 turned around": (lambda: packed("\u202ex"), LEADS_OUT),
    "A12 bookkeeping": (lambda: packed(".ML_LOGGER/lock"), LEADS_OUT),
}

BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "A09 a long name of a GiB": (lambda: zeros(b"L"), "what is told of one file"),
    "A09 a long link of a GiB": (lambda: zeros(b"K"), "what is told of one file"),
    "A09 a pax of a GiB": (lambda: zeros(b"x"), "what is told of one file"),
    "A09 a pax of all of a GiB": (lambda: zeros(b"g"), "what is told of one file"),
    "A09 a pax of Solaris of a GiB": (lambda: zeros(b"X"), "what is told of one file"),
    "A09 packed by xz": (lambda: lzma.compress(tar(member("a"))), "no archive"),
    "A10 a million empty members": (
        lambda: squeezed(b"", member("a/", tarfile.DIRTYPE) * 10_000, 100),
        "more than 100,000 files",
    ),
}

REFUSED = {
    **{f"tar {case}": ("x.tar", *told) for case, told in TARS.items()},
    **{f"tar.gz {case}": ("x.tar.gz", *told) for case, told in TARS.items()},
    **{f"zip {case}": ("x.zip", *told) for case, told in ZIPS.items()},
    **{f"bomb {case}": ("x.tar.gz", *told) for case, told in BOMBS.items()},
}


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[ML_Logger]:
    """A logger into a folder, beside a file that nobody may touch, and a mask that would let modes through."""
    (tmp_path / "x").write_text("untouched")
    before = os.umask(0)
    try:
        with ML_Logger(root=tmp_path / "root", silent=True) as opened:
            yield opened
    finally:
        os.umask(before)
    assert (tmp_path / "x").read_text() == "untouched" and (tmp_path / "x").stat().st_nlink == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"root", "work", "x", "into"}


def below(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder; there must be nothing else but plain folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        assert stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        assert not status.st_mode & 0o7000
        if stat.S_ISREG(status.st_mode):
            assert status.st_nlink == 1 and not status.st_mode & 0o111
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


@pytest.mark.parametrize("case", REFUSED)
def test_an_archive_that_means_harm_is_refused(case: str, logger: ML_Logger, tmp_path: Path) -> None:
    """It raises one of our errors that names the archive, within bounded memory, and nothing comes out elsewhere."""
    name, make, why = REFUSED[case]
    data = make()
    logger.upload_buffer(gzip.compress(data) if case.startswith("tar.gz") else data, name)
    with memory_limit(400 << 20), pytest.raises(CorruptData, match=why) as raised:
        logger.download_dir(name, tmp_path / "into" / "target")

    assert str(raised.value).isprintable() and len(str(raised.value)) < 500
    assert set(below(tmp_path / "into")) <= {"target/good", "target/a"}


WITHIN = tar(member("../x"))
FOUR = {"a": b"data"}
HARMLESS: dict[str, tuple[str, Callable[[], bytes], dict[str, bytes]]] = {
    "tar A01 a folder that leads up": (
        "x.tar",
        lambda: tar(member("../up/", tarfile.DIRTYPE), member("a")),
        {"a": b"data"},
    ),
    "tar A08 all modes": ("x.tar", lambda: tar(member("a", mode=0o7777)), FOUR),
    "tar A08 a folder of all modes": (
        "x.tar",
        lambda: tar(member("d/", tarfile.DIRTYPE, mode=0o7777), member("d/a", mode=0o6755)),
        {"d/a": b"data"},
    ),
    "tar A08 a negative time": ("x.tar", lambda: tar(member("a", mtime=-1)), FOUR),
    "tar A08 a time of 10^300": (
        "x.tar",
        lambda: tar(extended(mtime="1e300"), head(), DATA),
        {"a": b"data"},
    ),
    "tar A08 a time that is NaN": (
        "x.tar",
        lambda: tar(extended(mtime="nan"), head(), DATA),
        {"a": b"data"},
    ),
    "tar A08 an owner of 2^60": ("x.tar", lambda: tar(member("a", uid=2**60, gid=2**60)), FOUR),
    "tar A09 an archive within": (
        "x.tar",
        lambda: tar(member("in.tar", data=tar(member("../x")))),
        {"in.tar": tar(member("../x"))},
    ),
    "tar A09 one name twice": ("x.tar", lambda: tar(member("a", data=b"1"), member("a", data=b"2")), {"a": b"2"}),
    "tar A11 names that differ in case": (
        "x.tar",
        lambda: tar(member("A.txt", data=b"1"), member("a.txt", data=b"2")),
        {"A.txt": b"1", "a.txt": b"2"},
    ),
    "tar A11 one name in two spellings": (
        "x.tar",
        lambda: tar(member("u\u0308", data=b"1"), member("\xfc", data=b"2")),
        {"\xfc": b"2"},
    ),
    "zip A03 a link": (
        "x.zip",
        lambda: packed("l", data=b"/etc/passwd", mode=stat.S_IFLNK | 0o777),
        {"l": b"/etc/passwd"},
    ),
    "zip A06 a pipe": ("x.zip", lambda: packed("p", mode=stat.S_IFIFO | 0o777), {"p": b"data"}),
    "zip A08 all modes": ("x.zip", lambda: packed("a", mode=stat.S_IFREG | 0o7777), FOUR),
    "zip A01 a folder that leads up": ("x.zip", lambda: packed("../up/", data=b""), {}),
    "zip A09 an archive within": ("x.zip", lambda: packed("in.zip", data=packed("../x")), {"in.zip": packed("../x")}),
    "zip A11 names that differ in case": ("x.zip", lambda: packed("A", "a"), {"A": b"data", "a": b"data"}),
    "zip A12 NUL in a name": ("x.zip", lambda: packed("a_/../../x").replace(b"a_", b"a\0"), FOUR),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_an_archive_that_is_odd_comes_out_as_plain_files(case: str, logger: ML_Logger, tmp_path: Path) -> None:
    """Modes, owners, times and kinds of files stay in the archive: what comes out are plain files, and no others."""
    name, make, files = HARMLESS[case]
    logger.upload_buffer(make(), name)
    put = logger.download_dir(name, tmp_path / "into")

    assert below(tmp_path / "into") == files
    assert {os.path.relpath(path, tmp_path / "into") for path in put} == {*files}


def test_a_file_in_the_place_of_a_folder_is_said(logger: ML_Logger, tmp_path: Path) -> None:
    """An archive that holds a file, and files below it, ends in an error that says which cannot be written."""
    logger.upload_buffer(tar(member("a"), member("a/b")), "x.tar")
    with pytest.raises(UnsupportedValue, match="cannot be written"):
        logger.download_dir("x.tar", tmp_path / "into")

    assert below(tmp_path / "into") == {"a": b"data"}


def test_links_in_the_way_are_replaced_and_not_followed(logger: ML_Logger, tmp_path: Path) -> None:
    """A file that comes out where a link is takes its place: what the link leads to stays as it was."""
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "a").symlink_to(tmp_path / "x")
    logger.upload_buffer(tar(member("a")), "x.tar")
    logger.download_dir("x.tar", tmp_path / "into")

    assert below(tmp_path / "into") == {"a": b"data"}


def test_every_byte_of_an_archive_may_be_another(tmp_path: Path) -> None:
    """Archives with any byte changed come out as plain files below the folder, or as CorruptData."""
    outcomes = {"came out": 0, "refused": 0}
    good = {"tar": tar(member("d/a"), member("b")), "gztar": gzip.compress(tar(member("a"))), "zip": packed("d/a", "b")}
    for form, data in good.items():
        for at in range(0, len(data), 1 + len(data) // 150):
            for flip in (0x01, 0x80, 0xFF):
                changed = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
                try:
                    archives.unpack(
                        io.BytesIO(changed), form, tmp_path, "x", lambda path, pieces: _seen(tmp_path, path, pieces)
                    )
                    outcomes["came out"] += 1
                except LoggerError as error:
                    assert isinstance(error, CorruptData), error
                    outcomes["refused"] += 1

    assert min(outcomes.values()) > 100


def _seen(folder: Path, path: Path, pieces: Iterable[bytes]) -> None:
    assert folder in path.parents and ".." not in path.parts
    for _ in pieces:
        pass
