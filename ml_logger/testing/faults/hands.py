"""Faults: people move, cut, replace and protect the files of a server, and start a second one."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ml_logger.errors import ServerUnavailable
from ml_logger.testing import Server
from ml_logger.testing.faults import oracle
from ml_logger.testing.faults.proxy import Proxy
from ml_logger.testing.faults.report import Report, Unavailable
from ml_logger.testing.faults.scene import Scene, wait_until
from ml_logger.testing.faults.writer import row_of

#: Whom the server is run as where root would be let through everywhere.
NOBODY = 65534
_AS_NOBODY = f'exec setpriv --reuid {NOBODY} --clear-groups -- "$0" "$@"'

_REFUSED = """
import sys
from ml_logger.testing.faults.writer import Teller
root, prefix, name, *files = sys.argv[1:]
teller = Teller(root, prefix, name)
for number in range(30):
    teller.row(number)
    teller.logger.log_line("no", file=files[number % len(files)])
teller.logger.close(30)
"""


def paths_blocked(scene: Scene, rounds: int) -> Report:
    """Put a folder where a file is expected, and a file where a folder is: refused for good, the next record passes."""
    (scene.data / "run" / "folder.txt").mkdir(parents=True)
    (scene.data / "run" / "file").write_text("in the way")
    report = Report()
    server = scene.server()
    server.start()
    _refuse(scene, report, server, "folder.txt", "file/below.txt")
    report.expect((scene.data / "run" / "file").read_text() == "in the way", "a file in the way was changed")
    report.judge(scene.settle(server))
    return report


def paths_protected(scene: Scene, rounds: int) -> Report:
    """Take the server's permission for a folder and a file: refused for good, the next record passes."""
    locked = scene.data / "run" / "locked"
    locked.mkdir(parents=True)
    (scene.data / "run" / "locked.txt").write_text("mine")
    shell = ""
    if not os.getuid():
        if shutil.which("setpriv") is None:
            raise Unavailable("root is let through everywhere, and there is no setpriv to become somebody else")
        shell = _AS_NOBODY
        if subprocess.run(
            ["sh", "-c", shell, sys.executable, "-c", "import ml_logger"], capture_output=True
        ).returncode:
            raise Unavailable(
                "root is let through everywhere, and nobody else can run this Python, or read this package"
            )
        scene.folder.chmod(0o755)
        for path in (scene.data, scene.data / "run"):
            os.chown(path, NOBODY, NOBODY)
    for path in (locked, scene.data / "run" / "locked.txt"):
        path.chmod(0o555)
    report = Report()
    server = scene.server(shell=shell)
    server.start()
    _refuse(scene, report, server, "locked/new.txt", "locked.txt")
    report.expect((scene.data / "run" / "locked.txt").read_text() == "mine", "a protected file was changed")
    report.judge(scene.settle(server))
    return report


def _refuse(scene: Scene, report: Report, server: Server, *files: str) -> None:
    program = scene.start(_REFUSED, server.url, *files)
    status = program.finish()
    said = program.log.read_text()
    kept = [path.with_suffix(".txt").exists() for path in scene.spool.glob("*/rejected/*.frame")]
    report.happened("records refused for good", len(kept), 30)
    report.expect(all(kept), "a refused record is kept without the reason")
    report.expect(status == 0 and said.count("refused a record for good") == 1, f"ended with {status}, {said[-500:]}")
    report.expect("not sent yet" not in said, "what was refused held up what is behind it")


def second_server(scene: Scene, rounds: int) -> Report:
    """Start a second server on the folder of the first, under load: it refuses, until the first is gone."""
    report = Report()
    first = scene.server()
    first.start()
    writer = scene.writer(first.url, "--pause", 0.001)
    writer.wait_for(20)
    for _ in range(rounds):
        try:
            scene.server().start()
            report.wrong.append("a second server started beside the first")
        except ServerUnavailable as error:
            report.happened("second servers refused", int(f"already served by process {first.pid}" in str(error)))
        third = scene.server()
        third.port = first.port
        first.kill()
        third.start()
        report.happened("servers that took over", 1)
        first = third
        writer.wait_for(writer.count() + 50)
    writer.stop()
    report.judge(scene.settle(first))
    return report


def folder_moved(scene: Scene, rounds: int) -> Report:
    """Move the data folder away from under the server, put another in its place: 503, until the very same is back."""
    report = Report()
    server = scene.server()
    server.start()
    away = scene.folder / "away"
    with Proxy(server.port) as proxy:
        writers = [scene.writer(proxy.url, "--files", 3, "--pause", 0.001) for _ in range(2)]
        for replaced in (False, True) * rounds:
            for writer in writers:
                writer.wait_for(writer.count() + 50)
            scene.data.rename(away)
            if replaced:
                scene.data.mkdir()
            _wait_for_503(proxy, report)
            report.expect(not replaced or not any(scene.data.iterdir()), "it wrote to a folder that is not its own")
            with suppress(FileNotFoundError):
                scene.data.rmdir()
            away.rename(scene.data)
            back = proxy.statuses[200]
            wait_until(lambda back=back: proxy.statuses[200] > back, "the server to go on")  # type: ignore[misc]
            report.happened("folders replaced" if replaced else "folders renamed", 1)
        for writer in writers:
            writer.stop()
        scene.push(proxy.url)
    report.judge(scene.settle(server))
    return report


