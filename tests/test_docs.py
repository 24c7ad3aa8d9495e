"""The docs are held to the code: nothing public is missing, every example runs, every link leads somewhere."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ml_logger
from ml_logger import ML_Logger, cli
from ml_logger.encoders import audited
from ml_logger.server import __main__ as server
from ml_logger.server.app import Service, create_app
from ml_logger.settings import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.rst"))
API = "".join(path.read_text(encoding="utf-8") for path in sorted((DOCS / "api").glob("*.rst")))
TEXTS = [ROOT / "README.rst", ROOT / "CONTRIBUTING.rst", ROOT / "CHANGELOG.rst", *PAGES]
METHODS = [name for name in dir(ML_Logger) if not name.startswith("_")]
MINUTES = 300  # seconds that a build may take


def page(name: str) -> str:
    """Return the source of a page."""
    return (DOCS / f"{name}.rst").read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    """Return the name of a page as Sphinx has it: `api/metrics`."""
    return path.relative_to(DOCS).with_suffix("").as_posix()


def flags(parser: argparse.ArgumentParser) -> list[str]:
    """Return the options of a command line, without the help that every one has."""
    found = [flag for action in parser._actions for flag in action.option_strings]
    for action in parser._actions:
        if isinstance(action.choices, dict):  # commands of a command
            found += [flag for inner in action.choices.values() for flag in flags(inner)]
    return [flag for flag in found if flag not in ("-h", "--help")]


def routes(folder: Path) -> list[tuple[str, str]]:
    """Return the method and the address of every route of the server, the parameters as the docs write them."""
    (folder / ".ml_logger").mkdir()
    service = Service(folder, power=False, workers=1)
    try:
        found = create_app(service, None).router.routes
        return [
            (method, re.sub(r"<\w+:path>", "KEY", route.uri)) for route in found for method in sorted(route.methods)
        ]
    finally:
        service.close()


@pytest.mark.parametrize("name", METHODS)
def test_public_methods_are_on_one_api_page(name: str) -> None:
    """Every method is told on the page of its family, from the docstring that it has, with an example that runs."""
    directive = re.compile(rf"^\.\. auto(method|property):: ml_logger\.ML_Logger\.{re.escape(name)}$", re.M)
    pages = [path for path in PAGES if directive.search(path.read_text(encoding="utf-8"))]
    member = getattr(ML_Logger, name)

    assert len(pages) == 1
    assert inspect.getdoc(member.fget if isinstance(member, property) else member)
    examples = re.findall(r"^    (?:>>>|\.\.\.) (.*)", pages[0].read_text(encoding="utf-8"), re.M)
    assert any(re.search(rf"\.{re.escape(name)}\b", line) for line in examples)


@pytest.mark.parametrize("name", METHODS)
def test_public_methods_are_in_the_overview(name: str) -> None:
    """Every method has its place in the API's table of which call is for what."""
    table = page("api/index").split("Which call for what:")[1].split("The logger\n")[0]

    assert f"``{name}``" in table


@pytest.mark.parametrize("name", ml_logger.__all__)
def test_public_names_are_on_the_api_pages(name: str) -> None:
    """Every name of the package is told on an API page, by a directive of its own."""
    assert re.search(rf"^\.\. (data|auto\w+):: ml_logger\.{re.escape(name)}$", API, re.M)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_generated_into_their_page(name: str) -> None:
    """The page of settings is generated from the table, and each setting says what it does."""
    assert re.search(r"^\.\. settings-table::$", page("settings"), re.M)
    assert SETTINGS[name].help.endswith(".")


@pytest.mark.parametrize("entry", audited.ENTRIES, ids=lambda entry: "-".join(entry.names))
def test_the_audited_list_is_generated_into_its_page(entry: audited.Entry) -> None:
    """The page about decoding is generated from the audited list, and each entry says why it is there."""
    assert re.search(r"^\.\. audited-table::$", page("decoding"), re.M)
    assert entry.names and entry.modules.split()
    assert len(entry.reason) > 20 and entry.reason.endswith(".")


def test_settings_that_the_docs_name_exist() -> None:
    """No page names a variable of ours that nothing reads."""
    named = {name for text in TEXTS for name in re.findall(r"\bML_LOGGER_[A-Z_]*[A-Z]", text.read_text("utf-8"))}

    assert named
    assert named <= {*SETTINGS}


@pytest.mark.parametrize("flag", flags(server.parser()))
def test_server_flags_are_documented(flag: str) -> None:
    """Every flag of the server is in the page about it, as itself and not as a part of another."""
    assert re.search(rf"``{re.escape(flag)}[ `=]", page("server"))


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_commands_are_documented(name: str) -> None:
    """Every command has an entry of its own in the page about the server, with its options."""
    text = page("server")
    subparsers: Any = next(action for action in cli.parser()._actions if isinstance(action.choices, dict))
    entry = text.partition(f"\n``ml-logger {name}``\n")[2].split("\n``ml-logger ")[0]

    assert entry
    for flag in flags(subparsers.choices[name]):
        assert f"``{flag}" in entry, flag


