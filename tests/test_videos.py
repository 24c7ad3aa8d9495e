"""Videos and the forms of pictures that share their arguments."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from ml_logger import ML_Logger
from ml_logger.encoders import images
from ml_logger.errors import InvalidImage, InvalidSetting, UnsupportedFormat
from tests import programs


def film(count: int = 6, height: int = 32, width: int = 48) -> np.ndarray[Any, Any]:
    """Return frames of slowly changing colors."""
    ramp = np.linspace(0, 1, width)[None, None, :, None] * np.ones((count, height, 1, 3))
    ramp[..., 1] = np.linspace(0, 1, count)[:, None, None]
    return ramp


def played(logger: ML_Logger, key: str, folder: Path) -> tuple[np.ndarray[Any, Any], str]:
    """Return the frames of a stored video as floats, and what ffmpeg says of the file."""
    path = logger.download_file(key, folder / "played.mp4")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, timeout=programs.PATIENCE, check=True)
    told = done.stderr.decode()
    size = re.search(r"Video: h264.* ([0-9]+)x([0-9]+)", told)
    assert size is not None, told
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, int(size[2]), int(size[1]), 3) / 255, told


@pytest.mark.parametrize("form", ["list", "array", "generator", "uint8", "tensor"])
def test_mp4_from_all_that_people_have(logger: ML_Logger, tmp_path: Path, form: str) -> None:
    """Lists, arrays, generators, bytes and CHW tensors of frames become a video that plays as it should."""
    torch = pytest.importorskip("torch") if form == "tensor" else None
    frames: Any = {
        "list": lambda: list(film()),
        "array": film,
        "generator": lambda: iter(film()),
        "uint8": lambda: (film() * 255).astype(np.uint8),
        "tensor": lambda: torch.tensor(film()).permute(0, 3, 1, 2),  # type: ignore[union-attr]
    }[form]()
    logger.save_video(frames, "videos/film.mp4", fps=10)
    found, told = played(logger, "videos/film.mp4", tmp_path)

    assert found.shape == (6, 32, 48, 3)
    assert np.abs(found - film()).mean() < 0.03
    assert " 10 fps" in told
    assert "yuv420p" in told


def test_forms_of_save_video(logger: ML_Logger, tmp_path: Path) -> None:
    """The suffix says the format, `format` overrules it, .mp4 is the default; `log_video` is the same."""
    frames = list(film())
    logger.save_video(frames, key="a.gif")
    logger.log_video(frames, "b.webp", fps=4)
    logger.save_video(frames, "c")
    logger.save_video(frames, "d", format="gif")
    logger.save_video(frames, Path("e.bin"), "mp4", fps=1 / 0.05)

    assert logger.glob("*") == ["a.gif", "b.webp", "c.mp4", "d.gif", "e.bin"]
    for key in ("a.gif", "b.webp", "d.gif"):
        with Image.open(io.BytesIO(logger.load_file(key))) as picture:
            assert picture.n_frames == 6  # type: ignore[attr-defined]
            assert picture.size == (48, 32)
    for key in ("c.mp4", "e.bin"):
        assert played(logger, key, tmp_path)[0].shape == (6, 32, 48, 3)


def test_odd_gray_and_transparent_frames(logger: ML_Logger, tmp_path: Path) -> None:
    """Odd sizes are made even, gray becomes RGB, alpha is blended on white, a colormap colors."""
    logger.save_video([np.full((9, 15), 0.5)] * 3, "gray.mp4")
    logger.save_video([np.dstack([np.zeros((8, 8, 3)), np.zeros((8, 8))])] * 2, "clear.mp4")
    logger.save_video([np.full((8, 8), value) for value in (0, 10)], "map.mp4", cmap="gray", normalize="grid")

    gray = played(logger, "gray.mp4", tmp_path)[0]
    assert gray.shape == (3, 10, 16, 3)
    assert np.abs(gray - 0.5).max() < 0.03
    assert played(logger, "clear.mp4", tmp_path)[0].min() > 0.97
    mapped = played(logger, "map.mp4", tmp_path)[0]
    assert mapped[0].max() < 0.03
    assert mapped[1].min() > 0.97


def test_what_is_no_video(logger: ML_Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be a video is refused with the frame and the reason; nothing is stored, no file stays behind."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    good = np.zeros((8, 8))
    wrong: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
        ([good, np.zeros((8, 10))], {}, InvalidImage, "frame 1 has"),
        ([good, good + 7], {}, InvalidImage, r"\[1\].*floats must be in"),
        ([], {}, InvalidImage, "at least one frame"),
        (Image.new("L", (8, 8)), {}, InvalidImage, "not of one Image"),
        ("film", {}, InvalidImage, "not of one str"),
        ([good], {"fps": 0}, InvalidSetting, "fps"),
        ([good], {"format": "avi"}, UnsupportedFormat, r"\.mp4, \.gif"),
    ]
    for frames, options, error, message in wrong:
        with pytest.raises(error, match=message):
            logger.save_video(frames, "x.mp4", **options)

    assert logger.glob("**") == []
    assert list(scratch.iterdir()) == []


def test_frames_are_taken_one_by_one(logger: ML_Logger) -> None:
    """A generator of frames is not collected: each frame can be forgotten when the next one is made."""
    import weakref

    alive: list[weakref.ref[Any]] = []
    most = 0

    def frames() -> Iterator[Any]:
        nonlocal most
        for _ in range(20):
            most = max(most, sum(reference() is not None for reference in alive))
            frame = np.zeros((16, 16, 3))
            alive.append(weakref.ref(frame))
            yield frame

    logger.save_video(frames(), "x.mp4")

    assert len(alive) == 20
    assert most <= 3


def test_no_python_runs_in_a_forked_process(tmp_path: Path) -> None:
    """ffmpeg starts beside any threads: no hook of a fork is called, which jax, for one, would warn of."""
    pytest.importorskip("jax")
    code = """
        import os, sys, warnings
        warnings.simplefilter("error")
        import jax, numpy as np
        from ml_logger import ML_Logger
        jax.numpy.zeros(1).block_until_ready()
        os.register_at_fork(before=lambda: print("forked"))
        with ML_Logger(sys.argv[1], silent=True) as logger:
            logger.save_video([np.zeros((8, 8)), np.ones((8, 8))], "a.mp4")
            print(logger.glob("**"))
    """
    done = programs.run(code, tmp_path)

    assert done.stdout.splitlines() == ["['a.mp4']"]
    assert done.stderr == ""


def test_ffmpeg_that_fails_is_told(logger: ML_Logger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where ffmpeg gives up, the error says what it said; nothing is stored."""
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\necho no such codec >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    with pytest.raises(InvalidImage, match=r"a\.mp4.*ffmpeg failed \(3\): no such codec"):
        logger.save_video(iter(np.zeros((50, 256, 256, 3))), "a.mp4")
    assert logger.glob("**") == []


