"""Measure what somebody waits for who opens the dashboard, in a headless Chromium beside a server on this machine.

100 runs of 20 metrics and 1,000 steps: from the start of the server to its first answer; from the page to the list of
runs, to the first chart; what travels, the heap of the page, the memory of the server, the longest task while all is
scrolled. 10,000 runs: the list, and each key of a search. One run of 1,000,000 points: its chart with the server just
started, and with the run in its index, and each zoom, where the outlier at step 700,123 must be among what is drawn.
50 runs that log 10 rows a second each: from the call to the frame that shows the row, and what travels afterwards,
when nothing is logged. Each is a row of the table: the median (of the rounds, where there are some), the worst, and
what is aimed for. Prints a table; does not gate. Needs `pip install playwright` and Debian's chromium.
"""

import argparse
import json
import math
import pickle
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_logger import ML_Logger
from ml_logger.testing import Server

CHROMIUM = "/usr/bin/chromium"
STEPS, METRICS = 1_000, 20
OUTLIER, POINTS = 700_123, 1_000_000
#: Milliseconds after which the page is given up.
PATIENCE = 60_000

#: What the page is watched with: when the first run is listed and the first line drawn, long tasks, slow frames, and of
#: each row whose value is the time of its call, how long it took until it was among what is drawn.
WATCH = """
(() => {
  const seen = (window.seen = { list: 0, chart: 0, tasks: [], frames: [], late: {} });
  new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((task) => task.duration)))
    .observe({ type: "longtask", buffered: true });
  const stroke = CanvasRenderingContext2D.prototype.stroke;
  CanvasRenderingContext2D.prototype.stroke = function (...path) {
    if (path.length && !seen.chart) seen.chart = performance.now();
    return stroke.apply(this, path);
  };
  let before = performance.now();
  const frame = (now) => {
    seen.frames.push(now - before);
    before = now;
    if (!seen.list && [...document.querySelectorAll("main a")].some((link) => link.hash.startsWith("#/run/")))
      seen.list = performance.now();
    if (seen.watching) for (const plot of document.querySelectorAll(".plot")) look(plot.plot);
    requestAnimationFrame(frame);
  };
  const look = (figure) => figure?.picture.curves.forEach(({ run, ys }) => {
    const last = Math.max(...ys.slice(-50).filter(Number.isFinite));
    if (!(last > 1e9)) return;
    const known = seen.late[run] ?? (seen.late[run] = { last: 0, took: [] });
    if (last > known.last) {
      known.last = last;
      known.took.push(Date.now() - 1000 * last);
    }
  });
  requestAnimationFrame(frame);
})();
"""


def write_run(root: Path, name: str, number: int, steps: int, metrics: int) -> None:
    """Write the files of a run as the logger does."""
    chance = random.Random(number)
    with ML_Logger(root=root, prefix=name) as logger:
        logger.log_params(
            silent=True, Args={"lr": chance.choice([1e-4, 3e-4, 1e-3]), "seed": number, "env": chance.choice("abc")}
        )
        logger.job_started(silent=True)
    (root / name).mkdir(parents=True, exist_ok=True)
    with open(root / name / "metrics.pkl", "wb") as file:
        for step in range(steps):
            row: dict[str, Any] = {"_step": step, "_timestamp": 1.79e9 + step}
            for metric in range(metrics):
                row[f"{'train' if metric % 2 else 'eval'}/metric_{metric}"] = (
                    math.exp(-step / 300) + chance.random() / 9
                )
            file.write(pickle.dumps(row, 4))


