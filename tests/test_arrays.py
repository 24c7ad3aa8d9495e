"""Arrays as .npy and .npz, and tensors as arrays."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml_logger.encoders.arrays import decode, decode_mapped, decode_npz, encode, encode_npz, is_tensor, to_numpy
from ml_logger.errors import CorruptData, UnsupportedValue

ANY_ARRAY = arrays.arrays(
    st.one_of(arrays.scalar_dtypes(), arrays.unicode_string_dtypes(), arrays.array_dtypes()),
    arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


class Tensor:
    """A tensor in the manner of torch, on a device and with a graph."""

    def __init__(self, array: Any, dtype: str = "", ready: int = 0) -> None:
        self.array, self.dtype, self.ready = array, dtype or str(np.asarray(array).dtype), ready

    def detach(self) -> Tensor:
        return Tensor(self.array, self.dtype, self.ready | 1)

    def cpu(self) -> Tensor:
        return Tensor(self.array, self.dtype, self.ready | 2)

    def float(self) -> Tensor:
        return Tensor(np.asarray(self.array, np.float32), "torch.float32", self.ready)

    def numpy(self) -> np.ndarray:
        if self.ready != 3:
            raise RuntimeError("call detach() and cpu() first")
        if "bfloat16" in self.dtype or "float8" in self.dtype:
            raise TypeError(f"unsupported {self.dtype}")
        return np.asarray(self.array)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are equal to the bit: dtype, shape and NaN included."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def mapped(data: bytes, key: str = "") -> np.ndarray:
    """Map the array of a .npy file of these bytes; the file is closed, and gone."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return decode_mapped(file, key)


DECODERS = pytest.mark.parametrize("decoder", [decode, mapped])


@settings(deadline=None)
@given(ANY_ARRAY)
def test_round_trip(array: np.ndarray) -> None:
    """Any array without Python objects comes back to the bit, read or mapped; what is mapped cannot be written."""
    assert same(decode(encode(array)), array)
    there = mapped(encode(array))
    assert same(there, array)
    assert not there.flags.writeable
    assert isinstance(there, np.memmap) == str(array.dtype).isascii()  # other names need version 3, which is read


def test_any_layout_is_mapped() -> None:
    """The order of Fortran, records, and names beyond Latin-1, whose files have another version, are mapped too."""
    by_column = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    assert mapped(encode(by_column)).flags.f_contiguous
    for array in (by_column, np.zeros(3, [("a", "<i4"), ("b", "S3")]), np.ones(2, [("ключ", "<f8")])):
        there = mapped(encode(array))
        assert same(there, array)
        assert not there.flags.writeable


@settings(deadline=None)
@given(st.dictionaries(NAMES, ANY_ARRAY, max_size=4), st.booleans())
def test_archive_round_trip(named: dict[str, np.ndarray], compress: bool) -> None:
    """Any named arrays come back from an archive, which has the same bytes each time."""
    data = encode_npz(named, compress=compress)
    read = decode_npz(data)

    assert list(read) == list(named)
    assert all(same(read[name], named[name]) for name in named)
    assert data == encode_npz(named, compress=compress)


def test_numpy_reads_it() -> None:
    """What is written is what numpy itself writes and reads."""
    array, buffer = np.arange(12.0).reshape(3, 4).T, io.BytesIO()
    np.save(buffer, array)

    assert encode(array) == buffer.getvalue()
    with np.load(io.BytesIO(encode_npz({"a": array, "b/c": [1, 2]}))) as archive:
        assert same(archive["a"], array) and archive["b/c"].tolist() == [1, 2]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=array)
    assert same(decode_npz(buffer.getvalue())["x"], array)


@pytest.mark.parametrize(
    "value", [3, 2.5, True, [1, 2], [[1.0], [2.0]], (1, 2), "text", np.float32(3), Tensor([1.0, 2.0])]
)
def test_what_makes_an_array(value: Any) -> None:
    """Numbers, lists and tensors are stored as the array they make; a decoded array can be changed."""
    read = decode(encode(value))

    assert same(read, np.asarray(value.array if isinstance(value, Tensor) else value))
    assert read.flags.writeable


@pytest.mark.parametrize(
    "value",
    [np.array([None]), np.array([{}, 1], object), [[1], [1, 2]], {"a": 1}, None, object(), np.zeros(2, [("a", "O")])],
)
def test_objects(value: Any) -> None:
    """What only pickle could store is refused, with the key and what to pass."""
    with pytest.raises(UnsupportedValue, match=r"k: .*pass"):
        encode(value, "k")
    with pytest.raises(UnsupportedValue, match=r"k\[a\]: .*pass"):
        encode_npz({"a": value}, "k")


def test_masked() -> None:
    """A masked array is refused rather than stored without its mask."""
    with pytest.raises(UnsupportedValue, match="filled"):
        encode(np.ma.masked_array([1, 2], [True, False]))


