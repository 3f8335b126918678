"""Starting a child process: by fork, which is quick, or by a fresh interpreter, which inherits nothing but its board."""

import json
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import attrs
from attrs import evolve

from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import handed_to_child, leave_to_parent, take_over
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

log = logger("fq.worker")


def fork(app: "App", settings: WorkerSettings, name: str, board: Board) -> int:
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


def spawn(app_path: str, settings: WorkerSettings, name: str, board: Board, logs: LogSettings | None = None) -> int:
    """
    Start a fresh interpreter that imports *app_path* and runs it, logging as *logs* say, and return its process id.

    Raises:
        OSError: the machine has no process to spare, or the interpreter is gone.
    """
    fields = {"app": app_path, "settings": attrs.asdict(settings), "name": name, "supervisor": os.getpid(), "board": board.descriptor}
    order = json.dumps({**fields, "logs": None if logs is None else logs.to_json()})
    with handed_to_child([board.descriptor]) as environment:
        return os.posix_spawn(sys.executable, python("fq.worker.supervisor.spawn", order), environment, setsigmask=ORDERS)


def main(order: str) -> None:
    """What a spawned child does first: listen, find the app, and run it."""
    take_over()
    lead_a_session()
    orders = Orders()
    orders.listen()
    fields = json.loads(order)
    if fields["logs"] is not None:
        _log_as(LogSettings.from_json(fields["logs"]))
    settings = WorkerSettings(**fields["settings"])
    board = Board(slots(settings), fields["board"])
    run_child(partial(_app_at, fields["app"]), settings, fields["name"], fields["supervisor"], board, orders)


def _log_as(logs: LogSettings) -> None:
    try:
        logs.set_up()
    except OSError as error:  # the folder of the file is gone, say, which keeps no child that has the file open from working
        evolve(logs, file=None).set_up()
        log.error("%s: the log cannot be written: %s", logs.file, error.strerror)


def _app_at(path: str) -> "App":
    from fq.cli.common import load_app
    from fq.observe.endpoint import join_metrics

    app = load_app(path)
    join_metrics(app)
    return app


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
