"""What axe-core, which checks pages for people with disabilities, finds in a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

SOURCE = Path(__file__).parents[2] / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"


def drawn(page: Page) -> None:
    """Wait until all pictures of a page are drawn, or have failed."""
    page.evaluate(
        "Promise.all([...document.images].map((one) => one.complete || "
        "new Promise((done) => { one.addEventListener('load', done); one.addEventListener('error', done); })))"
    )


def faults(page: Page) -> list[str]:
    """Return what is wrong with a page as it is seen now: each broken rule with the elements that break it."""
    page.evaluate(SOURCE.read_text(encoding="utf-8"))
    # What fades in or out has no color of its own yet.
    page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)))")
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((found) => found.violations)")
    return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]
