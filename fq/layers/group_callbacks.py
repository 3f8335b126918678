"""`GroupCallbacks`: the step after a group starts when the last member has arrived."""

from typing import ClassVar

from attrs import field, frozen

from fq.core.duration import Duration, to_ms
from fq.core.message import Message
from fq.core.outcome import Outcome
from fq.core.reserved_options import GATHERED, GROUP
from fq.layers.age_limit import AgeLimit
from fq.layers.poison_limit import PoisonLimit
from fq.layers.retries import Retries
from fq.middleware.base import Rule, Step
from fq.workflows.group_results import DEFAULT_GROUP_TTL_MS, arrivals

_ARRIVES = "that is its final outcome, and without its arrival the group never completes"


@frozen
class GroupCallbacks(Step):
    """
    A member of a group reports its final outcome, its arrival, in its own commit. The commit of the last arrival enqueues the step after the group.

    Arrivals are a set of member numbers, so a member that is delivered twice counts once. A member that failed for the last time, expired, was
    dropped or killed its process arrives as a failure. The group's ``on_member_failure`` says what happens then.

    >>> from fq import Outcome, group_callbacks
    >>> from fq.testing import message
    >>> slot = {"id": "g1", "at": 0, "of": 2, "pipe": [{"actor_name": "report"}]}
    >>> arrive = group_callbacks().wrap(lambda message: Outcome.success(3))(message("add").with_options(**{"fq.group": [slot]})).effects[0]
    >>> arrive.group, arrive.member, arrive.size, arrive.value, arrive.then[0].message.actor_name
    ('g1', 0, 2, [3], 'report')

    Attributes:
        group_ttl: how long the broker keeps an incomplete group after its latest arrival, ms. It must be longer than the time between two arrivals,
            delays and retries included. Default: 45 days, since `Retries` may take that long with its defaults.
    """

    group_ttl: int = field(default=DEFAULT_GROUP_TTL_MS, converter=to_ms)

    outside_of: ClassVar[tuple[Rule, ...]] = (
        Rule(Retries, "only a final outcome counts, and inside Retries no failure is final"),
        Rule(AgeLimit, f"an expired member fails there; {_ARRIVES}"),
        Rule(PoisonLimit, f"a member that kills its process fails there; {_ARRIVES}"),
    )

    def idle(self) -> bool:
        return True

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Report the final outcome of a member."""
        options = message.options
        return outcome.also(*arrivals(message, outcome, self.group_ttl)) if GROUP in options or GATHERED in options else outcome


def group_callbacks(*, group_ttl: Duration = DEFAULT_GROUP_TTL_MS) -> GroupCallbacks:
    """Return a `GroupCallbacks` layer. *group_ttl*: ms or timedelta."""
    return GroupCallbacks(group_ttl=group_ttl)
