"""`GET /v1/panels?folder=KEY`: what the `.charts.yml` next to a folder asks the dashboard to show."""

from __future__ import annotations

import os
from typing import Any

from sanic import Blueprint, HTTPResponse, Request
from sanic import json as sanic_json

from ml_logger import keys
from ml_logger.dashboard import panels
from ml_logger.errors import CorruptData, NotAvailable
from ml_logger.server.appends import Appends
from ml_logger.server.tokens import allowed
from ml_logger.transport import protocol

routes = Blueprint("panels")


@routes.get(protocol.PANELS, ctx_keeps_prefix=True)
async def get_panels(request: Request) -> HTTPResponse:
    """Tell the panels of a folder: of the nearest file that is in it or above it, as far as the token reaches."""
    service, asked = request.app.ctx.service, request.args.get("folder", "")
    folder = asked and keys.check(asked)
    token = allowed(request, "read", *([folder] if folder else []))
    names = [name for name in _upwards(folder) if token.reaches(name)]
    return sanic_json(await service.in_thread(_panels, service.committer.appends, names))


def _upwards(folder: str) -> list[str]:
    parts = folder.split("/") if folder else []
    return ["/".join([*parts[:depth], panels.NAME]) for depth in range(len(parts), -1, -1)]


def _panels(appends: Appends, names: list[str]) -> dict[str, Any]:
    """Return where the file is, what it holds, and what is wrong with it."""
    for name in names:
        data = _bytes(appends, name)
        if data is None:
            continue
        try:
            return {"key": name, "panels": [panel._asdict() for panel in panels.parse(data)], "fault": None}
        except (CorruptData, NotAvailable) as error:
            return {"key": name, "panels": [], "fault": f"{name}: {error}"}
    return {"key": None, "panels": [], "fault": None}


def _bytes(appends: Appends, name: str) -> bytes | None:
    """Return a file, or of a large one enough to see that it is; None where there is none."""
    try:
        descriptor, _, length = appends.open_view(name)
    except OSError:
        return None
    try:
        return os.pread(descriptor, min(length, panels.LARGEST + 1), 0)
    finally:
        os.close(descriptor)
