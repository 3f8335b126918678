"""A process that watches Python files, and zip files of them, and sends its parent a HUP when one changes: `main`. It ends with its parent."""

import os
import signal


def main(folder: str, supervisor: str) -> None:
    """Send the process *supervisor* a HUP whenever a Python file below *folder* changes, for as long as it is this process's parent."""
    from watchfiles import PythonFilter, watch

    pid = int(supervisor)
    for changes in watch(
        folder, watch_filter=PythonFilter(extra_extensions=(".pyz",)), yield_on_timeout=True, rust_timeout=1_000, raise_interrupt=False
    ):
        if os.getppid() != pid:
            return
        if changes:
            os.kill(pid, signal.SIGHUP)
