"""Blocks: `with logger.Prefix("eval"):`, `with logger.Sync():`; and a second logger for the same run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ml_logger.facade import place
from ml_logger.facade.base import Base
from ml_logger.facade.scopes import Scope

Self = TypeVar("Self", bound="Contexts")


class Contexts(Base):
    """The verbs that hold for a block.

    Blocks are kept in context variables: each thread and each asyncio task has its own. A task begins in the block that
    creates it, a thread outside of all.
    """

    @contextmanager
    def Prefix(
        self: Self, *parts: str | os.PathLike[str] | None, metrics: str | None = None, sep: str = "/"
    ) -> Iterator[Self]:
        """Log below another prefix for the length of a block: `with logger.Prefix("eval"):`.

        Blocks nest. A row that is pending belongs to the prefix it was logged in. The last step is taken over from
        around the block; what follows is each prefix's own.

        Args:
            parts: folders below the prefix; `..` goes up, a `/` at the start means the root. `{now:%H}`, `{USER}` and
                `$NAME` are filled in, as in `configure`.
            metrics: put before the names of metrics: with "eval", `loss` is the column `eval/loss`.
            sep: what stands between the two.

        Raises:
            InvalidKey: `..` leads above the root, or a part that no key can have.
        """
        scope = self._current()
        if any(part is not None for part in parts):
            scope = scope.below(place.below(self.prefix, parts, self._user))
        if metrics:
            scope = scope._replace(names=f"{scope.names}{metrics.removesuffix(sep)}{sep}")
        with self._within(scope):
            yield self

    PrefixContext = Prefix

    @contextmanager
    def Sync(self: Self) -> Iterator[Self]:
        """Let each call of a block return only when the data is where it belongs: on the disk, or the server has it.

        A row is still written when its step changes, or by `flush`; the end of the block flushes.

        Raises:
            DeliveryTimeout: it is not there in time; it stays in the spool, and is delivered later.
        """
        with self._within(self._current()._replace(waits=True)):
            yield self
            self.flush()

    SyncContext = Sync

    @contextmanager
    def Async(self: Self) -> Iterator[Self]:
        """Let no call of a block wait, also where `asynchronous=False` or a block around it says otherwise."""
        with self._within(self._current()._replace(waits=False)):
            yield self

    AsyncContext = Async

    def clone(self: Self) -> Self:
        """Return a second logger with the same root, prefix and options, and pending rows and summaries of its own."""
        twin = type(self)(clock=self._clock)
        twin._is_of_process = False
        twin._place, twin._user, twin._token = self._where(), self._user, self._token
        twin._silent, twin._waits, twin._cache_options = self._silent, self._waits, self._cache_options
        twin._paranoid, twin._trust = self._paranoid, self._trust
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle where the logger logs, for the processes of a pool or a loader; never the access token."""
        place = self._where()
        said = {"paranoid": self._paranoid, "trust": self._trust}
        return _again, (type(self), place.root, place.prefix, self._silent, not self._waits, said)

    def _current(self) -> Scope:
        return self._scope.get() or Scope(None, "", None, self._steps)

    @contextmanager
    def _within(self, scope: Scope) -> Iterator[Any]:
        self._has_blocks = True
        around = self._scope.get()
        token = self._scope.set(scope)
        try:
            yield
        finally:
            try:
                self._scope.reset(token)
            except ValueError:  # a generator that is closed elsewhere than where it was begun
                self._scope.set(around)


def _again(kind: type[Self], root: str, prefix: str, silent: bool, asynchronous: bool, said: dict[str, Any]) -> Self:
    again = kind(root=root, prefix=prefix, silent=silent, asynchronous=asynchronous)
    again._paranoid, again._trust = said["paranoid"], said["trust"]  # a contradiction is told when something is read
    return again
