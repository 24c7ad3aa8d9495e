"""The life of a server: it says where it is, serves, and stops cleanly on SIGTERM and Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import sys
from collections.abc import Coroutine
from typing import Any

from sanic import Sanic

from ml_logger.notices import notice, write
from ml_logger.server.app import Service
from ml_logger.server.connections import Connection

#: Seconds that requests in flight are given when the server stops.
GRACE = 3.0
#: Seconds after which a thread that lists or decodes lets another one go on. A batch waits for that a dozen times: at
#: 0.5 ms, ten times less than Python's own, it took five times as long beside one who asks for tables.
SWITCH_EVERY = 0.00005


def run(
    app: Sanic[Any, Any],
    service: Service,
    listener: socket.socket,
    greeting: str,
    tls: ssl.SSLContext | None = None,
) -> int:
    """Serve until a signal, or until the disk has failed; return the exit status."""
    sys.setswitchinterval(SWITCH_EVERY)
    _run_loop(_serve(app, service, listener, greeting, tls))
    if service.failure is not None:
        notice(f"{service.failure}: stopped, so that the next start recovers from the catalog")
    return 0 if service.failure is None else 1


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:  # Sanic brings it along where it can be had
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _serve(
    app: Sanic[Any, Any], service: Service, listener: socket.socket, greeting: str, tls: ssl.SSLContext | None
) -> None:
    # Sanic's own `run` installs its handlers for signals late: one that came early left a server that never ended.
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service.on_failure = lambda: loop.call_soon_threadsafe(stop.set)
    server: Any = await app.create_server(sock=listener, protocol=Connection, ssl=tls, return_asyncio_server=True)
    await server.startup()
    await server.before_start()
    await server.start_serving()
    await server.after_start()
    write(sys.stdout, f"{greeting}\n")
    await stop.wait()
    await server.before_stop()
    server.close()
    listener.close()  # not before: asyncio's own loop wants it open until then, uvloop's does not close it
    await _drain(server)
    await server.after_stop()


async def _drain(server: Any) -> None:
    """Let requests in flight end: those whose records were taken in are answered. Then close what is left."""
    deadline = asyncio.get_running_loop().time() + GRACE
    while server.connections and asyncio.get_running_loop().time() < deadline:
        for connection in list(server.connections):
            connection.close_if_idle()
        await asyncio.sleep(0.02)
    for connection in list(server.connections):
        connection.abort()
