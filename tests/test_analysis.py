"""Many runs at once, from a folder and from a server: one table of their rows, one of the runs, their parameters."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ml_logger import ML_Logger
from ml_logger.columns.boundaries import DamagedRecords
from ml_logger.errors import InvalidKey, InvalidSetting, KeyNotFound
from tests.row_files import SCALARS, file_of, identical, rows_of

pytestmark = pytest.mark.usefixtures("patient")


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
        assert odd.runs(path="m[1].pkl")["loss/last"].tolist() == [1.0]


@pytest.mark.parametrize("name", ["frame", "runs", "read_metrics", "get_exps"])
def test_nothing_leads_out(tmp_path: Path, name: str) -> None:
    """What climbs is no pattern and no path, in every call."""
    with at(str(tmp_path), "me") as logger:
        calls: list[Callable[[], object]] = [lambda: getattr(logger, name)("a", wd="../b")]
        if name in ("frame", "runs"):
            calls += [lambda: getattr(logger, name)("../a"), lambda: getattr(logger, name)(path="../a.pkl")]
            calls += [lambda: getattr(logger, name)(path="/a.pkl")]
        if name == "read_metrics":
            calls += [lambda: logger.read_metrics("a", path="../metrics.pkl")]
        if name == "get_exps":
            calls += [lambda: logger.get_exps("../a")]
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


# -- runs --------------------------------------------------------------------------------------------------------------


def test_a_table_of_runs(root: str) -> None:
    """Each run is a row: its state and time, its parameters, and what became of its metrics."""
    now = [1_700_000_000.0]
    with ML_Logger(root=root, prefix="me/a", silent=True, clock=lambda: now[0]) as logger:
        logger.job_started(Args={"lr": 0.1, "net": {"width": 64}})
        logger.log_params(Args={"lr": 0.2})
        for step, loss in enumerate([3.0, 1.0, math.nan, 2.0]):
            now[0] += 10
            logger.log(step, loss=loss, phase=f"p{step}")
        logger.log_text("12345", "notes.txt")
        now[0] += 2
        logger.job_completed()
    with ML_Logger(root=root, prefix="me/b", silent=True, clock=lambda: now[0]) as logger:
        logger.log_params(Args={"lr": "auto"})
    with ML_Logger(root=root, prefix="me/b/c", silent=True, clock=lambda: now[0]) as logger:
        logger.log(7, accuracy=1)
        logger.log_text("x" * 1000, "deep/er/notes.txt")
    with at(root, "me") as logger:
        table = logger.runs().set_index("run")
        few = logger.runs("a", keys=["loss", "nothing"])
        sizes = {name: len(logger.load_file(name)) for name in logger.glob("**")}

    assert table.index.tolist() == ["a", "b", "b/c"]
    assert list(table.columns[:5]) == ["status", "start", "duration", "rows", "size"]
    a = table.loc["a"]
    assert (a["status"], a["duration"], a["rows"]) == ("completed", 42.0, 4)
    assert a["start"] == datetime.datetime.fromtimestamp(1_700_000_000, datetime.timezone.utc)
    assert a["size"] == sum(size for name, size in sizes.items() if name.startswith("a/"))
    assert table["size"]["b"] == sizes["b/parameters.pkl"]
    assert table["size"]["b/c"] == sizes["b/c/metrics.pkl"] + 1000
    assert table["rows"].tolist() == [4, 0, 1]
    assert table["Args.lr"].tolist() == [0.2, "auto", None]
    assert table["Args.net.width"].tolist() == [64, pd.NA, pd.NA]
    assert [a[f"loss/{what}"] for what in ("last", "min", "max")] == [2.0, 1.0, 3.0]
    assert a["phase/last"] == "p3"
    assert "phase/min" not in table
    assert table["accuracy/last"].tolist() == [pd.NA, pd.NA, 1]
    assert table["_step/last"].tolist() == [3, pd.NA, 7]
    assert pd.isna(table["start"]["b"])
    assert pd.isna(table["duration"]["b"])
    assert table["duration"]["b/c"] == 0.0
    assert [name for name in few.columns if "/" in name] == [
        f"{name}/{what}" for name in ("loss", "nothing") for what in ("last", "min", "max")
    ]
    assert few["nothing/last"].isna().tolist() == [True]


def test_no_runs_are_an_empty_table(logger: ML_Logger) -> None:
    """Where there is no run there is no row, and the columns are there."""
    table = logger.runs("none", keys=["loss"])

    assert len(table) == 0
    assert list(table.columns) == [
        *("run", "status", "start", "duration", "rows", "size"),
        *("loss/last", "loss/min", "loss/max"),
    ]
    assert list(logger.get_exps("none").columns) == ["prefix"]
    assert logger.read_metrics(path="none/*.pkl") == {}


@pytest.mark.parametrize("as_", ["polars", "arrow"])
def test_a_table_of_runs_of_other_libraries(tmp_path: Path, as_: str) -> None:
    """Polars and Arrow give the same table, with times in UTC."""
    pytest.importorskip({"arrow": "pyarrow"}.get(as_, as_))
    with at(str(tmp_path), "me/a", clock=lambda: 1_700_000_000.5) as logger:
        logger.job_started(Args={"lr": 0.1, "layers": [1, 2]})
        logger.log(0, loss=1)
        table = logger.runs(as_=as_)
    [row] = table.to_pylist() if as_ == "arrow" else table.to_dicts()

    assert row["run"] == ""
    assert row["Args.layers"] == [1, 2]
    assert row["start"] == datetime.datetime.fromtimestamp(1_700_000_000.5, datetime.timezone.utc)
    assert (row["status"], row["loss/min"], row["duration"]) == ("started", 1, 0.0)


def test_names_that_are_taken(logger: ML_Logger) -> None:
    """A parameter or a metric that is called as one of our columns keeps a column of its own."""
    logger.log_params(run=5, status="mine", **{"loss/last": 9, "prefix": "p"})
    logger.log(0, loss=1.0)
    [row] = logger.runs().to_dict("records")

    assert (row["run"], row["parameters/run"], row["parameters/status"]) == ("", 5, "mine")
    assert (row["loss/last"], row["metrics/loss/last"]) == (9, 1.0)
    assert pd.isna(row["status"])
    with logger.Prefix("other"):
        logger.log(0, loss=2.0)
    assert logger.runs(keys=["loss"])["metrics/loss/last"].tolist() == [1.0, 2.0]
    assert logger.runs()["loss/last"].tolist() == [9, pd.NA]
    [exp] = logger.get_exps().to_dict("records")
    assert (exp["prefix"], exp["parameters/prefix"], exp["run"]) == ("", "p", 5)


def test_last_least_and_greatest(logger: ML_Logger) -> None:
    """They are exact for ints of any size and bools, pass over None, and are NaN where there is nothing else."""
    rows = [
        {"big": 2**70, "mixed": 1, "nan": math.nan, "ok": True, "none": None, "list": [1], "few": 1.5},
        {"big": 3, "mixed": 0.5, "nan": math.nan, "ok": False, "none": None, "list": [2]},
        {"big": -(2**80), "mixed": "text", "nan": math.nan, "ok": None, "none": None, "few": None},
    ]
    logger.upload_buffer(file_of(rows), "metrics.pkl")
    [row] = logger.runs().to_dict("records")

    assert [row[f"big/{what}"] for what in ("last", "min", "max")] == [-(2**80), -(2**80), 2**70]
    assert [row[f"mixed/{what}"] for what in ("last", "min", "max")] == ["text", 0.5, 1]
    assert all(math.isnan(row[f"nan/{what}"]) for what in ("last", "min", "max"))
    assert [row[f"ok/{what}"] for what in ("last", "min", "max")] == [False, False, True]
    assert row["list/last"] == [2]
    assert row["none/last"] is None
    assert row["few/last"] == 1.5
    assert not {"list/min", "none/min"} & set(row)


def test_a_run_that_was_started_twice_lasts_from_its_first_start(root: str) -> None:
    """Times are those of all starts and all rows, whatever was told last; stamps of others are passed over."""
    now = [1_700_000_000.0]
    with ML_Logger(root=root, prefix="me", silent=True, clock=lambda: now[0]) as logger:
        logger.job_started()
        now[0] += 50
        logger.job_started(job={"runTime": "yesterday", "startTime": "overwritten"})
        now[0] += 50
        logger.log(0, loss=1)
        logger.log_data({"_timestamp": 1e300}, "metrics.pkl")
        [row] = logger.runs().to_dict("records")

    assert (row["status"], row["duration"]) == ("started", 100.0)
    assert row["start"].timestamp() == 1_700_000_000


# -- parameters --------------------------------------------------------------------------------------------------------


def test_experiments(root: str) -> None:
    """`get_exps` gives the parameters of many runs, by dotted names, in all forms that programs use."""
    for run, rate in (("b", 0.2), ("a", 1)):
        with at(root, f"me/sweep/{run}") as logger:
            logger.job_started(Args={"lr": rate})
    with at(root, "me/sweep") as logger:
        frame = logger.get_exps()
        forms = [logger.get_exps("**"), logger.get_exps("**/parameters.pkl"), logger.get_exps("a", "b", "*")]
        single = [logger.get_exps("a"), logger.get_exps("/me/sweep/a/parameters.pkl"), logger.get_exps(wd="a")]
    with at(root, "me/sweep/a") as logger, logger.Prefix(".."):
        forms.append(logger.get_exps("**/parameters.pkl"))

    assert frame["prefix"].tolist() == ["a", "b"]
    assert frame["Args.lr"].tolist() == [1.0, 0.2]
    assert "job.status" in frame.columns
    for form in forms:
        pd.testing.assert_frame_equal(form, frame)
    assert [form["prefix"].tolist() for form in single] == [["a"], ["me/sweep/a"], [""]]


def test_parameters_of_a_run(logger: ML_Logger) -> None:
    """Parameters of several calls come as one, flat or by name; later values win, within dicts too."""
    logger.log_params(Args={"lr": 0.1, "net": {"width": 64}, "none": None, "empty": {}}, seed=3)
    logger.log_params(Args={"lr": 0.2, "net": 5}, **{"a.b": {"c": 1}})

    assert logger.get_parameters() == {
        "Args.lr": 0.2,
        "Args.net": 5,
        "Args.none": None,
        "Args.empty": {},
        "seed": 3,
        "a.b.c": 1,
    }
    assert logger.read_params("Args.lr") == logger.get_parameters("Args.lr", path="/me/run/parameters.pkl") == 0.2
    assert logger.get_parameters("seed", "a.b.c", "Args.none") == [3, 1, None]
    assert logger.read_params("Args") == {"lr": 0.2, "net": 5, "none": None, "empty": {}}
    assert logger.get_parameters("Args.x", default=None) is None
    assert logger.get_parameters("seed", "Args.lr.x", default=0, silent=True) == [3, 0]
    with pytest.raises(KeyNotFound, match=r"no parameter 'Args\.x' is stored in 'me/run/parameters\.pkl'"):
        logger.get_parameters("Args.x")


def test_no_parameters(logger: ML_Logger) -> None:
    """Without a file there is the default, or an error that says where it was looked for."""
    with pytest.raises(KeyNotFound, match=r"me/run/parameters\.pkl"):
        logger.get_parameters()
    assert logger.get_parameters(default=None) == {}
    assert logger.get_parameters("Args.lr", default=0.5) == 0.5


def test_no_parameter_takes_the_place_of_another(logger: ML_Logger) -> None:
    """A parameter with the name of a column gets a name that no parameter of any run has."""
    given = {"run": 1, "parameters/run": 2, "prefix": 3, "parameters/prefix": 4}
    with logger.Prefix("a"):
        logger.log_params(**given)
    table, parameters = logger.runs("a"), logger.get_exps("a")

    assert (table["parameters/run"][0], table["parameters/parameters/run"][0]) == (2, 1)
    assert (parameters["parameters/prefix"][0], parameters["parameters/parameters/prefix"][0]) == (4, 3)
    assert sorted(value for value in given.values() if value in parameters.iloc[0].tolist()) == [1, 2, 3, 4]


def test_folders_are_paths_too(logger: ML_Logger) -> None:
    """A Path is a pattern as a text is, `./` means nothing, and what is neither, or of the host, is refused."""
    with logger.Prefix("a"):
        logger.log(0, loss=1.0)
        logger.log_params(lr=0.1)
    for folder in ("a", Path("a"), "./a", "a/"):
        assert runs_of(logger.frame(folder)) == runs_of(logger.runs(folder)) == ["a"]
        assert logger.get_exps(folder)["prefix"].tolist() == ["a"]
    calls: list[Callable[[Any], object]] = [logger.frame, logger.runs, logger.get_exps]
    for call in calls:
        for wrong in (None, 5, ["a"], "//a"):
            with pytest.raises(InvalidKey):
                call(wrong)
