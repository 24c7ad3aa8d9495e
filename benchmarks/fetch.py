"""Measure how fast a large file comes from a server over loopback, beside nginx with sendfile.

A file of random bytes is fetched by curl and by `logger.download_file` and `logger.load_file` from our server, and by
curl from Debian's nginx, one after another in each round; the median round of each is shown, with its speed, and as a
part of what nginx gives to curl. curl once throws the bytes away and once writes a file, as `download_file` does. Only
ours come with checksums and go on after a cut: what these cost is in the table, too. Without nginx or curl their lines
are left out, and it is said. Prints one table; does not gate.
"""

import argparse
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ml_logger import ML_Logger
from ml_logger.testing import Server, serve
from ml_logger.transport import protocol

NAME = "large.bin"
#: Seconds that nginx may take to listen.
PATIENCE = 30.0

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {data};
    }}
}}
"""


def found(program: str) -> str | None:
    """Return where a program is; Debian keeps nginx where only the administrator looks for programs."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


@contextmanager
def nginx(binary: str, folder: Path, data: Path) -> Iterator[str]:
    """Run nginx over a folder, from another one and with a configuration of its own; give its address."""
    folder.mkdir()
    folder.parent.chmod(0o755)  # started by root, its worker is somebody else
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, data=data, port=port))
    command = [binary, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    process = subprocess.Popen(command)
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(PATIENCE)


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until somebody listens at a port."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("nginx did not start: see what it wrote above") from None
            time.sleep(0.02)


def curl(binary: str, url: str, to: Path | str) -> Callable[[], float]:
    """Return a function that fetches an address once, and returns the seconds that curl says it took."""

    def fetch() -> float:
        command = [binary, "--silent", "--fail", "--output", str(to), "--write-out", "%{time_total}", url]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    return fetch


def timed(work: Callable[[], object]) -> Callable[[], float]:
    """Return a function that does something once, and returns the seconds that it took."""

    def measure() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return measure


def ways(stack: ExitStack, scratch: Path, server: Server, logger: ML_Logger) -> dict[str, Callable[[], float]]:
    """Return the ways to fetch the file, by name; say which are left out."""
    ours, to = f"{server.url}{protocol.FILES}/{NAME}", scratch / "fetched"
    made: dict[str, Callable[[], float]] = {}
    programs = {name: found(name) for name in ("curl", "nginx")}
    for name, path in programs.items():
        if path is None:
            print(f"{name} is not installed: what needs it is left out")
    if programs["curl"] is not None:
        if programs["nginx"] is not None:
            theirs = stack.enter_context(nginx(programs["nginx"], scratch / "nginx", server.data_dir))
            made["nginx, curl"] = curl(programs["curl"], f"{theirs}/{NAME}", os.devnull)
            made["nginx, curl to a file"] = curl(programs["curl"], f"{theirs}/{NAME}", to)
        made["ours, curl"] = curl(programs["curl"], ours, os.devnull)
        made["ours, curl to a file"] = curl(programs["curl"], ours, to)
    made["ours, download_file"] = timed(lambda: logger.download_file(f"/{NAME}", to=to))
    made["ours, load_file"] = timed(lambda: logger.load_file(f"/{NAME}"))
    return made


def measure(folder: Path, mebibytes: int, rounds: int) -> dict[str, float]:
    """Let all ways take turns; return the seconds of the median round of each."""
    data = folder / "data"
    data.mkdir()
    with open(data / NAME, "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(2**20))
    took: dict[str, list[float]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(serve(data))
        logger = stack.enter_context(ML_Logger(root=server.url, silent=True))
        turns = ways(stack, folder, server, logger)
        logger.download_file(f"/{NAME}", to=folder / "warm")  # the file is in memory, connections are there
        for _ in range(rounds):
            for name, fetch in turns.items():
                (folder / "fetched").unlink(missing_ok=True)
                took.setdefault(name, []).append(fetch())
    return {name: statistics.median(each) for name, each in took.items()}


#: What the speed of all ways is shown as a part of, with the width of its column.
BESIDE = {"nginx, curl": 19, "nginx, curl to a file": 15}


def table(medians: dict[str, float], mebibytes: int) -> str:
    """Lay the results out."""
    lines = [f"{'':24} │{'ms':>9}{'MiB/s':>9}{'of nginx to curl':>19}{'and to a file':>15}", "─" * 25 + "┼" + "─" * 52]
    for name, seconds in medians.items():
        parts = "".join(f"{medians[other] / seconds:{width}.2f}" for other, width in BESIDE.items() if other in medians)
        lines.append(f"{name:24} │{seconds * 1e3:9,.1f}{mebibytes / seconds:9,.0f}{parts}")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="MiB of the file (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds, of which the median is shown (%(default)s)")
    parser.add_argument("--folder", help="where to write, to measure another disk (the folder for temporary files)")
    parser.add_argument("--quick", action="store_true", help="8 MiB, once: to see that it works")
    args = parser.parse_args()
    size, rounds = (8, 1) if args.quick else (args.size, args.rounds)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        print(table(measure(Path(folder), size, rounds), size))
    print(f"Python {platform.python_version()}, {sys.platform}, {os.cpu_count()} cores, {size:,} MiB of random bytes")


if __name__ == "__main__":
    main()
