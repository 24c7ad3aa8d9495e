"""The weights of models as dicts of arrays."""

from __future__ import annotations

from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from ml_logger.encoders.modules import state
from ml_logger.errors import UnsupportedValue


class Tensor:
    """A tensor in the manner of torch."""

    def __init__(self, array: Any, dtype: str = "torch.float32") -> None:
        self.array, self.dtype = np.asarray(array), dtype

    def detach(self) -> Tensor:
        return self

    cpu = detach

    def float(self) -> Tensor:
        return Tensor(self.array.astype(np.float32))

    def numpy(self) -> np.ndarray:
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array


class Module:
    """A module in the manner of torch."""

    def __init__(self, **weights: Any) -> None:
        self.weights = weights

    def state_dict(self) -> OrderedDict[str, Any]:
        return OrderedDict(self.weights)


class Variable:
    """A weight in the manner of keras."""

    def __init__(self, name: str, array: np.ndarray) -> None:
        self.name, self.array = name, array

    def numpy(self) -> np.ndarray:
        return self.array


class Model:
    """A model in the manner of keras."""

    def __init__(self, *names: str) -> None:
        self.weights = [Variable(name, np.full(2, index)) for index, name in enumerate(names)]

    def get_weights(self) -> list[np.ndarray]:
        return [variable.array for variable in self.weights]


def lists(module: object) -> dict[str, Any]:
    """The weights, as lists."""
    return {name: array.tolist() for name, array in state(module).items()}


def test_torch() -> None:
    """A module gives its state by name, in order; bfloat16 becomes float32, and a scalar stays one."""
    module = Module(weight=Tensor([[1.0, 2.0]]), bias=Tensor([0.5], "torch.bfloat16"), steps=Tensor(np.int64(7)))
    snapshot = state(module)

    assert list(snapshot) == ["weight", "bias", "steps"]
    assert [array.dtype for array in snapshot.values()] == [np.float64, np.float32, np.int64]
    assert snapshot["steps"].shape == () and snapshot["bias"].tolist() == [0.5]


def test_mappings() -> None:
    """Nested mappings, of any kind, and lists in them are flattened with dots; a list of numbers is an array."""
    nested = {
        "encoder": MappingProxyType({"w": np.ones(2), "layers": [np.zeros(1), {"b": np.zeros(2)}]}),
        3: 4.5,
        "sizes": [1, 2],
    }

    assert lists(nested) == {
        "encoder.w": [1, 1],
        "encoder.layers.0": [0],
        "encoder.layers.1.b": [0, 0],
        "3": 4.5,
        "sizes": [1, 2],
    }


def test_keras() -> None:
    """A model gives its weights by the names of its variables, and by number where these are not unique."""
    assert lists(Model("dense/kernel", "dense/bias")) == {"dense/kernel": [0, 0], "dense/bias": [1, 1]}
    assert lists(Model("kernel", "kernel")) == {"0": [0, 0], "1": [1, 1]}


def test_weights_only() -> None:
    """An object with a list of weights and no more is understood."""

    class Bare:
        weights = (np.ones(1), np.zeros(1))

    assert lists(Bare()) == {"0": [1], "1": [0]}


def test_lists() -> None:
    """A list or tuple of arrays or numbers is named by number; nothing gives nothing."""
    assert lists([np.ones(1), Tensor([2.0])]) == {"0": [1], "1": [2]}
    assert lists((1.0, [2, 3])) == {"0": 1.0, "1": [2, 3]}
    assert state([]) == state({}) == {}


def test_snapshot() -> None:
    """The arrays are C-contiguous copies: training on changes nothing in them."""
    weights = {"t": np.arange(6.0).reshape(2, 3).T, "s": np.arange(9)[::2], "c": np.zeros(3), "n": np.array(5)}
    snapshot = state(weights)
    for array in weights.values():
        array += 1

    assert all(array.flags.c_contiguous and array.flags.owndata for array in snapshot.values())
    assert snapshot["t"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert snapshot["n"].shape == () and snapshot["n"] == 5


CYCLE: dict[str, Any] = {}
CYCLE["self"] = CYCLE


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"k: a builtins.int holds no weights .*state_dict\(\)"),
        (np.zeros(3), "numpy.ndarray holds no weights"),
        (Module, "holds no weights"),
        (None, "NoneType"),
        ("weights", "builtins.str"),
        ({"a": None}, r"k\[a\]: a NoneType is no array"),
        ({"a": {"b": object()}}, r"k\[a.b\]: a object is no array"),
        ({"a.b": 1, "a": {"b": 2}}, r"k\[a.b\]: two arrays"),
        (CYCLE, "within itself"),
    ],
)
def test_no_module(value: Any, message: str) -> None:
    """What holds no weights is refused, with its name and what to pass."""
    with pytest.raises(UnsupportedValue, match=message):
        state(value, "k")
