"""`Helpers`: processes that run beside the children of a worker, such as the one that serves its metrics. Mutable shell."""

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

PAUSE = 1.0
"""How long a helper that died waits before it is started again, in seconds."""

LAST_WAIT = 2.0
"""How long helpers may take to end before they are killed, in seconds."""


@define(eq=False)
class Helper:
    """Mutable: a function, and the process that runs it, 0 while none does."""

    run: Callable[[], object]
    pid: int = 0
    start_at: float = 0.0


class Helpers:
    """Keeps a process running for each of *functions* until it returns, or `stop` is called."""

    def __init__(self, functions: Iterable[Callable[[], object]] = ()) -> None:
        self._helpers = [Helper(function) for function in functions]

    def start_missing(self) -> None:
        """Start those that do not run."""
        now = monotonic()
        for helper in self._helpers:
            if not helper.pid and helper.start_at <= now:
                try:
                    helper.pid = _fork(helper.run)
                except OSError as error:
                    helper.start_at = now + PAUSE
                    log.error("a process for %s cannot be started now, which is tried again: %s", _name(helper.run), error)

    def reaped(self, pid: int, status: int) -> None:
        """Learn that the process *pid* has ended, or otherwise changed, which may be none of these."""
        helper = next((helper for helper in self._helpers if helper.pid == pid), None)
        if helper is None or not (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            return
        code = os.waitstatus_to_exitcode(status)
        helper.pid, helper.start_at = 0, monotonic() + PAUSE if code else float("inf")
        if code:
            log.error("process %d, which ran %s, ended with %d: it is started again", pid, _name(helper.run), code)

    def stop(self) -> None:
        """End all of them, and wait for that; those that were running can be started again."""
        deadline = monotonic() + LAST_WAIT
        for helper in self._helpers:
            if helper.pid:
                with suppress(ProcessLookupError):
                    os.kill(helper.pid, signal.SIGTERM)
        for helper in self._helpers:
            while helper.pid and not _ended(helper.pid):
                if monotonic() > deadline:
                    kill_group(helper.pid)
                time.sleep(0.01)
            if helper.pid:
                kill_what_is_left(helper.pid)
            helper.pid = 0


def _ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _fork(run: Callable[[], object]) -> int:
    flush()
    supervisor = os.getpid()
    return os.fork() or _run(run, supervisor)


def _run(run: Callable[[], object], supervisor: int) -> Never:
    """Run a helper, to the end of this process."""
    code = 1
    try:
        lead_a_session()
        threading.Thread(target=end_with, args=(supervisor,), daemon=True).start()
        run()
        code = 0
    except BaseException:
        log.exception("%s cannot go on", _name(run))
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


def _name(run: Callable[[], object]) -> str:
    function = getattr(run, "func", run)  # of a functools.partial
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}"
