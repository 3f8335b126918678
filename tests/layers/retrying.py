"""What the tests of `Retries` share: an error, and helpers that run the layer alone."""

from hypothesis import HealthCheck, settings

from fq import Message, Outcome, Retries, Retry, Setback

busy_machine = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Settings for a machine that may be busy."""

ERROR = ValueError("no")
WEEK = 604_800_000


def setback_of(layer: Retries, message: Message, error: BaseException = ERROR) -> Setback:
    """Return what becomes of *message* when its actor raises *error*."""
    return layer.wrap(lambda _: Outcome.raised(error))(message).result.failure()  # type: ignore[arg-type]


def retry_of(layer: Retries, message: Message, error: BaseException = ERROR) -> Retry:
    """Return the retry of *message* when its actor raises *error*."""
    setback = setback_of(layer, message, error)
    assert isinstance(setback, Retry)
    return setback


def attempts(layer: Retries, sent: Message, error: BaseException = ERROR) -> int:
    """Return how often an actor that always fails runs."""
    count = 1
    while isinstance(setback := setback_of(layer, sent, error), Retry):
        sent = setback.message
        count += 1
    return count
