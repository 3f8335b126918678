"""`Signals`: the signals of a process as a queue that can be waited on. Mutable shell, main thread only."""

import os
import select
import signal
from collections import deque
from collections.abc import Iterator
from types import FrameType
from typing import Self

from fq.runtime.logger import logger
from fq.worker.executors.forks import reset, tell_of_forks

log = logger("fq.worker")

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)


class Signals:
    """
    Collects the signals in `HANDLED` for as long as the context lasts.

    While the program is *booting*, TERM and INT end it at once, as long as there is nothing to stop. A process 1 would not even hear them otherwise.
    """

    def __init__(self, booting: bool = False) -> None:
        self._booting = booting
        self._queue: deque[int] = deque()

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._handlers = {number: signal.getsignal(number) for number in HANDLED}
        self._before = self._listen()
        tell_of_forks(self)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set from Python
        os.close(self._reader)
        os.close(self._writer)

    def booted(self) -> None:
        """From now on there is something to stop. Handlers that the app has set meanwhile are taken back."""
        self._booting = False
        taken = [signal.Signals(number).name for number in HANDLED if signal.getsignal(number) != self._collect]
        self._listen()
        if taken:
            log.warning("the app has set handlers for %s, which fq worker needs itself: they are not called", ", ".join(taken))

    def forked(self) -> None:
        """Collect nothing in a fork: signals mean what they usually do."""
        signal.set_wakeup_fd(-1)
        reset(HANDLED, lambda handler: handler == self._collect)

    def taken(self) -> Iterator[int]:
        """Yield the signals that have come, and forget each; SIGCHLD says no more than that it is time to look."""
        while self._queue:
            if (number := self._queue.popleft()) != signal.SIGCHLD:
                yield number

    def hold_back(self) -> None:
        """Leave all signals from now on, and those not taken yet, to the program that is about to replace this one: they stay pending until it is ready."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        for number in self.taken():
            os.kill(os.getpid(), number)

    def go_on(self) -> None:
        """Take signals again, since no other program has come; first those that were held back."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def wait(self, timeout: float) -> None:
        """Wait up to *timeout* seconds for a signal."""
        if self._queue:
            return
        ready, _, _ = select.select([self._reader], [], [], timeout)
        if ready:
            os.read(self._reader, 4096)

    def _listen(self) -> int:
        """Set all handlers; return the descriptor to which signals were told before."""
        for number in HANDLED:
            signal.signal(number, self._collect)
        before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)  # the program before this one may have held some back, or the app
        return before

    def _collect(self, number: int, _: FrameType | None) -> None:
        if self._booting and number in (signal.SIGTERM, signal.SIGINT):
            raise SystemExit(0)
        self._queue.append(number)
