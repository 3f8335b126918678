"""`Actor`: a function with a name and options. Call it here, or send a call to a worker. ``fq.calls.declare`` makes actors."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeAlias

from attrs import define, evolve, field, frozen
from typing_extensions import TypeVar

from fq.calls.call import Call, CallSender
from fq.calls.handle import Handle
from fq.calls.tags import tag_options
from fq.calls.templates import CallTemplate, new_template
from fq.core.frozen import EMPTY, frozen_dict
from fq.core.reserved_options import check_user_options
from fq.core.shown_call import Redact
from fq.errors import DeclarationError, InvalidArguments, OptionError
from fq.layers.unique import Unique
from fq.middleware.base import Middleware
from fq.middleware.layer_options import LayerOptions, refuse_near_misses
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
    """Mutable: the app that an actor belongs to. It changes once, when an app includes the actor."""

    app: CallSender | None = None


@frozen(eq=False, repr=False)
class Actor(Generic[P, R, V]):
    """
    A declared function. *P* are its parameters and *R* is the type of its result. *V* is what a plain call returns: a coroutine, if it is async.

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

        name: the name in messages. It is unique in an app.

        queue_name, priority: those of its messages, unless a call overrides them. A lower priority runs sooner.

        options: the layer options of the declaration, such as ``max_retries``.

        layers: the layers of the declaration. Each replaces the layer of its class in the app's stack, or is added.

        edit: the function from stack to stack of the declaration, which is applied last.

        message_options: the entries of ``options={...}`` that go into the options of each message.

        local_options: the entries of ``options={...}`` that are not JSON. They stay with the actor, for layers that take them.

        emits: the annotation of the values that it tells by ``fq.emit``; None if it tells none.

        redact: how logs show the arguments of its messages; None: as the app says.

        layer_options: the options of the declaration that name their layer, such as ``Retries.options(max_retries=3)``.
    """

    fn: Callable[P, V]
    name: str
    queue_name: str = "default"
    priority: int = 0
    options: Mapping[str, object] = EMPTY
    layers: tuple[Middleware, ...] = ()
    edit: Callable[[Stack], Stack] | None = None
    message_options: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict)
    signature: Signature = field(kw_only=True)
    local_options: Mapping[str, object] = field(default=EMPTY, kw_only=True)
    emits: object = field(default=None, kw_only=True)
    redact: Redact | None = field(default=None, kw_only=True)
    layer_options: tuple[LayerOptions, ...] = field(default=(), kw_only=True)
    owner: OwnerRef = field(factory=OwnerRef)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> V:
        """
        Call the function directly, without a message. Pass what a worker would inject: ``charge(7, db=fake)``.

        Raises:
            InvalidArguments: a resource of a worker is missing.
        """
        if self.signature.injected:
            self._check_injected(len(args), kwargs)
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Actor({self.name!r}, queue={self.queue_name!r})"

    @property
    def app(self) -> CallSender:
        """
        The app that this actor belongs to.

        Raises:
            DeclarationError: it belongs to no app yet.
        """
        if self.owner.app is None:
            raise DeclarationError(f"{self.name} belongs to no app: declare it with @app.actor, or call app.include({self.name})")
        return self.owner.app

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """
        Return a call with these arguments, to modify, chain or send.

        Arguments may be missing here, since a step of a pipeline gets its last one from the step before. `Call.send` checks for them.

        Raises:
            InvalidArguments: arguments that do not fit the signature.
        """
        try:
            return Call((self.template(args, kwargs),))
        except InvalidArguments as error:
            partial = self._template(self.signature.dump(args, kwargs, partial=True))
            return Call((evolve(partial, missing_arguments_error=str(error)),))

    def send(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """
        Send a call with these arguments, and return a handle on its result.

        Raises:
            InvalidArguments: arguments that do not fit the signature.
            BrokerUnavailable: the broker could not be reached.
            DeclarationError: the actor belongs to no app.
        """
        call: Call[R] = Call((self.template(args, kwargs),))
        return self.app.send(call)

    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """`send`, for async producers."""
        call: Call[R] = Call((self.template(args, kwargs),))
        return await self.app.asend(call)

    def handle(self, message_id: str) -> Handle[R]:
        """
        Return the handle of a call of this actor that was sent before, perhaps by another process, as *message_id*.

        >>> from fq import App
        >>> app = App("memory://")
        >>> @app.actor
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> message_id = add.send(1, 2).message_id
        >>> app.run_until_idle()
        1
        >>> add.handle(message_id).get_result()
        3
        """
        call: Call[R] = Call((CallTemplate(self, options=self.message_options),))
        return call.handle(message_id)

    def template(self, args: tuple[object, ...], kwargs: Mapping[str, object], options: Mapping[str, object] = EMPTY) -> CallTemplate:
        """Return the template of a call with these arguments, and *options* for its message."""
        return self._template(self.signature.dump(args, kwargs), options)

    def _check_injected(self, given: int, kwargs: Mapping[str, object]) -> None:
        """Check that a direct call, with this many positional arguments *given*, has the resources of the function."""
        missing = next((name for name in self.signature.injected if name not in kwargs), "")
        if missing and given <= len(self.signature.positional_names):
            raise InvalidArguments(f"{self.name}() lacks {missing!r}, which a worker injects: pass it when you call the function directly")

    def as_step(self, args: tuple[object, ...], kwargs: Mapping[str, object], takes: str) -> CallTemplate:
        """Return a step that gets these arguments beside the result of the step before; *takes* says where the result goes."""
        if self.ignores_pipe:
            return self.template(args, kwargs)
        return evolve(self._template(self.signature.dump_step(args, kwargs, first=takes == TAKES_FIRST)), takes=takes)

    @property
    def ignores_pipe(self) -> bool:
        """Does it run without the result of the step before? A call can override this."""
        layers = self.layers if self.owner.app is None else self.owner.app.stack_of(self)
        return self.options.get("pipe_ignore", any(getattr(layer, "pipe_ignore", False) is True for layer in layers)) is True

    def _template(self, arguments: tuple[tuple[object, ...], Mapping[str, object]], options: Mapping[str, object] = EMPTY) -> CallTemplate:
        args, kwargs = arguments
        options = frozen_dict({**self.message_options, **options}) if options else self.message_options
        return new_template(self, args, frozen_dict(kwargs) if kwargs else EMPTY, options, self.queue_name, self.priority)

    def with_options(self, template: CallTemplate, options: CallOptions, layers: tuple[LayerOptions, ...] = ()) -> CallTemplate:
        """
        Return *template*, a call of this actor, with *options*, and those of *layers*, in force.

        Raises:
            OptionError: an unknown option, or a value that the option cannot take or that is not JSON.
            DeclarationError: a bad queue name, or a callback that is an actor of another app.
        """
        check_targets(options, self.app)
        check_user_options(options.get("options", EMPTY))
        stack = self.app.stack_of(self)
        refuse_near_misses(options.get("options", EMPTY), stack.accepted_options())
        named = with_layers({name: value for name, value in options.items() if name not in NON_LAYER_OPTIONS}, layers, stack)
        stack = stack.with_options(named)
        checked = {name: _checked_value(stack, name) for name in named}
        if "queue" in options:
            check_queue_name(options["queue"])
            self.app.expect_workers(options["queue"])
        return evolve(
            template,
            options={**template.options, **options.get("options", {}), **tag_options(options), **checked},
            queue_name=options.get("queue", template.queue_name),
            priority=options.get("priority", template.priority),
        )


AnyActor: TypeAlias = Actor[..., Any, Any]


def _checked_value(stack: Stack, name: str) -> object:
    """Return the value of the option *name* as its layer holds it: checked, and in ms."""
    value = next(layer.option(name) for layer in stack if name in layer.accepted_options())
    if json_error(value, name):
        raise OptionError(f"{name}={value!r} cannot travel in a message, which is JSON: give it to the actor")
    return value


def with_layers(options: Mapping[str, object], layers: tuple[LayerOptions, ...], stack: Stack) -> Mapping[str, object]:
    """
    Return *options* with those of *layers*, which are in *stack*.

    Raises:
        OptionError: *stack* has no such layer, or an option is given twice.
    """
    found = dict(options)
    for each in layers:
        if not isinstance(each, LayerOptions):
            raise OptionError(f"found {each!r}, expected options of a layer: write {type(each).__name__}.options(...)")
        if each.kind not in stack:
            raise OptionError(f"{each}: the stack has no {each.kind.__name__}; it has {', '.join(type(layer).__name__ for layer in stack)}")
        if twice := next((name for name in each.values if name in found), ""):
            raise OptionError(f"{each}: the option {twice} is given twice")
        found |= each.values
    return found


def split_options(options: Mapping[str, object]) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Return *options*, those of ``options={...}``, in two parts: the JSON values, which go into messages, and the rest."""
    local = {name: value for name, value in options.items() if json_error(value, name)}
    return frozen_dict({name: value for name, value in options.items() if name not in local}), frozen_dict(local)


