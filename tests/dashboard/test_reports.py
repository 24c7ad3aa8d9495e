"""Reports in a browser: they show what is logged, are edited without losing anything, and leave as one file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from ml_logger import ML_Logger, tokens
from ml_logger.testing import Server
from tests.dashboard.axe import drawn, faults
from tests.dashboard.runs import PLANNED, RUNS
from tests.test_render import ATTACKS

if TYPE_CHECKING:
    from playwright.sync_api import Page

DOOR = [planned for planned in PLANNED if planned.env == "door"]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="30" onload="window.stolen=1"><script>window.stolen=1</script><rect width="60" height="30"/></svg>'  # noqa: E501
REPORT = r"""# Opening the door

The reward is $R = \sum_t r_t$.

$$\mathcal{L} = \frac{1}{2}$$

| seed | verdict |
| --- | ---: |
| 0 | ~~opens~~ |

- [x] logged

```value
key: eval/reward
best: max
label: best reward
```

```chart
keys: loss
title: Loss of the door
```

```table
columns: Args.lr, Args.seed, loss@min
sort: -Args.lr, run
```

```image
keys: lr-0.001/seed-0/**/*.png
limit: 2
caption: What the arm sees
```

```chart
kyes: loss
```

![drawing](plot.svg) [the config](lr-0.001/seed-0/config.json) [away](https://example.org)
"""


@pytest.fixture(scope="module")
def reported(dashboard: None, logged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over a folder with runs and a report, that tests leave alone."""
    data = tmp_path_factory.mktemp("reported") / "data"
    shutil.copytree(logged, data, ignore=shutil.ignore_patterns(".ml_logger"))
    (data / "door" / "README.md").write_text(REPORT)
    (data / "door" / "plot.svg").write_text(SVG)
    server = Server(data)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def reading(dashboard: None, logged: Path, tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A server over a folder with runs, and a token that may read there."""
    data = tmp_path / "guarded"
    shutil.copytree(logged, data, ignore=shutil.ignore_patterns(".ml_logger"))
    secret = tokens.add(tokens.path_in(data), "reader", scope="read")
    server = Server(data)
    server.start()
    yield server, secret
    server.stop()


@pytest.fixture
def report(reported: Server, open_page: Callable[..., Page]) -> Page:
    """The report of the door, in a browser."""
    page = open_page(f"{reported.url}/#/report/door")
    page.get_by_role("heading", name="Opening the door").wait_for()
    return page


def stored(server: Server, key: str) -> str:
    """Return what a file holds."""
    return (server.data_dir / key).read_text()


# ------------------------------------------------------------------------------------------------------- what is shown


def test_a_report_shows_its_text_and_its_runs(report: Page) -> None:
    """Text, tables and formulas are rendered; blocks hold the runs below the folder, and say what is wrong."""
    article = report.get_by_role("article", name="door")
    article.get_by_text("best reward").wait_for()
    rows = article.get_by_role("region", name="Runs").get_by_role("row")
    rows.nth(len(DOOR)).wait_for()
    names = [rows.nth(number + 1).get_by_role("link").inner_text() for number in range(len(DOOR))]

    assert names == [
        planned.run.removeprefix("door/") for planned in sorted(DOOR, key=lambda planned: (-planned.lr, planned.run))
    ]
    assert rows.nth(1).get_by_role("cell").all_inner_texts()[:2] == ["0.003", "0"]
    assert article.locator("math").count() == 2
    assert article.get_by_role("checkbox", name="Done").is_checked()
    article.get_by_text("A chart has no “kyes”").wait_for()
    assert (
        article.get_by_role("link", name="the config").get_attribute("href")
        == "#/files/door/lr-0.001/seed-0/config.json"
    )


def test_the_pictures_of_a_report_are_drawn(report: Page) -> None:
    """Pictures of runs, and drawings, are on the page, and have sizes."""
    images = report.get_by_role("article").locator("img")
    images.nth(2).wait_for()
    report.wait_for_function("() => [...document.querySelectorAll('article img')].every((one) => one.naturalWidth > 0)")

    assert images.count() == 3
    assert images.last.get_attribute("src", timeout=1000).startswith("data:image/svg+xml")  # type: ignore[union-attr]


def test_a_chart_of_a_report_has_the_runs_of_its_folder(report: Page) -> None:
    """A chart block is a chart with its title, and draws the runs below the folder."""
    chart = report.get_by_role("figure", name="Loss of the door")
    chart.scroll_into_view_if_needed()
    chart.locator("canvas").first.wait_for()
    chart.get_by_role("status").filter(has_text="Loading").wait_for(state="detached")

    assert chart.get_by_role("status").count() == 0
    names = report.get_by_role("list", name="Lines").get_by_role("link").all_inner_texts()
    assert names == [planned.run.removeprefix("door/") for planned in DOOR]


def test_a_value_follows_what_is_logged(own_site: Server, open_page: Callable[..., Page]) -> None:
    """While a report is open, its values are those of the rows that come in."""
    (own_site.data_dir / "door" / "README.md").write_text("```value\nkey: eval/reward\nbest: max\nlabel: best\n```")
    page = open_page(f"{own_site.url}/#/report/door")
    page.locator(".value").get_by_text("best").wait_for()
    with ML_Logger(root=own_site.url, prefix=RUNS[0], silent=True) as logger:
        logger.log(1000, {"eval/reward": 4321.5})
        logger.flush()

    page.locator(".value").get_by_text("4321.5").wait_for()


def test_a_report_that_others_write_is_shown_anew(own_site: Server, open_page: Callable[..., Page]) -> None:
    """When somebody else saves the report, it changes on the page."""
    path = own_site.data_dir / "door" / "README.md"
    path.write_text("# One")
    page = open_page(f"{own_site.url}/#/report/door")
    page.get_by_role("heading", name="One").wait_for()
    page.locator("html[data-connected=true]").wait_for()
    etag = requests.get(f"{own_site.url}/v1/render?key=door/README.md", timeout=30).json()["etag"]
    body = {"action": "write", "key": "door/README.md", "text": "# Two", "etag": etag}
    assert requests.post(f"{own_site.url}/v1/edits", json=body, timeout=30).status_code == 200

    page.get_by_role("heading", name="Two").wait_for()


def test_reports_are_listed_and_can_be_reached(report: Page) -> None:
    """Beside a report stand all others; a link to one, and to a part of it, leads there."""
    others = report.get_by_role("navigation", name="Reports")
    others.get_by_role("link").nth(1).wait_for()
    assert others.get_by_role("link").all_inner_texts() == ["door", "door/lr-0.001/seed-0"]
    others.get_by_role("link", name="door/lr-0.001/seed-0").click()
    report.get_by_role("heading", name="A door").wait_for()
    report.get_by_role("navigation", name="Folder").get_by_role("link", name="door", exact=True).click()

    report.get_by_role("heading", name="Opening the door").wait_for()


# ------------------------------------------------------------------------------------------------------------- editing


def test_a_report_is_edited_by_keyboard(own_site: Server, open_page: Callable[..., Page]) -> None:
    """`e` opens the editor, the preview follows what is typed, and Ctrl+S stores it."""
    (own_site.data_dir / "door" / "README.md").write_text("# One\n")
    page = open_page(f"{own_site.url}/#/report/door")
    page.get_by_role("heading", name="One").wait_for()
    page.keyboard.press("e")
    field = page.get_by_role("textbox", name="Text of the report")
    field.wait_for()
    page.keyboard.press("Control+End")
    page.keyboard.type("\n**bold** $x^2$\n")
    preview = page.get_by_role("article", name="Preview")
    preview.locator("strong").get_by_text("bold").wait_for()
    preview.locator("math").wait_for()
    page.get_by_role("button", name="Table").click()
    preview.get_by_role("region", name="Runs").wait_for()
    page.keyboard.press("Control+s")
    page.get_by_role("button", name="Edit").wait_for()

    assert stored(own_site, "door/README.md").startswith("# One\n\n**bold** $x^2$\n\n```table\n")
    assert page.get_by_role("article", name="door").get_by_text("bold").is_visible()
    assert page.get_by_role("textbox").count() == 0


def test_a_folder_without_a_report_gets_one(own_page: Page, own_site: Server) -> None:
    """Where there is none, the page says so, and begins one with a chart and a table."""
    own_page.goto(f"{own_site.url}/#/report/maze")
    own_page.get_by_role("heading", name="No report here yet").wait_for()
    own_page.get_by_role("button", name="Begin a report").click()
    own_page.get_by_role("button", name="Save").click()
    own_page.get_by_role("article", name="maze").get_by_role("heading", name="maze").wait_for()

    assert "```chart" in stored(own_site, "maze/README.md")
    own_page.get_by_role("navigation", name="Reports").get_by_role("link", name="maze").wait_for()


def test_who_saves_second_is_told_and_loses_nothing(
    own_site: Server, open_page: Callable[..., Page], troubles: list[str]
) -> None:
    """When somebody else was faster, both texts are there, and the one who writes chooses."""
    path = own_site.data_dir / "door" / "README.md"
    path.write_text("# One")
    page = open_page(f"{own_site.url}/#/report/door")
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Text of the report").fill("# Mine")
    path.write_text("# Theirs")
    page.keyboard.press("Control+s")
    alert = page.get_by_role("alert", name="Somebody else changed the report")
    alert.get_by_text("Their text").click()
    alert.get_by_text("# Theirs").wait_for()
    assert path.read_text() == "# Theirs"
    assert page.get_by_role("textbox", name="Text of the report").input_value() == "# Mine"
    alert.get_by_role("button", name="Save mine over it").click()
    page.get_by_role("article", name="door").get_by_role("heading", name="Mine").wait_for()

    assert path.read_text() == "# Mine"
    assert all("409" in trouble for trouble in troubles)
    troubles.clear()


def test_what_is_written_outlives_the_page(own_site: Server, open_page: Callable[..., Page]) -> None:
    """A text that is not saved is there after another view, and after loading again; Escape asks before it goes."""
    (own_site.data_dir / "door" / "README.md").write_text("# One")
    page = open_page(f"{own_site.url}/#/report/door")
    page.get_by_role("button", name="Edit").click()
    field = page.get_by_role("textbox", name="Text of the report")
    field.fill("# Unsaved")
    page.get_by_role("link", name="Files").click()
    page.go_back()
    field.wait_for()
    assert field.input_value() == "# Unsaved"
    page.reload()
    field.wait_for()
    assert field.input_value() == "# Unsaved"
    field.press("Escape")
    page.get_by_text("Cancel again to throw them away").wait_for()
    field.press("Escape")
    page.get_by_role("heading", name="One").wait_for()

    assert stored(own_site, "door/README.md") == "# One"


def test_who_may_only_read_is_offered_no_change(reading: tuple[Server, str], open_page: Callable[..., Page]) -> None:
    """With a token for reading a report is shown, and nothing to change it is."""
    server, secret = reading
    page = open_page(f"{server.url}/#token={secret}")
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Reports").click()
    page.get_by_text("Your token is for reading").wait_for()
    page.get_by_role("link", name="door/lr-0.001/seed-0").click()
    page.get_by_role("heading", name="A door").wait_for()
    page.keyboard.press("e")

    assert page.get_by_role("button", name=re.compile("Edit|Begin|Save")).count() == 0
    assert page.get_by_role("textbox").count() == 0


# ------------------------------------------------------------------------------------------------------------- hostile


def test_nothing_in_a_report_runs(own_site: Server, open_page: Callable[..., Page], troubles: list[str]) -> None:
    """Scripts in Markdown, names, notes, metrics and drawings do not run, and nothing is asked for from elsewhere."""
    door = own_site.data_dir / "door"
    evil = "<img src=x onerror=window.stolen=1>"
    attacks = [attack.replace("stolen()", "window.stolen=1") for attack in ATTACKS]
    blocks = f"```table\ntitle: {evil}\n```\n\n```value\nkey: loss\nlabel: {evil}\n```\n\n```chart\n{evil}: x\n```\n"
    blocks += f"```chart\nkeys: loss\ntitle: {evil}\n```\n\n```image\nkeys: plot.svg\ncaption: {evil}\n```\n"
    (door / "README.md").write_text("# Hostile\n\n" + "\n\n".join(attacks) + f"\n\n{blocks}\n\n![x](plot.svg)\n")
    (door / "plot.svg").write_text(SVG)
    with ML_Logger(root=str(own_site.data_dir), prefix=f"door/{evil.replace('/', '')}", silent=True) as logger:
        logger.log_params(Args={evil: evil})
        logger.log(0, {evil: 1.0, "loss": 0.5})
    (door / evil / ".run.json").write_text(json.dumps({"tags": [evil], "note": evil}))
    page = open_page("about:blank")
    dialogs: list[Any] = []
    asked: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{own_site.url}/#/report/door")
    page.get_by_role("heading", name="Hostile").wait_for()
    page.get_by_role("article").get_by_text(evil).first.wait_for()
    page.wait_for_function("() => document.querySelector('.pictures img')?.naturalWidth > 0")
    page.keyboard.press("e")
    page.get_by_role("article", name="Preview").get_by_role("heading", name="Hostile").wait_for()

    assert page.evaluate("window.stolen") is None
    page.close()  # the preview may still ask for pictures: nothing is told of them from here on
    assert dialogs == []
    assert [url for url in asked if not url.startswith((own_site.url, "data:", "blob:", "about:"))] == []
    assert [trouble for trouble in troubles if "404" not in trouble] == []  # nothing but pictures that are not there
    troubles.clear()


# ------------------------------------------------------------------------------------------------ for all, and to keep


def test_axe_finds_no_serious_fault(report: Page, reported: Server) -> None:
    """A report, its editor, and the place of one that is not there can be used by all, light and dark."""
    report.get_by_role("region", name="Runs").wait_for()
    drawn(report)
    assert faults(report) == []
    report.keyboard.press("e")
    report.get_by_role("article", name="Preview").get_by_role("heading", name="Opening the door").wait_for()
    assert faults(report) == []
    report.keyboard.press("Escape")
    report.goto(f"{reported.url}/#/report/nothing")
    report.get_by_role("heading", name="No report here yet").wait_for()
    assert faults(report) == []
    report.get_by_role("button", name="Switch to dark colors").click()
    report.goto(f"{reported.url}/#/report/door")
    report.get_by_role("region", name="Runs").wait_for()

    assert faults(report) == []


def test_an_exported_report_opens_without_a_server(
    report: Page, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    """A report is kept as one file that holds its pictures and charts, no script, and asks nobody for anything."""
    report.get_by_role("region", name="Runs").wait_for()
    report.wait_for_function("() => document.querySelectorAll('.pictures img').length == 2")
    with report.expect_download() as downloading:
        report.get_by_role("button", name="Export as HTML").click()
    path = tmp_path / "kept" / "report.html"
    downloading.value.save_as(path)
    text = path.read_text()
    page = open_page("about:blank", offline=True, java_script_enabled=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.get_by_role("heading", name="Opening the door").wait_for()
    sizes = page.evaluate("[...document.images].map((image) => image.complete && image.naturalWidth)")

    assert downloading.value.suggested_filename == "door.html"
    assert len(sizes) == 4 and all(sizes)
    page.get_by_role("img", name="Chart: Loss of the door").wait_for()
    assert page.locator("math").count() == 2
    assert page.get_by_role("row").count() == 2 + len(DOOR) + 1
    assert "<script" not in text and "javascript:" not in text and not re.search(r"<[^>]*\son\w+=", text)
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.get_by_role("button").count() == 0
