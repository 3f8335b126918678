"""`ActorPlan`: the facts about an actor in an app that are computed once, not for each message."""

from attrs import Factory, evolve, field, frozen

from fq.calls.actor import AnyActor
from fq.core.frozen import frozen_dict
from fq.core.message import Message, evolve_message
from fq.core.outcome import Enqueue
from fq.core.shown_call import Redact, shown_call
from fq.layers.keep import Keep
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack


@frozen
class ActorPlan:
    """
    The stack of an actor, and the layers of it that act on sends and on events.

    Attributes:
        stack: the layers of the actor.

        send_layers: the layers that override `on_enqueue` or `on_send`.

        event_layers: the layers that override `on_event`; of an actor, those of them that observe messages.

        stores_results: are the actor's results stored? A message can override this.

        actor: the actor; None in the plan for actors that are not declared here.

        redact: how logs show the arguments of its messages.

        has_send_layers, has_event_layers: are there any?

        observes_sends: does a layer override `on_send`?

        keeps_records: does it have the layer `Keep`?
    """

    stack: Stack
    send_layers: Stack
    event_layers: Stack
    stores_results: bool
    actor: AnyActor | None = None
    redact: Redact = True
    has_send_layers: bool = field(init=False, default=Factory(lambda self: bool(self.send_layers.layers), takes_self=True))
    has_event_layers: bool = field(init=False, default=Factory(lambda self: bool(self.event_layers.layers), takes_self=True))
    observes_sends: bool = field(
        init=False, default=Factory(lambda self: bool(_layers_with(self.stack, "on_send").layers), takes_self=True)
    )
    keeps_records: bool = field(init=False, default=Factory(lambda self: Keep in self.stack, takes_self=True))

    @classmethod
    def of(cls, stack: Stack, actor: AnyActor | None = None, redact: Redact = True) -> "ActorPlan":
        """Return the plan of *actor* in *stack*; *redact* is that of the app."""
        stores_results = any(getattr(layer, "store_results", False) is True for layer in stack)
        own = None if actor is None else actor.redact
        events = _layers_with(stack, "on_event")
        if actor is not None:
            events = Stack(tuple(layer for layer in events if layer.observes_messages))
        sends = _layers_with(stack, "on_enqueue", "on_send")
        return cls(stack, sends, events, stores_results, actor, redact if own is None else own)

    def shown_call(self, message: Message) -> str:
        """Return *message*, one of this actor, as text for a log."""
        return shown_call(message, self.redact, () if self.actor is None else self.actor.signature.positional_names)

    def with_actor_defaults(self, enqueue: Enqueue) -> Enqueue:
        """Return *enqueue*, which names only its actor, with the queue, priority and options of the actor."""
        message, actor = enqueue.message, self.actor
        if actor is None:
            return evolve(enqueue, message=evolve_message(message, queue_name="default"))
        options = frozen_dict({**actor.message_options, **message.options})
        return evolve(enqueue, message=evolve_message(message, queue_name=actor.queue_name, priority=actor.priority, options=options))


def _layers_with(stack: Stack, *faces: str) -> Stack:
    """Return the layers of *stack* that override one of the methods *faces*."""
    return Stack(tuple(layer for layer in stack if any(getattr(type(layer), face) is not getattr(Middleware, face) for face in faces)))
