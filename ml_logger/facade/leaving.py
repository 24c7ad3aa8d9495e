"""How a process leaves: every logger writes its pending rows, and all deliver within one time limit."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any, NamedTuple

from ml_logger import config
from ml_logger.notices import notice
from ml_logger.stores.base import Deadline, Store

#: Seconds that SIGTERM waits for a call that logs to come to its end.
_LOCK_PATIENCE = 2.0


class Leaver(NamedTuple):
    """A logger, as far as leaving is concerned.

    Fields:
        hurry: lets no call wait for anything any longer.
        write: writes the pending rows, and lets later ones be written at once.
        take_stores: returns the stores, which are to be closed.
        lock: returns the lock that is held while something is logged.
    """

    hurry: Callable[[], None]
    write: Callable[[], None]
    take_stores: Callable[[], list[Store]]
    lock: Callable[[], threading.RLock]


class Leaving:
    """The end of this process, for all of its loggers at once: ten of them do not leave one after the other."""

    def __init__(self) -> None:
        self._leavers: list[Leaver] = []
        self._pid = 0
        self._before: Any = None
        self._terminated = self._is_running = False
        self.has_ended = False  # nothing that is logged from here on finds a hook at the end
        self._passed_over: int | None = None
        self._is_installed = False  # only once: one that was installed later may pass on to us, for ever

    def add(self, leaver: Leaver) -> None:
        """See to it that a logger leaves properly when this process ends; the child of a fork begins anew."""
        if self._pid != os.getpid():
            self._leavers, self._pid, self._terminated, self.has_ended = [], os.getpid(), False, False
            self._register()
        self._leavers.append(leaver)
        if config.get("ML_LOGGER_SIGTERM"):
            self._install()

    def discard(self, leaver: Leaver) -> None:
        """Forget a logger that was closed."""
        self._leavers = [other for other in self._leavers if other is not leaver]

    def _register(self) -> None:
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            # Children of multiprocessing end without running atexit.
            from multiprocessing import util

            util.Finalize(None, self._end, exitpriority=100)
        else:
            atexit.register(self._end)

    def _end(self) -> None:
        self.has_ended = self._pid == os.getpid()
        self.run()

    def run(self) -> None:
        """Write, deliver and close, within the time limit of the settings; nothing is raised."""
        if self._pid != os.getpid():
            return  # registered in a parent, inherited through a fork
        self._is_running = True
        leavers, self._leavers = self._leavers, []
        deadline = Deadline(config.get("ML_LOGGER_EXIT_TIMEOUT"))
        stores: list[Store] = []
        for leaver in leavers:
            if not _write(leaver):
                deadline = Deadline(0.0)  # Ctrl-C: what is pending is still written, but nobody waits for a server
            stores += leaver.take_stores()
        self._close(stores, deadline)
        self._is_running = False
        if self._passed_over is not None:
            os.kill(os.getpid(), self._passed_over)

    def _close(self, stores: list[Store], deadline: Deadline) -> None:
        for store in stores:
            store.hurry()
        for store in stores:
            try:
                try:
                    store.close(deadline.left(), config.get("ML_LOGGER_EXIT_SILENCE"))
                except KeyboardInterrupt:
                    deadline = Deadline(0.0)
                    store.close(0.0)
            except KeyboardInterrupt:
                notice("interrupted twice while leaving; what is in a spool can be sent with: ml-logger push")
            except Exception as error:  # the process ends: all that is left to do is to say it
                notice(f"the end of the log could not be delivered: {type(error).__name__}: {error}")

    # ---------------------------------------------------------------- SIGTERM, where the setting asks for it

    def _install(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            notice("ML_LOGGER_SIGTERM takes effect when a logger is configured in the main thread, which this is not")
            return
        handler = signal.getsignal(signal.SIGTERM)
        if handler != self._on_sigterm and not self._is_installed:
            self._before, self._is_installed = handler, True
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        if self._is_running and not self._terminated:
            self._passed_over = number  # it ends already, and passes the signal on when everything is said
            return
        if not self._terminated:
            self._terminated = True
            # In a thread: what this handler has interrupted may be a call that logs, and must come to its end first.
            thread = threading.Thread(target=self._leave_and_pass_on, args=(number,), daemon=True)
            try:
                thread.start()
                return
            except RuntimeError:
                pass  # no thread can be had any more
        self._terminated = False
        if callable(self._before):
            self._before(number, frame)
        elif self._before is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _leave_and_pass_on(self, number: int) -> None:
        deadline = Deadline(_LOCK_PATIENCE)
        for leaver in self._leavers:
            leaver.hurry()
        with ExitStack() as held:
            # Held to the end: a training that goes on meanwhile waits when it wants to log the next time.
            for leaver in [*self._leavers]:
                lock = leaver.lock()
                if lock.acquire(timeout=deadline.left() or 0.0):
                    held.callback(lock.release)
                else:  # stuck in a print, or waiting for its server: it must not keep the signal for ever
                    self.discard(leaver)
            self.run()
            os.kill(os.getpid(), number)


def _write(leaver: Leaver) -> bool:
    """Write the pending rows of a logger; return False when Ctrl-C came meanwhile, after which it is done once more."""
    for last in (False, True):
        try:
            leaver.hurry()  # first: a call that waits for room, for ever, holds the lock that writing needs
            leaver.write()
            return not last
        except KeyboardInterrupt:
            continue
        except Exception as error:  # the other loggers have something to say, too
            notice(f"the end of the log could not be written: {type(error).__name__}: {error}")
            return not last
    return False


LEAVING = Leaving()
"""Besides the singleton the only state of the package: a process ends once, however many loggers it has."""
