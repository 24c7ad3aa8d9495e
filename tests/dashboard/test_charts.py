"""Charts: what is drawn is what was logged, at every zoom, as soon as it is there; with the mouse or the keyboard."""

from __future__ import annotations

import csv
import io
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

import pytest

from ml_logger import ML_Logger
from ml_logger.testing import Server
from tests.dashboard.runs import INFINITE_STEP, NAN_STEP, RUNS, SPECIAL, SPIKE, SPIKE_VALUE, STEPS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

AXE = Path(__file__).parents[2] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
#: A run that is long enough for one point to be lost, and where that is.
MILLION, OUTLIER, OUTLIER_VALUE = 1_000_000, 700_123, 100.0

#: What is drawn where a point of the data is: whether the canvas has a color there, in the pixels around.
INKED = """([x, y]) => {
  const {across, up, ratio} = plot.layout;
  const place = (axis, value) => axis.offset + axis.scale * (axis.isLog ? Math.log10(value) : value);
  const side = Math.round(3 * ratio);
  const canvas = plot.root.querySelector("canvas");
  const {data} = canvas.getContext("2d").getImageData(place(across, x) - side, place(up, y) - side, 2 * side, 2 * side);
  for (let at = 0; at < data.length; at += 4) {
    const colors = data.slice(at, at + 3);
    if (data[at + 3] > 60 && Math.max(...colors) - Math.min(...colors) > 60) return true;
  }
  return false;
}"""


def address(server: Server, view: str = "charts", **query: str) -> str:
    """Return the address of a view; its settings stand behind the #."""
    return f"{server.url}/#/{view}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())


def chosen(*runs: str) -> str:
    """Return runs as the address holds them."""
    return ",".join(quote(run, safe="") for run in runs)


def chart(page: Page, title: str) -> Locator:
    """Return the chart of a metric."""
    return page.get_by_role("figure", name=title, exact=True)


def drawn(page: Page, title: str, until: str = "true") -> dict[str, Any]:
    """Return what a chart draws, once it draws something and a condition holds: an expression of `plot`."""
    find = f"""() => {{
        const figure = [...document.querySelectorAll("figure")].find((one) => one.ariaLabel === {json.dumps(title)});
        const plot = figure?.querySelector(".plot")?.plot;
        if (!plot || plot.picture.curves.length + plot.picture.areas.length === 0 || !({until})) return null;
        const told = (values) => [...values].map(String);
        return {{
            curves: plot.picture.curves.map((one) => ({{run: one.run, xs: told(one.xs), ys: told(one.ys)}})),
            areas: plot.picture.areas.map((one) => ({{name: one.name, runs: one.runs, max: told(one.max)}})),
            seen: plot.seen,
            isLog: [plot.layout.across.isLog, plot.layout.up.isLog],
        }};
    }}"""
    found: dict[str, Any] = page.wait_for_function(find).json_value()
    return found


def is_inked(page: Page, title: str, x: float, y: float) -> bool:
    """Tell whether a line is drawn where a point is."""
    found: bool = (
        chart(page, title)
        .locator(".plot")
        .evaluate(f"(element, at) => {{ const {{plot}} = element; return ({INKED})(at); }}", [x, y])
    )
    return found


def test_what_was_logged_is_drawn(open_page: Callable[..., Page], site: Server) -> None:
    """Every point of a short run, with the one that is far from all others, in the data and on the canvas."""
    page = open_page(address(site, sel=chosen(SPECIAL)))
    [curve] = drawn(page, "train/reward")["curves"]

    assert curve["run"] == SPECIAL
    assert [float(x) for x in curve["xs"]] == list(range(STEPS))
    assert float(curve["ys"][SPIKE]) == SPIKE_VALUE
    assert is_inked(page, "train/reward", SPIKE, SPIKE_VALUE)
    assert not is_inked(page, "train/reward", SPIKE - 60, SPIKE_VALUE)


