"""
The exceptions that class-style middleware raises on purpose: fq's own, and Dramatiq's where that is in use.

Dramatiq is never imported here: middleware that raises one of its exceptions has imported it already.
"""

import sys

from fq.errors import AgeLimitExceeded, Interrupt, MiddlewareError, SkipMessage
from fq.errors.exception_text import is_a


def is_skip(error: BaseException) -> bool:
    """Does *error* say that the message is not to be run?"""
    return is_a(error, (SkipMessage, AgeLimitExceeded, *foreign("SkipMessage")))


def is_deliberate(error: BaseException) -> bool:
    """Does *error* come from a middleware that means the message, or the sender, to get it?"""
    return is_a(error, (MiddlewareError, *foreign("MiddlewareError")))


def is_interrupt(error: BaseException) -> bool:
    """Was *error* struck into a running actor from outside?"""
    return is_a(error, (Interrupt, *foreign("Interrupt")))


COUNTERPARTS = {
    "Retries": "retries()",
    "TimeLimit": "time_limit()",
    "Pipelines": "pipelines()",
    "GroupCallbacks": "group_callbacks()",
    "ShutdownNotifications": "shutdown_notifications()",
}
"""Dramatiq's middleware that decides what becomes of a message, which in fq is for layers to say; and the layer that does the same."""


def counterpart_of(middleware: object) -> str | None:
    """Return the layer to use in the place of *middleware*, if that is, or derives from, one of `COUNTERPARTS`."""
    theirs = (kind for kind in type(middleware).__mro__ if kind.__module__.partition(".")[0] == "dramatiq")
    return next((COUNTERPARTS[kind.__name__] for kind in theirs if kind.__name__ in COUNTERPARTS), None)


def foreign(name: str, module: str = "dramatiq.middleware") -> tuple[type[BaseException], ...]:
    """Return Dramatiq's exception called *name*, nothing if Dramatiq is not in use."""
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if isinstance(found, type) and issubclass(found, BaseException) else ()
