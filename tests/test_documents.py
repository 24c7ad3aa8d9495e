"""JSON, JSON lines, YAML and CSV: what people read, and read back."""

from __future__ import annotations

import enum
import json
import math
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ml_logger import ML_Logger
from ml_logger.encoders import documents
from ml_logger.errors import CorruptData, KeyNotFound, NotAvailable, UnsupportedValue
from tests import programs

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@dataclass
class Options:
    """Options of a run."""

    lr: float = 0.1
    sizes: tuple[int, ...] = (64, 32)


class Mode(str, enum.Enum):
    """Texts with names."""

    TRAIN = "train"


@given(PLAIN)
def test_json_comes_back(value: Any) -> None:
    """What is plain comes back from a JSON document and from a line as it was."""
    assert documents.decode_json(documents.encode_json(value)) == value
    line = documents.encode_line(value)
    assert line.count(b"\n") == 1
    assert list(documents.decode_lines([line])) == [value]


@given(PLAIN)
def test_yaml_comes_back(value: Any) -> None:
    """What is plain comes back from a YAML document as it was."""
    assert documents.decode_yaml(documents.encode_yaml(value)) == value


@given(st.lists(PLAIN, max_size=5), st.integers(1, 7))
def test_lines_come_back_however_they_are_split(values: list[Any], size: int) -> None:
    """A stream of JSON lines gives the same values wherever its pieces end."""
    data = b"".join(map(documents.encode_line, values))
    pieces = [data[start : start + size] for start in range(0, len(data), size)]

    assert list(documents.decode_lines(pieces)) == values


def test_documents_of_what_people_have(logger: ML_Logger) -> None:
    """Arrays become nested lists, dataclasses objects, sets lists; NaN, infinities and any text are kept."""
    data = {
        "array": np.arange(2000).reshape(2, 1000),
        "scalar": np.float32(0.5),
        "options": Options(),
        "path": Path("a/b"),
        "nan": math.nan,
        "inf": -math.inf,
        "text": "ü\u2028\x7f\ud800",
        "ordered": OrderedDict(b=1, a=2),
        "members": {Mode.TRAIN: Mode.TRAIN, np.str_("x"): 1},
    }
    logger.save_json(data, "all.json")
    logger.save_yaml(data, "all.yml")

    for read in (logger.load_json("all.json"), logger.load_yaml("all.yml")):
        assert math.isnan(read.pop("nan"))
        assert read == {
            "array": np.arange(2000).reshape(2, 1000).tolist(),
            "scalar": 0.5,
            "options": {"lr": 0.1, "sizes": [64, 32]},
            "path": "a/b",
            "inf": -math.inf,
            "text": "ü\u2028\x7f\ud800",
            "ordered": {"b": 1, "a": 2},
            "members": {"train": "train", "x": 1},
        }
        assert list(read["ordered"]) == ["b", "a"]
    assert json.loads(logger.load_text("all.json"))["scalar"] == 0.5
    assert yaml.safe_load(logger.load_text("all.yml"))["path"] == "a/b"


def test_paths_of_documents(logger: ML_Logger) -> None:
    """The path comes in parts, whole, or by name, for writing and for reading."""
    logger.save_json(1, "a", "b.json")
    logger.save_json(2, path="a/c.json")
    logger.save_yaml([3], Path("a/d.yml"))

    assert logger.load_json("a", "b.json") == 1
    assert logger.load_json(key="a/c.json") == 2
    assert logger.load_json("/me/run/a/c.json") == 2
    assert logger.load_yaml("a/d.yml") == [3]


def test_jsonl(logger: ML_Logger) -> None:
    """`log_jsonl` appends a line; the data and the path are told apart, in either order; a slice is read."""
    logger.log_jsonl({"a": 1}, "events.jsonl")
    logger.log_jsonl("events.jsonl", {"a": 2})
    logger.log_jsonl([1, 2], key="events.jsonl")
    logger.log_jsonl(data=None, key="events")

    assert logger.load_jsonl("events.jsonl") == [{"a": 1}, {"a": 2}, [1, 2], None]
    assert logger.load_jsonl("events.jsonl", start=1, stop=3) == [{"a": 2}, [1, 2]]
    assert logger.load_jsonl(key="events.jsonl", start=-1) == [None]
    assert logger.load_jsonl("nothing.jsonl") is None
    assert logger.load_file("events.jsonl") == b'{"a": 1}\n{"a": 2}\n[1, 2]\nnull\n'


def test_a_torn_line_costs_only_itself(logger: ML_Logger) -> None:
    """A line that is no JSON is passed over with a warning that says which; those around it are read."""
    logger.log_text('{"a": 1}\n{"a": \n{"a": 3}\n{"a"', "events.jsonl")

    with pytest.warns(documents.DamagedLines, match=r"line [24] of me/run/events\.jsonl is no JSON"):
        assert logger.load_jsonl("events.jsonl") == [{"a": 1}, {"a": 3}]


