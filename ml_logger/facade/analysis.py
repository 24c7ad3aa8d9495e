"""Many runs at once: their metrics and their parameters as tables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ml_logger import config, parameters
from ml_logger import keys as names
from ml_logger.errors import InvalidSetting, KeyNotFound
from ml_logger.facade.forms import UNSET
from ml_logger.facade.metrics import METRICS_FILE, PARAMETERS_FILE
from ml_logger.facade.reading import PathLike, Reading
from ml_logger.facade.reading import pattern as below

if TYPE_CHECKING:
    from ml_logger.columns.table import Columns


class Analysis(Reading):
    """The verbs that read many runs."""

    def frame(
        self,
        pattern: PathLike = "**",
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

    def read_metrics(
        self,
        *keys: str,
        x_key: str | None = None,
        path: PathLike = "**/metrics.pkl",
        wd: str | None = None,
        bin_size: float | None = None,
        num_bins: int | None = None,
        dropna: bool = False,
        silent: bool | None = None,
    ) -> Any:
        """Return metrics of all files that match, as columns: `read_metrics("loss@mean", "loss@16%", x_key="step")`.

        Behind a name an `@` asks for a statistic: `mean`, `min`, `max`, `std` (also `stddev`), `median`, `sum`,
        `count`, `first`, `last`, or a percentile, `16%`. They are those of `log_metrics_summary`: NaN and what is
        missing are left out, `std` is that of the population, and percentiles are interpolated. `first` and `last` go
        by the order of x, then of the files' names. An `@` with anything else belongs to the name: `recall@10`.

        The rows of all files are taken together, and with `x_key` they are in its order; a row without it is left out.
        Where a statistic or a bin is asked for, it tells of all rows with the same x, with x in the same bin, or,
        without `x_key`, with the same number in their files; a name without a statistic is then the mean, or the x that
        its rows have in common. Otherwise the values themselves are returned, in the types that `frame` gives.

        Args:
            keys: names of metrics.
            x_key: the metric to go by; its column is returned behind the others. It may have a statistic, too.
            path: a glob of the files below the prefix, or below the root if it begins with `/`.
            wd: the folder to search, as in `glob`.
            bin_size: the width of bins, in units of `x_key`; they begin at multiples of it. Without `x_key` there are
                no bins, and this and `num_bins` say nothing.
            num_bins: how many bins of equal width there are, from the least to the greatest x. Empty ones are left out.
            dropna: leave out the rows of the result in which any column has no value, or NaN.
            silent: accepted for older programs; nothing is printed.

        Returns:
            One name without `x_key`: a pandas Series. More columns: a list of them, in the order of `keys`, and x last.
            No name: a dict of path, relative as in `glob`, to a DataFrame of all that is in the file.

        Raises:
            KeyNotFound: no file matches, or no row has such a metric.
            UnsupportedValue: a statistic of numbers is asked of a metric that holds none.
            InvalidSetting: bins or a percentile that make no sense.
            NotAvailable: pandas is not installed.
        """
        from ml_logger import curves, dataframes

        dataframes.library("pandas")
        asked, x = [curves.parse(key) for key in keys], None if x_key is None else curves.parse(x_key)
        bins = curves.Bins.checked(bin_size, num_bins)
        query = os.fspath(path)
        if not asked:
            found = self._tables(query, wd, None)
            return {file: dataframes.make(dataframes.sort(table, x and x.name)) for file, table in found}
        columns = dict.fromkeys(each.name for each in (*asked, *([] if x is None else [x])))
        tables = [table for _, table in self._tables(query, wd, list(columns))]
        if not tables:
            raise KeyNotFound(f"no file matches path={query!r} below {wd or self.prefix or self.root!r}")
        made = curves.curves(tables, asked, x, bins, dropna, query)
        return made[0] if len(made) == 1 else made

    def runs(
        self,
        pattern: PathLike = "**",
        keys: Sequence[str] | str | None = None,
        as_: str = "pandas",
        *,
        path: PathLike = METRICS_FILE,
        wd: str | None = None,
    ) -> Any:
        """Return a table of runs, one row each: `runs("sweep/**", keys=["loss"]).sort_values("loss/min")`.

        A run is a folder with `metrics.pkl` or `parameters.pkl`. The columns:

        ================================  ============================================================================
        `run`                             its folder, as in `frame`
        `status`                          what `job_started` and its kin have told last
        `start`                           when it was started, or its first row was begun; in UTC
        `duration`                        seconds from there to its end, or its last row
        `rows`                            of `metrics.pkl`
        `size`                            bytes of all files in the folder, but for those of runs within it
        `Args.lr`, ...                    each parameter, by its dotted name
        `loss/last`, `/min`, `/max`       of each metric the last value that is not None, and of numbers the least and
                                          the greatest, which are NaN only where there is nothing else
        ================================  ============================================================================

        A parameter or a metric whose column would have the name of another begins with `parameters/` or `metrics/`.
        Types are those of `frame`.

        Args:
            pattern, as_, path, wd: as in `frame`.
            keys: the metrics; all by default, and none for `[]`.

        Raises:
            InvalidSetting, NotAvailable: as in `frame`.
        """
        from ml_logger import dataframes, runs

        dataframes.library(as_)
        wanted, file = _listed(keys), names.check(os.fspath(path))
        base, query = self._searched(pattern, wd)
        skip = len(base) + 1 if base else 0
        stored = self._settled().entries(below(base, _in(query, "**")))
        files = [(entry.key[skip:], entry.size) for entry in stored]
        given = {
            _folder(found, PARAMETERS_FILE): [*table.iter_rows()]
            for found, table in self._tables(_in(pattern, PARAMETERS_FILE), wd, None)
        }
        matches = names.pattern(_in(query, names.literal(file))).fullmatch
        own = sorted({*given, *(_folder(found, file) for found, _ in files if matches(found))})
        sizes = runs.sizes(own, files)
        read = self._tables(_in(pattern, names.literal(file)), wd, runs.columns_for(wanted))
        tables = runs.summaries(((_folder(found, file), table) for found, table in read), wanted)
        made = runs.overview(own, tables, given, sizes, wanted)
        return dataframes.make(made, as_, times=[runs.START])

    def get_exps(self, *prefixes: PathLike, wd: str | None = None) -> Any:
        """Return the parameters of runs as a pandas DataFrame, one row each: `get_exps("sweep/**")["Args.lr"]`.

        The column `prefix` holds the folder of the run, relative to the folder that is searched, as in `glob`; the
        others are the parameters, by their dotted names, in the types that `frame` gives.

        Args:
            prefixes: globs of run folders, as in `frame`, with or without `/parameters.pkl`; `**` by default.
            wd: the folder to search, as in `glob`.

        Raises:
            NotAvailable: pandas is not installed.
        """
        from ml_logger import dataframes, runs

        dataframes.library("pandas")
        found: dict[str, list[dict[str, Any]]] = {}
        for query in prefixes or ("**",):
            text = names.text(query)
            folders = text[: -len(PARAMETERS_FILE)] if text.endswith(PARAMETERS_FILE) else text
            for file, table in self._tables(_in(folders, PARAMETERS_FILE), wd, None):
                found[_folder(file, PARAMETERS_FILE)] = [*table.iter_rows()]
        return dataframes.make(runs.parameter_table(sorted(found.items()), "prefix"))

    def get_parameters(
        self, *keys: str, path: PathLike = PARAMETERS_FILE, default: Any = UNSET, silent: bool | None = None
    ) -> Any:
        """Return the parameters of a run by their dotted names: `get_parameters("Args.lr")`.

        What was logged in several calls comes as one; later values win.

        Args:
            keys: names. One gives its value, several a list of them, none a dict of all; a name such as `Args` gives
                the dict of what is in it.
            path: the file.
            default: what is returned for a name that there is not.
            silent: accepted for older programs; nothing is printed.

        Raises:
            KeyNotFound: there is no such file or parameter, and no `default`.
        """
        records = self._records((path,), None, None, None, self._manner())
        if records is None and default is UNSET:
            raise KeyNotFound(f"no parameters are stored under {self._key(path)!r}")
        nested = parameters.merge(records or ())
        if not keys:
            return parameters.flatten(nested)
        values = [self._parameter(nested, key, path, default) for key in keys]
        return values[0] if len(values) == 1 else values

    def read_params(
        self, *keys: str, path: PathLike = PARAMETERS_FILE, default: Any = UNSET, silent: bool | None = None
    ) -> Any:
        """Return the parameters of a run by their dotted names; the same as `get_parameters`."""
        return self.get_parameters(*keys, path=path, default=default, silent=silent)

    def _parameter(self, nested: dict[str, Any], key: str, path: PathLike, default: Any) -> Any:
        try:
            return parameters.find(nested, key)
        except KeyError:
            if default is UNSET:
                raise KeyNotFound(f"no parameter {key!r} is stored in {self._key(path)!r}: pass default=") from None
            return default

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


def _in(folders: PathLike, file: str) -> str:
    """Return the query for a file in each of the folders that a query means."""
    query = names.text(folders)
    inner = query.strip("/").removeprefix("./")
    path = f"{inner}/{file}" if inner not in ("", ".") else file
    outer = query[: len(query) - len(query.lstrip("/"))]  # what more than one "/" means is said where it is looked for
    return f"{outer}{path}"


def _folder(path: str, file: str) -> str:
    return path[: -len(file)].rstrip("/")
