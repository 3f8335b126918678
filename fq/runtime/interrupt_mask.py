"""
`shields`: masks interrupts while a method of fq runs that must not stop half-way, with a lock held or a change half made.

An interrupt is raised in the thread of a running actor at any bytecode. If that thread is inside a shielded call, such as a send, the interrupt waits
for the end of the call, or for a `checkpoint` in it. Mutable shell: each thread has its own shield.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
K = TypeVar("K", bound=type)

POLL_SECONDS = 0.05
"""How often a shielded call that blocks passes a `checkpoint`."""


class Shield(Protocol):
    """Masks the interrupts of one thread."""

    swallowed: bool
    """Did a finalizer lose an interrupt, so that it must be raised again?"""

    def mask(self) -> None:
        """Hold interrupts back from now on. Calls nest."""

    def unmask(self) -> None:
        """Undo one `mask`. The last one raises the interrupt that waits."""

    def checkpoint(self) -> None:
        """Raise the interrupt that waits, although it is masked."""


class _Current(threading.local):
    shield: Shield | None = None


current = _Current()
"""The shield of the running thread; None in a thread that is never interrupted."""


def shielded(fn: Callable[P, R]) -> Callable[P, R]:
    """Return *fn* with interrupts masked while it runs."""

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        shield = current.shield
        if shield is None:
            return fn(*args, **kwargs)
        shield.mask()
        try:
            return fn(*args, **kwargs)
        finally:
            shield.unmask()

    return call


def shields(*names: str) -> Callable[[K], K]:
    """Return a class decorator that shields the methods called *names*."""

    def decorate(kind: K) -> K:
        for name in names:
            setattr(kind, name, shielded(getattr(kind, name)))
        return kind

    return decorate


def checkpoint() -> None:
    """Raise an interrupt that waits for the end of a shielded call: for a call that may block for long, at a point where an interrupt does no harm."""
    if (shield := current.shield) is not None:
        shield.checkpoint()


def poll_seconds() -> float:
    """Return how long to block before the next `checkpoint`, in seconds: for ever in a thread that is never interrupted."""
    return float("inf") if current.shield is None else POLL_SECONDS
