"""The examples of the project's founding document run as they are written, on a folder and on a server."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml_logger.testing import Server

pytestmark = pytest.mark.usefixtures("patient")

SEED = Path(__file__).parent / "seed"
GOLDEN = Path(__file__).parent / "golden"

# What the document's examples take for granted: a clock that can be compared, the names they use, and a photograph.
PRELUDE = """
import sys, time
time.time = lambda: 1700000000.0
from datetime import datetime
from types import SimpleNamespace
import numpy as np
from ml_logger import Color, percent

def face(gray=False):
    from sklearn.datasets import load_sample_image
    picture = load_sample_image("china.jpg")
    return picture.mean(axis=2).astype(np.uint8) if gray else picture

scipy = SimpleNamespace(misc=SimpleNamespace(face=face))
i = 7

class G:
    env_name = "MountainCar-v0"
    seed = None
    stochastic_action = True
    conv_params = None
    value_params = (64,)
    use_layer_norm = True
    buffer_size = 50000
    replay_batch_size = 32
    prioritized_replay = True
    alpha = 0.6
    beta_start = 0.4
    beta_end = 1.0
    prioritized_replay_eps = 1e-06
    grad_norm_clipping = 10
    double_q = True
    use_dueling = False
    exploration_fraction = 0.1
    final_eps = 0.1
    n_timesteps = 100000
    learning_rate = 0.001
    gamma = 1.0
    learning_start = 1000
    learn_interval = 1
    target_network_update_interval = 500

class RUN:
    log_directory = (
        "/mnt/slab/krypton/machine_learning/ge_dqn/2017-11-20/162048.353909-MountainCar-v0-prioritized_replay(True)"
    )
    checkpoint = "checkpoint.cp"
    log_file = "output.log"

class Reporting:
    checkpoint_interval = 10000
    reward_average = 100
    print_interval = 10
"""


def run(example: str, root: str, tmp_path: Path, more: str = "") -> str:
    """Run an example with its places replaced by one of ours, and return what it printed."""
    code = (SEED / f"{example}.py").read_text()
    for place in ("http://some.ip.address.com:2000", "/mnt/bucket/deep_Q_learning", "/mnt/slab/krypton/unitest"):
        code = code.replace(place, root)
    script = tmp_path / "example.py"
    script.write_text(PRELUDE + code + more)
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def tree(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, our bookkeeping left out."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".ml_logger" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def rows(data: bytes) -> list[object]:
    """Read records as anybody can: a loop around `pickle.load`."""
    file, found = io.BytesIO(data), []
    while file.tell() < len(data):
        found.append(pickle.load(file))
    return found


@pytest.mark.parametrize("example", ["usage", "colors"])
def test_examples_leave_the_same_files_locally_and_remotely(example: str, server: Server, tmp_path: Path) -> None:
    """An example leaves byte-identical folders on disk and on a server, and prints the same."""
    printed = [run(example, place, tmp_path) for place in (str(tmp_path / "local"), server.url)]
    local, remote = tree(tmp_path / "local"), tree(server.data_dir)
    for files, place in ((local, str(tmp_path / "local")), (remote, server.url)):
        for key in files:
            if key.endswith("example.py"):  # the script itself, which names the place
                files[key] = files[key].replace(place.encode(), b"PLACE")

    assert printed[0] == printed[1]
    assert local == remote != {}


def test_parameters_are_the_same_on_a_server(server: Server, tmp_path: Path) -> None:
    """The parameters example, sent to a server, leaves the file that it leaves on disk."""
    code = "logger = ML_Logger(log_directory='PLACE')\nlogger.log_params(G=vars(G), RUN=vars(RUN))\n"
    printed = []
    for place in (str(tmp_path / "local"), server.url):
        script = tmp_path / "example.py"
        script.write_text(PRELUDE + "from ml_logger import ML_Logger\n" + code.replace("PLACE", place))
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
        printed.append(done.stdout)

    assert printed[0] == printed[1]
    assert tree(tmp_path / "local") == tree(server.data_dir) != {}


def test_usage_stores_what_it_logs(root: str, tmp_path: Path) -> None:
    """The usage example stores parameters, one row per step, the script and pictures, and all of it comes back."""
    more = """
print("READ", logger.load_pkl("metrics.pkl") == logger.load_pkl("data.pkl"), len(logger.load_pkl("metrics.pkl")))
print("READ", logger.load_text("files", "example.py") == open(__file__).read())
import os
for key in logger.glob("**"):
    target = os.path.join(sys.argv[0] + ".out", key)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    open(target, "wb").write(logger.load_file(key))
"""
    printed = run("usage", root, tmp_path, more)
    files = tree(tmp_path / "example.py.out")

    assert "READ True 10" in printed
    assert "READ True\n" in printed
    assert sorted(files) == [
        "files/example.py",
        "images/animation/0007.gif",
        "images/black_white/0004.png",
        "images/color_image/0004.png",
        "metrics.pkl",
        "parameters.pkl",
    ]
    assert rows(files["metrics.pkl"]) == [
        {
            "_step": epoch,
            "_timestamp": 1700000000.0,
            "step": epoch,
            "D_loss": 0.2,
            "G_loss": 0.1,
            "mutual_information": 0.01,
            "some string key": 0.0012,
        }
        for epoch in range(10)
    ]
    (parameters,) = rows(files["parameters.pkl"])
    assert parameters["Args"]["D_lr"] == 5e-4
    assert parameters["Args"]["log_prefix"].startswith("https://github.com/")
    assert not [name for name in parameters["Args"] if name.startswith("__")]
    color = np.asarray(Image.open(io.BytesIO(files["images/color_image/0004.png"])))
    gray = np.asarray(Image.open(io.BytesIO(files["images/black_white/0004.png"])))
    assert color.shape == (427, 640, 3)
    assert gray.shape == (427, 640)
    assert Image.open(io.BytesIO(files["images/animation/0007.gif"])).size == (640, 427)


def test_the_parameters_table_is_the_documents(tmp_path: Path) -> None:
    """The tables of parameters and of a step are the document's, to the character."""
    more = """
logger.log(timestep=1999, episode=10, total_reward=-200.0, **{"total_reward/mean": -200.0, "total_reward/max": -200.0},
           time_spent_exploring=Color(0.82, None, percent), replay_beta=0.41)
logger.flush()
"""
    printed = run("parameters", str(tmp_path / "bucket"), tmp_path, more)

    assert printed == (GOLDEN / "seed_parameters.txt").read_text() + (GOLDEN / "seed_metrics.txt").read_text()
    assert [path.name for path in (tmp_path / "bucket").rglob("*.pkl")].count("parameters.pkl") == 1


def test_the_tables_of_colors_are_the_documents(root: str, tmp_path: Path) -> None:
    """Four steps print the document's four tables; the fifth, still pending, prints at the end."""
    printed = run("colors", root, tmp_path, more="\nprint('END')\n")
    before, end, after = printed.partition("END\n")

    assert before == (GOLDEN / "seed_colored.txt").read_text()
    assert end
    assert "│        some        │         10         │" in after


def test_values_are_yellow_where_colors_belong(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With FORCE_COLOR the values are yellow, and nothing else of the tables changes; NO_COLOR wins over it."""
    plain = run("colors", root, tmp_path)
    monkeypatch.setenv("FORCE_COLOR", "1")
    colored = run("colors", root, tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b[33m85.0%\x1b[0m" in colored
    assert colored.replace("\x1b[33m", "").replace("\x1b[0m", "") == plain
    assert run("colors", root, tmp_path) == plain
