"""Where people run their trainings: ranks, workers, notebooks, modules, and machines that deny this or that."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ml_logger import ML_Logger, config, errors
from tests import programs

RANK = """
    import sys
    from ml_logger import logger
    if sys.argv[1:]:
        logger.configure(root=sys.argv[1], prefix="run")
    for step in range(5):
        logger.log(step, value=step)
    logger.print("a line")
    logger.log_params(Args={"lr": 0.1})
    print("prefix", logger.prefix, flush=True)
"""

LAUNCHERS = {
    "torchrun": {"RANK": "{rank}", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "{rank}"},
    "slurm": {"SLURM_PROCID": "{rank}", "SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0"},
    "openmpi": {"OMPI_COMM_WORLD_RANK": "{rank}", "OMPI_COMM_WORLD_SIZE": "2"},
    "mvapich": {"MV2_COMM_WORLD_RANK": "{rank}", "MV2_COMM_WORLD_SIZE": "2"},
    "mpich": {"PMI_RANK": "{rank}", "PMI_SIZE": "2"},
}


def run_ranks(environment: dict[str, str], *args: object, **more: str) -> list[str]:
    """Run two ranks as a launcher does, and return what each has printed."""
    command = [sys.executable, "-c", textwrap.dedent(RANK), *map(str, args)]
    printed = []
    for rank in range(2):
        own = {name: text.format(rank=rank) for name, text in environment.items()}
        done = subprocess.run(
            command,
            env={**os.environ, **own, **more},
            capture_output=True,
            text=True,
            timeout=programs.PATIENCE,
            check=True,
        )
        assert done.stderr == ""
        printed.append(done.stdout)
    return printed


def prefix(printed: str) -> str:
    """Return the prefix that a rank has told."""
    (line,) = [line for line in printed.splitlines() if line.startswith("prefix ")]
    return line


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_ranks_log_into_one_run_and_one_of_them_prints(launcher: str, tmp_path: Path) -> None:
    """Every rank of a job logs all of its rows, which say whose they are; rank 0 alone prints tables and lines."""
    printed = run_ranks(LAUNCHERS[launcher], tmp_path)
    rows = programs.rows(tmp_path, "run")

    assert [(row["_rank"], row["value"]) for row in rows] == [(rank, value) for rank in range(2) for value in range(5)]
    assert ML_Logger(tmp_path, "run").load_text("outputs.log") == "a line\n" * 2
    assert "╒" in printed[0]
    assert "a line" in printed[0]
    assert printed[1] == "prefix run\n"


def test_a_setting_says_which_ranks_print(tmp_path: Path) -> None:
    """ML_LOGGER_PRINT_RANKS names the ranks that print, or all of them; nonsense is told."""
    zero, one = run_ranks(LAUNCHERS["torchrun"], tmp_path, ML_LOGGER_PRINT_RANKS="1")
    assert "╒" not in zero
    assert "╒" in one
    assert all("╒" in text for text in run_ranks(LAUNCHERS["torchrun"], tmp_path, ML_LOGGER_PRINT_RANKS="all"))
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run_ranks(LAUNCHERS["torchrun"], tmp_path, ML_LOGGER_PRINT_RANKS="first")
    assert "ML_LOGGER_PRINT_RANKS='first' makes no sense" in failed.value.stderr


def test_one_rank_tells_of_the_code(tmp_path: Path) -> None:
    """Where there is no repository, one rank says so, and not each of a thousand."""
    told = []
    for rank in "01":
        environment = {**os.environ, "RANK": rank, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
        code = "import sys; from ml_logger import ML_Logger; ML_Logger(sys.argv[1], 'run').diff()"
        command = [sys.executable, "-c", code, str(tmp_path / "root")]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=programs.PATIENCE, check=True
        )
        told.append(done.stderr)

    assert told[0].count("no diff is stored") == 1
    assert told[1] == ""


@pytest.mark.parametrize("launcher", ["torchrun", "slurm"])
def test_ranks_agree_on_a_folder_of_their_own(launcher: str) -> None:
    """Where nothing is configured the ranks of a job log into one folder, which the next job does not share."""
    environment = LAUNCHERS[launcher]
    first = run_ranks(environment)
    folders = {prefix(text) for text in first}
    assert len(folders) == 1
    again = environment | {"SLURM_STEP_ID": "1", "TORCHELASTIC_RUN_ID": "other", "LOCAL_WORLD_SIZE": "1"}
    assert {prefix(text) for text in run_ranks(again)}.isdisjoint(folders)
    assert len({*Path("runs").rglob("metrics.pkl")}) == 2


def test_a_process_alone_is_no_rank(tmp_path: Path) -> None:
    """A job of one process prints, whatever is left in its environment, and its rows are as anybody's."""
    alone = {"RANK": "0", "WORLD_SIZE": "1", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}
    assert all("╒" in text for text in run_ranks(alone, tmp_path))
    assert not any("_rank" in row for row in programs.rows(tmp_path, "run"))


