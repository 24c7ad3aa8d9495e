"""The facade: `ML_Logger`, one file for each family of verbs; each names what it got, encodes it, and hands it on."""

from ml_logger.facade.logger import ML_Logger

__all__ = ["ML_Logger"]
