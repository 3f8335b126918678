"""
What a layer is: `Middleware`, its three faces, and the easier way to write one, `Step`. Another, for context managers, is in ``fq.middleware.around``.

Start with `Step`. Stacks of layers are in ``fq.middleware.stack``.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import wraps
from typing import ClassVar, Self, TypeAlias, TypeVar

import attrs
from attrs import evolve, frozen

from fq.core.events import Event
from fq.core.host import Host
from fq.core.message import Message
from fq.core.outcome import Enqueue, Outcome
from fq.errors import LayerError, OptionError, SkipMessage, StackError
from fq.errors.exception_text import is_a, set_context
from fq.errors.propagation import aescapes, escapes

Handler: TypeAlias = Callable[[Message], Outcome]
AsyncHandler: TypeAlias = Callable[[Message], Awaitable[Outcome]]
F = TypeVar("F", bound=Callable[..., object])

_SUBJECT = "process_message|process_boot|skip_message|delay_message|enqueue|ack|nack|declare_(actor|queue|delay_queue)"
HOOK = re.compile(f"(before|after)_({_SUBJECT}|worker_(boot|shutdown)|(worker|consumer)_thread_(boot|shutdown))")
"""The names of the hooks of class-style middleware: a layer that has one was meant to derive from ``fq.class_style.Middleware``."""


@frozen
class Rule:
    """The layer that states this rule must be outside *inner*, because of *reason*."""

    inner: type["Middleware"]
    reason: str


class Middleware:
    """
    One layer: a frozen value with up to three faces, each of which does nothing unless overridden.

    Subclass this directly only for a layer that calls *next* twice or not at all; `Step` and `Around` cover the rest. Decorate subclasses with `attrs.frozen`:
    every field is then an option of actors and messages, too.

    A handler made by `wrap` never raises `Exception`: whatever this layer raises becomes the failure `LayerError` at its own ring.
    """

    outside_of: ClassVar[tuple[Rule, ...]] = ()
    """Which layers must be further inside than this one, and why."""

    repeatable: ClassVar[bool] = False
    """May a stack hold several layers of this class?"""

    def wrap(self, next: Handler) -> Handler:
        """Return a handler around *next*, for sync actors."""
        return next

    def awrap(self, next: AsyncHandler) -> AsyncHandler:
        """Return a handler around *next*, for async actors."""
        return next

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Return what is to be sent instead of *enqueue*: called for every message that leaves (sends, retries, follow-ups)."""
        return enqueue

    def on_event(self, event: Event) -> None:
        """Watch *event*; see ``fq.core.events``."""

    def __init_subclass__(cls) -> None:
        """
        Guard the raw faces that a subclass defines, so that no layer's exception passes its own ring.

        Raises:
            StackError: it has hooks of class-style middleware, which nothing would call.
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
    def option_names(cls) -> frozenset[str]:
        """Return the options that this layer takes: its fields, unless a subclass says otherwise."""
        fields: tuple[attrs.Attribute[object], ...] = getattr(cls, "__attrs_attrs__", ())
        return frozenset(field.name for field in fields if field.init)

    def accepted_options(self) -> frozenset[str]:
        """Return the options that this very layer takes: those of its class, unless a subclass says otherwise."""
        return self.option_names()

    def option(self, name: str) -> object:
        """Return the value that is in force here of *name*, one of the options that this layer takes."""
        value: object = getattr(self, name)
        return value

    @property
    def matched_class(self) -> type:
        """The class by which edits of a stack find this layer, beside its own."""
        return type(self)

    def bind(self, app: Host, outside: tuple["Middleware", ...]) -> Self:
        """Return this layer as it is in *app*, inside the layers *outside*: for a layer that has to know where it is."""
        return self

    def with_options(self, options: Mapping[str, object]) -> Self:
        """
        Return this layer with those of *options* that it takes in the place of its fields.

        Raises:
            OptionError: a value that the field cannot take.
        """
        changes = {name: options[name] for name in self.accepted_options() if name in options}
        if not changes:
            return self
        try:
            return evolve(self, **changes)  # type: ignore[misc]  # every layer with options is an attrs class
        except (TypeError, ValueError):
            for name, value in changes.items():
                _try(self, name, value)
            raise


def _try(layer: Middleware, name: str, value: object) -> None:
    """Raise `OptionError`, with the name and the reason, if *value* is not one for the field *name* of *layer*."""
    try:
        evolve(layer, **{name: value})  # type: ignore[misc]  # as above
    except (TypeError, ValueError) as error:
        raise OptionError(f"{name}: {error.args[0] if error.args else error}") from None  # attrs puts records of its own behind the text


def never_raises(face: F) -> F:
    """Mark *face*, a `wrap` or `awrap`, as one through which no exception of its layer gets anyway."""
    face.guarded = True  # type: ignore[attr-defined]  # read by __init_subclass__, which also sees re-made classes of attrs
    return face


def layer_failure(layer: object, error: BaseException, awaited: bool = False) -> Outcome:
    """Return the outcome of *layer* having raised *error*, perhaps in what it *awaited*; raise it where it is not the layer's: ``fq.errors.propagation``."""
    if (aescapes if awaited else escapes)(error):
        raise error
    return Outcome.raised(error if is_a(error, (SkipMessage, LayerError)) else LayerError(layer, error))


def checked_outcome(layer: object, face: str, found: object) -> Outcome:
    """
    Return *found*, which *face* of *layer* returned, if it is an outcome.

    A function of its own, so that no frame which an exception's traceback leads to has a local that leads back to the exception: it is freed at once.
    """
    return found if isinstance(found, Outcome) else wrong_return(layer, face, found)


def wrong_return(layer: object, face: str, found: object, expected: str = "an Outcome") -> Outcome:
    """Return the outcome of *face* of *layer* having returned *found*, which is not what it must return."""
    hint = ""
    if isinstance(found, Coroutine):
        found.close()  # nobody will await it any more
        hint = ": await what next returns"
    return layer_failure(layer, TypeError(f"{face} returned {found!r}, expected {expected}{hint}"))


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
    A layer as two pure functions, from which both colours of `wrap` are derived.

    Options in a message that name a field of this layer are in force for that message: the methods see them as ``self.field``.

    >>> @frozen
    ... class Upper(Step):
    ...     def before(self, message: Message) -> Message:
    ...         return message.with_options(shout=True)
    >>> Upper().wrap(lambda message: Outcome.success(message.options))(Message(message_id="m1", actor_name="a"))
    Outcome(result=<Success: {'shout': True}>, effects=())
    """

    def before(self, message: Message) -> Message | Outcome:
        """Return the message to pass inwards, or an outcome to answer with it at once, without calling anything further in."""
        return message

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Return the outcome to pass outwards. *message* is what this layer's own `before` passed inwards."""
        return outcome

    def idle(self) -> bool:
        """
        Does this layer, with its fields as they are, leave alone every message without options that succeeds at its first delivery?

        Then such messages pass it by in a stack, and only those that do not succeed are shown to `after`.
        """
        return False

    @never_raises
    def wrap(self, next: Handler) -> Handler:
        """Return a handler that calls `before`, *next* and `after`; a face left alone costs nothing."""
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
            # No local for the outcome: through a traceback's frames it would keep its own exception alive.
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
        """Return what `after` returns, or the failure that it raises, behind which that of the actor is still to be seen."""
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
    """Return *inward*, with which the `before` of *layer* answered in the actor's place."""
    return inward if isinstance(inward, Outcome) else wrong_return(layer, "before", inward, "a Message or an Outcome")
