"""Where a logger logs, in all the forms that programs of both generations use."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from ml_logger import ML_Logger, errors


def placed(*args: object, **kw: object) -> tuple[str, str]:
    """Configure a fresh logger and tell where it logs."""
    logger = ML_Logger()
    logger.configure(*args, **kw)  # type: ignore[arg-type]
    return logger.root, logger.prefix


def test_a_root_by_keyword_makes_every_positional_a_prefix() -> None:
    """With a root by any of its names, positionals are parts of the prefix, before `prefix=`."""
    for name in ("root", "root_dir", "log_directory"):
        assert placed("a", "/b", prefix="c", **{name: "/data"}) == ("/data", "a/b/c")
    assert placed(root="/data") == ("/data", "")


def test_the_first_positional_is_a_root_where_it_looks_like_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses, Paths, and absolute, home and dotted paths are roots; everything else is a prefix."""
    monkeypatch.setenv("HOME", "/home/me")
    here = str(Path.cwd())

    assert placed("http://127.0.0.1:9", "b") == ("http://127.0.0.1:9", "b")
    assert placed("https://host/") == ("https://host", "")
    assert placed("file:///data/x%20y") == ("/data/x y", "")
    assert placed("/tmp/x", "b") == ("/tmp/x", "b")
    assert placed("~/runs") == ("/home/me/runs", "")
    assert placed("./runs", "b") == (f"{here}/runs", "b")
    assert placed(tmp_path / "x") == (str(tmp_path / "x"), "")
    assert placed("a", "b")[1] == "a/b"
    assert placed("a", "b")[0] == f"{here}/runs"


def test_configuring_a_prefix_keeps_the_root() -> None:
    """Without a root, the root stays, also a remote one, below which an absolute path is a prefix."""
    logger = ML_Logger("/data", "one")
    logger.configure("two")
    assert (logger.root, logger.prefix) == ("/data", "two")
    logger.configure()
    assert (logger.root, logger.prefix) == ("/data", "two")
    logger.configure(root="http://127.0.0.1:9")
    logger.configure("/three")
    assert (logger.root, logger.prefix) == ("http://127.0.0.1:9", "three")


def test_parts_that_are_not_there_are_left_out() -> None:
    """None, as programs pass for a flag that was not given, is no part of a prefix and no root."""
    assert placed("/data", None, "b", prefix=None) == ("/data", "b")
    assert placed("a", root="/data", prefix=["b", None]) == ("/data", "a/b")
    assert placed(None, None, root=None, root_dir="/data") == ("/data", "")
    logger = ML_Logger("/data", "one")
    logger.configure(None)
    assert (logger.root, logger.prefix) == ("/data", "one")


def test_one_root_by_several_names(tmp_path: Path) -> None:
    """The names of the root may be given together where they mean the same place, however it is spelled."""
    assert placed(root="/data", root_dir="/data/", log_directory=Path("/data")) == ("/data", "")
    assert placed(root="http://host:1", log_directory="http://host:1/")[0] == "http://host:1"
    with pytest.raises(TypeError, match="root and root_dir"):
        placed(root="/data", root_dir="/data/else")


def test_prefixes_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """`{now:...}`, `{USER}` and `$NAME` in a prefix are replaced; a name that is not set is an error."""
    monkeypatch.setenv("JOB", "42")
    monkeypatch.setenv("ML_LOGGER_USER", "ada")
    day = f"{datetime.datetime.now():%Y-%m-%d}"

    assert placed("{USER}/{now:%Y-%m-%d}/$JOB/${JOB}x", root="/data")[1] == f"ada/{day}/42/42x"
    assert placed("{USER}", root="/data", user="grace")[1] == "grace"
    with pytest.raises(errors.InvalidSetting, match=r"\$NOT_SET_AT_ALL"):
        placed("$NOT_SET_AT_ALL", root="/data")


def test_without_configuration_no_two_runs_share_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of the box a run logs below `./runs`, into a folder of its own."""
    one, two = ML_Logger(), ML_Logger()

    assert one.root == str(Path.cwd() / "runs")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d/[\w.-]+/\d\d\.\d\d\.\d\d-[0-9a-f]{6}", one.prefix)
    assert one.prefix != two.prefix
    assert one.prefix == one.prefix
    monkeypatch.setenv("ML_LOGGER_ROOT", "/elsewhere")
    monkeypatch.setenv("ML_LOGGER_PREFIX", "mine/$HOME_OF_RUNS")
    monkeypatch.setenv("HOME_OF_RUNS", "x")
    assert (ML_Logger().root, ML_Logger().prefix) == ("/elsewhere", "mine/x")


def test_prefixes_cannot_leave_the_root() -> None:
    """A prefix with `..` is refused."""
    with pytest.raises(errors.InvalidKey):
        placed("a/../../b", root="/data")


def test_reconfiguring_writes_the_pending_row_where_it_belongs(tmp_path: Path) -> None:
    """The row that is pending when the place changes goes to the place where it was logged."""
    logger = ML_Logger(tmp_path / "one", silent=True)
    logger.log(0, value=0)
    logger.configure(root=tmp_path / "two")
    logger.log(0, value=1)
    logger.close()

    for place, value in (("one", 0), ("two", 1)):
        rows = ML_Logger(tmp_path / place).load_pkl("metrics.pkl")
        assert rows is not None
        assert [row["value"] for row in rows] == [value]


def test_older_keywords_are_accepted(tmp_path: Path) -> None:
    """Keywords of earlier generations that set nothing here are accepted; unknown ones are not."""
    logger = ML_Logger(root=tmp_path, register_experiment=False, max_workers=5, buffer_size=100, summary_cache_opts={})
    logger.log(0, value=0)
    logger.close()
    with pytest.raises(TypeError):
        logger.configure(colour="red")
