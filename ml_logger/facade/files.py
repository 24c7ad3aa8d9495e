"""Files: data of any kind, stored under keys; and what is done to keys."""

from __future__ import annotations

import os
from typing import Any

from ml_logger import config, keys
from ml_logger.encoders import records
from ml_logger.errors import InvalidKey, UnsupportedValue
from ml_logger.facade.metrics import Metrics
from ml_logger.stores.base import Receipt, Receipts

PathLike = str | os.PathLike[str]

DATA_FILE = "data.pkl"


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

    def save_pkl(self, data: Any, *keys: PathLike, path: PathLike | None = None, append: bool = False) -> Receipt:
        """Store any picklable data as the one record of a file: `save_pkl(data, "states.pkl")`.

        Args:
            data: the data, as for `log_data`.
            keys, path: the path, in parts or whole; `data.pkl` by default.
            append: add a record to the file instead, as `log_data` does.
        """
        from ml_logger.encoders import pandas_data

        key = self._key(*(_parts(keys, path) or (DATA_FILE,)))
        encoded = records.encode(pandas_data.neutral(data))
        return self._append(key, encoded) if append else self._write(key, encoded)

    def log_jsonl(self, *args: Any, data: Any = None, key: PathLike | None = None) -> Receipt:
        """Append a value as one line of JSON: `log_jsonl({"loss": 0.1}, "events.jsonl")`; `load_jsonl` reads them.

        Args:
            args: the data, then the path; or the path first, where the second is no path.
            data, key: the same by name.

        Raises:
            UnsupportedValue: no path, or a value that JSON cannot hold; says which part of it.
        """
        from ml_logger.encoders import documents

        data, path = _data_and_path(args, data, key)
        if path is None:
            raise UnsupportedValue("a line needs a file: log_jsonl(data, 'events.jsonl')")
        return self._append(self._key(suffixed(path, ".jsonl")), documents.encode_line(data))

    def save_json(self, data: Any, *keys: PathLike, path: PathLike | None = None) -> Receipt:
        """Store data as an indented JSON document: `save_json(data, "config.json")`; arrays become nested lists.

        Raises:
            UnsupportedValue: no path, or a value that JSON cannot hold; says which part of it.
        """
        from ml_logger.encoders import documents

        target = self._key(*needed(keys, path, "save_json(data, 'config.json')"))
        return self._write(target, documents.encode_json(data))

    def save_yaml(self, data: Any, *keys: PathLike, path: PathLike | None = None) -> Receipt:
        """Store data as a YAML document: `save_yaml(data, "config.yml")`. Needs `ml-logger[yaml]`.

        Raises:
            NotAvailable: PyYAML is not installed.
            UnsupportedValue: no path, or a value that YAML cannot hold; says which part of it.
        """
        from ml_logger.encoders import documents

        target = self._key(*needed(keys, path, "save_yaml(data, 'config.yml')"))
        return self._write(target, documents.encode_yaml(data))

    def save_np(self, array: Any, key: PathLike) -> Receipt:
        """Store one array as an `.npy` file, which `load_np` and `numpy.load` read.

        Raises:
            UnsupportedValue: an array of objects, which only a pickle could hold.
        """
        from ml_logger.encoders import arrays

        target = self._key(suffixed(key, ".npy"))
        return self._write(target, arrays.encode(array, target))

    def remove(self, *paths: PathLike) -> Receipts:
        """Remove files, and folders with all that is in them; what is not there is no error.

        Raises:
            InvalidKey: a pattern, unless something is called so: what matches it, `remove(*logger.glob("*.png"))`
                removes.
        """
        targets = [self._key(path) for path in paths]
        self.flush()
        for path, key in zip(paths, targets, strict=True):
            if ("*" in key or "?" in key) and not self._is_there(key):
                raise InvalidKey(f"remove takes paths, and {path!s} is a pattern: remove(*logger.glob({str(path)!r}))")
        return Receipts(self._put(key, lambda key=key: self._store.remove(key)) for key in targets)  # type: ignore[misc]

    def _is_there(self, key: str) -> bool:
        store, name = self._store, keys.literal(key)
        store.flush(config.get("ML_LOGGER_READ_TIMEOUT"))
        return bool(store.entries(name) or store.entries(f"{name}/**"))

    def move(self, source: PathLike, to: PathLike) -> Receipt:
        """Rename a file or a folder; a file in the way is replaced."""
        self.flush()
        old, new = self._key(source), self._key(to)
        return self._put(new, lambda: self._store.move(old, new))

    def duplicate(self, source: PathLike, to: PathLike) -> Receipt:
        """Copy a file or a folder; files in the way are replaced."""
        self.flush()
        old, new = self._key(source), self._key(to)
        return self._put(new, lambda: self._store.copy(old, new))


def _data_and_path(args: tuple[Any, ...], data: Any, path: Any) -> tuple[Any, Any]:
    if len(args) > 2 or (args and data is not None) or (len(args) == 2 and path is not None):
        raise UnsupportedValue("pass the data once, and at most one path, behind it or by name")
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


def _parts(keys: tuple[PathLike, ...], path: PathLike | None) -> tuple[PathLike, ...]:
    return (*keys, *(() if path is None else (path,)))


def needed(keys: tuple[PathLike, ...], path: PathLike | None, form: str) -> tuple[PathLike, ...]:
    """Return the parts of a path; raise UnsupportedValue, which shows the form, where there are none."""
    parts = _parts(keys, path)
    if not parts:
        raise UnsupportedValue(f"a file needs a path: {form}")
    return parts


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


def suffixed(path: PathLike, default: str, always: bool = False) -> str:
    """Return a path with a suffix: its own (unless `always`), or the default; without a name it stays, to be refused.

    Raises:
        InvalidKey: it is no path.
    """
    key = keys.text(path)
    return key if (keys.suffix(key) and not always) or not key.rpartition("/")[2] else key + default
