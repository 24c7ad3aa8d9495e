"""Values that people really pass: tensors and arrays of every library, times, and where they keep parameters."""

from __future__ import annotations

import argparse
import array
import collections
import decimal
import enum
import fractions
import gc
import math
import threading
import weakref
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_logger import ML_Logger, errors, green
from tests import programs


def rows(logger: ML_Logger, file: str = "metrics.pkl") -> list[dict[str, Any]]:
    """Read the rows back, without their time stamps."""
    found = logger.load_pkl(file) or []
    assert all(isinstance(row.pop("_timestamp"), float) for row in found)
    return found


def parameters(logger: ML_Logger, **namespaces: Any) -> Any:
    """Log parameters, and read them back."""
    logger.log_params(**namespaces)
    return (logger.load_pkl("parameters.pkl") or [])[-1]


# ------------------------------------------------------------------------------------------------------------- metrics


class Half(float, enum.Enum):
    """Numbers with names."""

    MUCH = 0.5


class Name(str, enum.Enum):
    """Texts with names."""

    OF_TEXT = "text"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.longdouble(0.5), 0.5),
        (np.array([0.5], np.longdouble), [0.5]),
        (np.float16(0.5), 0.5),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.datetime64("2020-01-02T03:04:05"), "2020-01-02T03:04:05"),
        (np.timedelta64(1500, "ms"), 1.5),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([1, None, "x"], dtype=object), [1, None, "x"]),
        (np.ma.masked_array([1, 2], mask=[False, True]), [1, None]),
        (np.zeros((2, 0)), [[], []]),
        (decimal.Decimal("1e999"), math.inf),
        (decimal.Decimal("-1e999"), -math.inf),
        (fractions.Fraction(10**400, 3), math.inf),
        (fractions.Fraction(-(10**400), 3), -math.inf),
        ([[np.float32(1)], (2, {3})], [[1.0], [2, [3]]]),
        (Half.MUCH, 0.5),
        (Name.OF_TEXT, "text"),
        (collections.deque([1, np.float32(2)]), [1, 2.0]),
        (range(3), [0, 1, 2]),
        ({"a": 1}.values(), [1]),
        (array.array("d", [1, 2]), [1.0, 2.0]),
        (bytearray(b"ab"), b"ab"),
        (
            [{"reward": np.float32(1), 2: None}, {"deep": {"er": green(3)}}],
            [{"reward": 1.0, "2": None}, {"deep": {"er": 3}}],
        ),
    ],
)
def test_odd_values_become_plain(logger: ML_Logger, value: Any, stored: Any) -> None:
    """Every kind of number, of time and of array is stored in built-in types."""
    logger.log(0, x=value)

    assert rows(logger) == [{"_step": 0, "x": stored}]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        (3, "3"),
        (True, "True"),
        (None, "None"),
        (Name.OF_TEXT, "text"),
        (np.str_("x"), "x"),
        (np.int64(3), "3"),
        ("é\n", "é\n"),
    ],
)
def test_odd_names_become_text(logger: ML_Logger, name: Any, stored: str) -> None:
    """Whatever names a value, its column is built-in text: within mappings, with a color, as a keyword, in a block."""
    logger.log(0, {name: 1, "deep": {name: green(2)}})
    logger.log(1, {name: green(3)})
    logger.store_metrics({name: 4})
    logger.log_metrics_summary(step=2)
    with logger.Prefix(metrics="in"):
        logger.log(3, {name: green(6)}, flush=True)
        logger.store_metrics({name: 4})
        logger.log_metrics_summary(key_stats={name: "min_max"}, step=3)
    if isinstance(name, str):
        logger.log(4, **{name: 5})

    found = rows(logger)
    assert found[3] == {"_step": 3, f"in/{stored}": 6}
    assert f"in/{stored}/min" in found[4]
    assert found[:2] == [{"_step": 0, stored: 1, f"deep/{stored}": 2}, {"_step": 1, stored: 3}]
    assert found[2] == {"_step": 2, "step": 2, f"{stored}/mean": 4.0}
    assert not isinstance(name, str) or found[5] == {"_step": 4, stored: 5}
    assert {type(key) for each in found for key in each} == {str}