def _wait_for_503(proxy: Proxy, report: Report) -> None:
    refused = proxy.statuses[503]
    wait_until(lambda: proxy.statuses[503] >= refused + 2, "answers 503")
    taken, refused = proxy.statuses[200], proxy.statuses[503]
    wait_until(lambda: proxy.statuses[503] >= refused + 2, "answers 503")
    report.happened("answers 503", proxy.statuses[503] - refused, 2)
    report.expect(proxy.statuses[200] == taken, "it acknowledged what went into a folder that is gone")


_ROWS = """
import sys
from ml_logger.testing.faults.writer import Teller
root, name, first, *files = sys.argv[1:]
teller = Teller(root, "hands", name)
for number in range(int(first), int(first) + 10):
    for file in files:
        teller.row(number, file=file)
teller.logger.close(30)
"""


_LATE = """
import sys
from ml_logger.testing.faults.writer import work
work(*sys.argv[1:4], 100)
"""


def folder_deleted(scene: Scene, rounds: int) -> Report:
    """Delete the data folder under the server: nothing is acknowledged into it, and a new one takes all of that."""
    report = Report()
    server = scene.server()
    server.start()
    port = server.port
    for _ in range(rounds):
        scene.program(_ROWS, server.url, "early", 0, "early.pkl")
        shutil.rmtree(scene.data)
        late = scene.start(_LATE, server.url, ML_LOGGER_EXIT_TIMEOUT=1)
        late.finish()
        report.expect("not sent yet: 100 records" in late.log.read_text(), "it took what it could not keep")
        report.happened("folders deleted", int(not scene.data.exists()))
        server.kill()
        server = scene.server()
        server.port = port
        server.start()
        report.expect(scene.push(server.url).returncode == 0, "push did not send what was left")
    report.judge(scene.settle(server))
    return report


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(pickle.dumps(row_of("hand", 0, 300)))


def _replace(path: Path) -> None:
    staged = path.with_name("new")
    staged.write_bytes(b"".join(pickle.dumps(row_of("hand", number, 300)) for number in range(3)))
    staged.replace(path)


def _plant(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent.parent.parent / "canary")


def _cut(path: Path) -> None:
    os.truncate(path, 0)


#: What is done to a file, and what is in it after ten more rows of the writer: rows of the hand, and from which on.
_HANDS: dict[str, tuple[Callable[[Path], None], int, int]] = {
    "appended": (_append, 1, 0),
    "cut": (_cut, 0, 10),
    "deleted": (Path.unlink, 0, 10),
    "replaced": (_replace, 3, 10),
}


def files_touched(scene: Scene, rounds: int) -> Report:
    """Append to, cut, delete and replace files, and plant a link, between two appends, and while the server is down."""
    report = Report()
    canary = scene.folder / "canary"
    canary.write_bytes(b"alive")
    server = scene.server()
    server.start()
    folder = scene.data / "hands"
    for number, down in enumerate((False, True) * rounds):
        names = {f"{number}-{what}.rows": what for what in _HANDS}
        done = scene.program(_ROWS, server.url, "w", 0, *names, f"{number}-linked")
        report.expect(done.returncode == 0 and not done.stderr, f"the first rows: {done.stderr}")
        if down:
            server.stop()
        for name, what in names.items():
            _HANDS[what][0](folder / name)
        _plant(folder / f"{number}-linked")
        if down:
            server.start()
        done = scene.program(_ROWS, server.url, "w", 10, *names, f"{number}-linked")
        report.expect("refused a record for good" in done.stderr, f"a link was not refused: {done.stderr}")
        for name, what in names.items():
            _, by_hand, first = _HANDS[what]
            _compare(report, folder / name, by_hand, first, f"{what}{' while it was down' if down else ''}")
        report.expect(canary.read_bytes() == b"alive", "it wrote through a link")
        report.happened("links planted", 1)
    report.expect("somebody else" in server.log.read_text(), "it did not say what it found")
    report.judge(scene.settle(server))
    return report


def _compare(report: Report, path: Path, by_hand: int, first: int, what: str) -> None:
    found = [(row["writer"], row["value"]) for row in oracle.records(path)]
    hand = [("hand", number) for number in range(by_hand)]
    before = [("w", number) for number in range(first, 10)]
    expected = [*before, *hand, *(("w", number) for number in range(10, 20))]
    report.happened(f"files {what}", int(found == expected))
    report.expect(found == expected, f"{path.name} holds {found}")
