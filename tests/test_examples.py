"""The examples, run as newcomers run them: against a folder and against a server."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from ml_logger import ML_Logger
from ml_logger.encoders import record_reader
from ml_logger.testing import Server

pytestmark = pytest.mark.usefixtures("patient")

EXAMPLE = Path(__file__).parents[1] / "examples" / "train_digits.py"
EPOCHS, STEPS = 3, 44  # 1,437 images for training, in 44 batches of at least 32
FLAGS = ["--epochs", str(EPOCHS), "--prefix", "me/digits"]
RECORDS = {"parameters.pkl", "metrics.pkl", "histograms.pkl"}


class Run(NamedTuple):
    """A run of the example that is over: where it logged, and what it printed."""

    root: str
    printed: str


def train(spool: Path, *flags: str) -> str:
    """Run the example without a person's settings; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ML_LOGGER_")}
    environment |= {"ML_LOGGER_SPOOL": str(spool), "MPLBACKEND": "agg", "PYTHONUTF8": "1", "NO_COLOR": "1"}
    command = [sys.executable, str(EXAMPLE), *flags]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module", params=["local", "remote"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The example, run once into a folder and once to a server."""
    folder = tmp_path_factory.mktemp("example")
    root = str(folder / "root") if request.param == "local" else request.getfixturevalue("shared_server").url
    return Run(root, train(folder / "spool", "--root", root, *FLAGS))


@pytest.fixture
def reader(run: Run) -> Iterator[ML_Logger]:
    """A logger that reads what the example has left."""
    with ML_Logger(root=run.root, prefix="me/digits", silent=True) as opened:
        yield opened


def test_parameters_are_those_of_the_command_line(run: Run, reader: ML_Logger) -> None:
    """The parameters are stored under their namespace, flags that were given and defaults alike."""
    args = {"root": run.root, "prefix": "me/digits", "epochs": EPOCHS}
    args |= {"lr": 0.1, "batch_size": 32, "seed": 0, "silent": False}

    assert reader.load_pkl("parameters.pkl") == [{"Args": args}]


def test_each_step_has_one_row(reader: ML_Logger) -> None:
    """Each batch has its row, in order; the values of an epoch are in the row of its last batch."""
    rows = reader.load_pkl("metrics.pkl")

    assert rows is not None
    assert [row["_step"] for row in rows] == list(range(1, EPOCHS * STEPS + 1))
    assert all(type(row["loss"]) is float and row["loss"] > 0 for row in rows)
    evaluated = [row for row in rows if "test_accuracy" in row]
    assert [(row["_step"], row["epoch"]) for row in evaluated] == [(44, 0), (88, 1), (132, 2)]
    assert all(type(row["test_accuracy"]) is float and 0.5 < row["test_accuracy"] < 1 for row in evaluated)


def test_pictures_are_ordinary_image_files(reader: ML_Logger) -> None:
    """Any program decodes the pictures: one of each epoch, the grid of mistakes, and the figure."""
    sizes = {}
    for key in reader.glob("**/*.png"):
        with Image.open(io.BytesIO(reader.load_file(key))) as picture:
            picture.load()
            sizes[key] = picture.size

    width, height = sizes.pop("images/mistaken.png")
    assert (width % 68, height % 68) == (0, 0)
    assert sizes.pop("figures/confusion.png") == (720, 720)
    assert sizes == {f"images/hardest/{epoch:04d}.png": (68, 68) for epoch in range(EPOCHS)}


def test_each_epoch_has_a_histogram_and_a_checkpoint(reader: ML_Logger) -> None:
    """Histograms count all weights, and checkpoints come back as arrays by name."""
    histograms = reader.load_pkl("histograms.pkl")
    checkpoints = [reader.load_pkl(key) for key in reader.glob("modules/*")]

    assert histograms is not None
    assert [row["_step"] for row in histograms] == [44, 88, 132]
    assert [sum(row["hidden"]["counts"]) for row in histograms] == [64 * 96] * EPOCHS
    assert [weights["hidden"].shape for [weights] in checkpoints] == [(64, 96)] * EPOCHS


def test_files_are_stored_whole(reader: ML_Logger) -> None:
    """The script itself and the array are there, as they were."""
    assert reader.load_file("files/train_digits.py") == EXAMPLE.read_bytes()
    np.testing.assert_allclose(reader.load_np("probabilities.npy").sum(axis=1), np.ones(360))


def test_the_console_shows_one_table_an_epoch_and_a_summary(run: Run) -> None:
    """The rows of the batches are silent, each epoch prints one table, and the end says what was read back."""
    assert run.printed.count("│   test accuracy    │") == EPOCHS
    assert "│        loss        │" not in run.printed
    assert f"Read back from {run.root}/me/digits:" in run.printed
    assert f"{EPOCHS * STEPS} rows" in run.printed


def test_the_network_learns(tmp_path: Path) -> None:
    """With its default settings the example recognizes more than 95 % of the test images; silent prints no table."""
    printed = train(tmp_path / "spool", "--root", str(tmp_path / "root"), "--silent")

    with ML_Logger(root=tmp_path / "root", silent=True) as reader:
        [last] = reader.load_pkl("metrics.pkl", start=-1) or []
    assert last["test_accuracy"] > 0.95
    assert "╒" not in printed


def test_a_server_holds_the_same_bytes_as_a_folder(server: Server, tmp_path: Path) -> None:
    """What a training logs is the same in a folder and on a server, byte for byte, but for the times of the rows."""
    here, there = tmp_path / "root" / "me/digits", server.data_dir / "me/digits"
    train(tmp_path / "spool", "--root", str(tmp_path / "root"), *FLAGS)
    train(tmp_path / "spool", "--root", server.url, *FLAGS)

    names = files(here)
    assert names == files(there)
    assert names > RECORDS
    for name in names - RECORDS:
        assert (here / name).read_bytes() == (there / name).read_bytes(), name
    for name in RECORDS:
        assert timeless(here / name) == timeless(there / name), name
    for name in RECORDS - {"parameters.pkl"}:
        assert (here / name).stat().st_size == (there / name).stat().st_size, name


def files(folder: Path) -> set[str]:
    """Return the paths of all files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def timeless(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file without what differs between two runs: the times, and where they logged."""
    found = list(record_reader.decode([path.read_bytes()]))
    for record in found:
        record.pop("_timestamp", None)
        record.get("Args", {}).pop("root", None)
    return found
