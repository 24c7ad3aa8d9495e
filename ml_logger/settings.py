"""The one table of settings: environment variables, how their texts are read, and what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

_UNTRUE = {"", "0", "false", "no", "off"}


def _flag(text: str) -> bool:
    return text.strip().lower() not in _UNTRUE


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < 1e9:
        raise ValueError
    return seconds


def _patience(text: str) -> float | None:
    return None if text.strip().lower() == "never" else _seconds(text)


def _mebibytes(text: str) -> int:
    size = int(float(text) * 2**20)
    if size <= 0:
        raise ValueError
    return size


def _cache_size(text: str) -> int:
    return 0 if text.strip().lower() in _UNTRUE or float(text) == 0 else _mebibytes(text)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _head(text: str) -> int:
    size = _count(text)
    if size > 16 * 2**10:  # Sanic reads no more
        raise ValueError
    return size


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.strip().lower() not in choices:
            raise ValueError
        return text.strip().lower()

    return parse


def _ranks(text: str) -> frozenset[int] | None:
    return None if text.strip().lower() == "all" else frozenset(int(part) for part in text.split(",") if part.strip())


class Setting(NamedTuple):
    """One environment variable: its name, what it is when unset, how it is read, and what it does."""

    name: str
    default: Any
    parse: Callable[[str], Any]
    help: str


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("ML_LOGGER_ROOT", None, str, "Log directory or server address when nothing was configured (./runs)."),
        Setting("ML_LOGGER_PREFIX", None, str, "Folder of the run below the root when nothing was configured."),
        Setting("ML_LOGGER_USER", None, str, "User name for `{USER}` in prefixes (the login name)."),
        Setting(
            "ML_LOGGER_ACCESS_TOKEN", None, str, "Token that clients send; for a server, one that may do everything."
        ),
        Setting(
            "ML_LOGGER_CA_BUNDLE", None, str, "File with the certificates that clients trust (those that come along)."
        ),
        Setting("NETRC", None, str, "Where clients look for a token when they were given none (~/.netrc)."),
        Setting(
            "ML_LOGGER_PRINT_RANKS",
            frozenset({0}),
            _ranks,
            "Ranks of a job that print: numbers between commas, or `all` (0). All of them log.",
        ),
        Setting(
            "ML_LOGGER_PARENT",
            None,
            str,
            "Set by the library itself: where the parent of a multiprocessing child logs.",
        ),
        Setting("ML_LOGGER_TRUST", False, _flag, "Read stored pickles of any class: only for data you wrote yourself."),
        Setting(
            "ML_LOGGER_PARANOID",
            False,
            _flag,
            "Read stored pickles by the machine with bounded memory and work, several times slower; see `paranoid=`.",
        ),
        Setting("ML_LOGGER_MAX_PICKLE", 2**32, _mebibytes, "Size of the largest record that is read, in MiB (4096)."),
        Setting(
            "ML_LOGGER_MAX_OPCODES",
            2**21,
            _count,
            "Most opcodes of one record, about one for each value, where reading is paranoid (2097152).",
        ),
        Setting(
            "ML_LOGGER_MAX_NESTING", 500, _count, "Most levels of containers in one record, where it is paranoid (500)."
        ),
        Setting(
            "ML_LOGGER_MAX_INFLATED",
            64 * 2**20,
            _mebibytes,
            "What an .npz may inflate to, in MiB; or to 250 times its size, where that is more (64).",
        ),
        Setting("ML_LOGGER_SPOOL", None, str, "Folder for records that no server has acknowledged yet."),
        Setting("ML_LOGGER_SEGMENT_SIZE", 4 * 2**20, _mebibytes, "Size of one spool file, in MiB (4)."),
        Setting(
            "ML_LOGGER_MEMORY_QUEUE", 64 * 2**20, _mebibytes, "Queue in memory for when the spool fails, in MiB (64)."
        ),
        Setting(
            "ML_LOGGER_WHEN_FULL",
            "drop",
            _one_of("drop", "wait", "raise"),
            "What a call does when that is full too: drop the record after a second, wait, or raise (drop).",
        ),
        Setting(
            "ML_LOGGER_SPOOL_SYNC",
            1.0,
            _seconds,
            "Seconds after which records that still wait are forced to disk; 0 leaves it to the system (1).",
        ),
        Setting("ML_LOGGER_LINGER", 0.05, _seconds, "Seconds between two requests of the sender (0.05)."),
        Setting("ML_LOGGER_REQUEST_TIMEOUT", 30.0, _seconds, "Seconds that one request may wait for its answer (30)."),
        Setting("ML_LOGGER_READ_TIMEOUT", 30.0, _seconds, "Seconds that a read waits for earlier writes (30)."),
        Setting(
            "ML_LOGGER_PROGRESS",
            1.0,
            _patience,
            "Seconds after which reading many runs shows a progress bar, or `never` (1).",
        ),
        Setting("ML_LOGGER_EXIT_TIMEOUT", 10.0, _seconds, "Seconds that leaving the program waits for delivery (10)."),
        Setting("ML_LOGGER_EXIT_SILENCE", 2.0, _seconds, "The same while the server does not answer at all (2)."),
        Setting(
            "ML_LOGGER_SIGTERM",
            False,
            _flag,
            "On SIGTERM leave properly: write pending rows, deliver within the limits, then pass the signal on (off).",
        ),
        Setting("ML_LOGGER_CACHE", None, str, "Folder for tables that were read before (`~/.cache/ml_logger`)."),
        Setting(
            "ML_LOGGER_CACHE_SIZE",
            2**30,
            _cache_size,
            "Size of all that is kept there, in MiB; 0 keeps nothing (1024).",
        ),
        Setting("ML_LOGGER_DATA_DIR", None, str, "Data folder of the server when `--data-dir` is not given (./runs)."),
        Setting(
            "ML_LOGGER_MAX_BODY", 16 * 2**20, _mebibytes, "Server: largest body of a request, in MiB, 5 or more (16)."
        ),
        Setting(
            "ML_LOGGER_MAX_BATCH_FILES",
            1024,
            _count,
            "Server: most files that one batch touches; the rest waits (1024).",
        ),
        Setting("ML_LOGGER_MAX_ENTRIES", 10_000, _count, "Server: most files on one page of a listing (10000)."),
        Setting(
            "ML_LOGGER_MAX_SERIES",
            128 * 2**20,
            _mebibytes,
            "Server: columns of runs that it holds for the dashboard, in MiB (128).",
        ),
        Setting(
            "ML_LOGGER_MAX_CONNECTIONS",
            4096,
            _count,
            "Server: most open connections, and at most half of the files that it may open (4096).",
        ),
        Setting(
            "ML_LOGGER_MAX_IN_FLIGHT",
            1000,
            _count,
            "Server: most requests of one token, or without one of one address, that are worked on at a time (1000).",
        ),
        Setting(
            "ML_LOGGER_MAX_HEAD",
            16 * 2**10,
            _head,
            "Server: most bytes of the head of a request, at most 16384 (16384).",
        ),
        Setting("ML_LOGGER_MAX_URL", 8 * 2**10, _count, "Server: most bytes of the address in it (8192)."),
        Setting("ML_LOGGER_MAX_HEADERS", 100, _count, "Server: most headers of a request (100)."),
        Setting("ML_LOGGER_HEAD_TIMEOUT", 10.0, _seconds, "Server: seconds that the head of a request may take (10)."),
        Setting(
            "ML_LOGGER_BODY_TIMEOUT",
            90.0,
            _seconds,
            "Server: seconds that a body of up to 64 KiB may take; longer ones get a second more for each 64 KiB (90).",
        ),
        Setting(
            "ML_LOGGER_IDLE_TIMEOUT",
            75.0,
            _seconds,
            "Server: seconds that a connection stays open without a request (75).",
        ),
        Setting("SLURM_JOB_ID", None, str, "Set by SLURM: the id of the job, which `slurm_job_id` tells."),
        Setting("FORCE_COLOR", False, _flag, "Print colors even where the output is no terminal."),
        Setting("NO_COLOR", False, lambda text: text != "", "Never print colors; wins over FORCE_COLOR."),
    )
}
