"""
What Dramatiq's middleware brings along: exceptions that it raises on purpose, middleware that fq replaces with layers, names of delay queues.

Dramatiq is never imported here: middleware that raises one of its exceptions has imported it already.
"""

import sys

from fq.errors import AgeLimitExceeded, Interrupt, MiddlewareError, SkipMessage
from fq.errors.exception_text import is_a


def is_skip(error: BaseException) -> bool:
    """Does *error* ask to skip the message?"""
    return is_a(error, (SkipMessage, AgeLimitExceeded, *dramatiq_exception("SkipMessage")))


def is_deliberate(error: BaseException) -> bool:
    """Did a middleware raise *error* on purpose, for the message or the sender?"""
    return is_a(error, (MiddlewareError, *dramatiq_exception("MiddlewareError")))


def is_interrupt(error: BaseException) -> bool:
    """Was *error* raised in a running actor from outside, as an interrupt?"""
    return is_a(error, (Interrupt, *dramatiq_exception("Interrupt")))


COUNTERPARTS = {
    "Retries": "retries()",
    "TimeLimit": "time_limit()",
    "Pipelines": "pipelines()",
    "GroupCallbacks": "group_callbacks()",
    "ShutdownNotifications": "shutdown_notifications()",
}
"""Dramatiq's middleware that decides the outcome of a message, which in fq only layers do, and the layer to use instead."""


def counterpart_of(middleware: object) -> str | None:
    """Return the layer to use instead of *middleware*, if its class is, or derives from, one of `COUNTERPARTS`."""
    theirs = (kind for kind in type(middleware).__mro__ if kind.__module__.partition(".")[0] == "dramatiq")
    return next((COUNTERPARTS[kind.__name__] for kind in theirs if kind.__name__ in COUNTERPARTS), None)


def is_dramatiqs(middleware: object) -> bool:
    """Does the class of *middleware* derive from Dramatiq's ``Middleware``?"""
    base = ("dramatiq.middleware.middleware", "Middleware")
    return any((kind.__module__, kind.__name__) == base for kind in type(middleware).__mro__)


def dramatiq_exception(name: str, module: str = "dramatiq.middleware") -> tuple[type[BaseException], ...]:
    """Return Dramatiq's exception called *name*; an empty tuple if Dramatiq is not imported."""
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if isinstance(found, type) and issubclass(found, BaseException) else ()


def delay_queue(queue_name: str) -> str:
    """Return Dramatiq's name of the queue for the delayed messages of *queue_name*."""
    return f"{queue_name}.DQ"
