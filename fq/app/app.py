"""`App`: actors, the stack that they run in, and a broker. Mutable: declarations add actors, and `App.edit_stack` changes the stack."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TypeVar, Unpack, cast

from fq.app.bulk_send import duplicates_warning, send_in_batches
from fq.brokers import broker_from_url
from fq.brokers.protocol import Broker
from fq.brokers.requeue import use_by_default
from fq.calls.actor import AnyActor
from fq.calls.call import Call
from fq.calls.declare import ActorDecorator, actors_in
from fq.calls.group_handle import make_handle
from fq.calls.handle import Handle
from fq.calls.templates import Callee
from fq.calls.workflow import Grouping, check_workflow
from fq.core.outcome import Enqueue
from fq.core.reserved_options import check_message_options
from fq.errors import ConfigError
from fq.execution.outcome_encoding import to_op
from fq.execution.registry import Registry
from fq.execution.requeue_plan import plan_requeue
from fq.layers import default_middleware
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack
from fq.runtime.fresh_ids import fresh_id
from fq.runtime.logger import logger
from fq.worker.inline import run_until_idle
from fq.worker.process.worker import Worker
from fq.worker.settings import InlineSettings, WorkerSettings

R = TypeVar("R")
T = TypeVar("T")
log = logger("fq")

use_by_default(plan_requeue)

DEFAULT_URL = "sqlite:///fq.db"


class App:
    """
    An application: its actors, the stack that they run in, and the broker that takes messages from producers to workers.

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
        url: the URL of the broker: ``sqlite:///jobs.db``, ``redis://host:6379/0`` or ``memory://``. Default: ``$FQ_URL``, else ``sqlite:///fq.db``.

        broker: a broker as a value, instead of a URL.

        middleware: the stack of all actors. Default: `default_middleware`.

        queues: names of queues that workers claim from, beside the queues of the actors: those that single calls name, or that an earlier
            release used.

    Nothing connects before the first send or claim.

    Raises:
        ConfigError: both a URL and a broker, or a URL that fq cannot use.
        DeclarationError: a bad name in *queues*.
        StackError: layers that do not fit together.
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
            raise ConfigError(f"found the URL {url} and the broker {broker}, expected only one of them")
        self._broker = broker if broker is not None else broker_from_url(url or os.environ.get("FQ_URL") or DEFAULT_URL)
        self._fresh_id: Callable[[int], str] = fresh_id
        self.registry = Registry(self)
        self.actor = ActorDecorator(self.registry.add)
        self.group = Grouping(self)
        self.registry.begin(middleware, queues)

    def __repr__(self) -> str:
        return f"App({str(self._broker)!r})"

    @property
    def broker(self) -> Broker:
        """The broker. Its first call connects."""
        return self._broker

    @property
    def actors(self) -> Mapping[str, AnyActor]:
        """The declared actors, by name."""
        return self.registry.actors

    @property
    def stack(self) -> Stack:
        """The stack of the app. The stack of each actor begins with it."""
        return self.registry.stack

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that the app lists, then the queues of the actors, in the order of declaration."""
        return self.registry.queues.names

    def include(self, *things: AnyActor | ModuleType) -> None:
        """
        Bind actors that the free `actor` declared: one actor, or all actors of a module.

        >>> from fq import actor
        >>> @actor
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> app = App("memory://")
        >>> app.include(add)
        >>> app.actors
        {'add': Actor('add', queue='default')}

        Raises:
            DeclarationError: a name that is taken, an actor of another app, or a thing that holds no actors.
            OptionError, StackError: options or layers of an actor that do not fit the stack of this app.
        """
        for thing in things:
            for actor in actors_in(thing):
                if actor.owner.app is not self:
                    self.registry.add(actor)

    def edit_stack(self, change: Callable[[Stack], Stack]) -> None:
        """
        Replace the app's stack by ``change(stack)``, for all actors, including those declared later. Call it in set-up code.

        A worker that has started keeps the stack that it started with.

        >>> from fq import Retries, current_message, default_middleware
        >>> app = App("memory://", middleware=default_middleware.without(Retries))
        >>> app.edit_stack(lambda stack: stack.replace(current_message()))

        Raises:
            StackError: layers that do not fit together.
            OptionError: an actor has an option that no layer takes now.
        """
        self.registry.edit_stack(change)

    def singleton(self, factory: Callable[["App"], T]) -> T:
        """Return ``factory(app)``, which is called once for each app. Layers use it for what they share."""
        return self.registry.singleton(factory)

    own = singleton  # its former name, removed at 1.0

    def get_actor(self, name: str) -> AnyActor:
        """
        Return the actor called *name*.

        Raises:
            ActorNotFound: no actor of the app has this name.
        """
        return self.registry.get_actor(name)

    def stack_of(self, actor: Callee) -> Stack:
        """Return the stack that *actor* runs in: the app's stack with the layers and options of the actor."""
        return self.registry.plan(actor.name).stack

    def expect_workers(self, queue_name: str) -> None:
        """Log a warning, once for each queue, if the app has no such queue: its workers claim from it only if ``--queues`` names it."""
        self.registry.queues.expect_workers(queue_name)

    def send(self, call: Call[R]) -> Handle[R]:
        """Send *call*: ``call.send()`` calls this. All messages that start a workflow are enqueued together, or none."""
        message_id, enqueues = self._build_messages(call, self._broker.now())
        self._broker.enqueue([to_op(enqueue) for enqueue in enqueues])
        return self._finish_send(call, message_id, enqueues)

    async def asend(self, call: Call[R]) -> Handle[R]:
        """`send`, for async producers: ``call.asend()`` calls this."""
        message_id, enqueues = self._build_messages(call, await self._broker.anow())
        await self._broker.aenqueue([to_op(enqueue) for enqueue in enqueues])
        return self._finish_send(call, message_id, enqueues)

    def send_many(self, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """
        Send *calls*, a thousand messages in each round trip, and return their handles in the same order.

        Each batch is enqueued completely or not at all. After an error, the batches before it have been sent.

        Raises:
            The errors of `Call.send`.
        """
        return send_in_batches(self._broker, calls, self._prepare, self.registry.is_watched, self.registry.emit_enqueued)

    def enqueue(self, *enqueues: Enqueue) -> tuple[Enqueue, ...]:
        """
        Send messages that you have made yourself, all or none, and return them as the layers have changed them.

        A message is not sent if one with its id waits or runs already; a warning in the log says so.

        Raises:
            OptionError: a message has an option that is reserved for fq, with a value that fq does not write.
        """
        for enqueue in enqueues:
            check_message_options(enqueue.message.options)
        sent = tuple(self.registry.apply_send_layers(enqueue) for enqueue in enqueues)
        new = self._broker.enqueue([to_op(enqueue) for enqueue in sent])
        if new < len(sent):
            log.warning("%s", duplicates_warning(sent, new))
        for enqueue in sent if new else ():
            self.registry.emit_enqueued(enqueue)
        return sent

    def requeue(self, message_ids: Sequence[str]) -> int:
        """Put dead letters back on their queues as if sent now, reopen the groups that failed with them, and return how many there were."""
        return self._broker.requeue(message_ids)

    def run_until_idle(self) -> int:
        """
        Run all waiting messages in this thread, one after the other, and return how many messages ran.

        With the memory broker, the clock jumps over delays, so retries and delayed messages run, too. With other brokers, messages that are not
        due yet stay where they are.

        In a thread with a running event loop, such as an async test or a notebook, async actors run on another loop in another thread, and
        this method waits for each.
        """
        return run_until_idle(self.registry, self.broker)

    @contextmanager
    def using_broker(self, broker: Broker, ids: Callable[[int], str] = fresh_id) -> Iterator[None]:
        """Use *broker*, and message ids that *ids* makes of the time in ms, inside the context. It is for tests: see ``fq.testing.memory``."""
        previous = self._broker, self._fresh_id
        self._broker, self._fresh_id = broker, ids
        try:
            yield
        finally:
            self._broker, self._fresh_id = previous

    def worker(self, **settings: Unpack[InlineSettings]) -> Worker:
        """
        Return a worker that runs in this process inside its context. It is for tests and notebooks.

        >>> app = App("memory://")
        >>> @app.actor
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> with app.worker(threads=2):
        ...     add.send(1, 2).get_result(block=True)
        3
        """
        return Worker(self.registry, self.broker, WorkerSettings(processes=1, **settings))

    def _prepare(self, call: Call[R]) -> tuple[tuple[Enqueue, ...], Handle[R]]:
        message_id, enqueues = self._build_messages(call, self._broker.now())
        return enqueues, cast("Handle[R]", make_handle(self, self.registry.stores_result, call.steps, message_id))

    def _build_messages(self, call: Call[R], now: int) -> tuple[str, tuple[Enqueue, ...]]:
        """Return the id of *call* and the messages that start it; *now* is the broker's time, since a host's clock may be wrong."""
        message_id = self._fresh_id(now)
        if call.is_single:
            return message_id, (self.registry.apply_send_layers(*call.enqueues(message_id, now)),)
        enqueues = call.enqueues(message_id, now, reports_end=check_workflow(call, self))
        return message_id, tuple(map(self.registry.apply_send_layers, enqueues))

    def _finish_send(self, call: Call[R], message_id: str, enqueues: tuple[Enqueue, ...]) -> Handle[R]:
        registry = self.registry
        for enqueue in enqueues:
            registry.emit_enqueued(enqueue)
        return cast("Handle[R]", make_handle(self, registry.stores_result, call.steps, message_id))
