"""`Plan`: what is worked out once for an actor in an app, so that nothing of it is worked out for a message."""

from attrs import evolve, frozen

from fq.actor import AnyActor
from fq.frozen import frozen_dict
from fq.message import restamp
from fq.middleware import Middleware
from fq.outcome import Enqueue
from fq.stack import Stack


@frozen
class Plan:
    """
    An actor's stack, and which of the stack's faces have to be called at all.

    Attributes:
        stack: its layers.

        edits_sends: does any of them have an `on_enqueue` of its own?

        watches: does any of them have an `on_event` of its own?

        stores: are the actor's results stored, unless a message says otherwise?

        actor: None for the plan of actors that are not declared here.
    """

    stack: Stack
    edits_sends: bool
    watches: bool
    stores: bool
    actor: AnyActor | None = None

    @classmethod
    def of(cls, stack: Stack, actor: AnyActor | None = None) -> "Plan":
        """Return the plan of *actor* in *stack*."""
        stores = any(getattr(layer, "store_results", False) is True for layer in stack)
        return cls(stack, _overrides(stack, "on_enqueue"), _overrides(stack, "on_event"), stores, actor)

    def addressed(self, enqueue: Enqueue) -> Enqueue:
        """Return *enqueue*, which only says for which actor it is, with the queue, priority and options of that actor's messages."""
        message, actor = enqueue.message, self.actor
        if actor is None:
            return evolve(enqueue, message=restamp(message, queue_name="default"))
        options = frozen_dict({**actor.extra, **message.options})
        return evolve(enqueue, message=restamp(message, queue_name=actor.queue_name, priority=actor.priority, options=options))


def _overrides(stack: Stack, face: str) -> bool:
    return any(getattr(type(layer), face) is not getattr(Middleware, face) for layer in stack)
