"""Arrays that are not in this process's memory: kept as they are when they are logged, and read when it is time.

Reading a tensor of a GPU waits until all that was asked of the GPU before is done. A training that logs its loss at
each step would lose what it gains by running ahead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ml_logger.errors import UnsupportedValue
from ml_logger.notices import notice


class Later:
    """The value that an array had when it was logged, still on its device.

    Args:
        array: a copy that nobody else changes, off every graph.
        key: the name of the metric.
        to_plain: makes built-in types of the array; this waits for the device.
    """

    __slots__ = ("_array", "_key", "_to_plain")

    def __init__(self, array: Any, key: str, to_plain: Callable[[Any, str], Any]) -> None:
        self._array = array
        self._key = key
        self._to_plain = to_plain

    def read(self) -> Any:
        """Return the value in built-in types; None, and a notice, where the device cannot tell it any more."""
        try:
            return self._to_plain(self._array, self._key)
        except Exception as error:  # every library fails in its own way
            try:
                self._to_plain(self._array, self._key)
            except Exception:
                kind = f"{type(error).__name__}: {str(error)[:200]}"
                notice(f"metric {self._key!r} could not be read from its device ({kind}): None is stored")
                return None
            raise  # not the device is to blame: a signal handler raised


def snapshot(value: Any, key: str) -> Any:
    """Return what keeps the value of an array on a device, without waiting; None for one that can be read at once.

    Raises:
        UnsupportedValue: an array without a value, or one of which this process holds a part.
    """
    if is_a(value, "torch", "Tensor"):
        return _torch(value, key)
    if is_a(value, "jax.core", "Tracer"):
        raise UnsupportedValue(
            f"metric {key!r} is a tracer, which has no value while jax traces: log what the function returns, "
            "or log in jax.debug.callback"
        )
    if is_a(value, "jax", "Array"):
        return value  # never changes, and also on a CPU it may still be on its way
    if is_a(value, "cupy", "ndarray"):
        return value.copy()
    if is_a(value, "tensorflow", "Tensor") or is_a(value, "tensorflow", "Variable"):
        return _tensorflow(value, key)
    return None


def _torch(tensor: Any, key: str) -> Any:
    if tensor.layout is not sys.modules["torch"].strided:
        raise UnsupportedValue(f"metric {key!r} is a sparse tensor: pass tensor.to_dense()")
    if tensor.device.type == "meta":
        raise UnsupportedValue(f"metric {key!r} is a tensor on the meta device, which has no value")
    if hasattr(tensor, "full_tensor"):
        raise UnsupportedValue(f"metric {key!r} is spread over processes: pass tensor.full_tensor()")
    return None if tensor.device.type == "cpu" else tensor.detach().clone()


def _tensorflow(tensor: Any, key: str) -> Any:
    if not hasattr(tensor, "numpy"):
        raise UnsupportedValue(
            f"metric {key!r} is symbolic, without a value while a graph is made: log what it returns"
        )
    on_device = any(kind in str(tensor.device).upper() for kind in ("GPU", "TPU"))
    return (tensor.read_value() if hasattr(tensor, "read_value") else tensor) if on_device else None


def is_a(value: object, module: str, name: str) -> bool:
    """Tell whether a value is of a class, without importing the module: where it is not imported, nothing is."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
