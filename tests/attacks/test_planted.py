"""Pickles that attack, planted on a server by a batch of raw bytes: whoever reads them over the wire is not harmed."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from ml_logger import ML_Logger
from ml_logger.encoders.unpickle import loads
from ml_logger.errors import CorruptData, UntrustedData
from ml_logger.testing import Server
from ml_logger.transport import frames, protocol
from ml_logger.transport.frames import Op
from tests import pickle_attacks, programs
from tests.test_unpickle_attacks import memory_limit
from tests.wire import post

CANARY = "canary"


def bodies() -> dict[str, bytes]:
    """Return every attack of the tables there are, as the bytes of a record."""
    found: dict[str, bytes] = {}
    for table, cases in sorted(vars(pickle_attacks).items()):
        if not (table.isupper() and isinstance(cases, dict)):
            continue
        for case, attack in cases.items():
            if callable(attack):
                found[f"{table} {case}"] = attack(CANARY) + b"."
            elif isinstance(attack, bytes):
                found[f"{table} {case}"] = attack
            else:
                found[f"{table} {case}"] = pickle.dumps(attack, 4)
    return found


#: Those of ten megabytes go in pieces, which is another test's matter.
PLANTED = {case: data for case, data in bodies().items() if len(data) < frames.PIECE_SIZE}
READS = ("load_pkl", "iload_pkl", "get_parameters", "read_columns", "read_metrics", "frame", "runs", "get_exps")
#: Those that read rows as columns, and what is another error to them than to the reader of records.
OF_COLUMNS = READS[3:]
IN_TABLES = {
    "CODE K36 NEWOBJ of a wrapper": "CorruptData",
    "CODE K32 NEWOBJ_EX of a stand-in": "UntrustedData",
}

#: A program that reads each planted run in each way, within 1 GiB more than it has, and tells what came of it.
READER = """
import json, os, resource, sys, warnings
warnings.simplefilter("ignore")
import pandas, pandas.io.formats.string, numpy, _strptime, fractions, decimal, uuid, pathlib, collections, datetime
from ml_logger import ML_Logger
from ml_logger.errors import CorruptData, KeyNotFound, UntrustedData
from ml_logger.readers import read_columns
import ml_logger.encoders.unpickle, ml_logger.encoders.unpickle_numpy, ml_logger.encoders.unpickle_late

logger = ML_Logger(root=sys.argv[1], silent=True)
READS = {
    "load_pkl": lambda run: [row["loss"] for row in logger.load_pkl(f"{run}/metrics.pkl")],
    "iload_pkl": lambda run: [row["loss"] for row in logger.iload_pkl(f"{run}/metrics.pkl")],
    "get_parameters": lambda run: [logger.get_parameters("loss", path=f"{run}/parameters.pkl")],
    "read_columns": lambda run: read_columns(logger._store, f"{run}/metrics.pkl")["loss"].to_list(),
    "read_metrics": lambda run: logger.read_metrics("loss", path=f"{run}/metrics.pkl").tolist(),
    "frame": lambda run: logger.frame(run)["loss"].tolist(),
    "runs": lambda run: logger.runs(run)["loss/last"].tolist(),
    "get_exps": lambda run: logger.get_exps(run)["loss"].tolist(),
}
for read in READS.values():  # what is imported for honest reads
    read("honest")
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 30), now + (1 << 30)))
before, told = set(sys.modules), {}
for run in json.load(sys.stdin):
    told[run] = {}
    for how, read in READS.items():
        try:
            told[run][how] = repr(read(run))[:80]
        except Exception as error:
            told[run][how] = type(error).__name__
json.dump({"told": told, "imported": sorted(set(sys.modules) - before)}, sys.stdout)
"""


def plant(server: Server) -> dict[str, str]:
    """Store each attack as the metrics and the parameters of a run of its own, and return the names of the runs."""
    runs = {case: f"run-{number}" for number, case in enumerate(PLANTED)}
    honest = pickle.dumps({"loss": 1.5, "_step": 0}, 4)
    files = [(run, PLANTED[case] + honest) for case, run in runs.items()] + [("honest", honest)]
    seq, batch = 0, b""
    for run, data in files:
        for name in ("metrics.pkl", "parameters.pkl"):
            seq += 1
            batch += frames.encode(seq, Op.APPEND, f"{run}/{name}".encode(), data)
            if len(batch) > protocol.BATCH_SIZE // 2 or seq % 100 == 0 or (run, name) == ("honest", "parameters.pkl"):
                assert post(server, batch).json()["committed"] == seq
                batch = b""
    return runs


class Planted:
    """What came of reading all of it."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.runs = plant(server)
        settings = {"ML_LOGGER_SPOOL": str(folder / "spool"), "ML_LOGGER_CACHE": str(folder / "cache")}
        done = subprocess.run(
            [sys.executable, "-c", READER, server.url],
            input=json.dumps([*self.runs.values()]),
            capture_output=True,
            text=True,
            timeout=2 * programs.PATIENCE,
            check=True,
            cwd=self.folder,
            env={**os.environ, **settings},
        )
        said = json.loads(done.stdout)
        self.told, self.imported, self.stderr = said["told"], said["imported"], done.stderr


@pytest.fixture(scope="module")
def planted(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """All of it, read in one process."""
    return Planted(shared_server, tmp_path_factory.mktemp("planted"))


def refusal(data: bytes) -> str:
    """Return the error that a record alone ends in."""
    try:
        with memory_limit(1 << 30):
            loads(data)
    except (UntrustedData, CorruptData) as error:
        return type(error).__name__
    return "loaded"


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("case", PLANTED)
def test_what_was_planted_is_data_to_nobody(planted: Planted, case: str, how: str) -> None:
    """A class that is not trusted raises UntrustedData; what is no record is passed over for the row behind it."""
    outcome = planted.told[planted.runs[case]][how]
    alone = (IN_TABLES.get(case) if how in OF_COLUMNS else None) or refusal(PLANTED[case])

    assert outcome == {"UntrustedData": "UntrustedData", "CorruptData": "[1.5]"}[alone]


#: What Python prints by itself where no memory is had for a bytearray, by chance: it looks at a count that was not set.
OF_PYTHON = "SystemError: deallocated bytearray object has exported buffers"


def test_nothing_was_run_or_imported(planted: Planted) -> None:
    """No canary is there, no module was imported, and nothing was printed."""
    assert list(planted.folder.iterdir()) == []
    assert planted.imported == []
    assert [line for line in planted.stderr.splitlines() if line != OF_PYTHON] == []


def test_the_server_is_alive_and_has_run_nothing(planted: Planted, shared_server: Server) -> None:
    """The server answers another client, and has left no canary where it was started or keeps its files."""
    with ML_Logger(root=shared_server.url, prefix="another", silent=True) as logger:
        logger.log(0, loss=2.5)
        assert [row["loss"] for row in logger.load_pkl("metrics.pkl") or ()] == [2.5]
    assert list(shared_server.data_dir.rglob(CANARY)) == [] and not Path(CANARY).exists()
    assert not (Path(f"/proc/{shared_server.pid}/cwd") / CANARY).exists()
