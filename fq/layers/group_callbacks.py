"""`GroupCallbacks`: what comes after a group starts when the last member has arrived."""

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

_ARRIVES = "that is the member's final outcome, and a group that never hears of it waits for ever"


@frozen
class GroupCallbacks(Step):
    """
    A member of a group reports its final outcome in its own commit; that of the last one to do so enqueues what comes after the group.

    Arrivals are a set of member numbers, so that a member which is delivered twice counts once. Members that failed for good, expired, were
    dropped or killed their process arrive, too: as failures, and the group's ``on_member_failure`` says what becomes of it.

    >>> from fq import Outcome, group_callbacks
    >>> from fq.testing import message
    >>> place = {"id": "g1", "at": 0, "of": 2, "pipe": [{"actor_name": "report"}]}
    >>> arrive = group_callbacks().wrap(lambda message: Outcome.success(3))(message("add").with_options(**{"fq.group": [place]})).effects[0]
    >>> arrive.group, arrive.member, arrive.size, arrive.value, arrive.then[0].message.actor_name
    ('g1', 0, 2, [3], 'report')

    Attributes:
        group_ttl: how long the broker remembers a group after its latest arrival, ms: longer than any member takes after the one before,
            delays and retries included. Default 45 days, as long as `Retries` may take by its defaults.
    """

    group_ttl: int = field(default=DEFAULT_GROUP_TTL_MS, converter=to_ms)

    outside_of: ClassVar[tuple[Rule, ...]] = (
        Rule(Retries, "only a final outcome counts, and inside Retries no failure is final"),
        Rule(AgeLimit, f"a member that expires is answered for there; {_ARRIVES}"),
        Rule(PoisonLimit, f"a member that kills its process is answered for there; {_ARRIVES}"),
    )

    def idle(self) -> bool:
        return True

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Report the outcome of a member."""
        options = message.options
        return outcome.also(*arrivals(message, outcome, self.group_ttl)) if GROUP in options or GATHERED in options else outcome


def group_callbacks(*, group_ttl: Duration = DEFAULT_GROUP_TTL_MS) -> GroupCallbacks:
    """Return a `GroupCallbacks` layer; *group_ttl* in ms or as timedelta."""
    return GroupCallbacks(group_ttl=group_ttl)
