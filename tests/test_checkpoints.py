"""Checkpoints of torch: what went in comes out equal, and a hostile file executes nothing."""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_logger import ML_Logger
from ml_logger.encoders import checkpoints
from ml_logger.errors import CorruptData, InvalidSetting, KeyNotFound, NotAvailable, UnsupportedValue, UntrustedData
from tests import programs

torch = pytest.importorskip("torch", reason="torch is not installed here: see scripts/setup-venv")


def odd_state() -> dict[str, Any]:
    """Return tensors of many kinds: coarse dtypes, shared memory, gaps between the elements, no elements."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    return {
        "bfloat16": torch.linspace(-3, 3, 7, dtype=torch.bfloat16),
        "half": torch.ones(2, dtype=torch.float16),
        "base": base,
        "row": base[1],
        "columns": base.t()[::2],
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(3),
        "mask": torch.tensor([True, False]),
        "complex": torch.tensor([1 + 2j]),
        "nested": {"step": 5, "lr": 0.1, "list": [torch.zeros(1), "text", None]},
    }


def same(one: Any, other: Any) -> bool:
    """Tell whether two states are the same, tensors by dtype, shape, strides and values."""
    if isinstance(one, torch.Tensor):
        layout = one.dtype == other.dtype and one.shape == other.shape and one.stride() == other.stride()
        return layout and torch.equal(one, other)
    if isinstance(one, dict):
        return type(one) is type(other) and list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def net(seed: int = 0) -> Any:
    """Return a small network with weights, buffers and versions."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 2, dtype=torch.bfloat16)
    )


def test_a_state_comes_back(logger: ML_Logger) -> None:
    """bfloat16, shared and non-contiguous tensors come back equal, with their strides, and share memory as before."""
    state = odd_state()
    logger.save_torch(state, "checkpoints", "odd.pt")
    logger.torch_save(state, path="checkpoints/other.pt")

    for found in (logger.load_torch("checkpoints/odd.pt"), logger.torch_load("checkpoints", path="other.pt")):
        assert same(found, state)
        found["base"][1, 0] = 100
        assert found["row"][0] == found["columns"][0, 1] == 100


def test_large_checkpoints(logger: ML_Logger) -> None:
    """A checkpoint of more than one piece comes back equal."""
    state = {"w": torch.randn(3, 1 << 19), "b": torch.randint(0, 9, (1 << 20,))}
    logger.save_torch(state, "large.pt").result(60)

    assert same(logger.load_torch("large.pt"), state)


def test_modules(logger: ML_Logger) -> None:
    """A module's weights and buffers come back into another one, from a file of its own or of several."""
    module = net()
    logger.save_module(module, "models/net.pkl", chunk=20_000, show_progress=True)
    logger.save_module(module, path="models/again.pkl")
    logger.save_modules(path="models/all.pt", one=module, two=net(1))
    logger.save_torch(module.state_dict(), "models/state.pt")

    for path, name in (
        ("models/net.pkl", None),
        ("models/again.pkl", None),
        ("models/state.pt", None),
        ("models/all.pt", "one"),
    ):
        other = net(7)
        assert logger.load_module(other, path=path, name=name) is other
        assert same(other.state_dict(), module.state_dict())
    assert same(logger.load_torch("models/all.pt")["two"], net(1).state_dict())


def test_the_last_of_several(logger: ML_Logger) -> None:
    """A pattern takes the last file by name, below `wd` if it is given; a `/` means the root."""
    for step in (1, 2, 10):
        logger.save_module(net(step), f"models/{step:06d}.pkl")

    for options in (
        {"path": "models/*.pkl"},
        {"path": "*.pkl", "wd": "models"},
        {"path": "*.pkl", "wd": "/me/run/models"},
    ):
        assert same(logger.load_module(net(), **options).state_dict(), net(10).state_dict())
    assert same(logger.load_module(net(), "000001.pkl", wd="models").state_dict(), net(1).state_dict())
    with pytest.raises(KeyNotFound, match=r"none/\*"):
        logger.load_module(net(), "none/*")


