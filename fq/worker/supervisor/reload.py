"""Reloading: the supervisor replaces its own program by exec, and its children work on until those of the new program have booted."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from attrs import field, frozen

from fq.errors import ConfigError
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import handed_to_program
from fq.worker.interpreter import interpreter_command
from fq.worker.scoreboard import Scoreboard
from fq.worker.standard_streams import flush
from fq.worker.supervisor.child import ChildProcess
from fq.worker.supervisor.signals import Signals

log = logger("fq.worker")

HANDOVER = "FQ_INHERITED_CHILDREN"
"""Environment variable with the `HandoverState` of the program before this one."""

WATCHER = "FQ_WATCHER"
"""Environment variable with two process ids: of the supervisor, and of the process that watches files for it."""

JSON_KEYS = {"pid": "pid", "name": "name", "started_at": "born", "stopped": "stopped", "continued_at": "continued", "draining": "retired"}
"""The keys under which a child's attributes are handed over. Other versions of fq read and write them: an upgrade may be installed by a reload."""


@frozen
class HandoverState:
    """
    What a program hands over to the one that replaces it.

    Attributes:
        children: its child processes.

        quiet: does the worker claim nothing just now?

        started: how many children it has started; a child's number is in its name.
    """

    children: list[ChildProcess] = field(factory=list)
    quiet: bool = False
    started: int = 0

    def to_json(self) -> str:
        """Return it as text, for the environment."""
        return json.dumps({"quiet": self.quiet, "born": self.started, "wards": [_child_to_json(child) for child in self.children]})

    @classmethod
    def from_json(cls, text: str) -> "HandoverState":
        """Return the state that `to_json` wrote, in the same process."""
        fields = json.loads(text)
        return cls([_child_from_json(child) for child in fields["wards"]], fields["quiet"], fields["born"])


def replace_process(state: HandoverState, signals: Signals) -> None:
    """
    Run this program again in this process, with the new code, and hand over *state* and the pending *signals*.

    If that fails, because the interpreter is gone, for example, this program goes on.
    """
    log.info("reloading")
    flush()
    signals.hold_back()
    try:
        with handed_to_program(child.scoreboard.descriptor for child in state.children) as environment:
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environment, HANDOVER: state.to_json()})
    except OSError as error:
        signals.go_on()
        log.error("not reloading: the new program cannot be started: %s", error)


def inherited_state() -> HandoverState:
    """Return the state that the program before this one has handed over, if there was one."""
    text = os.environ.pop(HANDOVER, "")
    return HandoverState.from_json(text) if text else HandoverState()


def is_replacing() -> bool:
    """Has this program replaced another, whose children it takes over?"""
    return HANDOVER in os.environ


def _child_to_json(child: ChildProcess) -> dict[str, object]:
    plain = {key: getattr(child, name) for name, key in JSON_KEYS.items()}
    return {"plain": plain, "board": child.scoreboard.descriptor, "interrupted": sorted(child.interrupted)}


def _child_from_json(fields: dict[str, Any]) -> ChildProcess:
    plain = {name: fields["plain"][key] for name, key in JSON_KEYS.items()}
    return ChildProcess(scoreboard=Scoreboard.reopen(fields["board"]), interrupted=frozenset(fields["interrupted"]), **plain)


@contextmanager
def watcher(folder: str | None) -> Iterator[None]:
    """
    Send this process a HUP, so that it reloads, when a Python file below *folder* changes, as long as the context lasts; None watches nothing.

    Raises:
        ConfigError: the package watchfiles is not installed.
    """
    if folder is None:
        yield
        return
    if find_spec("watchfiles") is None:
        raise ConfigError("--watch needs the package watchfiles: pip install 'fq[watch]'")
    owner, _, pid = os.environ.get(WATCHER, "").rpartition(":")
    if not pid or (owner or str(os.getpid())) != str(os.getpid()):  # else the program before this one started it, and it goes on
        command = interpreter_command("fq.worker.supervisor.file_watcher", folder, str(os.getpid()))
        pid = str(subprocess.Popen(command).pid)
        os.environ[WATCHER] = f"{os.getpid()}:{pid}"
    try:
        yield
    finally:
        os.environ.pop(WATCHER)
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
