"""`CompiledActor`: the stack of one actor, built once around its function, so that nothing of it is built for a message."""

from collections.abc import Callable
from typing import TypeAlias

from attrs import Factory, field, frozen

from fq.execution.actor_plan import ActorPlan
from fq.execution.function_runner import AsyncFunctionRunner, FunctionRunner
from fq.execution.handler import async_handler, sync_handler
from fq.execution.injection import Injection
from fq.execution.registry import Registry
from fq.layers import Callbacks, GroupCallbacks, Keep, Results
from fq.layers.retries import Retries
from fq.layers.time_limit import TimeLimit
from fq.middleware.base import AsyncHandler, Handler
from fq.middleware.fast_path import awrap_all, wrap_all
from fq.middleware.stack import Stack
from fq.resources.open_scope import OpenScope
from fq.runtime.actor_run import ActorRun
from fq.worker.kept_runs import with_run, with_run_async
from fq.worker.send_context import copying_layers
from fq.worker.turn_clock import TurnClock

OnReport: TypeAlias = Callable[[ActorRun], None]
"""Is called by the thread of an actor whose run has told something."""


@frozen
class CompiledActor:
    """
    An actor, ready to run.

    Attributes:
        plan: what was worked out for it in its app.

        handler, ahandler: the one of the two that fits the actor's colour; None is the other.

        emits_events: do layers handle events of its messages, or of those that it may send?

        time_limit: that of the actor, in ms; a message may have another.

        copies_context: do its handlers copy the context for the encoding of the outcome? See ``fq.worker.send_context``.

        app: the app of the actor.

        on_report: is called when a run of it has told something; None if nothing sends that on.

        prepares_runs: is anything to be done before it runs?

        clock: knows the name of the worker; None for an actor that is not run.
    """

    plan: ActorPlan
    handler: Handler | None = None
    ahandler: AsyncHandler | None = None
    emits_events: bool = True
    time_limit: float = float("inf")
    copies_context: bool = False
    app: object = None
    on_report: OnReport | None = None
    clock: TurnClock | None = None
    prepares_runs: bool = field(
        init=False, default=Factory(lambda self: self.copies_context or self.plan.has_event_layers, takes_self=True)
    )


def compile_actor(
    registry: Registry,
    actor_name: str,
    run: FunctionRunner,
    arun: AsyncFunctionRunner,
    grace: int,
    clock: TurnClock,
    resources: OpenScope,
) -> CompiledActor | None:
    """Return the actor called *actor_name*, None if it is not declared in *registry*. *run* or *arun* calls its function; see `JobRunner` for the rest."""
    actor = registry.find_actor(actor_name)
    if actor is None:
        return None
    plan = registry.plan(actor_name)
    emits_events = any(other.has_event_layers for other in registry.plans())
    layer = plan.stack.get(TimeLimit)
    limit = float("inf") if layer is None else layer.time_limit
    layers = copying_layers(plan, registry)
    copies_context = len(layers) > len(plan.stack)
    needs = registry.needs_of(actor_name)
    injection = Injection(needs, resources) if needs else None
    if actor.signature.is_async:
        ahandler = awrap_all(layers, async_handler(actor.fn, actor.signature, arun, grace, injection))
        return CompiledActor(
            plan,
            None,
            with_run_async(ahandler, plan.stack, clock, actor.signature),
            emits_events,
            limit,
            copies_context,
            registry.owner,
            clock=clock,
        )
    handler = wrap_all(layers, sync_handler(actor.fn, actor.signature, run, grace, injection))
    return CompiledActor(
        plan, with_run(handler, plan.stack, clock, actor.signature), None, emits_events, limit, copies_context, registry.owner, clock=clock
    )


def notifying_layers(stack: Stack) -> Stack:
    """Return the layers of *stack* that pass on the outcome of a message: to groups, results, callbacks and records."""
    return Stack(tuple(layer for layer in stack if isinstance(layer, Keep | GroupCallbacks | Results | Callbacks)))


def deciding_layers(stack: Stack) -> Stack:
    """Return the layers of *stack* that decide about another attempt, and those that pass on the outcome."""
    return Stack(tuple(layer for layer in stack if isinstance(layer, Keep | GroupCallbacks | Results | Callbacks | Retries)))