def test_rows_in_other_formats(logger: ML_Logger) -> None:
    """`file=` ending in .jsonl or .yml gets that format; the rows are the same."""
    for file in ("rows.jsonl", "rows.yml", "rows.pkl"):
        logger.log(1, loss=np.float32(0.5), name="a: b", file=file)
        logger.log(2, {"eval": {"loss": math.inf}}, file=file)
    logger.flush()

    expected = [{"_step": 1, "loss": 0.5, "name": "a: b"}, {"_step": 2, "eval/loss": math.inf}]
    for found in (logger.load_jsonl("rows.jsonl"), logger.load_yaml("rows.yml"), logger.load_pkl("rows.pkl")):
        assert found is not None
        assert all(isinstance(row.pop("_timestamp"), float) for row in found)
        assert found == expected


def test_what_a_document_cannot_hold(logger: ML_Logger) -> None:
    """A value that cannot be stored is refused with its place, endless nesting too; nothing is stored."""
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(UnsupportedValue, match=r"\['a'\]"):
        logger.save_json({"a": object()}, "x.json")
    with pytest.raises(UnsupportedValue, match="within itself"):
        logger.log_jsonl(endless, "x.jsonl")
    with pytest.raises(UnsupportedValue, match="needs a path"):
        logger.save_json({})
    with pytest.raises(UnsupportedValue, match="needs a file"):
        logger.log_jsonl({"a": 1})
    assert logger.glob("*") == []


def test_documents_execute_nothing(logger: ML_Logger, tmp_path: Path) -> None:
    """YAML that asks for objects is refused, and nothing of it runs; missing and wrong files say so."""
    logger.log_text(f"!!python/object/apply:os.mkdir ['{tmp_path}/made']", "bad.yml")
    logger.log_text("{", "bad.json")

    with pytest.raises(CorruptData, match=r"bad\.yml is no YAML of plain data"):
        logger.load_yaml("bad.yml")
    with pytest.raises(CorruptData, match=r"bad\.json is no JSON"):
        logger.load_json("bad.json")
    assert not (tmp_path / "made").exists()
    for load in (logger.load_yaml, logger.load_json, logger.load_csv):
        with pytest.raises(KeyNotFound):
            load("nothing")


def test_csv(logger: ML_Logger) -> None:
    """A CSV file is a DataFrame; what pandas is told is passed on."""
    logger.log_text("name,free\na,3\nb,5\n", "list.csv")
    logger.log_text("", "empty.csv")

    frame = logger.load_csv("list.csv")
    assert frame.sort_values(by="free", ascending=False)["name"].tolist() == ["b", "a"]
    assert logger.load_csv(key="list.csv", usecols=["free"])["free"].tolist() == [3, 5]
    with pytest.raises(CorruptData, match=r"empty\.csv is no CSV"):
        logger.load_csv("empty.csv")


def test_without_the_libraries(tmp_path: Path) -> None:
    """Without PyYAML and pandas, the calls that need them say what to install, and all else works."""
    code = """
        import sys
        sys.modules.update(yaml=None, pandas=None)
        from ml_logger import ML_Logger
        from ml_logger.errors import NotAvailable
        with ML_Logger(sys.argv[1], silent=True) as logger:
            logger.save_json([1], "a.json")
            logger.log(0, a=1, file="rows.jsonl", flush=True)
            logger.log_text("a,b", "a.csv")
            calls = [lambda: logger.save_yaml([1], "a.yml"), lambda: logger.log(0, a=1, file="rows.yml")]
            for call in (*calls, lambda: logger.load_csv("a.csv")):
                try:
                    call()
                except ImportError as error:
                    print(type(error).__name__, error)
            print(logger.load_json("a.json"), logger.glob("*"))
    """
    done = programs.run(code, tmp_path)

    assert done.stdout.splitlines() == [
        *['NotAvailable YAML needs PyYAML, which is not installed: pip install "ml-logger[yaml]"'] * 2,
        "NotAvailable tables need pandas, which is not installed: pip install pandas",
        "[1] ['a.csv', 'a.json', 'rows.jsonl']",
    ]
    assert issubclass(NotAvailable, ImportError)


@pytest.mark.parametrize("file", ["deep.pkl", "deep.jsonl", "deep.yml"])
def test_what_a_row_may_hold_every_format_holds(logger: ML_Logger, file: str) -> None:
    """A value that `log` has taken is stored, however deep it is: no row stands in the way of others."""
    value, depth = [1], 0
    with pytest.raises(UnsupportedValue):
        while True:
            logger.log(depth, value=value, file=file)
            value, depth = [value], depth + 1
    logger.flush()

    assert depth > 90
    assert len(logger.glob(file)) == 1


def test_rows_are_read_without_us(tmp_path: Path) -> None:
    """Rows in JSON lines and YAML need nothing of ours to be read."""
    with ML_Logger(tmp_path, silent=True) as logger:
        logger.log(1, loss=0.5, file="a.jsonl")
    code = "import json, sys; print([json.loads(line)['loss'] for line in open(sys.argv[1])])"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path / "a.jsonl")], capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "[0.5]\n"


@pytest.mark.parametrize("text", ["!!int ''", "!!float ''", "!!bool x", "!!timestamp x", "[" * 5000])
def test_tags_that_do_not_fit_are_corrupt(text: str) -> None:
    """A YAML document whose tags say something else than its values is CorruptData, whatever the library raises."""
    with pytest.raises(CorruptData, match="no YAML of plain data"):
        documents.decode_yaml(text.encode(), "a.yml")
