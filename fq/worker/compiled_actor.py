"""`CompiledActor`: the stack of one actor, built once around its function, so that nothing of it is built for a message."""

from attrs import frozen

from fq.execution.actor_plan import ActorPlan
from fq.execution.handler import AsyncFunctionRunner, FunctionRunner, async_handler, sync_handler
from fq.execution.registry import Registry
from fq.layers import Callbacks, GroupCallbacks, Results
from fq.layers.retries import Retries
from fq.layers.time_limit import TimeLimit
from fq.middleware.base import AsyncHandler, Handler
from fq.middleware.stack import Stack


@frozen
class CompiledActor:
    """
    An actor, ready to run.

    Attributes:
        plan: what was worked out for it in its app.

        handler, ahandler: the one of the two that fits the actor's colour; None is the other.

        emits_events: do layers handle events of its messages, or of those that it may send?

        time_limit: that of the actor, in ms; a message may have another.
    """

    plan: ActorPlan
    handler: Handler | None = None
    ahandler: AsyncHandler | None = None
    emits_events: bool = True
    time_limit: float = float("inf")


def compile_actor(registry: Registry, actor_name: str, run: FunctionRunner, arun: AsyncFunctionRunner, grace: int) -> CompiledActor | None:
    """Return the actor called *actor_name*, None if it is not declared in *registry*. *run* or *arun* calls its function; see `JobRunner` for *grace*."""
    actor = registry.actors.get(actor_name)
    if actor is None:
        return None
    plan = registry.plan(actor_name)
    emits_events = any(other.has_event_layers for other in registry.plans())
    layer = plan.stack.get(TimeLimit)
    limit = float("inf") if layer is None else layer.time_limit
    if actor.signature.is_async:
        ahandler = plan.stack.awrap(async_handler(actor.fn, actor.signature, arun, grace))
        return CompiledActor(plan, None, ahandler, emits_events, limit)
    handler = plan.stack.wrap(sync_handler(actor.fn, actor.signature, run, grace))
    return CompiledActor(plan, handler, None, emits_events, limit)


def notifying_layers(stack: Stack) -> Stack:
    """Return the layers of *stack* that pass on the outcome of a message: to groups, results and callbacks."""
    return Stack(tuple(layer for layer in stack if isinstance(layer, GroupCallbacks | Results | Callbacks)))


def deciding_layers(stack: Stack) -> Stack:
    """Return the layers of *stack* that decide about another attempt, and those that pass on the outcome."""
    return Stack(tuple(layer for layer in stack if isinstance(layer, GroupCallbacks | Results | Callbacks | Retries)))
