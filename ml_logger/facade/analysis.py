"""Many runs at once: their rows as tables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ml_logger import config
from ml_logger import keys as names
from ml_logger.errors import InvalidSetting
from ml_logger.facade.metrics import METRICS_FILE
from ml_logger.facade.reading import PathLike, Reading
from ml_logger.facade.reading import pattern as below

if TYPE_CHECKING:
    from ml_logger.columns.table import Columns


class Analysis(Reading):
    """The verbs that read many runs."""

    def frame(
        self,
        pattern: str = "**",
        keys: Sequence[str] | str | None = None,
        x: str | None = None,
        *,
        as_: str = "pandas",
        path: PathLike = METRICS_FILE,
        wd: str | None = None,
    ) -> Any:
        """Return the rows of many runs as one table, all of them: `frame("sweep/**", keys=["loss"], x="_step")`.

        The column `run` holds the folder of the run, relative to the folder that is searched, as in `glob`; it is empty
        for the run at that folder itself. A metric that is itself called `run` is in the column `metrics/run`.

        Values keep their types. In pandas, int, bool and float columns are plain ones where every row has a value. With
        gaps, ints are `Int64` and bools `boolean`; floats have NaN in the gaps, and where NaN was logged too they are
        `Float64`, in which both can be told apart. Text is what pandas has for it. Ints among floats become floats
        where that is exact; anything else, also mixtures, is a column of objects. None counts as a gap. Polars and
        Arrow have real nulls everywhere. What they have no type for is in Polars an Object, and in Arrow its `repr`.

        Args:
            pattern: a glob of run folders below the prefix, or below the root if it begins with `/`. `**` is every
                folder, `sweep/**` is `sweep` and every folder below it, and the empty text the run of the prefix.
            keys: the columns, which are there even where no run has them; all that there are by default.
            x: sort by run and by this column, which is there too. Rows in which it is no number come last.
            as_: "pandas", "polars" or "arrow".
            path: the file of rows in each run.
            wd: the folder to search, as in `glob`.

        Raises:
            InvalidSetting: another `as_`.
            NotAvailable: the library is not installed.
        """
        from ml_logger import dataframes

        dataframes.library(as_)  # before minutes of reading
        wanted = _listed(keys)
        file = names.check(os.fspath(path))
        query = _in(pattern, names.literal(file))
        asked = None if wanted is None else [*dict.fromkeys([*wanted, *([] if x is None else [x])])]
        runs = ((_folder(found, file), table) for found, table in self._tables(query, wd, asked))
        return dataframes.make(dataframes.join(runs, wanted, x), as_)

    def _tables(self, query: str, wd: str | None, columns: list[str] | None) -> Iterator[tuple[str, Columns]]:
        """Yield the files of rows that match a query, with their paths below the folder that is searched."""
        from ml_logger import progress, readers

        base, inner = self._searched(query, wd)
        store, glob, skip = self._settled(), below(base, inner), len(base) + 1 if base else 0
        tables = readers.read_tables(store, glob, columns)
        patience = config.get("ML_LOGGER_PROGRESS")
        for key, table in progress.track(tables, lambda: len(store.entries(glob)), "reading", patience):
            yield key[skip:], table


def _listed(keys: Sequence[str] | str | None) -> list[str] | None:
    if isinstance(keys, str):
        return [keys]
    listed = None if keys is None else [*dict.fromkeys(keys)]
    if listed is not None and not all(isinstance(key, str) for key in listed):
        raise InvalidSetting(f"keys={keys!r:.60} are no names: pass a list of texts, ['loss', 'lr']")
    return listed


def _in(folders: str, file: str) -> str:
    """Return the query for a file in each of the folders that a query means."""
    inner = folders.strip("/")
    path = f"{inner}/{file}" if inner not in ("", ".") else file
    return f"/{path}" if folders.startswith("/") else path


def _folder(path: str, file: str) -> str:
    return path[: -len(file)].rstrip("/")
