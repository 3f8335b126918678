"""`Orders`: what the supervisor has told a child by signals, from the child's first moment on. Mutable shell, main thread only."""

import signal
from collections.abc import Callable
from threading import Event
from types import FrameType

from fq.worker.signals import HANDLED


class Orders:
    """
    What a child has been told: to *stop*, to do so at once (*hurry*), to be *quiet*.

    A child is started with the signals in `HANDLED` held back, so that none is lost, or deadly, before `listen`.
    """

    def __init__(self) -> None:
        self.stop = Event()
        self.hurry = Event()
        self.quiet = False
        self._obey: Callable[[bool], None] | None = None

    def listen(self) -> None:
        """Hear signals from now on, and those that have been held back."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGHUP):  # the terminal sends these to all; the supervisor passes on what counts
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, self._on_term)
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._on_quiet)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def obeyed_by(self, pause: Callable[[bool], None]) -> None:
        """Call *pause* with whether to be quiet: now if so, and whenever that changes."""
        self._obey = pause
        if self.quiet:
            pause(True)

    def _on_term(self, *_: object) -> None:
        (self.hurry if self.stop.is_set() else self.stop).set()

    def _on_quiet(self, number: int, _: FrameType | None) -> None:
        self.quiet = number == signal.SIGUSR1
        if self._obey is not None:
            self._obey(self.quiet)
