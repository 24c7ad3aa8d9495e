"""Files of this machine: read in pieces, so that any size fits, and put in place when they are whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_logger.errors import KeyNotFound, LoggerError, UnsupportedValue
from ml_logger.stores.base import Data

PathLike = str | os.PathLike[str]

#: Files up to this size are read at once; larger ones travel in pieces of this size.
PIECE = 4 * 2**20


def file_data(path: PathLike) -> Data:
    """Return the bytes of a file of this machine, or its pieces when it is large.

    Raises:
        KeyNotFound: there is no such file.
        UnsupportedValue: it is a folder or a device, or cannot be read.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its other end
            raise UnsupportedValue(f"{os.fspath(path)!r} is no plain file: pass a file, or a folder to upload_dir")
        file = open(path, "rb")  # noqa: SIM115 - stays open while its pieces are read
    except FileNotFoundError:
        raise KeyNotFound(f"there is no file {os.fspath(path)!r} on this machine") from None
    except OSError as error:
        raise UnsupportedValue(f"{os.fspath(path)!r} cannot be read: {error.strerror}") from None
    if os.fstat(file.fileno()).st_size <= PIECE:
        with file:
            return file.read()
    return file_pieces(file)


def file_pieces(file: Any) -> Iterator[bytes]:
    """Yield an open binary file in pieces, and close it."""
    with file:
        while piece := file.read(PIECE):
            yield piece


def buffer_data(buffer: Any) -> Data:
    """Return the bytes of a buffer, or the pieces of a binary file or an iterable.

    Raises:
        UnsupportedValue: text, or no such thing.
    """
    if isinstance(buffer, (str, os.PathLike)):
        raise UnsupportedValue(
            f"upload_buffer takes bytes, not {type(buffer).__name__}: use log_text for text, and upload_file for a file"
        )
    if isinstance(buffer, (bytes, bytearray)):
        return bytes(buffer)
    if callable(getattr(buffer, "read", None)):
        return _checked(iter(lambda: buffer.read(PIECE), b""))
    try:
        return memoryview(buffer).tobytes()
    except TypeError:
        pass
    if isinstance(buffer, Iterable):
        return _checked(buffer)
    raise UnsupportedValue(f"upload_buffer takes bytes, a binary file or pieces, not {type(buffer).__name__}")


def _checked(pieces: Iterable[Any]) -> Iterator[bytes]:
    for piece in pieces:
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise UnsupportedValue(
                f"the pieces of a buffer are bytes, not {type(piece).__name__}: open files with 'rb'"
            )
        yield bytes(piece)


def files_below(folder: Path, excludes: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the plain files below a folder, in order, with their paths from there."""
    from fnmatch import fnmatch

    def left_out(inner: str) -> bool:
        return any(fnmatch(inner, pattern) or fnmatch(os.path.basename(inner), pattern) for pattern in excludes)

    for where, folders, names in os.walk(folder):
        base = Path(os.path.relpath(where, folder))
        folders[:] = sorted(name for name in folders if not left_out((base / name).as_posix()))
        for name in sorted(names):
            path, inner = Path(where, name), (base / name).as_posix()
            if path.is_file() and not left_out(inner):
                yield inner, path


def put_file(target: Path, pieces: Iterable[bytes]) -> None:
    """Write a file of this machine under a name of its own, and rename it when it is whole.

    Raises:
        UnsupportedValue: it cannot be written there.
    """
    part = target.with_name(f".{target.name[:200]}.{os.urandom(4).hex()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for piece in pieces:
                    file.write(piece)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except LoggerError:
        raise  # some derive from OSError too: what is wrong is the source
    except OSError as error:
        raise UnsupportedValue(f"{str(target)!r} cannot be written: {error.strerror or error}") from None
