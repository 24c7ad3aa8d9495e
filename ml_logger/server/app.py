"""The Sanic application: routes, who may call them, and how errors are answered. Handlers decide nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sanic import Blueprint, HTTPResponse, Request, Sanic, json
from sanic.exceptions import SanicException

from ml_logger.dashboard.shelf import Shelf
from ml_logger.errors import LoggerError
from ml_logger.notices import notice
from ml_logger.server import (
    batches,
    edits,
    files,
    histograms,
    live,
    openapi,
    pages,
    panels,
    render,
    runs,
    series,
    sessions,
    tables,
)
from ml_logger.server.admission import Admission, status_of_head
from ml_logger.server.audit import Audit, note_answer
from ml_logger.server.bodies import Bodies, Room
from ml_logger.server.catalog import Catalog
from ml_logger.server.committer import RETRY_AFTER, Committer
from ml_logger.server.connections import Traffic
from ml_logger.server.limits import DEFAULT, Limits
from ml_logger.server.listings import Scanned
from ml_logger.server.mounts import NETWORK, file_system
from ml_logger.server.sessions import Sessions
from ml_logger.server.tokens import Tokens, guard
from ml_logger.server.turns import Turns
from ml_logger.stores.folder import Folder
from ml_logger.transport import protocol

T = TypeVar("T")

routes = Blueprint("health", strict_slashes=True)

#: Seconds after which a request whose body stops coming, or whose answer stops being taken, is given up.
STALLED = 120.0
#: Threads for work that takes long, as of listings and tables of rows: two would get no more done, as they share one
#: interpreter, and take twice as much from those who write. And those that take batches apart, and look at tokens.
LONG, QUICK = 1, 2


class Service:
    """What handlers work with: the committer, the data folder, and threads for everything that may block."""

    def __init__(
        self, data_dir: Path, *, power: bool, workers: int, audit: Path | None = None, limits: Limits = DEFAULT
    ) -> None:
        self.limits = limits
        self.failure: str | None = None
        self.on_failure: Callable[[], object] = lambda: None
        self.folder = Folder(data_dir, follow_links=False)
        self.catalog = Catalog(self.folder.private("catalog.db"), "FULL" if power else "NORMAL", _journal(data_dir))
        self.committer = Committer(self.folder, self.catalog, power=power, fail=self._fail)
        self.editor = edits.Editor(self.committer)
        self.bodies = Bodies(limits.max_body, limits.body_timeout)
        self.answers = Room(series.ROOM)
        self.shelf = Shelf(self.committer.appends.open_view, limits.max_series)
        self.turns, self.places = Turns(LONG), tables.Places()
        self.scanned = Scanned()
        self.renders = Turns(LONG)
        self.audit = Audit(audit or self.folder.private("audit.log"), always=audit is not None)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="ml-logger-files")
        self._quick = ThreadPoolExecutor(QUICK, thread_name_prefix="ml-logger-quick")

    def _fail(self, why: str) -> None:
        self.failure = why
        self.on_failure()

    async def in_thread(self, work: Callable[..., T], *args: Any) -> T:
        """Do work that may block outside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    async def soon(self, work: Callable[..., T], *args: Any) -> T:
        """Do work outside the event loop that is short, and must not wait behind listings and files."""
        return await asyncio.get_running_loop().run_in_executor(self._quick, work, *args)

    def close(self) -> None:
        """Finish what was accepted."""
        self.committer.close()
        self.turns.close()
        self.renders.close()
        self.audit.close()
        for threads in (self._threads, self._quick):
            threads.shutdown(wait=False, cancel_futures=True)


def _journal(data_dir: Path) -> str:
    kind = file_system(data_dir)
    if kind not in NETWORK:
        return "WAL"
    notice(
        f"{data_dir} is on a network file system ({kind}): each commit is slower, and no other machine may write there"
    )
    return "TRUNCATE"


def create_app(service: Service, tokens: Tokens | None, admission: Admission | None = None) -> Sanic[Any, Any]:
    """Build the application around a service; most requests are let in by their token, if any."""
    app = Sanic(f"ml_logger_{secrets.token_hex(4)}", configure_logging=False)
    app.config.update(
        REQUEST_MAX_SIZE=service.limits.max_body,
        REQUEST_MAX_HEADER_SIZE=service.limits.max_head,
        REQUEST_TIMEOUT=service.limits.head_timeout,
        RESPONSE_TIMEOUT=STALLED,
        KEEP_ALIVE_TIMEOUT=service.limits.idle_timeout,
        ACCESS_LOG=False,
        FALLBACK_ERROR_FORMAT="json",
    )
    app.ctx.service = service
    app.ctx.traffic = Traffic(service.limits)
    app.ctx.sessions = Sessions(service.catalog.id)
    app.ctx.keeper = runs.Keeper(service)
    app.ctx.live = live.Live(app.ctx.keeper, service.folder.root)
    app.ctx.tokens = tokens or Tokens(service.folder.private("tokens.json"), None, required=False)
    app.blueprint(batches.routes)
    app.blueprint(files.routes)
    app.blueprint(edits.routes)
    app.blueprint(render.routes)
    app.blueprint(tables.routes)
    app.blueprint(histograms.routes)
    app.blueprint(runs.routes)
    app.blueprint(live.routes)
    app.blueprint(panels.routes)
    app.blueprint(series.routes)
    app.blueprint(openapi.routes)
    app.blueprint(pages.routes)
    app.blueprint(sessions.routes)
    app.blueprint(routes)
    (admission or Admission()).install(app)
    app.on_request(guard(app.ctx.tokens))
    app.register_middleware(note_answer, "response")
    app.exception(Exception)(answer_error)
    app.error_handler.add(asyncio.CancelledError, answer_error)
    app.before_server_stop(_end_streams)
    return app


async def _end_streams(app: Sanic[Any, Any]) -> None:
    """End what would go on for ever."""
    app.ctx.live.close()
    await app.ctx.keeper.close()


@routes.get(protocol.HEALTH, ctx_open=True)  # not by `add_route`, which reads a body that comes with it, of any length
async def health(request: Request) -> HTTPResponse:
    """Tell that the server is there, which catalog it serves, and what it has done since it was started."""
    service = request.app.ctx.service
    return json({"status": "ok", "catalog": service.catalog.id, **service.committer.counts()})


async def answer_error(request: Request, error: BaseException) -> HTTPResponse:
    """Answer an error with a status and one sentence; what a client sent is not echoed by Sanic's pages."""
    if isinstance(error, LoggerError):
        kind = {protocol.ERROR: type(error).__name__}
        return json({"error": str(error)}, protocol.status_of(error), headers=kind)
    if isinstance(error, SanicException):
        text = {404: "there is no such address", 405: "this address takes other methods"}.get(error.status_code)
        status = status_of_head(request, error.status_code)
        return json({"error": text or error.message or str(error)}, status, headers=error.headers)
    if isinstance(error, (MemoryError, asyncio.CancelledError)):
        # Of one that is given up only the audit log is told, unless the server is about to end.
        why = "the server is out of memory" if isinstance(error, MemoryError) else "given up before it was answered"
        return json({"error": why}, 503, headers={"Retry-After": str(RETRY_AFTER)})
    notice(f"{request.method} {request.path} failed: {type(error).__name__}: {error}")
    return json({"error": "the server made a mistake; its log says which"}, 500)