def write_long_run(root: Path) -> None:
    """Write a run of a million rows with one outlier."""
    (root / "long").mkdir(parents=True)
    with open(root / "long" / "metrics.pkl", "wb") as file:
        for step in range(POINTS):
            loss = 1e3 if step == OUTLIER else math.sin(step / 9e4) + random.random() / 9
            file.write(pickle.dumps({"_step": step, "_timestamp": 1.79e9 + step / 10, "loss": loss}, 4))


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Run a server over a folder."""
    server = Server(root)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Table:
    """Prints what was measured, a line each."""

    def __init__(self) -> None:
        print(f"{'':44} │{'median':>9}{'worst':>9}{'aim':>9}")
        print("─" * 45 + "┼" + "─" * 30)

    def add(self, name: str, values: list[float], aim: float, unit: str) -> None:
        """Print one line."""
        if values:
            print(f"{name:44} │{statistics.median(values):9,.1f}{max(values):9,.1f}{aim:9,.0f} {unit}", flush=True)
        else:
            print(f"{name:44} │{'nothing was measured':>27}", flush=True)


@contextmanager
def page_on(browser: Any, address: str) -> Iterator[Any]:
    """Open a page with nothing in its cache; `page.received` counts the bytes that came."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    page.tools = context.new_cdp_session(page)
    page.received = 0

    def count(event: dict[str, Any]) -> None:
        page.received += event.get("encodedDataLength", 0)

    page.tools.send("Network.enable")
    page.tools.on("Network.dataReceived", count)
    page.tools.on("Network.responseReceived", lambda event: count(event["response"]))
    try:
        page.goto(address)
        yield page
    finally:
        context.close()


def seen(page: Any, what: str) -> float:
    """Wait for what is seen first; return the milliseconds since the page was asked for."""
    return float(
        page.evaluate(
            """async ([what, patience]) => {
              while (!window.seen[what]) {
                if (performance.now() > patience) throw new Error(`${what} was not seen`);
                await new Promise((resolve) => setTimeout(resolve, 20));
              }
              return window.seen[what];
            }""",
            [what, PATIENCE],
        )
    )


def heap(page: Any) -> float:
    """Return the MiB of the page's heap, arrays of numbers among them, without what is garbage."""
    page.tools.send("HeapProfiler.collectGarbage")
    found = page.tools.send("Runtime.getHeapUsage")
    return float(found["usedSize"] + found.get("backingStorageSize", 0) + found.get("embedderHeapUsedSize", 0)) / 2**20


