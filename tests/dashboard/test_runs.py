"""The view of the runs: one table that is searched, sorted, grouped, and the legend of the charts beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from ml_logger import ML_Logger
from ml_logger.testing import Server
from tests.dashboard.axe import faults
from tests.dashboard.runs import PLANNED, RUNS, SPECIAL
from tests.dashboard.table import cell, grid, headers, in_order, row, wait_for_runs

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: More than are arranged anew at each change.
MANY = 520
LAST = f"many/{MANY - 1}"
#: By name, as people order numbers.
BY_NAME = sorted(RUNS)


@pytest.fixture
def table(open_page: Callable[..., Page], site: Server) -> Page:
    """The runs, by name."""
    page = open_page(f"{site.url}/#/runs?sort=name", viewport={"width": 1800, "height": 800})
    wait_for_runs(page, BY_NAME)
    page.get_by_role("columnheader", name="loss").wait_for()
    return page


def test_what_tells_runs_apart_is_shown(table: Page) -> None:
    """Each run has its status, the parameters that differ, and the last values; what is the same in all is left out."""
    assert headers(table)[:8] == ["name", "status", "env", "lr", "seed", "accuracy", "eval/reward", "loss"]
    assert "layers" not in headers(table)
    assert cell(table, "door/lr-0.0003/seed-1", "lr") == "0.0003"
    assert cell(table, "door/lr-0.0003/seed-1", "env") == "door"
    assert cell(table, SPECIAL, "status").endswith("completed")
    assert float(cell(table, RUNS[0], "loss")) == pytest.approx(0.0069, abs=0.0001)


def test_rows_have_the_line_of_their_charts(table: Page) -> None:
    """The table is the legend: beside each name is a line in the color and the style of the run."""
    swatches = table.locator(".runs-table .swatch").evaluate_all("all => all.map(one => one.style.background)")

    assert len(swatches) == len(RUNS)
    assert all(background.startswith(("hsl", "rgb", "repeating-linear-gradient")) for background in swatches)
    assert len(set(swatches)) > len(RUNS) / 2


def test_search_finds_as_one_types(table: Page) -> None:
    """Words and comparisons are taken together, the address has them, and how many were found is said."""
    search = table.get_by_role("searchbox", name="Search runs")
    search.fill("maze lr<1e-3")
    wait_for_runs(table, [run for run in BY_NAME if "maze" in run and "lr-0.0003" in run])
    table.get_by_text("2 of 12").wait_for()
    assert "q=maze+lr%3C1e-3" in table.url

    search.fill("nothing-like-this")
    table.get_by_text("No run fits the search.").wait_for()
    search.press("Escape")
    wait_for_runs(table, BY_NAME)


def test_a_regular_expression_chooses_metrics(table: Page) -> None:
    """`/train/` leaves the metrics whose key fits, and all runs; a wrong one is said."""
    search = table.get_by_role("searchbox", name="Search runs")
    search.fill("/train/")
    expect(table.get_by_role("columnheader", name="accuracy")).to_have_count(0)
    assert "train/reward" in headers(table)
    assert in_order(table) == BY_NAME

    search.fill("/(/")
    expect(table.get_by_role("columnheader", name="accuracy")).to_have_count(1)
    table.get_by_text("Invalid regular expression").wait_for()


def test_columns_sort(table: Page) -> None:
    """The head of a column sorts by it, then the other way round; what has no value comes last either way."""
    button = table.get_by_role("columnheader", name="lr").get_by_role("button")
    button.click()
    wait_for_runs(table, sorted(BY_NAME, key=lambda run: float(run.split("lr-")[1].split("/")[0])))
    expect(table.get_by_role("columnheader", name="lr")).to_have_attribute("aria-sort", "ascending")
    button.click()
    expect(table.get_by_role("columnheader", name="lr")).to_have_attribute("aria-sort", "descending")
    assert "sort=-param%3AArgs.lr" in table.url
    assert in_order(table)[0].split("/")[1] == "lr-0.003"


def test_runs_are_grouped(table: Page) -> None:
    """Runs with the same parameters stand together below what they share, and a group can be folded."""
    table.get_by_role("button", name="Group").click()
    panel = table.get_by_role("dialog", name="Group runs by")
    panel.get_by_label("Args.env").check()
    panel.get_by_label("Args.lr").check()
    table.keyboard.press("Escape")
    first = table.get_by_role("row").filter(has_text="env = door · lr = 0.0003 (2)")
    first.wait_for()
    assert first.get_attribute("aria-expanded") == "true"
    assert grid(table).get_attribute("role") == "treegrid"
    assert row(table, RUNS[0]).get_attribute("aria-level") == "2"

    first.click()
    expect(first).to_have_attribute("aria-expanded", "false")
    expect(row(table, RUNS[0])).to_have_count(0)
    assert len(in_order(table)) == len(RUNS) - 2


def test_columns_are_chosen(table: Page) -> None:
    """Any parameter and the least and greatest value of a metric can be a column, and any column can go."""
    table.get_by_role("button", name="Columns").click()
    panel = table.get_by_role("dialog", name="Columns")
    panel.get_by_role("checkbox", name="status of the run").uncheck()
    panel.get_by_label("Narrow the list").fill("loss")
    panel.get_by_role("checkbox", name="loss least").check()
    table.keyboard.press("Escape")
    expect(table.get_by_role("columnheader", name="min loss")).to_have_count(1)
    assert "status" not in headers(table)

    table.reload()
    wait_for_runs(table, BY_NAME)
    assert "min loss" in headers(table)
    table.get_by_role("button", name="Columns").click()
    table.get_by_role("button", name="The usual columns").click()
    expect(table.get_by_role("columnheader", name="status")).to_have_count(1)


def test_the_mouse_selects_hides_and_pins(table: Page) -> None:
    """Checkboxes select, with Shift all between; the buttons of a row hide it in the charts, and pin it to the top."""
    table.get_by_role("checkbox", name=f"Select {BY_NAME[1]}").click()
    table.get_by_role("checkbox", name=f"Select {BY_NAME[4]}").click(modifiers=["Shift"])
    table.get_by_text("4 selected").wait_for()
    assert [row(table, run).get_attribute("aria-selected") for run in BY_NAME[:6]] == ["false", *["true"] * 4, "false"]

    row(table, BY_NAME[7]).hover()
    table.get_by_role("button", name=f"Pin {BY_NAME[7]}").click()
    wait_for_runs(table, [BY_NAME[7], *BY_NAME[:7], *BY_NAME[8:]])
    row(table, BY_NAME[2]).hover()
    table.get_by_role("button", name=f"Hide {BY_NAME[2]}").click()
    table.get_by_role("button", name="Show 1 hidden").click()
    table.get_by_role("button", name="Clear").click()
    table.get_by_role("checkbox", name="Select all runs").click()
    table.get_by_text("12 selected").wait_for()


def test_all_of_it_by_keys(table: Page) -> None:
    """`/` searches, j and k move, x selects, h hides, p pins, Enter opens, Escape leaves, ? tells the keys."""
    table.keyboard.press("/")
    expect(table.get_by_role("searchbox", name="Search runs")).to_be_focused()
    table.keyboard.type("door")
    table.keyboard.press("Enter")
    doors = [run for run in BY_NAME if "door" in run]
    wait_for_runs(table, doors)
    expect(grid(table)).to_be_focused()
    table.keyboard.type("jjjk")  # the first only says where the keyboard is
    active = grid(table).get_attribute("aria-activedescendant")
    assert row(table, doors[1]).get_attribute("id") == active
    table.keyboard.press("x")
    expect(row(table, doors[1])).to_have_attribute("aria-selected", "true")
    table.keyboard.press("Shift+J")
    table.get_by_text("2 selected").wait_for()
    table.keyboard.press("Escape")
    expect(row(table, doors[1])).to_have_attribute("aria-selected", "false")
    table.keyboard.press("h")
    table.get_by_role("button", name="Show 1 hidden").wait_for()
    table.keyboard.press("p")
    wait_for_runs(table, [doors[2], *doors[:2], *doors[3:]])
    table.keyboard.press("?")
    table.get_by_role("dialog", name="Keys and search").wait_for()
    table.keyboard.press("Escape")
    expect(table.get_by_role("dialog")).to_have_count(0)
    expect(grid(table)).to_be_focused()
    table.keyboard.press("Enter")
    table.wait_for_url(re.compile(re.escape("#/run/" + doors[2])))


def test_a_view_is_an_address(open_page: Callable[..., Page], site: Server) -> None:
    """What is searched, sorted, grouped, selected, hidden and pinned comes back with the address."""
    query = "q=door&sort=-name&group=Args.lr&sel=door%252Flr-0.003%252Fseed-1&pin=door%252Flr-0.001%252Fseed-0"
    page = open_page(f"{site.url}/#/runs?{query}")
    wait_for_runs(
        page,
        [
            SPECIAL,
            *(
                f"door/lr-{tail}"
                for tail in ("0.0003/seed-1", "0.0003/seed-0", "0.001/seed-1", "0.003/seed-1", "0.003/seed-0")
            ),
        ],
    )

    assert row(page, "door/lr-0.003/seed-1").get_attribute("aria-selected") == "true"
    assert row(page, SPECIAL).get_attribute("aria-level") == "1"


def test_the_parts_share_the_window(table: Page) -> None:
    """The bar between the table and the charts moves by keys, either part can be alone, and it is kept."""
    bar = table.get_by_role("separator", name="The size of the table")
    bar.focus()
    before = table.locator(".runs-table").bounding_box()
    assert before is not None
    table.keyboard.press("ArrowLeft")
    table.wait_for_function(
        "width => document.querySelector('.runs-table').clientWidth < width", arg=before["width"] - 20
    )
    table.get_by_role("button", name="Charts", exact=True).click()
    expect(grid(table)).to_have_count(0)
    table.get_by_role("button", name="Table", exact=True).click()
    expect(table.get_by_role("region", name="Charts")).to_have_count(0)

    table.reload()
    wait_for_runs(table, BY_NAME)
    expect(table.get_by_role("region", name="Charts")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: Callable[..., Page], site: Server, scheme: str) -> None:
    """Names, roles and contrast are as assistive programs need them: of the table, with groups, panels and dialogs."""
    page = open_page(
        f"{site.url}/#/runs?sort=name&group=Args.env&hide=door%252Flr-0.003%252Fseed-1", color_scheme=scheme
    )
    row(page, BY_NAME[0]).wait_for()
    page.keyboard.type("jjx")
    page.get_by_text("1 selected").wait_for()
    assert faults(page) == []
    page.get_by_role("button", name="Columns").click()
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert faults(page) == []


@pytest.fixture(scope="module")
def wide(dashboard: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server over runs with 120 parameters that differ."""
    folder = tmp_path_factory.mktemp("wide") / "data"
    for number in range(MANY):
        with ML_Logger(root=str(folder), prefix=f"many/{number}", silent=True) as logger:
            logger.log_params(Args={f"p{at}": number * at for at in range(1, 121)})
            logger.log(0, loss=number)
    server = Server(folder)
    server.start()
    yield server
    server.stop()


