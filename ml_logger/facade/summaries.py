"""Summaries: store a value at each step, and log what is to be told of many."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_logger import plain, tables
from ml_logger.errors import UnsupportedValue
from ml_logger.facade.forms import UNSET
from ml_logger.facade.metrics import Metrics

if TYPE_CHECKING:
    from ml_logger.summaries import SummaryCache


class Summaries(Metrics):
    """The verbs for values that are logged as one row about many of them.

    Each prefix has caches of its own, as it has rows of its own.
    """

    def __init__(self, *args: Any, **kw: Any) -> None:
        self._storing = threading.RLock()  # not the lock of the rows, which tells when a handler has interrupted one
        self._caches: dict[tuple[str | None, str | None], SummaryCache] = {}
        super().__init__(*args, **kw)

    def _after_fork(self) -> None:
        self._storing = threading.RLock()
        self._caches = {}  # what the parent has stored, the parent summarizes
        super()._after_fork()

    def store_metrics(
        self,
        metrics: Mapping[str, Any] | None = None,
        silent: bool | None = None,
        cache: str | None = None,
        **key_values: Any,
    ) -> None:
        """Keep values for a summary: `store_metrics(loss=0.1)`, then `log_metrics_summary()`.

        Nothing is written before the summary. An array or a list counts as all of its elements, None and NaN as
        nothing.

        Args:
            metrics: values by name; those of nested mappings get names with `/`.
            silent: accepted for older programs; nothing is printed.
            cache: the name of a cache of its own.
            key_values: values by name.

        Raises:
            UnsupportedValue: a value that is no number, array or list of numbers; nothing of the call is taken.
        """
        if metrics is not None and not isinstance(metrics, Mapping):
            raise UnsupportedValue(f"metrics are a mapping, not {metrics!r:.60}: pass them by name, store(loss=0.1)")
        values = self._named({**(metrics or {}), **key_values})
        with self._storing:
            self._cache(cache).store(values)

    def store(
        self,
        metrics: Mapping[str, Any] | None = None,
        silent: bool | None = None,
        cache: str | None = None,
        **key_values: Any,
    ) -> None:
        """Keep values for a summary; the same as `store_metrics`."""
        self.store_metrics(metrics, silent, cache, **key_values)

    def store_key_value(self, key: str, value: Any, silent: bool | None = None, cache: str | None = None) -> None:
        """Keep one value for a summary: `store_key_value("loss", 0.1)`."""
        self.store_metrics({key: value}, silent, cache)

    def peek_stored_metrics(
        self,
        *keys: str,
        len: int = 5,
        print_only: bool = True,
        cache: str | None = None,
    ) -> dict[str, list[Any]]:
        """Print the first values that wait for a summary, and return them by name.

        Args:
            keys: the names; all by default.
            len: how many values of each.
            print_only: False logs the printed table, too.
            cache: the name of the cache.
        """
        with self._storing:
            found = self._cache(cache).peek(*self._named(dict.fromkeys(keys)), length=len)
        if found and not self._silent:
            self._echo(tables.metrics_table(found, colored=False))
        if found and not print_only:
            self.log_line(tables.metrics_table(found, colored=False))
        return found

    def log_metrics_summary(
        self,
        key_values: Mapping[str, Any] | None = None,
        cache: str | None = None,
        key_stats: Mapping[str, str] | None = None,
        default_stats: str | None = None,
        silent: bool | None = None,
        flush: bool = True,
        step: Any = UNSET,
        **more_stats: Any,
    ) -> None:
        """Log a row about all values that were stored since the last one: `log_metrics_summary(reward="min_max")`.

        ======================  ===========================================================================
        `"mean"`                `reward/mean`
        `"min_max"`             `reward/min`, `reward/max`, `reward/mean`
        `"std_dev"`             `reward/stddev`, of the population as numpy's `std`; `reward/mean`
        `"quantile"`            `reward/0`, `reward/25`, `reward/50`, `reward/75`, `reward/100`
        `"histogram(bins=10)"`  `reward/hist`: counts; `reward/divs`: edges, one more
        ======================  ===========================================================================

        NaN is left out; where there is nothing else, the columns are NaN. Where nothing was stored, nothing is logged
        but `key_values`. A tiled cache, the default, is empty afterwards; a rolling one keeps its window: see
        `summary_cache_opts` of `configure`.

        Args:
            key_values: more columns of the row, such as `{"epoch": 3}`.
            cache: the name of the cache.
            key_stats: what is told of which name.
            default_stats: what is told of all other names; "mean", or what `configure` was given.
            silent: print no table.
            flush: False leaves the row pending, as `log` does.
            step: the step, which is a column, too.
            more_stats: as `key_stats`; a value that is no text is a column, as in `key_values`.

        Raises:
            InvalidSetting: unknown statistics; nothing is forgotten.
        """
        columns = {name: value for name, value in more_stats.items() if not isinstance(value, str)}
        stats = {**(key_stats or {}), **{name: value for name, value in more_stats.items() if name not in columns}}
        with self._storing:
            told = self._cache(cache).summarize(self._named(stats), default_stats)
        values = {**told, **self._named({**(key_values or {}), **columns})}
        if values:
            with self._within(self._current()._replace(names="")):  # these have their full names already
                self.log(metrics=values, step=step, silent=bool(silent), cache=cache, flush=flush)

    @property
    def summary_cache(self) -> SummaryCache:
        """The cache of the stored values: `data` holds them by name, `clear()` forgets them."""
        return self._cache(None)

    def _cache(self, name: str | None) -> SummaryCache:
        slot = name, self._current().prefix
        with self._storing:
            if slot not in self._caches:
                for other in [other for other, cache in self._caches.items() if not cache]:
                    del self._caches[other]
                self._caches[slot] = _cache(self._cache_options)
            return self._caches[slot]

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        names = self._current().names
        return {f"{names}{plain.name_of(name)}": value for name, value in values.items()}

    def _configure_caches(self, options: Mapping[str, Any]) -> None:
        known = {name: value for name, value in options.items() if value is not None}
        unknown = known.keys() - {"mode", "window", "default_stats", "key_stats"}
        if unknown:
            raise TypeError(
                f"unknown summary_cache_opts {sorted(unknown)}: pass mode, window, default_stats, key_stats"
            )
        _cache(known)  # raises for what makes no sense, before anything is changed
        with self._storing:
            self._cache_options = known
            for slot, old in [*self._caches.items()]:
                self._caches[slot] = new = _cache(known)
                for name, values in old.data.items():
                    new.data[name] = type(values)(values, maxlen=new.window)


def _cache(options: Mapping[str, Any]) -> SummaryCache:
    from ml_logger.summaries import SummaryCache  # not before there is something to summarize: most runs have nothing

    return SummaryCache(**options)
