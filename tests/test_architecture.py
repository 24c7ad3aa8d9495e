"""The shape of the package: imports point down, files and functions stay small, the public surface is written down."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ml_logger
from ml_logger import errors
from tests import programs

PACKAGE = Path(ml_logger.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

#: From the ground up. A folder or a file may import from its own layer and from those before it.
LAYERS = [
    ["errors", "version"],
    ["columns"],
    ["settings"],
    ["notices", "forks", "config", "keys", "colors", "jobs", "consoles", "devices"],
    ["stores.base"],
    [
        "plain",
        "parameters",
        "metrics",
        "summaries",
        "dataframes",
        "curves",
        "parameters",
        "runs",
        "progress",
        "tables",
        "timers",
        "redaction",
        "provenance",
        "heartbeat",
        "localfiles",
        "tokens",
        "stores.folder",
        "stores.walk",
        "stores.ground",
        "stores.memory",
        "stores.local",
        "transport",
    ],
    ["encoders"],
    ["stores"],
    ["table_cache", "column_readers"],
    ["readers", "following"],
    ["dashboard"],
    ["facade", "server"],
    ["cli", "testing", "compat", "integrations", "", "__main__"],
]

#: What may not know each other, whatever their layers.
STRANGERS = [
    ("stores", "encoders"),
    ("encoders", "stores"),
    ("server", "facade"),
    ("facade", "server"),
    ("transport", "server"),
    ("stores", "server"),
    ("server", "encoders"),
    ("encoders", "transport"),
    ("columns", "encoders"),
    ("columns", "stores"),
    ("dashboard", "encoders"),
    ("dashboard", "readers"),
]

HEAVY = (
    "numpy",
    "requests",
    "sanic",
    "matplotlib",
    "PIL",
    "pandas",
    "polars",
    "pyarrow",
    "tqdm",
    "torch",
    "sqlite3",
    "asyncio",
)


def module_of(path: Path) -> str:
    """Return the dotted name of a file below the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    """Return the layer of a module: that of its own name, or of the nearest folder above it."""
    while True:
        for number, names in enumerate(LAYERS):
            if module in names:
                return number
        if not module:
            raise AssertionError(f"{module} has no layer")
        module = module.rpartition(".")[0]


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules of ours that a file imports, those within functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ml_logger":
            base = node.module.partition(".")[2]
            for alias in node.names:
                inner = f"{base}.{alias.name}".strip(".")
                is_module = (PACKAGE / inner.replace(".", "/")).with_suffix(".py").exists()
                is_folder = (PACKAGE / inner.replace(".", "/")).is_dir()
                yield inner if is_module or is_folder else base
        elif isinstance(node, ast.Import):
            yield from (name.name.partition(".")[2] for name in node.names if name.name.split(".")[0] == "ml_logger")


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_down(path: Path) -> None:
    """A module imports only what stands below it, and the two sides of the wire do not know each other."""
    module = module_of(path)
    for imported in imports_of(path):
        assert layer_of(imported) <= layer_of(module), f"{module} imports {imported}, which stands above it"
        for one, other in STRANGERS:
            assert not (module.split(".")[0] == one and imported.split(".")[0] == other)


def test_the_layers_are_checked() -> None:
    """The check of imports sees what it is meant to see."""
    assert "stores.base" in set(imports_of(PACKAGE / "stores" / "local.py"))
    assert layer_of("errors") < layer_of("stores.base") < layer_of("stores.remote") < layer_of("facade.logger")


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    """A file has at most about 300 lines, a function at most 50 without its docstring: longer ones are split."""
    text = path.read_text()
    allowed = 400 if path.name in ("base.py", "spool.py", "unpickle.py") else 320

    assert text.count("\n") <= allowed
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert (node.end_lineno or 0) - first.lineno < 50, f"{node.name} is too long"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_everything_public_says_what_it_is(path: Path) -> None:
    """Modules, public classes and public functions have docstrings that begin with a sentence."""
    tree = ast.parse(path.read_text())
    if path.stat().st_size:
        assert ast.get_docstring(tree), f"{path.name} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_"):
            if any(
                isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef))
                and node in ast.walk(outer)
                and outer is not node
                for outer in ast.walk(tree)
            ):
                continue  # a function within a function
            docstring = ast.get_docstring(node)
            assert docstring, f"{node.name} has no docstring"
            assert docstring.split("\n\n")[0].rstrip()[-1] in ".:", f"{node.name}: {docstring.splitlines()[0]}"


def test_the_environment_is_read_in_one_place() -> None:
    """Only `config` reads the environment."""
    readers = [module_of(path) for path in FILES if "os.environ" in path.read_text() or "getenv" in path.read_text()]

    assert readers == ["config"]


