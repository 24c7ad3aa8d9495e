"""The names at the top of the package that programs of earlier versions import."""

from __future__ import annotations

import getpass
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ml_logger
from ml_logger import ML_Logger, memoize, metrify, pJoin
from ml_logger.errors import Gone, NotAvailable, UnsupportedValue


def test_user_and_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """`USER` and `ROOT` are what the environment says when they are imported, or what holds without it."""
    from ml_logger import ROOT, USER

    assert getpass.getuser() == USER
    assert str(Path("runs").absolute()) == ROOT
    monkeypatch.setenv("ML_LOGGER_USER", "somebody")
    monkeypatch.setenv("ML_LOGGER_ROOT", "http://host:8081")
    from ml_logger import ROOT as REMOTE
    from ml_logger import USER as SOMEBODY

    assert (SOMEBODY, REMOTE) == ("somebody", "http://host:8081")


@pytest.mark.parametrize("name", ["instr", "RUN", "needs_relaunch"])
def test_names_of_a_launcher(name: str) -> None:
    """What belongs to a launcher of jobs says so when it is imported."""
    with pytest.raises(ImportError, match=f"ml_logger.{name} belongs to a launcher of jobs") as caught:
        exec(f"from ml_logger import {name}")
    assert isinstance(caught.value, NotAvailable)


def test_unknown_names() -> None:
    """Other names are unknown in the usual way, of the package and of a logger."""
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from ml_logger import nothing")
    assert not hasattr(ml_logger, "nothing")
    assert not hasattr(ml_logger.logger, "nothing")
    with pytest.raises(AttributeError, match="'ML_Logger' object has no attribute 'log_metric'"):
        ml_logger.logger.log_metric  # noqa: B018


def test_shell_is_gone(logger: ML_Logger) -> None:
    """`shell` says that it is gone, and why, and does nothing."""
    with pytest.raises(Gone, match="gone on purpose: a server that runs what it is sent"):
        logger.shell("touch made", cwd=".")
    assert list(Path.cwd().iterdir()) == []


def test_memoize(logger: ML_Logger) -> None:
    """A function is called once for the same arguments, hashable or not; errors are not remembered."""
    calls: list[Any] = []

    @memoize
    def double(value: Any, factor: int = 2) -> Any:
        """Double a value."""
        calls.append(value)
        if value == "wrong":
            raise ValueError(value)
        return value * factor

    assert (double(2), double(2), double(2, factor=3), double(2.0), double([1]), double([1])) == (
        4,
        4,
        6,
        4.0,
        [1, 1],
        [1, 1],
    )
    assert type(double(2.0)) is float
    assert calls == [2, 2, 2.0, [1]]
    for _ in range(2):
        with pytest.raises(ValueError, match="wrong"):
            double("wrong")
    assert Counter(map(str, calls))["wrong"] == 2
    assert (double.__name__, double.__doc__) == ("double", "Double a value.")

    logger.log(0, loss=1, flush=True)
    load = memoize(logger.load_pkl)
    first = load("metrics.pkl")
    logger.log(1, loss=2, flush=True)
    assert load("metrics.pkl") is first
    assert len(logger.load_pkl("metrics.pkl") or []) == 2


def test_metrify() -> None:
    """Values become what `log` stores: built-in types, nested as they were."""
    data = {"a": np.float32(0.5), "b": [np.int8(1), (2,)], "c": {"d": np.arange(2), "e": Fraction(1, 2)}, "f": "x"}

    assert metrify(data) == {"a": 0.5, "b": [1, [2]], "c": {"d": [0, 1], "e": 0.5}, "f": "x"}
    assert type(metrify(np.float32(0.5))) is float
    with pytest.raises(UnsupportedValue):
        metrify(object())


def test_join() -> None:
    """Parts of a path are joined; None and empty ones are left out."""
    assert pJoin("a", None, "", "b/", Path("c.pkl")) == "a/b/c.pkl"
    assert pJoin("a", "/b") == "/b"
    assert pJoin() == pJoin(None) == ""
