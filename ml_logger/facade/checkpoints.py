"""Checkpoints: the weights of models, as arrays by name, or as torch keeps them."""

from __future__ import annotations

import re
from typing import Any

from ml_logger.encoders import records
from ml_logger.errors import CorruptData, KeyNotFound, UnsupportedValue
from ml_logger.facade.files import PathLike, needed, numbered
from ml_logger.facade.transfers import Transfers
from ml_logger.localfiles import PIECE, file_pieces
from ml_logger.stores.base import Receipt, Receipts, Store


class Checkpoints(Transfers):
    """The verbs for weights."""

    def log_module(
        self, step: Any = None, namespace: str = "modules", fstr: str | None = None, **modules: Any
    ) -> Receipts:
        """Store the parameters of modules as arrays by name: `modules/0004_policy.pkl` for `log_module(4, policy=net)`.

        Args:
            step: the step, a part of the file's name; the last one by default.
            namespace: the folder.
            fstr: the name of the file, `"{:04d}_{}.pkl"` of step and name by default.
            modules: objects with a `state_dict`, mappings of arrays, or lists of arrays.
        """
        from ml_logger.encoders import modules as encoder

        step = self._last_step if step is None else step
        receipts = Receipts()
        for name, module in modules.items():
            file = numbered(fstr or "{:04d}_{}.pkl", step, name)
            receipts.append(self._write(self._key(namespace, file), records.encode(encoder.state(module, name))))
        return receipts

    def save_torch(self, obj: Any, *keys: PathLike, path: PathLike | None = None, **_: object) -> Receipt:
        """Store what `torch.save` takes: `save_torch(model.state_dict(), "checkpoints/net.pt")`.

        Tensors come from their devices to the CPU first. Of a sharded value (`DTensor`) each process that calls stores
        its own part, without talking to the others: `net.pt.shard-00001-of-00008`. The data passes through a temporary
        file, and is not in memory twice.

        Args:
            obj: a state dict, tensors, or containers of them; anything else that can be pickled must be trusted to be
                read.
            keys, path: the path, in parts or whole.

        Raises:
            NotAvailable: torch is not installed.
            UnsupportedValue: no path, or something that cannot be pickled.
        """
        import tempfile

        from ml_logger.encoders import checkpoints

        parts = needed(keys, path, "save_torch(data, 'checkpoints/net.pt')")
        key = self._key(*parts)
        if checkpoints.is_sharded(obj):
            obj, rank, world = checkpoints.shard(obj)
            key = f"{key}.shard-{rank + 1:05d}-of-{world:05d}"
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `file_pieces`
        try:
            checkpoints.save(obj, file)
        except BaseException:
            file.close()
            raise
        size = file.tell()
        file.seek(0)
        return self._write(key, b"".join(file_pieces(file)) if size <= PIECE else file_pieces(file))

    def torch_save(self, obj: Any, *keys: PathLike, path: PathLike | None = None, **kw: object) -> Receipt:
        """Store what `torch.save` takes; the same as `save_torch`."""
        return self.save_torch(obj, *keys, path=path, **kw)

    def load_torch(
        self,
        *keys: PathLike,
        path: PathLike | None = None,
        map_location: Any = "cpu",
        weights_only: bool | None = None,
        **kw: Any,
    ) -> Any:
        """Return what `save_torch` has stored, read as tensors and plain data alone.

        Args:
            keys, path: the path, in parts or whole.
            map_location: the device, as in `torch.load`.
            weights_only: False rebuilds objects of any class, which can execute code: only for what you wrote yourself.
                By default False where `configure(trust=True)` or `ML_LOGGER_TRUST` says so; names of classes do not.
            kw: for `torch.load`.

        Raises:
            KeyNotFound: there is no such file.
            UntrustedData: it holds more than tensors and plain data.
            CorruptData: it is no checkpoint, or not all its parts are there.
            InvalidSetting: `weights_only=False` where reading is paranoid.
        """
        from ml_logger.encoders import checkpoints

        key, store = self._key(*needed(keys, path, "load_torch('checkpoints/net.pt')")), self._settled()
        options = {"map_location": map_location, "weights_only": self._weights_only(weights_only), **kw}
        try:
            with store.open_file(key) as file:
                return checkpoints.load(file, key, **options)
        except KeyNotFound:
            shards = _shards(store, key)
        return checkpoints.join(self._loaded(store, shard, options) for shard in shards)

    def torch_load(self, *keys: PathLike, path: PathLike | None = None, **kw: Any) -> Any:
        """Return what `save_torch` has stored; the same as `load_torch`."""
        return self.load_torch(*keys, path=path, **kw)

    def _loaded(self, store: Store, key: str, options: dict[str, Any]) -> Any:
        from ml_logger.encoders import checkpoints

        with store.open_file(key) as file:
            return checkpoints.load(file, key, **options)

    def _weights_only(self, given: bool | None) -> bool:
        from ml_logger.encoders import unpickle

        manner = self._manner(None if given is None else not given)
        unpickle.check_manner(**manner)
        return manner["trust"] is not True

    def save_module(self, module: Any, path: PathLike, **_: object) -> Receipt:
        """Store the weights of a module: its `state_dict()`, as `save_torch` does.

        Args:
            module: has a `state_dict`.
            path: the path.
            _: `chunk`, `show_progress` and the like of older programs: files of any size travel in pieces anyway.
        """
        return self.save_torch(_state(module), path)

    def save_modules(self, path: PathLike = "modules.pkl", **modules: Any) -> Receipt:
        """Store the weights of several modules in one file: `save_modules(path="all.pkl", net=net, critic=critic)`.

        `load_torch` gives a dict of state dicts, `load_module(net, "all.pkl", name="net")` takes one of them.
        """
        return self.save_torch({name: _state(module) for name, module in modules.items()}, path)

    def load_module(
        self,
        module: Any,
        path: PathLike = "weights.pkl",
        wd: PathLike | None = None,
        name: str | None = None,
        map_location: Any = "cpu",
        strict: bool = True,
        **_: object,
    ) -> Any:
        """Put stored weights into a module, and return it.

        Args:
            module: has a `load_state_dict`.
            path: a file of `save_module`, `save_modules`, `save_torch` or `log_module`; of several that match a
                pattern, `"models/*.pkl"`, the last one by name.
            wd: the folder of the path, below the prefix; a `/` at its start means the root.
            name: which one of a file of `save_modules`.
            map_location: the device, as in `torch.load`.
            strict: False leaves weights alone that are missing in the file, or in the module.

        Raises:
            KeyNotFound: there is no such file, or no such name in it.
            UntrustedData: it holds more than tensors, arrays and plain data.
        """
        if not callable(getattr(module, "load_state_dict", None)):
            raise UnsupportedValue(f"a {type(module).__name__} has no load_state_dict: pass a module")
        parts = [] if wd is None else [wd]
        if re.search(r"[*?\[]", str(path)):
            found = self.glob(str(path), wd=None if wd is None else str(wd))
            if not found:
                raise KeyNotFound(f"no file matches {str(path)!r}")
            path = found[-1]
        state = self._module_state(self._key(*parts, path), map_location)
        if name is not None:
            if name not in state:
                raise KeyNotFound(f"{path!s} has no {name!r}: it has {', '.join(map(repr, list(state)[:20]))}")
            state = state[name]
        module.load_state_dict(state, strict) if strict is not True else module.load_state_dict(state)
        return module

    def _module_state(self, key: str, map_location: Any) -> Any:
        from ml_logger import readers
        from ml_logger.encoders import checkpoints

        store = self._settled()
        try:
            is_torch = store.read(key, 0, 2) == b"PK"
        except KeyNotFound:
            is_torch = True  # there may be shards of it
        if is_torch:
            return self.load_torch(f"/{key}", map_location=map_location)
        state: dict[str, Any] = {}
        for record in readers.read_records(store, key, paranoid=self._manner(False)["paranoid"]):
            if not isinstance(record, dict):
                raise CorruptData(f"{key} holds a {type(record).__name__}, and no weights by name")
            state.update(record)
        return checkpoints.tensors(state)


def _state(module: Any) -> Any:
    if not callable(getattr(module, "state_dict", None)) or isinstance(module, type):
        raise UnsupportedValue(
            f"a {type(module).__name__} has no state_dict: pass a module, or use save_torch for tensors and dicts"
        )
    return module.state_dict()


def _shards(store: Store, key: str) -> list[str]:
    """Return the keys of all parts of a sharded file, in order."""
    from ml_logger import keys

    found = [entry.key for entry in store.entries(f"{keys.literal(key)}.shard-*-of-*")]
    ends = [match for match in (re.search(r"-of-([0-9]{5})$", name) for name in found) if match]
    if not ends:
        raise KeyNotFound(f"no file is stored under {key!r}") from None
    world = int(ends[-1][1])
    wanted = [f"{key}.shard-{number + 1:05d}-of-{world:05d}" for number in range(world)]
    missing = [name for name in wanted if name not in found]
    if missing:
        raise CorruptData(f"{key} lacks {len(missing)} of its {world} parts: {missing[0]} for one")
    return wanted
