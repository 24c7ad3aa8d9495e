"""SECURITY.md is held to the code: what it names is there, and its commands do what they say."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ml_logger import cli, config
from ml_logger.server import __main__ as server
from tests import programs
from tests.test_docs import flags

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", TEXT, re.M | re.S)
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
#: What of the checklist is no command of ours.
OTHERS = ("mkdir", "chmod", "touch", "export", "unset", "ulimit", "openssl")


def names_in(path: Path) -> set[str]:
    """Return the names of the tests in a file."""
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)}


def test_files_and_tests_that_are_named_exist() -> None:
    """Every file of the repository that the page names is there, and every test is in the file it is said to be in."""
    named = re.findall(r"`((?:ml_logger|tests|scripts)/[\w./-]+)(?:::(\w+))?`", TEXT)
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)

    assert len(named) > 50
    assert [path for path, _ in named if not (ROOT / path).is_file()] == []
    assert [path for path in (*links, "pyproject.toml") if not (ROOT / path).is_file()] == []
    assert [(path, name) for path, name in named if name and name not in names_in(ROOT / path)] == []


def test_every_claim_about_an_attacker_names_what_keeps_it() -> None:
    """Under each attacker at least one test is named, and what he can still do is said."""
    chapter = TEXT.split("\n## Who may attack")[1].split("\n## ")[0]
    attackers = chapter.split("\n### ")[1:]

    assert len(attackers) >= 7
    assert [text.splitlines()[0] for text in attackers if "`tests/" not in text] == []
    assert [text.splitlines()[0] for text in attackers if not re.search("can (still )?do|It can lie", text)] == []


def test_settings_and_flags_that_are_named_exist() -> None:
    """No variable, and no flag in the text, is one that nothing reads."""
    variables = {*re.findall(r"\bML_LOGGER_[A-Z_]*[A-Z]", TEXT)}
    known = {*flags(server.parser()), *flags(cli.parser())}
    named = {*re.findall(r"`(--[\w-]+)", TEXT)}

    assert variables and variables <= {*config.SETTINGS}
    assert named and named <= known


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_can_be_parsed(command: str) -> None:
    """Every command of the page is one that a shell reads, and ours are ones that our parsers take."""
    subprocess.run(["sh", "-n", "-c", command], check=True, timeout=programs.PATIENCE)
    words = shlex.split(command)
    if words[0] == "ml-logger":
        cli.parser().parse_args(words[1:])
    elif words[:3] == ["python", "-m", "ml_logger.server"]:
        server.parser().parse_args(words[3:])
    elif words[0].startswith("scripts/"):
        assert os.access(ROOT / words[0], os.X_OK)
    else:
        assert words[0] in OTHERS


def test_the_checklist_works(tmp_path: Path) -> None:
    """Run one after another, up to the server and after it, the commands of the checklist leave what they promise."""
    shim = tmp_path / "bin"
    shim.mkdir()
    (shim / "ml-logger").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ml_logger "$@"\n')
    (shim / "ml-logger").chmod(0o755)
    local = [block for block in BLOCKS if "ml_logger.server" not in block and "scripts/" not in block]
    local = [block for block in local if not block.startswith("ulimit")]
    env = {**os.environ, "HOME": str(tmp_path), "PATH": f"{shim}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euc", "\n".join(local)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=programs.PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("collected", "key.pem", ".netrc")}
    assert modes == {"collected": 0o700, "key.pem": 0o600, ".netrc": 0o600}
    assert re.search(r"^guest: read below me/exp-1, ", done.stdout, re.M)
    left = (tmp_path / "collected" / ".ml_logger" / "tokens.json").read_text("utf-8")
    assert '"laptop"' in left and '"guest"' not in left
    assert "BEGIN CERTIFICATE" in (tmp_path / "cert.pem").read_text("utf-8")


def test_the_page_is_found() -> None:
    """The README and the first page of the docs lead to it."""
    for path in ("README.rst", "docs/index.rst", "docs/server.rst"):
        assert "SECURITY.md>`_" in (ROOT / path).read_text(encoding="utf-8"), path
