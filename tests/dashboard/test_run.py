"""One run: all that it has logged, of one step, live, and harmless."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ml_logger import ML_Logger
from ml_logger.testing import Server
from tests.dashboard import axe, hostile
from tests.dashboard.runs import LINE, METRICS, SPECIAL, STEPS, picture

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def run(page: Page, site: Server, query: str = "") -> Page:
    """Go to the run with the report."""
    page.goto(f"{site.url}/#/run/{SPECIAL}{query}")
    page.get_by_role("tablist", name="What was logged").wait_for()
    return page


def tab(page: Page, name: str) -> Locator:
    """Choose a tab, and return what it shows."""
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("tabpanel")


def frame(page: Page, name: str) -> Locator:
    """Return the frame of a series that is seen."""
    return page.get_by_role("article", name=name, exact=True)


def test_one_step_goes_through_all_evidence(page: Page, site: Server) -> None:
    """Slider, buttons and keys move pictures and histograms together; the address keeps the step."""
    run(page, site)
    frame(page, "images/view").get_by_text("step 150 · 4 steps").wait_for()
    assert frame(page, "figures").get_by_text(f"step {STEPS - 1}").count() == 1
    page.get_by_role("button", name="Step before").click()
    page.get_by_role("button", name="Step before").click()
    page.wait_for_url("**step=100")
    frame(page, "images/view").get_by_text("step 100 · 4 steps").wait_for()
    picture = frame(page, "images/view").get_by_role("img")
    assert "0100.png" in (picture.get_attribute("src") or "")

    page.keyboard.press("ArrowLeft")
    frame(page, "images/view").get_by_text("step 50 · 4 steps").wait_for()
    weights = tab(page, "Histograms").get_by_role("article", name="weights")
    weights.get_by_text("step 50 · 4 steps").wait_for()
    page.get_by_role("slider", name="Step").fill("0")
    weights.get_by_text("step 0 · 4 steps").wait_for()
    assert page.get_by_role("slider", name="Step").get_attribute("aria-valuetext") == "step 0"
    page.reload()
    weights.get_by_text("step 0 · 4 steps").wait_for()


def test_it_plays(page: Page, site: Server) -> None:
    """Steps go by themselves, and begin anew behind the last."""
    run(page, site, "?step=0")
    frame(page, "images/view").get_by_text("step 0 · 4 steps").wait_for()
    page.get_by_role("button", name="Play").click()
    for step in (50, 100, 150, 0):
        frame(page, "images/view").get_by_text(f"step {step} · 4 steps").wait_for()
    page.get_by_role("button", name="Stop").click()


def test_curves_stand_beside(page: Page, site: Server) -> None:
    """There is a chart of each metric."""
    run(page, site)
    curves = page.get_by_role("region", name="Curves")

    for key in METRICS:
        curves.get_by_role("figure", name=key, exact=True).wait_for()


def test_curves_show_where_the_step_is(page: Page, site: Server) -> None:
    """A line stands in each chart at the step of the evidence, and goes along with it."""
    run(page, site, "?step=100")
    loss = page.get_by_role("region", name="Curves").get_by_role("figure", name="loss", exact=True)

    def place() -> float:
        loss.locator(".marked").wait_for()
        line, plot = loss.locator(".marked").bounding_box(), loss.locator(".u-over").bounding_box()
        assert line is not None and plot is not None
        return (line["x"] - plot["x"]) / plot["width"]

    assert place() == pytest.approx(100 / (STEPS - 1), abs=0.02)
    page.get_by_role("button", name="Step before").click()
    frame(page, "images/view").get_by_text("step 50 · 4 steps").wait_for()
    assert place() == pytest.approx(50 / (STEPS - 1), abs=0.02)


def test_histograms_say_what_they_show(page: Page, site: Server) -> None:
    """A map over steps and bars of one step, with their ranges in words for those who do not see them."""
    run(page, site, "?step=150&tab=histograms")
    weights = page.get_by_role("article", name="weights")

    weights.get_by_role("img", name=re.compile("weights over steps 0 to 150: values from -1.75 to 1.75")).wait_for()
    weights.get_by_role("img", name=re.compile(r"bins from -1.75 to 1.75")).wait_for()
    weights.get_by_text("101 values, mean about 0").wait_for()


def test_parameters_are_filtered(page: Page, site: Server) -> None:
    """By name and by value."""
    run(page, site)
    panel = tab(page, "Parameters")
    panel.get_by_role("row", name="Args.layers [64,64]").wait_for()
    panel.get_by_label("Filter parameters").fill("lr 0.001")

    panel.get_by_role("row", name="Args.layers [64,64]").wait_for(state="detached")
    assert panel.get_by_role("row").count() == 2


def test_logs_and_code_are_read(page: Page, site: Server) -> None:
    """The log at its end, and each text file of the run."""
    run(page, site)
    tab(page, "Log").get_by_text(f"step {STEPS - 1}:").wait_for()
    panel = tab(page, "Code")
    panel.get_by_label("File").select_option(value=f"{SPECIAL}/config.json")
    panel.get_by_text('"env": "door"').wait_for()
    page.wait_for_url("**file=config.json**")


def test_what_is_logged_meanwhile_appears(own_page: Page, own_site: Server) -> None:
    """New lines, a new step of a picture, and new parameters come by themselves; the cursor stays at the end."""
    page = run(own_page, own_site)
    frame(page, "images/view").get_by_text("step 150 · 4 steps").wait_for()
    page.locator("html[data-connected=true]").wait_for(state="attached")
    with ML_Logger(root=own_site.url, prefix=SPECIAL, silent=True) as logger:
        logger.log_image(STEPS, view=picture(1, STEPS))
        logger.log_params(more={"late": "yes"})
        logger.log(STEPS, loss=0.1)
        logger.log_line(LINE.format(step=STEPS, loss=0.1))
        logger.log_histogram(STEPS, weights=np.ones(10))
    frame(page, "images/view").get_by_text(f"step {STEPS} · 5 steps").wait_for()

    tab(page, "Parameters").get_by_role("row", name="more.late yes").wait_for()
    tab(page, "Log").get_by_text(f"step {STEPS}:").wait_for()
    tab(page, "Histograms").get_by_role("article", name="weights").get_by_text(f"step {STEPS} · 5 steps").wait_for()


def test_a_run_that_is_not_there_is_told(page: Page, site: Server) -> None:
    """An old address says so, and leads to those that are."""
    page.goto(f"{site.url}/#/run/nobody")

    page.get_by_text("There is no run nobody").wait_for()
    page.get_by_role("main").get_by_role("link", name="All runs").click()
    page.wait_for_url("**/#/runs*")


def test_nothing_that_is_stored_runs(own_page: Page, own_site: Server) -> None:
    """Scripts in names, text, drawings and patches of a run are seen, or left out, and do not run."""
    dialogs: list[str] = []
    own_page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    keys = hostile.plant(own_site.data_dir)
    with ML_Logger(root=own_site.url, prefix=SPECIAL, silent=True) as logger:
        logger.log_params(evil={"name": hostile.MARKUP, hostile.MARKUP[:40]: 1})
        logger.log_histogram(0, **{hostile.MARKUP[:60]: [1.0, 2.0]})
    page = run(own_page, own_site)
    frame(page, "evil/film").wait_for()
    for name in ("Pictures", "Histograms", "Parameters", "Diff", "Files"):
        tab(page, name).wait_for()
        axe.drawn(page)
    for name in ("Log", "Code"):
        panel = tab(page, name)
        for value in (
            panel.get_by_role("combobox").locator("option").evaluate_all("(all) => all.map((one) => one.value)")
        ):
            panel.get_by_role("combobox").select_option(value=value)
            if value in keys:
                panel.get_by_role("link", name="Download").wait_for()

    assert page.evaluate("window.attacked") is None
    assert dialogs == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("shown", ["Pictures", "Histograms", "Log", "Parameters", "Code", "Files"])
def test_a_run_is_for_everybody(open_page: Callable[..., Page], site: Server, scheme: str, shown: str) -> None:
    """axe-core finds no fault, light and dark."""
    page = run(open_page(site.url, color_scheme=scheme), site, "?step=50")
    frame(page, "images/view").get_by_text("step 50").wait_for()
    tab(page, shown).wait_for()
    axe.drawn(page)

    assert axe.faults(page) == []
