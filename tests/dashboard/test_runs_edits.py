"""What the view of the runs changes: names, tags, notes, and runs that go into the trash and come back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from ml_logger import tokens
from ml_logger.testing import Server
from tests.dashboard.runs import RUNS
from tests.dashboard.table import cell, row, wait_for_cell, wait_for_runs

if TYPE_CHECKING:
    from playwright.sync_api import Page

BY_NAME = sorted(RUNS)


@pytest.fixture
def table(own_site: Server, open_page: Callable[..., Page]) -> Page:
    """Runs of this test's own, by name."""
    page = open_page(f"{own_site.url}/#/runs?sort=name", viewport={"width": 1800, "height": 800})
    wait_for_runs(page, BY_NAME)
    return page


def test_runs_are_deleted_and_come_back(table: Page, own_site: Server) -> None:
    """Deleting asks first, and can be undone: the files are away, then there again."""
    for run in BY_NAME[:2]:
        table.get_by_role("checkbox", name=f"Select {run}").click()
    bar = table.get_by_role("group", name="Selected runs")
    bar.get_by_role("button", name="Delete").click()
    table.get_by_role("dialog", name="Delete 2 runs?").get_by_role("button", name="Cancel").click()
    wait_for_runs(table, BY_NAME)
    bar.get_by_role("button", name="Delete").click()
    table.get_by_role("dialog", name="Delete 2 runs?").get_by_role("button", name="Delete").click()
    wait_for_runs(table, BY_NAME[2:])
    table.get_by_text("Deleted 2 runs.").wait_for()
    assert not any((own_site.data_dir / run).exists() for run in BY_NAME[:2])

    table.get_by_role("button", name="Undo").click()
    wait_for_runs(table, BY_NAME)
    table.get_by_text("2 runs are back.").wait_for()
    assert all((own_site.data_dir / run / "metrics.pkl").exists() for run in BY_NAME[:2])


def test_a_run_gets_a_name_tags_and_a_note(table: Page, own_site: Server) -> None:
    """One dialog changes all that people say of a run; it stays selected, and files say it too."""
    table.get_by_role("checkbox", name=f"Select {BY_NAME[0]}").click()
    table.keyboard.press("e")
    dialog = table.get_by_role("dialog", name=f"Edit {BY_NAME[0]}")
    dialog.get_by_label("Name").fill("door/the-best")
    dialog.get_by_label("Tags").fill("paper, best one")
    dialog.get_by_label("Note").fill("Look at step 123.")
    dialog.get_by_role("button", name="Save").click()
    row(table, "door/the-best").wait_for()
    expect(row(table, BY_NAME[0])).to_have_count(0)
    expect(row(table, "door/the-best")).to_have_attribute("aria-selected", "true")
    table.get_by_role("columnheader", name="tags").wait_for()
    assert cell(table, "door/the-best", "tags").split() == ["paper", "best", "one"]
    told = json.loads((own_site.data_dir / "door/the-best/.run.json").read_text())
    assert (told["tags"], told["note"]) == (["paper", "best one"], "Look at step 123.")
    expect(dialog).to_have_count(0)
    table.get_by_role("searchbox", name="Search runs").fill("tag:best note:123")
    wait_for_runs(table, ["door/the-best"])


def test_a_name_that_is_taken_is_refused(table: Page, troubles: list[str]) -> None:
    """What the server says against a change stands in the dialog, and nothing is lost."""
    table.keyboard.type("je")
    dialog = table.get_by_role("dialog", name=f"Edit {BY_NAME[0]}")
    dialog.get_by_label("Name").fill(BY_NAME[1])
    dialog.get_by_label("Tags").fill("some, tags")
    dialog.get_by_label("Note").fill("A note.")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).not_to_be_empty()
    told = [dialog.get_by_label(label).input_value() for label in ("Name", "Tags", "Note")]
    assert told == [BY_NAME[1], "some, tags", "A note."]
    dialog.get_by_role("button", name="Cancel").click()
    wait_for_runs(table, BY_NAME)
    assert len(troubles) == 1 and "409" in troubles.pop()


def test_many_runs_get_tags_at_once(table: Page) -> None:
    """What all of them have is replaced; what one of them has of its own stays."""
    table.get_by_role("checkbox", name=f"Select {BY_NAME[0]}").click()
    table.keyboard.press("e")
    table.get_by_role("dialog").get_by_label("Tags").fill("own")
    table.get_by_role("button", name="Save").click()
    table.get_by_role("columnheader", name="tags").wait_for()
    table.get_by_role("checkbox", name=f"Select {BY_NAME[1]}").click()
    table.get_by_role("button", name="Tags", exact=True).click()
    table.get_by_role("dialog", name="Tags of 2 runs").get_by_label("Tags").fill("shared")
    table.get_by_role("button", name="Save").click()
    expect(table.get_by_role("dialog")).to_have_count(0)
    table.get_by_role("searchbox", name="Search runs").fill("tag=shared")
    wait_for_runs(table, BY_NAME[:2])
    assert cell(table, BY_NAME[0], "tags").split() == ["own", "shared"]
    assert cell(table, BY_NAME[1], "tags") == "shared"


def test_who_may_only_read_is_offered_no_changes(own_site: Server, open_page: Callable[..., Page]) -> None:
    """With a token of the scope read there is nothing to delete or edit with, neither by mouse nor by keys."""
    data = own_site.data_dir
    secret = tokens.add(tokens.path_in(data), "reader", scope="read")
    page = open_page(f"{own_site.url}/#token={secret}")
    page.get_by_role("checkbox", name=f"Select {BY_NAME[0]}").click()
    bar = page.get_by_role("group", name="Selected runs")
    bar.get_by_role("button", name="Hide").wait_for()
    assert bar.get_by_role("button", name="Delete").count() == 0
    assert bar.get_by_role("button", name="Edit").count() == 0
    page.keyboard.press("#")
    page.keyboard.press("e")
    assert page.get_by_role("dialog").count() == 0


def test_the_first_run_is_made_by_what_the_page_shows(
    empty_site: Server, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    """Where nothing was logged there is a program that works as it is copied, and its run appears without a reload."""
    page = open_page(empty_site.url)
    page.get_by_role("heading", name="No runs yet").wait_for()
    program = page.get_by_label("A program that logs here").inner_text()
    assert empty_site.url in program
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=_environment(tmp_path), timeout=120, check=False
    )

    assert run.returncode == 0
    row(page, "me/first").wait_for()
    page.get_by_role("columnheader", name="loss").first.wait_for()
    wait_for_cell(page, "me/first", "loss", "0.01")


def _environment(home: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root, "ML_LOGGER_SPOOL_DIR": str(home / "spool"), "HOME": str(home)}


def test_the_program_is_copied(empty_site: Server, open_page: Callable[..., Page]) -> None:
    """One button copies it."""
    page = open_page(empty_site.url, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied.").wait_for()

    assert page.evaluate("navigator.clipboard.readText()") == page.get_by_label("A program that logs here").inner_text()
