"""Bars while many runs are read: where somebody looks, once it takes long, and nothing of them stays."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from ml_logger import ML_Logger, progress
from tests import programs
from tests.test_consoles import on_terminal, screen

CODE = """
    import os, sys
    for name in {hidden!r}:
        sys.modules[name] = None
    os.environ["ML_LOGGER_PROGRESS"] = {patience!r}
    from ml_logger import ML_Logger
    logger = ML_Logger(sys.argv[1], "me", silent=True)
    frame = logger.frame("**", keys=["loss"])
    print("rows", len(frame), "tqdm" in sys.modules)
"""


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A folder with twenty runs."""
    for run in range(20):
        with ML_Logger(tmp_path / "runs", f"me/{run}", silent=True) as logger:
            logger.log(0, loss=1.0)
    return tmp_path / "runs"


def test_a_bar_of_tqdm(many: Path) -> None:
    """On a terminal a bar of tqdm tells how many files there are, and is gone in the end."""
    pytest.importorskip("tqdm")
    written = on_terminal(CODE.format(hidden=[], patience="0"), many)

    assert "reading:" in written
    assert "/20 " in written
    assert [line for line in screen(written) if line] == ["rows 20 True"]


def test_a_line_without_tqdm(many: Path) -> None:
    """Without tqdm a line tells the same, and is gone in the end."""
    written = on_terminal(CODE.format(hidden=["tqdm", "tqdm.auto"], patience="0"), many)

    assert "reading: 1 of 20 files" in written
    assert "reading: 20 of 20 files" in written
    assert [line for line in screen(written) if line] == ["rows 20 True"]


@pytest.mark.parametrize("patience", ["1000", "never"])
def test_no_bar_for_what_is_quick(many: Path, patience: str) -> None:
    """Nothing is shown, and tqdm is not loaded, before reading has taken long, or where none is wanted."""
    written = on_terminal(CODE.format(hidden=[], patience=patience), many)

    assert written.splitlines() == ["rows 20 False"]


def test_no_bar_where_nobody_looks(many: Path) -> None:
    """Where stderr is no terminal nothing is written to it."""
    done = programs.run(CODE.format(hidden=[], patience="0"), many)

    assert done.stderr == ""
    assert done.stdout == "rows 20 False\n"


def test_items_pass_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """All items come, in their order and one by one; the total is not asked for before there is a bar."""

    def total() -> int:
        raise AssertionError("was asked for")

    taken: list[int] = []
    for item in progress.track((taken.append(n) or n for n in range(3)), total, "reading", 1000.0):
        assert taken == list(range(item + 1))
    assert taken == [0, 1, 2]
    assert list(progress.track([], total, "reading", None)) == []


NOTEBOOK = """
import sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3", startup_timeout=90)
written = []
def show(message):
    written.append(message["content"].get("text", ""))
try:
    client.execute_interactive(sys.argv[2], timeout=90, output_hook=show)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print(repr("".join(written)))
"""


def test_in_a_notebook(many: Path) -> None:
    """A notebook shows a bar, though nothing is a terminal there."""
    pytest.importorskip("ipykernel")
    code = CODE.format(hidden=[], patience="0").replace("sys.argv[1]", repr(str(many)))
    written = programs.run(NOTEBOOK, many, textwrap.dedent(code)).stdout

    assert "reading:" in written
    assert "/20 " in written
    assert "rows 20 True" in written
    assert "IPython" not in sys.modules or not progress._in_notebook()
