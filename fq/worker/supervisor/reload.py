"""Reloading: the supervisor replaces its own program by exec, and its children live on until those of the new program have booted."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec

from attrs import asdict, field, frozen
from attrs.filters import include

from fq.errors import ConfigError
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import handed_to_program
from fq.worker.interpreter import python
from fq.worker.scoreboard import Board
from fq.worker.standard_streams import flush
from fq.worker.supervisor.child import Ward
from fq.worker.supervisor.signals import Signals

log = logger("fq.worker")

INHERITED = "FQ_INHERITED_CHILDREN"
WATCHER = "FQ_WATCHER"
"""Environment variable with the process that watches, after the one that is watched for."""


@frozen
class Legacy:
    """
    What a program leaves to the one that replaces it.

    Attributes:
        wards: its children.

        quiet: were they told to be quiet?

        born: how many children this process has had; each one's number is in its name.
    """

    wards: list[Ward] = field(factory=list)
    quiet: bool = False
    born: int = 0

    def to_json(self) -> str:
        """Return it as text, for the environment."""
        return json.dumps({"quiet": self.quiet, "born": self.born, "wards": list(map(_told_of, self.wards))})

    @classmethod
    def from_json(cls, text: str) -> "Legacy":
        """Return what `to_json` made *text* of, in the same process."""
        fields = json.loads(text)
        wards = [Ward(board=_board(w["board"]), interrupted=frozenset(w["interrupted"]), **w["plain"]) for w in fields["wards"]]
        return cls(wards, fields["quiet"], fields["born"])


def replace_process(legacy: Legacy, signals: Signals) -> None:
    """
    Start this program anew in this process, with the new code, and leave it *legacy*, and what *signals* hold back.

    If that cannot be done, as without the interpreter, this program goes on as it is.
    """
    log.info("reloading")
    flush()
    signals.hold_back()
    try:
        with handed_to_program(ward.board.descriptor for ward in legacy.wards) as environment:
            os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environment, INHERITED: legacy.to_json()})
    except OSError as error:
        signals.go_on()
        log.error("not reloading, since the new program cannot be started: %s", error)


def inherited() -> Legacy:
    """Return what the program before this one has left, if it was replaced."""
    text = os.environ.pop(INHERITED, "")
    return Legacy.from_json(text) if text else Legacy()


def is_replacing() -> bool:
    """Has this program replaced another, whose children it will look after?"""
    return INHERITED in os.environ


def _told_of(ward: Ward) -> dict[str, object]:
    plain = asdict(ward, filter=include("pid", "name", "born", "stopped", "continued", "retired"))
    return {"plain": plain, "board": ward.board.descriptor, "interrupted": sorted(ward.interrupted)}


def _board(descriptor: int) -> Board:
    return Board(os.fstat(descriptor).st_size // 128 - 1, descriptor)


@contextmanager
def watcher(folder: str | None) -> Iterator[None]:
    """
    Have this process reloaded, by a HUP, when a Python file below *folder* changes, for as long as the context lasts; None watches nothing.

    Raises:
        ConfigError: the package watchfiles, which does the watching, is not installed.
    """
    if folder is None:
        yield
        return
    if find_spec("watchfiles") is None:
        raise ConfigError("--watch needs the package watchfiles: pip install 'fq[watch]'")
    owner, _, pid = os.environ.get(WATCHER, "").rpartition(":")
    if not pid or (owner or str(os.getpid())) != str(os.getpid()):  # else the program before this one started it, and it goes on
        pid = str(subprocess.Popen(python("fq.worker.supervisor.file_watcher", folder, str(os.getpid()))).pid)
        os.environ[WATCHER] = f"{os.getpid()}:{pid}"
    try:
        yield
    finally:
        os.environ.pop(WATCHER)
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
