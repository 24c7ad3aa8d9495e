"""Files that would run a script in the browser of somebody who looks at them, if anything did run."""

from __future__ import annotations

from pathlib import Path

from tests.dashboard.runs import SPECIAL

ATTACK = "window.attacked = true; alert(1)"
MARKUP = f"<img src=x onerror='{ATTACK}'><script>{ATTACK}</script><svg onload='{ATTACK}'></svg>"
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="80" height="40" '
    f'onload="{ATTACK}"><script>{ATTACK}</script><rect width="80" height="40" fill="green" onclick="{ATTACK}"/>'
    f'<a xlink:href="javascript:{ATTACK}"><text y="20">x</text></a>'
    '<foreignObject width="80" height="40"><body xmlns="http://www.w3.org/1999/xhtml">'
    f'<img src="x" onerror="{ATTACK}"/></body></foreignObject></svg>'
)
FILES = {
    "<img src=x onerror=alert(1)>.txt": "a name",
    "'\"><b onmouseover=alert(1)>.log": MARKUP,
    "page.html": f"<!doctype html><title>x</title>{MARKUP}",
    "page.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body><script>{ATTACK}</script></body></html>',
    "drawing.svg": DRAWING,
    "drawing_2.svg": DRAWING,
    "picture.png": DRAWING,
    "film.mp4": MARKUP,
    "data.json": f'{{"{MARKUP[:10]}": "</script>"}}',
    "index.diff": f"--- {MARKUP}\n+++ {MARKUP}\n@@ -1 +1 @@\n-{MARKUP}\n+{MARKUP}\n",
    "notes.md": f"# x\n\n{MARKUP}\n\n[click](javascript:{ATTACK})\n",
    "no-suffix": MARKUP,
}


def plant(data: Path) -> list[str]:
    """Put them into a run of a data folder, and return their keys."""
    for name, text in FILES.items():
        path = data / SPECIAL / "evil" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [f"{SPECIAL}/evil/{name}" for name in FILES]
