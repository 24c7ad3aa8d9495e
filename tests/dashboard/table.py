"""The table of runs, as tests find their way in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def grid(page: Page) -> Locator:
    """Return the table, whether it has groups or not."""
    return page.locator("[role=grid], [role=treegrid]")


def row(page: Page, run: str) -> Locator:
    """Return the row of a run."""
    return page.get_by_role("row").filter(has=page.get_by_title(run, exact=True))


def in_order(page: Page) -> list[str]:
    """Return the names of the runs that are drawn, from the top."""
    links = page.locator("[role=row][data-index] a[href]")
    told = links.evaluate_all("all => all.map(one => [+one.closest('[role=row]').dataset.index, one.title])")
    return [name for _, name in sorted(told)]


def headers(page: Page) -> list[str]:
    """Return the labels of the columns."""
    return [text.split("\n")[0] for text in page.get_by_role("columnheader").all_inner_texts()]


def cell(page: Page, run: str, column: str) -> str:
    """Return what a run has in a column."""
    return _cell(page, run, column).inner_text()


def wait_for_cell(page: Page, run: str, column: str, text: str) -> None:
    """Wait until a run has something in a column: what is logged comes row by row."""
    _cell(page, run, column).filter(has_text=re.compile(f"^{re.escape(text)}$")).wait_for()


def _cell(page: Page, run: str, column: str) -> Locator:
    """Return a cell; the cells stand apart from the name, and belong to its row."""
    place = headers(page).index(column)
    owned = page.locator(f"[id='{row(page, run).get_attribute('aria-owns')}']")
    return owned.get_by_role("gridcell").nth(place - 1)


def wait_for_runs(page: Page, names: list[str]) -> None:
    """Wait until these runs are drawn, in this order."""
    script = """names => {
        const all = [...document.querySelectorAll('[role=row][data-index]')];
        const rows = all.filter(one => one.querySelector('a[href]'));
        rows.sort((one, other) => one.dataset.index - other.dataset.index);
        return JSON.stringify(rows.map(one => one.querySelector('a').title)) === JSON.stringify(names);
    }"""
    page.wait_for_function(script, arg=names)
