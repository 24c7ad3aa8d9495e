"""Arrays to .npy and .npz bytes and back, never through pickle; and any tensor to a numpy array."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from ml_logger.errors import CorruptData, LoggerError, UnsupportedValue

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

# What an archive may inflate to, unless the caller says otherwise: arrays of zeros stay below 64 MiB or are refused.
_INFLATES_TO = 64 << 20
_INFLATES_BY = 250


def is_tensor(value: object) -> bool:
    """Tell whether a value is a tensor in the manner of torch: has `detach()`, `cpu()` and `numpy()`."""
    if isinstance(value, type):
        return False
    return all(callable(getattr(value, name, None)) for name in ("detach", "cpu", "numpy"))


def to_numpy(value: object, key: str = "") -> Array:
    """Convert an array, a tensor, a number or nested lists to a numpy array, without importing the tensor's library.

    Tensors are detached and brought to the CPU; those of bfloat16 and 8-bit floats, which numpy lacks, become float32.
    The array may share its memory with the value, and may hold objects. Raises UnsupportedValue for what makes no array
    (ragged lists, sparse tensors, masked arrays).
    """
    import numpy as np

    if isinstance(value, np.ma.MaskedArray):
        raise UnsupportedValue(f"{_at(key)}a masked array would lose its mask: pass array.filled(value)")
    try:
        array = np.asarray(_plain_tensor(value))
    except Exception as error:  # every array library refuses in its own way
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise UnsupportedValue(f"{_at(key)}a {kind} makes no array ({error}): pass a numpy array") from error
    if array.dtype.name.startswith(("bfloat16", "float8")):
        return array.astype(np.float32)
    return array


def _plain_tensor(value: Any) -> Any:
    """Take a tensor off its graph and its device, in a dtype that numpy has."""
    if isinstance(value, type) or type(value).__module__ == "numpy":
        return value
    for step in ("detach", "cpu", "resolve_conj", "resolve_neg"):  # lazy conjugates and signs have no array either
        if callable(getattr(value, step, None)):
            value = getattr(value, step)()
    name = str(getattr(value, "dtype", ""))
    if ("bfloat16" in name or "float8" in name) and callable(getattr(value, "float", None)):
        value = value.float()
    if callable(getattr(value, "numpy", None)):
        return value.numpy()
    if type(value).__module__.partition(".")[0] == "cupy":
        return value.get()  # refuses to be converted implicitly
    return value


# --------------------------------------------------------------------------------------------------------------- npy


def encode(array: object, key: str = "") -> bytes:
    """Write an array, of any shape and of any dtype without Python objects, as .npy.

    Raises UnsupportedValue for arrays of objects, which only pickle could store, and for what makes no array.
    """
    import numpy as np

    array = to_numpy(array, key)
    if array.dtype.hasobject:
        raise UnsupportedValue(
            f"{_at(key)}an array of Python objects (dtype {array.dtype}, shape {array.shape}) makes no .npy: pass "
            "numbers or strings of one type (ragged lists: pad them), or store it with log_data"
        )
    buffer = io.BytesIO()
    version = None if str(array.dtype).isascii() else (3, 0)  # numpy warns where it has to choose 3.0 by itself
    npy: Any = np.lib.format  # some releases of numpy leave its functions untyped
    npy.write_array(buffer, array, version=version, allow_pickle=False)
    return buffer.getvalue()


def decode(data: bytes, key: str = "") -> Array:
    """Read the array of a .npy file; the array is writable.

    Raises UnsupportedValue for an array of objects, which would be unpickled, and CorruptData for what is no .npy, is
    torn, or goes on behind the array.
    """
    import numpy as np

    stream = io.BytesIO(data)
    npy: Any = np.lib.format
    try:
        array: Array = npy.read_array(stream, allow_pickle=False)
    except Exception as error:  # a hostile header fails in a dozen ways
        if str(error).startswith("Object arrays"):
            raise UnsupportedValue(f"{_at(key)}holds Python objects, which are never unpickled") from error
        raise CorruptData(f"{_at(key)}is no .npy file, or a torn one: {error}") from error
    behind = len(data) - stream.tell()
    if behind:
        raise CorruptData(f"{_at(key)}goes on for {behind} bytes behind its array")
    return array


def decode_mapped(file: BinaryIO, key: str = "") -> Array:
    """Map the array of an open .npy file into memory, read-only; the file may be closed afterwards.

    Raises as `decode` does.
    """
    import numpy as np

    npy: Any = np.lib.format
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        version = npy.read_magic(file)
        if version == (3, 0):  # names of fields beyond Latin-1: numpy has no public function for that head alone
            return _read_whole(file, key)
        read_head = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_head(file)
        length = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0:
            raise ValueError(f"a shape of {shape}")
    except LoggerError:
        raise
    except Exception as error:  # a hostile header fails in a dozen ways
        raise CorruptData(f"{_at(key)}is no .npy file: {error}") from error
    if dtype.hasobject:
        raise UnsupportedValue(f"{_at(key)}holds Python objects, which are never unpickled")
    start = file.tell()
    if size != start + length:
        raise CorruptData(f"{_at(key)}has {size - start:,} bytes behind its head, and an array of {length:,}: torn?")
    return np.memmap(file, dtype, "r", start, shape, "F" if fortran else "C")


def _read_whole(file: BinaryIO, key: str) -> Array:
    file.seek(0)
    array = decode(file.read(), key)
    array.flags.writeable = False
    return array


# --------------------------------------------------------------------------------------------------------------- npz


def encode_npz(arrays: Mapping[str, object], key: str = "", *, compress: bool = False) -> bytes:
    """Write named arrays as .npz, which `numpy.load` reads; the same arrays give the same bytes.

    Raises UnsupportedValue for a name that is no str, is empty or has a NUL, and as `encode` does.
    """
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            if not isinstance(name, str) or not name or "\0" in name or not _encodable(name):
                raise UnsupportedValue(f"{_at(key)}{name!r} cannot name an array: pass a str that is not empty")
            member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980, so that the bytes do not change with the time
            archive.writestr(member, encode(array, f"{key}[{name}]"), compress_type=method)
    return buffer.getvalue()


def decode_npz(data: bytes, key: str = "", *, limit: int | None = None) -> dict[str, Array]:
    """Read all arrays of a .npz file, by name.

    An archive that would inflate to more than `limit` bytes (without one: 250 times its size, and at least 64 MiB) is
    refused before anything is inflated. Raises CorruptData for that and for what is no .npz; UnsupportedValue for
    arrays of objects.
    """
    limit = most(len(data)) if limit is None else limit
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, limit, key)
            contents = {member.filename[: -len(".npy")]: _read(archive, member) for member in members}
    except LoggerError:
        raise
    except Exception as error:  # as in decode
        raise CorruptData(f"{_at(key)}is no .npz file, or a torn one: {error}") from error
    return {name: decode(content, f"{key}[{name}]") for name, content in contents.items()}


def most(size: int, least: int = _INFLATES_TO) -> int:
    """Return what an archive of so many bytes may inflate to: `least`, or 250 times its size where that is more."""
    return max(least, _INFLATES_BY * size)


def _check_members(members: list[zipfile.ZipInfo], limit: int, key: str) -> None:
    """Refuse an archive by its table of contents."""
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise CorruptData(f"{_at(key)}holds two arrays of one name")
    if not all(name.endswith(".npy") for name in names):
        raise CorruptData(f"{_at(key)}holds members that are no arrays")
    size = sum(member.file_size for member in members)
    if size > limit:
        raise CorruptData(
            f"{_at(key)}would inflate to {size:,} bytes, and {limit:,} is the most that it may: if you trust where it "
            "comes from, set ML_LOGGER_MAX_INFLATED to more MiB"
        )


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Inflate one member, and no more than its table of contents says."""
    with archive.open(member) as stream:
        return stream.read(member.file_size)


def _encodable(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:
        return False


def _at(key: str) -> str:
    return f"{key}: " if key else ""
