"""Archives of many files (tar, gzipped tar, zip), made and taken apart as streams: memory holds a piece at a time."""

from __future__ import annotations

import gzip
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from ml_logger import keys
from ml_logger.errors import CorruptData, InvalidKey, LoggerError, UnsupportedFormat

_PIECE = 1 << 20
_BLOCK = 512
#: Files that come out of one archive: a few KiB can hold a million names.
MOST_FILES = 100_000
#: Bytes of what a tar tells of one file besides its content. It is read at once, and packed it takes next to nothing.
_LONGEST_TOLD = 1 << 20
#: The least that a zip takes for each file in its directory, which is read at once, too.
_LISTED = 46
_END = 22
#: What a suffix or the name of a format means.
_FORMATS = {"tar": "tar", "gztar": "gztar", "tar.gz": "gztar", "tgz": "gztar", "zip": "zip"}
_SUFFIXES = {".tar": "tar", ".tar.gz": "gztar", ".tgz": "gztar", ".zip": "zip"}


class Member(NamedTuple):
    """A file to be packed: its name, its size in bytes, its time in seconds since the epoch, and how to read it."""

    name: str
    size: int
    mtime: float
    read: Callable[[], Iterable[bytes]]


def format_of(name: str) -> str | None:
    """Return the format that the end of a file's name stands for, None for a name of no archive.

    >>> format_of("runs/data.tar.gz"), format_of("data.zip"), format_of("data.png")
    ('gztar', 'zip', None)
    """
    lower = name.lower()
    return next((form for suffix, form in _SUFFIXES.items() if lower.endswith(suffix)), None)


def checked_format(form: str) -> str:
    """Return a format by any of its names. Raises UnsupportedFormat."""
    found = _FORMATS.get(form.lower().lstrip("."))
    if found is None:
        raise UnsupportedFormat(f"{form!r} is no archive that can be made: pass 'tar', 'gztar' or 'zip'")
    return found


def suffix_of(form: str) -> str:
    """Return the suffix of a format: `.tar`, `.tar.gz` or `.zip`."""
    return next(suffix for suffix, name in _SUFFIXES.items() if name == form)


def pack(members: Iterable[Member], form: str) -> Iterator[bytes]:
    """Yield the bytes of an archive. Raises CorruptData when a file has become shorter than it was."""
    if form == "zip":
        return _zip(members)
    return _gzip(_tar(members)) if form == "gztar" else _tar(members)


def _tar(members: Iterable[Member]) -> Iterator[bytes]:
    for member in members:
        info = tarfile.TarInfo(member.name)
        info.size, info.mtime = member.size, int(member.mtime)
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        yield from _exactly(member)
        yield bytes(-member.size % _BLOCK)
    yield bytes(2 * _BLOCK)


def _exactly(member: Member) -> Iterator[bytes]:
    """Yield as many bytes as were promised: what a file has grown by meanwhile is left out."""
    left = member.size
    for piece in member.read() if left else ():
        yield piece[:left]
        left -= len(piece[:left])
        if not left:
            return
    if left:
        raise CorruptData(f"{member.name} has become {left:,} bytes shorter while it was packed: try again")


def _gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()


class _Sink:
    """What `zipfile` writes into, emptied after each piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep what is written."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: `zipfile` asks for it."""

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def _zip(members: Iterable[Member]) -> Iterator[bytes]:
    import time

    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for member in members:
            info = zipfile.ZipInfo(member.name, time.localtime(max(member.mtime, 315_619_200))[:6])  # zip began in 1980
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w", force_zip64=True) as file:
                for piece in _exactly(member):
                    file.write(piece)
                    yield sink.taken()
    yield sink.taken()


# --------------------------------------------------------------------------------------------------------- taking apart


