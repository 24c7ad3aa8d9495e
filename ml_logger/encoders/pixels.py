"""Any picture, an array, tensor or PIL image, to 8-bit pixels; what is no picture is refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ml_logger.encoders.arrays import is_tensor, to_numpy
from ml_logger.errors import InvalidImage, InvalidSetting, LoggerError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Pixels = npt.NDArray[np.uint8]

_SHAPES = "(H, W), (H, W, 1), (H, W, 3) or (H, W, 4), and (C, H, W) for tensors"
Normalize = bool | str | None

#: Which pictures of a grid are stretched together: those that get the same number, from their index and the columns.
_TOGETHER: dict[str, Callable[[int, int], int] | None] = {
    "individual": None,
    "grid": lambda index, n_cols: 0,
    "row": lambda index, n_cols: index // n_cols,
    "column": lambda index, n_cols: index % n_cols,
}
_TOLERANCE = 1e-6  # floats this far beyond [0, 1] are rounding errors


def pixels_of(image: object, key: str, normalize: Normalize = None, cmap: object = None) -> Pixels:
    """Check a picture and convert it to uint8 of shape (H, W), (H, W, 3) or (H, W, 4), as `images.encode` says."""
    return group([image], key, normalize, cmap, names=False)[0]


def group(
    images: Sequence[object],
    key: str,
    normalize: Normalize = None,
    cmap: object = None,
    n_cols: int = 1,
    names: bool = True,
) -> list[Pixels]:
    """Convert pictures as `pixels_of` does; `normalize` may name those whose values are stretched together.

    True and "individual" stretch each picture by itself, "grid" all of them together, "row" and "column" those of each
    row or column of a grid of `n_cols` columns. With `names`, errors say which picture is wrong.
    """
    if not (normalize is None or isinstance(normalize, bool) or normalize in _TOGETHER):
        raise InvalidSetting(f"{at(key)}normalize is True, False, None or one of {', '.join(_TOGETHER)}: {normalize!r}")
    keys = [f"{key}[{index}]" if names else key for index in range(len(images))]
    arrays = [_checked(_array(image, name), is_tensor(image), name) for image, name in zip(images, keys, strict=True)]
    together = _TOGETHER.get(normalize) if isinstance(normalize, str) else None
    if together is None:
        return [_pixels(array, name, bool(normalize), cmap) for array, name in zip(arrays, keys, strict=True)]
    place = [together(index, n_cols) for index in range(len(arrays))]
    limits: dict[int, tuple[float, float]] = {}
    for at_, (low, high) in zip(place, map(_range, arrays), strict=True):
        least, most = limits.get(at_, (low, high))
        limits[at_] = min(least, low), max(most, high)
    return [_pixels(array, name, True, cmap, limits[at_]) for array, name, at_ in zip(arrays, keys, place, strict=True)]


def _range(array: Array) -> tuple[float, float]:
    """Return the smallest and the largest value of a picture; its alpha does not count."""
    values = array[..., :3] if array.ndim == 3 and array.shape[2] == 4 else array
    return float(values.min()), float(values.max())


def _pixels(array: Array, key: str, normalize: bool, cmap: object, limits: tuple[float, float] | None = None) -> Pixels:
    import numpy as np

    if cmap is not None:
        return _colored(array, cmap, key, normalize, limits)
    if normalize and array.ndim == 3 and array.shape[2] == 4:
        color, alpha = _unit(array[..., :3], key, True, limits), _unit(array[..., 3:], key, False)
        array = np.concatenate([color, alpha], axis=2)
        normalize = False
    if array.dtype == np.uint8 and not normalize:
        return array
    rounded: Pixels = np.rint(_unit(array, key, normalize, limits) * 255).astype(np.uint8)
    return rounded


def _array(image: object, key: str) -> Array:
    """Make a numpy array of a picture of any kind."""
    try:
        return from_pil(image) if is_pil(image) else to_numpy(image)
    except (LoggerError, OSError) as error:
        raise InvalidImage(f"{at(key)}{error}; a picture is an array of shape {_SHAPES}") from error


def _checked(array: Array, tensor: bool, key: str) -> Array:
    """Check shape and numbers; put the channels last, and drop a single one."""
    import numpy as np

    if array.dtype.kind not in "biuf":
        advice = "pass array.real or numpy.abs(array)" if array.dtype.kind == "c" else "pass numbers (no ragged lists)"
        raise _invalid(array, key, f"a picture has dtype uint8, bool or float; {advice}")
    if tensor and array.ndim == 3 and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.size == 0:
        raise _invalid(array, key, "a picture has at least one pixel")
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        advice = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            advice = "; pass array.transpose(1, 2, 0)"
        elif array.ndim > 3:
            advice = "; pass list(array) for an animation, or log_images for a grid"
        raise _invalid(array, key, f"a picture has shape {_SHAPES}{advice}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise _invalid(array, key, "a picture has no NaN and no infinity; pass numpy.nan_to_num(array)")
    return array


def _unit(array: Array, key: str, normalize: bool, limits: tuple[float, float] | None = None) -> Array:
    """Bring the values to floats from 0 to 1, with `normalize` stretched from the limits, by default their own."""
    import numpy as np

    low, high = limits or (float(array.min()), float(array.max()))
    # Half floats are too coarse for what follows.
    values: Array = array.astype(np.result_type(array.dtype, np.float32))
    if normalize:
        half = high / 2 - low / 2  # halves, as the whole may be beyond the largest float
        values = (values / 2 - low / 2).clip(0, half)
        return values / half if half > 0 else values
    if array.dtype.kind in "iu":
        if low < 0 or high > 255:
            raise _invalid(array, key, "integers must be within 0..255; pass normalize=True")
        return values / 255
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise _invalid(array, key, "floats must be in [0, 1]; pass normalize=True, or array / 255 if they reach to 255")
    return values.clip(0, 1)


def _colored(array: Array, cmap: object, key: str, normalize: bool, limits: tuple[float, float] | None) -> Pixels:
    """Color a picture of one channel by a colormap of matplotlib."""
    import matplotlib
    import numpy as np

    if array.ndim != 2:
        raise _invalid(array, key, "a colormap needs one channel: shape (H, W) or (H, W, 1)")
    if isinstance(cmap, str):
        if cmap not in matplotlib.colormaps:
            raise InvalidSetting(f"{at(key)}unknown colormap {cmap!r}: see matplotlib.colormaps, 'viridis' for one")
        cmap = matplotlib.colormaps[cmap]
    if not callable(cmap):
        raise InvalidSetting(f"{at(key)}cmap is the name of a colormap or a Colormap, got {cmap!r}")
    # matplotlib's own bytes are cut, not rounded: level 244 of "gray" would be 243
    pixels: Pixels = np.rint(np.asarray(cmap(_unit(array, key, normalize, limits))) * 255).astype(np.uint8)
    return pixels[..., :3] if (pixels[..., 3] == 255).all() else pixels


def _invalid(array: Array, key: str, wanted: str) -> InvalidImage:
    """Say what is wrong with an array, and what it is."""
    import numpy as np

    values = "no values"
    if array.size and array.dtype.kind in "biuf":
        finite = array[np.isfinite(array)]
        values = f"values {finite.min()} to {finite.max()}" if finite.size else "no finite values"
        values += f" and {array.size - finite.size} NaN or infinite" if finite.size < array.size else ""
    return InvalidImage(f"{at(key)}{wanted}. Got shape {array.shape}, dtype {array.dtype}, {values}.")


# ------------------------------------------------------------------------------------------------- pictures of Pillow


def is_pil(value: object) -> bool:
    """Tell whether a value is an image of Pillow, without importing it."""
    return any(kind.__module__ == "PIL.Image" and kind.__name__ == "Image" for kind in type(value).__mro__)


def from_pil(picture: Any) -> Array:
    """Take the pixels of a PIL image: gray, color or alpha as they are, every other mode as one of these.

    Modes of more than 8 bits (I, I;16, F) stay numbers of their own dtype.
    """
    import numpy as np

    mode, transparent = picture.mode, picture.info.get("transparency")
    if mode in ("LA", "La", "PA", "RGBa") or (mode in ("L", "P", "RGB") and transparent is not None):
        picture = picture.convert("RGBA")
    elif mode == "1":
        picture = picture.convert("L")
    elif mode not in ("L", "RGB", "RGBA", "I", "F") and not mode.startswith("I;16"):
        picture = picture.convert("RGB")
    return np.asarray(picture)


# -------------------------------------------------------------------------------------------------- several pictures


def items(pictures: Any, key: str) -> list[object]:
    """Make a list of a list of pictures, or of an array or tensor whose first axis counts them."""
    if is_pil(pictures) or isinstance(pictures, (str, bytes)):
        raise InvalidImage(f"{at(key)}a list of pictures is needed, got one {type(pictures).__name__}")
    if is_tensor(pictures) and not hasattr(pictures, "__iter__"):
        pictures = [pictures[index] for index in range(len(pictures))]
    try:
        found = list(pictures)
    except TypeError as error:
        kind = type(pictures).__name__
        raise InvalidImage(f"{at(key)}a list or an array of pictures is needed, got a {kind}") from error
    if not found:
        raise InvalidImage(f"{at(key)}at least one picture is needed, got none")
    return found


def one_kind(pictures: Sequence[Array], key: str) -> list[Array]:
    """Bring pictures of one size to the same channels: gray to color, and to alpha, where one of them has it."""
    import numpy as np

    size = pictures[0].shape[:2]
    for index, picture in enumerate(pictures):
        if picture.shape[:2] != size:
            raise InvalidImage(
                f"{at(key)}picture {index} has (H, W) {picture.shape[:2]}, the first has {size}: pass all of one size"
            )
    channels = max(1 if picture.ndim == 2 else picture.shape[2] for picture in pictures)
    same = []
    for picture in pictures:
        if picture.ndim == 2 and channels > 1:
            picture = np.repeat(picture[..., None], 3, axis=2)
        if picture.ndim == 3 and picture.shape[2] < channels:
            picture = np.concatenate([picture, np.full((*size, 1), 255, dtype=picture.dtype)], axis=2)
        same.append(picture)
    return same


def at(key: str) -> str:
    """Begin an error's message with the key, if there is one."""
    return f"{key}: " if key else ""
