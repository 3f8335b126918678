"""
`Rehearsal`: whether new code could take over is found out in a process of its own, while the worker goes on. Mutable shell.

That process runs the same command line, and ends where there would be children to start: so it meets whatever would end the worker.
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

REHEARSAL = "FQ_REHEARSAL"
"""Environment variable with the id of the process whose place a program could take: to find that out is all that it is to do."""

LAST_WORDS = 4_000
"""So many bytes of what a rehearsal says at the end are enough for the log."""


class Rehearsal:
    """
    At most one is under way.

    Attributes:
        passed: can the new code take over?

        took: how long it took to find that out, ms.
    """

    def __init__(self) -> None:
        self.passed = False
        self.took = 0
        self._pid = 0
        self._began = 0.0
        self._output = -1

    def begin(self) -> None:
        """Start one, and give up the one that is under way: the code may have changed since that began."""
        self.abandon()
        self._began = monotonic()
        try:
            with tempfile.TemporaryFile(buffering=0) as file:
                self._output = os.dup(file.fileno())
            actions = [(os.POSIX_SPAWN_DUP2, self._output, number) for number in (1, 2)]
            with handed_to_program() as environment:
                environment[REHEARSAL] = str(os.getpid())
                self._pid = os.posix_spawn(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment, file_actions=actions)
        except OSError as error:
            log.error("not reloading, since the new code cannot be tried: %s", error)

    def abandon(self) -> None:
        """Give up the one that is under way, and forget how the last one went."""
        self.passed = False
        if self._pid:
            kill_group(self._pid)
        self._pid = 0
        self._last_words()

    def reaped(self, pid: int, status: int) -> None:
        """Learn that the process *pid* has ended, or otherwise changed, which may be another."""
        if pid != self._pid or not (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            return
        kill_what_is_left(pid)
        self._pid = 0
        self.took = int((monotonic() - self._began) * 1_000)
        code, said = os.waitstatus_to_exitcode(status), self._last_words()
        self.passed = code == 0
        if code:
            log.error("not reloading, since the new code cannot take over: %s", said or f"it ends with {code}")

    def _last_words(self) -> str:
        """Return what was said at the end, and forget it."""
        if self._output < 0:
            return ""
        with open(self._output, "rb") as file:  # noqa: PTH123  # it has no path
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_WORDS))
            said = file.read().decode("utf-8", "replace").strip()
        self._output = -1
        return said


def rehearsing() -> bool:
    """Is this program no more than a rehearsal? Then it ends with its parent at the latest, however long the app takes to import."""
    parent = os.environ.pop(REHEARSAL, "")
    if parent != str(os.getppid()):
        return False
    lead_a_session()
    Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    return True