def test_many_runs_are_a_band_and_each_a_line_when_asked_for(open_page: Callable[..., Page], site: Server) -> None:
    """Above ten runs the mean, with a band that still reaches to what sticks out; the table's groups are one each."""
    page = open_page(address(site))
    [area] = drawn(page, "train/reward")["areas"]
    assert area["runs"] == len(RUNS)
    assert max(map(float, area["max"])) == SPIKE_VALUE

    page.get_by_label("Runs", exact=True).select_option("lines")
    assert len(drawn(page, "train/reward", "plot.picture.curves.length === 12")["curves"]) == len(RUNS)
    assert "lines=lines" in page.url

    page = open_page(address(site, group="Args.env"))
    areas = drawn(page, "train/reward", "plot.picture.areas.length === 2")["areas"]
    assert [area["runs"] for area in areas] == [len(RUNS) // 2] * 2


def test_what_is_no_number_is_marked_and_named(open_page: Callable[..., Page], site: Server) -> None:
    """NaN and infinities stand at the edge of the plot, and the pointer finds them."""
    page = open_page(address(site, sel=chosen(SPECIAL)))
    [curve] = drawn(page, "loss")["curves"]
    assert math.isnan(float(curve["ys"][NAN_STEP])) and float(curve["ys"][INFINITE_STEP]) == math.inf

    for step, edge, name in ((NAN_STEP, "bottom", "NaN"), (INFINITE_STEP, "top", "∞")):
        point_at_edge(page, "loss", step, edge)
        tooltip = chart(page, "loss").locator(".tooltip")
        tooltip.get_by_text(f"step {step}", exact=True).wait_for()
        tooltip.get_by_text(name, exact=True).wait_for()


def test_what_is_no_number_is_marked_in_a_band(open_page: Callable[..., Page], site: Server) -> None:
    """Of many runs, which are one band, the step where one of them has NaN or an infinity is marked, too."""
    page = open_page(address(site))
    drawn(page, "loss", "plot.picture.areas[0].oddXs.length === 2")
    script = """([title, step, edge]) => {
        const figure = [...document.querySelectorAll("figure")].find((one) => one.ariaLabel === title);
        const { left, width, top, height, ratio, range } = figure.querySelector(".plot").plot.layout;
        const x = left + (width * (step - range[0])) / (range[1] - range[0]);
        const y = edge === "top" ? top + 7 * ratio : top + height - 7 * ratio;
        const seen = figure.querySelector("canvas").getContext("2d").getImageData(x - 4, y - 4, 8, 8).data;
        return seen.filter((value, at) => at % 4 === 3 && value > 200).length;
    }"""
    for step, edge in ((NAN_STEP, "bottom"), (INFINITE_STEP, "top")):
        is_marked = f"(args) => ({script})(args) > ({script})([args[0], args[1] + 60, args[2]]) + 5"
        page.wait_for_function(is_marked, arg=["loss", step, edge])


def point_at_edge(page: Page, title: str, step: int, edge: str) -> None:
    """Move the pointer to the mark of a step."""
    over = chart(page, title).locator(".u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    y = box["y"] + (8 if edge == "top" else box["height"] - 8)
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.move(box["x"] + box["width"] * step / (STEPS - 1), y)


def test_pointing_at_a_line_points_at_its_run(open_page: Callable[..., Page], site: Server) -> None:
    """The line is drawn strong in all charts, and the tooltip says which it is."""
    page = open_page(address(site, sel=chosen(*RUNS[:3])))
    drawn(page, "accuracy", "plot.picture.curves.length === 3")
    drawn(page, "train/reward", "plot.picture.curves.length === 3")
    box = chart(page, "accuracy").locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 50)
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 30)
    tooltip = chart(page, "accuracy").locator(".tooltip")
    tooltip.get_by_text(RUNS[0], exact=True).wait_for()
    page.wait_for_function("() => [...document.querySelectorAll('canvas.strong')].every((one) => one.width > 0)")
    page.mouse.move(5, 5)
    page.wait_for_function("() => [...document.querySelectorAll('canvas.strong')].every((one) => one.width === 0)")


def test_the_keyboard_zooms_pans_and_shows_everything_again(open_page: Callable[..., Page], site: Server) -> None:
    """Plus and minus, arrows, 0; each range stands in the address, and holds for all charts."""
    page = open_page(address(site, sel=chosen(SPECIAL)))
    drawn(page, "loss")
    chart(page, "loss").locator(".plot").focus()
    page.keyboard.press("+")
    assert seen(page, "loss", 49.75, 149.25) == seen(page, "accuracy", 49.75, 149.25)
    assert "range=49.75~149.25" in unquote(page.url)
    page.keyboard.press("ArrowRight")
    seen(page, "loss", 69.65, 169.15)
    page.keyboard.press("-")
    seen(page, "loss", 19.9, 218.9)
    page.keyboard.press("0")
    seen(page, "loss", 0, STEPS - 1)
    assert "range" not in page.url


