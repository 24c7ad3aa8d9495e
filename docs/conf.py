"""Sphinx configuration: `python -m sphinx -W -b html docs build/docs`. Needs nothing but Sphinx, and no network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ml_logger import __version__
from ml_logger.encoders.audited import ENTRIES
from ml_logger.settings import SETTINGS

project = "ML-Logger"
author = "the ML-Logger authors"
copyright = author
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.doctest"]
exclude_patterns = ["build"]
default_role = "code"  # docstrings write `name`, as people read them in a terminal

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "alabaster"
html_theme_options = {
    "description": "Log machine-learning training to disk or to a server",
    "fixed_sidebar": True,
    "page_width": "1080px",
    "sidebar_width": "230px",
    "show_powered_by": False,
}
html_copy_source = False
html_show_copyright = False


class Table(SphinxDirective):
    """A table that is made of one in the code."""

    source = ""
    head = ("", "")

    def run(self) -> list[nodes.Node]:
        """Write the table as reStructuredText, and have it parsed."""
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 42 58", ""]
        for row in [self.head, *self.rows()]:
            lines += [f"   * - {row[0]}", f"     - {row[1]}"]
        holder = nodes.Element()
        self.state.nested_parse(StringList([*lines, ""], source=self.source), 0, holder)
        return holder.children

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows."""
        raise NotImplementedError


class SettingsTable(Table):
    """`.. settings-table::` - the table of settings, from the one in the code."""

    source = "ml_logger/settings.py"
    head = ("Variable", "What it does (its default)")

    def rows(self) -> list[tuple[str, str]]:
        """Return each variable and its help."""
        return [(f"``{setting.name}``", setting.help) for setting in SETTINGS.values()]


class AuditedTable(Table):
    """`.. audited-table::` - the names that a pickle may use, from the list in the code."""

    source = "ml_logger/encoders/audited.py"
    head = ("Names, and their modules", "Why they are needed, and why they are safe")

    def rows(self) -> list[tuple[str, str]]:
        """Return each entry of the list: its names with their modules, and its reason."""
        rows = []
        for entry in ENTRIES:
            names = ", ".join(f"``{name}``" for name in entry.names)
            modules = ", ".join(f"``{module}``" for module in entry.modules.split())
            rows.append((f"{names} of {modules}", entry.reason))
        return rows


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("settings-table", SettingsTable)
    app.add_directive("audited-table", AuditedTable)
    return {"parallel_read_safe": True}