def test_arrays_of_log_module(logger: ML_Logger) -> None:
    """What `log_module` stored as arrays can be put into a module; bfloat16 gets its bits back."""
    module = net()
    logger.log_module(4, net=module)
    (arrays,) = logger.load_pkl("modules/0004_net.pkl") or []

    assert all(type(array) is np.ndarray for array in arrays.values())
    assert same(logger.load_module(net(3), "modules/0004_net.pkl").state_dict(), module.state_dict())


def test_weights_in_several_records(logger: ML_Logger) -> None:
    """A file of several records, as older programs wrote large models, is put together."""
    module = net()
    for name, value in module.state_dict().items():
        logger.log_data({name: value.float().numpy()}, "old.pkl")

    assert same(logger.load_module(net(3), "old.pkl").state_dict(), module.state_dict())


def test_weights_that_do_not_fit(logger: ML_Logger) -> None:
    """Missing and unknown weights are told, unless `strict=False`; unknown names and objects are refused."""
    logger.save_torch({"0.bias": torch.zeros(5)}, "part.pt")
    logger.save_modules(path="all.pt", one=net())

    with pytest.raises(RuntimeError, match="Missing key"):
        logger.load_module(net(), "part.pt")
    assert logger.load_module(net(), "part.pt", strict=False)[0].bias.sum() == 0
    with pytest.raises(KeyNotFound, match="it has 'one'"):
        logger.load_module(net(), "all.pt", name="two")
    with pytest.raises(UnsupportedValue, match="no state_dict"):
        logger.save_module({"a": 1}, "x.pt")
    with pytest.raises(UnsupportedValue, match="no load_state_dict"):
        logger.load_module({"a": 1}, "part.pt")
    with pytest.raises(UnsupportedValue, match="needs a path"):
        logger.save_torch({})
    with pytest.raises(UnsupportedValue, match="cannot be stored"):
        logger.save_torch({"f": lambda: 0}, "x.pt")
    with pytest.raises(KeyNotFound, match=r"nothing\.pt"):
        logger.load_torch("nothing.pt")


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


