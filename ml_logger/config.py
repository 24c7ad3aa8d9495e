"""The only reader of the environment: values of settings, and what follows from them."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from ml_logger.errors import InvalidSetting
from ml_logger.settings import SETTINGS


class Launcher(NamedTuple):
    """The variables in which a launcher of jobs tells a process its place in the job.

    `rank` counts from 0; `size` is the number of processes; `local_size` that of those on this machine; `job` are the
    variables that together name this job and no other.
    """

    rank: str
    size: str
    local_size: str
    job: tuple[str, ...]


#: From the innermost: torchrun is started by srun or mpirun, not the other way round.
LAUNCHERS = (
    Launcher("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", ("TORCHELASTIC_RUN_ID",)),
    Launcher("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", ("PMIX_NAMESPACE",)),
    Launcher("MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE", ()),
    Launcher("PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", ()),
    Launcher("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "", ("SLURM_JOB_ID", "SLURM_STEP_ID")),
)


def variable(name: str) -> str:
    """Return a variable of the environment that is none of our settings, empty where it is not set."""
    return os.environ.get(name, "")


def hand_down(name: str, text: str) -> None:
    """Set a variable for the processes that this one will start."""
    os.environ[name] = text


def get(name: str) -> Any:
    """Return the value of a setting, from the environment or its default.

    Raises:
        InvalidSetting: the environment holds a value that cannot be read.
    """
    setting = SETTINGS[name]
    text = os.environ.get(name)
    if text is None:
        return setting.default
    try:
        return setting.parse(text)
    except (ValueError, OverflowError):  # the latter of infinities
        message = f"{name}={text!r} makes no sense. {setting.help} Unset it, or set it to such a value."
        raise InvalidSetting(message) from None


def environment(**values: str) -> dict[str, str]:
    """Return the environment with some values changed, for a program that is started."""
    return {**os.environ, **values}


def user() -> str:
    """Return the name of the user, never failing where the system knows none (containers)."""
    name = get("ML_LOGGER_USER")
    if name:
        return str(name)
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else "user"


def expand(text: str) -> str:
    """Replace `$NAME` and `${NAME}` by the environment's value; unknown names are an error, not an empty string."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise InvalidSetting(
                f"{text!r} names ${name}, which is not set in the environment. Set it, or leave it out."
            )
        return os.environ[name]

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, text)


def spool_folder() -> Path:
    """Return the folder that holds the spools of all servers: a state folder of the user, that survives a reboot.

    Where there is no writable home, a folder of this user among the temporary files: one that nobody else has made,
    or could write to.
    """
    chosen = get("ML_LOGGER_SPOOL")
    if chosen:
        return Path(chosen).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME")
    home = Path(state) if state and os.path.isabs(state) else Path(os.path.expanduser("~")) / ".local" / "state"
    if home.is_absolute() and _can_create(home):
        return home / "ml_logger" / "spool"
    import tempfile

    name = f"ml_logger-{user()}"
    for candidate in (name, *(f"{name}-{number}" for number in range(1, 10))):
        folder = Path(tempfile.gettempdir()) / candidate
        if _is_ours(folder):
            return folder / "spool"
    return Path(tempfile.mkdtemp(prefix=f"{name}-")) / "spool"


def _is_ours(folder: Path) -> bool:
    """Make a folder, or see that the one that is there is of this user, and for nobody else to write to."""
    with suppress(OSError):
        folder.mkdir(mode=0o700)
    try:
        status = folder.lstat()
    except OSError:
        return False
    is_mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return stat.S_ISDIR(status.st_mode) and is_mine and not status.st_mode & 0o022


def cache_folder() -> Path | None:
    """Return the folder for what can be had again, in the cache of the user; None where there is no place for it."""
    chosen = get("ML_LOGGER_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    home = Path(cache) if cache and os.path.isabs(cache) else Path(os.path.expanduser("~")) / ".cache"
    return home / "ml_logger" if home.is_absolute() and _can_create(home) else None


def _can_create(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def colored(stream: TextIO | None) -> bool:
    """Tell whether colors belong on a stream: NO_COLOR wins, then FORCE_COLOR, then whether it is a terminal."""
    if get("NO_COLOR"):
        return False
    if get("FORCE_COLOR"):
        return True
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # a replaced stdout without isatty, or a closed one
        return False