@DECODERS
def test_pickles_are_never_read(decoder: Callable[..., np.ndarray]) -> None:
    """A file that holds pickled objects is refused, and nothing in it is executed."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], object), allow_pickle=True)

    with pytest.raises(UnsupportedValue, match="never unpickled"):
        decoder(buffer.getvalue())


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """A .npy file with a header of our making."""
    text = header.encode("latin1")
    length = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + length + text + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        b"\x93NUMPY",
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4,)}", bytes(31)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4,)}", bytes(33)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", bytes(8)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2**64, 2**64)}"),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", bytes(8)),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1.0,)}", bytes(8)),
        npy("{'descr': __import__('os').getcwd(), 'fortran_order': False, 'shape': ()}"),
        npy("{'descr': '<f8', 'shape': ()}"),
        npy("{'descr': 'nonsense', 'fortran_order': False, 'shape': ()}"),
        npy("(" * 5000),
        npy("[" * 300 + "]" * 300),
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': ()}" + " " * 20000, bytes(8)),
        npy("{}", version=b"\x09\x00"),
        encode(np.zeros(3)) + b"more",
    ],
)
@pytest.mark.filterwarnings("ignore")  # of the parser, on purpose
@DECODERS
def test_malformed(decoder: Callable[..., np.ndarray], data: bytes) -> None:
    """A file that is torn, too long or hostile raises CorruptData with its key."""
    with pytest.raises(CorruptData, match="k: "):
        decoder(data, "k")


@given(st.integers(0, 3000), ANY_ARRAY)
@settings(deadline=None)
def test_torn(cut: int, array: np.ndarray) -> None:
    """No beginning of a file passes for the file."""
    data = encode(array)
    if cut < len(data):
        with pytest.raises(CorruptData):
            decode(data[:cut])
        with pytest.raises(CorruptData):
            mapped(data[:cut])


# --------------------------------------------------------------------------------------------------------------- npz


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of our making."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in members:
            file.writestr(name, data)
    return buffer.getvalue()


def test_zip_bomb() -> None:
    """An archive that inflates to far more than its size is refused before it does, unless it is trusted."""
    zeros = np.zeros(100 << 20, np.uint8)
    data = encode_npz({"x": zeros}, compress=True)

    with pytest.raises(CorruptData, match=r"k: would inflate to 104,857,728 bytes.*ML_LOGGER_MAX_INFLATED"):
        decode_npz(data, "k")
    assert decode_npz(data, limit=1 << 30)["x"].shape == zeros.shape


def test_lying_archive() -> None:
    """An archive whose table of contents names too small a size is not inflated beyond it."""
    data = bytearray(archive(("x.npy", encode(np.zeros(1 << 20)))))
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (200).to_bytes(4, "little")

    with pytest.raises(CorruptData):
        decode_npz(bytes(data))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["text", "empty", "nested", "duplicate", "other", "torn", "crc", "garbage in member"])
def test_malformed_archives(kind: str) -> None:
    """An archive that is torn, or holds what is no array, raises CorruptData with its key."""
    array = encode(np.arange(100))
    good = archive(("a.npy", array), method=zipfile.ZIP_STORED)
    data = {
        "text": b"text",
        "empty": b"",
        "nested": archive(("a.npz", good)),
        "duplicate": archive(("a.npy", array), ("a.npy", array)),
        "other": archive(("a.npy", array), ("b.txt", b"")),
        "torn": good[:-30],
        "crc": good.replace(array, array[:-1] + b"x"),
        "garbage in member": archive(("a.npy", b"text")),
    }[kind]

    with pytest.raises(CorruptData, match="k"):
        decode_npz(data, "k")


@pytest.mark.parametrize("name", ["", "a\0b", "\udc80", 3])
def test_names(name: Any) -> None:
    """A name that an archive cannot hold is refused."""
    with pytest.raises(UnsupportedValue, match="name"):
        encode_npz({name: 1})


# ----------------------------------------------------------------------------------------------------------- tensors


@pytest.mark.parametrize("dtype", ["torch.bfloat16", "torch.float8_e4m3fn"])
def test_small_floats(dtype: str) -> None:
    """A tensor of a dtype that numpy lacks becomes float32."""
    array = to_numpy(Tensor([1.5, 2.0], dtype))

    assert (array.dtype, array.tolist()) == (np.float32, [1.5, 2.0])


def test_tensors() -> None:
    """A tensor is taken off its graph and its device; an array is passed through without a copy."""
    array = np.zeros(3)

    assert to_numpy(Tensor(array)) is array
    assert to_numpy(array) is array
    assert is_tensor(Tensor(array)) and not is_tensor(array) and not is_tensor(Tensor)


def test_broken_tensor() -> None:
    """A tensor that makes no array is refused with its type and the reason."""

    class Sparse(Tensor):
        def detach(self) -> Sparse:
            return self

        cpu = detach

        def numpy(self) -> np.ndarray:
            raise TypeError("can't convert Sparse layout")

    with pytest.raises(UnsupportedValue, match=r"k: a .*Sparse makes no array \(can't convert Sparse layout\)"):
        to_numpy(Sparse([1]), "k")


@pytest.mark.parametrize("at", range(4))
def test_archives_with_wrong_places_are_corrupt(at: int) -> None:
    """An archive whose table of contents points elsewhere, before the file too, is CorruptData."""
    data = bytearray(encode_npz({"a": np.arange(3)}))
    end = data.rindex(b"PK\x05\x06")
    data[end + 16 + at] ^= 0xFF  # where the table of contents begins
    with pytest.raises(CorruptData):
        decode_npz(bytes(data))
    data = bytearray(encode_npz({"a": np.arange(3)}))
    data[data.rindex(b"PK\x01\x02") + 42 + at] ^= 0xFF  # where the array does
    with pytest.raises(CorruptData):
        decode_npz(bytes(data))
