"""Messages that this worker cannot run, and others perhaps can, as during a rolling deploy: for a while they are left to them."""

from fq.core.message import Message
from fq.core.outcome import Outcome, Retry
from fq.core.reserved_options import UNKNOWN_SINCE
from fq.errors import ActorNotFound, Error

RECHECK_MS = 1_000
"""How long such a message waits before it is offered again."""


def unknown_actor(message: Message, grace: int) -> Outcome:
    """Return what becomes of a message for an actor that is not declared here."""
    return left_to_others(message, ActorNotFound(f"no actor called {message.actor_name} is declared in this worker"), grace)


def left_to_others(message: Message, error: Error, grace: int) -> Outcome:
    """
    Return what becomes of *message*, which cannot be run here for *error*.

    For *grace* ms it is left to other workers, and no attempt is used up, so that a rolling deploy loses nothing; then it fails.
    """
    since = _since(message)
    if message.received_at - since >= grace:
        return Outcome.failure(error)
    waiting = Retry(message.with_options(**{UNKNOWN_SINCE: since}), RECHECK_MS)
    return Outcome.failure(error).alt(lambda _: waiting)


def _since(message: Message) -> int:
    """Return when *message* could not be run for the first time; now, if its option does not say so: a foreign producer may write anything there."""
    since = message.options.get(UNKNOWN_SINCE)
    return since if type(since) is int and 0 < since <= message.received_at else message.received_at
