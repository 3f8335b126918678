"""`Actor`: a function with a name and options, that can be called now or sent to be called elsewhere. What makes one is in ``fq.calls.declare``."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeAlias

from attrs import define, evolve, field, frozen
from typing_extensions import TypeVar

from fq.calls.call import Call, CallSender
from fq.calls.handle import Handle
from fq.calls.templates import CallTemplate, new_template
from fq.core.frozen import EMPTY, frozen_dict
from fq.core.reserved_options import check_user_options
from fq.errors import DeclarationError, InvalidArguments, OptionError
from fq.middleware.base import Middleware
from fq.middleware.options import NON_LAYER_OPTIONS, CallOptions
from fq.middleware.stack import Stack, compose
from fq.wire.codec import json_error
from fq.wire.signature import Signature
from fq.workflows.pipeline import TAKES_FIRST

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V", default=Any)

QUEUE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9._-]*")


@define(eq=False)
class OwnerRef:
    """Mutable: which app an actor belongs to. The one thing about an actor that changes, once, when an app includes it."""

    app: CallSender | None = None


@frozen(eq=False, repr=False)
class Actor(Generic[P, R, V]):
    """
    A declared function. *P* are its parameters, *R* the type of its result, *V* what a plain call returns (a coroutine, for an async one).

    >>> from fq import App
    >>> app = App("memory://")
    >>> @app.actor(max_retries=3)
    ... def add(a: int, b: int) -> int:
    ...     return a + b
    >>> add(1, 2)
    3
    >>> add.call(1, 2).send().status().state
    'ready'

    Attributes:
        fn: the function.

        name: what messages call it by; one name, one actor, in an app.

        queue_name, priority: of its messages, unless a call says otherwise.

        options: the layer options that it was declared with.

        layers: the layers that it was declared with; each replaces the layer of its class in the app's stack, or is added.

        edit: the function from stack to stack that it was declared with; applied last.

        extra: open entries that go into the options of each of its messages.

        kept: open entries that cannot travel, since they are no JSON: they are for the layers that take them.
    """

    fn: Callable[P, V]
    name: str
    queue_name: str = "default"
    priority: int = 0
    options: Mapping[str, object] = EMPTY
    layers: tuple[Middleware, ...] = ()
    edit: Callable[[Stack], Stack] | None = None
    extra: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict)
    signature: Signature = field(kw_only=True)
    kept: Mapping[str, object] = field(default=EMPTY, kw_only=True)
    owner: OwnerRef = field(factory=OwnerRef)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> V:
        """Call the function, here and now."""
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Actor({self.name!r}, queue={self.queue_name!r})"

    @property
    def app(self) -> CallSender:
        """The app that this actor belongs to."""
        if self.owner.app is None:
            raise DeclarationError(f"{self.name} belongs to no app: declare it with @app.actor, or call app.include({self.name})")
        return self.owner.app

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """
        Return the call with these arguments, to be modified, chained or sent.

        Missing ones are an error when it is sent: as a step of a pipeline, it gets its last one from the step before.

        Raises:
            InvalidArguments: arguments that do not fit the signature.
        """
        try:
            return Call((self.stage(args, kwargs),))
        except InvalidArguments as error:
            return Call((evolve(self._stage(self.signature.dump(args, kwargs, partial=True)), missing_arguments_error=str(error)),))

    def send(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """
        Send a call with these arguments, and return a handle on its result.

        Raises:
            InvalidArguments: arguments that do not fit the signature.
            BrokerUnavailable: the broker could not be reached.
        """
        call: Call[R] = Call((self.stage(args, kwargs),))
        return self.app.send(call)

    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """`send`, for async producers."""
        call: Call[R] = Call((self.stage(args, kwargs),))
        return await self.app.asend(call)

    def stage(self, args: tuple[object, ...], kwargs: Mapping[str, object], options: Mapping[str, object] = EMPTY) -> CallTemplate:
        """Return the call with these arguments as a stage, with *options* of its own."""
        return self._stage(self.signature.dump(args, kwargs), options)

    def as_step(self, args: tuple[object, ...], kwargs: Mapping[str, object], takes: str) -> CallTemplate:
        """Return the call with these arguments as a step that gets a result besides; *takes* says where."""
        if self.ignores_pipe:
            return self.stage(args, kwargs)
        return evolve(self._stage(self.signature.dump_step(args, kwargs, first=takes == TAKES_FIRST)), takes=takes)

    @property
    def ignores_pipe(self) -> bool:
        """Does it run without the result of the step before, unless a call says otherwise?"""
        layers = self.layers if self.owner.app is None else self.owner.app.stack_of(self)
        return self.options.get("pipe_ignore", any(getattr(layer, "pipe_ignore", False) is True for layer in layers)) is True

    def _stage(self, arguments: tuple[tuple[object, ...], Mapping[str, object]], options: Mapping[str, object] = EMPTY) -> CallTemplate:
        args, kwargs = arguments
        extra = frozen_dict({**self.extra, **options}) if options else self.extra
        return new_template(self, args, frozen_dict(kwargs) if kwargs else EMPTY, extra, self.queue_name, self.priority)

    def with_options(self, stage: CallTemplate, options: CallOptions) -> CallTemplate:
        """
        Return *stage*, of this actor, with *options* in force.

        Raises:
            OptionError: an unknown option, or a value that it cannot take, or that cannot travel.
            DeclarationError: an actor of another app, or a queue name that is none.
        """
        check_targets(options, self.app)
        check_user_options(options.get("options", EMPTY))
        named = {name: value for name, value in options.items() if name not in NON_LAYER_OPTIONS}
        stack = self.app.stack_of(self)
        checked = stack.with_options(named)
        travelling = {name: _taken(checked, name) for name in named}
        if "queue" in options:
            check_queue_name(options["queue"])
            self.app.expect_workers(options["queue"])
        return evolve(
            stage,
            options={**stage.options, **options.get("options", {}), **travelling},
            queue_name=options.get("queue", stage.queue_name),
            priority=options.get("priority", stage.priority),
        )


AnyActor: TypeAlias = Actor[..., Any, Any]


def _taken(stack: Stack, name: str) -> object:
    """Return the value of option *name* as its layer holds it: checked, and in ms."""
    value = next(layer.option(name) for layer in stack if name in layer.accepted_options())
    if json_error(value, name):
        raise OptionError(f"{name}={value!r} cannot travel in a message: give it to the actor")
    return value


def parted(options: Mapping[str, object]) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Return those of *options*, the open entries of an actor, that can travel in its messages, and those that stay with the actor."""
    kept = {name: value for name, value in options.items() if json_error(value, name)}
    return frozen_dict({name: value for name, value in options.items() if name not in kept}), frozen_dict(kept)


