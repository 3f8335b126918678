"""
Each process that a worker starts leads a session of its own, runs exit handlers at its end, and ends what it has started.

What an actor starts belongs to the process group of its worker process, and ends with it, unless it has a session of its own: ``start_new_session=True``.
"""

import atexit
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from fq.runtime.logger import logger

log = logger("fq.worker")

EXIT_SECONDS = 3.0
"""How long all exit handlers together may take. Those of `threading`, which end executors and wait for threads, get half of it."""


def lead_a_session() -> None:
    """
    Let this process lead a session of its own, and so a group of processes.

    So a terminal sends it no signals, and what it starts can be ended together with it.
    """
    with suppress(PermissionError):  # it leads a group already
        os.setsid()


def kill_group(pid: int) -> None:
    """Kill the process *pid*, and what belongs to its group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it does not lead a group yet, or an older version has started it
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_what_is_left(pid: int) -> None:
    """Kill what belongs to the group of *pid*, a process that has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_what_was_started() -> None:
    """Ask the group of this process, which is what it has started, to end. The signal comes to this process, too, which must handle it."""
    if os.getpgrp() == os.getpid():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(0, signal.SIGTERM)


def disown_inherited() -> None:
    """
    Keep the exit handlers of this process, a fork, from touching what belongs to its parent.

    That is: the processes that `multiprocessing` has started there, and what `weakref.finalize` removes there, such as temporary folders.
    """
    for finalizer in list(getattr(weakref.finalize, "_registry", ())):
        finalizer.atexit = False
    if (started := getattr(sys.modules.get("multiprocessing.process"), "_children", None)) is not None:
        started.clear()
    if (finalizers := getattr(sys.modules.get("multiprocessing.util"), "_finalizer_registry", None)) is not None:
        finalizers.clear()


def run_exit_handlers(hurried: Callable[[], bool], give_up: Callable[[], object]) -> None:
    """
    Run the exit handlers of this process, as Python does at the end of a program, in `EXIT_SECONDS`.

    If they take longer, or as soon as *hurried* returns True, *give_up* is called in another thread, and must end the process.
    """
    deadline = monotonic() + EXIT_SECONDS
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            if monotonic() >= deadline or hurried():
                log.error("the exit handlers of process %d take too long: it ends without waiting for them", os.getpid())
                give_up()

    threading.Thread(target=watch, name="fq-exit", daemon=True).start()
    threads = threading.Thread(target=_end_threads, args=(deadline,), name="fq-exit-threads", daemon=True)
    threads.start()
    threads.join(EXIT_SECONDS / 2)
    atexit._run_exitfuncs()  # as multiprocessing does at the end of its forks; it reports what they raise, and goes on
    done.set()


def _end_threads(deadline: float) -> None:
    """Run the exit handlers of `threading`, and wait for the threads that Python would wait for."""
    for handler in reversed(getattr(threading, "_threading_atexits", ())):
        try:
            handler()
        except Exception:
            log.exception("an exit handler has failed")
    own = (threading.main_thread(), threading.current_thread())
    for thread in threading.enumerate():
        if not thread.daemon and thread not in own:
            thread.join(max(0.0, deadline - monotonic()))