@pytest.mark.parametrize("step", [decimal.Decimal(3), fractions.Fraction(3), Half.MUCH, 10**30, -math.inf])
def test_odd_steps(logger: ML_Logger, step: Any) -> None:
    """Every real number is a step, by place and by name."""
    logger.log(step, a=1)
    logger.log(b=2, step=step)

    plain = step if isinstance(step, int) else float(step)
    assert rows(logger) == [{"_step": plain, "a": 1, "step": plain, "b": 2}]


def test_values_of_pandas(logger: ML_Logger) -> None:
    """Series are lists, and what is missing in them is None."""
    pandas = pytest.importorskip("pandas")
    logger.log(
        0, a=pandas.NA, b=pandas.Series([1.5, 2]), c=pandas.array([1, None], dtype="Int64"), d=pandas.Timestamp(0)
    )

    assert rows(logger) == [{"_step": 0, "a": None, "b": [1.5, 2.0], "c": [1, None], "d": "1970-01-01T00:00:00"}]


def test_small_arrays_become_lists_and_large_ones_are_refused(logger: ML_Logger) -> None:
    """1,024 elements are a list; one more is an error that says what to call instead, and nothing is taken."""
    logger.log(0, x=np.arange(1024).reshape(32, 32))
    for large in (np.arange(1025), [0] * 1025):
        with pytest.raises(errors.UnsupportedValue, match=r"'y' has 1,025 .* log_data, .* log_histogram"):
            logger.log(0, z=1, y=large)

    assert rows(logger) == [{"_step": 0, "x": np.arange(1024).reshape(32, 32).tolist()}]


@pytest.fixture
def torch() -> Any:
    """The real torch, where there is one."""
    return pytest.importorskip("torch")


@pytest.fixture
def jax() -> Any:
    """The real jax, where there is one."""
    return pytest.importorskip("jax")


def test_torch_values(logger: ML_Logger, torch: Any) -> None:
    """Tensors of every kind are values and steps; those without a value are refused, each with its reason."""
    logger.log(
        torch.tensor(3),
        scalar=torch.tensor(0.5, requires_grad=True),
        parameter=torch.nn.Parameter(torch.ones(2)),
        half=torch.ones(2, dtype=torch.bfloat16),
        flag=torch.tensor(True),
        view=torch.arange(6).reshape(2, 3).t(),
        colored=green(torch.tensor(2)),
        nested={"a": [torch.tensor(1)]},
    )
    assert rows(logger) == [
        {
            "_step": 3,
            "scalar": 0.5,
            "parameter": [1.0, 1.0],
            "half": [1.0, 1.0],
            "flag": True,
            "view": [[0, 3], [1, 4], [2, 5]],
            "colored": 2,
            "nested/a": [1],
        }
    ]
    for tensor, reason in (
        (torch.ones(2, device="meta"), "no value"),
        (torch.eye(2).to_sparse(), "to_dense"),
        (torch.ones(1025), "1,025"),
    ):
        with pytest.raises(errors.UnsupportedValue, match=reason):
            logger.log(4, x=tensor)


def test_a_tensor_is_read_as_it_was(logger: ML_Logger, torch: Any) -> None:
    """What is changed in place after the call is stored as it was at the call."""
    tensor, array = torch.ones(2), np.ones(2)
    logger.log(0, tensor=tensor, array=array)
    tensor += 1
    array += 1

    assert rows(logger) == [{"_step": 0, "tensor": [1.0, 1.0], "array": [1.0, 1.0]}]


def test_logging_keeps_no_graph_alive(tmp_path: Path, torch: Any) -> None:
    """A pending row holds the number and not the graph that computed it, which a weak reference proves."""
    logger = ML_Logger(tmp_path, silent=False)

    class Saved:
        """What the graph saves of a tensor, for the way back."""

        def __init__(self, tensor: Any) -> None:
            self.tensor = tensor

    saved: list[Any] = []

    def pack(tensor: Any) -> Saved:
        kept = Saved(tensor)
        saved.append(weakref.ref(kept))
        return kept

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        loss = (torch.ones(3, requires_grad=True) ** 2).sum()
    assert saved[0]() is not None
    tensor = weakref.ref(loss)
    logger.log(0, loss=loss, colored=green(loss))
    logger.store_metrics(loss=loss)
    del loss
    gc.collect()

    assert tensor() is None
    assert saved[0]() is None
    assert rows(logger) == [{"_step": 0, "loss": 3.0, "colored": 3.0}]


