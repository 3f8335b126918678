"""`ControlSignals`: what the supervisor has asked of a child by signals, from the child's first moment on. Mutable shell, main thread only."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType

from fq.worker.executors.forks import call_in_forks, restore_default_handlers
from fq.worker.supervisor.signals import HANDLED

DRAIN = signal.SIGURG
"""Safe to send twice, unlike TERM, and not sent by terminals and timers."""

STACKS = signal.SIGWINCH
"""Ignored unless handled, so that it harms no process; terminals send it, but not to the session of a child."""

BLOCKED_AT_START = (*HANDLED, DRAIN, STACKS)
"""The signals that are blocked while a child starts."""


class EndedEarly(SystemExit):
    """A child was asked to end before it had imported the app."""


class ControlSignals:
    """
    What was asked of a child.

    *drain*: finish what runs and end, however long that takes. *stop*: the same, within the shutdown timeout; *hurry*: at once. *quiet*: claim nothing.
    *stacks*: say where all threads are.
    A child starts with the signals in `BLOCKED_AT_START` blocked, so that none is lost, or deadly, before `listen`.
    """

    def __init__(self) -> None:
        self.drain = self.stop = self.hurry = self.quiet = self.stacks = False
        self._wakeup: SimpleQueue[None] = SimpleQueue()  # unlike an event, it may be set by a handler that interrupts the wait for it
        self._set_quiet: Callable[[bool], None] | None = None
        self._ends_at_once = False

    @property
    def end(self) -> bool:
        """Was this process asked to end, in one way or another?"""
        return self.drain or self.stop

    def listen(self) -> None:
        """Handle signals from now on, and those that are pending. Called again after other code may have set handlers of its own."""
        signal.set_wakeup_fd(-1)
        for number in (
            signal.SIGINT,
            signal.SIGHUP,
        ):  # the supervisor passes them on; ignored, they would be ignored in programs of actors, too
            signal.signal(number, self._on_nothing)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(DRAIN, self._on_drain)
        signal.signal(STACKS, self._on_stacks)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._on_quiet)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_AT_START)
        call_in_forks(self)

    def forked(self) -> None:
        """Handle nothing in a fork: signals have their default meaning there."""
        signal.set_wakeup_fd(-1)
        restore_default_handlers(BLOCKED_AT_START, lambda handler: getattr(handler, "__self__", None) is self)

    @contextmanager
    def ending_at_once(self) -> Iterator[None]:
        """Raise `EndedEarly`, as long as the context lasts, when this process is asked to end, or was before: it imports the app, and holds nothing yet."""
        self._ends_at_once = True
        try:
            self._on_end()
            yield
        finally:
            self._ends_at_once = False

    def wait(self, timeout: float) -> None:
        """Wait up to *timeout* seconds for a request to end."""
        with suppress(Empty):
            self._wakeup.get(timeout=timeout)

    def take_stacks(self) -> bool:
        """Was this process asked, since the last call, to say where its threads are?"""
        asked, self.stacks = self.stacks, False
        return asked

    def on_quiet(self, set_quiet: Callable[[bool], None]) -> None:
        """Call *set_quiet* with whether to be quiet: now if so, and whenever that changes."""
        self._set_quiet = set_quiet
        if self.quiet:
            set_quiet(True)

    def _on_nothing(self, *_: object) -> None:
        pass

    def _on_end(self) -> None:
        if self._ends_at_once and self.end:
            raise EndedEarly(0)

    def _on_drain(self, *_: object) -> None:
        self.drain = True
        self._wakeup.put(None)
        self._on_end()

    def _on_stacks(self, *_: object) -> None:
        self.stacks = True
        self._wakeup.put(None)

    def _on_term(self, *_: object) -> None:
        self.hurry = self.stop
        self.stop = True
        self._wakeup.put(None)
        self._on_end()

    def _on_quiet(self, number: int, _: FrameType | None) -> None:
        self.quiet = number == signal.SIGUSR1
        if self._set_quiet is not None:
            self._set_quiet(self.quiet)
