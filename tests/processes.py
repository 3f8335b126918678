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
    """Kill *process*, unless it has been waited for, and wait for it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL) if whole_group else process.kill()
    process.wait()


def is_alive(process: psutil.Process) -> bool:
    """Does *process* run? It may stay a zombie where the first process of a container collects none."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
