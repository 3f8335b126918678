"""
`Closing`: tells what waits in a server that it is about to stop. Mutable shell.

A server that stops waits for its open responses first, and only then ends the lifespan of its app. A stream of events would hold it up for ever.
So `noticing_signals` looks at the signals on their way to the server.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from fq.core.host import Host

SIGNALS = (signal.SIGINT, signal.SIGTERM)

Handler = Callable[[int, FrameType | None], object]


class Notice:
    """Something of which coroutines on any event loop learn once it *is_given*."""

    def __init__(self) -> None:
        self.is_given = False
        self._lock = threading.Lock()
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def give(self) -> None:
        """Tell all listeners. It may be called by a signal handler, so it takes no lock."""
        self.is_given = True
        for loop, event in tuple(self._listeners):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set when the notice is given. For coroutines."""
        listener = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._listeners.add(listener)
        if self.is_given:
            listener[1].set()
        try:
            yield listener[1]
        finally:
            with self._lock:
                self._listeners.discard(listener)


class Closing:
    """
    What those who wait in a server learn of its end. One for each app: ``app.singleton(Closing)``.

    Attributes:
        begun: the server is about to stop.

        forced: it is to stop at once: a person has pressed Ctrl-C twice.
    """

    def __init__(self, _: Host) -> None:
        self.begun, self.forced = Notice(), Notice()

    def reset(self) -> None:
        """Begin anew: a server starts, or has ended."""
        self.begun.is_given = self.forced.is_given = False


@contextmanager
def noticing_signals(closing: Closing) -> Iterator[None]:
    """
    Tell *closing* of the signals that stop the server, which gets them, too. Outside of the main thread, and where a signal has no handler, do nothing.

    Only a second INT forces it: a supervisor may send TERM beside the INT of a terminal, and more than once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {number: _noticing(closing, handler) for number in SIGNALS if callable(handler := signal.getsignal(number))}
    previous = {number: signal.signal(number, handler) for number, handler in ours.items()}
    try:
        yield
    finally:
        for number, handler in ours.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, previous[number])


def _noticing(closing: Closing, handler: Handler) -> Handler:
    interrupts = 0

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += number == signal.SIGINT
        closing.begun.give()
        if interrupts > 1:
            closing.forced.give()
        handler(number, frame)

    return on_signal
