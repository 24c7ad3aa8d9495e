"""Checkpoints of torch to files and back: on the CPU, with shared memory kept, and read as data alone."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from ml_logger.errors import CorruptData, NotAvailable, UnsupportedValue, UntrustedData

#: Before it, reading weights alone could be made to execute code (CVE-2025-32434).
_SAFE = (2, 6)
_SHARD = "ml_logger.shard"


def save(value: object, file: BinaryIO) -> None:
    """Write what `torch.save` takes; tensors that lie in containers come from their devices to the CPU first.

    Tensors that share memory still do so when they are read. Raises UnsupportedValue for what cannot be pickled.
    """
    torch = _torch()
    try:
        torch.save(on_cpu(value), file)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UnsupportedValue(f"the checkpoint cannot be stored: {error}: pass a state_dict, or plain data") from error


def load(file: BinaryIO, name: str, *, weights_only: bool = True, map_location: Any = "cpu", **kw: Any) -> Any:
    """Read a checkpoint: tensors and plain data alone, unless `weights_only` is False.

    Raises:
        UntrustedData: it names something that is neither.
        CorruptData: it is no checkpoint.
        NotAvailable: torch is not installed, or too old to do this safely.
    """
    torch = _torch()
    if weights_only and tuple(map(int, re.findall(r"\d+", torch.__version__)[:2])) < _SAFE:
        raise NotAvailable(
            f"torch {torch.__version__} cannot read a checkpoint safely: install 2.6 or newer, or pass "
            "weights_only=False for one that you wrote yourself"
        )
    try:
        return torch.load(file, map_location=map_location, weights_only=weights_only, **kw)
    except pickle.UnpicklingError as error:
        if not weights_only:
            raise CorruptData(f"{name} is no checkpoint of torch: {error}") from None
        named = re.search(r"GLOBAL (\S+)", str(error))
        what = f"names {named[1]}" if named else f"holds more than that ({str(error).splitlines()[0]:.200})"
        raise UntrustedData(
            f"{name} is read as tensors and plain data alone, and {what}: store a state_dict, or, if you wrote it "
            "yourself, pass weights_only=False, which executes what it says"
        ) from None
    except Exception as error:  # a hostile file fails in a dozen ways
        if not weights_only:
            raise
        raise CorruptData(f"{name} is no checkpoint of torch, or a torn one: {str(error)[:200]}") from None


def tensors(arrays: dict[str, Any]) -> dict[str, Any]:
    """Return weights by name with their numpy arrays as tensors."""
    import numpy as np

    make = _torch().from_numpy
    return {name: make(np.array(value)) if isinstance(value, np.ndarray) else value for name, value in arrays.items()}


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise NotAvailable("checkpoints need torch, which is not installed: pip install torch") from None
    return torch


# ------------------------------------------------------------------------------------------------- from other devices


def on_cpu(value: Any) -> Any:
    """Return a value with all tensors of its dicts, lists and tuples on the CPU; itself, when they are."""
    memory: dict[Any, Any] = {}
    return _changed(value, lambda tensor: _to_cpu(tensor, memory))


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a container with its tensors changed; the same object where nothing has changed."""
    if isinstance(value, _torch().Tensor):
        return change(value)
    if isinstance(value, dict):
        changed = {name: _changed(item, change) for name, item in value.items()}
        if all(changed[name] is item for name, item in value.items()):
            return value
        return _dict_like(value, changed)
    if isinstance(value, (list, tuple)):
        items = [_changed(item, change) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def _dict_like(value: dict[Any, Any], items: dict[Any, Any]) -> dict[Any, Any]:
    import copy

    result = copy.copy(value)  # a state_dict is an OrderedDict that knows the versions of its modules
    result.update(items)
    return result


def _to_cpu(tensor: Any, memory: dict[Any, Any]) -> Any:
    """Bring a tensor to the CPU; those that share memory there share it here."""
    return tensor if tensor.device.type == "cpu" else _rebuilt(tensor, memory)


def _rebuilt(tensor: Any, memory: dict[Any, Any]) -> Any:
    """Make a tensor like another over a copy on the CPU of the memory that it has a part of."""
    torch = _torch()
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
        return tensor.detach().cpu()
    plain = tensor.detach().resolve_conj().resolve_neg()
    storage = plain.untyped_storage()
    place = (str(tensor.device), storage.data_ptr())
    if place not in memory:
        memory[place] = storage.cpu()
    return torch.empty(0, dtype=plain.dtype).set_(memory[place], plain.storage_offset(), plain.size(), plain.stride())


# ------------------------------------------------------------------------------------------------- in several processes


def is_sharded(value: Any) -> bool:
    """Tell whether a value is, or holds, a tensor that several processes have a part of (a `DTensor`)."""
    if isinstance(value, dict):
        return any(map(is_sharded, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_sharded, value))
    return _is_distributed(value)


def _is_distributed(value: Any) -> bool:
    return hasattr(value, "device_mesh") and hasattr(value, "placements") and hasattr(value, "to_local")


def shard(value: Any) -> tuple[Any, int, int]:
    """Return what this process has of a sharded value, its number, and the number of processes; they need not talk."""
    import torch.distributed as dist

    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    return _changed(value, lambda tensor: _part(tensor) if _is_distributed(tensor) else tensor), rank, world


def _part(tensor: Any) -> dict[str, Any]:
    local, shape, offset = tensor.to_local(), list(tensor.shape), [0] * len(tensor.shape)
    coordinate = tensor.device_mesh.get_coordinate()
    for axis, placement in enumerate(tensor.placements):
        if type(placement).__name__ == "Replicate":
            continue
        if type(placement).__name__ != "Shard" or coordinate is None:
            raise UnsupportedValue(f"a tensor that is placed as {placement} cannot be stored: redistribute it first")
        # As torch deals it out: equal parts, the last ones shorter or empty.
        dim, parts = placement.dim, tensor.device_mesh.size(axis)
        size = -(-shape[dim] // parts)
        start = min(coordinate[axis] * size, shape[dim])
        offset[dim] += start
        shape[dim] = min(size, shape[dim] - start)
    if list(local.shape) != shape:
        raise UnsupportedValue(f"a part of {tuple(local.shape)} where {tuple(shape)} was expected cannot be stored")
    return {_SHARD: 1, "shape": list(tensor.shape), "offset": offset, "part": local.detach()}


def join(shards: Iterable[Any]) -> Any:
    """Put the parts of all processes together; of what is no tensor in parts, the first process's is taken."""
    whole: Any = None
    for state in shards:
        whole = _joined(whole, state)
    return whole


def _joined(whole: Any, state: Any) -> Any:
    if isinstance(state, dict) and _SHARD in state:
        part = state["part"]
        whole = _torch().empty(state["shape"], dtype=part.dtype) if whole is None else whole
        whole[tuple(slice(start, start + size) for start, size in zip(state["offset"], part.shape, strict=True))] = part
        return whole
    if isinstance(state, dict):
        joined = _dict_like(state, {}) if whole is None else whole
        for name, item in state.items():
            joined[name] = _joined(None if whole is None else whole.get(name), item)
        return joined
    if isinstance(state, (list, tuple)):
        before = [None] * len(state) if whole is None else whole
        return type(state)([_joined(old, new) for old, new in zip(before, state, strict=True)])
    return state if whole is None else whole
