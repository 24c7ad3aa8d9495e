"""What must happen in the child of a fork, without keeping alive the objects it happens to."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def in_child(method: Callable[[], None]) -> None:
    """Call a bound method in every future child of `os.fork`, as long as its object lives."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        alive = reference()
        if alive is not None:
            alive()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=call)