#: Calls that build objects of any class from bytes, or run text, by the last two names of what is called.
UNSAFE = {
    *(f"{module}.{name}" for module in ("pickle", "_pickle", "dill", "cloudpickle") for name in ("load", "loads")),
    *("pickle.Unpickler", "pickle._Unpickler", "pandas.read_pickle", "pd.read_pickle", "joblib.load", "shelve.open"),
    *("marshal.load", "marshal.loads", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec"),
    *("np.load", "numpy.load", "np.fromfile", "numpy.fromfile", "np.loadtxt", "numpy.loadtxt"),
}
#: What may not be left to a default: the keyword, and what it must say.
SAFELY = {
    "npy.read_array": ("allow_pickle", {"False"}),
    "npy.write_array": ("allow_pickle", {"False"}),
    "torch.load": ("weights_only", {"True", "weights_only"}),
}


def calls_of(text: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls in a source, with what is called as `module.name`; base classes count as calls."""
    for node in ast.walk(ast.parse(text)):
        called = [node.func] if isinstance(node, ast.Call) else node.bases if isinstance(node, ast.ClassDef) else []
        for each in called:
            name = ".".join(ast.unparse(each).split(".")[-2:])
            yield name, node if isinstance(node, ast.Call) else ast.Call(each, [], [])


def said(call: ast.Call, keyword: str) -> str | None:
    """Return what a call says for a keyword."""
    return next((ast.unparse(each.value) for each in call.keywords if each.arg == keyword), None)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_only_the_trusted_path_unpickles(path: Path) -> None:
    """Nothing in the package reads pickles, or what may hold them, but the reader that was told to trust.

    The suite of faults is a program of its own, which runs its own code in servers, and reads by a plain `pickle.load`
    loop what it has written itself: that files stay plain is what it proves.
    """
    module = module_of(path)
    allowed = {"pickle.Unpickler", "pickle._Unpickler"} if module == "encoders.unpickle" else set()
    if module.startswith("testing.faults."):
        allowed = {"pickle.load", "pickle.loads", "exec"}
    for name, call in calls_of(path.read_text()):
        assert name not in UNSAFE - allowed, f"{module} calls {name}"
        if name in SAFELY:
            keyword, values = SAFELY[name]
            assert said(call, keyword) in values, f"{module} calls {name} without {keyword}"


def test_unsafe_calls_are_seen() -> None:
    """The check of unsafe calls sees them as functions, as methods and as base classes, and the keywords they have."""
    source = (
        "import numpy as np\nnp.load(f)\nclass A(pickle.Unpickler): pass\ntorch.load(f, weights_only=False)\neval(x)"
    )
    found = dict(calls_of(source))

    assert {"np.load", "pickle.Unpickler", "torch.load", "eval"} <= found.keys()
    assert said(found["torch.load"], "weights_only") == "False"
    here = PACKAGE / "encoders"
    assert "pickle.Unpickler" in dict(calls_of((here / "unpickle.py").read_text()))
    assert "torch.load" in dict(calls_of((here / "checkpoints.py").read_text()))
    assert "npy.read_array" in dict(calls_of((here / "arrays.py").read_text()))


def test_the_public_names_are_written_down() -> None:
    """`__all__` is sorted, complete, and every name in it exists."""
    assert list(ml_logger.__all__) == sorted(ml_logger.__all__)
    assert all(hasattr(ml_logger, name) for name in ml_logger.__all__)


def test_every_error_is_also_a_built_in_one() -> None:
    """Each error derives from `LoggerError`, and from what a newcomer would catch."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LoggerError)]

    assert len(kinds) > 10
    for kind in kinds:
        if kind is not errors.LoggerError:
            assert len(kind.__bases__) == 2
            assert str(kind("what is wrong")) == "what is wrong"
            assert kind.__name__ in (errors.__doc__ or "")


def test_importing_is_quick_and_silent(tmp_path: Path) -> None:
    """`import ml_logger` prints nothing, makes no file and no thread, and loads nothing heavy."""
    code = """
        import sys, threading
        before = set(sys.modules)
        import ml_logger
        assert threading.active_count() == 1
        print(*sorted(name for name in sys.modules if name not in before))
    """
    done = programs.run(code)
    loaded = done.stdout.split()

    assert done.stderr == ""
    assert not [name for name in loaded if name.split(".")[0] in HEAVY]
    # What is loaded is what costs: the standard library's large modules are loaded when they are needed.
    assert not {"inspect", "dataclasses", "tempfile", "argparse", "json", "urllib.request", "http.client"} & set(loaded)
    assert list(Path.cwd().iterdir()) == []


def test_the_command_answers_for_itself() -> None:
    """`ml-logger`, `python -m ml_logger` and the server tell their commands and flags."""
    for module, words in (("ml_logger", ("push", "status")), ("ml_logger.server", ("--data-dir", "--durability"))):
        done = subprocess.run(
            [sys.executable, "-m", module, "--help"],
            capture_output=True,
            text=True,
            timeout=programs.PATIENCE,
            check=True,
        )
        assert all(word in done.stdout for word in words)
