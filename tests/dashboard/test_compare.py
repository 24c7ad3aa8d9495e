"""Runs beside each other: what differs is seen at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from ml_logger import ML_Logger
from ml_logger.testing import Server
from tests.dashboard import axe, hostile
from tests.dashboard.runs import METRICS, RUNS, SPECIAL

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

OTHER = "maze/lr-0.001/seed-1"


def compare(page: Page, site: Server, *runs: str, **query: str) -> Page:
    """Go to the comparison of some runs."""
    listed = quote(",".join(quote(run, safe="") for run in runs))
    more = "".join(f"&{name}={quote(value, safe='')}" for name, value in query.items())
    page.goto(f"{site.url}/#/compare?runs={listed}{more}")
    page.get_by_role("heading", name="Compare").wait_for()
    return page


def tab(page: Page, name: str) -> Locator:
    """Choose a tab, and return what it shows."""
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("tabpanel")


def names(rows: Locator) -> list[str]:
    """Return the names of the rows of a table."""
    found: list[str] = rows.locator("tbody th[scope=row]").all_inner_texts()
    return found


def test_parameters_that_differ_are_shown(page: Page, site: Server) -> None:
    """Only those at first, all on request, marked by a sign where they differ."""
    compare(page, site, SPECIAL, OTHER)
    table = page.get_by_role("table")
    table.get_by_role("row", name="Args.env door maze").wait_for()
    assert {"Args.env", "Args.seed"} <= set(names(table))
    assert not {"Args.lr", "Args.layers"} & set(names(table))
    page.get_by_label("Also what is the same").check()

    table.get_by_role("row", name="Args.lr 0.001 0.001").wait_for()
    assert "Args.env ≠" in names(table)
    page.get_by_label("Filter parameters").fill("layers")
    table.get_by_role("row", name="Args.lr").wait_for(state="detached")


def test_runs_are_added_and_taken_out(page: Page, site: Server) -> None:
    """The address follows, so that it can be sent to somebody."""
    compare(page, site, SPECIAL)
    page.get_by_role("banner").get_by_role("status").get_by_text(f"{len(RUNS)} runs").wait_for()
    page.get_by_label("Add a run").fill(OTHER)
    page.get_by_role("columnheader", name=OTHER).wait_for()
    page.reload()
    page.get_by_role("columnheader", name=OTHER).wait_for()
    page.get_by_role("button", name=f"Take {SPECIAL} out").click()
    page.get_by_role("columnheader", name=SPECIAL).wait_for(state="detached")
    page.get_by_role("button", name=f"Take {OTHER} out").click()

    page.get_by_text("Add runs above").wait_for()


def test_the_selected_runs_are_compared(page: Page, site: Server) -> None:
    """What is selected in the table is what is compared, where the address names no runs."""
    page.goto(f"{site.url}/#/compare?sel={quote(','.join(quote(run, safe='') for run in RUNS[:3]))}")

    for run in RUNS[:3]:
        page.get_by_role("columnheader", name=run).wait_for()


def test_curves_lie_over_each_other(page: Page, site: Server) -> None:
    """One chart for each metric that any of the runs has."""
    compare(page, site, SPECIAL, OTHER)
    panel = tab(page, "Curves")

    for key in METRICS:
        panel.get_by_role("figure", name=key, exact=True).wait_for()


def test_pictures_of_one_step_are_side_by_side(page: Page, site: Server) -> None:
    """A row for each series, a column for each run, one cursor for all."""
    compare(page, site, SPECIAL, OTHER)
    row = tab(page, "Pictures").get_by_role("region", name="images/view")
    row.get_by_text("step 150 · 4 steps").last.wait_for()
    assert row.get_by_role("article").count() == 2
    page.get_by_role("slider", name="Step").fill("1")

    row.get_by_text("step 50 · 4 steps").last.wait_for()
    sources = row.get_by_role("img").evaluate_all("(all) => all.map((one) => one.getAttribute('src'))")
    assert [SPECIAL in sources[0], OTHER in sources[1]] == [True, True]
    assert all("0050.png" in source for source in sources)


def test_lines_of_text_that_differ_are_shown(own_page: Page, own_site: Server) -> None:
    """With their numbers and a sign; the many that are the same are folded."""
    for run, word in ((SPECIAL, "one"), (OTHER, "two")):
        with ML_Logger(root=own_site.url, prefix=run, silent=True) as logger:
            lines = [f"line {number}" for number in range(40)]
            lines[20] = word
            logger.log_text("\n".join(lines), "files/long.py", silent=True)
    page = compare(own_page, own_site, SPECIAL, OTHER, tab="texts", file="files/long.py")
    shown = page.get_by_role("region", name="Differences of files/long.py")
    shown.wait_for()

    # Not `inner_text`: what is out of view is laid out when it is seen.
    told = [(line or "").strip() for line in shown.locator("> span").all_text_contents()]
    assert told[0] == told[-1].replace("16", "17") == "⋯ 17 lines the same"
    assert "21− one" in told and "21+ two" in told
    page.get_by_label("+ to").select_option(SPECIAL)
    page.get_by_text("The files are the same.").wait_for()


def test_nothing_that_is_stored_runs(own_page: Page, own_site: Server) -> None:
    """Names, values and lines that are scripts are text here."""
    dialogs: list[str] = []
    own_page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    hostile.plant(own_site.data_dir)
    with ML_Logger(root=own_site.url, prefix=SPECIAL, silent=True) as logger:
        logger.log_params(evil={"name": hostile.MARKUP})
    page = compare(own_page, own_site, SPECIAL, OTHER)
    page.get_by_text(hostile.MARKUP).wait_for()
    tab(page, "Pictures").get_by_role("region", name="evil/film").wait_for()
    axe.drawn(page)
    panel = tab(page, "Text")
    for value in ("evil/page.html", "evil/index.diff", "evil/notes.md"):
        panel.get_by_label("File").select_option(value=value)
        panel.get_by_role("region", name=f"Differences of {value}").wait_for()

    assert page.evaluate("window.attacked") is None
    assert dialogs == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("shown", ["Parameters", "Curves", "Pictures", "Text"])
def test_a_comparison_is_for_everybody(open_page: Callable[..., Page], site: Server, scheme: str, shown: str) -> None:
    """axe-core finds no fault, light and dark."""
    page = compare(open_page(site.url, color_scheme=scheme), site, SPECIAL, OTHER, all="1")
    page.get_by_role("tab", name="Text").wait_for()
    tab(page, shown).wait_for()
    axe.drawn(page)

    assert axe.faults(page) == []
