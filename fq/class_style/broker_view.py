"""`BrokerView`, an app as class-style middleware sees it; `WorkerView` and `ResultsView`, which it hands out."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from fq.calls.actor import Actor
from fq.calls.handle import DEFAULT_RESULT_TIMEOUT_MS
from fq.calls.task_handle import TaskHandle
from fq.class_style.actor_view import ActorView, as_message
from fq.class_style.deliveries import Deliveries
from fq.class_style.dramatiq_compat import delay_queue, dramatiq_exception, is_deliberate
from fq.class_style.hook_threads import HookThreads
from fq.class_style.message_view import MessageView
from fq.class_style.setup import insert_layer, replay_declarations
from fq.core.duration import Duration, to_ms
from fq.core.frozen import EMPTY
from fq.core.message import Message, evolve_message
from fq.core.outcome import Enqueue
from fq.errors import ActorNotFound, ConfigError
from fq.layers import Results
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack
from fq.runtime.logger import logger

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.class_style")


class BrokerView:
    """
    Mutable: an app as the hooks see it; each app has one. A hook may set any attribute on it; later hooks find the attribute there.

    A layer that is called as a pure function, outside of any app, has a view without an app: it has no actors and cannot send.

    Attributes:
        logger: for middleware that has no logger of its own.

        deliveries: the views of the messages that run now.

        hook_threads: the threads for the hooks around async actors.
    """

    as_layer: ClassVar[Callable[[object], Middleware]]
    """Makes a layer of a middleware. ``fq.class_style.adapter`` sets it, since that module needs this one."""

    def __init__(self, app: "App | None" = None) -> None:
        self.logger = logging.getLogger("fq.broker")
        self.deliveries = Deliveries()
        self.hook_threads = HookThreads(self)
        self._app = app
        self._actors: dict[str, ActorView] = {}
        self._workers: dict[str, WorkerView] = {}

    @property
    def app(self) -> "App":
        """
        The app.

        Raises:
            ConfigError: this view has no app.
        """
        if self._app is None:
            raise ConfigError("this layer belongs to no app: put it into the middleware of an app to send messages")
        return self._app

    @property
    def actors(self) -> dict[str, ActorView]:
        """The declared actors, by name."""
        return {} if self._app is None else {name: self.get_actor(name) for name in self._app.actors}

    @property
    def actor_options(self) -> set[str]:
        """The names of all options that actors may have."""
        return set(self._stack.accepted_options())

    @property
    def middleware(self) -> list[object]:
        """The layers of the app, outermost first; of a class-style layer, the middleware object itself."""
        return [getattr(layer, "middleware", layer) for layer in self._stack]

    @property
    def queues(self) -> dict[str, None]:
        """The names of the queues, in the order of declaration."""
        return dict.fromkeys(() if self._app is None else self._app.queues)

    @property
    def delay_queues(self) -> set[str]:
        """Dramatiq's names of the delay queues. fq has no such queues: a delayed message waits in its own queue."""
        return {delay_queue(queue) for queue in self.queues}

    def get_declared_actors(self) -> set[str]:
        """Return the names of the declared actors."""
        return set(self.actors)

    def get_declared_queues(self) -> set[str]:
        """Return the names of the queues."""
        return set(self.queues)

    def get_declared_delay_queues(self) -> set[str]:
        """Return `delay_queues`."""
        return self.delay_queues

    def get_actor(self, actor_name: str) -> ActorView:
        """
        Return the actor called *actor_name*.

        Raises:
            ActorNotFound: there is none. If Dramatiq is imported, the error is also an instance of Dramatiq's ``ActorNotFound``.
        """
        if actor_name in self._actors:
            return self._actors[actor_name]
        try:
            actor = self.app.get_actor(actor_name)
        except (ActorNotFound, ConfigError) as error:
            raise _not_found(str(error)) from None
        return self._actors.setdefault(actor_name, ActorView(self, actor))

    def declare_actor(self, actor: object) -> None:
        """Declare an actor that was made with ``fq.actor``. An actor that is declared already stays as it is."""
        if isinstance(actor, Actor):
            self.app.include(actor)
        elif not isinstance(actor, ActorView):
            raise TypeError(f"found {actor!r}, expected an actor")

    def enqueue(self, message: object, *, delay: Duration | None = None) -> MessageView:
        """
        Send *message*, and return it as it was sent.

        *message* may be a view, or any object with the fields of a message. It runs after *delay*, ms or timedelta.

        If this message runs in this process now, it is put back: the outcome of the delivery is that the message runs again after *delay*,
        whatever the hooks or the actor do next, and this is committed in one step. If it waits, or runs in another process, it stays as it
        is, and the log has a warning.

        Raises:
            BrokerError: it runs here, outside of the process hooks, so that nothing can put it back.
        """
        made, wait = as_message(message), 0 if delay is None else to_ms(delay)
        running = self.deliveries.uncommitted(made.message_id)
        if not isinstance(message, Message | MessageView):  # such an object has no priority
            made = evolve_message(made, priority=self._priority(made.actor_name) if running is None else running._message.priority)
        if running is None:
            (sent,) = self.app.enqueue(Enqueue(made, wait))
            return MessageView(self, sent.message)
        self.deliveries.put_back(running, made, wait)
        return MessageView(self, made)

    def add_middleware(self, middleware: object, *, before: type | None = None, after: type | None = None) -> None:
        """
        Put *middleware* into the app's stack.

        It becomes the innermost layer, or the one just outside the first of class *before*, or just inside the first of class *after*.
        This is for set-up code: a running worker keeps the stack that it started with. For queues and actors that are declared already, the
        hooks ``after_declare_queue`` and ``after_declare_actor`` are called now.

        Raises:
            StackError: the stack has no middleware of that class, or the order is wrong.
        """
        layer = BrokerView.as_layer(middleware)
        insert_layer(self.app, layer, before, after)
        replay_declarations(getattr(layer, "hooks", EMPTY), self, self.queues, self.actors.values())

    def emit_before(self, signal: str, *args: object, **kwargs: object) -> None:
        """Call the ``before_`` hook of all class-style middleware, outermost first. Errors are logged, except those raised on purpose."""
        for hook in self._hooks(f"before_{signal}"):
            try:
                hook(self, *args, **kwargs)
            except Exception as error:
                if is_deliberate(error):
                    raise
                log.exception("a before_%s hook failed", signal)

    def emit_after(self, signal: str, *args: object, **kwargs: object) -> None:
        """Call the ``after_`` hook of all class-style middleware, innermost first. Errors are logged."""
        for hook in reversed(self._hooks(f"after_{signal}")):
            try:
                hook(self, *args, **kwargs)
            except Exception:
                log.exception("an after_%s hook failed", signal)

    def get_results_backend(self) -> "ResultsView":
        """
        Return the reader of results.

        Raises:
            RuntimeError: the app's stack has no `Results` layer.
        """
        if Results not in self._stack:
            raise RuntimeError("the app's stack has no Results layer: put results() into it")
        return ResultsView(self)

    def worker(self, name: str) -> "WorkerView":
        """Return the worker called *name*."""
        return self._workers.setdefault(name, WorkerView(self, name))

    def forget_worker(self, name: str) -> None:
        """Drop the view of a worker that has stopped."""
        self._workers.pop(name, None)

    def _priority(self, actor_name: str) -> int:
        actor = None if self._app is None else self._app.actors.get(actor_name)
        return 0 if actor is None else actor.priority

    @property
    def _stack(self) -> Stack:
        return Stack() if self._app is None else self._app.stack

    def _hooks(self, name: str) -> list[Callable[..., object]]:
        found: list[Mapping[str, Callable[..., object]]] = [getattr(layer, "hooks", EMPTY) for layer in self._stack]
        return [hooks[name] for hooks in found if name in hooks]


