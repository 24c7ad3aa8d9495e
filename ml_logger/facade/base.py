"""What every family of verbs stands on: where to log, the store, the clock, and how a process leaves."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from ml_logger import config, consoles, jobs, keys
from ml_logger.errors import StorageFailed
from ml_logger.facade import place
from ml_logger.facade.leaving import LEAVING, Leaver
from ml_logger.facade.place import Place
from ml_logger.facade.scopes import RowEncoder, Scope, Slot
from ml_logger.forks import in_child
from ml_logger.metrics import Row
from ml_logger.notices import notice
from ml_logger.stores import open_store
from ml_logger.stores.base import Data, FailedReceipt, Health, Receipt, Store

if TYPE_CHECKING:
    from ml_logger.encoders.unpickle import Trust

Self = TypeVar("Self", bound="Base")


def _whole_length(file: BinaryIO) -> int:
    from ml_logger.encoders import record_reader  # not before a file is resumed: most runs begin with none

    return record_reader.whole_length(file)


def _secret(token: str) -> str:
    from ml_logger.transport.access import Secret  # not before there is one: most runs need none

    return Secret(token)


def _admitted(trust: Trust, paranoid: bool | None) -> Trust:
    from ml_logger.encoders import unpickle  # not before somebody trusts: most runs read nothing

    unpickle.check_manner(trust, bool(paranoid))
    names = unpickle.trusted_names(trust)
    return names is None or sorted(names)  # a copy: the caller's list may change


_BOUNDARIES = {".pkl": _whole_length}


class Base:
    """Root, prefix, store and clock of a logger.

    Args:
        args: as in `configure`.
        clock: returns seconds since the epoch; for tests.
        kw: as in `configure`.
    """

    def __init__(self, *args: object, clock: Callable[[], float] = time.time, **kw: Any) -> None:
        self._clock = clock
        self._place: Place | None = None
        self._is_of_process = not (args or kw)  # whose place the children of this process take over
        self._scope: ContextVar[Scope | None] = ContextVar("ml_logger_scope", default=None)
        self._has_blocks = False  # whether there was ever one: looking for it is on the path of every row
        self._steps: list[int | float | None] = [None]
        self._rank: int | None = None
        self._user: str | None = None
        self._token: str | None = None
        self._silent = False
        self._waits = False
        self._paranoid: bool | None = None
        self._trust: Trust | None = None
        self._opened: Store | None = None
        self._stores: dict[str, Store] = {}
        self._rows: dict[Slot, Row] = {}
        self._row_keys: dict[Slot, tuple[str, RowEncoder]] = {}
        self._cache_options: Mapping[str, Any] = {}
        self._interrupting: deque[Callable[[], None]] = deque()
        self._lock = threading.RLock()
        self._has_stored = False
        self._failures = 0
        self._failure: str | None = None
        self._leaves_properly = False
        self._has_left = False
        self._leaver = Leaver(self._hurry, self._last_words, self._take_stores, lambda: self._lock)
        in_child(self._after_fork)
        if args or kw:
            self.configure(*args, **kw)

    # ---------------------------------------------------------------- where to

    def configure(
        self,
        *args: object,
        log_directory: object = None,
        root: object = None,
        root_dir: object = None,
        prefix: str | Path | Sequence[str] | None = None,
        user: str | None = None,
        access_token: str | None = None,
        silent: bool | None = None,
        register_experiment: object = None,
        asynchronous: bool | None = None,
        max_workers: object = None,
        buffer_size: object = None,
        summary_cache_opts: Mapping[str, Any] | None = None,
        paranoid: bool | None = None,
        trust: Trust | None = None,
    ) -> None:
        """Say where to log.

        Args:
            args: a root and parts of the prefix, in the forms that the API reference lists.
            log_directory: a folder, or the address of a server (`http://host:8081`); also `root`, `root_dir`.
            prefix: the folder of the run below the root; `{now:%Y-%m-%d}`, `{USER}` and `$NAME` are filled in. With a
                root and no prefix, the root itself.
            user: the name for `{USER}` here and in `Prefix`, the login name by default.
            access_token: the secret that the server asks for; by default that of the settings, or of `~/.netrc`. With
                another one than before, what waits for this server goes out with it too.
            silent: print no tables.
            asynchronous: False makes each call return only when the data is where it belongs.
            summary_cache_opts: how summaries are made: `mode`, "tiled" or "rolling"; `window`, how many values of a
                name a rolling cache keeps; `default_stats` and `key_stats`, as in `log_metrics_summary`. What was
                stored is kept.
            paranoid: True reads stored pickles as `load_pkl(paranoid=True)` does, in bounded memory and work; False
                does not, whatever `ML_LOGGER_PARANOID` says.
            trust: what stored pickles may build beyond data where a call of `load_pkl` says nothing: classes, as
                `["package.Class"]`, or True for all, which can execute code; False for none, whatever
                `ML_LOGGER_TRUST` says. With True `load_torch` reads more than weights, too.
            register_experiment, max_workers, buffer_size: accepted for older programs; they set nothing, since there
                is nothing to set.

        Raises:
            TypeError: two different roots, or an unknown keyword.
            InvalidRoot: a root that cannot be understood.
            InvalidKey: a prefix that could leave the root.
            InvalidSetting: options of summaries that make no sense, or both `paranoid` and `trust`.
        """
        if summary_cache_opts is not None:
            self._configure_caches(summary_cache_opts)
        trust = self._trust if trust is None else _admitted(trust, paranoid)
        current, self._user = self._configured(), user or self._user
        roots = {"log_directory": log_directory, "root": root, "root_dir": root_dir}
        target = place.resolve(current, args, roots, prefix, self._user)
        self.flush()
        with self._lock:
            self._token = self._token if access_token is None else _secret(access_token)
            self._settle(target)
            self._opened = None
            self._has_stored = self._has_stored and target.root == current.root
            self._row_keys = {}
            scope = self._scope.get()
            if scope is not None and target.prefix != current.prefix:
                self._scope.set(scope.elsewhere(self._steps))  # within a `Prefix`: what is said last holds
            self._silent = self._silent if silent is None else silent
            self._waits = self._waits if asynchronous is None else not asynchronous
            self._paranoid, self._trust = self._paranoid if paranoid is None else paranoid, trust
            if "://" in target.root:
                self._store  # noqa: B018 - opened now, so that what earlier runs left unsent starts to go out

    def _configured(self) -> Place:
        with self._lock:
            if self._place is None:
                self._settle(place.default())
            return self._place  # type: ignore[return-value]

    def _settle(self, target: Place) -> None:
        self._place = target
        if self._is_of_process:
            place.hand_down(target)

    def _where(self) -> Place:
        scope, configured = self._scope.get(), self._configured()
        return configured if scope is None or scope.prefix is None else Place(configured.root, scope.prefix)

    @property
    def _last_step(self) -> int | float | None:
        scope = self._scope.get()
        return (self._steps if scope is None else scope.steps)[0]

    @property
    def root(self) -> str:
        """The folder's absolute path or the server's address."""
        return self._where().root

    @property
    def prefix(self) -> str:
        """The folder of the run below the root, within a `Prefix` that of the block; empty for the root itself."""
        return self._where().prefix

    @property
    def _store(self) -> Store:
        if self._opened is None:
            with self._lock:
                if self._opened is None:
                    if sys.meta_path is None:  # type: ignore[unreachable,unused-ignore]
                        raise StorageFailed("the interpreter has ended, and nothing can be opened any more")
                    root = self._configured().root
                    # A store that was left for another may still have records to send: it is taken up again.
                    if root in self._stores:
                        self._stores[root].authorize(self._token)
                    else:
                        self._stores[root] = open_store(root, self._token, _BOUNDARIES)
                    self._opened = self._stores[root]
                    if not self._leaves_properly:
                        self._leave_properly()
        return self._opened

    def _key(self, *parts: str | os.PathLike[str]) -> str:
        """Return the key of a path below the prefix; below the root when it starts with `/`."""
        return keys.join(self._where().prefix, *parts)

    # ---------------------------------------------------------------- writing

    def _append(self, key: str, data: bytes) -> Receipt:
        try:
            receipt = (self._opened or self._store).append(key, data)
        except StorageFailed as error:
            return self._failed(key, error)
        if self._has_stored and self._leaves_properly and not self._waits and not self._has_blocks:
            return receipt  # as `_stored`, which has nothing left to do: this is on the path of every row
        return self._stored(receipt)

    def _write(self, key: str, data: Data) -> Receipt:
        return self._put(key, lambda: self._store.write(key, data))

    def _put(self, key: str, put: Callable[[], Receipt]) -> Receipt:
        try:
            return self._stored(put())
        except StorageFailed as error:
            return self._failed(key, error)

    def _stored(self, receipt: Receipt) -> Receipt:
        self._has_stored = True
        if not self._leaves_properly:
            self._leave_properly()
        scope = self._scope.get()
        if self._waits if scope is None or scope.waits is None else scope.waits:
            receipt.result(config.get("ML_LOGGER_READ_TIMEOUT"))
        return receipt

    def _failed(self, key: str, error: StorageFailed) -> Receipt:
        """Raise where storing never worked, which is a mistake; later the run goes on, and the loss is told."""
        if not self._has_stored:
            raise StorageFailed(f"{error} (below {self.root}): configure another log_directory") from None
        self._note_failure(key, error)
        return FailedReceipt(error)

    def _note_failure(self, key: str, error: StorageFailed) -> None:
        self._failures += 1
        if self._failure is None:
            notice(f"{error}; records for {key!r} are being lost, and counted in logger.health()")
        self._failure = str(error)

    def health(self) -> Health:
        """Return what is not delivered, since when, what was refused or dropped, and the last error."""
        owed = [store.health() for store in self._stores.values()]
        ages = [health.oldest for health in owed if health.oldest is not None]
        return Health(
            unsent=sum(health.unsent for health in owed),
            unsent_bytes=sum(health.unsent_bytes for health in owed),
            rejected=sum(health.rejected for health in owed),
            dropped=self._failures + sum(health.dropped for health in owed),
            error=next((health.error for health in reversed(owed) if health.error), self._failure),
            oldest=max(ages, default=None),
        )

    def _echo(self, text: str, end: str = "\n") -> None:
        if jobs.prints():
            consoles.show(text, end)

    @property
    def _colored(self) -> bool:
        return config.colored(sys.stdout)

    def _configure_caches(self, options: Mapping[str, Any]) -> None:
        """Say how summaries are made; the summaries family knows how."""
        raise NotImplementedError

    # ---------------------------------------------------------------- leaving

    def flush(self, cache: str | None = None, file: str | None = None) -> None:
        """Write out the pending rows; the metrics family knows how."""
        raise NotImplementedError

    def _write_rows(self) -> None:
        raise NotImplementedError

    def close(self, timeout: float | None = None) -> None:
        """Write the pending rows, deliver what is left within the time limit (seconds), and let go of everything.

        By default it takes as long as the end of a program: 10 s, but 2 s where the server does not answer at all.
        What could not be delivered stays in the spool, and one line on stderr says so. The logger can be used again.
        """
        self._hurry()
        self.flush()
        LEAVING.discard(self._leaver)
        for store in self._take_stores():
            store.close(timeout)

    def _take_stores(self) -> list[Store]:
        with self._lock:
            stores, self._stores, self._opened = [*self._stores.values()], {}, None
            self._leaves_properly = False
        return stores

    def _hurry(self) -> None:
        for store in [*self._stores.values()]:
            store.hurry()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _leave_properly(self) -> None:
        """See to it that this process delivers what it logged when it ends."""
        self._leaves_properly = True
        self._has_left = LEAVING.has_ended  # after SIGTERM a program may go on, with a handler of its own
        self._rank = jobs.rank()
        LEAVING.add(self._leaver)

    def _last_words(self) -> None:
        """Write the pending rows, and each later one at once: the process ends."""
        self._has_left = True
        with self._lock:
            self._write_rows()

    def _after_fork(self) -> None:
        # The parent's rows are written by the parent; its lock may be held by a thread that is not here.
        self._lock = threading.RLock()
        self._rows = {}
        self._interrupting.clear()
        self._leaves_properly = False