def test_only_what_is_in_view_is_drawn(open_page: Callable[..., Page], wide: Server) -> None:
    """A table of 520 runs with 120 columns is a few rows and columns for the browser, wherever one scrolls."""
    page = open_page(f"{wide.url}/#/runs?sort=name")
    page.get_by_role("button", name="Table", exact=True).click()
    row(page, "many/0").wait_for()
    expect(grid(page)).to_have_attribute("aria-rowcount", str(MANY + 1))
    for where in (0, 0.5, 1):
        script = "([box, where]) => box.scrollTo(where * box.scrollWidth, where * box.scrollHeight)"
        page.evaluate(script, [page.locator(".runs-table").element_handle(), where])
        row(page, f"many/{round(where * (MANY - 1))}").wait_for()
        assert page.get_by_role("row").count() < 60
        assert page.get_by_role("gridcell").count() < 60 * 30
    page.keyboard.press("Home")
    row(page, "many/0").wait_for()
    page.keyboard.press("End")
    row(page, LAST).wait_for()
    assert cell(page, LAST, "p120") == str((MANY - 1) * 120)
    page.get_by_role("searchbox", name="Search runs").fill(f"p1>={MANY - 2} loss<{MANY - 1}")
    wait_for_runs(page, [f"many/{MANY - 2}"])


