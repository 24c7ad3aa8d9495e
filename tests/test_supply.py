"""What is installed with us: its lowest versions have no known hole, and holes that become known are found."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests import programs
from tests.wire import answering

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
REQUIRED = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
OPTIONAL = [Requirement(text) for texts in EXTRAS.values() for text in texts if not text.startswith("ml-logger")]
BUILD = [Requirement(text) for text in PROJECT["build-system"]["requires"]]

#: The first versions without a hole that was published, as far as a bound has to say it.
MENDED = {
    "numpy": "1.24",
    "pandas": "1.0.4",
    "pillow": "12.3",
    "pyarrow": "23.0.1",
    "pydantic": "2.4",
    "pytest": "9.0.3",
    "pyyaml": "5.4",
    "requests": "2.33",
    "sanic": "25.12.1",
    "scikit-learn": "1.5",
    "setuptools": "78.1.1",
    "tqdm": "4.66.3",
    "urllib3": "2.7",
}


@pytest.mark.parametrize("required", [*REQUIRED, *OPTIONAL], ids=lambda required: required.name)
def test_what_is_installed_is_within_the_bounds(required: Requirement) -> None:
    """Every dependency that these tests run with is one that the project asks for."""
    try:
        version = metadata.version(required.name)
    except metadata.PackageNotFoundError:
        if required in REQUIRED:
            raise
        pytest.skip(f"{required.name} is not installed here")

    assert required.specifier.contains(version, prereleases=True)


@pytest.mark.parametrize("name", MENDED)
def test_no_bound_lets_a_known_hole_in(name: str) -> None:
    """The lowest version that is taken is not older than the first one in which all known holes are mended."""
    found = [one.specifier for one in (*REQUIRED, *OPTIONAL, *BUILD) if one.name == name]
    bounds = [one.version for specifier in found for one in specifier if one.operator in (">=", "==")]

    assert len(bounds) == len(found) >= 1
    assert all(Version(bound) >= Version(MENDED[name]) for bound in bounds)


def test_every_requirement_has_a_bound() -> None:
    """Nothing that users get is asked for without the lowest version that will do."""
    user = [Requirement(text) for name, texts in EXTRAS.items() if name != "test" for text in texts]

    assert [one.name for one in (*REQUIRED, *BUILD, *user) if not one.specifier] == []


# ------------------------------------------------------------------------------------------------- scripts/known-holes


def known_holes(*flags: str) -> subprocess.CompletedProcess[str]:
    """Run the script over the environment of these tests."""
    command = [str(ROOT / "scripts" / "known-holes"), "--venv", sys.prefix, *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=programs.PATIENCE, check=False)


class _Advisories(BaseHTTPRequestHandler):
    """Answers as a service of advisories does: there is a hole in all versions of `requests` below 99."""

    def do_POST(self) -> None:
        """Tell the holes of the package that is asked about."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = {"name": "requests", "ecosystem": "PyPI"}
        affected = {
            "package": package,
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
        }
        hole = {"id": "HOLE-1", "aliases": ["CVE-2999-0001"], "summary": "a hole", "affected": [affected]}
        found = (
            {"vulns": [hole | {"published": "2026-01-01T00:00:00Z"}]} if asked["package"]["name"] == "requests" else {}
        )
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def advisories() -> Iterator[str]:
    """The address of a service of advisories on this machine."""
    if importlib.util.find_spec("pip_audit") is None:
        pytest.skip("pip-audit is not installed here")
    with answering(_Advisories) as url:
        yield f"{url}/v1/query"


def test_a_hole_ends_the_check(advisories: str) -> None:
    """A known hole is told with its names and what mends it, and the script fails, unless it is let pass."""
    done = known_holes("-s", "osv", "--osv-url", advisories)
    lines = done.stdout.splitlines()

    assert done.returncode == 1, done.stderr
    version = metadata.version("requests")
    assert lines[0] == f"known-holes: requests {version}: CVE-2999-0001, HOLE-1; mended in 99"
    assert "raise the bounds" in lines[1] and len(lines) == 2
    passed = known_holes("-s", "osv", "--osv-url", advisories, "--ignore-vuln", "HOLE-1")
    assert passed.returncode == 0
    assert re.fullmatch(r"known-holes: none in [1-9][0-9]+ packages\n", passed.stdout)


def test_what_cannot_be_looked_up_is_skipped() -> None:
    """Where nobody answers, or pip-audit is not there, one line says so, and the other checks go on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = known_holes("-s", "osv", "--osv-url", f"http://127.0.0.1:{port}/v1/query")

    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"known-holes: skipped: [^\n]+\n", done.stdout)


def test_an_environment_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A folder without an environment is a mistake, and not a check that has passed."""
    command = [str(ROOT / "scripts" / "known-holes"), "--venv", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=programs.PATIENCE, check=False)

    assert done.returncode == 2
    assert "scripts/setup-venv" in done.stderr


def test_the_checks_of_the_supply_are_in_the_one_command() -> None:
    """`scripts/test` looks for harmful code and for known holes, and checks the dashboard."""
    steps = re.findall(r'^step "([^"]+)"', (ROOT / "scripts" / "test").read_text(encoding="utf-8"), re.M)

    assert {"bandit", "known holes", "dashboard"} <= set(steps)


def test_the_code_has_no_finding() -> None:
    """bandit finds nothing in the package but what is marked, with a reason, where it stands."""
    if importlib.util.find_spec("bandit") is None:
        pytest.skip("bandit is not installed here")
    command = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", "ml_logger"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=programs.PATIENCE, check=False)

    assert (done.returncode, done.stdout) == (0, "")
    marked = [line for path in (ROOT / "ml_logger").rglob("*.py") for line in re.findall("# nosec.*", path.read_text())]
    assert marked
    assert [line for line in marked if not re.fullmatch(r"# nosec B[0-9]{3} # \w.{15,}", line)] == []
