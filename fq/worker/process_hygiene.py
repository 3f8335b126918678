"""
What a process that a worker starts does about itself: a session of its own at its start, exit handlers at its end, and an end of what it has started.

What an actor starts belongs to the group of processes of its worker process, and ends with it, unless it has a session of its own: ``start_new_session=True``.
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
"""How long exit handlers may take, all together: those of `threading`, which end executors and wait for threads, get half of it."""


def lead_a_session() -> None:
    """
    Let this process lead a session of its own, and so a group of processes.

    A terminal then sends it no signals, and what it starts can be ended together with it.
    """
    with suppress(PermissionError):  # it leads a group already
        os.setsid()


def kill_group(pid: int) -> None:
    """Kill the process *pid*, and what belongs to its group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it does not lead a group yet, or is an older version's
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_what_is_left(pid: int) -> None:
    """Kill what belongs to the group of *pid*, a process that has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end_what_was_started() -> None:
    """Ask what this process has started, and what belongs to its group, to end. This process itself hears of it, too, and has to bear it."""
    if os.getpgrp() == os.getpid():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(0, signal.SIGTERM)


def disown_inherited() -> None:
    """
    Let the exit handlers of this process, a fork, leave alone what belongs to the process that it is a fork of.

    That is: the processes that `multiprocessing` has started there, and what `weakref.finalize` is to remove there, such as temporary folders.
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

    If that is not enough, or as soon as *hurried*, *give_up* is called in another thread, which has to end the process.
    """
    deadline = monotonic() + EXIT_SECONDS
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            if monotonic() >= deadline or hurried():
                log.error("the exit handlers of process %d have not ended: it ends without them", os.getpid())
                give_up()

    threading.Thread(target=watch, name="fq-exit", daemon=True).start()
    threads = threading.Thread(target=_end_threads, args=(deadline,), name="fq-exit-threads", daemon=True)
    threads.start()
    threads.join(EXIT_SECONDS / 2)
    atexit._run_exitfuncs()  # what multiprocessing does at the end of its forks, too; it reports what they raise, and goes on
    done.set()


def _end_threads(deadline: float) -> None:
    """Run the exit handlers that `threading` has, and wait for threads that Python would wait for."""
    for handler in reversed(getattr(threading, "_threading_atexits", ())):
        try:
            handler()
        except Exception:
            log.exception("an exit handler has failed")
    own = (threading.main_thread(), threading.current_thread())
    for thread in threading.enumerate():
        if not thread.daemon and thread not in own:
            thread.join(max(0.0, deadline - monotonic()))
