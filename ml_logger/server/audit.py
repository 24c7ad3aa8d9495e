"""The audit log: one line of JSON for each request that changes something, or wanted to. No secrets, no contents."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request
from sanic.response import BaseHTTPResponse

from ml_logger.notices import notice
from ml_logger.server.tokens import scope_of
from ml_logger.stores.folder import write_all
from ml_logger.transport.frames import Frame

#: A log longer than this, in bytes, is set aside as `NAME.1`, and one that was set aside before is removed.
LONGEST = 32 * 2**20
#: Lines that may wait for a slow disk; further ones are counted, and left out.
MOST_WAITING = 10_000
#: Keys that one line names.
MOST_KEYS = 5
#: Characters of a key, an address or an error that a line holds: clients choose them, and a log must not be theirs.
MOST_TEXT = 200


def what(batch: list[Frame], touched: Iterable[str]) -> dict[str, Any]:
    """Return what a batch asks for: how many of each operation, and the first keys that it touches."""
    named = dict.fromkeys(touched)
    counts = Counter(frame.op.name.lower() for frame in batch)
    keys = [key[:MOST_TEXT] for key in islice(named, MOST_KEYS)]
    return {"ops": dict(counts), "keys": keys, "more_keys": max(0, len(named) - MOST_KEYS)}


class Audit:
    """Writes the lines in a thread of its own: no disk holds up an answer.

    Args:
        path: the file.
        always: whether lines are written also while no token is needed, and nobody has a name.
    """

    def __init__(self, path: Path, *, always: bool) -> None:
        self.path = path
        self.always = always
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._missing = 0
        self._is_told = False

    def note(self, request: Request, response: BaseHTTPResponse) -> None:
        """Write down a request and its answer. For any thread."""
        if scope_of(request) == "read" or not (self.always or request.app.ctx.tokens.required):
            return
        line = {**_described(request), **_result(response)}
        with self._lock:
            if self._lines.qsize() >= MOST_WAITING:
                self._missing += 1
                return
            if self._missing:
                line["left_out_before"], self._missing = self._missing, 0
            self._lines.put(json.dumps(line).encode() + b"\n")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ml-logger-audit", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Write what waits, for at most a few seconds."""
        if self._thread is not None:
            self._lines.put(None)
            self._thread.join(3.0)

    def _run(self) -> None:
        ended = False
        while not ended:
            waiting = [self._lines.get()]
            while not self._lines.empty():
                waiting.append(self._lines.get())
            ended = None in waiting
            self._write(b"".join(line for line in waiting if line is not None))

    def _write(self, data: bytes) -> None:
        if not data:
            return
        try:
            if self.path.exists() and self.path.stat().st_size > LONGEST:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            # Opened anew for each write: whoever rotates logs may move it away at any time.
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                write_all(file, data)
            finally:
                os.close(file)
            self._is_told = False
        except OSError as error:
            if not self._is_told:
                notice(
                    f"the audit log {self.path} cannot be written: {error.strerror}; requests are served all the same"
                )
            self._is_told = True


def _described(request: Request) -> dict[str, Any]:
    token, size = getattr(request.ctx, "token", None), request.headers.get("content-length", "")
    return {
        "time": datetime.fromtimestamp(time.time(), timezone.utc).isoformat(timespec="milliseconds"),
        "who": token.name or None if token is not None else None,
        "address": request.ip,
        "request": f"{request.method[:MOST_TEXT]} {request.path[:MOST_TEXT]}",
        "size": int(size) if size.isascii() and size.isdigit() and len(size) < 20 else None,
        **getattr(request.ctx, "what", {}),
    }


def _result(response: BaseHTTPResponse) -> dict[str, Any]:
    result: dict[str, Any] = {"status": response.status}
    try:
        said = json.loads(response.body or b"{}")
        if "committed" in said:
            result["committed"] = said["committed"]
        if "error" in said:
            result["error"] = str(said["error"])[:MOST_TEXT]
        if said.get("rejected"):
            result["rejected"] = len(said["rejected"])
    except (ValueError, TypeError, AttributeError):
        pass  # no JSON of ours
    return result


async def note_answer(request: Request, response: BaseHTTPResponse) -> HTTPResponse | None:
    """Write down each request that is answered, but for a batch whose line is written when it is committed."""
    if not getattr(request.ctx, "line_follows", False):
        request.app.ctx.service.audit.note(request, response)
    return None
