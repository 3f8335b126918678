"""
What is left of a worker in a fork that an actor makes: nothing.

Signals mean there what they mean to any program. And a fork that does not end by itself, but returns from the actor or raises, ends where the actor's call
ends: it would go on as a second worker, with a copy of all that this one holds.
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


class Forked(Protocol):
    """What has something to do in a fork of its process."""

    def forked(self) -> None:
        """Begin anew: this process is a fork, and there are no other threads in it."""


_registered: "WeakSet[Forked]" = WeakSet()
_held_back = threading.local()


def tell_of_forks(one: Forked) -> None:
    """Tell *one*, as long as it lives, when it finds itself in a fork."""
    _registered.add(one)


def reset(numbers: Iterable[int], own: Callable[[object], bool]) -> None:
    """Give the signals *numbers* their usual meaning, where their handler is one's *own*."""
    for number in numbers:
        if own(signal.getsignal(number)):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def end_fork() -> Never:
    """End this process, a fork, as Python ends a program: with the exit code that the exception says which is handled just now, if any."""
    code = 1
    try:
        code = _exit_code(sys.exc_info()[1])
    finally:
        try:
            logging.shutdown()
            flush()
        finally:
            os._exit(code)


class EndOfFork:
    """Stands in a fork for a slot on the board: nothing may run there any more."""

    def enter(self, *_: object) -> Never:
        """End this process."""
        end_fork()

    def leave(self) -> Never:
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


def _before() -> None:
    """Hold back signals: one that comes to a fork at once waits until they have their usual meaning there."""
    if _registered:
        _held_back.before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def _let_through() -> None:
    if (before := _held_back.__dict__.pop("before", None)) is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_child() -> None:
    for one in list(_registered):
        one.forked()
    _let_through()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=_before, after_in_parent=_let_through, after_in_child=_in_child)
