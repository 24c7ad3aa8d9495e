"""Every call of the logger in each form that programs of both generations have, into a folder and to a server."""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import ml_logger
from ml_logger import Color, ML_Logger, errors
from ml_logger.facade.forms import UNSET
from ml_logger.testing import Server

Call = Callable[[ML_Logger], object]

GRAY, COLOR = np.eye(8), np.zeros((8, 9, 3), np.uint8)
FIGURE = Figure(figsize=(1, 1))


@pytest.fixture(params=["local", "remote"])
def logger(request: pytest.FixtureRequest, tmp_path: Path, shared_server: Server) -> Iterator[ML_Logger]:
    """A silent logger with a prefix of its own, into a folder, then to a server."""
    root = str(tmp_path / "root") if request.param == "local" else shared_server.url
    with ML_Logger(root=root, prefix=f"forms/{tmp_path.name}", silent=True) as opened:
        yield opened


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of this machine with two files."""
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("b")
    return folder


def rows(logger: ML_Logger, file: str = "metrics.pkl") -> list[dict[str, Any]]:
    """Read the rows back, without their time stamps."""
    found = logger.load_pkl(file) or []
    assert all(isinstance(row.pop("_timestamp"), float) for row in found)
    return found


def row(step: object = None, /, **values: Any) -> dict[str, Any]:
    """Return a row as it is stored, without its time stamp."""
    return {"_step": step, **values}


# ---------------------------------------------------------------------------------------------------------- signatures

#: What may be passed by name, what it is when it is not, and in which order it may be passed without.
SIGNATURES = r"""
configure(*args, log_directory=None, root=None, root_dir=None, prefix=None, user=None, access_token=None, silent=None,
          register_experiment=None, asynchronous=None, max_workers=None, buffer_size=None, summary_cache_opts=None,
          paranoid=None, trust=None)
Prefix(*parts, metrics=None, sep="/")
PrefixContext(*parts, metrics=None, sep="/")
Sync()
SyncContext()
Async()
AsyncContext()
clone()
log(*args, metrics=None, step=UNSET, silent=False, flush=None, file=None, cache=None, sep=" ", end="\n", color=None,
    **key_values)
log_metrics(metrics=None, **kw)
log_histogram(step=None, *, bins="auto", **key_arrays)
store_metrics(metrics=None, silent=None, cache=None, **kw)
store(metrics=None, silent=None, cache=None, **kw)
store_key_value(key, value)
peek_stored_metrics(*keys, len=5, print_only=True)
log_metrics_summary(key_values=None, cache=None, key_stats=None, default_stats=None, silent=None, flush=True, **kw)
log_params(path="parameters.pkl", silent=False, **namespaces)
flush(cache=None, file=None)
log_text(text=None, filename=None, dedent=False, overwrite=False, *, silent=None)
log_line(*args, sep=" ", end="\n", flush=True, file=None, color=None)
print(*args, sep=" ", end="\n", flush=True, file=None, color=None)
log_file(path, namespace="files", silent=True)
upload_file(file_path, target_path="files/", once=None, target_folder=None)
log_image(image_or_step=UNSET, key=None, *, step=None, index=None, namespace="images", fstring="{:04d}.png", cmap=None,
          normalize=None, **images)
