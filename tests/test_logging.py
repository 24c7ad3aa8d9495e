"""Rows, tables, text and pictures: what a call stores, and what it prints."""

from __future__ import annotations

import decimal
import enum
import fractions
import io
import math
import os
import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml_logger import ML_Logger, green, percent
from ml_logger.encoders import images
from ml_logger.errors import KeyNotFound, Refused
from tests import programs

pytestmark = pytest.mark.usefixtures("patient")


def rows(logger: ML_Logger, file: str = "metrics.pkl") -> list[dict[str, Any]]:
    """Read the rows back, without their time stamps."""
    found = logger.load_pkl(file) or []
    assert all(isinstance(row.pop("_timestamp"), float) for row in found)
    return found


def test_a_row_is_written_when_the_step_changes(logger: ML_Logger) -> None:
    """Values of one step make one row, in whichever direction the steps go; none is dropped."""
    logger.log(3, a=1)
    logger.log(3, b=2)
    logger.log(1, a=3)
    logger.log(1, {"c/d": 4}, b=5)
    logger.log(3, a=6)

    assert rows(logger) == [
        {"_step": 3, "a": 1, "b": 2},
        {"_step": 1, "a": 3, "c/d": 4, "b": 5},
        {"_step": 3, "a": 6},
    ]


def test_a_value_is_never_overwritten(logger: ML_Logger) -> None:
    """The same name again at the same step begins a new row."""
    logger.log(1, loss=0.1)
    logger.log(1, loss=0.2)
    logger.log(loss=0.3)

    assert [(row["_step"], row["loss"]) for row in rows(logger)] == [(1, 0.1), (1, 0.2), (1, 0.3)]


def test_a_step_by_keyword_is_a_column(logger: ML_Logger) -> None:
    """`step=` sets the step and is stored as a column too."""
    logger.log(step=2, loss=1)

    assert rows(logger) == [{"_step": 2, "step": 2, "loss": 1}]


@pytest.mark.parametrize("step", [0, 5, -1, 2.5, np.int64(7), np.float32(0.5), np.array(3), None, green(4)])
def test_any_number_is_a_step(logger: ML_Logger, step: Any) -> None:
    """Numbers, numpy scalars, 0-d arrays, a Color around one, and None are steps."""
    logger.log(step, loss=1)
    (row,) = rows(logger)

    plain = getattr(step, "value", step)
    assert row["_step"] == (None if plain is None else plain)
    assert type(row["_step"]) in (int, float, type(None))


def test_what_is_no_step_is_text(logger: ML_Logger) -> None:
    """A lone number, a string and a bool are text; a mapping is metrics."""
    logger.log("hello", 5)
    logger.log(7)
    logger.log(True, {"a": 1})
    logger.log({"b": 2}, step=3)

    assert logger.load_text("outputs.log") == "hello 5\n7\nTrue\n"
    assert rows(logger) == [{"_step": None, "a": 1}, {"_step": 3, "step": 3, "b": 2}]


