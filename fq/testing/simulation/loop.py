"""An event loop for async actors in a simulation: sleeping takes no time. Mutable shell."""

import asyncio
import selectors
from collections.abc import Callable
from typing import cast


class TimelessLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to whatever is due next, as soon as there is nothing else to do."""

    def __init__(self) -> None:
        self._ahead = 0.0
        # The loop asks its selector for no more than `select`, and to register what it is then asked about.
        super().__init__(cast(selectors.BaseSelector, _Impatient(selectors.DefaultSelector(), self._jump)))

    def time(self) -> float:
        """Return the loop's time, in seconds."""
        return super().time() + self._ahead

    def _jump(self, seconds: float) -> None:
        self._ahead += seconds


class _Impatient:
    """*selector*, which never waits for a time to come: it calls *jump* instead."""

    def __init__(self, selector: selectors.BaseSelector, jump: Callable[[float], None]) -> None:
        self._selector = selector
        self._jump = jump

    def __getattr__(self, name: str) -> object:
        return getattr(self._selector, name)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; with nothing ready and no timer set, wait for another thread."""
        ready = self._selector.select(None if timeout is None else 0)
        if not ready and timeout:
            self._jump(timeout)
        return ready
