"""`running`: a process that a test starts, which does not outlive the test."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psutil


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen]:
    """
    Run *command*, with the *options* of `subprocess.Popen`, while the block runs.

    However the block ends, the process is killed if it is still there, waited for, and its pipes are closed: what is left of a test that fails would
    be a warning in a later one. With ``start_new_session=True``, the processes that it started are killed, too.
    """
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            kill(process, whole_group=options.get("start_new_session", False))


def kill(process: subprocess.Popen, *, whole_group: bool = False) -> None:
    """
    Kill *process*, unless it has been waited for, and wait for it.

    *whole_group*: kill its group and all that descends from it, too, and wait for their end: the children of a worker have groups of their own.
    """
    if process.poll() is None:
        descendants = _descendants(process) if whole_group else []
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL) if whole_group else process.kill()
        for each in descendants:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(descendants, timeout=10)
    process.wait()


def _descendants(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    """Does *process* run? It may stay a zombie where the first process of a container collects none."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
