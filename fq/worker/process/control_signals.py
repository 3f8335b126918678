"""`Orders`: what the supervisor has told a child by signals, from the child's first moment on. Mutable shell, main thread only."""

import signal
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType

from fq.worker.executors.forks import reset, tell_of_forks
from fq.worker.supervisor.signals import HANDLED

RETIRE = signal.SIGURG
"""To be told again does no harm, unlike with TERM, and by itself nobody sends it: a terminal and timers have other signals."""

ORDERS = (*HANDLED, RETIRE)
"""The signals that are held back while a child is started."""


class Orders:
    """
    What a child has been told.

    That is to *retire*: to finish what runs and end, however long that takes; to *stop*, which has a limit; to do so at once (*hurry*); to be *quiet*.
    A child is started with the signals in `ORDERS` held back, so that none is lost, or deadly, before `listen`.
    """

    def __init__(self) -> None:
        self.retire = self.stop = self.hurry = self.quiet = False
        self._bell: SimpleQueue[None] = SimpleQueue()  # unlike an event, it may be rung by a handler that interrupts the wait for it
        self._obey: Callable[[bool], None] | None = None

    @property
    def end(self) -> bool:
        """Is this process to end, in one way or another?"""
        return self.retire or self.stop

    def listen(self) -> None:
        """Hear signals from now on, and those that have been held back. Again, when other code may have set handlers of its own."""
        signal.set_wakeup_fd(-1)
        for number in (
            signal.SIGINT,
            signal.SIGHUP,
        ):  # the supervisor passes on what counts; what is ignored, programs that actors start would ignore, too
            signal.signal(number, self._on_nothing)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(RETIRE, self._on_retire)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._on_quiet)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
        tell_of_forks(self)

    def forked(self) -> None:
        """Take no orders in a fork: signals mean what they usually do."""
        signal.set_wakeup_fd(-1)
        reset(ORDERS, lambda handler: getattr(handler, "__self__", None) is self)

    def wait(self, timeout: float) -> None:
        """Wait up to *timeout* seconds for an order to end."""
        with suppress(Empty):
            self._bell.get(timeout=timeout)

    def obeyed_by(self, pause: Callable[[bool], None]) -> None:
        """Call *pause* with whether to be quiet: now if so, and whenever that changes."""
        self._obey = pause
        if self.quiet:
            pause(True)

    def _on_nothing(self, *_: object) -> None:
        pass

    def _on_retire(self, *_: object) -> None:
        self.retire = True
        self._bell.put(None)

    def _on_term(self, *_: object) -> None:
        self.hurry = self.stop
        self.stop = True
        self._bell.put(None)

    def _on_quiet(self, number: int, _: FrameType | None) -> None:
        self.quiet = number == signal.SIGUSR1
        if self._obey is not None:
            self._obey(self.quiet)