def test_texts_of_runs_never_run(open_page: Callable[..., Page], dashboard: None, tmp_path: Path) -> None:
    """What stands in parameters, tags and notes is shown as it is, whatever a browser could make of it."""
    attack = "<img src=x onerror=\"document.title='broken'\">"
    server = Server(tmp_path / "data")
    server.start()
    with ML_Logger(root=server.url, prefix="one", silent=True) as logger:
        logger.log_params(Args={"text": attack, attack: 1})
        logger.log_metrics({attack: 1.0, "step": 0})
    try:
        page = open_page(f"{server.url}/#/runs")
        page.get_by_role("button", name="Table", exact=True).click()
        page.get_by_title(attack, exact=True).first.wait_for()
        assert page.title() == "ML-Logger"
        assert page.locator(".runs img").count() == 0
        page.close()
    finally:
        server.stop()


def test_all_runs_that_were_planned_are_there(table: Page) -> None:
    """The page says how many runs there are, and that it hears of news."""
    expect(table.locator(".connection")).to_have_text(re.compile(f"{len(PLANNED)} runs · live"))


def test_what_is_logged_appears_by_itself(empty_site: Server, open_page: Callable[..., Page]) -> None:
    """A run that begins gets a row, its last values and its state follow, and nobody loads the page again."""
    page = open_page(empty_site.url, viewport={"width": 1800, "height": 800})
    page.get_by_role("heading", name="No runs yet").wait_for()
    with ML_Logger(root=empty_site.url, prefix="me/now", silent=True) as logger:
        logger.job_started()
        logger.log(0, loss=4.5)
        logger.flush()
        row(page, "me/now").wait_for()
        page.get_by_text("4.5", exact=True).wait_for()
        logger.log(1, loss=0.25)
        logger.job_completed()
        logger.flush()
        page.get_by_text("0.25", exact=True).wait_for()
        page.get_by_text("completed").wait_for()


