"""Animations and grids: encoded, decoded, and compared pixel for pixel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml_logger.encoders import grids, images
from ml_logger.errors import InvalidImage, InvalidSetting, UnsupportedFormat
from tests.test_images import Tensor, expected, noise


def frames_of(data: bytes) -> tuple[int, list[float], object]:
    """The number of frames, their durations in milliseconds, and how often the animation plays."""
    with Image.open(io.BytesIO(data)) as picture:
        durations = []
        for index in range(picture.n_frames):  # type: ignore[attr-defined]
            picture.seek(index)
            picture.load()
            durations.append(picture.info["duration"])
        return len(durations), durations, picture.info.get("loop")


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
@pytest.mark.parametrize("shape", [(12, 8), (12, 8, 3), (12, 8, 1)])
def test_frames_come_back(suffix: str, shape: tuple[int, ...]) -> None:
    """Every frame of an animation comes back pixel for pixel."""
    frames = [noise(shape, seed) for seed in range(6)]
    read = images.decode(images.animation(frames, suffix))
    wanted = np.stack([expected(frame, suffix) for frame in frames])
    if read.ndim > wanted.ndim:
        wanted = np.repeat(wanted[..., None], 3, axis=3)

    assert np.array_equal(read, wanted)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
@pytest.mark.parametrize(("fps", "count"), [(20, 5), (30, 30), (7, 10), (50, 3), (0.5, 2), (100, 9)])
def test_playing_time(suffix: str, fps: float, count: int) -> None:
    """Equal frames may be merged: the distinct ones come in order, the playing time is right, it plays for ever."""
    distinct = [noise((12, 8, 3), seed) for seed in range(count // 2 + 1)]
    data = images.animation([distinct[(index + 1) // 2] for index in range(count)], suffix, fps=fps)
    number, durations, loop = frames_of(data)
    read = images.decode(data)

    assert np.array_equal(
        [frame for index, frame in enumerate(read) if index == 0 or np.any(frame != read[index - 1])], distinct
    )
    assert len(distinct) <= number <= count
    assert abs(sum(durations) - 1000 * count / fps) <= (5 if suffix == ".gif" else 0.5)
    assert min(durations) > 0
    assert loop == 0


@pytest.mark.parametrize("suffix", [".gif", ".png"])
@pytest.mark.parametrize(("fps", "count"), [(20, 5), (30, 30), (7, 10), (50, 3), (0.5, 2), (100, 9)])
def test_playing_time_of_equal_frames(suffix: str, fps: float, count: int) -> None:
    """An animation of nothing but equal frames has the right playing time, and plays for ever."""
    data = images.animation([noise((12, 8, 3))] * count, suffix, fps=fps)
    number, durations, loop = frames_of(data)
    read = images.decode(data)

    assert number <= count
    assert np.array_equal(read, np.broadcast_to(noise((12, 8, 3)), read.shape))
    assert abs(sum(durations) - 1000 * count / fps) <= (5 if suffix == ".gif" else 0.5)
    assert min(durations) > 0
    assert loop == 0


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_time_of_each_frame(suffix: str) -> None:
    """A frame is shown for as long as it was logged, the equal ones behind it included."""
    first, second, third = (noise((12, 8, 3), seed) for seed in range(3))
    _, durations, _ = frames_of(images.animation([first, second, second, second, third, third], suffix, fps=20))

    assert durations == [50, 150, 100]


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_frames_of_all_kinds(suffix: str) -> None:
    """Frames of gray, color and alpha, tensors and PIL images can be mixed."""
    frames = [noise((6, 7)), np.ones((6, 7, 3)), noise((6, 7, 4)), Tensor(noise((3, 6, 7))), Image.new("L", (7, 6), 9)]
    read = images.decode(images.animation(frames, suffix))
    visible = frames[2][..., 3] > 0

    assert read.shape == (5, 6, 7, 4)
    assert np.array_equal(read[0], np.dstack([frames[0]] * 3 + [np.full((6, 7), 255)]))
    assert np.array_equal(read[2][visible], frames[2][visible])
    assert np.array_equal(read[2][..., 3], frames[2][..., 3])


def test_hidden_colors_come_back() -> None:
    """A frame of an APNG comes back pixel for pixel, also the color of what is wholly transparent."""
    frames = [noise((6, 7)), noise((6, 7, 4))]

    assert np.array_equal(images.decode(images.animation(frames, ".png"))[1], frames[1])


def test_a_webp_of_equal_frames_is_a_picture() -> None:
    """A WebP whose frames are all equal is a picture of that frame, as documented."""
    frame = noise((12, 8, 3))

    assert np.array_equal(images.decode(images.animation([frame] * 5, ".webp")), frame)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
@pytest.mark.parametrize("seed", range(40))
def test_transparent_frames(suffix: str, seed: int) -> None:
    """Frames that are clear or black up to their edges come back, whatever was shown before them."""
    random = np.random.default_rng(seed)
    colors = np.array([(0, 0, 0, 0), (0, 0, 0, 255), (200, 0, 0, 255), (255, 255, 255, 255)], dtype=np.uint8)
    frames = [colors[random.integers(0, random.integers(2, 5), (2, 3))] for _ in range(4)]
    frames = [np.zeros((2, 3, 4), dtype=np.uint8), *frames, np.zeros((2, 3, 4), dtype=np.uint8), colors[[[1] * 3] * 2]]
    distinct = [frame for index, frame in enumerate(frames) if index == 0 or np.any(frame != frames[index - 1])]

    assert np.array_equal(images.decode(images.animation(frames, suffix)), distinct)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_opaque_parts_of_clear_frames(suffix: str) -> None:
    """What is clear stays so when all that is visible is a box without a clear pixel in it."""
    frames = np.zeros((2, 6, 7, 4), dtype=np.uint8)
    frames[0, :, :3], frames[1, 2:4] = (200, 0, 0, 255), (0, 200, 0, 255)

    assert np.array_equal(images.decode(images.animation(frames, suffix)), frames)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_too_wide(suffix: str) -> None:
    """An animation that is too wide for its format is refused."""
    with pytest.raises(InvalidImage, match=f"k: {suffix[1:].upper()} cannot hold a picture of 1 x 70000"):
        images.animation(noise((2, 1, 70000)), suffix, key="k")


def test_transparent_gif() -> None:
    """A frame of a GIF shows nothing of the frame before where it is transparent."""
    frames = np.zeros((3, 10, 10, 4), dtype=np.uint8)
    for index in range(3):
        frames[index, index] = (200, 10 * index, 0, 255)

    assert np.array_equal(images.decode(images.animation(frames, ".gif")), frames)


@pytest.mark.parametrize("frames", [noise((4, 6, 5)), noise((4, 6, 5, 3)), Tensor(noise((4, 3, 6, 5)))])
def test_stacks(frames: Any) -> None:
    """An array (T, H, W) or (T, H, W, C), or a tensor (T, C, H, W), is an animation."""
    assert images.decode(images.animation(frames, ".png")).shape[:3] == (4, 6, 5)
    assert images.animation(frames, ".png") == images.animation(list(frames), ".png")


def test_one_frame() -> None:
    """An animation of one frame is a picture."""
    for suffix in (".gif", ".png", ".webp"):
        assert np.array_equal(images.decode(images.animation([noise((6, 7, 3))], suffix)), noise((6, 7, 3)))
    for suffix in (".png", ".webp"):
        assert np.array_equal(images.decode(images.animation([noise((6, 7, 4))], suffix)), noise((6, 7, 4)))


@pytest.mark.parametrize(
    ("frames", "options", "error", "message"),
    [
        ([], {}, InvalidImage, "at least one"),
        ([np.zeros((4, 4)), np.zeros((4, 5))], {}, InvalidImage, r"k: picture 1 has .*\(4, 5\)"),
        ([np.zeros((4, 4)), np.full((4, 4), 9.0)], {}, InvalidImage, r"k\[1\].*normalize"),
        (np.zeros((4, 4)), {}, InvalidImage, r"k\[0\].*shape \(4,\)"),
        (7, {}, InvalidImage, "int"),
        (Image.new("L", (4, 4)), {}, InvalidImage, "Image"),
        ([np.zeros((4, 4))], {"fps": 0}, InvalidSetting, "fps"),
        ([np.zeros((4, 4))], {"fps": float("nan")}, InvalidSetting, "fps"),
        ([np.zeros((4, 4))], {"fps": 101}, InvalidSetting, "100"),
        ([np.zeros((4, 4))], {"suffix": ".jpg"}, UnsupportedFormat, r"\.gif, \.png, \.webp"),
    ],
)
def test_no_animation(frames: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    """A frame that does not fit is named; so are a wrong speed and a wrong suffix."""
    with pytest.raises(error, match=message):
        images.animation(frames, **options, key="k")


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ([noise((4, 4))] * 2, True),
        ((Tensor(noise((3, 4, 4))),), True),
        ([Image.new("L", (4, 4))], True),
        ([[0, 1], [1, 0]], False),
        ([np.zeros(4), np.zeros(4)], False),
        ([noise((4, 4)), 3], False),
        ([], False),
        (noise((4, 4)), False),
        (noise((4, 4, 4, 3)), False),
        ("ab", False),
        (None, False),
    ],
)
def test_is_animation(value: object, answer: bool) -> None:
    """A list of pictures is an animation; a nested list of numbers, or an array, is not."""
    assert images.is_animation(value) is answer


# ------------------------------------------------------------------------------------------------------------- grids


@pytest.mark.parametrize(
    ("count", "rows", "cols", "shape"),
    [
        (1, None, None, (1, 1)),
        (4, None, None, (2, 2)),
        (5, None, None, (2, 3)),
        (10, None, None, (3, 4)),
        (6, 1, None, (1, 6)),
        (6, None, 2, (3, 2)),
        (7, 2, None, (2, 4)),
        (3, 2, 3, (2, 3)),
    ],
)
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_grid(count: int, rows: int | None, cols: int | None, shape: tuple[int, int], channels: tuple[int]) -> None:
    """A grid is filled row by row, near square by default, and what stays free is zero."""
    pictures = [noise((5, 7, *channels), seed) for seed in range(count)]
    sheet = grids.grid(pictures, rows, cols)

    assert sheet.shape == (shape[0] * 5, shape[1] * 7, *channels)
    assert sheet.dtype == np.uint8
    for index in range(shape[0] * shape[1]):
        row, col = divmod(index, shape[1])
        tile = sheet[row * 5 : row * 5 + 5, col * 7 : col * 7 + 7]
        assert np.array_equal(tile, pictures[index] if index < count else np.zeros_like(tile))


def test_grid_of_all_kinds() -> None:
    """A grid takes stacks, and mixes gray, color and alpha."""
    assert np.array_equal(grids.grid(noise((4, 5, 7, 3))), grids.grid(list(noise((4, 5, 7, 3)))))
    assert grids.grid([np.zeros((5, 7)), np.ones((5, 7, 4))]).shape == (5, 14, 4)
    assert grids.grid(Tensor(noise((4, 3, 5, 7)))).shape == (10, 14, 3)


def test_wrong_grid() -> None:
    """A grid that is too small, or pictures of two sizes, are refused."""
    with pytest.raises(InvalidImage, match="5 pictures do not fit in 2 rows of 2"):
        grids.grid([noise((2, 2))] * 5, 2, 2)
    with pytest.raises(InvalidImage, match="picture 1"):
        grids.grid([noise((2, 2)), noise((3, 2))])
    with pytest.raises(InvalidSetting, match="n_rows"):
        grids.grid([noise((2, 2))], n_rows=0)
