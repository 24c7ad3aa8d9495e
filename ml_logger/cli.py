"""The `ml-logger` command: one function for each of its commands."""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ml_logger import config, tokens
from ml_logger.errors import CorruptData, LoggerError
from ml_logger.notices import ProgressLine, amount, duration, notice, plural, printable, write
from ml_logger.stores.base import Deadline
from ml_logger.transport import protocol, spools
from ml_logger.transport.adoption import Adoption
from ml_logger.transport.edits import ask
from ml_logger.transport.http import check_url, transport_to
from ml_logger.transport.spools import spools_of
from ml_logger.version import __version__


def push(args: argparse.Namespace) -> int:
    """Send what programs that are gone have left unsent, to one server or to all of them."""
    urls = [check_url(args.root)] if args.root else spools.servers(config.spool_folder())
    sent = [_push_to(url, args.timeout) for url in urls]
    if not urls:
        _say("nothing to send")
    return 0 if all(sent) else 1


def _push_to(url: str, timeout: float) -> bool:
    """Send what is left for one server; return whether that was all of it."""
    home = spools_of(url)
    if not home.folders():
        _say(f"{url}: nothing to send")
        return True
    line = ProgressLine()

    def report(records: int, size: int) -> None:
        line.clear()
        _say(f"{url}: sent {plural(records, 'record')} ({size:,} bytes)")

    def meanwhile(records: int, size: int) -> None:
        line.show(f"{url}: {plural(records, 'record')} ({amount(size)}) to be sent")
        if adoption.is_denied:
            adoption.stop()  # a person is there who can mend the token: trying on would only make them wait

    adoption, deadline = Adoption(home, transport_to(url, None), report, meanwhile), Deadline(timeout)
    done = adoption.run(deadline)
    line.clear()
    if not done:
        limit = f" within {timeout:g} s" if deadline.passed() else ""
        notice(f"{url}: not all was sent{limit}; what is left stays where it is. {adoption.why}")
    return done and not home.trouble


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


def token(args: argparse.Namespace) -> int:
    """Add, list or revoke the tokens that let clients into a server; a running one takes it up at once."""
    data_dir = Path(args.data_dir or config.get("ML_LOGGER_DATA_DIR") or "runs").expanduser().absolute()
    path = Path(args.token_file).expanduser().absolute() if args.token_file else tokens.path_in(data_dir)
    if args.action == "add":
        given = sys.stdin.readline().strip() if args.stdin else None
        made = tokens.add(path, args.name, scope=args.scope, prefix=args.prefix, days=args.expires, secret=given)
        notice(f"added {args.name!r} to {path}{'' if given else '; it is shown this once, and only its hash is kept'}")
        if not given:
            _say(made)
    elif args.action == "revoke":
        tokens.revoke(path, args.name)
        notice(f"revoked {args.name!r} in {path}")
    else:
        known = tokens.read(path)
        for one in known:
            _say(_listed(one))
        if not known:
            _say("no tokens")
    return 0


def _listed(one: tokens.Token) -> str:
    until = "never expires" if one.expires is None else f"expires {_date(one.expires)}"
    if one.has_expired(time.time()):
        until = f"expired {_date(one.expires or 0)}"
    below = f" below {one.prefix}" if one.prefix else ""
    return f"{one.name}: {one.scope}{below}, made {_date(one.created)}, {until}"


def trash(args: argparse.Namespace) -> int:
    """List what was deleted from a server in the dashboard, put it back, or remove it for good."""
    url = args.root or config.get("ML_LOGGER_ROOT") or "http://127.0.0.1:8081"
    try:
        for line in _trash(args, url):
            _say(printable(line))
    except LoggerError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise CorruptData(f"{url} answered with something that is no answer of ours: is a server there?") from None
    return 0


def _trash(args: argparse.Namespace, url: str) -> list[str]:
    if args.action == "restore":
        asked = {"action": "restore", "undo": args.undo, **({"to": args.to} if args.to else {})}
        return [f"restored {ask(url, protocol.EDITS, asked)['key']}"]
    if args.action == "empty":
        removed = ask(url, protocol.EDITS, {"action": "empty", "days": args.days})["removed"]
        return [f"removed for good: {plural(len(removed), 'deletion')}"]
    waiting = ask(url, protocol.TRASH)["entries"]
    return [
        f"{one['undo']}  {one['key']}, deleted {_date(one['time'])}{' by ' if one['who'] else ''}{one['who']}"
        for one in waiting
    ] or ["the trash is empty"]


def _date(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).isoformat(" ", "minutes")


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "push": push,
    "status": status,
    "token": token,
    "trash": trash,
}


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
        elif command is token:
            _add_token_actions(one)
        elif command is trash:
            _add_trash_actions(one)
    return build


def _add_token_actions(build: argparse.ArgumentParser) -> None:
    actions = build.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, told in (
        ("add", "make a token, and show it this once"),
        ("list", "show the tokens there are: names, scopes, prefixes and dates"),
        ("revoke", "take a token away"),
    ):
        one = actions.add_parser(action, help=told, description=told)
        if action != "list":
            one.add_argument("name", metavar="NAME", help="who has it; logs tell this name")
        if action == "add":
            one.add_argument("--scope", choices=tokens.SCOPES, default="write", help="what it may do (write)")
            one.add_argument("--prefix", default="", metavar="P", help="the key that it reaches, with all below it")
            one.add_argument("--expires", type=float, metavar="DAYS", help="days that it holds (for ever)")
            one.add_argument("--stdin", action="store_true", help="take a token that you have, from stdin")
        one.add_argument("--data-dir", metavar="DIR", help="data folder of the server (./runs)")
        one.add_argument("--token-file", metavar="FILE", help="the token file, where the server has another one")


def _add_trash_actions(build: argparse.ArgumentParser) -> None:
    actions = build.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, told in (
        ("list", "show what is in the trash: what restores it, where it was, when it was deleted and by whom"),
        ("restore", "put something back where it was"),
        ("empty", "remove what is in the trash, for good"),
    ):
        one = actions.add_parser(action, help=told, description=told)
        if action == "restore":
            one.add_argument("undo", metavar="NAME", help="the name that `list` shows")
            one.add_argument("--to", metavar="KEY", help="another place, where something is in the old one")
        elif action == "empty":
            one.add_argument(
                "--days", type=float, required=True, metavar="DAYS", help="only what was deleted before; 0: all"
            )
        one.add_argument("--root", metavar="URL", help="the server (ML_LOGGER_ROOT, or http://127.0.0.1:8081)")


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
