"""Starting a child process: by fork, which is quick, or by a fresh interpreter, which inherits nothing but its board."""

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import attrs

from fq.worker.board import Board
from fq.worker.child_process import run_child
from fq.worker.orders import ORDERS, Orders
from fq.worker.settings import WorkerSettings
from fq.worker.streams import flush

if TYPE_CHECKING:
    from fq.app import App


def fork(app: "App", settings: WorkerSettings, name: str, board: Board) -> int:
    """Fork a child that runs *app*, and return its process id. What it is told meanwhile waits until it listens."""
    flush()
    supervisor = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, ORDERS)
    if pid := os.fork():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
        return pid
    orders = Orders()
    orders.listen()
    run_child(app, settings, name, supervisor, board, orders)


def spawn(app_path: str, settings: WorkerSettings, name: str, board: Board) -> int:
    """Start a fresh interpreter that imports *app_path* and runs it, and return its process id."""
    os.set_inheritable(board.descriptor, True)
    order = json.dumps(
        {"app": app_path, "settings": attrs.asdict(settings), "name": name, "supervisor": os.getpid(), "board": board.descriptor}
    )
    return os.posix_spawn(sys.executable, [sys.executable, "-m", "fq.worker.launch", order], os.environ, setsigmask=ORDERS)


def main(order: str) -> None:
    """What a spawned child does first: listen, find the app, and run it."""
    orders = Orders()
    orders.listen()
    from fq.cli.common import load_app
    from fq.observe.endpoint import join_metrics

    fields = json.loads(order)
    settings = WorkerSettings(**fields["settings"])
    board = Board(slots(settings), fields["board"])
    app = load_app(fields["app"])
    join_metrics(app)
    run_child(app, settings, fields["name"], fields["supervisor"], board, orders)


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


if __name__ == "__main__":
    main(sys.argv[1])
