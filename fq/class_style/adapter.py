"""
`Hooks`, the layer that a class-style middleware becomes, and `hooks`, which makes one.

``hook_run.py`` calls the hooks around one delivery, ``event_hooks.py`` those of other events.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Self, TypeVar

from attrs import Factory, evolve, field, frozen, validators

from fq.class_style.broker_view import BrokerView
from fq.class_style.dramatiq_compat import is_dramatiqs
from fq.class_style.event_hooks import event_calls
from fq.class_style.hook_layer import FailOpen
from fq.class_style.hook_names import Hook, forks_of, hooks_of, option_names_of
from fq.class_style.hook_place import current_place, in_hook_place
from fq.class_style.hook_run import AFTER_HOOKS, HookRun, failing_open
from fq.class_style.message_view import MessageView
from fq.core.events import Committed, Committing, Event, Released, Started, WorkerStopped
from fq.core.frozen import EMPTY, frozen_dict
from fq.core.host import Host
from fq.core.message import Message
from fq.core.outcome import Dead, Enqueue, Outcome
from fq.layers import Retries
from fq.middleware.base import AsyncHandler, Handler, Middleware, never_raises
from fq.middleware.failures import layer_failure
from fq.middleware.stack import Stack

T = TypeVar("T")

DETACHED_BROKER = BrokerView()
"""The broker that hooks get when a layer is called as a pure function, outside of any app."""

_PROCESS_HOOKS = ("before_process_message", *AFTER_HOOKS)


def _of_middleware(find: Callable[[object], T]) -> T:
    """Return a field default: what *find* returns for the middleware of the layer."""
    found: T = Factory(lambda layer: find(layer.middleware), takes_self=True)
    return found


@frozen
class Hooks(Middleware):
    """
    A class-style *middleware*, an object with hooks such as ``before_process_message``, as a layer. `hooks` makes one.

    A stack may hold any number. The names in the ``actor_options`` of the middleware become options of actors; hooks find their values in
    ``message.options`` and in ``broker.get_actor(name).options``.

    >>> from fq import Outcome, hooks
    >>> from fq.testing import message
    >>> class Greeter:
    ...     def before_process_message(self, broker, message):
    ...         print("hello", message.actor_name)
    >>> hooks(Greeter()).wrap(lambda message: Outcome.success(3))(message("add")).result
    hello add
    <Success: 3>

    Attributes:
        middleware: the object.

        fail_open: the hooks whose errors are logged and otherwise ignored. Default ``"after"``: ``after_process_message``, because the actor
            has done its work by then; an error of ``before_process_message`` or ``before_enqueue`` fails the message. True: all three. False:
            none, so that an error of ``after_process_message`` turns a success into a failure.

        given_options: the options of the actor that the middleware takes.

        thread: do the process hooks around an async actor run in a thread that the message has for itself? False: they run on the event loop,
            which costs less. None, the default: in a thread if the class of the middleware derives from Dramatiq's, since it was written for
            one. Hooks around a sync actor always run in the thread of the actor.
    """

    middleware: object = field(repr=lambda middleware: f"{type(middleware).__name__}()")
    fail_open: FailOpen = field(default="after", validator=validators.in_((True, False, "after")), kw_only=True)
    given_options: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict, kw_only=True)
    thread: bool | None = field(default=None, validator=validators.in_((True, False, None)), kw_only=True)
    broker: BrokerView = field(default=DETACHED_BROKER, eq=False, repr=False, kw_only=True)
    retried: bool = field(default=False, eq=False, repr=False, kw_only=True)  # is Retries outside of it?
    hooks: Mapping[str, Hook] = field(init=False, eq=False, repr=False, default=_of_middleware(hooks_of))
    _accepted_options: frozenset[str] = field(init=False, eq=False, repr=False, default=_of_middleware(option_names_of))

    repeatable: ClassVar[bool] = True

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """The class has no options; each layer takes those of its middleware."""
        return frozenset()

    @property
    def forks(self) -> tuple[Callable[[], object], ...]:
        """The functions of the middleware that run in processes of their own, beside the workers."""
        return forks_of(self.middleware)

    @property
    def actor_options(self) -> Mapping[str, object]:
        """See *given_options*. Unlike a field with a converter, pyright accepts a property for `HookLayer`."""
        return self.given_options

    @property
    def matched_class(self) -> type:
        """The class of the middleware: edits of a stack find this layer by it."""
        return type(self.middleware)

    def accepted_options(self) -> frozenset[str]:
        """Return the options in the ``actor_options`` of the middleware."""
        return self._accepted_options

    def option(self, name: str) -> object:
        """Return the value of the actor's option *name*."""
        return self.given_options[name]

    def with_options(self, options: Mapping[str, object]) -> Self:
        """Return this layer with those of *options* that it takes."""
        mine = {name: value for name, value in options.items() if name in self._accepted_options}
        return evolve(self, given_options={**self.given_options, **mine}) if mine else self

    def bind(self, app: Host, outside: tuple[Middleware, ...]) -> Self:
        """Return this layer for *app*, inside the layers *outside*."""
        return evolve(self, broker=app.singleton(BrokerView), retried=any(isinstance(layer, Retries) for layer in outside))

    @never_raises
    def wrap(self, next: Handler) -> Handler:
        """Return *next* between the process hooks. They run in the thread that runs the actor."""
        if not any(name in self.hooks for name in _PROCESS_HOOKS):
            return next

        def handler(message: Message) -> Outcome:
            try:
                with HookRun(self, message) as hook_run:
                    return hook_run.finish(hook_run.run(next, message))
            except BaseException as error:
                return layer_failure(self, error)

        return handler

    @never_raises
    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next* between the process hooks. They run in the actor's own task; or, see *thread*, in its context and a thread of its own."""
        if not any(name in self.hooks for name in _PROCESS_HOOKS):
            return next
        in_thread = is_dramatiqs(self.middleware) if self.thread is None else self.thread
        return self._awrap_in_thread(next) if in_thread else self._awrap_on_loop(next)

    def _awrap_on_loop(self, next: AsyncHandler) -> AsyncHandler:
        async def handler(message: Message) -> Outcome:
            try:
                with HookRun(self, message) as hook_run:
                    return hook_run.finish(await hook_run.arun(next, message))
            except BaseException as error:
                return layer_failure(self, error, awaited=True)

        return handler

    def _awrap_in_thread(self, next: AsyncHandler) -> AsyncHandler:
        async def run(message: Message) -> Outcome:
            with HookRun(self, message) as hook_run:
                return hook_run.finish(await hook_run.arun(next, message, current_place()))

        async def handler(message: Message) -> Outcome:
            try:
                return await in_hook_place(self.broker.hook_threads, partial(run, message))
            except BaseException as error:
                return layer_failure(self, error, awaited=True)

        return handler

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Return *enqueue* with the changes of the hooks to the options. The sender gets what ``before_enqueue`` raises."""
        live = self.broker.deliveries.find(enqueue.message)  # found for a retry of a message that runs now
        message = enqueue.message if live is None else live.as_retry(enqueue.message)
        if hook := self.hooks.get("before_enqueue"):
            view = MessageView(self.broker, message, self.given_options)
            with failing_open(self):
                hook(self.broker, view, enqueue.delay or None)
            message = view.to_message()
        return enqueue if message is enqueue.message else Enqueue(message, enqueue.delay)

    def on_event(self, event: Event) -> None:
        """Call the hooks of *event*."""
        match event:
            case Started(message):
                self.broker.deliveries.open(self.broker, message, self.given_options)
            case Committing(message, outcome):
                self._call_ack_hook("before", message, outcome)
            case Committed(message, outcome, stale):
                try:
                    if not stale:  # a stale outcome acknowledges nothing
                        self._committed(message)
                        self._call_ack_hook("after", message, outcome)
                finally:
                    self._close(message)
            case Released(message):
                self._close(message)
            case _:
                if isinstance(event, WorkerStopped):
                    self.broker.hook_threads.end_idle()
                for name, arguments in event_calls(self, event):
                    self.hooks[name](self.broker, *arguments)
                if isinstance(event, WorkerStopped):
                    self.broker.forget_worker(event.worker)

    def _call_ack_hook(self, when: str, message: Message, outcome: Outcome) -> None:
        dead = not outcome.succeeded and isinstance(outcome.result.failure(), Dead)
        if hook := self.hooks.get(f"{when}_{'nack' if dead else 'ack'}"):
            view = self.broker.deliveries.find(message) or MessageView(self.broker, message, self.given_options)
            view.set_dead(dead)
            hook(self.broker, view)

    def _committed(self, message: Message) -> None:
        if view := self.broker.deliveries.find(message):
            self.broker.deliveries.committed(view)

    def _close(self, message: Message) -> None:
        if view := self.broker.deliveries.find(message):
            self.broker.deliveries.close(view)


def hooks(middleware: object, *, fail_open: FailOpen = "after", thread: bool | None = None) -> Hooks:
    """
    Return the layer that calls the hooks of *middleware*: any object with methods such as those of ``fq.class_style.Middleware``.

    *fail_open* selects the hooks whose errors are logged and otherwise ignored: ``"after"``, the default, for ``after_process_message``; True
    for ``before_process_message`` and ``before_enqueue``, too; False for none.

    With *thread*, each message of an async actor has a thread for its process hooks, in which they may block and keep what is bound to a thread.
    Without, they run on the event loop. The default, None: with a thread if the class derives from Dramatiq's ``Middleware``.

    Raises:
        StackError: *middleware* is a class, has no hooks, or has a hook with other parameters.
    """
    return Hooks(middleware, fail_open=fail_open, thread=thread)


def as_layer(middleware: object) -> Middleware:
    """Return *middleware* itself if it is a layer already, or else the layer that calls its hooks."""
    return middleware if isinstance(middleware, Middleware) else hooks(middleware)


BrokerView.as_layer = as_layer


def forks_in(stack: Stack) -> list[Callable[[], object]]:
    """Return the functions that the class-style middleware in *stack* runs in processes of their own."""
    return [fork for layer in stack if isinstance(layer, Hooks) for fork in layer.forks]