# A device of our own, on a machine without one: what is on it cannot be read before the gate is open, as the result of
# a kernel that runs. It is a tensor of torch in all that the logger asks of one.
DEVICE = """
    import sys, threading
    import torch
    from ml_logger import ML_Logger, green

    class Device:
        type = "cuda"

    class OnDevice(torch.Tensor):
        gate, reads = threading.Event(), []
        device = Device()
        def tolist(self):
            assert self.gate.is_set(), "the call waited for the device"
            self.reads.append(self)
            return super().tolist()
        item = __float__ = __int__ = __index__ = __bool__ = numpy = cpu = tolist

    def on_device(data, **kw):
        return torch.tensor(data, **kw).as_subclass(OnDevice)
"""


def test_a_device_is_read_when_the_row_is_written(root: str, torch: Any) -> None:
    """`log` waits for no device; the value is that of the call, however it is changed, and no graph stays alive."""
    code = (
        DEVICE
        + """
    import gc, weakref
    logger = ML_Logger(root=sys.argv[1], prefix="run")
    running, weights = on_device(0.0), on_device(2.0, requires_grad=True)
    for step in range(3):
        loss = weights * 3
        alive = weakref.ref(loss)
        logger.log(7, {"deep": {f"loss{step}": loss}, f"list{step}": [running, 1]})
        logger.log(7, {f"colored{step}": green(running)})
        logger.store(stored=running)
        del loss
        gc.collect()
        assert alive() is None
        running += 1.0
    assert not OnDevice.reads
    OnDevice.gate.set()
    logger.log(8, last=1)
    assert OnDevice.reads
    logger.log_metrics_summary(stored="min_max")
    logger.close()
    """
    )
    done = programs.run(code, root)
    first, summary = programs.rows(root, "run")

    assert done.stderr == ""
    assert first["deep/loss0"] == first["deep/loss2"] == 6.0
    assert [first[f"list{step}"] for step in range(3)] == [[0.0, 1], [1.0, 1], [2.0, 1]]
    assert [first[f"colored{step}"] for step in range(3)] == [0.0, 1.0, 2.0]
    assert (summary["stored/min"], summary["stored/max"]) == (0.0, 2.0)
    assert "2.0" in done.stdout
    assert "Later" not in done.stdout


def test_a_device_that_fails_costs_its_value_alone(tmp_path: Path, torch: Any) -> None:
    """A value that the device cannot tell any more is None, and is told on stderr; the row is there."""
    code = (
        DEVICE
        + """
    def fail(self):
        raise RuntimeError("the device is gone")
    OnDevice.tolist = fail
    with ML_Logger(sys.argv[1], silent=True) as logger:
        logger.log(0, loss=on_device(1.0), lr=0.5)
        logger.log(1, lr=0.25)
    """
    )
    done = programs.run(code, tmp_path)

    assert "'loss' could not be read from its device (RuntimeError: the device is gone)" in done.stderr
    assert [(row.get("loss"), row["lr"]) for row in programs.rows(tmp_path, "")] == [(None, 0.5), (None, 0.25)]


def test_a_value_may_be_called_self(logger: ML_Logger) -> None:
    """Names of metrics are free: `self` is one, too."""
    logger.log(0, self=1.0, args=2.0)

    (row,) = logger.load_pkl("metrics.pkl") or []
    assert (row["self"], row["args"]) == (1.0, 2.0)


