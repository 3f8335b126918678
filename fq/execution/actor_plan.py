"""`ActorPlan`: the facts about an actor in an app that are computed once, not for each message."""

from attrs import Factory, evolve, field, frozen

from fq.calls.actor import AnyActor
from fq.core.frozen import frozen_dict
from fq.core.message import evolve_message
from fq.core.outcome import Enqueue
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack


@frozen
class ActorPlan:
    """
    The stack of an actor, and the layers of it that act on sends and on events.

    Attributes:
        stack: the layers of the actor.

        send_layers: the layers that override `on_enqueue`.

        event_layers: the layers that override `on_event`.

        stores_results: are the actor's results stored? A message can override this.

        actor: the actor; None in the plan for actors that are not declared here.

        has_send_layers, has_event_layers: are there any?
    """

    stack: Stack
    send_layers: Stack
    event_layers: Stack
    stores_results: bool
    actor: AnyActor | None = None
    has_send_layers: bool = field(init=False, default=Factory(lambda self: bool(self.send_layers.layers), takes_self=True))
    has_event_layers: bool = field(init=False, default=Factory(lambda self: bool(self.event_layers.layers), takes_self=True))

    @classmethod
    def of(cls, stack: Stack, actor: AnyActor | None = None) -> "ActorPlan":
        """Return the plan of *actor* in *stack*."""
        stores_results = any(getattr(layer, "store_results", False) is True for layer in stack)
        return cls(stack, _layers_with(stack, "on_enqueue"), _layers_with(stack, "on_event"), stores_results, actor)

    def with_actor_defaults(self, enqueue: Enqueue) -> Enqueue:
        """Return *enqueue*, which names only its actor, with the queue, priority and options of the actor."""
        message, actor = enqueue.message, self.actor
        if actor is None:
            return evolve(enqueue, message=evolve_message(message, queue_name="default"))
        options = frozen_dict({**actor.message_options, **message.options})
        return evolve(enqueue, message=evolve_message(message, queue_name=actor.queue_name, priority=actor.priority, options=options))


def _layers_with(stack: Stack, face: str) -> Stack:
    """Return the layers of *stack* that override the method *face*."""
    return Stack(tuple(layer for layer in stack if getattr(type(layer), face) is not getattr(Middleware, face)))
