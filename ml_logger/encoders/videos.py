"""Videos: frames to an .mp4 file, one frame in memory at a time, by ffmpeg."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_logger.encoders.pixels import Normalize, at, group, is_pil, pixels_of
from ml_logger.errors import InvalidImage, InvalidSetting, NotAvailable, UnsupportedFormat

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

SUFFIXES = (".mp4",)
_PIECE = 4 * 2**20


def encode(
    frames: Iterable[object],
    suffix: str = ".mp4",
    *,
    fps: float = 20,
    key: str = "",
    normalize: Normalize = None,
    cmap: object = None,
) -> Iterator[bytes]:
    """Write frames as a video (H.264 in 4:2:0, which every player and browser shows), and yield the file in pieces.

    `frames` yields pictures as `images.encode` takes them, all of one size; a generator is fine. Alpha is blended on
    white, gray becomes RGB, and an odd width or height is made even by repeating the last column or row, as the format
    asks for it. `fps` is above 0, at most 1,000.

    Raises InvalidImage that names the frame, UnsupportedFormat for another suffix, InvalidSetting for a wrong fps, and
    NotAvailable where imageio or its ffmpeg is not installed.
    """
    if suffix not in SUFFIXES:
        raise UnsupportedFormat(f"{at(key)}videos are .mp4, .gif, .webp or .png, not {suffix!r}")
    if not 0 < fps <= 1000:
        raise InvalidSetting(f"{at(key)}fps must be above 0, at most 1,000, got {fps}")
    if is_pil(frames) or isinstance(frames, (str, bytes)) or not hasattr(frames, "__iter__"):
        raise InvalidImage(f"{at(key)}a video is made of frames, not of one {type(frames).__name__}")
    descriptor, path = tempfile.mkstemp(suffix=suffix)
    os.close(descriptor)
    try:
        _write(path, _pixels(frames, key, normalize, cmap), fps, key)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
    return _pieces(path)


def _pieces(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            Path(path).unlink()
            while piece := file.read(_PIECE):
                yield piece
    finally:
        Path(path).unlink(missing_ok=True)


def _write(path: str, frames: Iterator[Pixels], fps: float, key: str) -> None:
    first = next(frames, None)
    if first is None:
        raise InvalidImage(f"{at(key)}at least one frame is needed, got none")
    # Pixels are square, and kept as they are: the codec asks for even sizes, and for nothing more.
    with closing(_writer(path, fps)) as writer:  # its own `with` leaves ffmpeg running after an error
        writer.append_data(_even(first))
        for index, frame in enumerate(frames, 1):
            if frame.shape != first.shape:
                raise InvalidImage(
                    f"{at(key)}frame {index} has (H, W) {frame.shape[:2]}, the first has {first.shape[:2]}: pass all "
                    "of one size"
                )
            writer.append_data(_even(frame))


def _writer(path: str, fps: float) -> Any:
    hint = 'install them: pip install "ml-logger[video]", or store a .gif or .webp, which need nothing more'
    try:
        import imageio.v2
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise NotAvailable(f".mp4 needs imageio and its ffmpeg ({error}): {hint}") from None
    return imageio.v2.get_writer(
        path,
        format="FFMPEG",
        fps=fps,
        codec="libx264",
        quality=8,
        pixelformat="yuv420p",
        macro_block_size=2,
        ffmpeg_log_level="error",
    )


def _pixels(frames: Iterable[object], key: str, normalize: Normalize, cmap: object) -> Iterator[Pixels]:
    """Yield the frames as RGB, one at a time, unless their values are stretched together."""
    if isinstance(normalize, str):
        yield from map(_rgb, group(list(frames), key, normalize, cmap))
        return
    for index, frame in enumerate(frames):
        yield _rgb(pixels_of(frame, f"{key}[{index}]", normalize, cmap))


def _rgb(pixels: Pixels) -> Pixels:
    import numpy as np

    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    if pixels.shape[2] == 3:
        return pixels
    alpha = pixels[..., 3:].astype(np.float32) / 255
    blended: Pixels = np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return blended


def _even(pixels: Pixels) -> Pixels:
    import numpy as np

    height, width = pixels.shape[:2]
    if height % 2 == width % 2 == 0:
        return pixels
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
