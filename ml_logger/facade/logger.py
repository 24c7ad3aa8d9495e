"""The logger that people hold in their hands."""

from __future__ import annotations

from ml_logger.facade.analysis import Analysis
from ml_logger.facade.run import Run
from ml_logger.facade.summaries import Summaries


class ML_Logger(Run, Analysis, Summaries):
    """Log to a folder or to a server, with the same calls and the same results.

    `ML_Logger("/data/run-1")` and `ML_Logger(root="http://host:8081", prefix="me/run-1")` take the arguments of
    `configure`. Used with `with`, everything is delivered at the end of the block.

    >>> import tempfile
    >>> with ML_Logger(tempfile.mkdtemp(), silent=True) as logger:
    ...     for step in range(3):
    ...         logger.log(step, loss=1 / (step + 1))
    ...     [row["loss"] for row in logger.load_pkl("metrics.pkl")]
    [1.0, 0.5, 0.3333333333333333]
    """

    def __repr__(self) -> str:
        place = self._where()
        return f"ML_Logger(root={place.root!r}, prefix={place.prefix!r})"
