"""`POST /v1/series`: lines and bands from a real server, exact where few, and with every spike where many."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_logger import ML_Logger
from ml_logger.dashboard import series_wire
from ml_logger.testing import Server
from ml_logger.tokens import add
from ml_logger.transport import protocol
from tests.row_files import file_of
from tests.test_limits import limited
from tests.test_shelf import ODD, put

ROWS = [{"_step": 2 * n, "_timestamp": 1000 + n / 2, "loss": n / 7} for n in range(500)]
SPIKE = 700_123


def ask(server: Server, token: str = "", **question: Any) -> requests.Response:
    """Ask a question."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(server.url + protocol.SERIES, json=question, headers=headers, timeout=60)


def told(server: Server, **question: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Ask a question that can be answered; return its lines and bands."""
    response = ask(server, **question)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == protocol.SERIES_TYPE
    assert response.headers["Cache-Control"] == "no-store"
    return series_wire.decode(response.content)


def line(server: Server, key: str = "loss", x: str = "_step", run: str = "run", **more: Any) -> dict[str, Any]:
    """Ask for one line."""
    points = more.pop("points", 1000)
    [[found], _] = told(server, lines=[{"run": run, "key": key, "x": x, **more}], points=points)
    return found


def test_what_was_logged_is_drawn(server: Server) -> None:
    """A logger's rows come back as lines over steps, rows, times and other metrics, exact to the last bit."""
    with ML_Logger(root=server.url, prefix="me/run", silent=True) as logger:
        for step in range(50):
            logger.log(step=10 * step, loss=1 / (step + 1), accuracy=step / 50)
        logger.flush()
    steps = line(server, run="me/run")
    assert steps["xs"].tolist() == [10 * step for step in range(50)]
    assert steps["ys"].tolist() == [1 / (step + 1) for step in range(50)]
    assert (steps["rows"], steps["count"], steps["sampled"]) == (50, 50, False)
    assert line(server, x="", run="me/run")["xs"].tolist() == [*range(50)]
    assert line(server, x="accuracy", run="me/run")["xs"].tolist() == [step / 50 for step in range(50)]
    relative = line(server, x="_relative", run="me/run")
    assert relative["xs"][0] == 0 and (np.diff(relative["xs"]) >= 0).all() and relative["x0"] > 1e9
    assert line(server, key="_step", x="_timestamp", run="me/run")["ys"].tolist() == steps["xs"].tolist()


def test_one_question_is_about_a_whole_screen(server: Server) -> None:
    """Lines and bands of many runs come in one answer, in the order of the question; what is not there is said."""
    put(server.data_dir, file_of(ROWS), "a/1")
    put(server.data_dir, file_of([{**row, "loss": 1 + row["loss"]} for row in ROWS[:300]]), "a/2")
    (server.data_dir / "metrics.pkl").write_bytes(file_of([{"loss": 5}]))
    asked = [("a/2", "loss"), ("a/1", "loss"), ("a/3", "loss"), ("a/1", "nothing"), ("", "loss"), ("a/1", "_timestamp")]
    lines, bands = told(
        server,
        lines=[{"run": run, "key": key, "x": "", "from": None, "to": 9} for run, key in asked],
        bands=[
            {"name": "both", "runs": ["a/1", "a/2"], "key": "loss", "x": "_step", "bins": 500},
            {"name": "none", "runs": ["a/3"], "key": "loss", "x": "_step", "bins": 5},
        ],
        points=100,
        precision=32,
    )

    assert [(head["run"], head["key"]) for head in lines] == asked
    assert [head.get("count") for head in lines] == [10, 10, None, None, 1, 10]
    assert [head.get("missing", False) for head in lines] == [False, False, True, True, False, False]
    assert [head["rows"] for head in lines] == [300, 500, 0, 500, 1, 500]
    assert lines[0]["ys"].dtype == np.float32 and lines[0]["ys"][0] == 1.0
    [both, none] = bands
    assert (both["name"], both["runs"], both["n"]) == ("both", 2, 500)
    np.testing.assert_allclose(both["xs"], [row["_step"] for row in ROWS])
    np.testing.assert_allclose(both["mean"][:300], [row["loss"] + 0.5 for row in ROWS[:300]])
    np.testing.assert_allclose(both["high"] - both["mean"], [math.sqrt(0.5)] * 300 + [0.0] * 200)
    assert (none["name"], none["runs"], none["n"]) == ("none", 0, 0)


def test_a_zoom_shows_what_is_in_it_and_one_point_on_each_side(server: Server) -> None:
    """From one x to another, both with it; lines go to the edges of the chart."""
    put(server.data_dir, file_of(ROWS))
    found = line(server, **{"from": 100, "to": 110})
    assert found["xs"].tolist() == [98, 100, 102, 104, 106, 108, 110, 112] and found["count"] == 6
    between = line(server, **{"from": 100.5, "to": 101})
    assert between["xs"].tolist() == [100, 102] and between["count"] == 0
    assert line(server, **{"from": 2000})["xs"].tolist() == [998]
    assert line(server, **{"from": 500, "to": 20})["count"] == 0


def test_an_answer_goes_on_where_a_file_has_grown(server: Server) -> None:
    """What is appended is there with the next question; a file that is replaced or removed is not taken for the old."""
    path = put(server.data_dir, file_of(ROWS))
    assert line(server)["rows"] == 500
    put(server.data_dir, file_of(ROWS[:7]), mode="ab")
    assert line(server)["rows"] == 507
    put(server.data_dir, file_of([{"_step": 1, "loss": 2.5}]), "new")
    os.replace(server.data_dir / "new" / "metrics.pkl", path)
    assert line(server)["ys"].tolist() == [2.5]
    path.unlink()
    assert line(server)["missing"]


def test_damage_is_passed_over_and_what_is_not_plain_is_said(server: Server) -> None:
    """Rows around a damaged place are drawn; a file with a class in it is not, and its line tells why."""
    whole = file_of(ROWS)
    put(server.data_dir, whole[:3000] + whole[3010:] + bytes(50) + whole + whole[:-20])
    assert 1480 <= line(server)["count"] < 1500
    put(server.data_dir, file_of([*ROWS, {"loss": Path("x")}]), "other")
    other = line(server, run="other")
    assert other["missing"] and "Path" in other["refused"]
    put(server.data_dir, b"\x80\x04\x95" + struct.pack("<Q", 2**40) + whole, "endless")
    assert line(server, run="endless")["rows"] >= 0
    put(server.data_dir, b"no pickles at all\n" * 40, "text")
    assert line(server, run="text")["missing"]


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a run of a million rows, and one value among them that sticks out."""
    server = Server(tmp_path_factory.mktemp("long") / "data")
    server.start()
    data = np.frombuffer(file_of([{"_step": 2**20, "loss": 0.5}]), np.uint8)
    table = np.repeat(data[None, :], 1_000_000, 0)
    at = bytes(data).index(struct.pack("<i", 2**20))
    table[:, at : at + 4] = (2**20 + np.arange(1_000_000, dtype="<i4"))[:, None].view(np.uint8).reshape(-1, 4)
    value = bytes(data).index(struct.pack(">d", 0.5))
    noise = np.random.default_rng(1).normal(size=1_000_000).astype(">f8")
    noise[SPIKE] = 1e6
    noise[[100_000, 300_000, 300_001]] = ODD
    table[:, value : value + 8] = noise[:, None].view(np.uint8).reshape(-1, 8)
    put(server.data_dir, table.tobytes())
    yield server
    server.stop()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 999_999), st.integers(0, 1_000_000), st.integers(10, 2000), st.sampled_from(["", "_step"]))
def test_the_spike_is_in_every_zoom_that_contains_it(
    long_run: Server, begin: int, size: int, points: int, x: str
) -> None:
    """One value of a million that sticks out is sent whatever part is looked at, and so are NaN and infinities."""
    offset = 2**20 if x else 0
    end = begin + size
    found = line(long_run, x=x, points=points, **{"from": begin + offset, "to": end + offset})
    ys = found["ys"]

    assert len(ys) <= points and found["rows"] == 1_000_000
    assert found["count"] == min(end, 999_999) - begin + 1
    assert (1e6 in ys.tolist()) or not begin <= SPIKE <= end
    for at, is_odd in zip((100_000, 300_000, 300_001), (np.isnan, np.isposinf, np.isneginf), strict=True):
        assert is_odd(ys).any() or not begin <= at <= end
    if begin <= SPIKE <= end:
        assert found["xs"][ys.tolist().index(1e6)] == SPIKE + offset


def test_the_spike_is_in_a_band_too(long_run: Server) -> None:
    """The extremes of a band are those of all points."""
    band = {"name": "all", "runs": ["run"], "key": "loss", "x": "_step", "from": None, "to": None, "bins": 100}
    [_, [found]] = told(long_run, bands=[band], points=0)
    assert found["n"] == 100 and found["max"].max() == 1e6 and np.isfinite(found["mean"]).all()
    assert found["xs"][found["max"].argmax()] == pytest.approx(2**20 + SPIKE, abs=10_000)


def test_a_token_with_a_prefix_reaches_its_own_runs(tmp_path: Path) -> None:
    """Lines and bands of others are refused, whether they are there or not, and the data folder itself too."""
    server = Server(tmp_path / "data")
    server.data_dir.mkdir()
    (server.data_dir / ".ml_logger").mkdir()
    mine = add(server.data_dir / ".ml_logger" / "tokens.json", "mine", scope="read", prefix="me")
    server.start()
    try:
        put(server.data_dir, file_of(ROWS), "me/run")
        put(server.data_dir, file_of(ROWS), "you/run")
        good = {"run": "me/run", "key": "loss"}
        assert ask(server, lines=[good]).status_code == 401
        assert ask(server, mine, lines=[good]).status_code == 200
        for run in ("you/run", "you/none", "", "me2"):
            assert ask(server, mine, lines=[good, {"run": run, "key": "loss"}]).status_code == 403
            band = {"runs": ["me/run", run], "key": "loss", "bins": 9}
            assert ask(server, mine, bands=[band]).status_code == 403
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("question", "status", "says"),
    [
        (b"", 400, "JSON object"),
        (b"[]", 400, "JSON object"),
        (b"[" * 100_000, 400, "JSON object"),
        (b'{"lines": {}}', 400, "lines is {}: it is a list"),
        (b'{"lines": [1]}', 400, "a line is 1"),
        (b'{"bands": [null]}', 400, "a band is None"),
        (b'{"lines": [{}]}', 400, "run is None"),
        (b'{"lines": [{"run": "a", "key": 1}]}', 400, "key is 1: it is a text"),
        (b'{"lines": [{"run": "a", "x": null}]}', 400, "x is None"),
        (b'{"lines": [{"run": "../a"}]}', 400, "could leave"),
        (b'{"lines": [{"run": "a/"}]}', 400, ""),
        (b'{"lines": [{"run": "a\\u0000"}]}', 400, ""),
        (b'{"lines": [{"run": "a", "from": "1"}]}', 400, "from is '1'"),
        (b'{"lines": [{"run": "a", "to": NaN}]}', 400, "to is nan"),
        (b'{"lines": [{"run": "a", "to": true}]}', 400, "to is True"),
        (b'{"lines": [{"run": "a", "to": 1e999}]}', 400, "to is inf"),
        (b'{"lines": [{"run": "a", "to": 1%b}]}' % (b"0" * 400), 400, "to is 1000"),
        (b'{"lines": [{"run": "a", "to": 1%b}]}' % (b"0" * 9000), 400, ""),
        (b'{"lines": [{"run": "a"}], "points": 9}', 400, "points is 9: ask for 10 or more"),
        (b'{"points": 1.5}', 400, "points is 1.5"),
        (b'{"precision": 16}', 400, "precision is 16"),
        (b'{"bands": [{"runs": "a", "bins": 1}]}', 400, "runs is 'a'"),
        (b'{"bands": [{"runs": [1], "bins": 1}]}', 400, "run is 1"),
        (b'{"bands": [{"runs": ["a"], "bins": 0}]}', 400, "bins is 0"),
        (b'{"bands": [{"runs": ["a"]}]}', 400, "bins is None"),
        (b'{"lines": [{"run": "a"}], "points": 2000001}', 413, "at most 2,000,000"),
        (b'{"bands": [{"runs": ["a"], "bins": 200001}]}', 413, "at most 200,000"),
        (b'{"bands": [%b]}' % b",".join([b'{"runs":["a"],"bins":1}'] * 10_001), 413, "at most 200,000"),
        (b'{"lines": [%b1]}' % (b"{}," * 2**20), 413, "2,097,152 bytes"),
    ],
)
def test_questions_that_make_no_sense_are_refused(
    shared_server: Server, question: bytes, status: int, says: str
) -> None:
    """A question is checked before it is answered, and told what is wrong with it."""
    headers = {"Content-Type": "application/json"}
    response = requests.post(shared_server.url + protocol.SERIES, data=question, headers=headers, timeout=30)

    assert response.status_code == status, response.text
    assert says in response.json()["error"]
    assert len(response.text) < 300


def test_only_questions_of_ours_are_taken(shared_server: Server) -> None:
    """What a page of another site can send is refused, as other methods are."""
    url = shared_server.url + protocol.SERIES
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert requests.post(url, data=b"{}", headers={"Content-Type": kind}, timeout=30).status_code == 415
    assert requests.get(url, timeout=30).status_code == 405
    assert told(shared_server) == ([], [])


def test_many_columns_of_a_long_run_are_drawn_in_bounded_memory(tmp_path: Path) -> None:
    """Where all columns of a screen are more than may be held, they are read one after another; one that is alone too
    large says so."""
    names = [f"metric {number}" for number in range(20)]
    with limited(tmp_path, max_series=1) as server:
        put(server.data_dir, file_of([{name: n for name in names} for n in range(20_000)]))
        lines, [band] = told(
            server,
            lines=[{"run": "run", "key": name, "x": ""} for name in names],
            bands=[{"runs": ["run"], "key": names[3], "x": names[4], "bins": 10}],
            points=100,
        )
        assert [(head["rows"], head["ys"][-1]) for head in lines] == [(20_000, 19_999)] * 20
        assert band["runs"] == 1
        put(server.data_dir, file_of([{"a": n} for n in range(200_000)]), "long")
        assert "ML_LOGGER_MAX_SERIES" in line(server, "a", "", "long")["refused"]
        assert line(server, names[0], "")["rows"] == 20_000


def test_large_answers_come_in_pieces(server: Server) -> None:
    """An answer of some megabytes is whole, and who goes away in the middle of one leaves the server well."""
    put(server.data_dir, file_of([{"loss": n} for n in range(100_000)]))
    question = {"lines": [{"run": "run", "key": "loss"}] * 4, "points": 200_000}
    with requests.post(server.url + protocol.SERIES, json=question, stream=True, timeout=30) as response:
        assert len(response.raw.read(1000)) == 1000
    lines, _ = told(server, **question)
    assert [head["ys"].tolist() == [*range(100_000)] for head in lines] == [True] * 4


def test_the_answer_is_what_is_documented(server: Server) -> None:
    """The head is JSON of little-endian length, and arrays begin at multiples of eight bytes."""
    put(server.data_dir, file_of([{"a": 1.5}, {"a": 2.5}, {"a": 3.5}]))
    data = ask(server, lines=[{"run": "run", "key": "a"}, {"run": "run", "key": "b"}], precision=32).content
    [length] = struct.unpack_from("<I", data)
    head = json.loads(data[4 : 4 + length])
    at = -(-(4 + length) // 8) * 8

    assert head["precision"] == 32 and head["bands"] == []
    assert head["lines"] == [
        {"run": "run", "key": "a", "x": "", "n": 3, "rows": 3, "count": 3, "sampled": False},
        {"run": "run", "key": "b", "x": "", "n": 0, "rows": 3, "missing": True},
    ]
    assert struct.unpack("<3d3f4x", data[at:]) == (0, 1, 2, 1.5, 2.5, 3.5)
