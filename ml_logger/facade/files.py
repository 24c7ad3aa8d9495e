"""Files: data, modules, and files of this machine, stored under keys; and what is done to keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ml_logger import keys
from ml_logger.encoders import records
from ml_logger.errors import KeyNotFound, UnsupportedValue
from ml_logger.facade.metrics import Metrics
from ml_logger.stores.base import Data, Receipt

DATA_FILE = "data.pkl"
#: Files up to this size are read at once; larger ones travel in pieces of this size.
PIECE = 4 * 2**20


class Files(Metrics):
    """The verbs for files of any kind."""

    def log_data(self, *args: Any, data: Any = None, path: Any = None, overwrite: bool = False) -> Receipt:
        """Append any picklable data to a file of records: `log_data(array, path="states.pkl")`.

        pandas objects are stored in a neutral form, that any version of pandas reads back.

        Args:
            args: the data, then the path; or the path (a str or Path) first, where the second is no path.
            data, path: the same by name; the path is `data.pkl` by default.
            overwrite: replace the file instead.

        Raises:
            UnsupportedValue: the data cannot be pickled; says which part of it.
        """
        from ml_logger.encoders import pandas_data

        data, path = _data_and_path(args, data, path)
        encoded = records.encode(pandas_data.neutral(data))
        key = self._key(path or DATA_FILE)
        return self._write(key, encoded) if overwrite else self._append(key, encoded)

    def save_np(self, array: Any, key: str | os.PathLike[str]) -> Receipt:
        """Store one array as an `.npy` file, which `load_np` and `numpy.load` read.

        Raises:
            UnsupportedValue: an array of objects, which only a pickle could hold.
        """
        from ml_logger.encoders import arrays

        target = self._key(suffixed(os.fspath(key), ".npy"))
        return self._write(target, arrays.encode(array, target))

    def log_module(
        self, step: Any = None, namespace: str = "modules", fstr: str | None = None, **modules: Any
    ) -> list[Receipt]:
        """Store the parameters of modules as arrays by name: `modules/0004_policy.pkl` for `log_module(4, policy=net)`.

        Args:
            step: the step, a part of the file's name.
            namespace: the folder.
            fstr: the name of the file, `"{:04d}_{}.pkl"` of step and name by default.
            modules: objects with a `state_dict`, mappings of arrays, or lists of arrays.
        """
        from ml_logger.encoders import modules as encoder

        receipts = []
        for name, module in modules.items():
            file = numbered(fstr or "{:04d}_{}.pkl", step, name)
            receipts.append(self._write(self._key(namespace, file), records.encode(encoder.state(module, name))))
        return receipts

    def log_file(self, path: str | os.PathLike[str], namespace: str = "files", silent: bool = True) -> Receipt:
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

    def remove(self, *paths: str | os.PathLike[str]) -> list[Receipt]:
        """Remove files, and folders with all that is in them; what is not there is no error."""
        self.flush()
        return [self._put(key, lambda key=key: self._store.remove(key)) for key in map(self._key, paths)]  # type: ignore[misc]

    def move(self, source: str | os.PathLike[str], to: str | os.PathLike[str]) -> Receipt:
        """Rename a file or a folder; a file in the way is replaced."""
        self.flush()
        old, new = self._key(source), self._key(to)
        return self._put(new, lambda: self._store.move(old, new))

    def duplicate(self, source: str | os.PathLike[str], to: str | os.PathLike[str]) -> Receipt:
        """Copy a file or a folder; files in the way are replaced."""
        self.flush()
        old, new = self._key(source), self._key(to)
        return self._put(new, lambda: self._store.copy(old, new))


def _data_and_path(args: tuple[Any, ...], data: Any, path: Any) -> tuple[Any, Any]:
    if len(args) > 2 or (args and data is not None) or (len(args) == 2 and path is not None):
        raise UnsupportedValue("pass the data, and at most one path: log_data(data, path='states.pkl')")
    if not args:
        return data, path
    if len(args) == 1:
        return args[0], path
    first, second = args
    if _is_path(first) and not _is_path(second):
        return second, first
    return first, second


def _is_path(value: object) -> bool:
    return isinstance(value, (str, os.PathLike))


def numbered(form: str, step: Any, *more: str) -> str:
    """Return a file name with a step in it; steps that are no whole numbers, and None, are put in as they are.

    >>> numbered("{:04d}.png", 4), numbered("{:04d}.png", 0.5), numbered("{:04d}_{}.pkl", 12, "policy")
    ('0004.png', '0.5.png', '0012_policy.pkl')
    """
    from ml_logger import plain

    number = plain.number(step) if step is not None else 0
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    try:
        return form.format(number, *more)
    except ValueError:
        return form.replace("{:04d}", "{}").format(number, *more)
    except (IndexError, KeyError) as error:
        raise UnsupportedValue(f"{form!r} is no form of a file name with a step in it: {error}") from None


def file_data(path: str | os.PathLike[str]) -> Data:
    """Return the bytes of a file of this machine, or its pieces when it is large.

    Raises:
        KeyNotFound: there is no such file.
        UnsupportedValue: it is a folder, or cannot be read.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115 - stays open while its pieces are read
    except FileNotFoundError:
        raise KeyNotFound(f"there is no file {os.fspath(path)!r} on this machine") from None
    except OSError as error:
        raise UnsupportedValue(f"{os.fspath(path)!r} cannot be read: {error.strerror}") from None
    if os.fstat(file.fileno()).st_size <= PIECE:
        with file:
            return file.read()
    return _pieces(file)


def _pieces(file: Any) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


def suffixed(key: str, default: str) -> str:
    """Return a key with a suffix: its own, or the default."""
    return key if keys.suffix(key) else key + default
