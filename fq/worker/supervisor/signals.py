"""`Signals`: the signals that a supervisor has received, as a queue to wait on. Mutable shell, main thread only."""

import os
import select
import signal
from collections import deque
from collections.abc import Iterator
from types import FrameType
from typing import Self

from fq.runtime.logger import logger
from fq.worker.executors.forks import call_in_forks, restore_default_handlers

log = logger("fq.worker")

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)


class Signals:
    """
    Collects the signals in `HANDLED` as long as the context lasts.

    While the program is *booting*, there is nothing to stop, and TERM and INT end it at once. Process 1 of a container would ignore them without a handler.
    """

    def __init__(self, booting: bool = False) -> None:
        self._booting = booting
        self._queue: deque[int] = deque()

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._handlers = {number: signal.getsignal(number) for number in HANDLED}
        self._wakeup_fd_before = self._listen()
        call_in_forks(self)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_fd_before)
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set from Python
        os.close(self._reader)
        os.close(self._writer)

    def booted(self) -> None:
        """Collect TERM and INT, too, from now on. Handlers that the app has set meanwhile are replaced."""
        self._booting = False
        replaced = [signal.Signals(number).name for number in HANDLED if signal.getsignal(number) != self._collect]
        self._listen()
        if replaced:
            log.warning("the app has set handlers for %s, which fq worker needs itself: they are not called", ", ".join(replaced))

    def forked(self) -> None:
        """Collect nothing in a fork: signals have their default meaning there."""
        signal.set_wakeup_fd(-1)
        restore_default_handlers(HANDLED, lambda handler: handler == self._collect)

    def take(self) -> Iterator[int]:
        """Yield the signals that have come, and forget them. SIGCHLD only ends a `wait`."""
        while self._queue:
            if (number := self._queue.popleft()) != signal.SIGCHLD:
                yield number

    def hold_back(self) -> None:
        """Block all signals, and send those not taken yet again: they stay pending for the program that is about to replace this one."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        for number in self.take():
            os.kill(os.getpid(), number)

    def go_on(self) -> None:
        """Undo `hold_back`, since no other program has replaced this one."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def wait(self, timeout: float) -> None:
        """Wait up to *timeout* seconds for a signal."""
        if self._queue:
            return
        ready, _, _ = select.select([self._reader], [], [], timeout)
        if ready:
            os.read(self._reader, 4096)

    def _listen(self) -> int:
        """Set all handlers; return the wakeup descriptor that was set before."""
        for number in HANDLED:
            signal.signal(number, self._collect)
        before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)  # the program before this one, or the app, may have blocked some
        return before

    def _collect(self, number: int, _: FrameType | None) -> None:
        self._queue.append(number)
        if self._booting and number in (signal.SIGTERM, signal.SIGINT):
            raise SystemExit(0)  # where Python cannot pass it on, as in a finalizer, the program stops when it has booted
