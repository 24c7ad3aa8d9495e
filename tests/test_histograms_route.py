"""Histograms go out as JSON, few enough to draw; what they are made of is decoded and never unpickled."""

from __future__ import annotations

import itertools
import os
import pickle
from typing import Any

import pytest
import requests

from ml_logger import ML_Logger
from ml_logger.testing import Server
from ml_logger.transport import protocol

KEY = "run/histograms.pkl"


def ask(server: Server, **asked: Any) -> requests.Response:
    """Ask for the histograms of a file."""
    return requests.get(server.url + protocol.HISTOGRAMS, params={"key": KEY, **asked}, timeout=30)


def put(server: Server, *rows: object) -> None:
    """Put rows into the file, as others do."""
    path = server.data_dir / KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(pickle.dumps(row, 4) for row in rows))


def row(step: object, counts: list[Any], edges: list[Any], **more: Any) -> dict[str, Any]:
    """Return a row with one histogram."""
    return {"_step": step, "_timestamp": 1.0, "w": {"counts": counts, "edges": edges, **more}}


def test_what_is_logged_comes_back(server: Server) -> None:
    """Each name with its histograms in order: steps, counts, edges, and what was no finite number."""
    with ML_Logger(root=server.url, prefix="run", silent=True) as logger:
        logger.log_histogram(0, bins=[0, 1, 2], w=[0.5, 1.5, 1.5], g=[0.5])
        logger.log_histogram(10, bins=[0, 1, 2], w=[0.5, float("nan"), float("inf")])
        logger.flush()
    series = {one["name"]: one for one in ask(server).json()["series"]}

    assert series["w"] == {
        "name": "w",
        "count": 2,
        "histograms": [
            {"step": 0, "counts": [1, 2], "edges": [0.0, 1.0, 2.0]},
            {"step": 10, "counts": [1, 0], "edges": [0.0, 1.0, 2.0], "nan": 1, "inf": 1},
        ],
    }
    assert series["g"]["count"] == 1


def test_many_histograms_are_thinned(server: Server) -> None:
    """Of a thousand about as many are given as are asked for, evenly, with the first and the last."""
    put(server, *(row(step, [step], [0, 1]) for step in range(1000)))
    [series] = ask(server, points=20).json()["series"]
    steps = [one["step"] for one in series["histograms"]]

    assert series["count"] == 1000
    assert len(steps) == 20
    assert (steps[0], steps[-1]) == (0, 999)
    assert max(b - a for a, b in itertools.pairwise(steps)) < 120
    assert [one["counts"] for one in series["histograms"]] == [[step] for step in steps]


@pytest.mark.parametrize("bins", [2, 7, 64, 100])
def test_neighboring_bins_are_put_together(server: Server, bins: int) -> None:
    """No count is lost, the range stays, and there are at most as many bins as are asked for."""
    put(server, row(0, list(range(100)), list(range(101))))
    [[one]] = [series["histograms"] for series in ask(server, bins=bins).json()["series"]]

    assert len(one["counts"]) <= bins
    assert len(one["edges"]) == len(one["counts"]) + 1
    assert sum(one["counts"]) == sum(range(100))
    assert (one["edges"][0], one["edges"][-1]) == (0, 100)


def test_what_is_no_histogram_is_left_out(server: Server) -> None:
    """Other values, and histograms that make no sense, are passed over; those beside them are told."""
    good = row(float("nan"), [], [], nan=3)
    bad = [
        row(1, [1], [0]),
        row(1, [1, 2], [0, 2, 1]),
        row(1, [-1], [0, 1]),
        row(1, ["1"], [0, 1]),
        row(1, [1], [0, float("inf")]),
        row(1, [10**400], [0, 1]),
        {"_step": 1, "w": "text", "x": [1], "y": {"counts": 1, "edges": 2}},
        ["no row"],
    ]
    put(server, *bad[:4], good, *bad[4:])

    told = {"step": None, "counts": [], "edges": [], "nan": 3}
    assert ask(server).json() == {"series": [{"name": "w", "count": 1, "histograms": [told]}]}


def test_nothing_is_executed(server: Server) -> None:
    """A row that would run a program where it is unpickled is refused, and the server goes on."""

    class Attack:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(server.data_dir / "attacked"),)

    put(server, row(0, [1], [0, 1]), {"_step": 1, "w": Attack()})
    refused = ask(server)

    assert refused.status_code == 400
    assert "without unpickling" in refused.json()["error"]
    assert not (server.data_dir / "attacked").exists()
    put(server, row(0, [1], [0, 1]))
    assert ask(server).status_code == 200


def test_a_torn_row_at_the_end_hides_nothing(server: Server) -> None:
    """What is being written is left for the next time."""
    put(server, row(0, [1], [0, 1]), row(1, [2], [0, 1]))
    path = server.data_dir / KEY
    path.write_bytes(path.read_bytes()[:-5])

    assert [one["count"] for one in ask(server).json()["series"]] == [1]


def test_numbers_and_names_beyond_all_bounds_are_told_or_left_out(server: Server) -> None:
    """Edges of any size are numbers, counts that none can be are left out, and half a character ends no answer."""
    put(server, row(0, [1], [2**900, 2**901], nan=10**5000, inf=2), {"_step": 1, "\ud800": row(0, [1], [0, 1])["w"]})
    answer = ask(server)

    assert answer.status_code == 200
    assert [series["name"] for series in answer.json()["series"]] == ["w", "?"]
    (told,) = answer.json()["series"][0]["histograms"]
    assert told == {"step": 0, "counts": [1], "edges": [2.0**900, 2.0**901], "inf": 2}
    assert len(answer.content) < 300