def memory(server: Server) -> float:
    """Return the MiB of a server's memory."""
    with open(f"/proc/{server.pid}/status") as file:
        [line] = [line for line in file if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


def longest(page: Any, tail: int = 0) -> float:
    """Return the longest task so far, of those after the first ones, in milliseconds; 0 where none was over 50."""
    return float(page.evaluate(f"Math.max(0, ...window.seen.tasks.slice({tail}))"))


def scroll(page: Any) -> float:
    """Scroll all that can be scrolled to its end, a frame at a time; return the longest task."""
    before = page.evaluate("window.seen.tasks.length")
    page.evaluate(
        """async () => {
          const moves = (one) => /auto|scroll/.test(getComputedStyle(one).overflowY);
          const can = (one) => one.scrollHeight > one.clientHeight + 40 && moves(one);
          for (const one of [...document.querySelectorAll("*")].filter(can)) {
            for (let at = 0; at < Math.min(one.scrollHeight, 20000); at += 120) {
              one.scrollTop = at;
              await new Promise(requestAnimationFrame);
            }
          }
          await new Promise((resolve) => setTimeout(resolve, 300));
        }"""
    )
    return longest(page, before)


def start(root: Path, rounds: int, table: Table) -> None:
    """Measure the start of a server, over the time that its imports take."""
    imports, starts = [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import ml_logger.server.app, ml_logger.server.life"], check=True)
        imports.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        with serving(root) as server:
            urllib.request.urlopen(f"{server.url}/v1/health", timeout=30).read()
            starts.append(time.perf_counter() - begin)
    over = statistics.median(imports)
    table.add("start of the server, over its imports", [1e3 * (each - over) for each in starts], 500, "ms")


def hundred(browser: Any, root: Path, rounds: int, table: Table) -> None:
    """Measure the first view of 100 runs."""
    found: dict[str, list[float]] = {name: [] for name in ("list", "chart", "bytes", "heap", "memory", "tasks")}
    with serving(root) as server:
        for _ in range(rounds + 1):
            with page_on(browser, server.url) as page:
                listed, drawn = seen(page, "list"), seen(page, "chart")
                page.wait_for_timeout(1000)
                values = [listed, drawn, page.received / 1e6, heap(page), memory(server), scroll(page)]
            for name, value in zip(found, values, strict=True):
                found[name].append(value)
    first = {name: values.pop(0) for name, values in found.items()}
    table.add("100 runs: page to list, server just started", [first["list"]], 200, "ms")
    table.add("100 runs: page to chart, server just started", [first["chart"]], 500, "ms")
    table.add("100 runs: page to list", found["list"], 200, "ms")
    table.add("100 runs: page to first chart", found["chart"], 500, "ms")
    table.add("100 runs: first view", found["bytes"], 1, "MB")
    table.add("100 runs: heap of the page", found["heap"], 60, "MiB")
    table.add("100 runs: memory of the server", found["memory"], 200, "MiB")
    table.add("100 runs: longest task while scrolling", found["tasks"], 50, "ms")


def found_all(server: Server) -> float:
    """Return the milliseconds until a server that has just been started knows all runs."""
    begin = time.perf_counter()
    told: dict[str, Any] = {"complete": False, "version": ""}
    while not told["complete"]:
        with urllib.request.urlopen(f"{server.url}/v1/runs?since={told['version']}", timeout=60) as answer:
            told = json.load(answer)
        time.sleep(0.2)
    return 1e3 * (time.perf_counter() - begin)


def thousands(browser: Any, root: Path, rounds: int, table: Table) -> None:
    """Measure the list of many runs, and its search."""
    listed, keys, tasks = [], [], []
    with serving(root) as server:
        table.add("many runs: all found by a server just started", [found_all(server)], 30_000, "ms")
        for _ in range(rounds):
            with page_on(browser, f"{server.url}/#/runs") as page:
                listed.append(seen(page, "list"))
                page.wait_for_timeout(1500)
                page.keyboard.press("/")
                for key in "lr<1e-3 env=a":
                    keys.append(
                        page.evaluate(
                            """async (key) => {
                              const field = document.activeElement, begin = performance.now();
                              field.value += key;
                              field.dispatchEvent(new InputEvent("input", { bubbles: true }));
                              await new Promise(requestAnimationFrame);
                              await new Promise((resolve) => setTimeout(resolve));
                              return performance.now() - begin;
                            }""",
                            key,
                        )
                    )
                tasks.append(scroll(page))
    table.add("many runs: page to list", listed, 1000, "ms")
    table.add("many runs: a key of the search, to its frame", keys, 50, "ms")
    table.add("many runs: longest task while scrolling", tasks, 50, "ms")


def million(browser: Any, root: Path, rounds: int, table: Table) -> None:
    """Measure the chart of a long run, and its zoom."""
    cold, warm, zooms, lost = [], [], [], 0
    for _ in range(rounds):
        with serving(root) as server:
            for times in (cold, warm):
                with page_on(browser, server.url) as page:
                    times.append(seen(page, "chart"))
                    if times is warm:
                        page.wait_for_timeout(500)
                        took, missed = zoom(page)
                        zooms += took
                        lost += missed
    table.add("1,000,000 points: chart, server just started", cold, 2000, "ms")
    table.add("1,000,000 points: chart", warm, 300, "ms")
    table.add("1,000,000 points: a zoom", zooms, 50, "ms")
    table.add("1,000,000 points: zooms without the outlier", [float(lost)], 0, "")


def zoom(page: Any) -> tuple[list[float], int]:
    """Zoom in by halves around the outlier; return how long each took to exact data, and how many lost the outlier."""
    found = page.evaluate(
        """async (outlier) => {
          const figure = document.querySelector(".plot").plot, took = [];
          const frame = () => new Promise(requestAnimationFrame);
          let lost = 0;
          for (let width = Infinity; width > 40; ) {
            const [from, to] = figure.seen.x, [{ xs }] = figure.picture.curves, begin = performance.now();
            width = to - from;
            figure.zoom(0.5, (outlier - from) / width);
            const isExact = () => figure.picture.curves[0]?.xs !== xs || width < 1900;
            while ((figure.seen.x[0] === from || !isExact()) && performance.now() - begin < 2000) await frame();
            took.push(performance.now() - begin);
            const { xs: at, ys } = figure.picture.curves[0];
            if (!at.some((x, number) => x === outlier && ys[number] === 1000)) lost += 1;
            await new Promise((resolve) => setTimeout(resolve, 150));
          }
          return [took, lost];
        }""",
        OUTLIER,
    )
    return found[0], found[1]


def live(browser: Any, seconds: float, table: Table) -> None:
    """Measure how long it takes until a row that is logged is drawn, with 50 runs that log 10 rows a second each."""
    with tempfile.TemporaryDirectory() as scratch, serving(Path(scratch) / "data") as server:
        loggers = [ML_Logger(root=server.url, prefix=f"live/{number}") for number in range(50)]
        stop = threading.Event()

        def train(first: int) -> None:
            step = 0
            while not stop.wait(0.1):
                for logger in loggers[first::5]:
                    logger.log(step=step, now=time.time(), flush=True, silent=True)
                step += 1

        threads = [threading.Thread(target=train, args=(first,)) for first in range(5)]
        for thread in threads:
            thread.start()
        with page_on(browser, f"{server.url}/#/runs?lines=lines") as page:
            seen(page, "chart")
            page.wait_for_timeout(2000)
            page.evaluate("window.seen.frames = []; window.seen.late = {}; window.seen.watching = true")
            page.wait_for_timeout(1000 * seconds)
            told = page.evaluate("window.seen.watching = false; window.seen")
            stop.set()
            for thread in threads:
                thread.join()
            for logger in loggers:
                logger.close()
            page.wait_for_timeout(2000)
            before = page.received
            page.wait_for_timeout(5000)
            idle = page.received - before
    late = sorted(took for known in told["late"].values() for took in known["took"][1:])
    table.add("50 runs, 10 rows/s each: logged to visible", late, 150, "ms")
    table.add("50 runs, 10 rows/s each: the same, p95", late[int(0.95 * len(late)) :][:1], 300, "ms")
    table.add("50 runs, 10 rows/s each: a frame", told["frames"], 50, "ms")
    table.add("idle: bytes in 5 seconds", [float(idle)], 0, "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little of everything, only to see that it works")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--only", nargs="*", default=["start", "hundred", "many", "million", "live"])
    parser.add_argument("--json", action="store_true", help="print what Chromium is used, too")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    rounds, share = (1, 10) if given.quick else (given.rounds, 1)
    with sync_playwright() as play, tempfile.TemporaryDirectory() as scratch:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        if given.json:
            print(json.dumps({"chromium": browser.version}))
        table, root = Table(), Path(scratch)
        if {"start", "hundred"} & set(given.only):
            for number in range(100):
                write_run(root / "hundred", f"sweep/run-{number:03}", number, STEPS // share, METRICS)
        if "start" in given.only:
            start(root / "hundred", rounds, table)
        if "hundred" in given.only:
            hundred(browser, root / "hundred", rounds, table)
        if "many" in given.only:
            for number in range(10_000 // share):
                write_run(root / "many", f"sweep-{number % 7}/run-{number:05}", number, 3, 3)
            thousands(browser, root / "many", rounds, table)
        if "million" in given.only:
            write_long_run(root / "million")
            million(browser, root / "million", rounds, table)
        if "live" in given.only:
            live(browser, 2.0 if given.quick else 20.0, table)
        browser.close()


if __name__ == "__main__":
    main()
