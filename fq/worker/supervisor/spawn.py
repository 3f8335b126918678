"""Starting a child process: by fork, which is quick, or by a fresh interpreter, which inherits nothing but its board."""

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import attrs

from fq.worker.inherited_descriptors import handed_to_child, leave_to_parent
from fq.worker.interpreter import python
from fq.worker.log_setup import LogSettings
from fq.worker.process.control_signals import ORDERS, Orders
from fq.worker.process.main import run_child
from fq.worker.process_hygiene import disown_inherited, lead_a_session
from fq.worker.scoreboard import Board
from fq.worker.settings import WorkerSettings
from fq.worker.standard_streams import flush

if TYPE_CHECKING:
    from fq.app.app import App


def fork_child(app: "App", settings: WorkerSettings, name: str, board: Board) -> int:
    """
    Fork a child that runs *app*, and return its process id. What it is told meanwhile waits until it listens.

    Raises:
        OSError: the machine has no process to spare.
    """
    flush()
    supervisor = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, ORDERS)
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid:  # the child goes on holding them back, until it listens
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
    if pid:
        return pid
    lead_a_session()
    disown_inherited()
    leave_to_parent()
    run_child(lambda: app, settings, name, supervisor, board, Orders())


def spawn_child(entry_point: str, app_path: str, settings: WorkerSettings, name: str, board: Board, logs: LogSettings) -> int:
    """
    Start a fresh interpreter that calls ``main`` of the module *entry_point* with all the rest as JSON, and return its process id.

    Raises:
        OSError: the machine cannot start another process, or the interpreter is gone.
    """
    fields = {"app": app_path, "settings": attrs.asdict(settings), "name": name, "supervisor": os.getpid(), "board": board.descriptor}
    order = json.dumps({**fields, "logs": logs.to_json()})
    with handed_to_child([board.descriptor]) as environment:
        return os.posix_spawn(sys.executable, python(entry_point, order), environment, setsigmask=ORDERS)


def slots(settings: WorkerSettings) -> int:
    """Return how many slots the board of a child needs: one a thread, that for messages in quarantine among them, and two for the event loop."""
    return settings.threads + 3


def memory_of(pid: int) -> int:
    """Return the resident memory of a process in bytes, 0 where that cannot be told."""
    try:
        with open(f"/proc/{pid}/statm") as statm:  # noqa: PTH123  # no path is wanted of it
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