def test_jax_values(logger: ML_Logger, jax: Any) -> None:
    """Arrays of jax are values and steps; one that jax traces has none yet, and is refused."""
    jnp = jax.numpy
    logger.log(jnp.int32(3), a=jnp.float32(0.5), b=jnp.ones(2, jnp.bfloat16), c=green(jnp.arange(2)), d=jnp.bool_(True))
    logger.log(3, e=np.asarray(jnp.int4(3)))
    logger.store_metrics(x=jnp.arange(2000))
    logger.log_metrics_summary()
    assert rows(logger) == [{"_step": 3, "a": 0.5, "b": [1.0, 1.0], "c": [0, 1], "d": True, "e": 3, "x/mean": 999.5}]
    with pytest.raises(errors.UnsupportedValue, match="tracer"):
        jax.jit(lambda x: logger.log(4, x=x))(1.0)


def test_jax_is_not_read_by_the_call(logger: ML_Logger, jax: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An array of jax is read when its row is written: one that is deleted before cannot tell its value any more."""
    kept, deleted = jax.numpy.float32(1), jax.numpy.float32(2)
    logger.log(0, kept=kept, deleted=deleted)
    deleted.delete()

    assert rows(logger) == [{"_step": 0, "kept": 1.0, "deleted": None}]
    assert "'deleted' could not be read from its device" in capsys.readouterr().err


def test_no_library_is_imported_for_its_values(tmp_path: Path) -> None:
    """Logging what comes from one library imports no other."""
    code = """
        import sys
        from ml_logger import ML_Logger
        with ML_Logger(sys.argv[1], silent=True) as logger:
            logger.log(0, a=1, b=[1.5], c={"d": "e"})
            logger.log_params(Args={"a": 1})
        print(*sorted({name.partition(".")[0] for name in sys.modules}))
    """
    loaded = set(programs.run(code, tmp_path).stdout.split())

    assert not loaded & {"numpy", "torch", "jax", "tensorflow", "pandas", "attr", "pydantic", "omegaconf"}


# ---------------------------------------------------------------------------------------------------------- parameters


def test_parameters_of_argparse(logger: ML_Logger) -> None:
    """What `parse_args` returns, and its `vars`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--layers", nargs="*", type=int)
    args = parser.parse_args(["--layers", "1", "2"])

    expected = {"lr": 0.1, "layers": [1, 2]}
    assert parameters(logger, Args=args, Vars=vars(args)) == {"Args": expected, "Vars": expected}


def test_parameters_of_attrs(logger: ML_Logger) -> None:
    """Objects of attrs, with and without slots, within each other."""
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Inner:
        path: Path = Path("a")

    @attrs.define(slots=False)
    class Outer:
        lr: float = 0.1
        inner: Inner = attrs.field(factory=Inner)

    assert parameters(logger, Args=Outer()) == {"Args": {"lr": 0.1, "inner": {"path": "a"}}}


def test_parameters_of_pydantic(logger: ML_Logger) -> None:
    """Models of pydantic, within each other; a secret stays one."""
    pydantic = pytest.importorskip("pydantic")

    class Inner(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        sizes: tuple[int, ...] = (1, 2)

    class Outer(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        lr: float = 0.1
        inner: Inner = Inner()
        key: pydantic.SecretStr = pydantic.SecretStr("hush")

    stored = parameters(logger, Args=Outer())["Args"]
    assert (stored["lr"], stored["inner"]) == (0.1, {"sizes": (1, 2)})
    assert "hush" not in str(stored)


def test_parameters_of_omegaconf(logger: ML_Logger) -> None:
    """Configurations of OmegaConf, with references resolved, alone and within a dict."""
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create({"a": 1, "b": "${a}", "l": [1, "${a}"], "missing": "???", "deep": {"x": None}})
    expected = {"a": 1, "b": 1, "l": [1, 1], "missing": "???", "deep": {"x": None}}

    assert parameters(logger, Args=config, More={"c": config, "l": config.l}) == {
        "Args": expected,
        "More": {"c": expected, "l": [1, 1]},
    }


def test_parameters_of_params_proto(root: str) -> None:
    """Classes of params_proto, as the founding document has them, with and without `vars`."""
    pytest.importorskip("params_proto")
    code = """
        import sys
        root, sys.argv = sys.argv[1], sys.argv[:1]
        from params_proto import Proto, cli_parse
        from params_proto.neo_proto import ParamsProto
        from ml_logger import ML_Logger

        @cli_parse
        class Args:
            seed = 1
            lr = Proto(5e-4, help="the learning rate")

        class Neo(ParamsProto):
            gamma = 0.99

        with ML_Logger(root=root, prefix="run", silent=True) as logger:
            logger.log_params(Vars=vars(Args), Args=Args, Neo=vars(Neo), Class=Neo)
    """
    programs.run(code, root)
    (stored,) = programs.rows(root, "run", "parameters.pkl")

    assert stored["Vars"] == stored["Args"] == {"seed": 1, "lr": 5e-4}
    assert stored["Neo"]["gamma"] == stored["Class"]["gamma"] == 0.99


class Base:
    """Parameters that others derive from."""

    seed = 1
    lr = 0.1


class Derived(Base):
    """Parameters, with what is none."""

    lr = 0.2
    lock = threading.Lock()

    @property
    def twice(self) -> float:
        """Not stored."""
        return self.lr * 2

    def method(self) -> None:
        """Not stored."""


def test_parameters_of_plain_classes_and_objects(logger: ML_Logger) -> None:
    """A class is its attributes and those it inherits; an object has its own besides; a named tuple has names."""
    changed = Derived()
    changed.lr = 0.3
    point = namedtuple("point", "x y")

    assert parameters(logger, Class=Derived, Object=changed, Point=point(1, 2), deep={"kind": Derived}) == {
        "Class": {"seed": 1, "lr": 0.2},
        "Object": {"seed": 1, "lr": 0.3},
        "Point": {"x": 1, "y": 2},
        "deep": {"kind": f"{__name__}.Derived"},
    }


class Config:
    """Parameters in groups, as robot learning has them."""

    seed = 1
    activation = Derived

    class optimizer:
        """A group."""

        lr = 0.1

        class schedule:
            """A group within a group."""

            warmup = 10

    class empty:
        """A class without parameters is a class."""


class Changed(Config):
    """Other parameters in the groups."""

    class optimizer(Config.optimizer):
        """The group, changed."""

        lr = 0.2


def test_parameters_in_classes_within_classes(logger: ML_Logger) -> None:
    """A class in the body of another is a group, inherited or not, and so is an object of it; others are named."""
    group = {"lr": 0.2, "schedule": {"warmup": 10}}
    expected = {
        "seed": 1,
        "activation": f"{__name__}.Derived",
        "optimizer": group,
        "empty": f"{__name__}.Config.empty",
    }
    built = Changed()
    built.optimizer = Changed.optimizer()  # type: ignore[method-assign, assignment]
    built.optimizer.itself = built.optimizer  # type: ignore[attr-defined]

    assert parameters(logger, Class=Changed, Vars=vars(Config)["optimizer"], Object=Changed()) == {
        "Class": expected,
        "Vars": {**group, "lr": 0.1},
        "Object": expected,
    }
    assert parameters(logger, Args=dict(vars(built))) == {"Args": {"optimizer": group}}  # what has no end is left out


def test_devices_and_types_by_their_names(logger: ML_Logger, torch: Any) -> None:
    """A device and a type of numbers are stored as people write them."""
    args = {"device": torch.device("cuda:1"), "dtype": torch.bfloat16, "numpy": np.dtype("float32")}

    assert parameters(logger, Args=args)["Args"] == {"device": "cuda:1", "dtype": "torch.bfloat16", "numpy": "float32"}


def test_references_that_lead_nowhere_are_kept(logger: ML_Logger) -> None:
    """A configuration of OmegaConf with a reference that cannot be resolved is stored, as it is written."""
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create({"a": 1, "cwd": "${hydra:runtime.cwd}"})

    assert parameters(logger, Args=config) == {"Args": {"a": 1, "cwd": "${hydra:runtime.cwd}"}}


def test_what_cannot_be_stored_is_told_by_its_name(logger: ML_Logger) -> None:
    """A parameter that cannot be stored is an error with its dotted name, and nothing of the call is stored."""
    with pytest.raises(errors.UnsupportedValue, match=r"'Args\.deep\.lock'"):
        logger.log_params(Fine={"a": 1}, Args={"deep": {"lock": threading.Lock()}})
    assert logger.load_pkl("parameters.pkl") is None
