"""`Registry`: the actors, queues and stack of an app, and the objects that its layers share. Mutable shell."""

from collections.abc import Callable, Collection
from typing import Protocol, TypeVar, cast

from fq.calls.actor import AnyActor, check_targets, stack_for
from fq.calls.call import CallSender
from fq.calls.declare import duplicate_name_error
from fq.calls.templates import CallTemplate
from fq.core.events import ActorDeclared, ActorDeclaring, Delayed, Enqueued, Event
from fq.core.host import Host
from fq.core.message import ACTOR_DEFAULTS
from fq.core.outcome import Enqueue
from fq.errors import ActorNotFound, DeclarationError
from fq.execution.actor_plan import ActorPlan
from fq.execution.declared_queues import DeclaredQueues
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack, compose
from fq.runtime.logger import logger

T = TypeVar("T")
log = logger("fq")


class Owner(CallSender, Host, Protocol):
    """The app that a registry belongs to."""


class Registry:
    """
    What an app declares, in the form that a worker needs: actors by name, their plans, and the queues to claim from.

    Attributes:
        stack: the stack of the app. The stack of each actor begins with it.

        queues: the queues that the app's workers claim from.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._singletons: dict[Callable[[Owner], object], object] = {}
        self._actors: dict[str, AnyActor] = {}
        self._plans: dict[str, ActorPlan] = {}
        self.stack = Stack()
        self._app_plan = ActorPlan.of(self.stack)
        self.queues = DeclaredQueues(self.emit)

    @property
    def actors(self) -> dict[str, AnyActor]:
        """The declared actors, by name."""
        return dict(self._actors)

    def begin(self, middleware: Middleware, queues: Collection[str]) -> None:
        """
        Use the layers of *middleware*, and declare *queues*.

        The app must have its registry by now: layers may call `App.singleton`.

        Raises:
            DeclarationError: one of *queues* is not a valid queue name.
            StackError: layers that do not fit together.
        """
        self.edit_stack(lambda _: compose(middleware))
        self.queues.declare_all(queues)

    def edit_stack(self, change: Callable[[Stack], Stack]) -> None:
        """See `App.edit_stack`."""
        stack = compose(change(self.stack)).bind(self._owner)
        plans = {name: self._make_plan(actor, stack) for name, actor in self._actors.items()}
        self.stack, self._app_plan, self._plans = stack, ActorPlan.of(stack), plans

    def add(self, actor: AnyActor) -> None:
        """
        Add *actor* to the app.

        Raises:
            DeclarationError: its name is taken, or it belongs to another app.
            OptionError, StackError: its options or layers do not fit the stack of the app.
        """
        if actor.name in self._actors:
            raise duplicate_name_error(self._actors[actor.name], actor)
        if actor.owner.app is not None and actor.owner.app is not self._owner:
            raise DeclarationError(f"{actor.name} belongs to another app already: {actor.owner.app!r}")
        check_targets(actor.options, self._owner)
        plan = self._make_plan(actor, self.stack)
        actor.owner.app = self._owner
        self._actors[actor.name] = actor  # before the event, so that layers can look it up
        self._plans[actor.name] = plan
        self.emit(ActorDeclaring(actor.name, actor.queue_name), plan)
        self.queues.declare(actor.queue_name)
        self.emit(ActorDeclared(actor.name, actor.queue_name), plan)

    def get_actor(self, name: str) -> AnyActor:
        """See `App.get_actor`."""
        try:
            return self._actors[name]
        except KeyError:
            raise ActorNotFound(f"no actor called {name}; the app declares {', '.join(self._actors) or 'none'}") from None

    def plan(self, actor_name: str) -> ActorPlan:
        """Return the plan of an actor. For an actor that is not declared here, it is made of the app's stack."""
        return self._plans.get(actor_name, self._app_plan)

    def plans(self) -> tuple[ActorPlan, ...]:
        """Return the plans of all declared actors."""
        return tuple(self._plans.values())

    def stores_result(self, call: CallTemplate) -> bool:
        """Will the result of *call* be stored?"""
        default = self._plans.get(call.actor.name, self._app_plan).stores_results
        return call.options.get("store_results", default) is True if call.options else default

    def singleton(self, factory: Callable[..., T]) -> T:
        """See `App.singleton`."""
        if factory not in self._singletons:
            self._singletons[factory] = factory(self._owner)
        return cast(T, self._singletons[factory])

    def apply_send_layers(self, enqueue: Enqueue) -> Enqueue:
        """Return *enqueue* as the layers of its actor change it."""
        plan = self._plans.get(enqueue.message.actor_name, self._app_plan)
        if enqueue.message.queue_name == ACTOR_DEFAULTS:
            enqueue = plan.with_actor_defaults(enqueue)
        return plan.send_layers.on_enqueue(enqueue) if plan.has_send_layers else enqueue

    def emit(self, event: Event, plan: ActorPlan | None = None) -> None:
        """Pass *event* to the layers of *plan*, by default those of the app's stack. What they raise is logged."""
        plan = plan or self._app_plan
        if plan.has_event_layers:
            try:
                plan.event_layers.on_event(event)
            except BaseExceptionGroup as errors:
                log.error("%s", errors.message, exc_info=errors)

    def is_watched(self, enqueue: Enqueue) -> bool:
        """Does the actor of *enqueue* have layers that take events?"""
        return self._plans.get(enqueue.message.actor_name, self._app_plan).has_event_layers

    def emit_enqueued(self, enqueue: Enqueue) -> None:
        """Tell the layers of the actor that the message of *enqueue* is on its queue."""
        plan = self._plans.get(enqueue.message.actor_name, self._app_plan)
        if plan.has_event_layers:
            if enqueue.delay:
                self.emit(Delayed(enqueue.message, enqueue.delay), plan)
            self.emit(Enqueued(enqueue.message, enqueue.delay), plan)

    def _make_plan(self, actor: AnyActor, base: Stack) -> ActorPlan:
        return ActorPlan.of(stack_for(actor, base).bind(self._owner), actor)
