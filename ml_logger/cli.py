"""The `ml-logger` command: one function for each of its commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from ml_logger import config
from ml_logger.errors import LoggerError
from ml_logger.notices import notice, plural, write
from ml_logger.stores.base import Deadline
from ml_logger.transport import spools
from ml_logger.transport.adoption import Adoption
from ml_logger.transport.http import HttpTransport, check_url
from ml_logger.transport.spools import Spools
from ml_logger.version import __version__


def push(args: argparse.Namespace) -> int:
    """Send what programs that are gone have left unsent, to one server or to all of them."""
    failed = 0
    urls = [check_url(args.root)] if args.root else spools.servers(config.spool_folder())
    for url in urls:
        home = _spools(url)
        if not home.folders():
            _say(f"{url}: nothing to send")
            continue
        transport = HttpTransport(url, config.get("ML_LOGGER_ACCESS_TOKEN"), config.get("ML_LOGGER_REQUEST_TIMEOUT"))

        def report(records: int, size: int, url: str = url) -> None:
            _say(f"{url}: sent {plural(records, 'record')} ({size:,} bytes)")

        adoption = Adoption(home, transport, report)
        if not adoption.run(Deadline(args.timeout)):
            failed += 1
            notice(f"{url}: not all was sent within {args.timeout:g} s; what is left stays where it is. {adoption.why}")
    if not urls:
        _say("nothing to send")
    return 1 if failed else 0


def status(args: argparse.Namespace) -> int:
    """Show what is unsent, for which server."""
    known = spools.servers(config.spool_folder())
    for url in known:
        held = [spools.summary(path) for path in _spools(url).folders()]
        for spool in held:
            who = "a running program" if spool.alive else "a program that is gone; send it with: ml-logger push"
            _say(f"{url}: {spool.size:,} bytes in {spool.path}, of {who}")
        if not held:
            _say(f"{url}: nothing unsent")
    if not known:
        _say("nothing unsent")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {"push": push, "status": status}


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    build = argparse.ArgumentParser(prog="ml-logger", description="Look after what is on its way to a server.")
    build.add_argument("--version", action="version", version=f"ml-logger {__version__}")
    commands = build.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        described = (command.__doc__ or "").strip()
        one = commands.add_parser(name, help=described, description=described)
        if command is push:
            one.add_argument("--root", metavar="URL", help="the server; by default every one that something waits for")
            one.add_argument("--timeout", type=float, default=60.0, help="seconds to try, for each server (60)")
    return build


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    args = parser().parse_args(argv)
    try:
        return COMMANDS[args.command](args)
    except LoggerError as error:
        notice(str(error))
        return 1
    except KeyboardInterrupt:
        notice("interrupted; what is unsent stays where it is")
        return 130


def _spools(url: str) -> Spools:
    return Spools(
        config.spool_folder(),
        url,
        segment_size=config.get("ML_LOGGER_SEGMENT_SIZE"),
        queue_size=config.get("ML_LOGGER_MEMORY_QUEUE"),
    )


def _say(text: str) -> None:
    write(sys.stdout, f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