class Mode(enum.Enum):
    """Modes of a run."""

    TRAIN = 1


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (True, True),
        (3, 3),
        (10**30, 10**30),
        ("text", "text"),
        (None, None),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.int8(-3), -3),
        (np.bool_(True), True),
        (np.array(2.5), 2.5),
        (np.arange(3), [0, 1, 2]),
        (np.eye(2), [[1.0, 0.0], [0.0, 1.0]]),
        ([1, np.float32(0.5)], [1, 0.5]),
        ((1, 2), [1, 2]),
        (decimal.Decimal("1.5"), 1.5),
        (fractions.Fraction(1, 4), 0.25),
        (Mode.TRAIN, "TRAIN"),
        (datetime(2020, 1, 2), "2020-01-02T00:00:00"),
        (timedelta(seconds=90), 90.0),
        (Path("a/b"), "a/b"),
        (green(0.85, percent), 0.85),
        (green(np.float32(0.5)), 0.5),
    ],
)
def test_values_become_plain(logger: ML_Logger, value: Any, stored: Any) -> None:
    """What people log is stored as built-in types, so that a row can be read without any import."""
    logger.log(0, key=value)
    logger.flush()
    data = logger.load_file("metrics.pkl")

    class NoImports(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            raise AssertionError(f"{module}.{name}")

    read = NoImports(io.BytesIO(data)).load()["key"]
    assert read == stored
    assert type(read) is type(stored)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_numbers_that_are_none_are_kept(logger: ML_Logger, value: float) -> None:
    """NaN and infinities come back as they were logged."""
    logger.log(0, value=value)

    assert repr(rows(logger)[0]["value"]) == repr(float(value))


def test_nested_metrics_are_flattened(logger: ML_Logger) -> None:
    """A mapping among the values becomes names with slashes."""
    logger.log(0, {"eval": {"loss": 1, "top": {"5": 2}}}, lr=3)

    assert rows(logger) == [{"_step": 0, "eval/loss": 1, "eval/top/5": 2, "lr": 3}]


def test_log_key_value_in_both_forms(logger: ML_Logger) -> None:
    """A key and a value, with the step first or without it, in either spelling."""
    logger.log_key_value(1, "a b", 1)
    logger.log_keyvalue(1, "c", 2)
    logger.log_key_value("d", 3)
    logger.log_metrics({"e": 4})

    assert rows(logger) == [{"_step": 1, "a b": 1, "c": 2, "d": 3, "e": 4}]


def test_rows_go_to_the_file_that_is_named(logger: ML_Logger) -> None:
    """`file=` names the file of a row; each file has a pending row of its own."""
    logger.log(0, a=1, file="train.pkl")
    logger.log(0, a=2, file="test.pkl")
    logger.flush(file="test.pkl")
    logger.log(1, a=3, file="train.pkl", flush=True)

    assert [row["a"] for row in rows(logger, "train.pkl")] == [1, 3]
    assert [row["a"] for row in rows(logger, "test.pkl")] == [2]


def test_a_row_has_the_time_when_it_was_begun(tmp_path: Path) -> None:
    """`_timestamp` is the time of the first value of a row, in seconds since the epoch."""
    times = iter([100.5, 200.5])
    with ML_Logger(tmp_path, clock=lambda: next(times), silent=True) as logger:
        logger.log(0, a=1)
        logger.log(0, b=1)
        logger.log(1, a=1)
        assert [row["_timestamp"] for row in logger.load_pkl("metrics.pkl") or []] == [100.5, 200.5]


@dataclass
class Options:
    """Options of a run."""

    lr: float = 0.1
    layers: tuple[int, ...] = (64, 32)


class Plain:
    """A class that holds parameters."""

    seed = 1
    _hidden = 2
    path = Path("x")

    def method(self) -> None:
        """Not a parameter."""


def test_parameters_from_where_people_keep_them(logger: ML_Logger) -> None:
    """Mappings, classes' vars, dataclasses, namespaces and single values are stored as plain data."""
    logger.log_params(
        Class=vars(Plain),
        Data=Options(),
        Space=SimpleNamespace(a=1),
        Nested={"a": {"b": np.float32(0.5)}, 3: "x"},
        single=5,
        kind=Counter,
    )
    (parameters,) = logger.load_pkl("parameters.pkl") or []

    assert parameters == {
        "Class": {"seed": 1, "_hidden": 2, "path": "x"},
        "Data": {"lr": 0.1, "layers": (64, 32)},
        "Space": {"a": 1},
        "Nested": {"a": {"b": 0.5}, "3": "x"},
        "single": 5,
        "kind": "collections.Counter",
    }


def test_text(logger: ML_Logger) -> None:
    """Text is appended as it is, or replaces a file; lines are put together as print does."""
    logger.log_text("one", "a.txt")
    logger.log_text("\n    two\n      three\n", "a.txt", dedent=True)
    logger.log_text("new", "b.txt")
    logger.log_text("newer", "b.txt", overwrite=True)
    logger.log_line("x", 1, sep="-", end="!\n")
    logger.log_line("ü\ud800")

    assert logger.load_text("a.txt") == "onetwo\n  three\n"
    assert logger.load_text("b.txt") == "newer"
    assert logger.load_text("outputs.log") == "x-1!\nü\\ud800\n"


def test_print_prints_and_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`print` writes to stdout and to the log; colors go to stdout alone, and only where they belong."""
    logger = ML_Logger(tmp_path)
    logger.print("a", 1, color="green")
    monkeypatch.setenv("FORCE_COLOR", "1")
    logger.print("b", color="green")
    logger.pprint({"k": [1, 2]})
    logger.log_text("shown\n")
    logger.log_text("hidden\n", silent=True)

    assert capsys.readouterr().out == "a 1\n\x1b[32mb\x1b[0m\n{'k': [1, 2]}\nshown\n"
    assert logger.load_text("outputs.log") == "a 1\nb\n{'k': [1, 2]}\nshown\nhidden\n"


def test_silent_values_are_stored_and_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`silent` leaves the values of one call out of the table, and nothing out of the file."""
    logger = ML_Logger(tmp_path)
    logger.log(0, shown=1)
    logger.log(0, hidden=2, silent=True)
    logger.log(1, hidden=3, silent=True)
    logger.flush()
    printed = capsys.readouterr().out

    assert "shown" in printed
    assert "hidden" not in printed
    assert printed.count("╒") == 1
    assert len(rows(logger)) == 2


def test_a_broken_stdout_does_not_stop_the_training(tmp_path: Path) -> None:
    """A closed, missing or ASCII-only stdout costs the table and not the run."""
    code = """
        import os, sys
        from ml_logger import ML_Logger
        logger = ML_Logger(sys.argv[1])
        if sys.argv[2] == "closed": sys.stdout.close()
        if sys.argv[2] == "missing": sys.stdout = None
        for n in range(100):
            logger.log(n, value=n)
        logger.close()
    """
    for state in ("closed", "missing"):
        programs.run(code, tmp_path / state, state)
        assert len(programs.rows(tmp_path / state, "")) == 100
    done = subprocess.run(
        [sys.executable, "-c", "from ml_logger import logger; logger.log(0, v=1)"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=programs.PATIENCE,
        check=True,
    )
    assert b"?" in done.stdout
    assert done.stderr == b""


def test_images_in_both_forms(logger: ML_Logger) -> None:
    """A picture has a name and a step, or comes first with its path; floats and one channel are pictures too."""
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    logger.log_image(index=4, color=picture, gray=picture[..., 0], one=picture[..., :1])
    logger.log_image(7, float=picture / 255, film=[picture] * 3, step_of_all=picture > 3)
    logger.log_image(picture, "direct/face.png")
    logger.log_image(Image.fromarray(picture), key="direct/pil")
    logger.log(9, loss=1)
    logger.log_image(now=picture)
    logger.save_image(picture, "saved.jpg")
    logger.log_images([picture] * 4, "grid.png", n_cols=2)

    assert logger.glob("**/*.*g*") == [
        "direct/face.png",
        "direct/pil.png",
        "grid.png",
        "images/color/0004.png",
        "images/film/0007.gif",
        "images/float/0007.png",
        "images/gray/0004.png",
        "images/now/0009.png",
        "images/one/0004.png",
        "images/step_of_all/0007.png",
        "saved.jpg",
    ]
    for key in ("images/color/0004.png", "images/float/0007.png", "direct/face.png", "direct/pil.png"):
        assert np.array_equal(images.decode(logger.load_file(key)), picture)
    assert images.decode(logger.load_file("grid.png")).shape == (8, 8, 3)


def test_figures_in_all_forms(logger: ML_Logger) -> None:
    """A figure is stored by step, by path, or by key, in the format that its name says."""
    from matplotlib import pyplot as plt

    figure = plt.figure()
    plt.plot([1, 2, 3])
    logger.log_pyplot(4)
    logger.log_pyplot("curves/a.pdf", figure)
    logger.log_pyplot(key="b.svg", fig=figure)
    logger.log_pyplot(4, figure, key="named.png")
    logger.savefig("c.png", dpi=30)
    logger.savefig("d", format="jpg", close=True)
    logger.save_pyplot("e.png", figure)

    assert logger.glob("**") == [
        "b.svg",
        "c.png",
        "curves/a.pdf",
        "d.jpg",
        "e.png",
        "figures/0004.png",
        "figures/named.png",
    ]
    assert logger.load_file("curves/a.pdf").startswith(b"%PDF")
    assert logger.load_file("d.jpg").startswith(b"\xff\xd8")
    assert images.decode(logger.load_file("c.png")).ndim == 3
    plt.close("all")


def test_data_in_all_forms(logger: ML_Logger) -> None:
    """Data goes to a path in either order, or to `data.pkl`; appending is the default."""
    logger.log_data({"x": np.arange(3)})
    logger.log_data([1], "a.pkl")
    logger.log_data("b.pkl", [2])
    logger.log_data(data=[3], path="a.pkl")
    logger.log_data([4], path="b.pkl", overwrite=True)

    (first,) = logger.load_pkl("data.pkl") or []
    assert np.array_equal(first["x"], np.arange(3))
    assert logger.load_pkl("a.pkl") == [[1], [3]]
    assert logger.load_pkl("b.pkl") == [[4]]


def test_frames_of_pandas_come_back(logger: ML_Logger) -> None:
    """A DataFrame is stored in a neutral form, and read back as a DataFrame without trusting anything."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None]}, index=["p", "q"])
    logger.log_data({"frame": frame}, "frames.pkl")

    (read,) = logger.load_pkl("frames.pkl") or []
    pandas.testing.assert_frame_equal(read["frame"], frame)


def test_modules_are_arrays_by_name(logger: ML_Logger) -> None:
    """A module is stored as the dict of its arrays, under its step and name."""
    logger.log_module(4, policy={"w": np.eye(2), "b": np.zeros(2)}, value=[np.ones(3)])

    assert logger.glob("modules/*") == ["modules/0004_policy.pkl", "modules/0004_value.pkl"]
    (state,) = logger.load_pkl("modules/0004_policy.pkl") or []
    assert np.array_equal(state["w"], np.eye(2))


def test_histograms_are_rows(logger: ML_Logger) -> None:
    """A histogram is a row of counts and edges, for each of the arrays."""
    logger.log_histogram(4, td_error=[0, 1, 2, 3, 4, 2, 3, 4, 5], bins=5)

    (row,) = rows(logger, "histograms.pkl")
    assert row["_step"] == 4
    assert row["td_error"]["counts"] == np.histogram([0, 1, 2, 3, 4, 2, 3, 4, 5], bins=5)[0].tolist()


def test_files_of_any_size_are_copied(logger: ML_Logger, tmp_path: Path) -> None:
    """A file of this machine is stored under its name, byte for byte."""
    for name, size in (("small.py", 10), ("empty", 0), ("large.bin", 9_000_000)):
        (tmp_path / name).write_bytes(os.urandom(size))
        logger.log_file(tmp_path / name)
        assert logger.load_file("files", name) == (tmp_path / name).read_bytes()


def test_reading_follows_writing(logger: ML_Logger) -> None:
    """What was logged is there when it is read, the pending row included; what is not there says so."""
    logger.log(0, value=1)
    assert rows(logger) == [{"_step": 0, "value": 1}]
    assert logger.load_pkl("data.pkl") == logger.load_pkl("metrics.pkl")
    assert logger.load_pkl("nothing.pkl") is None
    assert list(logger.iload_pkl("nothing.pkl")) == []
    with pytest.raises(KeyNotFound):
        logger.load_text("nothing.txt")


def test_slices_of_records(logger: ML_Logger) -> None:
    """`start` and `stop` take records as a slice does, from either end."""
    for n in range(20):
        logger.log_data(n, "n.pkl")

    whole = list(range(20))
    for start, stop in (
        (None, None),
        (5, None),
        (None, 5),
        (3, 7),
        (-3, None),
        (None, -3),
        (-5, -2),
        (18, 30),
        (30, 40),
    ):
        assert logger.load_pkl("n.pkl", start=start, stop=stop) == whole[start:stop]
    assert next(iter(logger.iload_pkl("n.pkl"))) == 0


def test_arrays_come_back(logger: ML_Logger) -> None:
    """`load_np` reads arrays, and refuses what could execute code."""
    logger.save_np(np.arange(5), "a")

    assert np.array_equal(logger.load_np("a.npy"), np.arange(5))
    assert np.array_equal(logger.load_np(key="a.npy"), np.arange(5))


def test_globs_and_the_root(logger: ML_Logger) -> None:
    """Patterns are below the prefix, below `wd`, or with a leading slash below the root."""
    for key in ("a/x.txt", "a/b/y.txt", "z.txt"):
        logger.log_text("x", key)
    logger.log_text("x", "/other/w.txt")

    assert logger.glob("*.txt") == ["z.txt"]
    assert logger.glob("**/*.txt") == ["a/b/y.txt", "a/x.txt", "z.txt"]
    assert logger.glob("**/*.txt", start=1, stop=2) == ["a/x.txt"]
    assert logger.glob("*", wd="a") == ["x.txt"]
    assert logger.glob("/**/w.txt") == ["other/w.txt"]
    assert logger.glob("**", wd="/other") == ["w.txt"]
    assert logger.load_text("/other/w.txt") == "x"


def test_removing_moving_and_copying(logger: ML_Logger) -> None:
    """Files and folders are removed, renamed and copied, in order with what is logged."""
    logger.log(0, value=0)
    logger.duplicate("metrics.pkl", "copy/metrics.pkl")
    logger.log(1, value=1)
    logger.move("metrics.pkl", "moved.pkl")
    logger.log_text("x", "a/b.txt")
    logger.remove("a", "nothing")

    assert logger.glob("**") == ["copy/metrics.pkl", "moved.pkl"]
    assert [row["value"] for row in rows(logger, "moved.pkl")] == [0, 1]
    assert [row["value"] for row in rows(logger, "copy/metrics.pkl")] == [0]


def test_moving_what_is_not_there_is_said(logger: ML_Logger) -> None:
    """A source that is not there is an error at the call, or of the receipt, and loses nothing."""
    logger.log(0, value=0)
    with pytest.raises((KeyNotFound, Refused), match=r"nothing\.pkl"):
        logger.move("nothing.pkl", "b.pkl").result(20)
    with pytest.raises((KeyNotFound, Refused), match=r"nothing\.pkl"):
        logger.duplicate("nothing.pkl", "b.pkl").result(20)

    assert [row["value"] for row in rows(logger)] == [0]


def test_synchronous_calls_return_when_it_is_there(root: str) -> None:
    """With `asynchronous=False` a call returns when the server has it."""
    with ML_Logger(root=root, prefix="run", asynchronous=False) as logger:
        logger.log_text("x", "a.txt")
        assert ML_Logger(root=root, prefix="run").load_text("a.txt") == "x"


def test_a_logger_can_be_used_again_after_close(root: str) -> None:
    """Closing delivers and lets go; a later call opens everything again."""
    logger = ML_Logger(root=root, prefix="run", silent=True)
    for n in range(3):
        logger.log(n, value=n)
        logger.close()

    assert [row["value"] for row in programs.rows(root, "run")] == [0, 1, 2]
