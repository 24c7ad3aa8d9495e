"""Where attacks happen: a live server in a small world, with much beside it that nobody may get at."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path

from ml_logger import tokens
from ml_logger.testing import Server
from ml_logger.transport import protocol
from tests.attacks.attack import MARK, OPEN, TEN, Attack, batch_head, head, statuses, told
from tests.wire import append, parsed

#: In every file that lies outside: where it turns up in an answer, something got out.
SECRET = b"TOP-SECRET"
#: Seconds that any answer may take.
PATIENCE = 60.0

#: The servers: flags, and settings of each.
KINDS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "open": ((), {}),
    "site": (("--allow-host", "logs.example.org", "--allow-origin", "https://plots.example.org"), {}),
    "guarded": ((), {}),
    "hasty": (
        (),
        {f"ML_LOGGER_{name}_TIMEOUT": "1" for name in ("HEAD", "BODY", "IDLE")},
    ),
}
#: The tokens of the server `guarded`: scope, prefix, days.
TOKENS: dict[str, tuple[str, str, float | None]] = {
    "admin": ("admin", "", None),
    "reader": ("read", "", None),
    "team": ("write", "team", None),
    "old": ("admin", "", 1e-9),
}


class Scene:
    """One server and its surroundings.

    Args:
        folder: for all of it; new.
        kind: one of `KINDS`.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        options, settings = KINDS[kind]
        self.outside = folder / "outside"
        self.data = self.outside / "data"
        home = self.outside / "home"
        self.outside_files = (self.outside / "secret", self.outside / "data-evil" / "secret", home / ".ssh" / "id")
        for path in self.outside_files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(SECRET)
        clean = [f"-u{name}" for name in os.environ if name.startswith("ML_LOGGER_")]
        given = [f"{name}={value}" for name, value in settings.items()]
        command = ("env", *clean, f"HOME={home}", *given, sys.executable, "-m", "ml_logger.server")
        self.server = Server(self.data, command=command, options=options, log=folder / "server.log")
        self.secrets = {} if kind != "guarded" else self._tokens()
        self.server.start()
        self.pid = self.server.pid
        self._seen = bytearray()
        self._other, self._seq = self.fresh(), 0
        assert self.answered(append(1, TEN, OPEN)) == "200, committed 1"
        self._plant()
        self._before = self._world()

    def _tokens(self) -> dict[str, str]:
        path = tokens.path_in(self.data)
        path.parent.mkdir(parents=True)
        return {
            name: tokens.add(path, name, scope=scope, prefix=prefix, days=days)
            for name, (scope, prefix, days) in TOKENS.items()
        }

    def _plant(self) -> None:
        run = self.data / "run"
        (run / "file").symlink_to(self.outside / "secret")
        (run / "relative").symlink_to("../../secret")
        (run / "dir").symlink_to(self.outside)
        (run / "sibling").symlink_to("../../data-evil")
        (run / "inside").symlink_to("a")
        (run / "own").symlink_to("../.ml_logger")
        (run / "nowhere").symlink_to(self.outside / "new")
        (run / "loop").symlink_to("loop")
        (run / "up").symlink_to("..")
        (run / "proc").symlink_to("/proc/self/environ")
        os.link(self.outside / "secret", run / "hard")
        os.mkfifo(run / "pipe")
        (run / "folder").mkdir()
        with socket.socket(socket.AF_UNIX) as unix:
            os.chdir(run)  # the path of a socket is short
            unix.bind("socket")
            os.chdir(self.outside.parent)

    def stop(self) -> None:
        """End the server."""
        self.server.stop()

    def fresh(self) -> str:
        """Return the id of a new writer."""
        return os.urandom(16).hex()

    def token(self, name: str) -> str:
        """Return the header that carries a token."""
        return f"Authorization: Bearer {self.secrets[name]}"

    def connect(self, data: bytes = b"") -> socket.socket:
        """Open a connection, and send a beginning; that it is cut meanwhile is no news."""
        connection = socket.create_connection(("127.0.0.1", self.server.port), PATIENCE)
        with suppress(ConnectionError):
            connection.sendall(data)
        return connection

    def ask(self, request: bytes, *, half: bool = False) -> bytes:
        """Send bytes as they are, and return all that comes until the server hangs up.

        Raises:
            TimeoutError: it neither answers nor hangs up.
        """
        with self.connect(request) as connection:
            if half:
                connection.shutdown(socket.SHUT_WR)
            answer = self.rest(connection)
        self._seen += answer
        return answer

    def rest(self, connection: socket.socket) -> bytes:
        """Return all that comes on a connection until the server hangs up."""
        answer = bytearray()
        with suppress(ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
        return bytes(answer)

    def answered(self, body: bytes) -> str:
        """Post a batch of a new writer, as somebody who may, and tell what it is answered."""
        return told(self.ask(batch_head(self.fresh(), body, *self._own())))

    def _own(self) -> list[str]:
        return [self.token("admin")] if self.secrets else []

    def problems(self, attack: Attack) -> list[str]:
        """Return what has come of an attack that must not come of any; what it was answered is not looked at here."""
        found = [*self._answers(), *self._server(), *self._another_client(attack), *self._files(attack)]
        self._seen.clear()
        return found

    def _answers(self) -> list[str]:
        seen, found = bytes(self._seen), []
        if SECRET in seen or b"root:x:0:" in seen:
            found.append("an answer holds what lies outside")
        if b"HTTP/1.1 500 " in seen:
            found.append("the server made a mistake")
        if any(secret.encode() in seen for secret in self.secrets.values()):
            found.append("an answer holds a token")
        return found

    def _server(self) -> list[str]:
        found = []
        if self.server.ended() or self.server.pid != self.pid:
            found.append("the server has ended")
        log = self.server.log.read_bytes()
        if b"Traceback" in log or b" failed: " in log or b"Exception" in log:
            found.append(f"the log of the server: {log[-500:]!r}")
        if any(secret.encode() in log for secret in self.secrets.values()) or SECRET in log:
            found.append("the log holds a secret")
        if len(log) > 20_000:
            found.append("the log is filled")
        return found

    def _another_client(self, attack: Attack) -> list[str]:
        found = []
        health = statuses(self.ask(head("GET", protocol.HEALTH)))
        if health != "200":
            found.append(f"health is {health}")
        self._seq += 1
        line = f"{self._seq} {attack.name}\n".encode()
        said = told(self.ask(batch_head(self._other, append(self._seq, line, "other/log"), *self._own())))
        if said != f"200, committed {self._seq}":
            found.append(f"another client is told {said}")
        fields = [f"Range: bytes=-{len(line)}", *self._own()]
        if parsed(self.ask(head("GET", f"{protocol.FILES}/other/log", *fields))).body != line:
            found.append("another client does not find what it has logged")
        return found

    def _files(self, attack: Attack) -> list[str]:
        found = []
        if self._world() != self._before:
            found.append("something outside has changed")
        if (self.data / OPEN).read_bytes() != TEN or (self.data / "stolen").exists():
            found.append("a file of somebody else has changed")
        if not attack.stores:
            for path in self.data.rglob("*"):
                if path.is_file() and not path.is_symlink() and MARK in _contents(path):
                    found.append(f"{path.relative_to(self.data)} holds what the attack sent")
        return found

    def _world(self) -> list[tuple[str, int, int, int, bytes]]:
        """Return all that lies outside the data folder: names, inodes, links, times and contents."""
        world = []
        for path in sorted(self.outside.rglob("*")):
            if self.data not in path.parents and path != self.data:
                status = path.stat()
                contents = path.read_bytes() if path.is_file() else b""
                world.append((str(path), status.st_ino, status.st_mode, status.st_mtime_ns, contents))
        return world

    def memory(self) -> int:
        """Return the memory that the server has now, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) // 1024

    def descriptors(self) -> int:
        """Return how many descriptors the server has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def room(self, size: int) -> bool:
        """Tell whether the disk has room for an attack that needs it."""
        return shutil.disk_usage(self.data).free > 2 * size


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # the log of a database, say, that was just merged
        return b""
