"""`python -m ml_logger.server`: collect what trainings log, on this machine."""

from __future__ import annotations

import argparse
import ipaddress
import os
import resource
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ml_logger import config, tokens
from ml_logger.errors import InvalidRoot, InvalidSetting, LoggerError, StorageFailed
from ml_logger.notices import notice
from ml_logger.server.lock import FolderLock
from ml_logger.transport.access import check_token, is_loopback

if TYPE_CHECKING:
    import ssl

    from ml_logger.server.tokens import Tokens


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
    build.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name under which the server is asked (localhost, and this machine's names beyond it)",
    )
    build.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="SITE",
        help="a site whose pages may use the server from a browser (none but its own)",
    )
    build.add_argument(
        "--token-file",
        metavar="FILE",
        help="tokens that let in: what `ml-logger token` writes, or one plain token (.ml_logger/tokens.json)",
    )
    build.add_argument("--tls-cert", metavar="FILE", help="certificate in PEM format: serve https:// (needs --tls-key)")
    build.add_argument("--tls-key", metavar="FILE", help="private key of the certificate, in PEM format")
    build.add_argument(
        "--audit-log",
        metavar="FILE",
        help="where each request that changes something leaves a line (.ml_logger/audit.log, once tokens are needed)",
    )
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
    if args.workers < 1:
        raise InvalidSetting(f"--workers {args.workers} leaves nobody to read files: pass 1 or more")
    tls = _tls(args)
    _allow_files()
    data_dir = _data_dir(args.data_dir or config.get("ML_LOGGER_DATA_DIR") or "runs")
    with _listen(args.host, args.port) as listener, FolderLock(data_dir):
        return _run(args, data_dir, listener, tls)


def _run(args: argparse.Namespace, data_dir: Path, listener: socket.socket, tls: ssl.SSLContext | None) -> int:
    import sqlite3

    from ml_logger.server import limits
    from ml_logger.server.admission import Admission, names_of, origins_of
    from ml_logger.server.app import Service, create_app
    from ml_logger.server.life import run

    most = limits.from_settings()
    names = names_of(args.host, args.allow_host, beyond=not is_loopback(args.host))
    admission = Admission(names, origins_of(args.allow_origin), most)
    known = _tokens(args, data_dir)
    audit = Path(args.audit_log).expanduser().absolute() if args.audit_log else None
    try:
        service = Service(data_dir, power=args.durability == "power", workers=args.workers, audit=audit, limits=most)
    except LoggerError:
        raise
    except (OSError, sqlite3.Error) as error:
        message = (
            f"the server cannot start in {data_dir}: {error}; what is committed is kept, start again when it is mended"
        )
        raise StorageFailed(message) from error
    try:
        app = create_app(service, known, admission)
        greeting = f"ml-logger server and dashboard at {_address(listener, tls)}, data in {data_dir}"
        if known.required and not known.lets_in():
            greeting += _first_token(known, data_dir, listener, tls)
        return run(app, service, listener, greeting, tls)
    finally:
        service.close()


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if not (args.tls_cert or args.tls_key):
        return None
    if not (args.tls_cert and args.tls_key):
        raise InvalidSetting("--tls-cert and --tls-key belong together: pass both, or none for plain HTTP")
    from ml_logger.server.tls import context

    return context(args.tls_cert, args.tls_key)


def _tokens(args: argparse.Namespace, data_dir: Path) -> Tokens:
    from ml_logger.server.tokens import Tokens

    path = Path(args.token_file).expanduser().absolute() if args.token_file else tokens.path_in(data_dir)
    command = f"ml-logger token add NAME {f'--token-file {path}' if args.token_file else f'--data-dir {data_dir}'}"
    if args.token_file and not path.exists():
        raise InvalidSetting(f"--token-file {path} is not there: write one with: {command}")
    known = Tokens(path, check_token(config.get("ML_LOGGER_ACCESS_TOKEN")), required=not is_loopback(args.host))
    known.check()
    if known.required and path.exists() and not known.lets_in():
        raise InvalidSetting(f"no token in {path} is valid, so nobody could come in: add one with: {command}")
    return known


def _first_token(known: Tokens, data_dir: Path, listener: socket.socket, tls: ssl.SSLContext | None) -> str:
    """Make the token of a server that has none and needs one, and return what is said about it, this once."""
    secret = tokens.add(known.path, "first", scope="admin")
    known.look()
    host, port = listener.getsockname()[:2]
    everywhere = ipaddress.ip_address(host).is_unspecified  # as 0.0.0.0 is
    name = socket.gethostname() if everywhere else f"[{host}]" if ":" in host else host
    url = f"{'https' if tls else 'http'}://{name}:{port}"
    return (
        "\n\nThere was no token, so one was made. It is shown this once, and only its hash is kept:\n\n"
        f"    {secret}\n\n"
        "In a browser, the dashboard:\n\n"
        f"    {url}/#token={secret}\n\n"
        "In a program that logs here:\n\n"
        f'    logger.configure(log_directory="{url}", access_token="{secret}")\n\n'
        f"or set ML_LOGGER_ACCESS_TOKEN there. To make others: ml-logger token add NAME --data-dir {data_dir}\n"
    )


def _allow_files() -> None:
    """Open as many files as the system lets us: each connection and each file that is appended to takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # some systems name a hard limit that they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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


def _address(listener: socket.socket, tls: object) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


if __name__ == "__main__":
    sys.exit(main())
