"""
`PreflightCheck`: before a reload, a process of its own finds out whether the new code would start, while the worker goes on. Mutable shell.

That process runs the same command line, and ends where the supervisor would start its children. So it fails for whatever would end the worker.
"""

import os
import sys
import tempfile
from threading import Thread
from time import monotonic

from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import handed_to_program
from fq.worker.process_hygiene import kill_group, kill_what_is_left, lead_a_session
from fq.worker.supervisor.sidecars import end_with

log = logger("fq.worker")

PREFLIGHT = "FQ_REHEARSAL"
"""Environment variable with the process id of the supervisor that the program could replace: it makes this program a preflight check."""

MAX_LOGGED_BYTES = 4_000
"""How much of a failed check's output is logged: the end of it."""


class PreflightCheck:
    """
    Runs one check at a time.

    Attributes:
        passed: would the new code start?

        duration_ms: how long the last check took.
    """

    def __init__(self) -> None:
        self.passed = False
        self.duration_ms = 0
        self._pid = 0
        self._started_at = 0.0
        self._output = -1

    def start(self) -> None:
        """Start a check, and abandon the one that runs: the code may have changed since."""
        self.abandon()
        self._started_at = monotonic()
        try:
            with tempfile.TemporaryFile(buffering=0) as file:
                self._output = os.dup(file.fileno())
            actions = [(os.POSIX_SPAWN_DUP2, self._output, number) for number in (1, 2)]
            with handed_to_program() as environment:
                environment[PREFLIGHT] = str(os.getpid())
                self._pid = os.posix_spawn(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment, file_actions=actions)
        except OSError as error:
            log.error("not reloading: the process that checks the new code cannot be started: %s", error)

    def abandon(self) -> None:
        """Kill the check that runs, and forget the result of the last one."""
        self.passed = False
        if self._pid:
            kill_group(self._pid)
        self._pid = 0
        self._take_output()

    def reaped(self, pid: int, status: int) -> None:
        """If *pid*, which has changed its state, is the check and has ended, note its result."""
        if pid != self._pid or not (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            return
        kill_what_is_left(pid)
        self._pid = 0
        self.duration_ms = int((monotonic() - self._started_at) * 1_000)
        code, output = os.waitstatus_to_exitcode(status), self._take_output()
        self.passed = code == 0
        if code:
            log.error("not reloading: the new code does not start: %s", output or f"exit code {code}")

    def _take_output(self) -> str:
        """Return the end of what the check has printed, and forget it."""
        if self._output < 0:
            return ""
        with open(self._output, "rb") as file:  # noqa: PTH123  # it has no path
            file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_LOGGED_BYTES))
            output = file.read().decode("utf-8", "replace").strip()
        self._output = -1
        return output


def is_preflight() -> bool:
    """Is this program a preflight check? Then it ends with its parent, however long the app takes to import."""
    parent = os.environ.pop(PREFLIGHT, "")
    if parent != str(os.getppid()):
        return False
    lead_a_session()
    Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    return True
