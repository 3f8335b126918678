"""What a process and those below it use: processor time and memory."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil

GRACE_SECONDS = 2.0
"""How long a worker may take to stop before it is killed."""


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Return *process* and those below it."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_of(process: psutil.Process) -> float:
    """Return the processor time of *process* and those below it, in seconds; those that have ended included."""
    total = 0.0
    for part in tree(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(part.cpu_times()[:4])  # user, system, and both of its children that have ended
    return total


def memory_of(process: psutil.Process) -> float:
    """Return the memory of *process* and those below it, in MB. What several processes share counts once (PSS)."""
    return sum(_proportional_kilobytes(part.pid) for part in tree(process)) / 1024


def _proportional_kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


@contextlib.contextmanager
def running(process: psutil.Popen) -> Iterator[psutil.Popen]:
    """End *process* and those below it with the context."""
    try:
        yield process
    finally:
        parts = tree(process)
        process.terminate()
        psutil.wait_procs(parts, GRACE_SECONDS)
        for part in parts:
            with contextlib.suppress(psutil.NoSuchProcess):
                part.kill()
        process.wait()
