"""Grids: many pictures of one size as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ml_logger.encoders.pixels import Normalize, at, group, items, one_kind
from ml_logger.errors import InvalidImage, InvalidSetting

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Pixels = npt.NDArray[np.uint8]


def grid(
    images: Sequence[object] | Array,
    n_rows: int | None = None,
    n_cols: int | None = None,
    *,
    key: str = "",
    normalize: Normalize = None,
    cmap: object = None,
) -> Pixels:
    """Lay pictures out in a grid, row by row, near square unless told otherwise; what stays free is black.

    `images` is a list of pictures as `images.encode` takes them, or an array (N, H, W) or (N, H, W, C); all of one
    size. Gives uint8 of shape (n_rows * H, n_cols * W), or with 3 or 4 channels where a picture has them (with 4, what
    stays free is transparent). `normalize` stretches the values of each picture by itself (True, "individual"), of each
    "row" or "column", or of the whole "grid" together; `cmap` colors pictures of one channel. Raises InvalidImage that
    names the picture, or says that the grid is too small.
    """
    import numpy as np

    pictures = items(images, key)
    count = len(pictures)
    for name, number in (("n_rows", n_rows), ("n_cols", n_cols)):
        if number is not None and number < 1:
            raise InvalidSetting(f"{at(key)}{name} must be at least 1, got {number}")
    if n_cols is None:
        n_cols = math.ceil(count / n_rows) if n_rows is not None else math.isqrt(count - 1) + 1
    n_rows = math.ceil(count / n_cols) if n_rows is None else n_rows
    if count > n_rows * n_cols:
        raise InvalidImage(f"{at(key)}{count} pictures do not fit in {n_rows} rows of {n_cols}")
    pixels = one_kind(group(pictures, key, normalize, cmap, n_cols), key)
    height, width, *channels = pixels[0].shape
    sheet = np.zeros((n_rows, height, n_cols, width, *channels), dtype=np.uint8)
    for index, picture in enumerate(pixels):
        sheet[index // n_cols, :, index % n_cols] = picture
    return sheet.reshape(n_rows * height, n_cols * width, *channels)
