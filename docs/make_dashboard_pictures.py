"""Take the pictures of the dashboard that README.rst and the docs show, of what it really shows.

    python docs/make_dashboard_pictures.py [--out figures]

Logs some runs into an empty folder, starts a server over it, and opens its pages in the machine's Chromium, through
Playwright (the extra `test`).
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ml_logger import ML_Logger  # noqa: E402
from ml_logger.testing import serve  # noqa: E402

STEPS = 300
SIZE = {"width": 1280, "height": 760}
#: The pictures: a name, and the address in the page.
PICTURES = {"dashboard-runs": "runs?q=env%3Ddoor", "dashboard-run": "run/maze/lr-0.001/seed-0"}
#: Milliseconds for all that is seen to be drawn, once something is.
SETTLED = 3000


def train(folder: Path, env: str, lr: float, seed: int) -> None:
    """Log what a training of a small agent might: curves, pictures, a text log."""
    rng = np.random.default_rng(seed + int(1e6 * lr))
    best, noise = {"door": 9.0, "maze": 6.0}[env] * (1 if lr == 0.001 else 0.7), rng.normal(size=(3, STEPS))
    with ML_Logger(root=str(folder), prefix=f"{env}/lr-{lr}/seed-{seed}", silent=True) as logger:
        logger.log_params(Args={"env": env, "lr": lr, "seed": seed, "layers": [256, 256], "batch_size": 64})
        logger.job_started()
        for step in range(STEPS):
            done = 1 - math.exp(-step / (40000 * lr + 20))
            reward, loss = best * done + 0.4 * noise[0, step], 2 * (1 - done) + 0.08 * abs(noise[1, step])
            row = {"train/reward": reward, "eval/reward": reward - 0.6 + 0.2 * noise[2, step], "loss": loss}
            logger.log(step, row, success=min(1.0, max(0.0, done)))
            logger.log_line(f"step {step:03d}: loss {loss:.3f}, reward {reward:.2f}")
            if step % 60 == 0:
                logger.log_image(step, view=landscape(done))
                logger.log_histogram(step, weights=rng.normal(size=2000) * (0.5 + done))
        if (env, seed) != ("maze", 1):
            logger.job_completed()


def landscape(done: float) -> np.ndarray:
    """Return a picture in which something comes nearer to the middle."""
    y, x = np.mgrid[-1:1:96j, -1:1:128j]
    hill = np.exp(-4 * (x**2 + y**2))
    spot = np.exp(-90 * ((x - 0.9 * (1 - done)) ** 2 + (y - 0.7 * (1 - done)) ** 2))
    return np.clip(np.stack([0.15 + spot, 0.25 + 0.5 * hill, 0.45 + 0.3 * hill], axis=-1), 0, 1)


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "figures", help="the folder for the pictures (figures)")
    out = parser.parse_args().out
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        data = Path(scratch) / "runs"
        for env, lr, seed in product(("door", "maze"), (0.0003, 0.001, 0.003), (0, 1)):
            train(data, env, lr, seed)
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with serve(data) as server:
            for name, address in PICTURES.items():
                page = chromium.new_page(viewport=SIZE)
                page.goto(f"{server.url}/#/{address}")
                page.locator("canvas").first.wait_for()
                page.wait_for_timeout(SETTLED)
                page.screenshot(path=out / f"{name}.png")
                page.close()
        chromium.close()


if __name__ == "__main__":
    main()