def test_routes_are_documented(tmp_path: Path) -> None:
    """Every route of the server has a line in the protocol, and the protocol names no others."""
    found = {f"{method} {uri}" for method, uri in routes(tmp_path)}
    told = {
        line.split("?")[0] for line in re.findall(r"^``((?:GET|HEAD|POST|PUT|DELETE) /\S*)``", page("protocol"), re.M)
    }

    assert len(found) >= 5
    assert found == told


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_examples_of_the_docs_run(path: Path) -> None:
    """Every example with a prompt shows what really happens, in an empty folder."""
    source = path.read_text(encoding="utf-8")
    if ">>> import torch" in source and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed, so the examples of this page are not run")
    count = source.count(">>> ")
    command = [sys.executable, "-m", "doctest", str(path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=MINUTES, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    families = path.parent.name == "api" and path.stem not in ("index", "types")
    assert count or not (families or path.stem in ("quickstart", "storage", "protocol", "extending"))


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_links_lead_somewhere(text: Path) -> None:
    """What a page links to, shows, or names as a file of the repository is there."""
    source = text.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"<([^<>\s]+)>`_", source) if "://" not in target]
    targets += re.findall(r"\.\. image:: (\S+)", source)
    for target in targets:
        assert (text.parent / target).exists(), target
    for name in re.findall(r":doc:`([\w./]+)`", source):
        assert (text.parent / f"{name}.rst").exists(), name
    for label in re.findall(r":ref:`([\w-]+)`", source):
        assert any(f".. _{label}:" in other.read_text(encoding="utf-8") for other in PAGES), label


#: Files that the page about extending has people make.
INVENTED = {"ml_logger/encoders/sounds.py", "ml_logger/stores/sqlite.py", "tests/test_sounds.py"}


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_files_that_are_named_exist(text: Path) -> None:
    """A path of the repository that a page names is there."""
    pattern = r"``((?:ml_logger|tests|docs|examples|benchmarks|scripts)/[\w./-]*)``"
    named = {*re.findall(pattern, text.read_text(encoding="utf-8"))} - INVENTED

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_changelog_is_ahead() -> None:
    """The newest heading of the changelog is "Unreleased", or the version of the package."""
    source = (ROOT / "CHANGELOG.rst").read_text(encoding="utf-8")
    headings = re.findall(r"^([^\n]+)\n-+$", source, re.M)

    assert headings[0] == "Unreleased" or headings[0].split()[0] == ml_logger.__version__


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The docs as web pages, built with warnings as errors."""
    if importlib.util.find_spec("sphinx") is None:
        reason = "sphinx is not installed, so the docs are not built: pip install sphinx"
        print(reason)
        pytest.skip(reason)
    out = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("ML_LOGGER_")}
    done = subprocess.run(
        [*command, "-d", str(out / ".doctrees"), str(DOCS), str(out)],
        capture_output=True,
        encoding="utf-8",
        timeout=MINUTES,
        check=False,
        env=env,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return out


def test_the_docs_build_without_a_warning(built: Path) -> None:
    """Sphinx builds every page, warnings being errors."""
    assert {name_of(path) for path in PAGES} <= {str(path.relative_to(built))[:-5] for path in built.rglob("*.html")}


def test_the_built_pages_hold_every_public_name(built: Path) -> None:
    """What the sources leave to be generated is on the pages: methods, names, errors, settings."""
    api = "".join(path.read_text(encoding="utf-8") for path in (built / "api").glob("*.html"))
    settings = (built / "settings.html").read_text(encoding="utf-8")
    wanted = [f"ml_logger.ML_Logger.{name}" for name in METHODS] + [f"ml_logger.{name}" for name in ml_logger.__all__]
    errors = [name for name, kind in vars(ml_logger.errors).items() if inspect.isclass(kind)]

    assert [name for name in wanted if f'id="{name}"' not in api] == []
    assert [name for name in errors if f'id="ml_logger.errors.{name}"' not in api] == []
    assert [name for name in SETTINGS if name not in settings] == []
    listed = (built / "decoding.html").read_text(encoding="utf-8")
    assert [each for each in audited.AUDITED if not all(f">{part}<" in listed for part in each)] == []


def test_the_built_pages_need_no_network(built: Path) -> None:
    """No page loads a script, a style or a picture from elsewhere."""
    for path in built.rglob("*.html"):
        assert re.findall(r'(?:src|<link[^>]* href)="(?:https?:)?//[^"]*"', path.read_text(encoding="utf-8")) == []
