"""For tests of programs that log: a real server on this machine, for as long as a block lasts."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ml_logger.errors import ServerUnavailable
from ml_logger.stores.memory import MemoryStore

__all__ = ["MemoryStore", "Server", "serve"]

#: Seconds that a server may take to start or to stop.
PATIENCE = 30.0


class Server:
    """A server in a process of its own.

    Args:
        data_dir: its data folder.
        port: the port to listen on; 0 takes a free one, that later starts keep.
        command: how it is run, up to its flags.
        options: further flags.
        log: where its stderr goes.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        command: Sequence[str] = (sys.executable, "-m", "ml_logger.server"),
        options: Sequence[str] = (),
        log: Path | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = port
        self._scheme = "http"
        self.log = log or data_dir.parent / f"{data_dir.name}.log"
        self._command = command
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The address."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and return once it answers.

        Raises:
            ServerUnavailable: it ended, or said nothing; with what it wrote to stderr.
        """
        self.port = self.port or self._keep_port()
        flags = ["--data-dir", str(self.data_dir), "--port", str(self.port), *self._options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([*self._command, *flags], stdout=subprocess.PIPE, stderr=log, text=True)
        watchdog = threading.Timer(PATIENCE, self._process.kill)
        watchdog.start()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        watchdog.cancel()
        found = re.search(r"(https?)://\S+:([0-9]+)", line)
        if found is None:
            self.kill()
            raise ServerUnavailable(f"the server did not start: {self.log.read_text(errors='replace')}")
        self._scheme, self.port = found[1], int(found[2])

    def _keep_port(self) -> int:
        """Take a free port for good: while no server listens there nobody else is given it, and nobody answers."""
        kept = socket.socket()
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port = int(kept.getsockname()[1])
        weakref.finalize(self, os.close, kept.detach())
        return port

    def send(self, number: int) -> None:
        """Send it a signal: SIGSTOP freezes it, SIGCONT lets it go on."""
        os.kill(self.pid, number)

    def ended(self) -> bool:
        """Tell whether its process has come to an end."""
        return self._process is None or self._process.poll() is not None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal, wait for it, and return its exit status; 0 when it does not run."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        try:
            status = self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None
        return status

    def kill(self) -> None:
        """End it as a crash does, with SIGKILL."""
        self.stop(signal.SIGKILL)


@contextmanager
def serve(data_dir: Path | None = None, options: Sequence[str] = ()) -> Iterator[Server]:
    """Run a server on a free port of this machine for as long as the block lasts.

    Args:
        data_dir: its data folder; a temporary one by default.
        options: further flags of `python -m ml_logger.server`.
    """
    with tempfile.TemporaryDirectory(prefix="ml-logger-") as scratch:
        server = Server(data_dir or Path(scratch) / "data", options=options, log=Path(scratch) / "server.log")
        server.start()
        try:
            yield server
        finally:
            server.stop()
