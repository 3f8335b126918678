"""Starting a child process: by fork, which is quick, or in a fresh interpreter, which inherits nothing but its scoreboard."""

import gc
import json
import os
import signal
import sys
from importlib import import_module
from typing import Never

import attrs

from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import close_parents_descriptors, handed_to_child
from fq.worker.interpreter import interpreter_command
from fq.worker.log_setup import LogSettings
from fq.worker.process.control_signals import BLOCKED_AT_START, ControlSignals
from fq.worker.process_hygiene import disown_inherited, lead_a_session
from fq.worker.scoreboard import Scoreboard
from fq.worker.settings import WorkerSettings
from fq.worker.standard_streams import flush

log = logger("fq.worker")


def load_for_forks(entry_point: str) -> None:
    """
    Import what each fork needs of fq, once: its memory is then shared by all of them, until one of them changes it.

    The garbage collector would change it, so it never looks again at what is there now.
    """
    import_module(entry_point)
    gc.collect()
    gc.freeze()


def fork_child(entry_point: str, app_path: str, settings: WorkerSettings, name: str, scoreboard: Scoreboard) -> int:
    """
    Fork a child that calls ``run_fork`` of the module *entry_point* with the other arguments, and return its process id.

    Signals stay pending until the child listens.

    Raises:
        OSError: the machine cannot start another process.
    """
    flush()
    supervisor = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED_AT_START)
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid:  # the child unblocks them when it listens
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_AT_START)
    return pid or _run_fork(entry_point, app_path, settings, name, supervisor, scoreboard)


def _run_fork(entry_point: str, *arguments: object) -> Never:
    """Run a child, and end this process."""
    try:
        lead_a_session()
        disown_inherited()
        close_parents_descriptors()
        signals = ControlSignals()
        signals.listen()
        import_module(entry_point).run_fork(*arguments, signals)
    except BaseException:
        log.exception("worker process %d cannot go on", os.getpid())
    finally:
        os._exit(1)  # a fork that went on from here would be a second supervisor


def spawn_child(entry_point: str, app_path: str, settings: WorkerSettings, name: str, scoreboard: Scoreboard, logs: LogSettings) -> int:
    """
    Start a fresh interpreter that calls ``main`` of the module *entry_point* with the other arguments as JSON, and return its process id.

    Raises:
        OSError: the machine cannot start another process, or the interpreter is gone.
    """
    fields = {
        "app": app_path,
        "settings": attrs.asdict(settings),
        "name": name,
        "supervisor": os.getpid(),
        "scoreboard": scoreboard.descriptor,
        "logs": logs.to_json(),
    }
    with handed_to_child([scoreboard.descriptor]) as environment:
        command = interpreter_command(entry_point, json.dumps(fields))
        return os.posix_spawn(sys.executable, command, environment, setsigmask=BLOCKED_AT_START)


def scoreboard_slots(settings: WorkerSettings) -> int:
    """Return how many slots the scoreboard of a child needs: one a thread, one for messages in quarantine, and two for the event loop."""
    return settings.threads + 3
