"""A process of its own that watches Python files and sends a HUP: ``python -m fq.worker.watch FOLDER PID``. It ends with the process that it serves."""

import os
import signal
import sys


def main(folder: str, pid: int) -> None:
    """Send *pid* a HUP whenever a Python file below *folder* changes, until *pid* is no longer this process's parent."""
    from watchfiles import PythonFilter, watch

    for changes in watch(folder, watch_filter=PythonFilter(), yield_on_timeout=True, rust_timeout=1_000, raise_interrupt=False):
        if os.getppid() != pid:
            return
        if changes:
            os.kill(pid, signal.SIGHUP)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
