"""`FollowUps`: what an actor sends becomes part of its outcome."""

from attrs import field, frozen, validators

from fq.core.message import Message
from fq.middleware.base import Middleware


@frozen
class FollowUps(Middleware):
    """
    With *follow_sends*, the sends of an actor are `Call.follow`: its commit enqueues them if it succeeds, and drops them if it does not.

    This concerns `Call.send`, `Call.asend`, `Actor.send`, `Actor.asend` and `App.send_many` in the context of the actor. `App.enqueue` sends at once.

    >>> from fq import follow_ups
    >>> from fq.testing import message
    >>> follow_ups(follow_sends=True).follows(message("add"))
    True

    Attributes:
        follow_sends: does a send wait for the outcome? Default: False.
    """

    follow_sends: bool = field(default=False, validator=validators.instance_of(bool))

    def follows(self, message: Message) -> bool:
        """Does what the actor sends while it runs *message* wait for its outcome?"""
        return self.with_options(message.options).follow_sends


def follow_ups(*, follow_sends: bool = False) -> FollowUps:
    """Return a `FollowUps` layer."""
    return FollowUps(follow_sends=follow_sends)
