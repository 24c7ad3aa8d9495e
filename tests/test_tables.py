"""The tables that the logger prints, compared with golden files.

`ML_LOGGER_GOLDEN=rewrite pytest tests/test_tables.py` writes the golden files anew.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger.colors import Color, green, percent, red
from ml_logger.tables import LONGEST, metrics_table, parameters_table

GOLDEN = Path(__file__).parent / "golden"
SGR = re.compile(r"\x1b\[[0-9;:]*m")

G = {
    "env_name": "MountainCar-v0",
    "seed": None,
    "stochastic_action": True,
    "conv_params": None,
    "value_params": (64,),
    "use_layer_norm": True,
    "buffer_size": 50000,
    "replay_batch_size": 32,
    "prioritized_replay": True,
    "alpha": 0.6,
    "beta_start": 0.4,
    "beta_end": 1.0,
    "prioritized_replay_eps": 1e-6,
    "grad_norm_clipping": 10,
    "double_q": True,
    "use_dueling": False,
    "exploration_fraction": 0.1,
    "final_eps": 0.1,
    "n_timesteps": 100000,
    "learning_rate": 0.001,
    "gamma": 1.0,
    "learning_start": 1000,
    "learn_interval": 1,
    "target_network_update_interval": 500,
}
RUN = {
    "log_directory": "/mnt/slab/krypton/machine_learning/ge_dqn/2017-11-20/"
    "162048.353909-MountainCar-v0-prioritized_replay(True)",
    "checkpoint": "checkpoint.cp",
    "log_file": "output.log",
}
REPORTING = {"checkpoint_interval": 10000, "reward_average": 100, "print_interval": 10}

METRICS = {
    "timestep": 1999,
    "episode": 10,
    "total_reward": -200.0,
    "total_reward/mean": -200.0,
    "total_reward/max": -200.0,
    "time_spent_exploring": Color(0.82, "yellow", percent),
    "replay_beta": 0.41,
}
COLORED = [
    {"some": Color(0.1, "yellow")},
    {"some": Color(0.28571, "yellow", lambda v: f"{v * 100:.5f}%")},
    {"some": Color(0.85, "yellow", percent)},
    {"some_var/smooth": 10, "some": Color(0.85, "yellow", percent)},
]
HOSTILE = {
    "new\nline": "a\r\nb\tc",
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H gone",
    "bidi": "abc\u202edef",
    "c1": "\x9b31m",
    "surrogate": "\udc80",
    "inner": "\x1b[31mred\x1b[0m and \x1b[1;32mgreen",
}
WIDE = {"损失": "值", "e\u0301te\u0301": "no\u0308el", "ｆｕｌｌ": "한글", "family": "👩", "plain": 1.5}
LONG = {
    "a_key_that_is_much_longer_than_the_column_is_at_least": 1,
    "third": 1 / 3,
    "big": 123456789.123456,
    "text": "x" * 300,
    "wide": "值" * 150,
}

TABLES = {
    "seed_parameters": lambda: parameters_table({"G": G, "RUN": RUN, "Reporting": REPORTING}, colored=False),
    "seed_metrics": lambda: metrics_table(METRICS, colored=False),
    "seed_colored": lambda: "\n".join(metrics_table(values, colored=False) for values in COLORED),
    "colored_metrics": lambda: "\n".join(metrics_table(values, colored=True) for values in [METRICS, *COLORED]),
    "colored_parameters": lambda: parameters_table({"A": {"lr": green(1e-4), "seed": red(3)}}, colored=True),
    "hostile_metrics": lambda: metrics_table(HOSTILE, colored=False),
    "hostile_colored": lambda: metrics_table(HOSTILE, colored=True),
    "hostile_parameters": lambda: parameters_table({"evil\n\x1b[2J": HOSTILE}, colored=False),
    "wide_metrics": lambda: metrics_table(WIDE, colored=False),
    "wide_parameters": lambda: parameters_table({"参数": WIDE}, colored=False),
    "long_metrics": lambda: metrics_table(LONG, colored=False),
    "long_parameters": lambda: parameters_table({"Args": LONG, "B": {"x": 1}}, colored=False),
    "single_parameters": lambda: parameters_table({"seed": 1, "lr": 0.1, "A": {"x": 1}, "last": 2}, colored=False),
}


def columns(line: str) -> int:
    """Count the columns of a line, colors aside."""
    line = "".join(c for c in SGR.sub("", line) if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    return len(line) + sum(unicodedata.east_asian_width(c) in "WF" for c in line)


@pytest.mark.parametrize("name", TABLES)
def test_golden(name: str) -> None:
    """Every table looks as it did when somebody last looked at it."""
    path, table = GOLDEN / f"{name}.txt", TABLES[name]() + "\n"
    if os.environ.get("ML_LOGGER_GOLDEN") == "rewrite":
        path.write_bytes(table.encode())

    assert table.encode() == path.read_bytes()


@pytest.mark.parametrize("name", [name for name in TABLES if "metrics" in name or name == "hostile_colored"])
def test_boxes_are_straight(name: str) -> None:
    """The right edge of every box is one column, whatever the cells hold."""
    widths = [columns(line) for line in TABLES[name]().split("\n")]

    assert len(set(widths)) == 1


@pytest.mark.parametrize("name", ["wide_parameters", "long_parameters", "hostile_parameters", "single_parameters"])
def test_separators_are_straight(name: str) -> None:
    """The line between keys and values stays in one column, whatever the keys hold."""
    lines = TABLES[name]().split("\n")

    assert len({columns(re.split("[│┬╧╤]", line)[0]) for line in lines if re.search("[│┬╧╤]", line)}) == 1


def test_empty() -> None:
    """Nothing prints as nothing; an empty namespace prints its title."""
    assert metrics_table({}, colored=True) == parameters_table({}, colored=True) == ""
    assert parameters_table({"Args": {}}, colored=False).split("\n")[1].strip() == "Args"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-200.0, "-200.0"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333"),
        (1e-6, "1e-06"),
        (float("nan"), "nan"),
        (12345678.0, "12345678.0"),
        (123456789012, "123456789012"),
        (True, "True"),
        (np.float64(0.1), "0.1"),
        (np.float32(0.1), "0.1"),
        (np.array(1 / 3), "0.333333"),
        (np.int64(3), "3"),
        (green(1 / 3), "0.333333"),
        (Color("text", "red", percent), "text"),
        (None, "None"),
    ],
)
def test_values(value: object, text: str) -> None:
    """Numbers print shortly, those of array libraries like Python's own, and a failing formatter breaks nothing."""
    assert metrics_table({"key": value}, colored=False).split("\n")[1].split("│")[2].strip() == text