def seen(page: Page, title: str, low: float, high: float) -> dict[str, Any]:
    """Wait until a chart shows a range of x."""
    near = f"Math.abs(plot.seen.x[0] - {low}) < 0.5 && Math.abs(plot.seen.x[1] - {high}) < 0.5"
    found: dict[str, Any] = drawn(page, title, near)["seen"]["x"]
    return found


def test_the_pointer_zooms_pans_and_shows_everything_again(open_page: Callable[..., Page], site: Server) -> None:
    """Dragging chooses a part, with Shift it moves; the wheel zooms a chart that has the focus; two clicks end it."""
    page = open_page(address(site, sel=chosen(SPECIAL)))
    drawn(page, "accuracy")
    over = chart(page, "accuracy").locator(".u-over")
    box = over.bounding_box()
    assert box is not None
    left, middle, width = box["x"], box["y"] + box["height"] / 2, box["width"]
    drag(page, (left + 0.25 * width, middle), (left + 0.75 * width, middle))
    seen(page, "accuracy", 0.25 * (STEPS - 1), 0.75 * (STEPS - 1))
    page.keyboard.down("Shift")
    drag(page, (left + 0.75 * width, middle), (left + 0.5 * width, middle))
    page.keyboard.up("Shift")
    seen(page, "accuracy", 0.375 * (STEPS - 1), 0.875 * (STEPS - 1))
    chart(page, "accuracy").locator(".plot").focus()
    page.mouse.wheel(0, -300)
    drawn(page, "accuracy", "plot.seen.x[1] - plot.seen.x[0] < 80")
    over.dblclick()
    seen(page, "accuracy", 0, STEPS - 1)