def check_queue_name(name: object) -> None:
    """Raise `DeclarationError` unless *name* can name a queue."""
    if not (isinstance(name, str) and QUEUE_NAME.fullmatch(name)):
        raise DeclarationError(
            f"found the queue name {name!r}, expected a letter or underscore, then letters, digits, dots, dashes or underscores"
        )


def check_targets(options: Mapping[str, object], app: CallSender) -> None:
    """Raise `DeclarationError` if one of *options* is an actor of another app than *app*."""
    for name, value in options.items():
        if isinstance(value, Actor) and value.owner.app not in (None, app):
            raise DeclarationError(f"{name}: found {value.name}, an actor of another app: {value.owner.app!r}")


def stack_for(declared: AnyActor, base: Stack) -> Stack:
    """
    Return the stack of *declared* in an app whose stack is *base*: its layers, then its options, then its own edit.

    Raises:
        OptionError: an unknown option, or a value that it cannot take.
        StackError: layers that do not fit together.
    """
    stack = base
    for layer in declared.layers:
        stack = stack.add(layer)
    if declared.kept:
        stack = compose(*(layer.with_options(declared.kept) for layer in stack))
    if declared.signature.returns_nothing and "store_results" not in declared.options and "store_results" in stack.accepted_options():
        stack = stack.with_options({"store_results": False})
    try:
        stack = stack.with_options(declared.options)
        return stack if declared.edit is None else compose(declared.edit(stack))
    except OptionError as error:
        raise OptionError(f"actor {declared.name}: {error}") from None
