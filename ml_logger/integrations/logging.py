"""The standard library's `logging`, into the log of the run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_logger.facade import ML_Logger

#: How the names of our threads begin.
_OURS = "ml-logger"


class Handler(logging.Handler):
    """Log the records of `logging` as lines of text: `logging.getLogger().addHandler(Handler())`.

    Records of this library's own threads are left out: what they send would never end, if it spoke of sending.

    Args:
        logger: where to; the logger of this process by default.
        file: the file, `outputs.log` by default.
        level: the least level, as of any handler.
    """

    def __init__(self, logger: ML_Logger | None = None, file: str | None = None, level: int | str = logging.NOTSET):
        super().__init__(level)
        self._logger = _of_process() if logger is None else logger
        self._file = file

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record, but for those of this library's own threads."""
        return not (record.threadName or "").startswith(_OURS) and bool(super().handle(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, with its traceback where it has one; an error is told as `logging` tells it."""
        try:
            self._logger.log_line(self.format(record), file=self._file)
        except Exception:  # a broken record must not stop the training
            self.handleError(record)


def _of_process() -> ML_Logger:
    from ml_logger import logger

    return logger
