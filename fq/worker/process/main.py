"""`run_child`: what a child process of the supervisor does, from its start to its end."""

import gc
import logging
import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Never

from fq.core.events import ProcessBooted
from fq.runtime.logger import logger
from fq.worker.process.control_signals import Orders
from fq.worker.process.worker import Child
from fq.worker.process_hygiene import end_what_was_started, run_exit_handlers
from fq.worker.scoreboard import Board
from fq.worker.settings import WorkerSettings
from fq.worker.standard_streams import flush

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.worker")

USUAL = (700, 2_000)
"""How many new objects the cyclic garbage collector lets pass where nobody has set that, by the version of Python."""

CALM = 10_000
"""How many it lets pass here."""

FOREVER = 1_000_000_000_000
"""How long a child that retires may take, ms: decades."""


def run_child(find: "Callable[[], App]", settings: WorkerSettings, name: str, supervisor: int, board: Board, orders: Orders) -> Never:
    """
    Run messages of the app that *find* returns until *orders* say to end, or until *supervisor*, the process that started this one, is gone.

    Then end this process.
    """
    code = 1
    try:
        orders.listen()
        code = _run(find(), settings, name, supervisor, board, orders)
    except BaseException:
        log.exception("worker process %d cannot go on", os.getpid())
    finally:
        end(code)  # a fork that went on from here would take itself for the supervisor


def end(code: int) -> Never:
    """End this process, and what it has started."""
    try:
        logging.shutdown()
        flush()
        end_what_was_started()
    finally:
        os._exit(code)  # threads may be stuck in actors: an ordinary exit would wait for them, or run them into a dead interpreter


def calm_collector() -> None:
    """
    Let the cyclic garbage collector look less often, and never again at what is here already, unless the app has settings of its own.

    fq's own objects need no collector. Looked at by the thousand while they are in flight, messages would cost a sixth of a worker's time.
    """
    if gc.isenabled() and gc.get_threshold()[0] in USUAL:
        gc.collect()
        gc.freeze()
        gc.set_threshold(CALM)


def _run(app: "App", settings: WorkerSettings, name: str, supervisor: int, board: Board, orders: Orders) -> int:
    child = Child(app, settings, name, board)
    orders.obeyed_by(child.pump.pause)
    app.registry.emit(ProcessBooted())
    orders.listen()  # once more, since the app may have set handlers of its own
    calm_collector()
    child.start()
    board.beat(0)
    code = 0
    while not orders.end:
        orders.wait(1.0)
        child.beat(board)
        if os.getppid() != supervisor:
            log.error("the supervisor is gone: stopping")
            break
        if child.lost is not None:
            log.error("worker process %d ends, to be replaced", os.getpid())
            code = 1
            break
    _drain(child, board, orders, supervisor)
    run_exit_handlers(lambda: orders.hurry, lambda: end(code))
    app.broker.close()
    return code


def _drain(child: Child, board: Board, orders: Orders, supervisor: int) -> None:
    """Let *child* finish what runs, for as long as it may, which can become less meanwhile."""
    stopping = threading.Thread(target=child.stop, args=(FOREVER,), daemon=True)
    give_up_at = float("inf")
    stopping.start()
    while stopping.is_alive():
        give_up_at = min(give_up_at, monotonic() + _patience(child, orders, os.getppid() != supervisor) / 1_000)
        if monotonic() >= give_up_at:
            child.pump.give_up()
        stopping.join(0.1)
        child.beat(board)


def _patience(child: Child, orders: Orders, orphaned: bool) -> float:
    """Return how long to wait for what runs, from now on, ms."""
    settings = child.settings
    if orders.hurry or not child.pump.alive:  # what finishes without a pump is never committed
        return 0
    if child.lost is not None:
        return settings.shutdown_timeout
    if orphaned:  # nobody renews its lease
        return min(settings.shutdown_timeout, settings.heartbeat)
    return settings.shutdown_timeout if orders.stop else FOREVER
