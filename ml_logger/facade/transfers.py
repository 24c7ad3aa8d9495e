"""Files and folders of this machine, up and down: of any size, in pieces, never whole in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_logger import keys
from ml_logger.errors import CorruptData, InvalidKey, KeyNotFound
from ml_logger.facade.files import PathLike, suffixed
from ml_logger.facade.reading import Reading
from ml_logger.localfiles import buffer_data, file_data, files_below, put_file
from ml_logger.stores.base import Receipt, Receipts, Store, anew


class Transfers(Reading):
    """The verbs that carry files between this machine and the log directory."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        self._uploaded: set[tuple[str, str, str]] = set()
        super().__init__(*args, **kw)

    def log_file(self, path: PathLike, namespace: str = "files", silent: bool = True) -> Receipt:
        """Store a copy of a file of this machine as `files/NAME`.

        Raises:
            KeyNotFound: there is no such file.
            UnsupportedValue: it is a folder, or cannot be read.
        """
        key = self._key(namespace, os.path.basename(os.path.abspath(os.fspath(path))))
        receipt = self._write(key, file_data(path))
        if not (silent or self._silent):
            self._echo(f"{os.fspath(path)} is stored as {key}")
        return receipt

    def upload_file(
        self,
        file_path: PathLike,
        target_path: PathLike = "files/",
        once: bool | None = None,
        target_folder: PathLike | None = None,
    ) -> Receipt | None:
        """Store a copy of a file of this machine: `upload_file(__file__)` as `files/NAME`.

        Args:
            file_path: the file.
            target_path: the path; one that ends with `/` is a folder, in which the file keeps its name.
            once: True does nothing, and returns None, when this logger has uploaded the file to this path before.
            target_folder: a folder, in which the file keeps its name.

        Raises:
            KeyNotFound: there is no such file.
            UnsupportedValue: it is a folder, or cannot be read.
        """
        target = os.fspath(target_path) if target_folder is None else f"{os.fspath(target_folder).rstrip('/')}/"
        source = os.path.abspath(os.fspath(file_path))
        key = self._key(target + os.path.basename(source) if target.endswith("/") else target)
        if once and (source, self.root, key) in self._uploaded:
            return None
        receipt = self._write(key, file_data(source))
        self._uploaded.add((source, self.root, key))
        return receipt

    def upload_buffer(self, buffer: Any, key: PathLike) -> Receipt:
        """Store bytes: `upload_buffer(data, "frame.jpg")`.

        Args:
            buffer: bytes, anything with the buffer protocol, an open binary file, or an iterable of pieces.
            key: the path.

        Raises:
            UnsupportedValue: text, or no such thing.
        """
        return self._write(self._key(key), buffer_data(buffer))

    def upload_dir(
        self,
        dir_path: PathLike,
        target_path: PathLike | None = None,
        excludes: Sequence[str] = (),
        archive: str | None = None,
        target_folder: PathLike | None = None,
    ) -> Receipts:
        """Store a folder of this machine, file by file, or as one archive where the path ends in .tar, .tar.gz or .zip.

        Links to folders are not followed; what is neither file nor folder is left out.

        Args:
            dir_path: the folder.
            target_path: the path; one that ends with `/` is a folder in which it keeps its name; `files/` by default.
            excludes: patterns of names, or of paths below the folder, to leave out: `["*.pyc", ".git"]`.
            archive: `"tar"`, `"gztar"` or `"zip"`: one archive, whatever the path ends in.
            target_folder: the same as `target_path`.

        Raises:
            KeyNotFound: there is no such folder.
            InvalidKey: a name in it cannot be stored; nothing is.
        """
        from ml_logger.encoders import archives

        folder = Path(os.path.abspath(os.fspath(dir_path)))
        if not folder.is_dir():
            raise KeyNotFound(f"there is no folder {os.fspath(dir_path)!r} on this machine")
        target = os.fspath(next((given for given in (target_path, target_folder) if given is not None), "files/"))
        target = target + folder.name if target.endswith("/") else target
        files = list(files_below(folder, excludes))
        form = archives.checked_format(archive) if archive else archives.format_of(target)
        if form is None:
            pairs = [(self._key(target, name), path) for name, path in files]
            return Receipts(self._write(key, file_data(path)) for key, path in pairs)
        target = target if archives.format_of(target) else target + archives.suffix_of(form)
        return Receipts([self._write(self._key(target), archives.pack(list(_members(files)), form))])

    def make_archive(
        self, base_name: PathLike, format: str = "tar", root_dir: PathLike | None = None, **_: object
    ) -> Receipt:
        """Pack a logged folder into an archive beside it: `make_archive("images", "tar", "images")` gives `images.tar`.

        Args:
            base_name: the path of the archive, without its suffix.
            format: `"tar"`, `"gztar"` or `"zip"`.
            root_dir: the folder; all of the run by default.

        Raises:
            KeyNotFound: there is nothing in the folder.
        """
        from ml_logger.encoders import archives

        form = archives.checked_format(format)
        name = os.fspath(base_name)
        key = self._key(name if archives.format_of(name) == form else suffixed(name, archives.suffix_of(form), True))
        found = [(inner, entry) for inner, entry in self._below(root_dir) if entry.key != key]
        store = self._store
        members = (
            archives.Member(inner, entry.size, entry.mtime, lambda entry=entry: store.stream(entry.key))  # type: ignore[misc]
            for inner, entry in found
        )
        return self._write(key, archives.pack(members, form))

    def download_file(self, path: PathLike, to: PathLike | None = None) -> str:
        """Copy a logged file to this machine, and return where it is: `download_file("net.pt", to="/tmp/net.pt")`.

        It appears there when it is whole. From a server its bytes are verified as they come; after a cut they come on
        from there, and from the beginning where the file was replaced meanwhile.

        Args:
            path: the path.
            to: the file, or a folder (one that is there, or that ends with `/`); by default the folder we are in.

        Raises:
            KeyNotFound: there is no such file.
            UnsupportedValue: it cannot be written there.
        """
        key = self._key(path)
        place = "./" if to is None else os.fspath(to)
        target = Path(os.path.abspath(place))
        if place.endswith("/") or target.is_dir():
            target /= key.rpartition("/")[2]
        _fetch(self._settled(), key, target)
        return str(target)

    def download_dir(self, path: PathLike, to: PathLike, unpack: str | None = None) -> list[str]:
        """Copy a logged folder to this machine, or take a logged archive apart there; return where its files are.

        Nothing can get out of the folder `to`, whatever a server calls its files. Each file appears when it is whole.

        Args:
            path: the folder, or an archive: .tar, .tar.gz or .zip.
            to: the folder on this machine.
            unpack: the format of the archive where its name does not tell.

        Raises:
            KeyNotFound: there is no such folder or archive.
            CorruptData: an archive that is torn, or holds links or names that lead out of the folder.
        """
        from ml_logger.encoders import archives

        folder = Path(os.path.abspath(os.fspath(to)))
        form = archives.checked_format(unpack) if unpack else archives.format_of(os.fspath(path))
        if form is not None and (unpack or self._is_file(path)):
            return self._download_archive(self._key(path), folder, form)
        store, put = self._settled(), []
        for inner, entry in self._below(path):
            target = folder.joinpath(*inner.split("/"))
            _fetch(store, entry.key, target)
            put.append(str(target))
        return put

    def _download_archive(self, key: str, folder: Path, form: str) -> list[str]:
        from ml_logger.encoders import archives

        put: list[str] = []

        def keep(path: Path, pieces: Iterable[bytes]) -> None:
            put_file(path, pieces)
            put.append(str(path))

        with self._settled().open_file(key) as file:  # zip is read from its end
            archives.unpack(file, form, folder, key, keep)
        return put

    def _is_file(self, path: PathLike) -> bool:
        try:
            self._settled().stat(self._key(path))
        except KeyNotFound:
            return False
        return True

    def _below(self, folder: PathLike | None) -> Iterator[tuple[str, Any]]:
        """Yield the files below a folder, with their paths from there, checked: they come from a server."""
        base = self.prefix if folder is None or os.fspath(folder) in (".", "") else self._key(folder)
        skip = len(base) + 1 if base else 0
        found = self._settled().entries(f"{keys.literal(base)}/**" if base else "**")
        if not found:
            raise KeyNotFound(f"no file is stored below {base or self.root!r}")
        for entry in found:
            try:
                inside = not base or entry.key.startswith(f"{base}/")
                yield keys.check(entry.key[skip:] if inside else ""), entry
            except InvalidKey as error:
                raise CorruptData(f"the server lists a file that cannot be below {base!r}: {error}") from None


def _fetch(store: Store, key: str, target: Path) -> None:
    anew(lambda: put_file(target, store.stream(key)))


def _members(files: Iterable[tuple[str, Path]]) -> Iterator[Any]:
    from ml_logger.encoders import archives

    for name, path in files:
        status = path.stat()
        yield archives.Member(keys.check(name), status.st_size, status.st_mtime, lambda path=path: _read(path))  # type: ignore[misc]


def _read(path: Path) -> Iterator[bytes]:
    data = file_data(path)
    return iter((data,)) if isinstance(data, bytes) else iter(data)
