"""The weights of a model, of whatever framework, to a flat dict of numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ml_logger.encoders.arrays import to_numpy
from ml_logger.errors import UnsupportedValue

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_DEEPEST = 100
_ADVICE = (
    "pass an object with state_dict() (torch), one with get_weights() (keras), a mapping of names to arrays or tensors "
    "(nested ones are flattened with '.'), or a list of arrays"
)


def state(module: object, key: str = "") -> dict[str, Array]:
    """Take a snapshot of the weights of a model: C-contiguous copies, by name.

    `module` has a `state_dict()`, or is a mapping (nested mappings and lists are flattened with "."), or has
    `get_weights()` or `weights`, or is a list or tuple of arrays (named "0", "1", ...). Tensors of bfloat16 become
    float32. Raises UnsupportedValue for anything else, for values that are no arrays, and for two arrays of one name.
    """
    import numpy as np

    snapshot: dict[str, Array] = {}
    for name, value in _flatten(_contents(module, key), "", key):
        where = f"{key}[{name}]" if key else name
        if name in snapshot:
            raise UnsupportedValue(f"{where}: two arrays have this name: rename one")
        array = to_numpy(value, where)
        if array.dtype.hasobject:
            raise UnsupportedValue(f"{where}: a {type(value).__name__} is no array: {_ADVICE}")
        snapshot[name] = np.array(array, order="C", copy=True)
    return snapshot


def _contents(module: Any, key: str) -> Mapping[Any, object] | list[object] | tuple[object, ...]:
    """Find where a model keeps its weights."""
    if not isinstance(module, type):  # a class has the methods, and no weights
        if callable(getattr(module, "state_dict", None)):
            module = module.state_dict()
        if isinstance(module, (Mapping, list, tuple)):
            return module
        if callable(getattr(module, "get_weights", None)):
            return _named(list(module.get_weights()), getattr(module, "weights", ()))
        if isinstance(getattr(module, "weights", None), (list, tuple)):
            return _named(list(module.weights), module.weights)
    kind = f"{type(module).__module__}.{type(module).__qualname__}"
    raise UnsupportedValue(f"{key + ': ' if key else ''}a {kind} holds no weights that we know of: {_ADVICE}")


def _named(arrays: list[object], variables: Iterable[object]) -> Mapping[Any, object] | list[object]:
    """Name the arrays as their variables are named; by number where the names are not there, or not unique."""
    names = [getattr(variable, "path", None) or getattr(variable, "name", None) for variable in variables]
    if len(names) == len(arrays) == len(set(names)) and all(isinstance(name, str) for name in names):
        return dict(zip(names, arrays, strict=True))
    return arrays


def _flatten(value: object, prefix: str, key: str, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Walk nested mappings and lists down to what should be arrays."""
    if depth > _DEEPEST:
        raise UnsupportedValue(f"{key + ': ' if key else ''}nested deeper than {_DEEPEST}, or within itself: {_ADVICE}")
    items: Iterable[tuple[object, object]]
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, (list, tuple)) and (depth == 0 or not _is_array_like(value)):
        items = enumerate(value)
    else:
        yield prefix, value
        return
    for name, item in items:
        yield from _flatten(item, f"{prefix}.{name}" if depth else str(name), key, depth + 1)


def _is_array_like(value: list[object] | tuple[object, ...]) -> bool:
    """Tell whether a list below a name is one array, rather than a list of them."""
    return all(isinstance(item, (bool, int, float, complex)) for item in value)
