"""`run_child`: what a child process of the supervisor does, from its start to its end."""

import faulthandler
import gc
import logging
import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import Never

from fq.brokers.protocol import Broker
from fq.core.events import ProcessBooted
from fq.execution.registry import Registry
from fq.runtime.logger import logger
from fq.worker.process.control_signals import STACKS, ControlSignals, EndedEarly
from fq.worker.process.worker import Worker
from fq.worker.process_hygiene import end_what_was_started, run_exit_handlers
from fq.worker.scoreboard import Scoreboard
from fq.worker.settings import WorkerSettings
from fq.worker.standard_streams import flush

log = logger("fq.worker")

DEFAULT_GC_THRESHOLDS = (700, 2_000)
"""After how many new objects the cyclic garbage collector of a Python version looks, unless the app has changed that."""

GC_THRESHOLD = 10_000
"""After how many it looks here."""

NO_TIMEOUT_MS = 1_000_000_000_000
"""How long a child that drains may take: decades."""

Load = Callable[[], tuple[Registry, Broker]]
"""Imports the app, if need be."""


def run_child(load: Load, settings: WorkerSettings, name: str, supervisor: int, scoreboard: Scoreboard, signals: ControlSignals) -> Never:
    """
    Run messages of the app that *load* returns until *signals* ask to end, or until *supervisor*, the parent process, is gone.

    Then end this process.
    """
    code = 1
    try:
        signals.listen()
        with signals.ending_at_once():
            registry, broker = load()
        worker = Worker(registry, broker, settings, name, scoreboard)
        ended = _run(worker, registry, supervisor, scoreboard, signals)
        run_exit_handlers(lambda: signals.hurry, lambda: end(ended))
        broker.close()
        code = ended
    except EndedEarly:
        run_exit_handlers(lambda: signals.hurry, lambda: end(0))
        code = 0
    except BaseException:
        log.exception("worker process %d cannot go on", os.getpid())
    finally:
        end(code)  # a fork that went on from here would be a second supervisor


def end(code: int) -> Never:
    """End this process, and what it has started."""
    try:
        logging.shutdown()
        flush()
        end_what_was_started()
    finally:
        os._exit(code)  # an ordinary exit would wait for threads that are stuck in actors, or run them into a dead interpreter


def relax_garbage_collector() -> None:
    """
    Let the cyclic garbage collector look less often, and never at what is here already, unless the app has settings of its own.

    fq's own objects need no collector. If it looked at thousands of messages in flight, a worker would spend a sixth of its time on it.
    """
    if gc.isenabled() and gc.get_threshold()[0] in DEFAULT_GC_THRESHOLDS:
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)


def _run(worker: Worker, registry: Registry, supervisor: int, scoreboard: Scoreboard, signals: ControlSignals) -> int:
    signals.on_quiet(worker.dispatcher.pause)
    registry.emit(ProcessBooted())
    signals.listen()  # once more, since the app may have set handlers of its own
    faulthandler.register(STACKS, scoreboard.descriptor, all_threads=True, chain=True)  # it writes while other code holds the GIL, too
    relax_garbage_collector()
    worker.start()
    worker.heartbeat(scoreboard)
    code = 0
    while not signals.end:
        signals.wait(1.0)
        _show_life(worker, scoreboard, signals)
        if os.getppid() != supervisor:
            log.error("the supervisor is gone: stopping")
            break
        if worker.lost is not None:
            log.error("worker process %d ends, and will be replaced", os.getpid())
            code = 1
            break
    _drain(worker, scoreboard, signals, supervisor)
    return code


def _show_life(worker: Worker, scoreboard: Scoreboard, signals: ControlSignals) -> None:
    worker.heartbeat(scoreboard)
    if signals.take_stacks():
        scoreboard.write_stacks(worker.stacks())


def _drain(worker: Worker, scoreboard: Scoreboard, signals: ControlSignals, supervisor: int) -> None:
    """Let *worker* finish what runs, for as long as it may, which can become less meanwhile."""
    stopping = threading.Thread(target=worker.stop, args=(NO_TIMEOUT_MS,), daemon=True)
    give_up_at = float("inf")
    stopping.start()
    while stopping.is_alive():
        give_up_at = min(give_up_at, monotonic() + _allowed_ms(worker, signals, os.getppid() != supervisor) / 1_000)
        if monotonic() >= give_up_at:
            worker.dispatcher.give_up()
        stopping.join(0.1)
        _show_life(worker, scoreboard, signals)


def _allowed_ms(worker: Worker, signals: ControlSignals, orphaned: bool) -> float:
    """Return how long to wait for what runs, from now on."""
    settings = worker.settings
    if signals.hurry or not worker.dispatcher.alive:  # what finishes without a dispatcher is never committed
        return 0
    if worker.lost is not None:
        return settings.shutdown_timeout
    if orphaned:  # no process renews its lease
        return min(settings.shutdown_timeout, settings.heartbeat)
    return settings.shutdown_timeout if signals.stop else NO_TIMEOUT_MS