def test_without_imageio(tmp_path: Path) -> None:
    """Without imageio-ffmpeg, .mp4 says what to install, and .gif and .webp need nothing."""
    code = """
        import sys
        sys.modules["imageio_ffmpeg"] = None
        import numpy as np
        from ml_logger import ML_Logger
        frames = [np.zeros((8, 8)), np.ones((8, 8))]
        with ML_Logger(sys.argv[1], silent=True) as logger:
            try:
                logger.save_video(frames, "a.mp4")
            except ImportError as error:
                print(type(error).__name__, error)
            logger.save_video(frames, "a.gif")
            logger.save_video(frames, "a.webp")
            print(logger.glob("**"))
    """
    lines = programs.run(code, tmp_path).stdout.splitlines()

    assert lines[0].startswith("NotAvailable .mp4 needs imageio-ffmpeg")
    assert 'pip install "ml-logger[video]"' in lines[0]
    assert lines[1] == "['a.gif', 'a.webp']"


# -------------------------------------------------------------------------------------------------- colors and ranges


def pixels(logger: ML_Logger, key: str) -> np.ndarray[Any, Any]:
    """Return a stored picture."""
    return images.decode(logger.load_file(key))


def test_log_image_in_all_forms(logger: ML_Logger) -> None:
    """The picture first with a path, or a step with names; steps by keyword; folder and file name as told."""
    picture = np.eye(4)
    logger.log_image(picture, "a.png")
    logger.log_image(picture, key=Path("b"))
    logger.log_image(4, face=picture)
    logger.log_image(step=5, face=picture, other=picture)
    logger.log_image(index=6, namespace="im", fstring="{:02d}.jpg", face=picture)
    logger.log_image(7, film=[picture, 1 - picture])
    logger.log_image(Image.fromarray((picture * 255).astype(np.uint8)), "c.png")
    logger.save_image(picture, "d")
    logger.save_image(key="e.png", image=picture)

    assert logger.glob("**") == [
        "a.png",
        "b.png",
        "c.png",
        "d.png",
        "e.png",
        "im/face/06.jpg",
        "images/face/0004.png",
        "images/face/0005.png",
        "images/film/0007.gif",
        "images/other/0005.png",
    ]
    for key in ("a.png", "b.png", "c.png", "d.png", "e.png", "images/face/0004.png", "images/other/0005.png"):
        assert np.array_equal(pixels(logger, key), picture * 255)