def check_queue_name(name: object) -> None:
    """Raise `DeclarationError` unless *name* is a valid queue name."""
    if not (isinstance(name, str) and QUEUE_NAME.fullmatch(name)):
        raise DeclarationError(
            f"found the queue name {name!r}, expected a letter or underscore, then letters, digits, dots, dashes or underscores"
        )


def check_targets(options: Mapping[str, object], app: CallSender) -> None:
    """Raise `DeclarationError` if one of *options* is an actor of an app other than *app*."""
    for name, value in options.items():
        if isinstance(value, Actor) and value.owner.app not in (None, app):
            raise DeclarationError(f"{name}: found {value.name}, an actor of another app: {value.owner.app!r}")


def stack_for(declared: AnyActor, base: Stack) -> Stack:
    """
    Return the stack of *declared* in an app whose stack is *base*. The actor's layers apply first, then its options, then its edit.

    Raises:
        OptionError: an unknown option, or a value that the option cannot take.
        StackError: layers that do not fit together.
    """
    stack = base
    for layer in declared.layers:
        stack = stack.add(layer)
    if declared.local_options:
        stack = compose(*(layer.with_options(declared.local_options) for layer in stack))
    if declared.signature.returns_nothing and "store_results" not in declared.options and "store_results" in stack.accepted_options():
        stack = stack.with_options({"store_results": False})
    try:
        refuse_near_misses({**declared.message_options, **declared.local_options}, stack.accepted_options())
        with_layers(declared.options, declared.layer_options, stack)
        stack = stack.with_options(declared.options)
        for each in declared.layer_options:
            stack = compose(*(layer.with_options(each.values) if type(layer) is each.kind else layer for layer in stack))
        stack = stack if declared.edit is None else compose(declared.edit(stack))
        return stack if Unique not in stack else stack.update(Unique, lambda layer: layer.on_actor(declared.signature))
    except OptionError as error:
        raise OptionError(f"actor {declared.name}: {error}") from None
