"""The page itself: it asks for a token where one is needed, and keeps it from scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ml_logger.testing import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page


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