def drag(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag the pointer from one place to another."""
    page.mouse.move(*begin)
    page.mouse.down()
    page.mouse.move((begin[0] + end[0]) / 2, end[1])
    page.mouse.move(*end)
    page.mouse.up()


def test_axes_can_be_logarithmic_and_x_another_column(open_page: Callable[..., Page], site: Server) -> None:
    """What is not positive has no place there, and is marked; the settings stand in the address."""
    page = open_page(address(site, sel=chosen(SPECIAL)))
    drawn(page, "loss")
    page.get_by_label("log y").check()
    assert drawn(page, "loss", "plot.layout.up.isLog")["seen"]["y"][0] > 0
    page.get_by_label("log y").uncheck()
    for x, last in (("_relative", None), ("_timestamp", None), ("_row", STEPS - 1), ("accuracy", None)):
        page.get_by_label("x", exact=True).select_option("" if x == "_row" else x)
        assert f"x={x}" in page.url
        [curve] = drawn(page, "train/reward", f"plot.options.x === {json.dumps('' if x == '_row' else x)}")["curves"]
        assert last is None or float(curve["xs"][-1]) == last
    page.get_by_label("Smoothing").fill("0.9")
    drawn(page, "train/reward", "plot.picture.curves[0].smooth !== null")


def test_new_rows_appear_by_themselves(open_page: Callable[..., Page], own_site: Server) -> None:
    """A line goes on, and so does a band, without a reload."""
    page = open_page(address(own_site, sel=chosen(SPECIAL)))
    drawn(page, "accuracy")
    page.wait_for_function("() => document.documentElement.dataset.connected === 'true'")
    with ML_Logger(root=own_site.url, prefix=SPECIAL, silent=True) as logger:
        logger.log(STEPS, accuracy=0.123)
        logger.flush()
        [curve] = drawn(page, "accuracy", f"plot.picture.curves[0].xs.at(-1) === {STEPS}")["curves"]
        assert float(curve["ys"][-1]) == 0.123
        page.get_by_label("Runs", exact=True).select_option("bands")
        drawn(page, "accuracy", "plot.picture.areas.length === 1")
        logger.log(STEPS + 100, accuracy=77.0)
        logger.flush()
        drawn(page, "accuracy", "Math.max(...plot.picture.areas[0].max) === 77")


def test_charts_out_of_view_ask_nothing(open_page: Callable[..., Page], site: Server) -> None:
    """All that are in view ask once, together; the others when they come into view."""
    asked: list[list[str]] = []
    page = open_page("about:blank", viewport={"width": 700, "height": 420})
    page.on(
        "request", lambda request: request.url.endswith("/v1/series") and asked.append(keys_of(request.post_data_json))
    )
    page.goto(address(site, sel=chosen(SPECIAL)))
    drawn(page, "accuracy")
    assert [keys for keys in asked if "accuracy" in keys] == [asked[0]]
    assert all("train/reward" not in keys for keys in asked)
    chart(page, "train/reward").scroll_into_view_if_needed()
    drawn(page, "train/reward")
    assert sum("train/reward" in keys for keys in asked) == 1


def keys_of(question: Any) -> list[str]:
    """Return the metrics that a request asks for."""
    return [one["key"] for one in [*question["lines"], *question["bands"]]]


@pytest.fixture(scope="module")
def long_site(dashboard: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server over one run of a million rows, with one that is far from all others."""
    folder = tmp_path_factory.mktemp("long")
    path = folder / "long" / "run" / "metrics.pkl"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        for step in range(MILLION):
            loss = OUTLIER_VALUE if step == OUTLIER else math.sin(step / 5000)
            file.write(pickle.dumps({"_step": step, "_timestamp": 1.7e9 + step, "loss": loss}, 4))
    server = Server(folder)
    server.start()
    yield server
    server.stop()


def test_the_outlier_is_on_the_screen_at_every_zoom(open_page: Callable[..., Page], long_site: Server) -> None:
    """Of a million steps, from all of them down to two: in the drawn data, and as ink on the canvas."""
    page = open_page(address(long_site))
    drawn(page, "loss")
    width: float = MILLION
    for _ in range(20):
        low, high = max(0.0, OUTLIER - 0.6 * width), min(MILLION - 1.0, OUTLIER + 0.4 * width)
        page.evaluate("(hash) => { location.hash = hash }", f"#/charts?range={low}~{high}")
        fits = f"Math.abs(plot.seen.x[0] - {low}) < 1e-6 && Math.max(...plot.picture.curves[0].ys) === {OUTLIER_VALUE}"
        drawn(page, "loss", fits)
        assert is_inked(page, "loss", OUTLIER, OUTLIER_VALUE), (low, high)
        width /= 2
    exact = "plot.picture.curves[0].xs.length <= 6 && [...plot.picture.curves[0].xs].every((x) => x === Math.round(x))"
    [curve] = drawn(page, "loss", exact)["curves"]
    assert str(OUTLIER) in curve["xs"]


def test_a_chart_is_kept_as_csv_with_every_point(open_page: Callable[..., Page], site: Server) -> None:
    """Exactly as logged, NaN and infinities as well."""
    page = open_page(address(site, sel=chosen(SPECIAL)))
    drawn(page, "loss")
    rows = list(csv.reader(io.StringIO(exported(page, "loss", "CSV").decode())))

    assert rows[0] == ["run", "metric", "_step", "value"]
    assert [row[:3] for row in rows[1:]] == [[SPECIAL, "loss", str(step)] for step in range(STEPS)]
    values = [float(row[3]) for row in rows[1:]]
    number = RUNS.index(SPECIAL)
    assert values[STEPS - 1] == math.exp(-(STEPS - 1) / (40 + number)) + 0.01 * number
    assert math.isnan(values[NAN_STEP]) and values[INFINITE_STEP] == math.inf


def test_csv_of_a_long_run_leaves_nothing_out(open_page: Callable[..., Page], long_site: Server) -> None:
    """Only what is seen is kept: here two hundred thousand steps."""
    page = open_page(address(long_site, range="600000~799999"))
    drawn(page, "loss")
    lines = exported(page, "loss", "CSV").decode().splitlines()
    assert len(lines) == 200_001
    assert lines[1 + OUTLIER - 600_000] == f"long/run,loss,{OUTLIER},{OUTLIER_VALUE:g}"


def test_charts_are_kept_as_pictures(open_page: Callable[..., Page], site: Server) -> None:
    """An SVG that is well-formed and names its runs; a PNG of its size; and all charts on one sheet."""
    page = open_page(address(site, sel=chosen(*RUNS[:3])))
    drawn(page, "loss", "plot.picture.curves.length === 3")
    svg = ElementTree.fromstring(exported(page, "loss", "SVG"))
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"loss", "step", *RUNS[:3]} <= set(texts)
    assert (
        len([one for one in svg.iter("{http://www.w3.org/2000/svg}path") if (one.get("d") or "").count("L") > 50]) == 3
    )

    png = exported(page, "loss", "PNG")
    assert png.startswith(b"\x89PNG") and int.from_bytes(png[16:20], "big") == 2 * 752
    sheet = ElementTree.fromstring(exported(page, "all charts", "SVG"))
    texts = [element.text for element in sheet.iter("{http://www.w3.org/2000/svg}text")]
    assert {"loss", "accuracy", "train/reward", "eval/reward"} <= set(texts)


