"""`Registry`: the actors, queues and stack of an app, and the objects that its layers share. Mutable shell."""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol, TypeVar, cast

from fq.calls.actor import AnyActor, check_targets, stack_for
from fq.calls.call import CallSender
from fq.calls.declare import duplicate_name_error, is_typed_again
from fq.calls.templates import CallTemplate
from fq.core.events import ActorDeclared, ActorDeclaring, Delayed, Enqueued, Event, SendFailed
from fq.core.host import Host
from fq.core.message import ACTOR_DEFAULTS
from fq.core.outcome import Enqueue
from fq.core.shown_call import Redact
from fq.errors import ActorNotFound, DeclarationError
from fq.execution.actor_plan import ActorPlan
from fq.execution.declared_queues import DeclaredQueues
from fq.execution.declared_schedules import DeclaredSchedules
from fq.execution.message_source import MessageSource
from fq.middleware.base import Middleware
from fq.middleware.send_call import SendCall
from fq.middleware.stack import Stack, compose
from fq.resources.declared import DeclaredResources, Needs
from fq.runtime.logger import logger
from fq.wire.convert.scalars import HOW_TO_SUPPORT

T = TypeVar("T")
log = logger("fq")


class Owner(CallSender, Host, Protocol):
    """The app that a registry belongs to."""


class Registry:
    """
    What an app declares, in the form that a worker needs: actors by name, their plans, and the queues to claim from.

    Attributes:
        owner: the app.

        stack: the stack of the app. The stack of each actor begins with it.

        queues: the queues that the app's workers claim from.

        schedules: the schedules that the app declares.

        source: where messages come from beside the broker; None if nowhere.

        observes_sends: does a layer want to know what becomes of sends? Only then they have a `SendCall`.

        look_up: is called with the name of an actor that a worker does not know, and may declare it.

        resources: the resources that the app declares.
    """

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self._singletons: dict[Callable[[Owner], object], object] = {}
        self._actors: dict[str, AnyActor] = {}
        self._plans: dict[str, ActorPlan] = {}
        self.look_up: Callable[[str], object] = lambda _: None
        self._needs: dict[str, Needs] = {}
        self.resources = DeclaredResources()
        self.stack = Stack()
        self.redact: Redact = True
        self._app_plan = ActorPlan.of(self.stack)
        self.observes_sends = False
        self.queues = DeclaredQueues(self.emit)
        self.schedules = DeclaredSchedules(owner)
        self.source: MessageSource | None = None

    @property
    def actors(self) -> dict[str, AnyActor]:
        """The declared actors, by name."""
        return dict(self._actors)

    def begin(self, middleware: Middleware, queues: Collection[str], redact: Redact = True) -> None:
        """
        Use the layers of *middleware*, and declare *queues*. *redact* says how logs show arguments.

        The app must have its registry by now: layers may call `App.singleton`.

        Raises:
            DeclarationError: one of *queues* is not a valid queue name.
            StackError: layers that do not fit together.
        """
        self.redact = redact
        self.edit_stack(lambda _: compose(middleware))
        self.queues.declare_all(queues)

    def edit_stack(self, change: Callable[[Stack], Stack]) -> None:
        """See `App.edit_stack`."""
        stack = compose(change(self.stack)).bind(self.owner)
        plans = {name: self._make_plan(actor, stack) for name, actor in self._actors.items()}
        self.stack, self._app_plan, self._plans = stack, ActorPlan.of(stack, redact=self.redact), plans
        self.observes_sends = any(plan.observes_sends for plan in (self._app_plan, *plans.values()))

    def add(self, actor: AnyActor) -> None:
        """
        Add *actor* to the app. What is typed into an interactive session again, such as a cell of a notebook, replaces what was typed before.

        Raises:
            DeclarationError: its name is taken, it belongs to another app, or it asks for a resource that it cannot get.
            OptionError, StackError: its options or layers do not fit the stack of the app.
        """
        if actor.name in self._actors and not is_typed_again(self._actors[actor.name], actor):
            raise duplicate_name_error(self._actors[actor.name], actor)
        if actor.owner.app is not None and actor.owner.app is not self.owner:
            raise DeclarationError(f"{actor.name} belongs to another app already: {actor.owner.app!r}")
        check_targets(actor.options, self.owner)
        needs = self.resources.needs_of_actor(actor.name, actor.signature)
        plan = self._make_plan(actor, self.stack)
        if plan.stores_results and (part := actor.signature.unsupported_result):
            raise DeclarationError(
                f"{actor.name}: its result is {actor.signature}, and fq has no JSON for {part}, so the result could not be stored after the actor has run: "
                f"{HOW_TO_SUPPORT}, or declare the actor with store_results=False"
            )
        actor.owner.app = self.owner
        self._actors[actor.name] = actor  # before the event, so that layers can look it up
        self._plans[actor.name] = plan
        self.observes_sends |= plan.observes_sends
        self._needs[actor.name] = needs
        self.emit(ActorDeclaring(actor.name, actor.queue_name), plan)
        self.queues.declare(actor.queue_name)
        self.emit(ActorDeclared(actor.name, actor.queue_name), plan)

    def find_actor(self, name: str) -> AnyActor | None:
        """Return the actor called *name*, which `look_up` may declare only now; None if there is none."""
        if name not in self._actors:
            self.look_up(name)
        return self._actors.get(name)

    def get_actor(self, name: str) -> AnyActor:
        """See `App.get_actor`."""
        try:
            return self._actors[name]
        except KeyError:
            raise ActorNotFound(f"no actor called {name}; the app declares {', '.join(self._actors) or 'none'}") from None

    def plan(self, actor_name: str) -> ActorPlan:
        """Return the plan of an actor. For an actor that is not declared here, it is made of the app's stack."""
        return self._plans.get(actor_name, self._app_plan)

    def needs_of(self, actor_name: str) -> Needs:
        """Return the resources that an actor gets, by the names of its parameters."""
        return self._needs.get(actor_name, {})

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
            self._singletons[factory] = factory(self.owner)
        return cast(T, self._singletons[factory])

    def apply_send_layers(self, enqueue: Enqueue, call: SendCall | None = None) -> Enqueue:
        """Return *enqueue*, which *call* sends, as the layers of its actor change it."""
        plan = self._plans.get(enqueue.message.actor_name, self._app_plan)
        if enqueue.message.queue_name == ACTOR_DEFAULTS:
            enqueue = plan.with_actor_defaults(enqueue)
        if not plan.has_send_layers:
            return enqueue
        return plan.send_layers.on_enqueue(enqueue) if call is None else plan.send_layers.on_send(enqueue, call)

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

    def emit_failed(self, enqueues: Iterable[Enqueue], error: BaseException) -> None:
        """Tell the layers of their actors that the messages of *enqueues* could not be sent, because the broker raised *error*."""
        for enqueue in enqueues:
            self.emit(SendFailed(enqueue.message, enqueue.delay, error), self.plan(enqueue.message.actor_name))

    def _make_plan(self, actor: AnyActor, base: Stack) -> ActorPlan:
        return ActorPlan.of(stack_for(actor, base).bind(self.owner), actor, self.redact)
