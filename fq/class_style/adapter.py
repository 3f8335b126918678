"""
`Hooks`, the layer that a class-style middleware becomes, and `hooks`, which makes one.

How a delivery passes through it is in ``passage.py``, what other events call in ``calls.py``.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, Self, TypeAlias, TypeVar

from attrs import Factory, evolve, field, frozen, validators

from fq.class_style.broker_view import BrokerView
from fq.class_style.event_hooks import calls_for
from fq.class_style.hook_names import Hook, forks_of, hooks_of, option_names_of
from fq.class_style.hook_run import Passage, tolerated
from fq.class_style.message_view import MessageView
from fq.core.events import Committed, Committing, Event, Released, Started, WorkerStopped
from fq.core.frozen import EMPTY, frozen_dict
from fq.core.host import Host
from fq.core.message import Message
from fq.core.outcome import Dead, Enqueue, Outcome
from fq.layers import Retries
from fq.middleware.base import AsyncHandler, Handler, Middleware, layer_failure, never_raises

T = TypeVar("T")
FailOpen: TypeAlias = bool | Literal["after"]

NOWHERE = BrokerView()
"""What hooks get as the broker when a layer is called as a pure function, outside of any app."""

_PROCESS = ("before_process_message", "after_process_message", "after_skip_message")


def _of_middleware(find: Callable[[object], T]) -> T:
    """Return the default of a field that holds what *find* finds in the middleware."""
    found: T = Factory(lambda layer: find(layer.middleware), takes_self=True)
    return found


@frozen
class Hooks(Middleware):
    """
    A class-style *middleware*, an object with hooks such as ``before_process_message``, as a layer. `hooks` makes one.

    A stack may hold any number. What the ``actor_options`` of the middleware name are options of actors; hooks find them in
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

        fail_open: for which hooks to go on when they raise, and to log that. Default ``"after"``: for ``after_process_message``, since the actor
            has done its work by then; what ``before_process_message`` and ``before_enqueue`` raise fails the message. True: for all three. False:
            for none of them, so that what ``after_process_message`` raises makes a success a failure.

        options: those of the actor whose stack this is that the middleware takes.
    """

    middleware: object = field(repr=lambda middleware: f"{type(middleware).__name__}()")
    fail_open: FailOpen = field(default="after", validator=validators.in_((True, False, "after")), kw_only=True)
    options: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict, kw_only=True)
    broker: BrokerView = field(default=NOWHERE, eq=False, repr=False, kw_only=True)
    retried: bool = field(default=False, eq=False, repr=False, kw_only=True)  # is Retries outside of it?
    hooks: Mapping[str, Hook] = field(init=False, eq=False, repr=False, default=_of_middleware(hooks_of))
    _accepted_options: frozenset[str] = field(init=False, eq=False, repr=False, default=_of_middleware(option_names_of))

    repeatable: ClassVar[bool] = True

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """The class has no options; each layer has those of its middleware."""
        return frozenset()

    @property
    def forks(self) -> tuple[Callable[[], object], ...]:
        """What the middleware wants to have run in processes of their own, beside the workers."""
        return forks_of(self.middleware)

    @property
    def matched_class(self) -> type:
        """The class of the middleware, by which edits of a stack find this layer."""
        return type(self.middleware)

    def accepted_options(self) -> frozenset[str]:
        """Return the options in the ``actor_options`` of the middleware."""
        return self._accepted_options

    def option(self, name: str) -> object:
        """Return the value of the actor's option *name*."""
        return self.options[name]

    def with_options(self, options: Mapping[str, object]) -> Self:
        """Return this layer with those of *options* that it takes."""
        mine = {name: value for name, value in options.items() if name in self._accepted_options}
        return evolve(self, options={**self.options, **mine}) if mine else self

    def bind(self, app: Host, outside: tuple[Middleware, ...]) -> Self:
        """Return this layer as it is in *app*, inside the layers *outside*."""
        return evolve(self, broker=app.own(BrokerView), retried=any(isinstance(layer, Retries) for layer in outside))

    @never_raises
    def wrap(self, next: Handler) -> Handler:
        """Return *next* between the process hooks, in the thread that runs the actor."""
        if not any(name in self.hooks for name in _PROCESS):
            return next

        def handler(message: Message) -> Outcome:
            try:
                with Passage(self, message) as passage:
                    return passage.settled(passage.run(next, message))
            except BaseException as error:
                return layer_failure(self, error)

        return handler

    @never_raises
    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return *next* between the process hooks, in the event loop's thread and the actor's own task."""
        if not any(name in self.hooks for name in _PROCESS):
            return next

        async def handler(message: Message) -> Outcome:
            try:
                with Passage(self, message) as passage:
                    return passage.settled(await passage.arun(next, message))
            except BaseException as error:
                return layer_failure(self, error, awaited=True)

        return handler

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Return *enqueue* with what the hooks have written into the options; what ``before_enqueue`` raises goes to the sender."""
        live = self.broker.deliveries.find(enqueue.message)  # a retry of what runs now
        message = enqueue.message if live is None else live.requeued(enqueue.message)
        if hook := self.hooks.get("before_enqueue"):
            view = MessageView(self.broker, message, self.options)
            with tolerated(self):
                hook(self.broker, view, enqueue.delay or None)
            message = view.folded()
        return enqueue if message is enqueue.message else Enqueue(message, enqueue.delay)

    def on_event(self, event: Event) -> None:
        """Call the hooks that *event* stands for."""
        match event:
            case Started(message):
                self.broker.deliveries.open(self.broker, message, self.options)
            case Committing(message, outcome):
                self._settle("before", message, outcome)
            case Committed(message, outcome, stale):
                try:
                    if not stale:  # nothing was acknowledged
                        self._committed(message)
                        self._settle("after", message, outcome)
                finally:
                    self._close(message)
            case Released(message):
                self._close(message)
            case _:
                for name, given in calls_for(self, event):
                    self.hooks[name](self.broker, *given)
                if isinstance(event, WorkerStopped):
                    self.broker.forget_worker(event.worker)

    def _settle(self, when: str, message: Message, outcome: Outcome) -> None:
        dead = not outcome.succeeded and isinstance(outcome.result.failure(), Dead)
        if hook := self.hooks.get(f"{when}_{'nack' if dead else 'ack'}"):
            view = self.broker.deliveries.find(message) or MessageView(self.broker, message, self.options)
            view.judge(dead)
            hook(self.broker, view)

    def _committed(self, message: Message) -> None:
        if view := self.broker.deliveries.find(message):
            self.broker.deliveries.committed(view)

    def _close(self, message: Message) -> None:
        if view := self.broker.deliveries.find(message):
            self.broker.deliveries.close(view)


def hooks(middleware: object, *, fail_open: FailOpen = "after") -> Hooks:
    """
    Return the layer that calls the hooks of *middleware*: any object with methods such as those of ``fq.class_style.Middleware``.

    *fail_open* says for which hooks an error is logged and the message goes on, instead of failing: ``"after"``, the default, for
    ``after_process_message``; True for ``before_process_message`` and ``before_enqueue``, too; False for none.

    Raises:
        StackError: a class instead of an object, an object without hooks, or a hook that cannot be called as it will be.
    """
    return Hooks(middleware, fail_open=fail_open)
