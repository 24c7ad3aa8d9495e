"""Pictures: encoded, decoded, and compared pixel for pixel."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ml_logger.encoders import images
from ml_logger.errors import CorruptData, InvalidImage, InvalidSetting, UnsupportedFormat

SUFFIXES = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"]
EXACT = [".png", ".webp", ".bmp", ".tif", ".tiff"]
SHAPES = [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4), (1, 1), (1, 300, 3), (300, 1, 4)]


class Tensor:
    """What this library asks of a tensor, around an array."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)
        self.shape, self.dtype = self.array.shape, self.array.dtype

    def detach(self) -> Tensor:
        return self

    cpu = detach

    def numpy(self) -> np.ndarray:
        return self.array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Tensor:
        if index >= len(self.array):
            raise IndexError
        return Tensor(self.array[index])


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Pixels of which no two are alike."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def expected(pixels: np.ndarray, suffix: str) -> np.ndarray:
    """The pixels that a format without loss gives back."""
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 and pixels.ndim == 3 else pixels
    if suffix == ".webp" and pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    if suffix == ".bmp" and pixels.shape[-1] == 4 and pixels.ndim == 3:
        alpha = pixels[..., 3:] / 255
        return np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return pixels


# ---------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("suffix", EXACT)
def test_pixels_come_back(shape: tuple[int, ...], suffix: str) -> None:
    """A format without loss gives every pixel back, of every shape a picture has."""
    pixels = noise(shape)

    assert np.array_equal(images.decode(images.encode(pixels, suffix)), expected(pixels, suffix))


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)) | st.tuples(*[st.integers(1, 9)] * 2, st.just(3))
    )
)
def test_any_small_picture(pixels: np.ndarray) -> None:
    """Any picture of up to 256 colors comes back from PNG, WebP, BMP, TIFF and GIF."""
    for suffix in [*EXACT, ".gif"]:
        read = images.decode(images.encode(pixels, suffix))
        wanted = pixels if read.ndim == pixels.ndim else np.repeat(pixels[..., None], 3, axis=2)
        if suffix == ".gif" and read.ndim < pixels.ndim:  # all gray
            read, wanted = np.repeat(read[..., None], 3, axis=2), pixels
        assert np.array_equal(read, wanted), suffix


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", SHAPES[:4])
def test_same_bytes(suffix: str, shape: tuple[int, ...]) -> None:
    """The same picture gives the same bytes."""
    assert images.encode(noise(shape), suffix) == images.encode(noise(shape).copy(order="F"), suffix)


@pytest.mark.parametrize("name", ["png", ".PNG", "Jpg", ".TIFF"])
def test_suffixes(name: str) -> None:
    """A suffix is known in any case, with or without its dot."""
    assert Image.open(io.BytesIO(images.encode(noise((4, 4)), name))).format in ("PNG", "JPEG", "TIFF")


def test_jpeg() -> None:
    """A smooth picture comes back from JPEG within a few levels; alpha is blended on white."""
    ramp = np.linspace(0, 1, 64)[:, None] * np.ones((64, 64))
    picture = np.dstack([ramp, ramp.T, 1 - ramp])
    clear = np.dstack([picture, np.zeros((64, 64))])

    assert np.abs(images.decode(images.encode(picture, ".jpg")) / 255 - picture).max() < 0.03
    assert images.decode(images.encode(clear, ".jpg")).min() >= 254
    assert images.decode(images.encode(clear, ".bmp")).min() == 255


