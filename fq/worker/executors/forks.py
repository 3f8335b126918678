"""
What happens in a fork that an actor makes: no part of the worker runs there.

Signals have their default meaning in it. A fork that does not end by itself, but returns from the actor or raises, ends where the actor's call ends: else
it would go on as a second worker, with a copy of all that this one holds.
"""

import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Never, Protocol
from weakref import WeakSet

from fq.worker.standard_streams import flush


class ForkAware(Protocol):
    """Has something to do in a fork of its process."""

    def forked(self) -> None:
        """Called in the fork, where there are no other threads."""


_fork_aware: "WeakSet[ForkAware]" = WeakSet()
_blocked = threading.local()


def call_in_forks(target: ForkAware) -> None:
    """Call ``target.forked()`` in each fork of this process, as long as *target* lives."""
    _fork_aware.add(target)


def restore_default_handlers(numbers: Iterable[int], is_own: Callable[[object], bool]) -> None:
    """Give the signals *numbers* their default meaning, where *is_own* is true of their handler."""
    for number in numbers:
        if is_own(signal.getsignal(number)):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def end_fork() -> Never:
    """End this process, a fork, as Python ends a program: the exception that is being handled, if any, decides the exit code."""
    code = 1
    try:
        code = _exit_code(sys.exc_info()[1])
    finally:
        try:
            logging.shutdown()
            flush()
        finally:
            os._exit(code)


class ForkTrap:
    """Takes the place of a scoreboard slot in a fork: no message may run there."""

    def set_running(self, *_: object) -> Never:
        """End this process."""
        end_fork()

    def clear(self) -> Never:
        """End this process."""
        end_fork()


def _exit_code(error: BaseException | None) -> int:
    match error:
        case None | SystemExit(code=None):
            return 0
        case SystemExit(code=int(code)):
            return code
        case SystemExit():
            sys.stderr.write(f"{error.code}\n")
        case _:
            traceback.print_exception(error)
    return 1


def _block_signals() -> None:
    """Block all signals: one that comes to a fork at once stays pending until it has its default meaning there."""
    if _fork_aware:
        _blocked.before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def _restore_signals() -> None:
    if (before := _blocked.__dict__.pop("before", None)) is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_fork() -> None:
    for target in list(_fork_aware):
        target.forked()
    _restore_signals()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=_block_signals, after_in_parent=_restore_signals, after_in_child=_on_fork)
