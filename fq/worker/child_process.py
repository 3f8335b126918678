"""`run_child`: what a child process of the supervisor does, from the fork to its end."""

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from fq.events import ProcessBooted
from fq.worker.child import Child
from fq.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from fq.app import App

log = logging.getLogger("fq.worker")


def run_child(app: "App", settings: WorkerSettings, name: str, supervisor: int) -> None:
    """Run messages until told to stop, or until *supervisor*, the process that started this one, is gone; then end this process."""
    code = 1
    try:
        code = _run(app, settings, name, supervisor)
    except BaseException:
        log.exception("worker process %s cannot go on", os.getpid())
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # threads may be stuck in actors: an ordinary exit would wait for them, or run them into a finalized interpreter


def _run(app: "App", settings: WorkerSettings, name: str, supervisor: int) -> int:
    told, again = threading.Event(), threading.Event()

    def on_term(*_: object) -> None:
        (again if told.is_set() else told).set()

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the supervisor passes on what counts
    app.tell(ProcessBooted())
    child = Child(app, settings, name, renews=False)
    child.start()
    code = 0
    while not told.wait(1.0):
        if os.getppid() != supervisor:
            log.error("the supervisor is gone: stopping")
            break
        if not child.pump.alive:
            log.error("the pump thread is gone: stopping, to be replaced")
            code = 1
            break
    threading.Thread(target=_stop_quickly_when, args=(again, child), daemon=True).start()
    child.stop()
    app.broker.close()
    return code


def _stop_quickly_when(again: threading.Event, child: Child) -> None:
    again.wait()
    child.pump.give_up()
