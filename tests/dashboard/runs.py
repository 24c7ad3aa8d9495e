"""The runs that the dashboard's tests look at, logged by the logger itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ml_logger import ML_Logger

STEPS = 200
METRICS = ("loss", "accuracy", "train/reward", "eval/reward")
#: In the run `SPECIAL`: the one step whose reward is far from all others, and those whose loss is no number.
SPECIAL, SPIKE, SPIKE_VALUE, NAN_STEP, INFINITE_STEP = "door/lr-0.001/seed-0", 123, 1000.0, 50, 60
#: What one run says in its text log at each step, and in its report.
LINE = "step {step}: loss {loss:.4f}"
README = "# A door\n\nHow *far* the arm comes.\n\n| seed | reward |\n| --- | --- |\n| 0 | 3 |\n"


class Planned(NamedTuple):
    """One run: its folder, and its parameters."""

    run: str
    env: str
    lr: float
    seed: int


PLANNED = [
    Planned(f"{env}/lr-{lr}/seed-{seed}", env, lr, seed)
    for env, lr, seed in product(("door", "maze"), (0.0003, 0.001, 0.003), (0, 1))
]
RUNS = [planned.run for planned in PLANNED]


def fill(folder: Path, most: int = len(PLANNED)) -> None:
    """Log runs into a folder: 12 of them, or fewer, with 4 metrics of 200 steps each."""
    for number, planned in enumerate(PLANNED[:most]):
        with ML_Logger(root=str(folder), prefix=planned.run, silent=True) as logger:
            _train(logger, planned, number)


def _train(logger: ML_Logger, planned: Planned, number: int) -> None:
    logger.log_params(Args={"env": planned.env, "lr": planned.lr, "seed": planned.seed, "layers": [64, 64]})
    logger.job_started()
    for step, row in enumerate(rows(planned, number)):
        logger.log(step, row)
        logger.log_line(LINE.format(step=step, loss=row["loss"]))
        if step % 50 == 0:
            logger.log_image(step, view=picture(number, step))
            logger.log_histogram(step, weights=np.linspace(-1, 1, 101) * (1 + step / STEPS))
    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([0, 1, number])
    logger.log_pyplot(STEPS - 1, figure)
    logger.save_json({"env": planned.env, "number": number}, "config.json")
    logger.log_text(f"print({number})\n", "train.py")
    if planned.run == SPECIAL:
        logger.log_text(README, "README.md")
    logger.job_completed()


def rows(planned: Planned, number: int) -> Iterator[dict[str, Any]]:
    """Yield the metrics of each step of a run; those of `SPECIAL` hold what must not be lost."""
    for step in range(STEPS):
        loss, reward = math.exp(-step / (40 + number)) + 0.01 * number, 3 * math.tanh(step / 80) + 0.1 * number
        if planned.run == SPECIAL:
            loss = {NAN_STEP: math.nan, INFINITE_STEP: math.inf}.get(step, loss)
            reward = SPIKE_VALUE if step == SPIKE else reward
        yield {"loss": loss, "accuracy": 1 - loss / 2, "train/reward": reward, "eval/reward": reward - 0.5}


def picture(number: int, step: int) -> Any:
    """Return a small picture that tells runs and steps apart."""
    image = np.zeros((32, 48, 3), np.uint8)
    image[:, : 1 + 47 * step // STEPS] = (20 * number % 256, 200, 80)
    return image
