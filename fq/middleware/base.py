"""
What a layer is: `Middleware` with its faces, and `Step`, the easier way to write one. ``fq.middleware.around`` makes a layer of a context manager.

Start with `Step`. Stacks of layers are in ``fq.middleware.stack``.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import ClassVar, ParamSpec, Self, TypeAlias, TypeVar, cast

import attrs
from attrs import evolve, frozen

from fq.core.events import Event
from fq.core.host import Host
from fq.core.message import Message
from fq.core.outcome import Enqueue, Outcome
from fq.errors import OptionError, StackError
from fq.errors.exception_text import set_context
from fq.middleware.failures import checked_outcome, layer_failure, wrong_return
from fq.middleware.foreign_hooks import HOOK
from fq.middleware.layer_options import LayerOptions, layer_options
from fq.middleware.send_call import SendCall

Handler: TypeAlias = Callable[[Message], Outcome]
AsyncHandler: TypeAlias = Callable[[Message], Awaitable[Outcome]]
P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., object])


@frozen
class Rule:
    """A layer with this rule must be outside *inner*, because of *reason*."""

    inner: type["Middleware"]
    reason: str


class Middleware:
    """
    One layer: a frozen value with three faces, for processing, sending and events. Each does nothing unless overridden.

    Subclass it directly only for a layer that calls *next* twice or not at all; `Step` and `Around` cover the rest. Decorate subclasses with `attrs.frozen`:
    each field is then also an option of actors and messages.

    A handler made by `wrap` never raises `Exception`: an error of this layer becomes the failure `LayerError`, which the layers outside of it see.
    """

    outside_of: ClassVar[tuple[Rule, ...]] = ()
    """The layers that must be further inside than this one, and why."""

    repeatable: ClassVar[bool] = False
    """May a stack hold several layers of this class?"""

    observes_messages: ClassVar[bool] = True
    """Does `on_event` take events of messages, and not only those of workers, processes and threads? Without any, a message runs faster."""

    def wrap(self, next: Handler) -> Handler:
        """Return a handler around *next*, for sync actors."""
        return next

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return a handler around *next*, for async actors."""
        return next

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Return what to send in the place of *enqueue*. Called for every message that leaves: sends, retries and follow-ups."""
        return enqueue

    def on_send(self, enqueue: Enqueue, call: SendCall) -> Enqueue:
        """Do what `on_enqueue` does, for a layer that wants to hear from *call* whether the broker took the message. It is called in the place of that."""
        return self.on_enqueue(enqueue)

    def on_event(self, event: Event) -> None:
        """Observe *event*; see ``fq.core.events``."""

    def __init_subclass__(cls) -> None:
        """
        Guard the faces that a subclass defines, so that an exception of a layer becomes its failure.

        Raises:
            StackError: it has hooks of class-style middleware, which would never be called.
        """
        if hook := next((name for name in dir(cls) if HOOK.fullmatch(name)), None):
            raise StackError(
                f"{cls.__name__}.{hook} is a hook of class-style middleware, and fq.Middleware is the base class of layers, which have no hooks: "
                f"derive {cls.__name__} from fq.class_style.Middleware, and put fq.hooks({cls.__name__}()) into the stack"
            )
        if "wrap" in cls.__dict__ and not getattr(cls.__dict__["wrap"], "guarded", False):
            cls.wrap = _guard(cls.__dict__["wrap"])  # type: ignore[method-assign, assignment]  # same signature, bound or not
        if "awrap" in cls.__dict__ and not getattr(cls.__dict__["awrap"], "guarded", False):
            cls.awrap = _aguard(cls.__dict__["awrap"])  # type: ignore[method-assign, assignment]  # same signature, bound or not

    @classmethod
    def options(cls: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> LayerOptions:
        """
        Return some fields of this layer as options, for ``@app.actor(...)`` and ``call.with_options(...)``. Type checkers know the fields.

        >>> from fq import Retries
        >>> Retries.options(max_retries=3)
        Retries.options(max_retries=3)

        Raises:
            OptionError: the class has no such field, or the field does not accept the value.
        """
        kind = cast("type[Middleware]", cls)
        return layer_options(kind, kind.option_names(), args, kwargs)

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """Return the options that layers of this class accept: its fields, by default."""
        fields: tuple[attrs.Attribute[object], ...] = getattr(cls, "__attrs_attrs__", ())
        return frozenset(field.name for field in fields if field.init)

    def accepted_options(self) -> frozenset[str]:
        """Return the options that this layer accepts: those of its class, by default."""
        return self.option_names()

    def option(self, name: str) -> object:
        """Return the value of *name*, one of the options that this layer accepts."""
        value: object = getattr(self, name)
        return value

    @property
    def matched_class(self) -> type:
        """The class by which edits of a stack find this layer, in addition to its own."""
        return type(self)

    def bind(self, app: Host, outside: tuple["Middleware", ...]) -> Self:
        """Return this layer for use in *app*, inside the layers *outside*: for a layer that depends on where it is."""
        return self

    def with_options(self, options: Mapping[str, object]) -> Self:
        """
        Return this layer with the *options* that it accepts in the place of its fields.

        Raises:
            OptionError: a value that a field does not accept.
        """
        changes = {name: options[name] for name in self.accepted_options() if name in options}
        if not changes:
            return self
        try:
            return evolve(self, **changes)  # type: ignore[misc]  # every layer with options is an attrs class
        except (TypeError, ValueError):
            for name, value in changes.items():
                _check_option(self, name, value)
            raise


def _check_option(layer: Middleware, name: str, value: object) -> None:
    """Raise `OptionError`, with the name and the reason, if the field *name* of *layer* does not accept *value*."""
    try:
        evolve(layer, **{name: value})  # type: ignore[misc]  # as above
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name}: {error.args[0] if error.args else error}") from None  # attrs puts its own records after the text


def never_raises(face: F) -> F:
    """Mark *face*, a `wrap` or `awrap`, as one whose handlers never raise, so that it needs no guard."""
    face.guarded = True  # type: ignore[attr-defined]  # read by __init_subclass__, which also sees re-made classes of attrs
    return face


def _guard(wrap: Callable[[Middleware, Handler], Handler]) -> Callable[[Middleware, Handler], Handler]:
    @wraps(wrap)
    def guarded(self: Middleware, next: Handler) -> Handler:
        inner = wrap(self, next)
        if inner is next:
            return next

        def handler(message: Message) -> Outcome:
            try:
                return checked_outcome(self, "the handler of wrap", inner(message))
            except BaseException as error:
                return layer_failure(self, error)

        return handler

    return never_raises(guarded)


def _aguard(awrap: Callable[[Middleware, AsyncHandler], AsyncHandler]) -> Callable[[Middleware, AsyncHandler], AsyncHandler]:
    @wraps(awrap)
    def guarded(self: Middleware, next: AsyncHandler) -> AsyncHandler:
        inner = awrap(self, next)
        if inner is next:
            return next

        async def handler(message: Message) -> Outcome:
            try:
                return checked_outcome(self, "the handler of awrap", await inner(message))
            except BaseException as error:
                return layer_failure(self, error, awaited=True)

        return handler

    return never_raises(guarded)


class Step(Middleware):
    """
    A layer as two pure functions, from which both `wrap` and `awrap` are derived.

    An option of a message with the name of a field applies to that message: the methods see it as ``self.field``.

    >>> @frozen
    ... class Upper(Step):
    ...     def before(self, message: Message) -> Message:
    ...         return message.with_options(shout=True)
    >>> Upper().wrap(lambda message: Outcome.success(message.options))(Message(message_id="m1", actor_name="a"))
    Outcome(result=<Success: {'shout': True}>, effects=())
    """

    def before(self, message: Message) -> Message | Outcome:
        """Return the message to pass inwards; or an outcome, which is returned at once, so that no layer further inside is called."""
        return message

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Return the outcome to pass outwards. *message* is what this layer's own `before` passed inwards."""
        return outcome

    def idle(self) -> bool:
        """
        Does this layer, with its present fields, do nothing for a message without options that succeeds at its first delivery?

        Then a stack skips it for such messages, and calls `after` only if they do not succeed.
        """
        return False

    @never_raises
    def wrap(self, next: Handler) -> Handler:
        """Return a handler that calls `before`, *next* and `after`. One that is not overridden costs nothing."""
        enters, leaves = self._faces()
        if not (enters or leaves):
            return next
        elsewhere = self.option_names().isdisjoint

        def handler(message: Message) -> Outcome:
            options = message.options
            try:
                step = self if not options or elsewhere(options) else self.with_options(options)
                inward = step.before(message) if enters else message
            except BaseException as error:
                return layer_failure(self, error)
            if type(inward) is not Message:
                return short_circuited(self, inward)
            # No local for the outcome: the frames of a traceback would keep it, and so its own exception, alive.
            return step.run_after(inward, next(inward)) if leaves else next(inward)

        return handler

    @never_raises
    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return the same for async actors."""
        enters, leaves = self._faces()
        if not (enters or leaves):
            return next
        elsewhere = self.option_names().isdisjoint

        async def handler(message: Message) -> Outcome:
            options = message.options
            try:
                step = self if not options or elsewhere(options) else self.with_options(options)
                inward = step.before(message) if enters else message
            except BaseException as error:
                return layer_failure(self, error)
            if type(inward) is not Message:
                return short_circuited(self, inward)
            return step.run_after(inward, await next(inward)) if leaves else await next(inward)

        return handler

    def run_after(self, message: Message, outcome: Outcome) -> Outcome:
        """Return the outcome of `after`; if that raises, the failure, with the error of the actor as its context."""
        try:
            outward = self.after(message, outcome)
        except BaseException as error:
            if outcome.error is not None:
                set_context(error, outcome.error)
            return layer_failure(self, error)
        return outward if isinstance(outward, Outcome) else wrong_return(self, "after", outward)

    def _faces(self) -> tuple[bool, bool]:
        """Are `before` and `after` overridden?"""
        return type(self).before is not Step.before, type(self).after is not Step.after


def short_circuited(layer: Step, inward: object) -> Outcome:
    """Return *inward*, the outcome that `before` of *layer* returned without calling the actor."""
    return inward if isinstance(inward, Outcome) else wrong_return(layer, "before", inward, "a Message or an Outcome")