def test_broken_str() -> None:
    """An object that cannot print itself prints as its type."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert "<Broken>" in metrics_table({"x": Broken()}, colored=False)
    assert "<Broken>" in parameters_table({"A": {"x": Broken()}}, colored=False)


def test_no_codes_without_color() -> None:
    """Without color not one escape code is printed, neither ours nor the user's."""
    values = {"a": red("x"), "b": "\x1b[31mred\x1b[0m", "c": red("\x1b[32mgreen")}

    assert "\x1b" not in metrics_table(values, colored=False)
    assert "\x1b" not in parameters_table({"A": values}, colored=False)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=40), st.text(max_size=300) | st.floats() | st.integers(), max_size=5))
def test_any_text_stays_in_its_cell(values: dict[str, object]) -> None:
    """No text adds lines, moves the right edge, or makes the table impossible to encode."""
    lines = metrics_table(values, colored=False).splitlines()

    assert len(lines) == (2 * len(values) + 1 if values else 0)
    assert all(len(line.encode()) for line in lines)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for line in lines for c in line)


@settings(deadline=None)
@given(st.text(st.characters() | st.sampled_from("\x1b[0;31m"), max_size=400))
def test_colors_never_leak(text: str) -> None:
    """Whatever colors a text sets are reset before the edge of its cell."""
    row = metrics_table({"key": text}, colored=True).split("\n")[1]
    codes = SGR.findall(row)

    assert not codes or codes[-1] in ("\x1b[0m", "\x1b[m")
    assert "\x1b" not in SGR.sub("", row)


def test_huge_text() -> None:
    """A text of ten million characters is cut before it is looked at in whole."""
    row = metrics_table({"key": "值" * 10_000_000}, colored=False).split("\n")[1]

    assert columns(row) <= 20 + LONGEST + 3
    assert row.rstrip("│ ").endswith("…")
