"""`App`: actors, the stack that they run in, and a broker. Mutable: declarations add actors, and `App.edit_stack` changes the stack."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar, Unpack, cast

from fq.app.counters import CounterReader
from fq.app.history import MessageReader
from fq.app.on_commit import OnCommit, SendingOnCommit
from fq.app.scheduling import Scheduling
from fq.brokers import broker_from_url
from fq.brokers.protocol import Broker
from fq.brokers.requeue import use_by_default
from fq.brokers.tagged_ids import TagsIds
from fq.calls.actor import AnyActor
from fq.calls.declare import ActorDecorator, actors_in
from fq.calls.workflow import Grouping
from fq.core.shown_call import Redact
from fq.errors import ConfigError
from fq.execution.registry import Registry
from fq.execution.requeue_plan import plan_requeue
from fq.layers import default_middleware
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack
from fq.outbox import Outbox
from fq.resources.resource import Resource, ResourceDecorator
from fq.runtime.fresh_ids import fresh_id
from fq.worker.settings import InlineSettings, WorkerSettings

if TYPE_CHECKING:
    from fq.worker.process.worker import Worker

T = TypeVar("T")

use_by_default(plan_requeue)

DEFAULT_URL = "sqlite:///fq.db"


def fresh_ids_of(broker: Broker) -> Callable[[int], str]:
    """Return what makes ids of new messages for *broker*, of the time in ms. Its class tells: a broker that stands for a later one has no methods yet."""
    if not issubclass(type(broker), TagsIds):
        return fresh_id
    tagged = cast(TagsIds, broker).tagged
    return lambda now: tagged(fresh_id(now))


class App(SendingOnCommit, MessageReader, CounterReader, Scheduling):
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

        redact: how logs show the arguments of messages. True, the default: as types and sizes. False: as values. A function of the name and the JSON
            value of an argument: as what it returns. An actor can override it.

        on_commit: what calls a function once the open transaction of your database is committed, for `Call.send_on_commit`. ``fq.django`` has one.

        outbox: the table in your own database for ``call.send(on=connection)``; the app's workers move what is in it to the broker.

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
        redact: Redact = True,
        on_commit: OnCommit | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        if url is not None and broker is not None:
            raise ConfigError(f"found the URL {url} and the broker {broker}, expected only one of them")
        self._use(broker if broker is not None else broker_from_url(url or os.environ.get("FQ_URL") or DEFAULT_URL))
        self.on_commit = on_commit
        self.registry = Registry(self)
        self.actor = ActorDecorator(self.registry.add)
        self.resource = ResourceDecorator(self.registry.resources.declare)
        self.group = Grouping(self)
        self.registry.begin(middleware, queues, redact)
        self._outbox = self.registry.source = outbox

    def __repr__(self) -> str:
        return f"App({str(self._broker)!r})"

    def _use(self, broker: Broker) -> None:
        """Send with *broker*, under ids as it wants them."""
        self._broker, self._fresh_id = broker, fresh_ids_of(broker)

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

    @contextmanager
    def using_broker(self, broker: Broker, ids: Callable[[int], str] = fresh_id) -> Iterator[None]:
        """Use *broker*, and message ids that *ids* makes of the time in ms, inside the context. It is for tests: see ``fq.testing.memory``."""
        previous = self._broker, self._fresh_id
        self._broker, self._fresh_id = broker, ids
        try:
            yield
        finally:
            self._broker, self._fresh_id = previous

    def override(self, resource: Resource[T], value: T) -> AbstractContextManager[None]:
        """
        Let actors get *value* in the place of *resource* inside the context. It is for tests.

        *resource* is not opened meanwhile. A worker that has opened it already keeps it open.

        >>> from collections.abc import Iterator
        >>> from fq import injected
        >>> app = App("memory://")
        >>> @app.resource(scope="process")
        ... def mailbox() -> Iterator[list[str]]:
        ...     raise OSError("no server")
        ...     yield []
        >>> @app.actor
        ... def deliver(text: str, *, mailbox: list[str] = injected()) -> None:
        ...     mailbox.append(text)
        >>> fake: list[str] = []
        >>> with app.override(mailbox, fake):
        ...     handle = deliver.send("hello")
        ...     app.run_until_idle()
        1
        >>> fake
        ['hello']

        Raises:
            DeclarationError: *resource* is none of this app.
        """
        return self.registry.resources.override(resource, value)

    def worker(self, **settings: Unpack[InlineSettings]) -> "Worker":
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
        from fq.worker.process.worker import Worker  # who only sends does not need it

        return Worker(self.registry, self.broker, WorkerSettings(processes=1, **settings))