def test_torchrun(tmp_path: Path) -> None:
    """Two processes of the real torchrun log into one folder that they agreed on, and one of them prints."""
    pytest.importorskip("torch")
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(RANK).replace('print("prefix"', 'open(logger.prefix.replace("/", "_"), "w"); print(""')
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=programs.PATIENCE, check=True
    )
    (file,) = Path("runs").rglob("metrics.pkl")
    rows = programs.rows(Path("runs").absolute(), str(file.parent.relative_to("runs")))

    assert sorted((row["_rank"], row["value"]) for row in rows) == [(r, value) for r in range(2) for value in range(5)]
    assert done.stdout.count("a line") == 1
    assert [path.name for path in Path().iterdir() if path.name.startswith("jobs_")] != []


# ------------------------------------------------------------------------------------------------------------- workers


WORKERS = """
    import sys
    import torch
    from torch.utils.data import DataLoader, Dataset
    from ml_logger import ML_Logger, logger

    class Numbers(Dataset):
        def __init__(self, own):
            self.own = own
        def __len__(self):
            return 8
        def __getitem__(self, index):
            logger.log(index, seen=index, silent=True, flush=True)
            self.own.log_line(index, file="seen.log")
            return index

    if __name__ == "__main__":
        method, root = sys.argv[1:]
        if root:
            logger.configure(root=root, prefix="run", silent=True)
        logger.log(-1, seen=-1, flush=True, silent=True)
        own = ML_Logger(root=logger.root, prefix=logger.prefix)
        loader = DataLoader(Numbers(own), num_workers=2, multiprocessing_context=method)
        print(sorted(int(batch) for batch in loader), logger.prefix)
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("configured", [True, False])
def test_workers_of_a_data_loader_log_where_their_parent_does(method: str, configured: bool, tmp_path: Path) -> None:
    """Workers of torch's DataLoader, forked or begun anew, log into the run of their parent, by any logger."""
    pytest.importorskip("torch")
    script = tmp_path / "load.py"
    script.write_text(textwrap.dedent(WORKERS))
    root = str(tmp_path / "root") if configured else ""
    command = [sys.executable, str(script), method, root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=programs.PATIENCE, check=True)
    prefix = done.stdout.split()[-1]
    place = root or str(Path("runs").absolute())

    assert "Error" not in done.stderr
    assert sorted(row["seen"] for row in programs.rows(place, prefix)) == [*range(-1, 8)]
    lines = ML_Logger(root=place, prefix=prefix).load_text("seen.log").split()
    assert sorted(map(int, lines)) == [*range(8)]
    assert len([*Path(place).rglob("metrics.pkl")]) == 1


def test_a_program_that_is_started_has_a_run_of_its_own(tmp_path: Path) -> None:
    """A program that another one starts does not log into the folder of the other: it is no worker of it."""
    code = """
        import subprocess, sys
        from ml_logger import logger
        logger.log(0, a=1, silent=True, flush=True)
        print(logger.prefix, flush=True)
        if len(sys.argv) < 2:
            subprocess.run([sys.executable, "-c", open("code.py").read(), "inner"], check=True)
    """
    Path("code.py").write_text(textwrap.dedent(code))
    one, two = programs.run(code).stdout.split()

    assert one != two
    assert len([*Path("runs").rglob("metrics.pkl")]) == 2


def test_a_pickled_logger_logs_to_the_same_place_and_holds_no_secret(root: str) -> None:
    """A logger can be sent to another process; its token stays where it is."""
    logger = ML_Logger(root=root, prefix="run", silent=True, access_token="hush-hush")
    data = pickle.dumps(logger)
    twin = pickle.loads(data)

    assert b"hush-hush" not in data
    assert repr(twin) == repr(logger)


# ---------------------------------------------------------------------------------------------------- how it is started


