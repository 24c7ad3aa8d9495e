"""The targets: one file each, with `target(data)`, which returns whatever the bytes are, and `seeds()`, good inputs.

An error of our tree that is documented is caught there; whatever else is raised is a finding. A target that needs
something to live with, a server say, has `live()` in place of `target`: a block in which there is one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any, NamedTuple


class Target(NamedTuple):
    """One target.

    Fields:
        name: its file, too.
        guided: whether what it tests runs in this process, so that what it reaches can be measured.
    """

    name: str
    guided: bool = True

    def load(self) -> ModuleType:
        """Import its file, and with it what it tests."""
        return importlib.import_module(f"tests.fuzz.{self.name}")


TARGETS = {
    target.name: target
    for target in (
        Target("frames"),
        Target("pieces"),
        Target("answers"),
        Target("keys"),
        Target("records"),
        Target("opcodes"),
        Target("columns"),
        Target("blocks"),
        Target("spools"),
        Target("catalogs", guided=False),  # SQLite takes longer than all that is ours, and is not measured
        Target("tokens"),
        Target("settings"),
        Target("arrays"),
        Target("documents"),
        Target("reports"),
        Target("http", guided=False),
        Target("api", guided=False),
    )
}


def opened(module: ModuleType) -> AbstractContextManager[Callable[[Any], None]]:
    """Return a block that gives the function of a target."""
    if hasattr(module, "live"):
        block: AbstractContextManager[Callable[[Any], None]] = module.live()
        return block
    return nullcontext(module.target)
