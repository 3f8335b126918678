"""`AgeLimit`: a message that has waited too long does not run."""

from typing import ClassVar

from attrs import field, frozen

from fq.core.duration import Duration, optional_ms
from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.errors import AgeLimitExceeded
from fq.layers.retries import Retries
from fq.middleware.base import Rule, Step


@frozen
class AgeLimit(Step):
    """
    A message older than *max_age* when a worker claims it becomes a dead letter with `AgeLimitExceeded`. The actor is not called.

    The age counts from the making of the message, so it includes delays and earlier attempts.

    >>> from fq import Outcome, age_limit
    >>> from fq.testing import message
    >>> age_limit(max_age=1000).wrap(lambda message: Outcome.success())(message("add", received_at=1000)).result
    <Failure: Dead(error=AgeLimitExceeded('add was 1000 ms old, its max_age is 1000 ms'))>

    Attributes:
        max_age: ms. Default: None, no limit.
    """

    max_age: int | None = field(default=None, converter=optional_ms)

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Retries, "an expired message must not be retried"),)

    def idle(self) -> bool:
        return self.max_age is None

    def before(self, message: Message) -> Message | Outcome:
        """Fail a message that is too old."""
        if self.max_age is None:
            return message
        age = message.received_at - message.message_timestamp
        if age < self.max_age:
            return message
        return Outcome.failure(AgeLimitExceeded(f"{message.actor_name} was {age} ms old, its max_age is {self.max_age} ms"))


def age_limit(*, max_age: Duration | None = None) -> AgeLimit:
    """Return an `AgeLimit` layer. *max_age*: ms or timedelta; None for no limit."""
    return AgeLimit(max_age=max_age)
