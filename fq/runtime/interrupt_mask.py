"""
`shields`: what an interrupt must not cut in two, since others would wait for a lock that is never let go, or find half of a change.

An interrupt is raised in the thread of a running actor at any bytecode. Where that thread is inside a call of fq's own, say a send, the interrupt
waits until the call is over, or until the call, if it only waits, lets it through with `breathe`. Mutable shell: each thread has its own shield.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
K = TypeVar("K", bound=type)

BREATH = 0.05
"""What blocks inside a shield, in a thread that may be interrupted, comes up for breath this often, in seconds."""


class Shield(Protocol):
    """Holds interrupts back from one thread."""

    swallowed: bool
    """Has one been lost in a finalizer, so that it must be raised again?"""

    def lift(self) -> None:
        """Hold back what comes from now on; calls nest."""

    def lower(self) -> None:
        """Undo one `lift`; after the last one, raise what came meanwhile."""

    def breathe(self) -> None:
        """Raise what came meanwhile, although it is still lifted."""


class _Here(threading.local):
    shield: Shield | None = None


HERE = _Here()
"""The shield of the thread that asks; threads that nobody interrupts have none."""


def shielded(fn: Callable[P, R]) -> Callable[P, R]:
    """Return *fn*, to be run behind the shield of the thread that calls it."""

    @wraps(fn)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        shield = HERE.shield
        if shield is None:
            return fn(*args, **kwargs)
        shield.lift()
        try:
            return fn(*args, **kwargs)
        finally:
            shield.lower()

    return call


def shields(*names: str) -> Callable[[K], K]:
    """Return the decorator of a class whose methods called *names* run shielded."""

    def decorate(kind: K) -> K:
        for name in names:
            setattr(kind, name, shielded(getattr(kind, name)))
        return kind

    return decorate


def breathe() -> None:
    """Let an interrupt that waits for the end of a shielded call strike here: for calls that may wait long, where it does no harm."""
    if (shield := HERE.shield) is not None:
        shield.breathe()


def breath() -> float:
    """Return for how long to block before the next `breathe`, in seconds: without end where there is no shield."""
    return float("inf") if HERE.shield is None else BREATH