def test_modules_and_commands_have_folders_by_their_names(tmp_path: Path) -> None:
    """`python -m package.train`, `python -m package` and `python -c` log into folders that tell them apart."""
    package = Path("package")
    package.mkdir()
    code = "from ml_logger import logger; logger.log(0, a=1, silent=True)"
    for name in ("__init__", "__main__", "train"):
        (package / f"{name}.py").write_text(code if name != "__init__" else "")
    for command in (["-m", "package"], ["-m", "package.train"], ["-c", code]):
        subprocess.run([sys.executable, *command], check=True, timeout=programs.PATIENCE)

    assert sorted(path.parts[2] for path in Path("runs").rglob("metrics.pkl")) == ["package", "python", "train"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can write: /proc")
def test_no_home_and_a_folder_that_cannot_be_written(root: str, tmp_path: Path) -> None:
    """Where neither the home nor the working folder can be written, a run that is told where to log goes on."""
    environment = {name: text for name, text in os.environ.items() if name != "ML_LOGGER_SPOOL"}
    environment |= {"HOME": "/proc", "TMPDIR": str(tmp_path), "XDG_STATE_HOME": ""}
    code = """
        import sys
        from ml_logger import logger
        logger.configure(root=sys.argv[1], prefix="run")
        logger.log(0, value=1, flush=True)
        logger.diff()
        logger.close()
    """
    command = [sys.executable, "-c", textwrap.dedent(code), root]
    done = subprocess.run(
        command,
        cwd="/proc",
        env=environment,
        capture_output=True,
        text=True,
        timeout=programs.PATIENCE,
        check=True,
    )

    assert "Traceback" not in done.stderr
    assert [row["value"] for row in programs.rows(root, "run")] == [1]


def test_a_spool_among_temporary_files_is_in_nobody_elses_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no home can be written, a folder that others may write to, a link, or one of somebody else is passed by."""
    monkeypatch.delenv("ML_LOGGER_SPOOL")
    monkeypatch.setenv("HOME", "nowhere")  # a home that is no place, for root, too
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("ML_LOGGER_USER", "me")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    assert config.spool_folder() == tmp_path / "ml_logger-me" / "spool" == config.spool_folder()
    assert (tmp_path / "ml_logger-me").stat().st_mode & 0o777 == 0o700

    (tmp_path / "ml_logger-me").chmod(0o777)
    assert config.spool_folder() == tmp_path / "ml_logger-me-1" / "spool"
    (tmp_path / "ml_logger-me-1").rmdir()
    (tmp_path / "ml_logger-me-1").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "ml_logger-me-2").write_bytes(b"")
    assert config.spool_folder() == tmp_path / "ml_logger-me-3" / "spool"
    if os.getuid() == 0:
        os.chown(tmp_path / "ml_logger-me-3", 12345, 12345)
        assert config.spool_folder() == tmp_path / "ml_logger-me-4" / "spool"
    for number in range(3, 10):
        (tmp_path / f"ml_logger-me-{number}").mkdir(exist_ok=True)
        (tmp_path / f"ml_logger-me-{number}").chmod(0o777)
    last = config.spool_folder()
    assert last.parent.parent == tmp_path
    assert last.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody can write: /proc")
def test_a_default_folder_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing configured in a folder that cannot be written: the first row raises, and says what to do."""
    monkeypatch.chdir("/proc")
    logger = ML_Logger()
    logger.log(0, value=1, silent=True)

    with pytest.raises(errors.StorageFailed, match="configure another log_directory"):
        logger.flush()
    logger._rows.clear()


# ------------------------------------------------------------------------------------------------------------ notebooks


NOTEBOOK = """
    import sys
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=".")

    def cell(code):
        printed = []
        def show(message):
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])
            elif message["msg_type"] in ("display_data", "execute_result", "error"):
                printed.append(repr(message["content"]))
        client.execute_interactive(code, output_hook=show, timeout=60)
        return "".join(printed)

    try:
        set_up = f"from ml_logger import logger; logger.configure(root={sys.argv[1]!r}, prefix='run')"
        first = cell(set_up + "\\nfor step in range(3): logger.log(step, loss=step / 2)")
        second = cell("logger.flush()\\nlogger.print('done')")
        third = cell("logger.log(7, loss=7)")
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=60)
        fourth = cell(set_up + "\\nlogger.log(8, loss=8, flush=True)")
        fifth = cell("logger.configure(); print(logger.prefix)")
        quiet = [
            cell("logger.log_line('a line')"),
            cell("logger.log_image(0, dot=[[0.5]])"),
            cell("logger.remove('nothing')"),
            cell("receipt = logger.log_text('x', 'x.txt')\\nreceipt"),
        ]
        asked = cell("receipt.result(60)\\nprint(receipt)")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(repr([first, second, third, fourth, fifth, quiet, asked]))
"""


def test_notebooks(root: str) -> None:
    """A cell shows each table once, as text, and no receipt; a restart of the kernel keeps what was written before."""
    pytest.importorskip("ipykernel")
    import ast

    done = programs.run(NOTEBOOK, root)
    first, second, third, fourth, fifth, quiet, asked = ast.literal_eval(done.stdout.splitlines()[-1])
    if root.startswith("http"):
        programs.push(root)  # both kernels were killed: what they have not sent waits in their spools
    rows = programs.rows(root, "run")

    assert first.count("╒") == first.count("╘") == 2
    assert first.startswith("╒")
    assert second.count("╒") == 1
    assert second.endswith("╛\ndone\n")
    assert third == ""
    assert fourth.count("╒") == 1
    assert fifth == "run\n"
    assert quiet == [""] * 4
    assert re.fullmatch(r"\w*Receipt\(done\)\n", asked)
    assert [row["_step"] for row in rows if row["_step"] != 7] == [0, 1, 2, 8]
