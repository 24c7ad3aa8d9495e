"""The wire: paths, headers and statuses that client and server agree on. `docs/protocol.rst` tells it in prose."""

from __future__ import annotations

from ml_logger.errors import CorruptData, InvalidKey, KeyNotFound, LoggerError, Refused, ServerUnavailable

BATCHES = "/v1/batches"
FILES = "/v1/files"
ENTRIES = "/v1/entries"
TABLES = "/v1/tables"
EDITS = "/v1/edits"
TRASH = "/v1/trash"
RENDER = "/v1/render"
HISTOGRAMS = "/v1/histograms"
RUNS = "/v1/runs"
LIVE = "/v1/live"
PANELS = "/v1/panels"
SERIES = "/v1/series"
HEALTH = "/v1/health"
OPENAPI = "/v1/openapi.json"
SESSION = "/v1/session"

#: Not a type that a browser sends to other sites without asking first.
CONTENT_TYPE = "application/x-ml-logger"
TABLES_TYPE = "application/x-ml-logger-tables"
LIVE_TYPE = "application/x-ml-logger-live"
SERIES_TYPE = "application/octet-stream"
WRITER = "X-ML-Logger-Writer"
MTIME = "X-ML-Logger-MTime"
#: What `Accept` asks for: the bytes of a file in pieces with checksums, see `transport.pieces`.
PIECES = "application/x-ml-logger-pieces"
#: Which bytes of the file the pieces are: `START-STOP`.
RANGE = "X-ML-Logger-Range"
#: What a client has of the file: `START-STOP CRC`, the last in 8 hexadecimal digits.
PREFIX = "X-ML-Logger-Prefix"
#: On every answer of ours that tells an error: a 404 without it comes from something else.
ERROR = "X-ML-Logger-Error"

#: Bytes of frames that a client puts into one batch, about.
BATCH_SIZE = 4 * 2**20
#: Files that a client asks for at a time, when it lists some; a server may give fewer.
PAGE = 10_000

#: What a request that cannot be served is answered with. The first match counts.
STATUS: dict[type[LoggerError], int] = {
    InvalidKey: 400,
    CorruptData: 400,
    KeyNotFound: 404,
    Refused: 403,
    ServerUnavailable: 503,
}
ERRORS: dict[int, type[LoggerError]] = {400: InvalidKey, 401: Refused, 403: Refused, 404: KeyNotFound}


def status_of(error: LoggerError) -> int:
    """Return the status that tells an error."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def error_of(status: int, message: str) -> LoggerError:
    """Return the error that a status tells."""
    return ERRORS.get(status, ServerUnavailable)(message)