def test_a_row_and_its_line_point_at_each_other(table: Page) -> None:
    """Who points at a row sees which line it is, and the row that is pointed at is marked."""
    table.get_by_role("searchbox", name="Search runs").fill("maze lr=0.001")
    wait_for_runs(table, ["maze/lr-0.001/seed-0", "maze/lr-0.001/seed-1"])
    row(table, "maze/lr-0.001/seed-1").hover()
    expect(row(table, "maze/lr-0.001/seed-1")).to_have_class(re.compile("pointed"))
    table.mouse.move(5, 5)
    expect(row(table, "maze/lr-0.001/seed-1")).not_to_have_class(re.compile("pointed"))


def test_nothing_that_is_long_moves_anything(open_page: Callable[..., Page], own_site: Server) -> None:
    """A metric with a name of 300 letters leaves the charts in the window, and a number of 19 the columns in line."""
    for seed, lr in enumerate((0.1, 0.30000000000000004)):
        with ML_Logger(own_site.data_dir, prefix=f"long/{seed}", silent=True) as logger:
            logger.log_params(lr=lr, seed=seed)
            logger.log(0, **{"m" * 300: 1.0})
    page = open_page(f"{own_site.url}/#/runs?q=long/&sort=name", viewport={"width": 1300, "height": 850})
    wait_for_runs(page, ["long/0", "long/1"])
    page.locator("figure.chart").first.wait_for()

    assert page.locator("#charts-x").evaluate("one => one.getBoundingClientRect().right <= innerWidth")
    assert page.locator("figure.chart").first.evaluate("one => one.getBoundingClientRect().right <= innerWidth")
    behind = headers(page).index("lr") + 2
    lefts = page.locator(f"[role=gridcell][aria-colindex='{behind}']").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().left)"
    )
    assert len(lefts) == 2 and len(set(lefts)) == 1
