"""`PoisonLimit`: a message that kills its process again and again becomes a dead letter."""

from typing import ClassVar

from attrs import field, frozen, validators

from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.errors import Poison
from fq.layers.retries import Retries
from fq.middleware.base import Rule, Step


@frozen
class PoisonLimit(Step):
    """
    A message claimed more than *max_deliveries* times without an outcome becomes a dead letter with `Poison`: its process died each time.

    The broker counts a delivery when a worker claims it, so deliveries count that end with the death of the process. An outcome, such as a retry,
    resets the count.

    >>> from fq import Outcome, poison_limit
    >>> from fq.testing import message
    >>> poison_limit(max_deliveries=5).wrap(lambda message: Outcome.success())(message("add", deliveries=6)).result
    <Failure: Dead(error=Poison('add was delivered 5 times and its process died each time'))>

    Attributes:
        max_deliveries: how many deliveries without an outcome are allowed. Default: 5.
    """

    max_deliveries: int = field(default=5, validator=[validators.instance_of(int), validators.ge(1)])

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Retries, "a message that kills its process must not be retried"),)

    def idle(self) -> bool:
        return True

    def before(self, message: Message) -> Message | Outcome:
        """Fail a message that was delivered too often."""
        if message.deliveries <= self.max_deliveries:
            return message
        return Outcome.failure(Poison(f"{message.actor_name} was delivered {message.deliveries - 1} times and its process died each time"))


def poison_limit(*, max_deliveries: int = 5) -> PoisonLimit:
    """Return a `PoisonLimit` layer."""
    return PoisonLimit(max_deliveries=max_deliveries)
