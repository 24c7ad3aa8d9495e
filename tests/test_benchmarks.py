"""The benchmarks run to their end and print their tables; what they measure is for people to judge."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def quick(name: str) -> str:
    """Run a benchmark with `--quick`; return what it printed."""
    command = [sys.executable, "-X", "utf8", str(BENCHMARKS / name), "--quick"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_hot_path_is_measured_for_each_place_to_log_to() -> None:
    """The table has a line of six numbers for each case, also for servers that do not answer."""
    printed = quick("hot_path.py")

    cases = ("pickle + write, before", "folder", "server", "server, frozen", "server, not there")
    for case in (*cases, "pickle + write, after"):
        [line] = re.findall(rf"^{re.escape(case)} +│(.*)$", printed, re.MULTILINE)
        numbers = [float(number) for number in line.replace("│", " ").split()]
        assert len(numbers) == 6
        assert all(number > 0 for number in numbers)


def test_the_import_is_measured_and_loads_nothing_heavy() -> None:
    """The table compares with a bare interpreter, and the list of heavy modules is empty."""
    printed = quick("import_time.py")

    assert re.search(r"^bare interpreter( +[0-9.]+){2}$", printed, re.MULTILINE)
    assert re.search(r"^import ml_logger( +[0-9.]+){2}$", printed, re.MULTILINE)
    assert re.search(r"^difference +-?[0-9.]+$", printed, re.MULTILINE)
    assert "heavy modules loaded: none" in printed


def test_the_intake_of_a_server_is_measured_for_each_durability() -> None:
    """The table has a line of five numbers for each case; without `power` nothing is synced, with it, all is."""
    printed = quick("ingest.py")

    for writers in (" 1 writer ", " 8 writers", "50 writers"):
        for durability in ("power", "process"):
            for size in ("", ", small"):
                [line] = re.findall(rf"^{writers}, {durability}{size} +│(.*)$", printed, re.MULTILINE)
                rows, megabytes, commits, syncs, rows_a_commit = (float(n.replace(",", "")) for n in line.split())
                assert min(rows, megabytes, commits, rows_a_commit) > 0
                assert (syncs > 0) == (durability == "power")


def test_live_news_are_measured_and_nothing_is_sent_while_nothing_happens() -> None:
    """Every row that was logged came, the table has its times, and when nothing is logged nothing comes."""
    printed = quick("live.py")

    for name in ("from the call to the stream", "from the answer to the stream", "from the call to the answer"):
        assert re.search(rf"^{name} +│( +-?[0-9.]+){{4}} +100 rows$", printed, re.MULTILINE)
    assert "0 rows missing" in printed
    assert "meanwhile came 0 bytes in 0 messages" in printed


def test_fetching_is_measured_beside_nginx() -> None:
    """Our own ways have a line each; curl and nginx have theirs, or it is said that they are missing."""
    printed = quick("fetch.py")

    ways = ["ours, download_file", "ours, load_file"]
    missing = re.findall(r"^(curl|nginx) is not installed", printed, re.M)
    if "curl" not in missing:
        ways += ["ours, curl", "ours, curl to a file"]
        if "nginx" not in missing:
            ways += ["nginx, curl", "nginx, curl to a file"]
    lines = dict(re.findall(r"^((?:ours|nginx), [a-z_ ]*[a-z_]) +│(.*)$", printed, re.M))
    assert set(lines) == set(ways)
    for line in lines.values():
        numbers = [float(number.replace(",", "")) for number in line.split()]
        assert len(numbers) == (4 if "nginx, curl" in ways else 2)
        assert min(numbers[:2]) > 0


def test_reading_is_measured_beside_a_loop() -> None:
    """Each file has a line for the loop, for one column and for all, and a server for each way of reading from it.

    Memory is below the limit where Linux tells it, and what is new travels alone.
    """
    printed = quick("read.py")

    for file in ("alike", "in turns", "any width"):
        for way in ("pickle.load loop", "one column", "all columns"):
            [line] = re.findall(rf"^{file} +{re.escape(way)} +│( +[0-9.,]+ +[0-9.]+ +[0-9,]+ +[0-9.]+)$", printed, re.M)
            assert all(float(number.replace(",", "")) > 0 for number in line.split())
    if sys.platform == "linux":
        for way in ("one column", "all columns"):
            [line] = re.findall(rf"^alike +{way} +│((?: +[0-9.,]+){{3}})$", printed, re.M)
            peak, columns, limit = (float(number.replace(",", "")) for number in line.split())
            assert columns > 0 and peak < limit

    for name, besides in (
        ("one column, ", ""),
        ("again, ", r"  [89]\.[0-9] KiB received"),
        ("10 runs, ", "  1 request"),
    ):
        [line] = re.findall(rf"^{name}server +│( +[0-9.,]+ +[0-9.]+){besides}$", printed, re.M)
        assert all(float(number.replace(",", "")) > 0 for number in line.split())


def test_paranoid_reading_is_measured_beside_the_default() -> None:
    """Each kind of record has a line: both ways of reading, and how many times the one the other takes."""
    printed = quick("decode.py")

    for kind in ("row of 12 numbers", "row with a numpy.float32", "array of 8 kB", "array of 1 MB"):
        [line] = re.findall(rf"^{re.escape(kind)} +│(.*)$", printed, re.MULTILINE)
        default, paranoid, times = map(float, line.split())
        assert min(default, paranoid, times) > 0


def test_charts_are_measured_from_cold_to_warm() -> None:
    """One long run and a screen of many have a line for each state of the server, and its memory is told."""
    printed = quick("series.py")

    states = ("cold", "in the index", "warm")
    names = [f"{what}, {state}" for what in ("one run", "screen of lines", "screen of bands") for state in states]
    for name in (*names, "one run, zoom"):
        [line] = re.findall(rf"^{re.escape(name)} +│(.*)$", printed, re.M)
        assert all(float(number.replace(",", "")) >= 0 for number in line.split())
    assert len(re.findall(r"^(?:one run|screen|screen, all points) +│ .+$", printed, re.M)) == 3
