"""The trash in a browser: what was deleted is listed, and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from ml_logger.testing import Server
from tests.dashboard.axe import faults
from tests.dashboard.runs import RUNS, SPECIAL

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_what_was_deleted_is_listed_and_comes_back(own_page: Page, own_site: Server) -> None:
    """Of two runs in the trash one is put back, and the other removed for good, by those who are sure."""
    other = next(run for run in RUNS if run != SPECIAL)
    for run in (SPECIAL, other):
        body = {"action": "delete", "run": run}
        assert requests.post(f"{own_site.url}/v1/edits", json=body, timeout=30).status_code == 200
    own_page.get_by_role("navigation", name="Views").get_by_role("link", name="Trash").click()
    trash = own_page.get_by_role("region", name="Trash")
    trash.get_by_role("rowheader", name=SPECIAL).wait_for()
    assert trash.get_by_role("rowheader").all_inner_texts() == [other, SPECIAL]
    assert faults(own_page) == []
    trash.get_by_role("button", name=f"Restore {SPECIAL}").click()
    trash.get_by_text(f"{SPECIAL} is back.").wait_for()
    trash.get_by_role("rowheader", name=SPECIAL).wait_for(state="detached")

    assert (own_site.data_dir / SPECIAL / "metrics.pkl").is_file()
    assert not (own_site.data_dir / other).exists()
    trash.get_by_role("button", name="Empty the trash").click()
    trash.get_by_role("button", name="Keep").click()
    trash.get_by_role("button", name="Empty the trash").click()
    assert trash.get_by_role("rowheader").all_inner_texts() == [other]
    trash.get_by_role("button", name="Remove for good").click()
    trash.get_by_text("There is nothing in it.").wait_for()
    assert list((own_site.data_dir / ".ml_logger" / "trash").iterdir()) == []


def test_an_empty_trash_says_so(page: Page, site: Server) -> None:
    """Where nothing was deleted the page says that."""
    page.goto(f"{site.url}/#/trash")

    page.get_by_text("There is nothing in it.").wait_for()
