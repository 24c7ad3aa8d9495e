"""`python -m ml_logger.server`: collect what trainings log, on this machine."""

from __future__ import annotations

import argparse
import ipaddress
import os
import resource
import secrets
import socket
import sys
from contextlib import suppress
from pathlib import Path

from ml_logger import config
from ml_logger.errors import InvalidRoot, InvalidSetting, LoggerError, StorageFailed
from ml_logger.notices import notice
from ml_logger.server.lock import FolderLock


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    build = argparse.ArgumentParser(
        prog="python -m ml_logger.server", description="Collect what trainings log, and serve it back."
    )
    build.add_argument(
        "--data-dir", "--logdir", "--log-dir", metavar="DIR", help="folder for everything that is logged (./runs)"
    )
    build.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    build.add_argument("--port", type=int, default=8081, help="port to listen on; 0 takes a free one (8081)")
    build.add_argument("--workers", type=int, default=4, help="threads that read files for clients (4)")
    build.add_argument(
        "--durability",
        choices=("power", "process"),
        default="power",
        help="what acknowledged records survive: a power loss (power), or only the end of the server (process)",
    )
    build.add_argument("--debug", action="store_true", help="print tracebacks")
    return build


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit status."""
    args = parser().parse_args(argv)
    try:
        return serve(args)
    except LoggerError as error:
        if args.debug:
            raise
        notice(str(error))
        return 1


def serve(args: argparse.Namespace) -> int:
    """Take the folder, the port and the token, then serve.

    Raises:
        LoggerError: one of them cannot be had; the message says which and what to do.
    """
    token = config.get("ML_LOGGER_ACCESS_TOKEN")
    if not token and not _is_loopback(args.host):
        raise InvalidSetting(
            f"--host {args.host} can be reached from other machines, and no token is set: anybody could read and "
            "write. Set ML_LOGGER_ACCESS_TOKEN here and for the clients to one secret, for example "
            f"{secrets.token_urlsafe(24)}"
        )
    if args.workers < 1:
        raise InvalidSetting(f"--workers {args.workers} leaves nobody to read files: pass 1 or more")
    _allow_files()
    data_dir = _data_dir(args.data_dir or config.get("ML_LOGGER_DATA_DIR") or "runs")
    with _listen(args.host, args.port) as listener, FolderLock(data_dir):
        return _run(args, data_dir, listener, token)


def _run(args: argparse.Namespace, data_dir: Path, listener: socket.socket, token: str | None) -> int:
    import sqlite3

    from ml_logger.server.app import Service, create_app
    from ml_logger.server.life import run

    try:
        service = Service(data_dir, power=args.durability == "power", workers=args.workers)
    except LoggerError:
        raise
    except (OSError, sqlite3.Error) as error:
        message = (
            f"the server cannot start in {data_dir}: {error}; what is committed is kept, start again when it is mended"
        )
        raise StorageFailed(message) from error
    try:
        app = create_app(service, token)
        return run(app, service, listener, f"ml-logger server at {_address(listener)}, data in {data_dir}")
    finally:
        service.close()


def _allow_files() -> None:
    """Open as many files as the system lets us: each connection and each file that is appended to takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems name a hard limit that they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _data_dir(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / ".ml_logger").mkdir(exist_ok=True)
    except FileExistsError:
        raise StorageFailed(f"the data folder {path} is a file: name a folder with --data-dir") from None
    except OSError as error:
        message = f"the data folder {path} cannot be made: {error.strerror}; name another with --data-dir"
        raise StorageFailed(message) from None
    if not os.access(path / ".ml_logger", os.W_OK | os.X_OK):
        raise StorageFailed(f"the data folder {path} cannot be written: name another with --data-dir")
    return path


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise InvalidRoot(f"--port {port} is no port: name one from 1 to 65535, or 0 for a free one")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        hint = "choose another with --port, or 0 for a free one"
        raise InvalidRoot(f"{host} port {port} cannot be listened on: {error.strerror}; {hint}") from None
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


if __name__ == "__main__":
    sys.exit(main())
