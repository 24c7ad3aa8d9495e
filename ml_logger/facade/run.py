"""Around a run: its state, its signs of life, errors that end it, and where its code comes from."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from ml_logger import config, jobs, timers
from ml_logger.errors import Gone
from ml_logger.facade.files import PathLike
from ml_logger.facade.timing import Timing
from ml_logger.keys import PRIVATE
from ml_logger.notices import notice, plural
from ml_logger.stores.base import Receipt

HEARTBEAT_FILE = "heartbeat.json"
SIGNALS_FILE = "signals.jsonl"
#: The states of a job, and the name of the time at which it came about.
STATES = {
    "created": "createTime",
    "requested": "requestTime",
    "started": "startTime",
    "running": "runTime",
    "paused": "pauseTime",
    "completed": "completionTime",
    "errored": "errorTime",
}


class Run(Timing):
    """The verbs for what happens around the training."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        self._heartbeat: Any = None
        super().__init__(*args, **kw)

    # ---------------------------------------------------------------- the state of the job

    def job_created(self, job: Any = None, **namespaces: Any) -> Receipt:
        """Log that the job was created: `job.status` and `job.createTime` (UTC), beside other parameters."""
        return self._job("created", job, namespaces)

    def job_requested(self, job: Any = None, **namespaces: Any) -> Receipt:
        """Log that the job was requested: `job.status` and `job.requestTime` (UTC), beside other parameters."""
        return self._job("requested", job, namespaces)

    def job_started(self, job: Any = None, **namespaces: Any) -> Receipt:
        """Log that the job was started: `job.status` and `job.startTime` (UTC): `job_started(Args=vars(Args))`."""
        return self._job("started", job, namespaces)

    def job_running(self, job: Any = None, **namespaces: Any) -> Receipt:
        """Log that the job is running: `job.status` and `job.runTime` (UTC), beside other parameters."""
        return self._job("running", job, namespaces)

    def job_paused(self, job: Any = None, **namespaces: Any) -> Receipt:
        """Log that the job was paused: `job.status` and `job.pauseTime` (UTC), beside other parameters."""
        return self._job("paused", job, namespaces)

    def job_completed(self, job: Any = None, **namespaces: Any) -> Receipt:
        """Log that the job was completed: `job.status` and `job.completionTime` (UTC), beside other parameters."""
        return self._job("completed", job, namespaces)

    def job_errored(self, job: Any = None, **namespaces: Any) -> Receipt:
        """Log that the job has failed: `job.status` and `job.errorTime` (UTC), beside other parameters."""
        return self._job("errored", job, namespaces)

    def _job(self, status: str, job: Any, namespaces: dict[str, Any]) -> Receipt:
        moment = datetime.datetime.fromtimestamp(self._clock(), datetime.timezone.utc).isoformat()
        known = dict(job if isinstance(job, Mapping) else vars(job)) if job is not None else {}
        return self.log_params(job={**known, "status": status, STATES[status]: moment}, **namespaces)

    # ---------------------------------------------------------------- signs of life, and errors

    def ping(self, status: str = "running", interval: float | None = None) -> tuple[Any, ...]:
        """Tell from now on that the run lives, and return the signals that have come since the last call; never waits.

        A thread writes `heartbeat.json` when the status changes and every `interval` seconds, and reads what
        `send_signal` has left. Each signal is returned once, in order, also when the program is started again.

        Args:
            status: what the run does.
            interval: seconds, 120 by default.
        """
        from ml_logger.heartbeat import Heartbeat, Target

        if self._heartbeat is None:
            self._heartbeat = Heartbeat(self._clock)
        target = Target(self._store, self._key(HEARTBEAT_FILE), self._key(SIGNALS_FILE))
        signals: tuple[Any, ...] = self._heartbeat.ping(target, status, interval)
        return signals

    def send_signal(self, signal: Any, *paths: PathLike) -> Receipt:
        """Leave a signal for a run, which its `ping` returns: `send_signal("stop", "/me/exp-1")`.

        Args:
            signal: a text, or anything that JSON holds.
            paths: the folder of the run; this logger's own by default.

        Raises:
            UnsupportedValue: JSON cannot hold the signal.
        """
        from ml_logger.encoders import documents

        line = documents.encode_line({"signal": signal, "time": self._clock()})
        return self._append(self._key(*paths, SIGNALS_FILE), line)

    def close(self, timeout: float | None = None) -> None:
        """Write the pending rows, deliver what is left within the time limit (seconds), and let go of everything.

        By default it takes as long as the end of a program: 10 s, but 2 s where the server does not answer at all.
        What could not be delivered stays in the spool, and one line on stderr says so. The logger can be used again.
        """
        self._end_heartbeat()
        super().close(timeout)

    def _last_words(self) -> None:
        self._end_heartbeat()
        super()._last_words()

    def _end_heartbeat(self) -> None:
        heartbeat, self._heartbeat = self._heartbeat, None
        if heartbeat is not None:
            heartbeat.stop()

    def _after_fork(self) -> None:
        self._heartbeat = None  # the parent's thread is not here: the child tells of itself when it pings
        super()._after_fork()

    @contextmanager
    def capture_error(self, file: PathLike = "error.log", reraise: bool = True) -> Iterator[None]:
        """Log the traceback of an error that leaves a block: `with logger.capture_error():`; also a decorator.

        Args:
            file: where to; each error is added.
            reraise: False goes on behind the block after an error. Ctrl-C and the end of the program always go on up.
        """
        try:
            yield
        except Exception as error:
            self._log_error(file)
            if reraise:
                raise
            notice(f"{type(error).__name__}: {error}; caught, with its traceback in {os.fspath(file)}")
        except KeyboardInterrupt:
            self._log_error(file)
            raise

    def _log_error(self, file: PathLike) -> None:
        import traceback

        try:
            self.log_text(f"{timers.utcnow('%Y-%m-%d %H:%M:%S')} UTC\n{traceback.format_exc()}\n", file, silent=True)  # type: ignore[arg-type]
        except Exception as error:  # what is to be seen is the first error, not this one
            notice(f"the traceback could not be logged: {type(error).__name__}: {error}")

    # ---------------------------------------------------------------- where the code comes from

    def diff(
        self,
        diff_directory: PathLike = ".",
        diff_filename: PathLike = "index.diff",
        ref: str = "HEAD",
        silent: bool = False,
        verbose: bool = False,
    ) -> str | None:
        """Store what the code has that the last commit has not, as `index.diff`, a patch for `git apply`; return it.

        Files that are not tracked are included, but for those that git ignores, those above 1 MiB (10 MiB together),
        those below the log directory, and those that are there for secrets, such as `.env` and `*.pem`. Index and
        objects of the repository are not touched, and no shell runs. Secrets become `[redacted]`: texts behind names
        such as `password`, `token` and `api_key`; tokens of well-known form (AWS, GitHub, GitLab, Hugging Face, Slack,
        Google, PyPI, npm, `sk-...`, JSON web tokens); passwords in addresses; `Authorization` headers; private keys;
        and this logger's own token. It is a net, not a wall: do not rely on it for what must not leave.

        Args:
            diff_directory: a folder of the repository.
            diff_filename: the path.
            ref: the revision to compare with.
            silent, verbose: accepted for older programs; this prints nothing but what goes wrong.

        Returns:
            The patch; None, and nothing is stored, where there is no git, no repository, or no such revision.
        """
        from ml_logger import provenance
        from ml_logger.transport.access import token_for

        place = self._where()
        token = token_for(place.root, self._token)
        logs = (
            [os.path.join(place.root, inner) for inner in ("", place.prefix, PRIVATE)]
            if "://" not in place.root
            else []
        )
        found = provenance.patch(os.fspath(diff_directory), ref, (token,) if token else (), tuple(logs))
        if found.text is None:
            self._tell(f"no diff is stored: {found.why}")
            return None
        if found.left_out and not silent:
            names = ", ".join(map(ascii, found.left_out[:5]))
            more = ", ..." if len(found.left_out) > 5 else ""
            self._tell(
                f"{plural(len(found.left_out), 'untracked file')} not in the diff (large, or secret): {names}{more}"
            )
        self._write(self._key(diff_filename), found.text.encode("utf-8", "surrogateescape"))
        return found.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    @staticmethod
    def _tell(text: str) -> None:
        if jobs.prints():  # the ranks of a job have the same code, and the same to say
            notice(text)

    def rev_info(self) -> dict[str, str | None]:
        """Return the hash of the commit and the name of the branch, for `log_params(revision=logger.rev_info())`."""
        return {"hash": self.__head__, "branch": self.__current_branch__}

    def git_rev(self, branch: str = "HEAD") -> str | None:
        """Return the hash of a branch, a tag or any other revision; None where there is none, or no git."""
        from ml_logger import provenance

        return provenance.revision(branch)

    def git_tags(self) -> str | None:
        """Return the last tag, with the commits since and the hash where there are some; None where there is none."""
        from ml_logger import provenance

        return provenance.tags()

    @property
    def __head__(self) -> str | None:
        """The hash of the commit that is checked out; None without one."""
        return self.git_rev()

    @property
    def __current_branch__(self) -> str | None:
        """The name of the branch; None without one."""
        from ml_logger import provenance

        return provenance.branch()

    @property
    def __tags__(self) -> str | None:
        """The last tag, as `git_tags` tells it."""
        return self.git_tags()

    @property
    def hostname(self) -> str:
        """The name of this machine."""
        from ml_logger import provenance

        return provenance.hostname()

    @property
    def slurm_job_id(self) -> str | None:
        """The id of the job that SLURM runs; None elsewhere."""
        job: str | None = config.get("SLURM_JOB_ID")
        return job

    @staticmethod
    def fn_info(fn: Callable[..., Any]) -> dict[str, str | None]:
        """Return a function's name, first line of documentation, module and file, behind all wrappers."""
        from ml_logger import provenance

        return provenance.function_info(fn)

    # ---------------------------------------------------------------- gone

    def shell(self, *args: Any, **kw: Any) -> NoReturn:
        """Raise `Gone`: a server that runs what it is sent belongs to whoever reaches it."""
        raise Gone(
            "logger.shell is gone on purpose: a server that runs what it is sent belongs to whoever reaches it. Pack "
            "and unpack with make_archive, upload_dir and download_dir; run commands with ssh"
        )