def test_gif_of_many_colors() -> None:
    """A GIF of a smooth picture is close to it, and keeps apart what is transparent."""
    y, x = np.mgrid[:128, :128] / 127
    picture = np.dstack([x, y, 1 - x * y, (x + y) < 1])
    read = images.decode(images.encode(picture, ".gif"))
    visible = picture[..., 3] == 1

    assert np.array_equal(read[..., 3] == 255, visible)
    assert np.abs(read[..., :3] / 255 - picture[..., :3])[visible].mean() < 0.03


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (np.array([[0.0, 0.5, 1.0]]), [0, 128, 255]),
        (np.array([[0.0, 0.999, 0.001]], dtype=np.float32), [0, 255, 0]),
        (np.array([[0.0, 0.5, 1.0]], dtype=np.float16), [0, 128, 255]),
        (np.array([[-1e-9, 1 + 1e-7]]), [0, 255]),
        (np.array([[False, True]]), [0, 255]),
        (np.array([[0, 7, 255]]), [0, 7, 255]),
        (np.array([[0, 127]], dtype=np.int8), [0, 127]),
        ([[0, 255], [1, 2]], [0, 255, 1, 2]),
        ([[0.0, 1.0], [0.2, 0.4]], [0, 255, 51, 102]),
    ],
)
def test_levels(values: Any, levels: list[int]) -> None:
    """Floats are rounded, not cut; bools are black and white; integers within 0..255 are levels."""
    assert images.decode(images.encode(values)).ravel().tolist() == levels


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_levels_as_floats(dtype: Any) -> None:
    """All 256 levels survive being floats in [0, 1]."""
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)

    assert np.array_equal(images.decode(images.encode(levels.astype(dtype) / dtype(255))), levels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tensors(channels: int) -> None:
    """A tensor has its channels first; one with its channels last is understood too."""
    pixels = noise((8, 9, channels))
    wanted = expected(pixels, ".png")

    assert np.array_equal(images.decode(images.encode(Tensor(pixels.transpose(2, 0, 1)))), wanted)
    assert np.array_equal(images.decode(images.encode(Tensor(pixels))), wanted)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_pillow_images(mode: str) -> None:
    """A PIL image of any mode comes back as Pillow itself shows it."""
    picture = Image.fromarray(noise((6, 7, 3))).convert(mode)
    shown = picture.convert({"1": "L", "L": "L", "LA": "RGBA", "RGBA": "RGBA"}.get(mode, "RGB"))

    assert np.array_equal(images.decode(images.encode(picture)), np.asarray(shown))


def test_normalize() -> None:
    """Normalizing maps the smallest value to black and the largest to white, and leaves alpha alone."""
    ramp = np.array([[-3.0, 0.0, 5.0]])

    assert images.decode(images.encode(ramp, normalize=True)).tolist() == [[0, 96, 255]]
    assert images.decode(images.encode(np.array([[-1000, 1000]]), normalize=True)).tolist() == [[0, 255]]
    assert images.decode(images.encode(np.full((2, 2), 7.0), normalize=True)).max() == 0
    assert images.decode(images.encode(np.array([[-1.7e308, 1.7e308]]), normalize=True)).tolist() == [[0, 255]]
    assert images.decode(images.encode(np.array([[0, 65535]], np.uint16), normalize=True)).tolist() == [[0, 255]]
    color = np.dstack([ramp, ramp, ramp, np.full((1, 3), 0.2)])
    assert images.decode(images.encode(color, normalize=True))[0, :, 3].tolist() == [51, 51, 51]


def test_colormaps() -> None:
    """A colormap colors one channel as matplotlib does, by name or as an object."""
    import matplotlib

    ramp = np.linspace(0, 1, 50).reshape(5, 10)
    wanted = np.rint(matplotlib.colormaps["viridis"](ramp)[..., :3] * 255)

    for cmap in ("viridis", matplotlib.colormaps["viridis"]):
        assert np.array_equal(images.decode(images.encode(ramp, cmap=cmap)), wanted)
    assert np.array_equal(images.decode(images.encode(ramp[..., None] * 9, cmap="viridis", normalize=True)), wanted)
    levels = np.arange(256, dtype=np.uint8)[None]
    assert np.array_equal(images.decode(images.encode(levels, cmap="gray"))[..., 0], levels)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(5), r"shape \(5,\), dtype float64, values 0.0 to 0.0"),
        (np.zeros((2, 3, 5)), r"shape \(2, 3, 5\)"),
        (np.zeros((3, 8, 9)), r"transpose\(1, 2, 0\)"),
        (np.zeros((2, 8, 9, 3)), r"list\(array\)"),
        (np.zeros((2, 2), complex), "complex128.*|numpy.abs"),
        (np.array([[0, np.nan]]), "1 NaN or infinite.*|nan_to_num"),
        (np.array([[0, np.inf]]), "nan_to_num"),
        (np.array([[0, 1.5]]), r"normalize=True, or array / 255.*values 0.0 to 1.5"),
        (np.array([[0, -0.5]]), r"values -0.5 to 0.0"),
        (np.array([[0, 256]]), r"0\.\.255; pass normalize=True.*int64, values 0 to 256"),
        (np.array([[-1, 0]], np.int8), "int8, values -1 to 0"),
        (np.zeros((0, 4)), "at least one pixel"),
        (np.array([[object()]]), "object"),
        ([[1, 2], [3]], "ragged|inhomogeneous|object"),
        ("text", "dtype <U4"),
        (None, "object"),
        (3.0, r"shape \(\)"),
        (np.array([["2020-01-01"]], "datetime64[D]"), "datetime64"),
        (np.ma.masked_array(np.zeros((2, 2)), True), "mask"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_no_picture(value: Any, message: str, suffix: str) -> None:
    """What is no picture is refused with its key, what it is, and what to pass."""
    with pytest.raises(InvalidImage, match=message) as caught:
        images.encode(value, suffix, key="images/sample")
    assert "images/sample" in str(caught.value)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: images.encode(np.zeros((2, 2)), ".xyz"), UnsupportedFormat, r"\.xyz.*\.png, .*\.webp"),
        (lambda: images.encode(np.zeros((2, 2)), ""), UnsupportedFormat, r"\.png"),
        (lambda: images.encode(np.zeros((2, 2)), cmap="nope"), InvalidSetting, "nope"),
        (lambda: images.encode(np.zeros((2, 2)), cmap=3), InvalidSetting, "cmap"),
        (lambda: images.encode(np.zeros((2, 2, 3)), cmap="gray"), InvalidImage, "one channel"),
        (lambda: images.encode(np.zeros((2, 2)), normalize="rows"), InvalidSetting, "rows"),  # type: ignore[arg-type]
        (lambda: images.encode(np.zeros((1, 70000)), ".jpg", key="k"), InvalidImage, "k: JPEG cannot hold"),
        (lambda: images.encode(np.zeros((1, 70000)), ".gif"), InvalidImage, "GIF cannot hold"),
        (lambda: images.encode(np.zeros((1, 20000)), ".webp"), InvalidImage, "WEBP cannot hold"),
    ],
)
def test_wrong_calls(call: Callable[[], object], error: type[Exception], message: str) -> None:
    """A wrong suffix, setting or size is refused with what is possible."""
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_no_picture_file(data: bytes) -> None:
    """What is no picture file is refused, above all what another program would have to draw."""
    with pytest.raises(CorruptData, match="k: "):
        images.decode(data, "k")


def test_torn_files() -> None:
    """A picture or animation that is cut anywhere raises CorruptData and nothing else, or is read in part."""
    for data in (images.encode(noise((9, 9, 3))), images.animation([noise((9, 9), i) for i in range(3)], ".gif")):
        for end in range(0, len(data), 7):
            try:
                images.decode(data[:end])
            except CorruptData:
                pass


def test_input_is_left_alone() -> None:
    """Encoding changes nothing in the picture, also one that is read-only."""
    picture = np.linspace(-1, 1, 48).reshape(4, 4, 3)
    before = picture.copy()
    picture.flags.writeable = False
    images.encode(picture, normalize=True)
    images.animation([np.clip(picture, 0, 1)] * 2)

    assert np.array_equal(picture, before)


def test_imports_come_late() -> None:
    """Importing the encoders imports no numpy, Pillow or matplotlib."""
    code = (
        "import sys; from ml_logger.encoders import arrays, figures, histograms, images, modules;"
        "sys.exit(','.join({'numpy', 'PIL', 'matplotlib'} & set(sys.modules)) or None)"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
