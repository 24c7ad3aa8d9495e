"""The README's code runs as it stands, from the first block to the last, and its shell lines are real."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ml_logger import cli
from ml_logger.server.__main__ import parser as server_parser
from ml_logger.testing import serve

pytestmark = pytest.mark.usefixtures("patient")

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.rst").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8081"

# Blocks with prompts are checked against what they show; the others are a program. All share one namespace.
RUNNER = """
import doctest, pathlib, sys
names, failed = {"__name__": "__main__"}, 0
for number, path in enumerate(sys.argv[1:]):
    block = pathlib.Path(path).read_text(encoding="utf-8")
    if ">>>" in block:
        test = doctest.DocTestParser().get_doctest(block, names, f"README block {number}", None, 0)
        failed += doctest.DocTestRunner().run(test, clear_globs=False).failed
        names.update(test.globs)
    else:
        exec(compile(block, f"README block {number}", "exec"), names)
sys.exit(1 if failed else 0)
"""


def blocks(language: str, text: str = README) -> list[str]:
    """Return the code blocks of a language, without their indentation."""
    found = re.findall(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", text)
    return [re.sub(r"(?m)^    ", "", block).strip() + "\n" for block in found]


def test_the_code_of_the_readme_runs(tmp_path: Path) -> None:
    """All Python of the README runs in order in an empty folder, against a real server, and shows what it says."""
    work = tmp_path / "work"
    with serve(work / "collected") as server:
        paths = []
        for number, block in enumerate(blocks("python")):
            path = tmp_path / f"{number}.py"
            path.write_text(block.replace(ADDRESS, server.url), encoding="utf-8")
            paths.append(str(path))
        done = subprocess.run(
            [sys.executable, "-c", RUNNER, *paths],
            cwd=work,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    assert len(paths) >= 4
    assert any(ADDRESS in block for block in blocks("python"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "├────────────────────┼────────────────────┤" in done.stdout
    assert "weights: [" in done.stdout
    stored = [
        str(path.relative_to(work)) for path in work.rglob("*") if path.is_file() and ".ml_logger" not in path.parts
    ]
    run = r"runs/\d{4}-\d{2}-\d{2}/[^/]+/[^/]+/"
    for name in ("parameters.pkl", "metrics.pkl", "outputs.log", "images/weights/0002.png"):
        assert any(re.fullmatch(run + re.escape(name), path) for path in stored), (name, stored)
    assert "collected/me/exp-1/metrics.pkl" in stored


def test_the_first_program_has_twelve_lines() -> None:
    """The README promises twelve lines, and shows twelve."""
    assert "Twelve lines that work" in README
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) == 12


@pytest.mark.parametrize("line", [line for block in blocks("bash") for line in block.splitlines() if line.strip()])
def test_the_shell_lines_are_real(line: str) -> None:
    """Every shell line of the README names a script that is there, or a command line that is understood."""
    words = shlex.split(line, comments=True)
    if words[:2] == ["pip", "install"]:
        assert words[2] == "." or f'\nname = "{words[2]}"\n' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    elif words[:3] == ["python", "-m", "ml_logger.server"]:
        server_parser().parse_args(words[3:])
    elif words[0] == "ml-logger":
        assert cli.parser().parse_args(words[1:]).command in cli.COMMANDS
    else:
        script = ROOT / words[0]
        assert words[0].startswith("scripts/")
        assert script.is_file() and os.access(script, os.X_OK)


def test_the_picture_shows_what_the_first_program_prints(tmp_path: Path) -> None:
    """Drawn anew, the picture of the README has the size of the one that is there, and fits into 150 kB."""
    picture = re.findall(r"\.\. image:: (\S+)", README)[0]
    program = ROOT / "docs" / "make_console_picture.py"
    subprocess.run(
        [sys.executable, program, "--out", tmp_path / "new.png"], timeout=120, check=True, capture_output=True
    )

    with Image.open(ROOT / picture) as old, Image.open(tmp_path / "new.png") as new:
        assert old.size == new.size
    assert (ROOT / picture).stat().st_size < 150_000
