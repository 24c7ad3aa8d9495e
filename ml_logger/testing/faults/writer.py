"""`python -m ml_logger.testing.faults.writer ROOT PREFIX NAME`: a program that logs, and says which calls returned.

Every row is of a form that the oracle can check: who wrote it, its number, and a text that follows from both. The
number of each row whose call returned goes to stdout, one `write` each: a pipe that outlives the process. SIGUSR1 ends
it after the row that it is at.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator

from ml_logger.facade import ML_Logger

#: Rows of a writer without `--count`.
ENDLESS = 10**9


def row_of(writer: str, number: int, size: int) -> dict[str, object]:
    """Return the row with a number: its writer, the number, and a text of up to `size` characters."""
    text = f"{writer}:{number};" * (1 + size // (len(writer) + 3))
    return {"writer": writer, "value": number, "text": text[: number * 7919 % (size + 1)], "size": size}


def file_of(number: int, files: int) -> str:
    """Return the file that a row goes to: rows take turns."""
    return "metrics.pkl" if files == 1 else f"{number % files}.pkl"


class Teller:
    """A logger for programs of their own kind: rows that the oracle can check, and what `main` says of them.

    Args:
        root: where to log.
        prefix: the folder below it.
        name: who writes; children and threads take names with `.` behind it.
    """

    def __init__(self, root: str, prefix: str, name: str) -> None:
        self.name = name
        self.logger = ML_Logger(root=root, prefix=prefix, silent=True)

    def row(self, number: int, name: str = "", file: str = "metrics.pkl", size: int = 300) -> None:
        """Log one row, and tell that the call has returned."""
        name = name or self.name
        row = row_of(name, number, size)
        self.logger.log(number, row, file=file, cache=name, silent=True, flush=True)
        tell(name, number)

    def rows(self, count: int, name: str = "", first: int = 0) -> None:
        """Log the rows with some numbers."""
        for number in range(first, first + count):
            self.row(number, name)


def tell(name: str, number: int) -> None:
    """Tell that the call of a row has returned, in one `write` that threads and children may make at once."""
    os.write(1, f"{name} {number}\n".encode())


def work(root: str, prefix: str, name: str, count: int) -> None:
    """Log some rows: for processes that begin with a function, such as those of `multiprocessing`."""
    Teller(root, prefix, name).rows(count)


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    build = argparse.ArgumentParser(prog="python -m ml_logger.testing.faults.writer", description="Log, and say so.")
    build.add_argument("root")
    build.add_argument("prefix")
    build.add_argument("name", help="who writes; of several threads, each has `.N` behind it")
    build.add_argument("--count", type=int, default=ENDLESS, help="rows to log, of each thread")
    build.add_argument("--files", type=int, default=1, help="files that the rows take turns in")
    build.add_argument("--size", type=int, default=300, help="most characters of a row's text")
    build.add_argument("--pause", type=float, default=0.0, help="seconds between two rows")
    build.add_argument("--threads", type=int, default=1, help="threads that log at once")
    build.add_argument("--wait", action="store_true", help="end when stdin does, and not before")
    build.add_argument("--health", action="store_true", help="at the end, write what is dropped and unsent to stderr")
    return build


def log_rows(logger: ML_Logger, name: str, args: argparse.Namespace) -> Iterator[int]:
    """Log the rows of one writer; yield the number of each once its call has returned."""
    pause = threading.Event()
    for number in range(args.count):
        if args.ending:
            return
        row = row_of(name, number, args.size)
        logger.log(number, row, file=file_of(number, args.files), cache=name, silent=True, flush=True)
        yield number
        if args.pause:
            pause.wait(args.pause)


def main() -> None:
    """Log as the command line says."""
    args = parser().parse_args(namespace=argparse.Namespace(ending=[]))
    signal.signal(signal.SIGUSR1, lambda *_: args.ending.append(True))
    logger = ML_Logger(root=args.root, prefix=args.prefix, silent=True)
    names = [args.name] if args.threads == 1 else [f"{args.name}.{n}" for n in range(args.threads)]

    def log(name: str) -> None:
        for number in log_rows(logger, name, args):
            tell(name, number)

    threads = [threading.Thread(target=log, args=(name,)) for name in names[1:]]
    for thread in threads:
        thread.start()
    log(names[0])
    for thread in threads:
        thread.join()
    if args.wait:
        sys.stdin.read()
    if args.health:
        health = logger.health()
        os.write(2, f"dropped {health.dropped} unsent {health.unsent}\n".encode())


if __name__ == "__main__":
    main()