def test_a_malicious_checkpoint_is_refused(logger: ML_Logger, tmp_path: Path) -> None:
    """Code in a checkpoint does not run, in any format or by any call; `weights_only=False` says what it costs."""
    made = tmp_path / "made"
    torch.save({"w": Evil(made)}, tmp_path / "new.pt")
    torch.save({"w": Evil(made)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "bare.pt").write_bytes(pickle.dumps({"w": Evil(made)}, 2))
    for name in ("new.pt", "old.pt", "bare.pt"):
        logger.upload_file(tmp_path / name, "bad/")
        with pytest.raises(UntrustedData, match="mkdir"):
            logger.load_torch(f"bad/{name}")
        with pytest.raises((UntrustedData, CorruptData)):
            logger.load_module(net(), f"bad/{name}")
        assert not made.exists()

    logger.load_torch("bad/new.pt", weights_only=False)
    assert made.exists()


def test_whole_objects_need_trust(logger: ML_Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that was stored as an object is read where it is trusted, by the call or by the setting."""
    logger.save_torch(net(), "object.pt")

    with pytest.raises(UntrustedData, match="weights_only=False"):
        logger.load_torch("object.pt")
    assert same(logger.load_torch("object.pt", weights_only=False).state_dict(), net().state_dict())
    monkeypatch.setenv("ML_LOGGER_TRUST", "1")
    assert same(logger.load_torch("object.pt").state_dict(), net().state_dict())
    for trust in (False, ["torch.nn.modules.linear.Linear"]):  # names say nothing about what torch would execute
        logger.configure(trust=trust)
        with pytest.raises(UntrustedData, match="weights_only=False"):
            logger.load_torch("object.pt")
    monkeypatch.delenv("ML_LOGGER_TRUST")
    logger.configure(trust=True)
    assert same(logger.load_torch("object.pt").state_dict(), net().state_dict())


def test_paranoid_reading_admits_no_objects(logger: ML_Logger) -> None:
    """Where reading is paranoid, weights are read, and `weights_only=False` is a mistake."""
    logger.save_torch({"w": torch.ones(2)}, "net.pt")
    logger.log_module(0, net=net())
    logger.configure(paranoid=True)

    assert logger.load_torch("net.pt")["w"].tolist() == [1, 1]
    assert logger.load_module(net(), "modules/0000_net.pkl") is not None
    with pytest.raises(InvalidSetting, match="paranoid"):
        logger.load_torch("net.pt", weights_only=False)


@pytest.mark.parametrize("version", ["2.5.1", "2.5.1+cu121", "1.13.0", "0.4"])
def test_an_old_torch_is_refused(logger: ML_Logger, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """A torch whose reading of weights alone can be made to execute code is told, and reads only what is trusted."""
    logger.save_torch({"w": torch.ones(2)}, "net.pt")
    monkeypatch.setattr(torch, "__version__", version)

    with pytest.raises(NotAvailable, match=rf"{re.escape(version)}.*2\.6"):
        logger.load_torch("net.pt")
    assert logger.load_torch("net.pt", weights_only=False)["w"].tolist() == [1, 1]
    monkeypatch.setenv("ML_LOGGER_TRUST", "1")
    assert logger.load_torch("net.pt")["w"].tolist() == [1, 1]


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04" + b"x" * 100, b"\x80\x04N.", b"text"])
def test_what_is_no_checkpoint(logger: ML_Logger, data: bytes) -> None:
    """A file that is no checkpoint, or a torn one, is told as such."""
    logger.upload_buffer(data, "x.pt")

    with pytest.raises((CorruptData, UntrustedData), match=r"x\.pt"):
        logger.load_torch("x.pt")


def test_a_torn_checkpoint(logger: ML_Logger) -> None:
    """Half a checkpoint is no checkpoint."""
    logger.save_torch(odd_state(), "a.pt")
    data = logger.load_file("a.pt")
    logger.upload_buffer(data[: len(data) // 2], "a.pt")

    with pytest.raises(CorruptData, match=r"a\.pt is no checkpoint"):
        logger.load_torch("a.pt")


SHARDED = """
    import os, sys
    import torch
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_tensor
    from ml_logger import ML_Logger

    root, meeting, rank = sys.argv[1], sys.argv[2], int(sys.argv[3])
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    whole = torch.arange(35, dtype=torch.float32).reshape(5, 7)
    state = {
        "rows": distribute_tensor(whole, mesh, [Shard(0)]),
        "columns": distribute_tensor(whole.bfloat16(), mesh, [Shard(1)]),
        "same": distribute_tensor(whole, mesh, [Replicate()]),
        "few": distribute_tensor(torch.ones(1, 2), mesh, [Shard(0)]),
        "optimizer": {"state": {0: {"step": 3, "exp_avg": distribute_tensor(whole + 1, mesh, [Shard(0)])}}},
        "plain": torch.ones(2),
        "rank": rank,
    }
    if rank == 0 or len(sys.argv) < 5:
        with ML_Logger(root=root, prefix="me/run", silent=True) as logger:
            logger.save_torch(state, "sharded.pt")  # one process does not wait for the other
    dist.barrier()
    dist.destroy_process_group()
"""


def _run_ranks(root: str, meeting: Path, *args: str) -> None:
    started = [programs.start(SHARDED, root, meeting, rank, *args) for rank in range(2)]
    for process in started:
        out, err = process.communicate(timeout=programs.PATIENCE)
        assert process.returncode == 0, (out, err)


@pytest.mark.skipif(sys.platform != "linux", reason="gloo meets in a file")
def test_sharded_state(logger: ML_Logger, root: str, tmp_path: Path) -> None:
    """Each process stores its own part, without talking to the others; one process reads the whole."""
    _run_ranks(root, tmp_path / "meeting")
    found = logger.load_torch("sharded.pt")
    whole = torch.arange(35, dtype=torch.float32).reshape(5, 7)

    assert logger.glob("*") == ["sharded.pt.shard-00001-of-00002", "sharded.pt.shard-00002-of-00002"]
    expected = {
        "rows": whole,
        "columns": whole.bfloat16(),
        "same": whole,
        "few": torch.ones(1, 2),
        "optimizer": {"state": {0: {"step": 3, "exp_avg": whole + 1}}},
        "plain": torch.ones(2),
        "rank": 0,
    }
    assert same(found, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="gloo meets in a file")
def test_a_part_that_is_missing(logger: ML_Logger, root: str, tmp_path: Path) -> None:
    """A sharded checkpoint of which a part is missing is not taken for a whole one."""
    _run_ranks(root, tmp_path / "meeting", "first only")

    with pytest.raises(CorruptData, match="lacks 1 of its 2 parts"):
        logger.load_torch("sharded.pt")


def test_nothing_is_copied_on_the_cpu() -> None:
    """What is on the CPU already is stored as it is."""
    state = odd_state()

    assert checkpoints.on_cpu(state) is state


def test_tensors_are_rebuilt_as_they_were() -> None:
    """What comes from a device keeps its dtype, shape, strides and values, and shares memory as it did there."""
    state, memory = odd_state(), {}
    del state["nested"]
    found = {name: checkpoints._rebuilt(tensor, memory) for name, tensor in state.items()}

    assert same(found, state)
    found["base"][1, 0] = 100
    assert found["row"][0] == found["columns"][0, 1] == 100
    assert torch.equal(checkpoints._rebuilt(torch.tensor([1 + 2j]).conj(), {}), torch.tensor([1 - 2j]))
    sparse = torch.eye(3).to_sparse()
    assert torch.equal(checkpoints._rebuilt(sparse, {}).to_dense(), torch.eye(3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_tensors_come_from_cuda(logger: ML_Logger) -> None:
    """Tensors of a CUDA device are stored as those of the CPU, and share memory as they did."""
    base = torch.arange(12.0, device="cuda").reshape(3, 4)
    logger.save_torch({"base": base, "row": base[1], "t": base.t(), "n": [base[0, 0]]}, "cuda.pt")
    found = logger.load_torch("cuda.pt", map_location=None)

    assert {tensor.device.type for tensor in (found["base"], found["row"], found["t"], *found["n"])} == {"cpu"}
    assert torch.equal(found["t"], base.t().cpu())
    found["base"][1, 0] = 100
    assert found["row"][0] == found["t"][0, 1] == 100


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells how much memory a program had")
def test_memory_is_not_doubled(root: str) -> None:
    """A checkpoint is not in memory twice while it is stored: what is added is far less than its size."""
    code = """
        import sys
        import torch
        from ml_logger import ML_Logger
        exec(sys.argv[2])
        with ML_Logger(root=sys.argv[1], silent=True) as logger:
            logger.save_torch({"w": torch.ones(1)}, "small.pt")
            logger.load_torch("small.pt")
            state = {str(n): torch.ones(10 * 2**20 // 4) for n in range(30)}  # 300 MiB
            before = peak()
            logger.save_torch(state, "a.pt")
            print(peak() - before)
    """
    done = programs.run(code, root, programs.PEAK)

    assert int(done.stdout) < 150, "MiB at most"


def test_without_torch(tmp_path: Path) -> None:
    """Without torch, the calls that need it say so, and arrays of any framework are stored all the same."""
    code = """
        import sys
        sys.modules["torch"] = None
        import numpy as np
        from ml_logger import ML_Logger
        with ML_Logger(sys.argv[1], silent=True) as logger:
            logger.log_module(0, net={"w": np.ones(2)})
            for call in (lambda: logger.save_torch({}, "a.pt"), lambda: logger.load_torch("modules/0000_net.pkl")):
                try:
                    call()
                except ImportError as error:
                    print(error)
            print(logger.glob("**"))
    """
    done = programs.run(code, tmp_path)

    assert done.stdout.splitlines() == [
        "checkpoints need torch, which is not installed: pip install torch",
        "checkpoints need torch, which is not installed: pip install torch",
        "['modules/0000_net.pkl']",
    ]