class WorkerView:
    """
    Mutable: a worker as the hooks see it. A hook may set any attribute on it; later hooks find the attribute there.

    Attributes:
        name: the name by which the broker knows it.
    """

    def __init__(self, broker: BrokerView, name: str) -> None:
        self.broker = broker
        self.name = name
        self.logger = logging.getLogger("fq.worker")

    def __repr__(self) -> str:
        return f"WorkerView({self.name!r})"


class ResultsView:
    """Reads results, as class-style code expects it."""

    def __init__(self, broker: BrokerView) -> None:
        self._broker = broker

    def get_result(self, message: MessageView, *, block: bool = False, timeout: Duration | None = None) -> object:
        """
        Return what the actor of *message* returned; with *block*, wait up to *timeout* (ms or timedelta, default 10 s) for it.

        Raises:
            ResultError: see `Handle.get_result`.
        """
        app = self._broker.app
        actor = app.get_actor(message.actor_name)
        handle: TaskHandle[object] = TaskHandle(message.message_id, actor.name, True, actor.signature, app)
        return handle.get_result(block=block, timeout=DEFAULT_RESULT_TIMEOUT_MS if timeout is None else timeout)


def _not_found(text: str) -> ActorNotFound:
    theirs = dramatiq_exception("ActorNotFound", "dramatiq.errors")
    # Dramatiq's class prints its attribute *message*, which its constructor would set.
    return type("ActorNotFound", (ActorNotFound, *theirs), {"message": text})(text) if theirs else ActorNotFound(text)
