"""Pictures and animations to the bytes of image files, and back."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ml_logger.encoders.pixels import Normalize, at, from_pil, group, is_pil, items, one_kind, pixels_of
from ml_logger.errors import CorruptData, InvalidImage, InvalidSetting, UnsupportedFormat

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image

    Array = npt.NDArray[Any]
    Pixels = npt.NDArray[np.uint8]

# What Pillow is told to write: the format's name and its options. Everything but JPEG, and GIF beyond 256 colors, comes
# back pixel for pixel.
_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
    ".gif": ("GIF", {"optimize": False, "interlace": 0}),
    ".bmp": ("BMP", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}
_ANIMATED = (".gif", ".png", ".webp")
MOST_PIXELS = 1 << 30  # of all frames of what is read; of one picture Pillow takes a sixth


def encode(
    image: object, suffix: str = ".png", *, key: str = "", normalize: Normalize = None, cmap: object = None
) -> bytes:
    """Write one picture in the format of a suffix: .png .jpg .jpeg .webp .gif .bmp .tif .tiff.

    `image` is an array, a nested list, a tensor or a PIL image: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); a tensor
    also (C, H, W), which goes first where both fit. Dtypes: uint8; bool (False is black, True is white); other integers
    if all are within 0..255; floats in [0, 1], rounded to 0..255. `normalize=True` maps the smallest value to black and
    the largest to white (alpha stays as it is). `cmap` colors a picture of one channel: the name of a matplotlib
    colormap, or a Colormap.

    The same picture gives the same bytes. Alpha is blended on white in JPEG and BMP, which have none, and is all or
    nothing in GIF; WebP makes gray RGB. Raises InvalidImage, UnsupportedFormat for another suffix, and InvalidSetting
    for an unknown colormap.
    """
    suffix = _known(suffix, tuple(_FORMATS))
    return _save(_image(pixels_of(image, key, normalize, cmap), suffix), suffix, key)


def animation(
    frames: Sequence[object] | Array,
    suffix: str = ".gif",
    *,
    fps: float = 20,
    key: str = "",
    normalize: Normalize = None,
    cmap: object = None,
) -> bytes:
    """Write frames as an animation that plays for ever: .gif, .png (APNG) or .webp.

    `frames` is a list of pictures as `encode` takes them, or an array (T, H, W) or (T, H, W, C); all of one size.
    Frames of gray, color and alpha can be mixed; `cmap` and `normalize` are as for a grid. `fps` is 0.02 to 1,000, for
    a GIF at most 100 (and browsers slow down what has more than 50). A frame that equals the one before is merged with
    it and its time added; a WebP whose frames are all equal becomes a picture, without a time. WebP drops the color of
    what is wholly transparent.

    Raises InvalidImage that names the frame, or for equal frames that a GIF would have to show for more than 655
    seconds; UnsupportedFormat for another suffix, InvalidSetting for a wrong fps.
    """
    suffix = _known(suffix, _ANIMATED)
    durations = _durations(fps, 100 if suffix == ".gif" else 1000, key)
    pixels = one_kind(group(items(frames, key), key, normalize, cmap), key)
    ticks = 10 if suffix == ".gif" else 1  # in milliseconds
    alpha = _has_alpha(pixels[0])
    if suffix == ".webp" and alpha and len(pixels) > 1:
        pixels = [_whole(frame) for frame in pixels]
    images = [_image(frame, suffix) for frame in pixels]
    times = [ticks * durations(index) for index in range(len(images))]
    extra: dict[str, Any] = {"save_all": True, "append_images": images[1:], "duration": times, "loop": 0}
    if suffix == ".gif" and alpha:
        extra |= {"append_images": _behind_clear(images), "disposal": 2}  # 2: clear the frame before the next one
    elif suffix == ".png":
        # The first frame covers nothing, so that "over" means the same as "source"; but Pillow does not merge across
        # the two, and would write a picture without a time if all frames became one.
        extra["blend"] = [1] + [0] * (len(images) - 1)
    elif suffix == ".webp":
        extra |= {"kmin": 0, "kmax": 1}  # whole frames: what is left out of one would make the file transparent
    return _save(images[0], suffix, key, extra)


def is_animation(value: object) -> bool:
    """Tell whether a value is a list or tuple of pictures: arrays, tensors or PIL images of two dimensions or more.

    A nested list of numbers is one picture, and no animation.
    """
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(is_pil(item) or len(getattr(item, "shape", ())) >= 2 for item in value)


def decode(data: bytes, key: str = "") -> Array:
    """Read the picture of an image file as `encode` writes them, or the frames of an animation.

    Gives uint8 of shape (H, W), (H, W, 3) or (H, W, 4); of an animation with more than one frame (T, H, W[, C]); files
    of more than 8 bits give what Pillow makes of them.

    Raises:
        CorruptData: it is none, or has more pixels than `MOST_PIXELS` or than Pillow takes.
    """
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=sorted({name for name, _ in _FORMATS.values()})) as picture:
            count = getattr(picture, "n_frames", 1) if f".{picture.format}".lower() in _ANIMATED else 1
            if count * picture.width * picture.height > MOST_PIXELS:
                raise CorruptData(f"{at(key)}{count} x {picture.size} pixels are too much to hold in memory")
            if count == 1:
                return np.array(from_pil(picture))
            return np.stack(one_kind([_frame(picture, index) for index in range(count)], key))
    except CorruptData:
        raise
    except Exception as error:  # a hostile file fails in a dozen ways
        raise CorruptData(f"{at(key)}is no picture, or a torn one: {error}") from error


def _frame(picture: PIL.Image.Image, index: int) -> Array:
    picture.seek(index)
    return from_pil(picture)


# ------------------------------------------------------------------------------------------------------------ writing


def _save(image: PIL.Image.Image, suffix: str, key: str, extra: dict[str, Any] | None = None) -> bytes:
    name, options = _FORMATS[suffix]
    buffer = io.BytesIO()
    try:
        image.save(buffer, name, **options, **(extra or {}))
    except (OSError, ValueError, OverflowError, RuntimeError, struct.error) as error:
        # a width that the format cannot hold, above all
        raise InvalidImage(
            f"{at(key)}{name} cannot hold a picture of {image.height} x {image.width}: {error}"
        ) from error
    return buffer.getvalue()


def _whole(pixels: Pixels) -> Pixels:
    """Give what is wholly transparent a color, which WebP drops, but not without the pixels.

    It crops transparent black off the edges; if no frame then has alpha left, the file says that it has none.
    """
    import numpy as np

    return np.where(pixels[..., 3:] == 0, np.array([1, 1, 1, 0], dtype=np.uint8), pixels)


def _behind_clear(images: Sequence[PIL.Image.Image]) -> Iterator[PIL.Image.Image]:
    """Give the frames of a GIF behind the first, which Pillow has then taken in and which here forgets its clear color.

    Knowing that, Pillow would crop each frame to what differs from that color as if it were visible black, and lose
    what is black at the edges. A GIF of one frame left in the end needs it again.
    """
    clear = images[0].info.pop("transparency")
    yield from images[1:]
    images[0].info["transparency"] = clear


def _image(pixels: Pixels, suffix: str) -> PIL.Image.Image:
    """Make the PIL image that a format can hold."""
    import numpy as np
    from PIL import Image

    if suffix == ".gif" and pixels.ndim == 3:
        return _palette_image(pixels)
    if suffix in (".jpg", ".jpeg", ".bmp") and _has_alpha(pixels):
        alpha = pixels[..., 3:].astype(np.uint32)
        pixels = ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels))


def _palette_image(pixels: Pixels) -> PIL.Image.Image:
    """Choose 256 colors for a picture; with alpha, color 0 is where less than half of it is left."""
    import numpy as np
    from PIL import Image

    if not _has_alpha(pixels):
        return _reduced(Image.fromarray(np.ascontiguousarray(pixels)), 256)
    visible = pixels[..., 3:] >= 128
    image = _reduced(Image.fromarray(np.where(visible, pixels[..., :3], 0).astype(np.uint8)), 255)
    shifted = Image.fromarray(np.where(visible[..., 0], np.asarray(image) + 1, 0).astype(np.uint8))
    shifted.putpalette([0, 0, 0, *(image.getpalette() or [])[: 3 * 255]])
    shifted.info["transparency"] = 0
    return shifted


def _reduced(image: PIL.Image.Image, count: int) -> PIL.Image.Image:
    """Reduce an RGB image to a number of colors: exactly where they suffice, dithered where not."""
    from PIL import Image

    if image.getcolors(count) is not None:
        return image.quantize(count)
    # The colors are chosen from a sample, which looks the same as from all pixels and takes a tenth of the time.
    sample = image.resize((min(64, image.width), min(64, image.height)), Image.Resampling.NEAREST).quantize(count)
    return image.quantize(palette=sample, dither=Image.Dither.FLOYDSTEINBERG)


def _has_alpha(pixels: Pixels) -> bool:
    return pixels.ndim == 3 and pixels.shape[2] == 4


def _known(suffix: str, suffixes: Sequence[str]) -> str:
    """Check a suffix, in any case, with or without its dot."""
    normal = f".{suffix.lower().lstrip('.')}"
    if normal not in suffixes:
        raise UnsupportedFormat(f"cannot write {suffix!r}: pass one of {', '.join(suffixes)}")
    return normal


def _durations(fps: float, ticks: int, key: str) -> Callable[[int], int]:
    """Give each frame a duration in 1 / `ticks` of a second, such that they add up to the right time."""
    if not 0.02 <= fps <= ticks:
        raise InvalidSetting(f"{at(key)}fps must be 0.02 to {ticks:,}, got {fps}")
    return lambda index: math.floor((index + 1) * ticks / fps + 0.5) - math.floor(index * ticks / fps + 0.5)
