"""The scene of a fault: a folder, servers, writers in processes of their own, and the end that they come to."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from ml_logger.settings import SETTINGS
from ml_logger.testing import Server
from ml_logger.testing.faults import failpoints, oracle
from ml_logger.testing.faults.oracle import Verdict

#: Seconds that anything may take.
PATIENCE = 120.0
#: What a server runs, behind whatever is to go before.
SERVER = "import sys\nfrom ml_logger.server.__main__ import main\nsys.exit(main(sys.argv[1:]))"
_WRITER = ("-m", "ml_logger.testing.faults.writer")


class Scene:
    """Where a fault happens.

    Args:
        folder: an empty folder of its own.
        seed: of everything that is left to chance.
        long: whether what takes minutes may be done too.
    """

    def __init__(self, folder: Path, seed: int, *, long: bool = False) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.spool = folder / "spool"
        self.seed = seed
        self.long = long
        self.chance = random.Random(seed)
        self._writers: list[Writer] = []
        self._servers: list[Server] = []

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for writer in self._writers:
            writer.kill()
        for server in self._servers:
            server.kill()

    # ---------------------------------------------------------------- actors

    def server(
        self, *options: str, spec: str = "", data: Path | None = None, shell: str = "", before: str = ""
    ) -> Server:
        """Make a server that is not started.

        Args:
            options: flags.
            spec: failpoints, see `failpoints`.
            data: its folder, the scene's own by default.
            shell: what a shell does before it becomes the server, such as `ulimit -n 48`.
            before: what Python does before it becomes the server.
        """
        program = ("-c", f"{before}\n{SERVER}") if before else ("-m", "ml_logger.server")
        command = _command(program, spec, shell)
        log = self.folder / f"server-{len(self._servers)}.log"
        server = Server(data or self.data, command=self.command(*command), options=options, log=log)
        self._servers.append(server)
        return server

    def writer(self, url: str, *options: object, prefix: str = "run", spec: str = "", shell: str = "") -> Writer:
        """Start a program that logs; see `writer` for its options. Its name is unique."""
        name = f"w{len(self._writers)}"
        program = [*_WRITER, url, prefix, name, *map(str, options)]
        command = _command(program, spec, shell)
        threads = int(str(options[options.index("--threads") + 1])) if "--threads" in options else 1
        names = [name] if threads == 1 else [f"{name}.{number}" for number in range(threads)]
        writer = Writer(name, self.command(*command), self.folder / f"{name}.log", names=names)
        self._writers.append(writer)
        return writer

    def start(self, code: str, url: str, *args: object, terminal: int | None = None, **settings: object) -> Writer:
        """Start a program of another kind, with root, prefix, a unique name, and `args`; see `writer.Teller`."""
        name = f"p{len(self._writers)}"
        command = self.command(sys.executable, "-c", code, url, "run", name, *map(str, args), **settings)
        writer = Writer(name, command, self.folder / f"{name}.log", terminal)
        self._writers.append(writer)
        return writer

    def command(self, *command: str, **settings: object) -> list[str]:
        """Return a command in an environment without the person's settings, and with the spool of this scene."""
        unset = [word for name in SETTINGS for word in ("-u", name)]
        own = [f"{name}={value}" for name, value in {"ML_LOGGER_SPOOL": self.spool, **settings}.items()]
        return ["env", *unset, *own, *command]

    def program(self, code: str, *args: object, **settings: object) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        command = self.command(sys.executable, "-c", code, *map(str, args), **settings)
        return subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL
        )

    def push(self, url: str) -> subprocess.CompletedProcess[str]:
        """Send what programs that are gone have left."""
        command = self.command(sys.executable, "-m", "ml_logger", "push", "--root", url, "--timeout", str(PATIENCE / 2))
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    # ---------------------------------------------------------------- the end

    def returned(self) -> dict[str, list[int]]:
        """Return what the writers said: for each, the numbers whose call returned."""
        said: dict[str, list[int]] = {}
        for writer in self._writers:
            for name, numbers in writer.returned().items():
                said.setdefault(name, []).extend(numbers)
        return said

    def settle(
        self, server: Server, *, data: Path | None = None, extra: Mapping[str, Sequence[int]] | None = None
    ) -> Verdict:
        """End it: all that is unsent is sent, a fresh row passes, the server stops, and the oracle looks.

        The faults are over.

        Args:
            server: what serves the folder; it is started when it does not run.
            data: its folder, the scene's own by default.
            extra: rows whose calls returned in other programs than the scene's writers.
        """
        if server.ended():
            server.start()
        for writer in self._writers:
            writer.finish()
        pushed = self.push(server.url)
        fresh = self.writer(server.url, "--count", 1, prefix="fresh")
        fresh.finish()
        unsent = [] if pushed.returncode else sorted(self.spool.glob("*/*/seg-*"))
        status = server.stop()
        verdict = oracle.check(data or self.data, {**self.returned(), **(extra or {})})
        if pushed.returncode or unsent or status:
            why = (
                f"push: {pushed.returncode} {pushed.stdout}{pushed.stderr}, unsent {unsent}, server ended with {status}"
            )
            raise AssertionError(f"the end was not reached: {why}; {server.log.read_text(errors='replace')[-2000:]}")
        return verdict


def _command(program: Sequence[str], spec: str, shell: str) -> list[str]:
    command = failpoints.command(spec, *program) if spec else [sys.executable, *program]
    return ["bash", "-c", f'{shell}; exec "$0" "$@"', *command] if shell else command


def heed_interrupts() -> None:
    """Let this process, and those that it starts, be interrupted: a shell has programs in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Writer:
    """A program that logs, and says which calls have returned.

    Args:
        name: who it says it is.
        command: how it is run.
        log: where its stderr goes.
        terminal: the descriptor of a terminal, where its stderr goes instead.
        names: under which names it writes, its own by default.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        terminal: int | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._names = names or [name]
        self.log = log
        self._said = bytearray()
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors if terminal is None else terminal,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 65536):
            self._said += data

    def count(self) -> int:
        """Return how many calls have returned so far."""
        return self._said.count(b"\n")

    def returned(self) -> dict[str, list[int]]:
        """Return the numbers whose call returned, by the name of who wrote them."""
        # Also by those that were killed in their first call: its row may be there.
        said: dict[str, list[int]] = {name: [] for name in self._names}
        for line in bytes(self._said).split(b"\n")[:-1]:
            name, _, number = line.decode().partition(" ")
            said.setdefault(name, []).append(int(number))
        return said

    def wait_for(self, count: int) -> None:
        """Wait until so many calls have returned."""
        wait_until(lambda: self.count() >= count or self.process.poll() is not None, f"{count} rows of {self.name}")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it with SIGKILL, and read to the end what it has said."""
        self.process.kill()
        self._end()

    def finish(self) -> int:
        """Let it come to its end, and return its exit status."""
        try:
            self._close_stdin()
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end: {self.log.read_text()[-1000:]}") from None
        finally:
            self.kill()
        return self.process.returncode

    def stop(self) -> int:
        """Ask it to end after its next row, and return its exit status."""
        self.signal(signal.SIGUSR1)
        return self.finish()

    def _close_stdin(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()

    def _end(self) -> None:
        self._close_stdin()
        self.process.wait()
        self._reader.join(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does.

    Raises:
        AssertionError: it takes longer than `PATIENCE`.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited too long for {what}")
        threading.Event().wait(0.005)
