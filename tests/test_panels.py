"""A `.charts.yml` says what the dashboard shows first: it is read as texts alone, and checked."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import requests

from ml_logger import ML_Logger, tokens
from ml_logger.dashboard.panels import LARGEST, Panel, parse
from ml_logger.errors import CorruptData, NotAvailable
from ml_logger.testing import Server
from ml_logger.transport import protocol

pytestmark = pytest.mark.usefixtures("patient")

CHARTS = """
keys:
- Args.seed
charts:
- episode_reward/mean
- yKey: loss
  xKey: epoch
- yKeys: [train/loss, "eval/loss"]
  title: Both
- type: image
  glob: "**/*.png"
- glob: 2024-01-01.txt
"""


def ask(server: Server, folder: str, secret: str = "") -> Any:
    """Ask for the panels of a folder."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    answer = requests.get(server.url + protocol.PANELS, params={"folder": folder}, headers=headers, timeout=30)
    return answer.json() if answer.status_code == 200 else answer.status_code


def put(server: Server, key: str, text: str) -> None:
    """Put a file into the data folder, as others do."""
    path = server.data_dir / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_all_forms_of_earlier_generations_are_understood() -> None:
    """A name alone, `yKey`, `yKeys`, `xKey`, `type` and `glob`; what looks like a number or a date is a text."""
    assert parse(CHARTS.encode()) == [
        Panel("series", None, ["episode_reward/mean"], None, None),
        Panel("series", None, ["loss"], "epoch", None),
        Panel("series", "Both", ["train/loss", "eval/loss"], None, None),
        Panel("image", None, [], None, "**/*.png"),
        Panel("file", None, [], None, "2024-01-01.txt"),
    ]
    assert parse(b"keys: [a]") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a list `charts`"),
        ("- a", "a list `charts`"),
        ("charts: loss", "a list `charts`"),
        ("charts: [{type: pie, yKey: a}]", "chart 1 has the type 'pie'"),
        ("charts: [a, {xKey: a}]", "chart 2 names no files"),
        ("charts: [{type: series, glob: a}]", "names no metric"),
        ("charts: [{yKey: {a: b}}]", "`yKey` of chart 1"),
        ("charts: [{yKeys: [[a]]}]", "`yKeys` of chart 1"),
        ("charts: [{yKey: a, title: [b]}]", "`title` of chart 1"),
        ("charts: [[a]]", "chart 1 is neither"),
        ("charts: [a", "no YAML"),
        ("a: &a [b]\ncharts: [*a, *a]", "aliases"),
        ("[" * 500, "nested"),
        ("{" * 500, "nested"),
        ("charts: [" + "a," * LARGEST + "]", "bytes"),
        ("charts: [!!python/object/apply:os.system [ls]]", "chart 1 is neither"),
    ],
)
def test_what_is_no_such_file_is_said(text: str, said: str) -> None:
    """With the number of the chart, and what it takes."""
    with pytest.raises(CorruptData, match=said.replace("[", "\\[")):
        parse(text.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    """YAML may be UTF-16; ours is UTF-8."""
    with pytest.raises(CorruptData, match="UTF-8"):
        parse(b"charts: [\xff]")


def test_without_pyyaml_the_server_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the dashboard works without it."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(NotAvailable, match="pip install"):
        parse(b"charts: []")


def test_the_nearest_file_is_told(server: Server) -> None:
    """In the folder of a run, or above it; one that was logged and one that somebody else put there."""
    with ML_Logger(root=server.url, prefix="me/exp/run", silent=True) as logger:
        logger.log_text("charts: [loss]\n", ".charts.yml")
        logger.flush()
    put(server, "me/.charts.yml", "charts: [reward]\n")
    assert ask(server, "me/exp/run")["key"] == "me/exp/run/.charts.yml"
    assert ask(server, "me/exp/other")["panels"] == [
        {"type": "series", "title": None, "keys": ["reward"], "x": None, "glob": None}
    ]
    assert ask(server, "you") == ask(server, "") == {"key": None, "panels": [], "fault": None}


def test_what_is_wrong_comes_with_its_place(server: Server) -> None:
    """The page shows it, and goes on without."""
    put(server, "me/.charts.yml", "charts: 1\n")
    told = ask(server, "me/run")
    assert told["key"] == "me/.charts.yml" and told["panels"] == []
    assert told["fault"].startswith("me/.charts.yml: it must be")


def test_no_token_learns_of_files_above_its_prefix(server: Server) -> None:
    """What others have asked for, and that they have, stays hidden; other folders are refused."""
    put(server, "me/.charts.yml", "charts: [loss]\n")
    secret = tokens.add(tokens.path_in(server.data_dir), "me", scope="read", prefix="me/one")
    assert ask(server, "me/one", secret) == {"key": None, "panels": [], "fault": None}
    put(server, "me/one/.charts.yml", "charts: [mine]\n")
    assert ask(server, "me/one/deep", secret)["panels"][0]["keys"] == ["mine"]
    assert ask(server, "me", secret) == ask(server, "you", secret) == 403
    assert ask(server, "", secret)["key"] is None
