"""`PoisonLimit`: a message that kills its process again and again is taken out."""

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
    A message claimed more than *max_deliveries* times without ever getting an outcome is a dead letter: its process died each time.

    Deliveries are counted at the claim, so that a process which is killed counts, too; an outcome, such as a retry, starts again at nought.

    >>> from fq import Outcome, poison_limit
    >>> from fq.testing import message
    >>> poison_limit(max_deliveries=5).wrap(lambda message: Outcome.success())(message("add", deliveries=6)).result
    <Failure: Dead(error=Poison('add was delivered 5 times and its process died each time'))>

    Attributes:
        max_deliveries: default 5.
    """

    max_deliveries: int = field(default=5, validator=[validators.instance_of(int), validators.ge(1)])

    outside_of: ClassVar[tuple[Rule, ...]] = (Rule(Retries, "a message that kills its process must not be retried"),)

    def idle(self) -> bool:
        return True

    def before(self, message: Message) -> Message | Outcome:
        """Refuse a message that was delivered too often."""
        if message.deliveries <= self.max_deliveries:
            return message
        return Outcome.failure(Poison(f"{message.actor_name} was delivered {message.deliveries - 1} times and its process died each time"))


def poison_limit(*, max_deliveries: int = 5) -> PoisonLimit:
    """Return a `PoisonLimit` layer."""
    return PoisonLimit(max_deliveries=max_deliveries)
