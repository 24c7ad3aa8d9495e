"""The files of the data folder: found, opened, read, downloaded, and never executed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from ml_logger import ML_Logger
from ml_logger.testing import Server
from tests.dashboard import axe, hostile
from tests.dashboard.runs import LINE, SPECIAL, STEPS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

MANY = 30_000


def files(page: Page, site: Server, key: str = "") -> Page:
    """Go to a file, or to a folder, whose key ends in a slash."""
    page.goto(f"{site.url}/#/files/{quote(key)}")
    page.get_by_role("tree", name="Files").wait_for()
    return page


def item(page: Page, name: str) -> Locator:
    """Return the row of a name."""
    return page.get_by_role("treeitem").filter(has=page.get_by_text(name, exact=True))


def text(part: Locator) -> str:
    """Return the text of a part of a page, laid out yet or not: what is out of view is laid out when it is seen."""
    return (part.text_content() or "").strip()


def preview(page: Page) -> Locator:
    """Return what is seen of the chosen file."""
    return page.get_by_role("region", name="Preview")


def test_folders_open_and_files_are_shown(page: Page, site: Server) -> None:
    """From the data folder down to a file by clicking; the address leads back to what was seen."""
    files(page, site)
    for name in ("door", "lr-0.001", "seed-0", "config.json"):
        item(page, name).click()
    preview(page).get_by_text('"env": "door"').wait_for()
    page.wait_for_url(f"**/#/files/{SPECIAL}/config.json?top=")

    page.reload()
    preview(page).get_by_text('"env": "door"').wait_for()
    assert item(page, "config.json").get_attribute("aria-selected") == "true"
    assert item(page, "config.json").get_attribute("aria-level") == "4"
    page.get_by_role("navigation", name="Path").get_by_role("link", name="The data folder").click()
    item(page, "maze").wait_for()


def test_a_file_is_downloaded_as_it_is(page: Page, site: Server, logged: Path) -> None:
    """The bytes that come are those that were stored."""
    files(page, site, f"{SPECIAL}/metrics.pkl")
    with page.expect_download() as begun:
        preview(page).get_by_role("link", name="Download").click()

    assert begun.value.suggested_filename == "metrics.pkl"
    assert Path(begun.value.path()).read_bytes() == (logged / SPECIAL / "metrics.pkl").read_bytes()


def test_the_tree_is_used_by_keys_alone(page: Page, site: Server) -> None:
    """Arrows and letters move, open and close; Enter shows; a slash goes to the filter."""
    files(page, site)
    item(page, "door").focus()
    page.keyboard.press("ArrowRight")
    item(page, "lr-0.0003").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    item(page, "seed-1").wait_for()
    page.keyboard.press("ArrowLeft")
    item(page, "seed-1").wait_for(state="detached")
    page.keyboard.press("End")
    page.wait_for_function("() => /maze.*ago$/.test(document.activeElement.textContent)")
    page.keyboard.press("/")
    page.keyboard.type("doo")
    item(page, "maze").wait_for(state="detached")
    files(page, site, f"{SPECIAL}/")
    item(page, "train.py").focus()
    page.keyboard.press("Enter")
    preview(page).get_by_text("print(1)").or_(preview(page).get_by_text("print(2)")).wait_for()


def test_a_folder_of_many_files_does_not_freeze(own_page: Page, own_site: Server) -> None:
    """Only rows in view are there; the last of many is one key away, and any is found by its name."""
    folder = own_site.data_dir / "many"
    folder.mkdir()
    for number in range(MANY):
        (folder / f"{number:06d}.txt").write_bytes(b"")
    page = files(own_page, own_site, "many/")
    page.get_by_text(f"{MANY:,} entries").wait_for()

    assert page.get_by_role("treeitem").count() < 150
    item(page, "000000.txt").focus()
    page.keyboard.press("End")
    item(page, f"{MANY - 1:06d}.txt").wait_for()
    assert item(page, f"{MANY - 1:06d}.txt").get_attribute("aria-posinset") == str(MANY)
    page.get_by_label("Filter by name").fill("012345")
    item(page, "012345.txt").wait_for()
    page.get_by_text("1 entry").wait_for()


def test_a_log_shows_its_end_and_is_searched_whole(page: Page, site: Server) -> None:
    """The last line is in view at first; a search tells the lines, and their numbers, in all of the file."""
    files(page, site, f"{SPECIAL}/outputs.log")
    shown = preview(page).get_by_role("region", name="Text of")
    shown.get_by_text(LINE.format(step=STEPS - 1, loss=0)[:9]).wait_for()
    assert shown.evaluate("(box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 30")
    preview(page).get_by_label("Search in").fill("STEP 17:")

    preview(page).get_by_text("1 line", exact=True).wait_for()
    found = preview(page).get_by_role("region", name="Lines that were found")
    assert text(found).startswith("18step 17: loss")
    assert text(found.locator("mark")) == "step 17:"


def test_a_log_is_followed_as_it_grows(own_page: Page, own_site: Server) -> None:
    """A line that is logged appears, and the view stays at the end."""
    page = files(own_page, own_site, f"{SPECIAL}/outputs.log")
    preview(page).get_by_text(f"step {STEPS - 1}:").wait_for()
    page.locator("html[data-connected=true]").wait_for(state="attached")
    with ML_Logger(root=own_site.url, prefix=SPECIAL, silent=True) as logger:
        for number in range(50):
            logger.log_line(f"later line {number}")

    preview(page).get_by_text("later line 49").wait_for()
    box = preview(page).get_by_role("region", name="Text of")
    page.wait_for_function(
        "(box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 30", arg=box.element_handle()
    )


@pytest.mark.parametrize("is_tail", [False, True])
def test_whoever_clicks_twice_gets_the_two_parts_behind(own_page: Page, own_site: Server, is_tail: bool) -> None:
    """What is read of a long file has no holes and no repeats, also where a part is asked for before another came."""
    lines = "".join(f"line {number:09d}\n" for number in range(60_000))
    (own_site.data_dir / "long.txt").write_text(lines)
    page = files(own_page, own_site, "long.txt")
    preview(page).get_by_text("line 000000000").wait_for()
    if is_tail:
        preview(page).get_by_label("Follow the end").check()
        preview(page).get_by_text("line 000059999").wait_for()
    shown = preview(page).get_by_role("region", name="Text of").element_handle()
    before = shown.text_content() or ""
    button = preview(page).get_by_role("button", name=re.compile("more, of"))
    button.evaluate("(button) => (button.click(), button.click())")
    page.wait_for_function("([shown, size]) => shown.textContent.length > size", arg=[shown, 2.5 * len(before)])

    text = shown.text_content() or ""
    assert (lines.endswith if is_tail else lines.startswith)(text)
    assert len(before) <= len(lines) / 4 < len(text)


def test_each_kind_of_file_is_shown_as_what_it_is(own_page: Page, own_site: Server) -> None:
    """Pictures and drawings are drawn; arrays and records say what they are; Markdown is rendered."""
    with ML_Logger(root=own_site.url, prefix="kinds", silent=True) as logger:
        logger.save_np([[1.5, 2.5]], "states.npy")
        logger.save_pkl({"a": 1}, "states.pkl")
        logger.log_text('<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>', "d.svg", silent=True)
        logger.log_text("a,b\n1,2\n", "table.csv", silent=True)
        logger.log_text("--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n", "index.diff", silent=True)
        logger.upload_buffer(bytes(range(256)), "bytes.bin")
    page = files(own_page, own_site, "kinds/states.npy")
    preview(page).get_by_text("dtype <f8, shape (1, 2)").wait_for()
    files(page, own_site, "kinds/states.pkl")
    preview(page).get_by_text('.load_pkl("/kinds/states.pkl")').wait_for()
    files(page, own_site, "kinds/d.svg")
    preview(page).get_by_text("30 × 20").wait_for()
    files(page, own_site, "kinds/table.csv")
    preview(page).get_by_text("a,b").wait_for()
    files(page, own_site, "kinds/index.diff")
    assert text(preview(page).locator(".added").last) == "+new"
    files(page, own_site, "kinds/bytes.bin")
    preview(page).get_by_text("no text").wait_for()
    files(page, own_site, f"{SPECIAL}/images/view/0050.png")
    preview(page).get_by_text("48 × 32").wait_for()
    files(page, own_site, f"{SPECIAL}/README.md")
    preview(page).get_by_role("heading", name="A door").wait_for()
    assert preview(page).get_by_role("table").count() == 1


def test_nothing_that_is_stored_runs(own_page: Page, own_site: Server, troubles: list[str]) -> None:
    """Scripts in names, text, drawings, pages, Markdown and patches are seen, or left out, and do not run."""
    dialogs: list[str] = []
    own_page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for key in hostile.plant(own_site.data_dir):
        page = files(own_page, own_site, key)
        preview(page).get_by_role("heading", name=key.rpartition("/")[2]).first.wait_for()
        axe.drawn(page)
        assert page.evaluate("window.attacked") is None
        assert preview(page).locator("script, iframe, object, embed").count() == 0
    page = files(own_page, own_site, f"{SPECIAL}/evil/drawing.svg")
    preview(page).get_by_text("80 × 40").wait_for()

    assert dialogs == []
    assert all("attacked" not in trouble for trouble in troubles)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "key", ["", f"{SPECIAL}/outputs.log", f"{SPECIAL}/images/view/0050.png", f"{SPECIAL}/README.md"]
)
def test_files_are_for_everybody(open_page: Callable[..., Page], site: Server, scheme: str, key: str) -> None:
    """axe-core finds no fault, light and dark."""
    page = files(open_page(site.url, color_scheme=scheme), site, key)
    if key:
        preview(page).get_by_role("link", name="Download").wait_for()
        axe.drawn(page)

    assert axe.faults(page) == []


def test_what_is_not_there_is_said(page: Page, site: Server) -> None:
    """The address of a file that was removed says that there is nothing, and not that there are no entries."""
    page.goto(f"{site.url}/#/files/door/removed.txt")

    page.get_by_role("status").get_by_text("Nothing is stored under door/removed.txt.").wait_for()
