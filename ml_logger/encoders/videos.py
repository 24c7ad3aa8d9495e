"""Videos: frames to an .mp4 file, one frame in memory at a time, by ffmpeg."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

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
    NotAvailable where imageio-ffmpeg is not installed.
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
    with tempfile.TemporaryFile() as told:
        encoder = _started(path, _even(first), fps, told)
        assert encoder.stdin is not None
        try:
            encoder.stdin.write(_even(first).tobytes())
            for index, frame in enumerate(frames, 1):
                if frame.shape != first.shape:
                    raise InvalidImage(
                        f"{at(key)}frame {index} has (H, W) {frame.shape[:2]}, the first has {first.shape[:2]}: pass "
                        "all of one size"
                    )
                encoder.stdin.write(_even(frame).tobytes())
            encoder.stdin.close()
        except BrokenPipeError:
            pass  # it has given up, and told why
        except BaseException:
            encoder.kill()
            raise
        finally:
            status = encoder.wait()
            with suppress(BrokenPipeError):
                encoder.stdin.close()
        if status:
            told.seek(0)
            raise InvalidImage(f"{at(key)}ffmpeg failed ({status}): {told.read().decode(errors='replace').strip()}")


def _started(path: str, first: Pixels, fps: float, told: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start ffmpeg, which takes frames on its standard input.

    It starts without running Python in a forked process, which can wait for ever beside the threads of others (as jax
    warns), and in a session of its own, so that Ctrl-C in a terminal is left to the training.
    """
    try:
        import imageio_ffmpeg

        program = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise NotAvailable(
            f'.mp4 needs imageio-ffmpeg ({error}): install it: pip install "ml-logger[video]", or store a .gif or '
            ".webp, which need nothing more"
        ) from None
    height, width = first.shape[:2]
    frames = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", repr(fps), "-i", "-"]
    codec = ["-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p"]
    return subprocess.Popen(
        [program, "-y", "-v", "error", *frames, "-an", *codec, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=told,
        start_new_session=True,
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