def unpack(file: BinaryIO, form: str, folder: Path, name: str, put: Callable[[Path, Iterable[bytes]], None]) -> int:
    """Take an archive apart below a folder, and return the number of its files.

    Only plain files come out, under names that cannot leave the folder; the archive's owners, modes and links do not.

    Args:
        file: the archive; for zip it can be read from anywhere.
        form: its format.
        folder: where the files go.
        name: the archive's, for messages.
        put: writes pieces to a path, whose folders it makes.

    Raises:
        CorruptData: it is no such archive, is torn, holds a link or a device, or a name that leads out of the folder.
    """
    unpacked = _from_zip(file, folder, name, put) if form == "zip" else _from_tar(file, folder, name, put)
    try:
        return sum(1 for _ in unpacked)
    except LoggerError:
        raise
    except Exception as error:  # a hostile archive fails in a dozen ways
        raise CorruptData(f"{name} is no archive of this format ({form}), or a torn one: {error!s:.200}") from None


class _Told(tarfile.TarInfo):
    """A member of a tar, of which not too much is told."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Told:
        """Read a head."""
        info = super().frombuf(buf, encoding, errors)
        if info.size < 0:
            raise CorruptData(f"{info.name!r} has {info.size} bytes, which no file can have")
        if info.type in _TELLING and info.size > _LONGEST_TOLD:
            raise CorruptData(f"what is told of one file has {info.size:,} bytes, more than {_LONGEST_TOLD:,}")
        return info


_TELLING = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def _from_tar(file: BinaryIO, folder: Path, name: str, put: Any) -> Iterator[None]:
    # Packed as we pack alone: what others pack can grow by more than a thousand times.
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    # `tarfile` would inflate a piece as far as it goes, and copy what is left of it for each block that it takes.
    source = gzip.GzipFile(fileobj=file) if packed else file
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_Told) as archive:
        for count, info in enumerate(archive):
            _check_count(count + 1, name)
            archive.members.clear()  # type: ignore[attr-defined]  # kept for those who go back
            if info.isdir():
                continue
            if info.size < 0:  # told by pax
                raise CorruptData(f"{name} holds {info.name!r} of {info.size} bytes, which no file can have")
            if not info.isreg() or info.issparse():
                raise CorruptData(f"{name} holds {info.name!r}, a link, a device or a file with holes: none comes out")
            put(_inside(folder, info.name, name), _pieces_of(archive.extractfile(info), info.size, name))
            yield


def _check_count(count: int, name: str) -> None:
    if count > MOST_FILES:
        raise CorruptData(f"{name} holds more than {MOST_FILES:,} files: download it, and unpack it by hand")


def _from_zip(file: BinaryIO, folder: Path, name: str, put: Any) -> Iterator[None]:
    _check_count(_listed(file) // _LISTED, name)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        _check_count(len(infos), name)
        if sum(info.compress_size for info in infos) > file.seek(0, 2):
            raise CorruptData(f"{name} holds files that lie over one another, which is made to grow without end")
        for info in infos:
            if info.is_dir():
                continue
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise CorruptData(f"{name} holds {info.filename!r}, packed in a way that is not read here: use deflate")
            with archive.open(info) as member:
                put(_inside(folder, info.filename, name), _pieces_of(member, info.file_size, name))
            yield


def _listed(file: BinaryIO) -> int:
    """Return how many bytes the directory of a zip has, as its end tells it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END - (1 << 16)))
    end = file.read()
    at = len(end) - _END if end[-_END:-18] == b"PK\5\6" and end[-2:] == b"\0\0" else end.rfind(b"PK\5\6")
    if at < 0 or at + _END > len(end):
        return 0  # no zip, as zipfile will say
    (listed,) = struct.unpack_from("<I", end, at + 12)
    wide = end.rfind(b"PK\6\6", 0, at)
    return struct.unpack_from("<Q", end, wide + 40)[0] if wide >= 0 and wide + 48 <= at else int(listed)


def _inside(folder: Path, inner: str, name: str) -> Path:
    """Return where a file of an archive goes."""
    while inner.startswith("./"):
        inner = inner[2:]
    try:
        return folder.joinpath(*keys.check(inner).split("/"))
    except InvalidKey as error:
        raise CorruptData(f"{name} holds a file that cannot be put below a folder: {error}") from None


def _pieces_of(file: IO[bytes] | None, size: int, name: str) -> Iterator[bytes]:
    assert file is not None
    while piece := file.read(_PIECE):
        size -= len(piece)
        yield piece
    if size > 0:
        raise CorruptData(f"{name} is torn: {size:,} bytes of a file are missing")
