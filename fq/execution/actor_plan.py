"""`ActorPlan`: what is worked out once for an actor in an app, so that nothing of it is worked out for a message."""

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
    An actor's stack, and which of the stack's faces have to be called at all.

    Attributes:
        stack: its layers.

        send_layers: those of them that have an `on_enqueue` of their own.

        event_layers: those of them that have an `on_event` of their own.

        stores: are the actor's results stored, unless a message says otherwise?

        actor: None for the plan of actors that are not declared here.

        has_send_layers: does any layer change what is sent?

        has_event_layers: does any layer watch?
    """

    stack: Stack
    send_layers: Stack
    event_layers: Stack
    stores: bool
    actor: AnyActor | None = None
    has_send_layers: bool = field(init=False, default=Factory(lambda self: bool(self.send_layers.layers), takes_self=True))
    has_event_layers: bool = field(init=False, default=Factory(lambda self: bool(self.event_layers.layers), takes_self=True))

    @classmethod
    def of(cls, stack: Stack, actor: AnyActor | None = None) -> "ActorPlan":
        """Return the plan of *actor* in *stack*."""
        stores = any(getattr(layer, "store_results", False) is True for layer in stack)
        return cls(stack, _with(stack, "on_enqueue"), _with(stack, "on_event"), stores, actor)

    def addressed(self, enqueue: Enqueue) -> Enqueue:
        """Return *enqueue*, which only says for which actor it is, with the queue, priority and options of that actor's messages."""
        message, actor = enqueue.message, self.actor
        if actor is None:
            return evolve(enqueue, message=evolve_message(message, queue_name="default"))
        options = frozen_dict({**actor.extra, **message.options})
        return evolve(enqueue, message=evolve_message(message, queue_name=actor.queue_name, priority=actor.priority, options=options))


def _with(stack: Stack, face: str) -> Stack:
    """Return *stack* without the layers that leave *face* alone."""
    return Stack(tuple(layer for layer in stack if getattr(type(layer), face) is not getattr(Middleware, face)))