def exported(page: Page, name: str, form: str) -> bytes:
    """Export a chart, and return the file."""
    page.get_by_label(f"Export {name}", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("group", name=f"Export {name} as").get_by_role("button", name=form).click()
    return Path(download.value.path()).read_bytes()


def test_metrics_are_filtered_and_groups_are_closed(open_page: Callable[..., Page], site: Server) -> None:
    """By a regular expression, and by their prefix; both stand in the address."""
    page = open_page(address(site))
    drawn(page, "loss")
    page.get_by_label("Filter metrics by a regular expression").fill("^(train|eval)/")
    chart(page, "loss").wait_for(state="detached")
    page.get_by_role("button", name="train 1").click()
    chart(page, "train/reward").wait_for(state="detached")
    page.reload()
    chart(page, "eval/reward").wait_for()
    assert page.get_by_role("figure").count() == 1
    assert page.get_by_role("button", name="train 1").get_attribute("aria-expanded") == "false"


def test_panels_of_a_folder_come_first(open_page: Callable[..., Page], own_site: Server) -> None:
    """What `.charts.yml` asks for: several metrics in a chart over a third, and the last picture of each run."""
    with ML_Logger(root=own_site.url, prefix="door", silent=True) as logger:
        logger.log_text(
            "charts:\n- yKeys: [train/reward, eval/reward]\n  title: Rewards\n  xKey: accuracy\n"
            "- type: image\n  glob: '**/*.png'\n",
            ".charts.yml",
        )
        logger.flush()
    page = open_page(address(own_site, sel=chosen(*RUNS[:2])))
    assert len(drawn(page, "Rewards", "plot.picture.curves.length === 4")["curves"]) == 4
    pictures = chart(page, "**/*.png").get_by_role("img")
    pictures.nth(1).wait_for()
    page.wait_for_function("() => [...document.querySelectorAll('.files img')].every((one) => one.naturalWidth > 0)")
    assert pictures.count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_anybody(open_page: Callable[..., Page], site: Server, scheme: str) -> None:
    """axe finds no fault in the charts, with a menu that is open."""
    page = open_page(address(site, sel=chosen(*RUNS[:3])), color_scheme=scheme)
    drawn(page, "loss", "plot.picture.curves.length === 3")
    page.get_by_label("Export loss", exact=True).click()
    page.evaluate(AXE.read_text())
    faults = page.evaluate("axe.run().then((found) => found.violations.map(({id, nodes}) => [id, nodes[0].html]))")
    assert faults == []


def test_rows_without_a_step_are_drawn_by_their_number(open_page: Callable[..., Page], empty_site: Server) -> None:
    """`log(loss=0.1)` has none; lines and bands of it are there without anybody having to choose an x."""
    with ML_Logger(root=empty_site.url, prefix="plain", silent=True) as logger:
        for value in (3.0, 2.0, 1.0):
            logger.log(loss=value)
            logger.flush()
    page = open_page(address(empty_site))
    assert drawn(page, "loss")["curves"] == [{"run": "plain", "xs": ["0", "1", "2"], "ys": ["3", "2", "1"]}]
    assert exported(page, "loss", "CSV").decode().splitlines()[1] == "plain,loss,0,3"
    page.get_by_label("Runs", exact=True).select_option("bands")
    drawn(page, "loss", "plot.picture.areas[0]?.max.length === 3")


def test_a_file_that_is_replaced_is_drawn_anew(open_page: Callable[..., Page], own_site: Server) -> None:
    """Nothing of what it was stays."""
    page = open_page(address(own_site, sel=chosen(SPECIAL)))
    drawn(page, "accuracy", f"plot.picture.curves[0].xs.length === {STEPS}")
    page.wait_for_function("() => document.documentElement.dataset.connected === 'true'")
    path = own_site.data_dir / SPECIAL / "metrics.pkl"
    new = path.with_name("new")
    new.write_bytes(b"".join(pickle.dumps({"_step": step, "accuracy": 0.5}, 4) for step in range(3)))
    new.rename(path)
    [curve] = drawn(page, "accuracy", "plot.picture.curves[0].xs.length === 3")["curves"]
    assert curve["ys"] == ["0.5"] * 3
