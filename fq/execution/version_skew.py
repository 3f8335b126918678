"""Messages that this worker cannot run, but others may, as during a rolling deploy. For a while they are put back."""

from fq.core.duration import duration
from fq.core.message import Message
from fq.core.outcome import Outcome, Retry
from fq.core.reserved_options import UNKNOWN_SINCE
from fq.errors import ActorNotFound, Error
from fq.runtime.logger import logger

log = logger("fq.worker")

RECHECK_MS = 1_000
"""How long such a message waits before a worker claims it again."""

MAX_REMEMBERED = 1_000
"""Of this many actors and errors a process remembers that it has logged them. A foreign producer may send any name."""

_logged: set[tuple[str, type[BaseException]]] = set()


def unknown_actor_outcome(message: Message, grace: int) -> Outcome:
    """Return the outcome of *message*, whose actor is not declared here; see `put_back_or_fail`."""
    text = f"this worker declares no actor called {message.actor_name}; import the module that declares it in the module of the app"
    return put_back_or_fail(message, ActorNotFound(text), grace)


def put_back_or_fail(message: Message, error: Error, grace: int) -> Outcome:
    """
    Return the outcome of *message*, which this worker cannot run because of *error*.

    For *grace* ms it is put back for other workers, without using up an attempt, so that a rolling deploy loses nothing. Then it fails.
    The log says so once for each actor, since thousands of messages may wait like this.
    """
    since = _unknown_since(message)
    if message.received_at - since >= grace:
        return Outcome.failure(error)
    _log_once(message, error, grace)
    waiting = Retry(message.with_options(**{UNKNOWN_SINCE: since}), RECHECK_MS)
    return Outcome.failure(error).alt(lambda _: waiting)


def _log_once(message: Message, error: Error, grace: int) -> None:
    key = message.actor_name, type(error)
    if key in _logged or len(_logged) >= MAX_REMEMBERED:
        return
    _logged.add(key)
    cause = "" if isinstance(error, ActorNotFound) else "; does this worker run older code than the sender? Then restart it"
    facts = {"message_id": message.message_id, "actor": message.actor_name, "queue": message.queue_name}
    text = "%s %s is left to other workers for %s, and then fails: %s%s (logged once for each actor)"
    log.warning(text, message.actor_name, message.message_id, duration(grace), error, cause, extra={"fq": facts})


def _unknown_since(message: Message) -> int:
    """Return the time of the first attempt, ms since the epoch. It is now if the option holds no such time: a foreign producer may write anything."""
    since = message.options.get(UNKNOWN_SINCE)
    return since if type(since) is int and 0 < since <= message.received_at else message.received_at
