"""Many runs at once, from a folder and from a server: one table of their rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ml_logger import ML_Logger
from ml_logger.columns.boundaries import DamagedRecords
from ml_logger.errors import InvalidKey, InvalidSetting
from tests.row_files import SCALARS, file_of, identical, rows_of


def at(root: str, prefix: str, **kw: Any) -> ML_Logger:
    """Open a logger at a prefix."""
    return ML_Logger(root=root, prefix=prefix, silent=True, **kw)


@pytest.fixture
def sweep(root: str) -> str:
    """A log directory with three runs of a sweep, one run within another, and one elsewhere; it returns the root."""
    for number, prefix in enumerate(["me/sweep/a", "me/sweep/b", "me/sweep/b/eval", "me/sweep-2", "you/run"]):
        with at(root, prefix) as logger:
            for step in range(3):
                logger.log(step, loss=number + step / 4, count=step)
            logger.log(3, accuracy=0.5 + number)
    return root


def runs_of(frame: Any) -> list[str]:
    """Return the runs that a frame has rows of, in its order."""
    return list(dict.fromkeys(frame["run"]))


def test_a_frame_of_many_runs(sweep: str) -> None:
    """One table has the rows of every run, as they were logged."""
    with at(sweep, "me") as logger:
        frame = logger.frame("sweep/**", keys=["loss", "accuracy", "count"], x="_step")
        everything = logger.frame("sweep/*")

    assert list(frame.columns) == ["run", "_step", "loss", "accuracy", "count"]
    assert frame["run"].tolist() == ["sweep/a"] * 4 + ["sweep/b"] * 4 + ["sweep/b/eval"] * 4
    assert frame["_step"].tolist() == [0, 1, 2, 3] * 3
    assert frame["loss"].tolist()[:3] == [0, 0.25, 0.5]
    assert math.isnan(frame["loss"][3])
    assert frame["accuracy"].dropna().tolist() == [0.5, 1.5, 2.5]
    assert str(frame["count"].dtype) == "Int64"
    assert frame["count"].tolist() == [0, 1, 2, pd.NA] * 3
    assert list(everything.columns) == ["run", "_step", "_timestamp", "loss", "count", "accuracy"]
    assert runs_of(everything) == ["sweep/a", "sweep/b"]


def test_which_runs_a_pattern_means(sweep: str) -> None:
    """Runs are named relative to the folder that is searched, as in `glob`: prefix, root or `wd`."""
    with at(sweep, "me/sweep/b") as logger:
        found = {
            "**": runs_of(logger.frame()),
            "": runs_of(logger.frame("")),
            ".": runs_of(logger.frame(".")),
            "*": runs_of(logger.frame("*")),
            "none": runs_of(logger.frame("none")),
            "/": runs_of(logger.frame("/")),
            "/**": runs_of(logger.frame("/**")),
            "/me/*/": runs_of(logger.frame("/me/*/")),
            "wd": runs_of(logger.frame("*/*", wd="/me")),
            "wd=eval": runs_of(logger.frame(wd="eval")),
            "path": runs_of(logger.frame("/me/**", path="b/metrics.pkl")),
        }

    assert found == {
        "**": ["", "eval"],
        "": [""],
        ".": [""],
        "*": ["eval"],
        "none": [],
        "/": [],
        "/**": ["me/sweep-2", "me/sweep/a", "me/sweep/b", "me/sweep/b/eval", "you/run"],
        "/me/*/": ["me/sweep-2"],
        "wd": ["sweep/a", "sweep/b"],
        "wd=eval": [""],
        "path": ["me/sweep"],
    }


def test_what_a_logger_has_pending_is_in_its_frame(logger: ML_Logger) -> None:
    """A frame, like any reading, comes behind what this logger wrote."""
    logger.log(0, loss=1.5)
    assert logger.frame(keys="loss")["loss"].tolist() == [1.5]


def test_a_frame_equals_what_load_pkl_gives(logger: ML_Logger) -> None:
    """From a folder and a server, each column of a frame has the values that `load_pkl` gives, in their types."""
    shape = {kind: kind for kind in SCALARS}
    logger.upload_buffer(file_of(rows_of(([shape, {"step": "step"}], 300, 1))), "a/metrics.pkl")
    rows = logger.load_pkl("a/metrics.pkl")
    frame = logger.frame("a", as_="pandas")

    assert rows is not None
    assert len(frame) == len(rows) == 300
    for kind in SCALARS:
        logged = [row.get(kind) for row in rows]
        kinds = {type(value) for value in logged if value is not None}
        as_float = kinds == {int, float}
        for found, value in zip(frame[kind].tolist(), logged, strict=True):
            if value is None:
                assert pd.isna(found)
            else:
                assert identical(found, float(value) if as_float else value)


def test_names_that_hold_wildcards(logger: ML_Logger) -> None:
    """A prefix or a file whose name looks like a pattern is taken as it is."""
    with ML_Logger(root=logger.root, prefix="me/[a]*", silent=True) as odd:
        odd.log(0, loss=1.0, file="m[1].pkl")
        odd.log(0, loss=2.0, file="m1.pkl")
    with ML_Logger(root=logger.root, prefix="me/ab", silent=True) as other:
        other.log(0, loss=3.0, file="m[1].pkl")
    with ML_Logger(root=logger.root, prefix="me/[a]*", silent=True) as odd:
        assert odd.frame(path="m[1].pkl")["loss"].tolist() == [1.0]


@pytest.mark.parametrize("name", ["frame", "read_metrics"])
def test_nothing_leads_out(tmp_path: Path, name: str) -> None:
    """What climbs is no pattern and no path, in every call."""
    with at(str(tmp_path), "me") as logger:
        calls: list[Callable[[], object]] = [lambda: getattr(logger, name)("a", wd="../b")]
        if name == "frame":
            calls += [lambda: getattr(logger, name)("../a"), lambda: getattr(logger, name)(path="../a.pkl")]
            calls += [lambda: getattr(logger, name)(path="/a.pkl")]
        if name == "read_metrics":
            calls += [lambda: logger.read_metrics("a", path="../metrics.pkl")]
        for call in calls:
            with pytest.raises(InvalidKey):
                call()


def test_keys_are_names(tmp_path: Path) -> None:
    """One name, or names; anything else says what to pass."""
    with at(str(tmp_path), "me") as logger:
        logger.log(0, a=1, b=2)
        assert list(logger.frame(keys="a").columns) == list(logger.frame(keys=("a", "a")).columns) == ["run", "a"]
        assert list(logger.frame(keys=[]).columns) == ["run"]
        assert len(logger.frame(keys=[])) == 1
        with pytest.raises(InvalidSetting, match="pass a list of texts"):
            logger.frame(keys=[1])  # type: ignore[list-item]


def test_damage_costs_the_damaged_rows(logger: ML_Logger) -> None:
    """A damaged file gives its whole rows, with a warning that names it, and the other runs are whole."""
    good = [{"loss": float(n)} for n in range(20)]
    logger.upload_buffer(file_of(good) + b"\0" * 9 + file_of(good), "a/metrics.pkl")
    logger.upload_buffer(file_of(good), "b/metrics.pkl")
    with pytest.warns(DamagedRecords, match=r"9 bytes inside me/run/a/metrics\.pkl"):
        frame = logger.frame()
    assert frame["run"].value_counts().to_dict() == {"a": 40, "b": 20}
