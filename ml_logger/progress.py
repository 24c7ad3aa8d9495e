"""How far a long loop is: a bar, where somebody looks and once it takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from ml_logger.notices import ProgressLine, is_terminal

Item = TypeVar("Item")


def track(items: Iterable[Item], total: Callable[[], int], doing: str, patience: float | None) -> Iterator[Item]:
    """Yield the items, and show how many there were: on a terminal or in a notebook, once it has taken long.

    The bar is one of tqdm where that is installed, else a line; nothing of it stays. Neither tqdm nor the total is
    asked for before there is something to show.

    Args:
        items: what is yielded.
        total: returns how many there will be.
        doing: what is being done, "reading runs" say.
        patience: seconds before anything is shown; None shows nothing.
    """
    if patience is None or not (is_terminal(sys.stderr) or _in_notebook()):
        yield from items
        return
    begin, bar = time.monotonic() + patience, None
    try:
        for count, item in enumerate(items, 1):
            if bar is None and time.monotonic() >= begin:
                bar = _bar(total(), count - 1, doing)
            if bar is not None:
                bar.update()
            yield item
    finally:
        if bar is not None:
            bar.close()


def _bar(total: int, done: int, doing: str) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Line(total, done, doing)
    return tqdm(total=max(total, done), initial=done, desc=doing, unit="file", leave=False)


class _Line:
    """What is shown without tqdm."""

    def __init__(self, total: int, done: int, doing: str) -> None:
        self._total, self._done, self._doing = total, done, doing
        self._line = ProgressLine(patience=0.0)

    def update(self) -> None:
        """Count one more."""
        self._done += 1
        self._line.show(f"{self._doing}: {self._done:,} of {max(self._total, self._done):,} files")

    def close(self) -> None:
        """Leave nothing of it."""
        self._line.clear()


def _in_notebook() -> bool:
    """Tell whether a notebook shows what this process does."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")
