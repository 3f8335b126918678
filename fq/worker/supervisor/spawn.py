"""Starting a child process: by fork, which is quick, or in a fresh interpreter, which inherits nothing but its scoreboard."""

import json
import os
import signal
import sys

import attrs

from fq.brokers.protocol import Broker
from fq.execution.registry import Registry
from fq.worker.inherited_descriptors import close_parents_descriptors, handed_to_child
from fq.worker.interpreter import interpreter_command
from fq.worker.log_setup import LogSettings
from fq.worker.process.control_signals import BLOCKED_AT_START, ControlSignals
from fq.worker.process.main import run_child
from fq.worker.process_hygiene import disown_inherited, lead_a_session
from fq.worker.scoreboard import Scoreboard
from fq.worker.settings import WorkerSettings
from fq.worker.standard_streams import flush


def fork_child(registry: Registry, broker: Broker, settings: WorkerSettings, name: str, scoreboard: Scoreboard) -> int:
    """
    Fork a child that runs the actors of *registry*, and return its process id. Signals stay pending until the child listens.

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
    if pid:
        return pid
    lead_a_session()
    disown_inherited()
    close_parents_descriptors()
    run_child(lambda: (registry, broker), settings, name, supervisor, scoreboard, ControlSignals())


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


def memory_of(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 where /proc does not say."""
    try:
        with open(f"/proc/{pid}/statm") as statm:  # noqa: PTH123  # quicker than a Path
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
