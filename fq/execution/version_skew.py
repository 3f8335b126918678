"""Messages that this worker cannot run, but others may, as during a rolling deploy. For a while they are put back."""

from fq.core.message import Message
from fq.core.outcome import Outcome, Retry
from fq.core.reserved_options import UNKNOWN_SINCE
from fq.errors import ActorNotFound, Error

RECHECK_MS = 1_000
"""How long such a message waits before a worker claims it again."""


def unknown_actor_outcome(message: Message, grace: int) -> Outcome:
    """Return the outcome of *message*, whose actor is not declared here; see `put_back_or_fail`."""
    return put_back_or_fail(message, ActorNotFound(f"this worker declares no actor called {message.actor_name}"), grace)


def put_back_or_fail(message: Message, error: Error, grace: int) -> Outcome:
    """
    Return the outcome of *message*, which this worker cannot run because of *error*.

    For *grace* ms it is put back for other workers, without using up an attempt, so that a rolling deploy loses nothing. Then it fails.
    """
    since = _unknown_since(message)
    if message.received_at - since >= grace:
        return Outcome.failure(error)
    waiting = Retry(message.with_options(**{UNKNOWN_SINCE: since}), RECHECK_MS)
    return Outcome.failure(error).alt(lambda _: waiting)


def _unknown_since(message: Message) -> int:
    """Return the time of the first attempt, ms since the epoch. It is now if the option holds no such time: a foreign producer may write anything."""
    since = message.options.get(UNKNOWN_SINCE)
    return since if type(since) is int and 0 < since <= message.received_at else message.received_at