save_image(image, key)
save_images(stack, key, n_rows=None, n_cols=None)
log_images(stack, key, n_rows=None, n_cols=None)
savefig(key, fig=None, format=None, close=False, **kw)
save_pyplot(key, fig=None, format=None, close=False, **kw)
save_video(frames, key, format=None, fps=20)
log_video(frames, key, format=None, fps=20)
log_data(*args, data=None, path=None, overwrite=False)
save_pkl(data, *keys, path=None, append=False)
save_json(data, *keys, path=None)
save_yaml(data, *keys, path=None)
log_module(step=None, namespace="modules", fstr=None, **modules)
save_module(module, path)
load_module(module, path="weights.pkl")
save_torch(obj, *keys, path=None)
torch_save(obj, *keys, path=None)
load_torch(*keys, path=None)
torch_load(*keys, path=None)
save_modules(path="modules.pkl", **modules)
make_archive(base_name, format="tar", root_dir=None)
send_signal(signal)
truncate(path, depth=-1)
stem(path)
now(fmt=None)
utcnow(fmt=None)
pprint(value, *, file=None)
log_pyplot(path_or_step=UNSET, fig=None, key=None, *, namespace="figures", fstring="{:04d}.png", **kw)
log_jsonl(*args, data=None, key=None)
save_np(array, key)
upload_buffer(buffer, key)
upload_dir(dir_path, target_path=None)
download_file(path, to=None)
download_dir(path, to)
git_rev(branch="HEAD")
time(key="default", interval=1)
load_pkl(*paths, key=None, start=None, stop=None, tries=1, delay=1, trust=None, paranoid=None, unknown="raise")
iload_pkl(*paths, key=None, start=None, stop=None, trust=None, paranoid=None, unknown="raise")
load_np(*paths, key=None)
load_text(*paths, key=None)
load_file(*paths, key=None)
load_json(*paths, key=None)
load_jsonl(*paths, key=None)
load_yaml(*paths, key=None)
load_csv(*paths, key=None, **kw)
glob(query="*", wd=None, recursive=True, start=None, stop=None)
remove(*paths)
move(source, to)
duplicate(source, to)
abspath(*paths)
split(*keys)
start(*keys)
since(*keys)
every(n=1, key="default", start_on=0)
count(key="default")
clear(key="default")
capture_error(file="error.log", reraise=True)
ping(status="running", interval=None)
close(timeout=None)
"""


@pytest.mark.parametrize("text", re.findall(r"\w+\([^()]*\)", SIGNATURES), ids=lambda text: text.partition("(")[0])
def test_what_may_be_passed_by_name_and_by_place(text: str) -> None:
    """Programs pass arguments by these names, in this order, and leave them out: a change would break them."""
    name, _, parameters = text.partition("(")
    wanted = eval(f"(lambda {parameters[:-1]}: None)", {"UNSET": UNSET})
    actual = inspect.signature(getattr(ML_Logger(), name)).parameters
    by_place = [each.name for each in actual.values() if each.kind is each.POSITIONAL_OR_KEYWORD]

    for place, each in enumerate(inspect.signature(wanted).parameters.values()):
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            assert any(other.kind is each.kind for other in actual.values()), each
            continue
        assert actual[each.name].default == each.default, each
        if each.kind is each.POSITIONAL_OR_KEYWORD:
            assert by_place[place] == each.name


def test_configure_and_the_constructor_take_the_same() -> None:
    """`ML_Logger(...)` takes what `configure` takes, and unknown names are a mistake in both."""
    for name in inspect.signature(ML_Logger.configure).parameters:
        if name not in ("self", "args"):
            ML_Logger(**{name: None})
    with pytest.raises(TypeError):
        ML_Logger(unknown=1)


def test_names_at_the_top() -> None:
    """What programs import from the package is there."""
    names = (
        "logger ML_Logger Color percent ms sec default red green gray grey yellow brown metrify memoize now USER ROOT"
    )
    for name in (*names.split(), "pJoin"):
        assert hasattr(ml_logger, name), name


# ---------------------------------------------------------------------------------------------------------------- rows

ROWS: dict[str, tuple[Call, list[dict[str, Any]]]] = {
    "a step and keywords": (lambda log: log.log(3, a=1), [row(3, a=1)]),
    "a step and a dict": (lambda log: log.log(3, {"a": 1}), [row(3, a=1)]),
    "a step and metrics=": (lambda log: log.log(3, metrics={"a": 1}), [row(3, a=1)]),
    "a step, dicts, metrics= and keywords": (
        lambda log: log.log(3, {"a": 1}, {"b": 2}, metrics={"c": 3}, d=4),
        [row(3, c=3, a=1, b=2, d=4)],
    ),
    "a float": (lambda log: log.log(0.5, a=1), [row(0.5, a=1)]),
    "a scalar of numpy": (lambda log: log.log(np.int64(3), a=1), [row(3, a=1)]),
    "a 0-d array": (lambda log: log.log(np.array(3), {"a": 1}), [row(3, a=1)]),
    "a Color": (lambda log: log.log(Color(3, "red"), a=1), [row(3, a=1)]),
    "None": (lambda log: log.log(None, {"a": 1}), [row(None, a=1)]),
    "no step": (lambda log: (log.log(3, a=1), log.log(b=2)), [row(3, a=1, b=2)]),
    "an empty dict": (lambda log: (log.log(3, {}), log.log(3, a=1)), [row(3, a=1)]),
    "an empty dict alone": (lambda log: log.log(3, {}), [row(3)]),
    "step=": (lambda log: log.log(a=1, step=3), [row(3, step=3, a=1)]),
    "step= alone": (lambda log: log.log(step=3), [row(3, step=3)]),
    "a dict and step=": (lambda log: log.log({"a": 1}, step=3), [row(3, step=3, a=1)]),
    "step= in each call of a step": (
        lambda log: (
            log.log(step=1, a=1),
            log.log({"b": 2}, step=1),
            log.log(step=2, a=3),
            log.log_keyvalue(2, "c", 4),
        ),
        [row(1, step=1, a=1, b=2), row(2, step=2, a=3, c=4)],
    ),
    "step= a scalar in each call": (
        lambda log: (log.log(step=np.int64(1), a=1), log.log(step=1.0, b=2)),
        [row(1, step=1, a=1, b=2)],
    ),
    "steps of any order": (
        lambda log: [log.log(step, a=step) for step in (3, 1, -2, 0.5, 1)],
        [row(3, a=3), row(1, a=1), row(-2, a=-2), row(0.5, a=0.5), row(1, a=1)],
    ),
    "flush=True": (lambda log: (log.log(1, a=1, flush=True), log.log(1, b=2)), [row(1, a=1), row(1, b=2)]),
    "flush()": (lambda log: (log.log(1, a=1), log.flush(), log.log(1, b=2)), [row(1, a=1), row(1, b=2)]),
    "caches": (
        lambda log: (
            log.log(1, a=1, cache="one"),
            log.log(1, a=2, cache="two"),
            log.flush(cache="two"),
            log.flush("one"),
        ),
        [row(1, a=2), row(1, a=1)],
    ),
    "a Color of a value": (lambda log: log.log(1, a=Color(0.5, "yellow", ml_logger.percent)), [row(1, a=0.5)]),
    "silent": (lambda log: log.log(1, a=1, silent=True), [row(1, a=1)]),
    "log_keyvalue(step, key, value)": (lambda log: log.log_keyvalue(3, "a b", 1), [row(3, **{"a b": 1})]),
    "log_keyvalue(step, key, value, silent)": (lambda log: log.log_keyvalue(3, "a", 1, True), [row(3, a=1)]),
    "log_keyvalue by name": (lambda log: log.log_keyvalue(step=3, key="a", value=1), [row(3, step=3, a=1)]),
    "log_keyvalue half by name": (lambda log: log.log_keyvalue(3, key="a", value=1, silent=True), [row(3, a=1)]),
    "log_keyvalue(key, value)": (lambda log: log.log_keyvalue("a", 1), [row(a=1)]),
    "log_keyvalue of text": (lambda log: log.log_keyvalue(None, "a", "b"), [row(a="b")]),
    "log_key_value(key, value)": (lambda log: log.log_key_value("a", "b"), [row(a="b")]),
    "log_key_value(key, value, silent, cache)": (lambda log: log.log_key_value("a", 1, True, "x"), [row(a=1)]),
    "log_key_value by name": (lambda log: log.log_key_value(key="a", value=1, cache="x"), [row(a=1)]),
    "log_key_value(key, value=)": (lambda log: log.log_key_value("a", value=1), [row(a=1)]),
    "log_key_value with step=": (lambda log: log.log_key_value("a", 1, step=3), [row(3, step=3, a=1)]),
    "log_key_value(step, key, value)": (lambda log: log.log_key_value(np.int32(3), "a", 1), [row(3, a=1)]),
    "log_metrics(dict)": (lambda log: log.log_metrics({"a": 1}), [row(a=1)]),
    "log_metrics(dict, step=)": (lambda log: log.log_metrics({"a": 1}, step=3, b=2), [row(3, step=3, a=1, b=2)]),
    "log_metrics by name": (lambda log: log.log_metrics(metrics={"a": 1}, silent=True, b=2), [row(a=1, b=2)]),
    "log_metrics(dict, silent, cache)": (lambda log: log.log_metrics({"a": 1}, True, "x"), [row(a=1)]),
    "store and summarize": (
        lambda log: (
            log.store_metrics({"a": 1}),
            log.store(a=3),
            log.store_key_value("b", 5),
            log.log_metrics_summary(),
            log.log_metrics_summary(),
        ),
        [row(**{"a/mean": 2.0, "b/mean": 5.0})],
    ),
    "summaries of all kinds": (
        lambda log: (
            [log.store_metrics(a=value, b=value, c=value, d=value) for value in (1, 2, 6)],
            log.log_metrics_summary({"epoch": 1}, key_stats={"a": "min_max"}, b="quantile", c="histogram(bins=2)"),
        ),
        [
            row(
                **{"a/min": 1.0, "a/max": 6.0, "a/mean": 3.0},
                **{"b/0": 1.0, "b/25": 1.5, "b/50": 2.0, "b/75": 4.0, "b/100": 6.0},
                **{"c/hist": [2, 1], "c/divs": [1.0, 3.5, 6.0], "d/mean": 3.0, "epoch": 1},
            )
        ],
    ),
    "the spread": (
        lambda log: ([log.store(a=value) for value in (1, 3)], log.log_metrics_summary(default_stats="std_dev")),
        [row(**{"a/stddev": 1.0, "a/mean": 2.0})],
    ),
    "caches of summaries": (
        lambda log: (
            log.store({"a": 1}, True, "x"),
            log.store_key_value("a", 2, cache="y"),
            log.log_metrics_summary(cache="y"),
            log.log_metrics_summary({"n": 1}, "x"),
        ),
        [row(**{"a/mean": 2.0}), row(**{"a/mean": 1.0, "n": 1})],
    ),
    "a rolling window": (
        lambda log: (
            log.configure(summary_cache_opts={"mode": "rolling", "window": 2}),
            [log.store(a=value) for value in (1, 2, 4)],
            log.log_metrics_summary(),
            log.log_metrics_summary(),
        ),
        [row(**{"a/mean": 3.0}), row(**{"a/mean": 3.0})],
    ),
    "the cache is cleared": (
        lambda log: (log.store(a=1), log.summary_cache.clear(), log.log_metrics_summary({"n": 1})),
        [row(n=1)],
    ),
    "names within a block": (
        lambda log: _within(log.Prefix(metrics="eval"), lambda: log.log(3, a=1)),
        [row(3, **{"eval/a": 1})],
    ),
    "names within a block, with sep=": (
        lambda log: _within(log.PrefixContext(metrics="eval", sep="."), lambda: log.log(3, a=1)),
        [row(3, **{"eval.a": 1})],
    ),
}


def _within(block: Any, call: Callable[[], object]) -> None:
    with block:
        call()


@pytest.mark.parametrize("form", ROWS)
def test_forms_of_rows(logger: ML_Logger, form: str) -> None:
    """Whatever form a call has, the row holds what was meant, and nothing is taken for text."""
    call, expected = ROWS[form]
    call(logger)

    assert rows(logger) == expected
    assert logger.glob("outputs.log") == []


#: What the calls leave in `outputs.log`, or in the file that is named, and the rows beside it.
TEXTS: dict[str, tuple[Call, str, str, list[dict[str, Any]]]] = {
    "log of text": (lambda log: log.log("epoch", 3), "outputs.log", "epoch 3\n", []),
    "log of text, sep and end": (lambda log: log.log("a", "b", sep="-", end="!"), "outputs.log", "a-b!", []),
    "log of text, file=": (lambda log: log.log("a", file="notes.txt"), "notes.txt", "a\n", []),
    "log of a lone number": (lambda log: log.log(5), "outputs.log", "5\n", []),
    "log of None": (lambda log: log.log(None), "outputs.log", "None\n", []),
    "log of a step, text and values": (lambda log: log.log(3, "x", {"a": 1}), "outputs.log", "x\n", [row(3, a=1)]),
    "log of a bool and values": (lambda log: log.log(True, a=1), "outputs.log", "True\n", [row(a=1)]),
    "log of text before a number": (lambda log: log.log("x", 3, a=1), "outputs.log", "x 3\n", [row(a=1)]),
    "log of an array of one": (lambda log: log.log(np.array([3])), "outputs.log", "[3]\n", []),
    "log_line": (
        lambda log: log.log_line("a", 1, sep="-", end="", flush=False, file="x/y.log", color="red"),
        "x/y.log",
        "a-1",
        [],
    ),
    "print": (lambda log: log.print("a", 1, color="green"), "outputs.log", "a 1\n", []),
    "print, file=": (lambda log: log.print("a", 1, sep="", end="", flush=True, file="p.log"), "p.log", "a1", []),
    "pprint": (lambda log: log.pprint({"a": [1]}), "outputs.log", "{'a': [1]}\n", []),
    "log_text": (lambda log: log.log_text("as it is"), "outputs.log", "as it is", []),
    "log_text by place": (
        lambda log: (log.log_text("gone", "a.txt"), log.log_text("  a\n  b", "a.txt", True, True)),
        "a.txt",
        "a\nb",
        [],
    ),
    "log_text by name": (
        lambda log: [log.log_text(text="a", filename="a.txt", silent=True) for _ in range(2)],
        "a.txt",
        "aa",
        [],
    ),
    "log_jsonl": (lambda log: log.log_jsonl({"a": 1}, "a.jsonl"), "a.jsonl", '{"a": 1}\n', []),
    "log_jsonl by name": (lambda log: log.log_jsonl(data=[1], key="a.jsonl"), "a.jsonl", "[1]\n", []),
    "log_jsonl half by name": (lambda log: log.log_jsonl([1], key="a.jsonl"), "a.jsonl", "[1]\n", []),
    "peek that logs": (
        lambda log: (log.store(a=1), log.peek_stored_metrics("a", len=1, print_only=False)),
        "outputs.log",
        "╒════════════════════╤════════════════════╕\n│         a          │        [1]         │\n"
        "╘════════════════════╧════════════════════╛\n",
        [],
    ),
}


@pytest.mark.parametrize("form", TEXTS)
def test_forms_of_text(logger: ML_Logger, form: str) -> None:
    """Text is appended to `outputs.log` or to the file that is named, exactly as the call says."""
    call, file, text, expected = TEXTS[form]
    call(logger)

    assert logger.load_text(file) == text
    assert rows(logger) == expected


def test_what_is_printed(logger: ML_Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """`print` and `pprint` print, `log_text` does without a file unless it is silent; lines and files do not."""
    logger.configure(silent=False)
    logger.log("no")
    logger.log_line("no")
    logger.log_text("no", "file.txt")
    logger.log_text("no", silent=True)
    assert capsys.readouterr().out == ""
    logger.log_text("one\n")
    logger.print("two")
    logger.pprint([3])
    assert capsys.readouterr().out == "one\ntwo\n[3]\n"


# --------------------------------------------------------------------------------------------------------------- files

FILES: dict[str, tuple[Call, list[str]]] = {
    "log_image(array, path)": (
        lambda log: (
            log.log_image(GRAY, "a"),
            log.log_image(COLOR, key="b/c.jpg"),
            log.log_image(GRAY, Path("d.webp")),
        ),
        ["a.png", "b/c.jpg", "d.webp"],
    ),
    "log_image(step, name=array)": (
        lambda log: (
            log.log_image(4, a=GRAY, b=COLOR),
            log.log_image(np.int64(5), a=GRAY),
            log.log_image(None, c=GRAY),
        ),
        ["images/a/0004.png", "images/a/0005.png", "images/b/0004.png", "images/c/0000.png"],
    ),
    "log_image(step=), (index=)": (
        lambda log: (log.log_image(step=4, a=GRAY), log.log_image(index=5, a=GRAY)),
        ["images/a/0004.png", "images/a/0005.png"],
    ),
    "log_image with a folder and a form": (
        lambda log: log.log_image(4, namespace="n", fstring="{:d}.jpg", a=GRAY, cmap="viridis", normalize=True),
        ["n/a/4.jpg"],
    ),
    "log_image of frames": (
        lambda log: (log.log_image(4, a=[GRAY] * 3), log.log_image([GRAY] * 3, "b.webp")),
        ["b.webp", "images/a/0004.gif"],
    ),
    "save_image": (lambda log: (log.save_image(GRAY, "a"), log.save_image(GRAY, key="b.bmp")), ["a.png", "b.bmp"]),
    "save_images and log_images": (
        lambda log: (
            log.save_images([GRAY] * 4, "a", 2, 2),
            log.log_images(stack=np.stack([COLOR] * 4), key="b.png", n_rows=1, n_cols=4),
        ),
        ["a.png", "b.png"],
    ),
    "log_pyplot(path)": (
        lambda log: (log.log_pyplot("a.pdf", FIGURE), log.log_pyplot(Path("b/c"), fig=FIGURE)),
        ["a.pdf", "b/c.png"],
    ),
    "log_pyplot(step)": (
        lambda log: (
            log.log_pyplot(4, FIGURE),
            log.log_pyplot(5, fig=FIGURE, key="a.svg"),
            log.log_pyplot(np.int64(6), FIGURE, namespace="n", fstring="{:d}.jpg"),
            log.log_pyplot(None, FIGURE),
        ),
        ["figures/0000.png", "figures/0004.png", "figures/a.svg", "n/6.jpg"],
    ),
    "log_pyplot by name": (
        lambda log: (
            log.log_pyplot(key="a", fig=FIGURE),
            log.log_pyplot(path="b.png", fig=FIGURE),
            log.log_pyplot(step=4, fig=FIGURE),
            log.log_pyplot(step=4, key="c.png", fig=FIGURE),
        ),
        ["a.png", "b.png", "figures/0004.png", "figures/c.png"],
    ),
    "savefig and save_pyplot": (
        lambda log: (
            log.savefig("a", FIGURE),
            log.savefig(key="b", fig=FIGURE, format="svg", close=True, dpi=30),
            log.save_pyplot("c", FIGURE, "eps"),
        ),
        ["a.png", "b.svg", "c.eps"],
    ),
    "save_video and log_video": (
        lambda log: (
            log.save_video([GRAY] * 2, "a.gif"),
            log.log_video(frames=[GRAY] * 2, key="b", format="webp", fps=5),
            log.log_video([GRAY] * 2, "d.gif", None, 5),
            log.save_video([GRAY] * 2, "c", "gif", 10),
        ),
        ["a.gif", "b.webp", "c.gif", "d.gif"],
    ),
    "log_module": (
        lambda log: (
            log.log_module(4, net={"w": GRAY}),
            log.log_module(step=5, namespace="n", fstr="{:d}-{}.pkl", net={"w": GRAY}),
        ),
        ["modules/0004_net.pkl", "n/5-net.pkl"],
    ),
    "arrays and documents": (
        lambda log: (
            log.save_np(GRAY, "a"),
            log.save_np(GRAY, key="b.npy"),
            log.save_json({"a": 1}, "c", "d.json"),
            log.save_yaml({"a": 1}, path="e.yml"),
        ),
        ["a.npy", "b.npy", "c/d.json", "e.yml"],
    ),
    "log_histogram": (
        lambda log: (log.log_histogram(4, a=[1, 2]), log.log_histogram(step=5, bins=3, b=GRAY)),
        ["histograms.pkl"],
    ),
    "rows in other files": (
        lambda log: (
            log.log(1, a=1, file="a/rows.pkl"),
            log.log(1, a=1, file="b.jsonl"),
            log.log(1, a=1, file="c.yml"),
        ),
        ["a/rows.pkl", "b.jsonl", "c.yml"],
    ),
    "upload_buffer": (
        lambda log: (log.upload_buffer(b"x", "a.bin"), log.upload_buffer(io.BytesIO(b"x"), key="b.bin")),
        ["a.bin", "b.bin"],
    ),
    "states of the job": (
        lambda log: [
            getattr(log, f"job_{state}")()
            for state in ("created", "requested", "started", "running", "paused", "completed", "errored")
        ],
        ["parameters.pkl"],
    ),
    "arranging": (
        lambda log: (
            [log.log_text("x", name) for name in ("a.txt", "b.txt", "d/e.txt")],
            log.move("a.txt", "moved.txt"),
            log.duplicate(source="moved.txt", to="copy.txt"),
            log.remove("b.txt", "d"),
        ),
        ["copy.txt", "moved.txt"],
    ),
    "everything within a block": (
        lambda log: _within(
            log.Prefix("deep"),
            lambda: (
                log.log(1, a=1),
                log.print("x"),
                log.log_params(Args={"a": 1}),
                log.save_image(GRAY, "a.png"),
                log.log_data(1),
                log.upload_buffer(b"x", "b"),
            ),
        ),
        [f"deep/{name}" for name in ("a.png", "b", "data.pkl", "metrics.pkl", "outputs.log", "parameters.pkl")],
    ),
}


@pytest.mark.parametrize("form", FILES)
def test_forms_of_files(logger: ML_Logger, form: str) -> None:
    """Whatever form a call has, its files are where it says, and nothing else is."""
    call, expected = FILES[form]
    call(logger)
    logger.flush()

    assert logger.glob("**") == expected
    assert all(logger.load_file(path) for path in expected)


#: What `load_pkl` gives of the file that is named.
RECORDS: dict[str, tuple[Call, str, Any]] = {
    "log_data(data)": (lambda log: log.log_data({"a": 1}), "data.pkl", [{"a": 1}]),
    "log_data(data, path)": (lambda log: [log.log_data([1], "a.pkl") for _ in range(2)], "a.pkl", [[1], [1]]),
    "log_data(path, data)": (lambda log: log.log_data("a.pkl", [1]), "a.pkl", [[1]]),
    "log_data(Path, data)": (lambda log: log.log_data(Path("a.pkl"), [1]), "a.pkl", [[1]]),
    "log_data(text, path)": (lambda log: log.log_data("data", "a.pkl"), "a.pkl", ["data"]),
    "log_data by name": (lambda log: log.log_data(data=None, path="a.pkl"), "a.pkl", [None]),
    "log_data overwrites": (
        lambda log: (log.log_data(1, "a.pkl"), log.log_data(2, path="a.pkl", overwrite=True)),
        "a.pkl",
        [2],
    ),
    "save_pkl": (lambda log: [log.save_pkl(number, "a", "b.pkl") for number in (1, 2)], "a/b.pkl", [2]),
    "save_pkl by name": (
        lambda log: [log.save_pkl(data=number, path="b.pkl", append=True) for number in (1, 2)],
        "b.pkl",
        [1, 2],
    ),
    "log_params": (
        lambda log: log.log_params(Args={"a": 1}, seed=2),
        "parameters.pkl",
        [{"Args": {"a": 1}, "seed": 2}],
    ),
    "log_params(path)": (lambda log: log.log_params("a.pkl", True, Args={"a": 1}), "a.pkl", [{"Args": {"a": 1}}]),
    "log_params by name": (lambda log: log.log_params(path="a.pkl", silent=True, A=1), "a.pkl", [{"A": 1}]),
    "metrics by their older name": (lambda log: log.log_data("not these", "other.pkl"), "none.pkl", None),
}


@pytest.mark.parametrize("form", RECORDS)
def test_forms_of_records(logger: ML_Logger, form: str) -> None:
    """Whatever form a call has, the records are read back as a list; where there is no file, None."""
    call, file, expected = RECORDS[form]
    call(logger)

    assert logger.load_pkl(file) == expected


def test_the_older_name_of_the_metrics(logger: ML_Logger) -> None:
    """`load_pkl("data.pkl")` gives the metrics where there is no such file, and the file where there is."""
    logger.log(1, a=1)
    assert [each["a"] for each in logger.load_pkl("data.pkl") or []] == [1]
    logger.log_data("data")
    assert logger.load_pkl("data.pkl") == ["data"]


def test_what_has_no_step_has_the_last_one(logger: ML_Logger) -> None:
    """Pictures, figures, modules and histograms without a step belong to the last step that was logged."""
    logger.log(step=12, a=1)
    logger.log_image(b=GRAY)
    logger.log_pyplot(fig=FIGURE)
    logger.log_module(net={"w": GRAY})
    logger.log_histogram(c=[1, 2])

    assert logger.glob("**/*0012*") == ["figures/0012.png", "images/b/0012.png", "modules/0012_net.pkl"]
    assert [each["_step"] for each in logger.load_pkl("histograms.pkl") or []] == [12]


def test_forms_of_uploads(logger: ML_Logger, source: Path, tmp_path: Path) -> None:
    """Files and folders of this machine go where the call says, and come back byte for byte."""
    file = source / "a.txt"
    logger.log_file(file)
    logger.log_file(path=str(file), namespace="n", silent=True)
    logger.upload_file(file, "b/")
    logger.upload_file(file_path=file, target_path="b/c.txt")
    assert logger.upload_file(file, once=True, target_folder="f") is not None
    assert logger.upload_file(file, once=True, target_folder="f") is None
    logger.upload_dir(source, "dir")
    logger.upload_dir(source, "dir.tar.gz")
    logger.make_archive("packed", "zip", "dir")

    assert logger.glob("**") == [
        *("b/a.txt", "b/c.txt", "dir.tar.gz", "dir/a.txt", "dir/deep/b.txt", "f/a.txt", "files/a.txt", "n/a.txt"),
        "packed.zip",
    ]
    for path in ("dir", "dir.tar.gz", "packed.zip"):
        back = tmp_path / f"back of {path}"
        logger.download_dir(path, to=back)
        assert {str(each.relative_to(back)) for each in back.rglob("*.txt")} == {"a.txt", "deep/b.txt"}
        assert (back / "deep" / "b.txt").read_text() == "b"
    assert Path(logger.download_file("b/c.txt", to=tmp_path / "c.txt")).read_text() == "a"


def test_forms_of_reading(logger: ML_Logger) -> None:
    """Records are counted by `start` and `stop`; paths come in parts and by name; a `/` means the root."""
    for number in range(5):
        logger.log_data(number, "a/b.pkl")

    assert logger.load_pkl("a", "b.pkl", start=1, stop=3) == [1, 2]
    assert logger.load_pkl(key="a/b.pkl", start=-1, tries=2, delay=0) == [4]
    assert list(logger.iload_pkl("a/b.pkl", start=3)) == [3, 4]
    assert logger.load_pkl(f"/{logger.prefix}/a/b.pkl", stop=1, trust=False) == [0]
    assert logger.glob("**/*.pkl", None, True, 0, 1) == logger.glob(Path("a/*.pkl")) == ["a/b.pkl"]
    assert logger.glob("*", wd="a") == logger.glob(query="*", wd=Path("a")) == ["b.pkl"]
    assert logger.glob("*.pkl", wd=f"/{logger.prefix}/a", start=0, stop=None) == ["b.pkl"]
    for missing in (logger.load_np, logger.load_text, logger.load_file, logger.load_json, logger.load_yaml):
        with pytest.raises(errors.KeyNotFound):
            missing("none")
    for host in (logger.load_pkl, logger.load_text, logger.glob, logger.remove):
        with pytest.raises(errors.InvalidKey, match="host"):
            host("//etc/passwd")


def test_forms_of_errors_that_are_captured(logger: ML_Logger) -> None:
    """`capture_error` takes its file and `reraise` by place and by name."""
    with logger.capture_error("a.log", False):
        raise KeyError("one")
    with logger.capture_error(file="b.log", reraise=False):
        raise KeyError("two")
    with pytest.raises(KeyError), logger.capture_error():
        raise KeyError("three")

    for file, word in (("a.log", "one"), ("b.log", "two"), ("error.log", "three")):
        assert f"KeyError: '{word}'" in logger.load_text(file)
