"""Take the pictures of the dashboard that the README and the documentation show, as it really is.

    python docs/make_dashboard_pictures.py [--out figures]

Trains 24 small networks that log to a folder, all by the library itself, starts a server over it, and takes a picture
of each view in the machine's Chromium, through Playwright (the extra `test`). Needs the built page.
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ml_logger import ML_Logger  # noqa: E402
from ml_logger.testing import serve  # noqa: E402

WIDTH, HEIGHT, STEPS = 1280, 800, 240
#: The views: which picture, at which address, and whether it is dark.
VIEWS = [
    ("runs", "#/runs?group=width&smooth=0.6", False),
    ("charts", "#/charts?q=seed%3D0&smooth=0.8", True),
    ("run", "#/run/spirals/width-64/lr-0.3-seed-1", False),
    ("compare", "#/compare?runs=spirals%252Fwidth-64%252Flr-0.3-seed-1,spirals%252Fwidth-4%252Flr-0.3-seed-1", False),
    ("files", "#/files/spirals/width-64/lr-0.3-seed-1/outputs.log", True),
    ("report", "#/report/spirals", False),
]

REPORT = """\
# Two spirals

How wide must a network be to tell two spirals apart? It has one hidden layer of $n$ units,

$$p(x) = \\sigma(w^\\top \\tanh(Wx + b)),$$

and is trained by gradient descent on the cross entropy.

```chart
keys: eval/accuracy
group: width
smooth: 0.6
title: Accuracy by width
```

The best so far:

```value
key: eval/accuracy
stat: max
best: max
label: accuracy
digits: 3
```

```image
keys: width-64/lr-0.3-seed-1/images/field/*.png
limit: 4
width: 150
caption: What the network of 64 units believes, over time
```

- [x] widths of 4 and 64
- [ ] two hidden layers
"""


def spirals(rng: np.random.Generator, number: int) -> tuple[Any, Any]:
    """Return points of two spirals, and which one each is of."""
    label = rng.integers(0, 2, number)
    turn = np.sqrt(rng.uniform(0.03, 1, number)) * 9
    angle = turn + np.pi * label
    points = np.stack([turn * np.cos(angle), turn * np.sin(angle)], 1) / 9
    return points + rng.normal(0, 0.01, points.shape), label


def features(points: Any) -> Any:
    """Return what the network is given of each point: its place, and that in polar coordinates."""
    radius, angle = np.hypot(*points.T), np.arctan2(*points.T[::-1])
    return np.stack([*points.T, np.sin(9 * radius), np.cos(9 * radius), np.sin(angle), np.cos(angle)], 1)


def train(folder: Path, width: int, lr: float, seed: int) -> None:
    """Train one network, and log how it goes."""
    rng = np.random.default_rng(seed)
    inner, bias, outer = rng.normal(0, 1, (6, width)), rng.normal(0, 1, width), rng.normal(0, width**-0.5, width)
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 64)), -1).reshape(-1, 2)
    with ML_Logger(root=str(folder), prefix=f"spirals/width-{width}/lr-{lr}-seed-{seed}", silent=True) as logger:
        logger.log_params(Args={"width": width, "lr": lr, "seed": seed, "batch": 128})
        logger.job_started()

        def guess(points: Any) -> tuple[Any, Any]:
            hidden = np.tanh(features(points) @ inner + bias)
            return hidden, 1 / (1 + np.exp(-hidden @ outer))

        for step in range(STEPS):
            points, label = spirals(rng, 128)
            hidden, found = guess(points)
            error = (found - label)[:, None] / len(label)
            loss = -np.log(np.where(label == 1, found, 1 - found) + 1e-9).mean()
            back = error * outer * (1 - hidden**2)
            norm = float(np.sqrt((back**2).sum()))
            outer = outer - 4 * lr * (hidden.T @ error)[:, 0]
            inner, bias = inner - 4 * lr * features(points).T @ back, bias - 4 * lr * back.sum(0)
            points, label = spirals(rng, 256)
            right = float(((guess(points)[1] > 0.5) == label).mean())
            logger.log(step, {"train/loss": loss, "train/gradient": norm, "eval/accuracy": right})
            logger.log_line(f"step {step:3}: loss {loss:.3f}, {right:.1%} right")
            if step % 20 == 0:
                logger.log_image(step, field=guess(grid)[1].reshape(64, 64).repeat(4, 0).repeat(4, 1), normalize=True)
                logger.log_histogram(step, weights=inner.ravel())
        logger.job_completed()


def small(picture: bytes) -> bytes:
    """Return a PNG in 256 colors: a third of the size, and alike to the eye."""
    made = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        made, "PNG", optimize=True
    )
    return made.getvalue()


def main() -> None:
    """Train, look, and keep the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "figures", help="the folder for the pictures (figures)")
    out = parser.parse_args().out
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        folder = Path(scratch) / "data"
        for width, lr, seed in itertools.product((4, 64), (0.03, 0.1, 0.3), range(4)):
            train(folder, width, lr, seed)
        (folder / "spirals" / "README.md").write_text(REPORT)
        with serve(folder) as server:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name, address, is_dark in VIEWS:
                page = browser.new_page(
                    viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark" if is_dark else "light"
                )
                page.goto(f"{server.url}/{address}")
                page.wait_for_load_state("load")
                page.wait_for_timeout(3000)  # until all that comes by itself has begun; nobody tests by this
                page.get_by_text("Loading").first.wait_for(state="hidden")
                (out / f"dashboard-{name}.png").write_bytes(small(page.screenshot()))
                page.close()
            browser.close()


if __name__ == "__main__":
    main()
