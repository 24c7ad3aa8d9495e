"""The page itself: it asks for a token where one is needed, and keeps it from scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import requests

from ml_logger import ML_Logger, tokens
from ml_logger.dashboard import ASSETS
from ml_logger.testing import Server
from tests.dashboard.axe import faults
from tests.dashboard.proxy import below_a_path
from tests.dashboard.runs import RUNS, fill

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: What a browser does when a tab goes behind another one, or comes in front.
SEEN = """
Object.defineProperty(document, "hidden", {{ value: {0}, configurable: true }});
document.dispatchEvent(new Event("visibilitychange"));
"""

#: Keys that somebody presses when rows are there and nothing was painted since: no frame comes, and no timer, before.
QUICK_FINGERS = """
const held = [], { requestAnimationFrame, setTimeout } = window;
window.requestAnimationFrame = window.setTimeout = (...call) => held.push(call);
new MutationObserver((_, observer) => {
  if (!document.querySelector("[role=row][data-index] a[href]")) return;
  observer.disconnect();
  for (const key of "je") document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  Object.assign(window, { requestAnimationFrame, setTimeout });
  for (const [call, delay] of held) setTimeout(call, delay);
}).observe(document, { childList: true, subtree: true });
"""


def test_keys_work_as_soon_as_runs_are_seen(open_page: Callable[..., Page], site: Server) -> None:
    """No key is lost on a busy machine, where what comes behind the first frame comes late."""
    page = open_page("about:blank")
    page.add_init_script(QUICK_FINGERS)
    page.goto(f"{site.url}/#/runs?sort=name")

    page.get_by_role("dialog", name=f"Edit {min(RUNS)}").wait_for()


def test_it_shows_the_runs(page: Page) -> None:
    """The page opens with all runs, counted, and hears of news."""
    page.get_by_role("banner").get_by_role("status").get_by_text(f"{len(RUNS)} runs · live").wait_for()

    assert page.title() == "ML-Logger"


def test_it_is_small(dashboard: None) -> None:
    """All that the page ever loads has at most 120 kB as it travels, and what it begins with at most 90."""
    sizes = {path.name: path.stat().st_size for path in ASSETS.rglob("*.gz")}
    first = re.findall(r"assets/([\w.-]+)", (ASSETS / "index.html").read_text())

    assert len(first) >= 3 and sum(sizes.values()) <= 120_000
    assert sum(sizes[f"{name}.gz"] for name in first) <= 90_000


def test_pages_that_nobody_sees_take_no_connection(open_page: Callable[..., Page], own_site: Server) -> None:
    """A page in a tab behind others hears nothing, so that many may be open; in front again it knows what is new."""
    page = open_page(own_site.url)
    status = page.get_by_role("banner").get_by_role("status")
    status.get_by_text(f"{len(RUNS)} runs · live").wait_for()
    page.evaluate(SEEN.format("true"))
    status.get_by_text("not connected").wait_for()
    with ML_Logger(root=own_site.url, prefix="new/run", silent=True) as logger:
        logger.log(0, loss=1.0, flush=True)
    assert f"{len(RUNS)} runs" in status.inner_text()
    page.evaluate(SEEN.format("false"))

    status.get_by_text(f"{len(RUNS) + 1} runs · live").wait_for()


def test_it_works_below_any_path(open_page: Callable[..., Page], guarded_site: tuple[Server, str]) -> None:
    """Behind a proxy that shows the server below a path all is the same: assets, the session, runs, and news."""
    server, secret = guarded_site
    fill(server.data_dir, 1)
    with below_a_path(server) as url:
        page = open_page(f"{url}#token={secret}")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.get_by_role("banner").get_by_role("status").get_by_text("1 run · live").wait_for()
        page.reload()
        page.get_by_role("banner").get_by_role("status").get_by_text("1 run · live").wait_for()

        page.close()  # before the proxy
        assert len(asked) > 5 and [address for address in asked if not address.startswith(url)] == []


def test_a_token_is_asked_for(
    open_page: Callable[..., Page], guarded_site: tuple[Server, str], troubles: list[str]
) -> None:
    """Where tokens are needed the page asks for one, says what is wrong with a wrong one, and lets nothing be seen."""
    server, _ = guarded_site
    page = open_page(server.url)
    field = page.get_by_label("Token")
    field.wait_for()
    field.fill("mll_wrong")
    page.get_by_role("button", name="Open").click()

    page.get_by_role("alert").get_by_text("the token is not one of the server's").wait_for()
    assert page.get_by_role("navigation").count() == 0
    assert faults(page) == []
    assert field.get_attribute("type") == "password"
    assert all("401" in trouble for trouble in troubles)
    troubles.clear()


def test_the_token_leaves_nothing_that_scripts_can_read(
    open_page: Callable[..., Page], guarded_site: tuple[Server, str], troubles: list[str]
) -> None:
    """The token goes from the address into a cookie: not into the history, the storage, or anything of the page."""
    server, secret = guarded_site
    page = open_page(f"{server.url}/#token={secret}")
    page.get_by_role("navigation", name="Views").wait_for()
    seen = page.evaluate("[location.href, document.cookie, JSON.stringify(localStorage), document.body.innerHTML]")
    cookies = page.context.cookies()

    assert secret not in str(seen) and seen[1] == ""
    assert [(cookie["httpOnly"], cookie["sameSite"], cookie["path"]) for cookie in cookies] == [(True, "Strict", "/")]
    assert secret not in str(cookies)
    page.reload()
    page.get_by_role("navigation", name="Views").wait_for()
    troubles.clear()


def test_a_link_with_a_token_lets_in_where_the_page_is_open(
    open_page: Callable[..., Page], guarded_site: tuple[Server, str]
) -> None:
    """The link works in the tab that asks for a token, too, and the token does not stay in the address."""
    server, secret = guarded_site
    page = open_page(server.url)
    page.get_by_label("Token").wait_for()
    page.goto(f"{server.url}/#token={secret}")

    page.get_by_role("button", name="Log out").wait_for()
    assert secret not in page.url


def test_who_leaves_is_out(
    open_page: Callable[..., Page], guarded_site: tuple[Server, str], troubles: list[str]
) -> None:
    """After "Log out" the page asks for a token, and the cookie is worth nothing, also where it was kept."""
    server, secret = guarded_site
    page = open_page(f"{server.url}/#token={secret}")
    leave = page.get_by_role("button", name="Log out")
    leave.wait_for()
    (cookie,) = page.context.cookies()
    assert leave.get_attribute("title") == "Logged in as ann"
    leave.click()

    page.get_by_label("Token").wait_for()
    assert page.context.cookies() == []
    kept = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    assert requests.get(f"{server.url}/v1/entries", headers=kept, timeout=30).status_code == 401
    page.close()
    assert all("401" in trouble for trouble in troubles)  # what was asked for just then
    troubles.clear()


def test_a_revoked_token_ends_the_page(
    open_page: Callable[..., Page], guarded_site: tuple[Server, str], troubles: list[str]
) -> None:
    """Who is looking when the token is revoked is asked for another one, and sees nothing more."""
    server, secret = guarded_site
    page = open_page(f"{server.url}/#token={secret}")
    page.get_by_role("banner").get_by_role("status").get_by_text("live", exact=False).wait_for()
    tokens.revoke(tokens.path_in(server.data_dir), "ann")

    page.get_by_label("Token").wait_for()
    assert page.get_by_role("navigation").count() == 0
    page.close()
    assert troubles and all("401" in trouble for trouble in troubles)
    troubles.clear()


def test_another_token_sees_its_own_runs(
    open_page: Callable[..., Page], guarded_site: tuple[Server, str], troubles: list[str]
) -> None:
    """Who comes with another token, where the page is open, sees what that one reaches, and nothing from before."""
    server, secret = guarded_site
    fill(server.data_dir)
    page = open_page(f"{server.url}/#token={secret}")
    status = page.get_by_role("banner").get_by_role("status")
    status.get_by_text(f"{len(RUNS)} runs").wait_for()
    other = tokens.add(tokens.path_in(server.data_dir), "bea", prefix="door")
    tokens.revoke(tokens.path_in(server.data_dir), "ann")
    page.get_by_label("Token").fill(other)
    page.get_by_role("button", name="Open").click()

    status.get_by_text(f"{sum(run.startswith('door/') for run in RUNS)} runs · live").wait_for()
    page.close()
    assert all("401" in trouble for trouble in troubles)
    troubles.clear()


def test_a_page_waits_for_its_server(open_page: Callable[..., Page], own_site: Server, troubles: list[str]) -> None:
    """A server that is started again finds its pages: they say that it is away, and go on when it is back."""
    page = open_page(own_site.url)
    status = page.get_by_role("banner").get_by_role("status")
    status.get_by_text(f"{len(RUNS)} runs · live").wait_for()
    page.get_by_role("link", name="Files").click()
    page.get_by_role("treeitem", name="door").wait_for()
    own_site.stop()
    status.get_by_text("not connected").wait_for()
    page.get_by_role("button", name="Read the folder again").click()
    page.get_by_text("the server cannot be reached").first.wait_for()
    own_site.start()

    status.get_by_text(f"{len(RUNS)} runs · live").wait_for()
    assert all("net::ERR" in trouble or "503" in trouble for trouble in troubles)  # 503: while it keeps what it knows
    troubles.clear()
