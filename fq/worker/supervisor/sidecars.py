"""`Sidecars`: processes that run beside the children of a worker, such as the one that serves its metrics. Mutable shell."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic
from typing import Never

from attrs import define

from fq.runtime.logger import logger
from fq.worker.process_hygiene import kill_group, kill_what_is_left, lead_a_session
from fq.worker.standard_streams import flush

log = logger("fq.worker")

RESTART_DELAY_SECONDS = 1.0
"""How long a sidecar that failed waits until it is started again."""

KILL_AFTER_SECONDS = 2.0
"""How long sidecars may take to end before they are killed."""


@define(eq=False)
class Sidecar:
    """Mutable: a function, and the id of the process that runs it, 0 without one."""

    run: Callable[[], object]
    pid: int = 0
    start_at: float = 0.0


class Sidecars:
    """Keeps a process running for each of *functions* until the function returns, or `stop` is called."""

    def __init__(
        self,
        functions: Iterable[Callable[[], object]] = (),
        restart_delay_seconds: float = RESTART_DELAY_SECONDS,
        kill_after_seconds: float = KILL_AFTER_SECONDS,
    ) -> None:
        self._sidecars = [Sidecar(function) for function in functions]
        self._restart_delay_seconds = restart_delay_seconds
        self._kill_after_seconds = kill_after_seconds

    def start_missing(self) -> None:
        """Start those that do not run."""
        now = monotonic()
        for sidecar in self._sidecars:
            if not sidecar.pid and sidecar.start_at <= now:
                try:
                    sidecar.pid = _fork(sidecar.run)
                except OSError as error:
                    sidecar.start_at = now + self._restart_delay_seconds
                    log.error("a process for %s cannot be started, trying again: %s", name_of(sidecar.run), error)

    def reaped(self, pid: int, status: int) -> None:
        """If *pid*, which has changed its state, is a sidecar and has ended, plan its next start."""
        sidecar = next((sidecar for sidecar in self._sidecars if sidecar.pid == pid), None)
        if sidecar is None or not (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            return
        code = os.waitstatus_to_exitcode(status)
        sidecar.pid, sidecar.start_at = 0, monotonic() + self._restart_delay_seconds if code else float("inf")
        if code:
            log.error("process %d, which ran %s, ended with exit code %d: starting it again", pid, name_of(sidecar.run), code)

    def stop(self) -> None:
        """End all of them, and wait for it; `start_missing` starts those that were running again."""
        deadline = monotonic() + self._kill_after_seconds
        for sidecar in self._sidecars:
            if sidecar.pid:
                with suppress(ProcessLookupError):
                    os.kill(sidecar.pid, signal.SIGTERM)
        for sidecar in self._sidecars:
            while sidecar.pid and not _has_ended(sidecar.pid):
                if monotonic() > deadline:
                    kill_group(sidecar.pid)
                time.sleep(0.01)
            if sidecar.pid:
                kill_what_is_left(sidecar.pid)
            sidecar.pid = 0


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _fork(run: Callable[[], object]) -> int:
    flush()
    supervisor = os.getpid()
    return os.fork() or _run(run, supervisor)


def _run(run: Callable[[], object], supervisor: int) -> Never:
    """Run a sidecar, and end this process."""
    code = 1
    try:
        lead_a_session()
        threading.Thread(target=end_with, args=(supervisor,), daemon=True).start()
        run()
        code = 0
    except BaseException:
        log.exception("%s cannot go on", name_of(run))
    finally:
        try:
            logging.shutdown()
            flush()
        finally:
            os._exit(code)


def end_with(supervisor: int) -> None:
    """End this process when *supervisor* is no longer its parent."""
    while os.getppid() == supervisor:
        time.sleep(1.0)
    os._exit(0)


def name_of(run: Callable[[], object]) -> str:
    """Return what the log calls *run*: its `name`, if it has one."""
    if isinstance(name := getattr(run, "name", None), str):
        return name
    function = getattr(run, "func", run)  # of a functools.partial
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
