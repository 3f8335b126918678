"""`App`: where actors, a stack and a broker meet. Mutable: actors are added, and the broker is made at the first use."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TypeVar, Unpack, cast

from fq.app.bulk_send import in_batches, unsent
from fq.brokers import broker_from_url
from fq.brokers.protocol import Broker
from fq.calls.actor import AnyActor, check_targets, stack_for
from fq.calls.call import Call
from fq.calls.declare import ActorDecorator, actors_in, taken
from fq.calls.group_handle import handle_for
from fq.calls.handle import Handle
from fq.calls.workflow import Grouping, check
from fq.core.events import ActorDeclared, ActorDeclaring, Delayed, Enqueued, Event
from fq.core.message import ACTOR_DEFAULTS
from fq.core.outcome import Enqueue
from fq.core.reserved_options import check_sent
from fq.errors import ActorNotFound, ConfigError, DeclarationError
from fq.execution.actor_plan import Plan
from fq.execution.declared_queues import AppQueues
from fq.execution.outcome_encoding import pack
from fq.execution.requeue_plan import plan_requeue
from fq.layers import default_middleware
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack, compose
from fq.runtime.fresh_ids import fresh_id
from fq.runtime.logger import logger
from fq.worker.inline import run_until_idle
from fq.worker.process.worker import Child
from fq.worker.settings import InlineSettings, WorkerSettings

R = TypeVar("R")
T = TypeVar("T")
log = logger("fq")

DEFAULT_URL = "sqlite:///fq.db"


class App:
    """
    An application: its actors, the stack that they run in, and the broker between those who send and those who work.

    >>> app = App("memory://")
    >>> @app.actor(max_retries=3)
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> handle = add.send(1, 2)
    >>> app.run_until_idle()
    1
    >>> handle.get_result()
    3

    Args:
        url: of the broker: ``sqlite:///jobs.db``, ``redis://host:6379/0``, ``memory://``. Without one: ``$FQ_URL``, else ``sqlite:///fq.db``.

        broker: a broker as a value, instead of a URL.

        middleware: the stack of all actors; `default_middleware` unless given.

        queues: queues that workers claim from beside those of the actors: those that single calls are sent to, or that a release before used.

    Nothing connects before the first send or claim.

    Raises:
        ConfigError, DeclarationError: both a URL and a broker, or a URL that fq cannot use; a name in *queues* that is none.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        broker: Broker | None = None,
        middleware: Middleware = default_middleware,
        queues: Collection[str] = (),
    ) -> None:
        if url is not None and broker is not None:
            raise ConfigError(f"found the URL {url} and the broker {broker}, expected one of them")
        self._broker = broker if broker is not None else broker_from_url(url or os.environ.get("FQ_URL") or DEFAULT_URL)
        self._owned: dict[Callable[[App], object], object] = {}
        self.stack = compose(middleware).bind(self)
        self.actor = ActorDecorator(self._add)
        self.group = Grouping(self)
        self._fresh_id: Callable[[int], str] = fresh_id
        self._actors: dict[str, AnyActor] = {}
        self._plans: dict[str, Plan] = {}
        self._base = Plan.of(self.stack)
        self._queues = AppQueues(queues, self.tell)
        self.expect_workers = self._queues.expect_workers

    def __repr__(self) -> str:
        return f"App({str(self._broker)!r})"

    @property
    def broker(self) -> Broker:
        """The broker. It connects at its first call."""
        return self._broker

    @property
    def actors(self) -> Mapping[str, AnyActor]:
        """The declared actors, by name."""
        return dict(self._actors)

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that the app lists, and then those of the declared actors, in the order of declaration."""
        return self._queues.names

    def include(self, *things: AnyActor | ModuleType) -> None:
        """
        Bind actors that were declared with the free `actor`, or all of a module's.

        Raises:
            DeclarationError: a name that is taken, an actor of another app, or a thing that holds no actors.
        """
        for thing in things:
            for actor in actors_in(thing):
                if actor.home.app is not self:
                    self._add(actor)

    def edit_stack(self, change: Callable[[Stack], Stack]) -> None:
        """
        Let the app's stack be what *change* makes of it, for the actors that are declared and those to come: for set-up code.

        A worker that has begun keeps what it began with.

        >>> from fq import Retries, current_message, default_middleware
        >>> app = App("memory://", middleware=default_middleware.without(Retries))
        >>> app.edit_stack(lambda stack: stack.replace(current_message()))

        Raises:
            StackError: layers that do not fit together.
            OptionError: an actor has an option that no layer takes any more.
        """
        stack = compose(change(self.stack)).bind(self)
        plans = {name: self._plan(actor, stack) for name, actor in self._actors.items()}
        self.stack, self._base, self._plans = stack, Plan.of(stack), plans

    def own(self, kind: Callable[["App"], T]) -> T:
        """Return the one *kind* of this app: ``kind(app)``, called at the first asking. For what the layers of an app share."""
        if kind not in self._owned:
            self._owned[kind] = kind(self)
        return cast(T, self._owned[kind])

    def get_actor(self, name: str) -> AnyActor:
        """Return the actor called *name*; raises `ActorNotFound` if there is none."""
        try:
            return self._actors[name]
        except KeyError:
            raise ActorNotFound(f"no actor called {name}; declared are {', '.join(self._actors) or 'none'}") from None

    def stack_of(self, actor: AnyActor) -> Stack:
        """Return the stack that *actor* runs in."""
        return self.plan(actor.name).stack

    def plan(self, actor_name: str) -> Plan:
        """Return what was worked out for an actor; for one that is not declared here, the plan of the app's own stack."""
        return self._plans.get(actor_name, self._base)

    def plans(self) -> tuple[Plan, ...]:
        """Return the plans of all declared actors."""
        return tuple(self._plans.values())

    def send(self, call: Call[R]) -> Handle[R]:
        """Send *call*; `Call.send` is the way to write it. Of a workflow, all that starts at once is sent at once, or nothing."""
        message_id, enqueues = self._fresh(call, self._broker.now())
        self._broker.enqueue([pack(enqueue) for enqueue in enqueues])
        return self._sent(call, message_id, enqueues)

    async def asend(self, call: Call[R]) -> Handle[R]:
        """Send *call*; `Call.asend` is the way to write it."""
        message_id, enqueues = self._fresh(call, await self._broker.anow())
        await self._broker.aenqueue([pack(enqueue) for enqueue in enqueues])
        return self._sent(call, message_id, enqueues)

    def send_many(self, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """
        Send *calls*, a thousand messages to a round trip, and return their handles in the same order.

        Each thousand is enqueued as a whole or not at all: after an error, those before it have been sent.
        """
        return in_batches(self._broker, calls, self._prepared, self.announce)

    def enqueue(self, *enqueues: Enqueue) -> tuple[Enqueue, ...]:
        """
        Send messages that are made already, all or none, and return them as they were sent.

        A message whose id waits or runs already is left as it is; a warning in the log says so.

        Raises:
            OptionError: a message has an option of fq's own that fq did not write.
        """
        for enqueue in enqueues:
            check_sent(enqueue.message.options)
        sent = tuple(self.send_side(enqueue) for enqueue in enqueues)
        new = self._broker.enqueue([pack(enqueue) for enqueue in sent])
        if new < len(sent):
            log.warning("%s", unsent(sent, new))
        for enqueue in sent if new else ():
            self.announce(enqueue)
        return sent

    def requeue(self, message_ids: Sequence[str]) -> int:
        """Put dead letters back on their queues, as if they were sent now, and open the groups that failed with them; return how many there were."""
        return self._broker.requeue(message_ids, plan_requeue)

    def send_side(self, enqueue: Enqueue) -> Enqueue:
        """Return *enqueue* as the stack of its actor sends it."""
        plan = self._plans.get(enqueue.message.actor_name, self._base)
        if enqueue.message.queue_name == ACTOR_DEFAULTS:
            enqueue = plan.addressed(enqueue)
        return plan.sending.on_enqueue(enqueue) if plan.edits_sends else enqueue

    def tell(self, event: Event, plan: Plan | None = None) -> None:
        """Tell the layers of *plan*, or of the app's own stack, about *event*. What they raise is logged."""
        plan = plan or self._base
        if plan.watches:
            try:
                plan.watching.on_event(event)
            except BaseExceptionGroup as errors:
                log.error("%s", errors.message, exc_info=errors)

    def announce(self, enqueue: Enqueue) -> None:
        """Tell the layers of its actor that *enqueue* is on its queue."""
        plan = self._plans.get(enqueue.message.actor_name, self._base)
        if plan.watches:
            if enqueue.delay:
                self.tell(Delayed(enqueue.message, enqueue.delay), plan)
            self.tell(Enqueued(enqueue.message, enqueue.delay), plan)

    def run_until_idle(self) -> int:
        """
        Run everything that waits, one message after the other on this thread, and return how many there were.

        Called where an event loop runs, as in an async test or a notebook, it runs async actors on a loop of their own in another thread, and
        waits for each.

        With the memory broker, the clock jumps over delays, so retries and delayed messages run, too. With other brokers what is not due yet is left waiting.
        """
        return run_until_idle(self)

    @contextmanager
    def lent(self, broker: Broker, ids: Callable[[int], str] = fresh_id) -> Iterator[None]:
        """Use *broker*, and the message ids that *ids* makes of the time, for as long as the context lasts: the seam for tests; see ``fq.testing.memory``."""
        own = self._broker, self._fresh_id
        self._broker, self._fresh_id = broker, ids
        try:
            yield
        finally:
            self._broker, self._fresh_id = own

    def worker(self, **settings: Unpack[InlineSettings]) -> Child:
        """
        Return a worker that runs inside this process for as long as its context lasts: for tests and notebooks.

        >>> app = App("memory://")
        >>> @app.actor
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> with app.worker(threads=2):
        ...     add.send(1, 2).get_result(block=True)
        3
        """
        return Child(self, WorkerSettings(processes=1, **settings))

    def _prepared(self, call: Call[R]) -> tuple[tuple[Enqueue, ...], Handle[R]]:
        message_id, enqueues = self._fresh(call, self._broker.now())
        return enqueues, cast("Handle[R]", handle_for(self, call.stages, message_id))

    def _plan(self, actor: AnyActor, base: Stack) -> Plan:
        return Plan.of(stack_for(actor, base).bind(self), actor)

    def _fresh(self, call: Call[R], now: int) -> tuple[str, tuple[Enqueue, ...]]:
        """Return the id of *call*, and what is to be sent for it; *now* is the broker's: a host whose clock is wrong sends messages of the right age."""
        message_id = self._fresh_id(now)
        if call.is_single:
            return message_id, (self.send_side(*call.enqueues(message_id, now)),)
        return message_id, tuple(map(self.send_side, call.enqueues(message_id, now, check(call, self))))

    def _sent(self, call: Call[R], message_id: str, enqueues: tuple[Enqueue, ...]) -> Handle[R]:
        for enqueue in enqueues:
            self.announce(enqueue)
        return cast("Handle[R]", handle_for(self, call.stages, message_id))

    def _add(self, actor: AnyActor) -> None:
        if actor.name in self._actors:
            raise taken(self._actors[actor.name], actor)
        if actor.home.app is not None and actor.home.app is not self:
            raise DeclarationError(f"{actor.name} belongs to another app already: {actor.home.app!r}")
        check_targets(actor.options, self)
        plan = self._plan(actor, self.stack)
        actor.home.app = self
        self._actors[actor.name] = actor  # before anybody is told, so that who watches can look it up
        self._plans[actor.name] = plan
        self.tell(ActorDeclaring(actor.name, actor.queue_name), plan)
        self._queues.declare(actor.queue_name)
        self.tell(ActorDeclared(actor.name, actor.queue_name), plan)