def test_channels_first_is_for_tensors(logger: ML_Logger) -> None:
    """A tensor (C, H, W) is a picture; an array of that shape is refused, with what to pass."""
    torch = pytest.importorskip("torch")
    chw = np.zeros((3, 5, 7))
    chw[1] = 1
    logger.log_image(torch.tensor(chw), "a.png")
    logger.log_images(torch.tensor(np.stack([chw] * 4)), "grid.png")

    assert np.array_equal(pixels(logger, "a.png"), chw.transpose(1, 2, 0) * 255)
    assert pixels(logger, "grid.png").shape == (10, 14, 3)
    with pytest.raises(InvalidImage, match=r"transpose.*shape \(3, 5, 7\), dtype float64, values 0.0 to 1.0"):
        logger.log_image(chw, "b.png")


def test_normalize_and_cmap(logger: ML_Logger) -> None:
    """`normalize` stretches one picture or those of a row, a column or the grid; `cmap` colors, frames too."""
    stack = np.array([[[0, 1]], [[0, 2]], [[4, 6]], [[8, 10]]], dtype=np.float64)
    logger.save_images(stack, "each.png", 2, 2, normalize=True)
    logger.save_images(stack, "individual.png", n_rows=2, n_cols=2, normalize="individual")
    logger.save_images(stack, "row.png", 2, 2, normalize="row")
    logger.save_images(stack, "column.png", 2, 2, normalize="column")
    logger.log_images(stack, "grid.png", 2, 2, normalize="grid")
    logger.save_image(stack[3], "one.png", normalize="grid")
    logger.log_images(stack, "map.png", 2, 2, cmap="gray", normalize="grid")
    logger.log_image(0, film=list(stack), cmap="viridis", normalize="grid")

    assert pixels(logger, "each.png").tolist() == pixels(logger, "individual.png").tolist() == [[0, 255, 0, 255]] * 2
    assert pixels(logger, "row.png").tolist() == [[0, 128, 0, 255], [0, 85, 170, 255]]
    assert pixels(logger, "column.png").tolist() == [[0, 42, 0, 51], [170, 255, 204, 255]]
    expected = [[0, 26, 0, 51], [102, 153, 204, 255]]
    assert pixels(logger, "grid.png").tolist() == expected
    assert np.abs(pixels(logger, "map.png")[..., 0].astype(int) - expected).max() <= 1  # a map has 256 levels
    assert pixels(logger, "one.png").tolist() == [[0, 255]]
    with Image.open(io.BytesIO(logger.load_file("images/film/0000.gif"))) as picture:
        assert picture.n_frames == 4  # type: ignore[attr-defined]
        first = np.array(picture.convert("RGB"))[0, 0]
    assert np.abs(first.astype(int) - [68, 1, 84]).max() <= 3  # the dark end of viridis
    with pytest.raises(InvalidSetting, match="individual, grid, row, column"):
        logger.save_images(stack, "x.png", normalize="all")


def test_log_pyplot_in_all_forms(logger: ML_Logger) -> None:
    """A path first is the path, a number the step; `key` alone is the path; with a step it is below `figures/`."""
    from matplotlib import pyplot

    figure = pyplot.figure()
    figure.add_subplot().plot([1, 2])
    logger.log_pyplot("curve.pdf")
    logger.log_pyplot(Path("a/curve.svg"), figure)
    logger.log_pyplot(4)
    logger.log_pyplot(None, fig=figure, key="five.png")
    logger.log_pyplot(key="plots/b.png", fig=figure, dpi=20)
    logger.savefig("c", fig=figure, format="jpg")
    logger.save_pyplot("d.png", figure, bbox_inches="tight")
    logger.savefig("e.png", close=True)

    assert pyplot.get_fignums() == []
    assert logger.glob("**") == [
        "a/curve.svg",
        "c.jpg",
        "curve.pdf",
        "d.png",
        "e.png",
        "figures/0004.png",
        "figures/five.png",
        "plots/b.png",
    ]
    assert logger.load_file("curve.pdf").startswith(b"%PDF")
    with Image.open(io.BytesIO(logger.load_file("plots/b.png"))) as picture:
        assert picture.size == (128, 96)
