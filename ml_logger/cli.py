"""The `ml-logger` command: one function for each of its commands."""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Callable, Sequence

from ml_logger import config
from ml_logger.errors import LoggerError
from ml_logger.notices import ProgressLine, amount, duration, notice, plural, write
from ml_logger.stores.base import Deadline
from ml_logger.transport import spools
from ml_logger.transport.adoption import Adoption
from ml_logger.transport.http import HttpTransport, check_url
from ml_logger.transport.spools import spools_of
from ml_logger.version import __version__


def push(args: argparse.Namespace) -> int:
    """Send what programs that are gone have left unsent, to one server or to all of them."""
    failed = 0
    urls = [check_url(args.root)] if args.root else spools.servers(config.spool_folder())
    for url in urls:
        home = spools_of(url)
        if not home.folders():
            _say(f"{url}: nothing to send")
            continue
        transport = HttpTransport(url, config.get("ML_LOGGER_ACCESS_TOKEN"), config.get("ML_LOGGER_REQUEST_TIMEOUT"))

        line = ProgressLine()

        def report(records: int, size: int, url: str = url, line: ProgressLine = line) -> None:
            line.clear()
            _say(f"{url}: sent {plural(records, 'record')} ({size:,} bytes)")

        def meanwhile(records: int, size: int, url: str = url, line: ProgressLine = line) -> None:
            line.show(f"{url}: {plural(records, 'record')} ({amount(size)}) to be sent")

        adoption = Adoption(home, transport, report, meanwhile)
        done = adoption.run(Deadline(args.timeout))
        line.clear()
        if not done:
            failed += 1
            notice(f"{url}: not all was sent within {args.timeout:g} s; what is left stays where it is. {adoption.why}")
        elif home.trouble:
            failed += 1
    if not urls:
        _say("nothing to send")
    return 1 if failed else 0


def status(args: argparse.Namespace) -> int:
    """Show what is unsent, since when, for which server, and what was refused."""
    known = spools.servers(config.spool_folder())
    for url in known:
        home = spools_of(url)
        held = [spool for spool in map(spools.summary, home.folders()) if spool.records]
        for spool in held:
            _say(f"{url}: {_described(spool)}")
        if not held:
            _say(f"{url}: nothing unsent")
        refused, damaged = home.refused()
        if refused:
            _say(f"{url}: {plural(refused, 'record')} refused for good, with the reasons in {home.folder / 'rejected'}")
        if damaged:
            _say(f"{url}: {plural(damaged, 'file')} with the damaged end of a spool in {home.folder / 'quarantine'}")
    if not known:
        _say("nothing unsent")
    return 0


def _described(spool: spools.Summary) -> str:
    who = "of a running program" if spool.alive else "of a program that is gone; send it with: ml-logger push"
    since = ""
    if spool.oldest is not None:
        at = datetime.datetime.fromtimestamp(spool.oldest).isoformat(" ", "seconds")
        since = f" since {at} ({duration(time.time() - spool.oldest)} ago)"
    return f"{plural(spool.records, 'record')} ({amount(spool.size)}) unsent{since}, in {spool.path}, {who}"


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


def _say(text: str) -> None:
    write(sys.stdout, f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
