"""`App`: where actors, a stack and a broker meet. Mutable: actors are added, and the broker is made at the first use."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TypeVar, Unpack, cast

from fq.app.bulk_send import send_in_batches, unsent
from fq.brokers import broker_from_url
from fq.brokers.protocol import Broker
from fq.calls.actor import AnyActor
from fq.calls.call import Call
from fq.calls.declare import ActorDecorator, actors_in
from fq.calls.group_handle import handle_for
from fq.calls.handle import Handle
from fq.calls.templates import Callee
from fq.calls.workflow import Grouping, check
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
        self._fresh_id: Callable[[int], str] = fresh_id
        self.registry = Registry(self)
        self.actor = ActorDecorator(self.registry.add)
        self.group = Grouping(self)
        self.registry.begin(middleware, queues)

    def __repr__(self) -> str:
        return f"App({str(self._broker)!r})"

    @property
    def broker(self) -> Broker:
        """The broker. It connects at its first call."""
        return self._broker

    @property
    def actors(self) -> Mapping[str, AnyActor]:
        """The declared actors, by name."""
        return self.registry.actors

    @property
    def stack(self) -> Stack:
        """The layers that every actor begins with."""
        return self.registry.stack

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that the app lists, and then those of the declared actors, in the order of declaration."""
        return self.registry.queues.names

    def include(self, *things: AnyActor | ModuleType) -> None:
        """
        Bind actors that were declared with the free `actor`, or all of a module's.

        Raises:
            DeclarationError: a name that is taken, an actor of another app, or a thing that holds no actors.
        """
        for thing in things:
            for actor in actors_in(thing):
                if actor.owner.app is not self:
                    self.registry.add(actor)

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
        self.registry.edit_stack(change)

    def singleton(self, kind: Callable[["App"], T]) -> T:
        """Return the one *kind* of this app: ``kind(app)``, called at the first asking. For what the layers of an app share."""
        return self.registry.singleton(kind)

    def get_actor(self, name: str) -> AnyActor:
        """
        Return the actor called *name*.

        Raises:
            ActorNotFound: there is none.
        """
        return self.registry.get_actor(name)

    def stack_of(self, actor: Callee) -> Stack:
        """Return the stack that *actor* runs in."""
        return self.registry.plan(actor.name).stack

    def expect_workers(self, queue_name: str) -> None:
        """Log a warning, once, if no worker of this app claims from the queue unless its ``--queues`` names it."""
        self.registry.queues.expect_workers(queue_name)

    def send(self, call: Call[R]) -> Handle[R]:
        """Send *call*; `Call.send` is the way to write it. Of a workflow, all that starts at once is sent at once, or nothing."""
        message_id, enqueues = self._fresh(call, self._broker.now())
        self._broker.enqueue([to_op(enqueue) for enqueue in enqueues])
        return self._sent(call, message_id, enqueues)

    async def asend(self, call: Call[R]) -> Handle[R]:
        """Send *call*; `Call.asend` is the way to write it."""
        message_id, enqueues = self._fresh(call, await self._broker.anow())
        await self._broker.aenqueue([to_op(enqueue) for enqueue in enqueues])
        return self._sent(call, message_id, enqueues)

    def send_many(self, calls: Iterable[Call[R]]) -> list[Handle[R]]:
        """
        Send *calls*, a thousand messages to a round trip, and return their handles in the same order.

        Each thousand is enqueued as a whole or not at all: after an error, those before it have been sent.
        """
        return send_in_batches(self._broker, calls, self._prepared, self.registry.emit_enqueued)

    def enqueue(self, *enqueues: Enqueue) -> tuple[Enqueue, ...]:
        """
        Send messages that are made already, all or none, and return them as they were sent.

        A message whose id waits or runs already is left as it is; a warning in the log says so.

        Raises:
            OptionError: a message has an option of fq's own that fq did not write.
        """
        for enqueue in enqueues:
            check_message_options(enqueue.message.options)
        sent = tuple(self.registry.apply_send_layers(enqueue) for enqueue in enqueues)
        new = self._broker.enqueue([to_op(enqueue) for enqueue in sent])
        if new < len(sent):
            log.warning("%s", unsent(sent, new))
        for enqueue in sent if new else ():
            self.registry.emit_enqueued(enqueue)
        return sent

    def requeue(self, message_ids: Sequence[str]) -> int:
        """Put dead letters back on their queues, as if they were sent now, and open the groups that failed with them; return how many there were."""
        return self._broker.requeue(message_ids, plan_requeue)

    def run_until_idle(self) -> int:
        """
        Run everything that waits, one message after the other on this thread, and return how many there were.

        Called where an event loop runs, as in an async test or a notebook, it runs async actors on a loop of their own in another thread, and
        waits for each.

        With the memory broker, the clock jumps over delays, so retries and delayed messages run, too. With other brokers what is not due yet is left waiting.
        """
        return run_until_idle(self.registry, self.broker)

    @contextmanager
    def using_broker(self, broker: Broker, ids: Callable[[int], str] = fresh_id) -> Iterator[None]:
        """Use *broker*, and the message ids that *ids* makes of the time, for as long as the context lasts: the seam for tests; see ``fq.testing.memory``."""
        own = self._broker, self._fresh_id
        self._broker, self._fresh_id = broker, ids
        try:
            yield
        finally:
            self._broker, self._fresh_id = own

    def worker(self, **settings: Unpack[InlineSettings]) -> Worker:
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
        return Worker(self.registry, self.broker, WorkerSettings(processes=1, **settings))

    def _prepared(self, call: Call[R]) -> tuple[tuple[Enqueue, ...], Handle[R]]:
        message_id, enqueues = self._fresh(call, self._broker.now())
        return enqueues, cast("Handle[R]", handle_for(self, self.registry.stores, call.stages, message_id))

    def _fresh(self, call: Call[R], now: int) -> tuple[str, tuple[Enqueue, ...]]:
        """Return the id of *call*, and what is to be sent for it; *now* is the broker's: a host whose clock is wrong sends messages of the right age."""
        message_id = self._fresh_id(now)
        if call.is_single:
            return message_id, (self.registry.apply_send_layers(*call.enqueues(message_id, now)),)
        return message_id, tuple(map(self.registry.apply_send_layers, call.enqueues(message_id, now, check(call, self))))

    def _sent(self, call: Call[R], message_id: str, enqueues: tuple[Enqueue, ...]) -> Handle[R]:
        for enqueue in enqueues:
            self.registry.emit_enqueued(enqueue)
        return cast("Handle[R]", handle_for(self, self.registry.stores, call.stages, message_id))
