"""
`Call`: an actor and its arguments, not yet sent. Immutable: every method returns a new one, until `send`.

Calls chain into pipelines with ``|`` and `then`; a type checker holds each step against the result before it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeVar, Unpack, runtime_checkable

from attrs import evolve, field, frozen

from fq.duration import Duration, to_ms
from fq.frozen import NOTHING, frozen_dict
from fq.identity import child_id
from fq.message import Message
from fq.options import CallOptions
from fq.outcome import Enqueue

if TYPE_CHECKING:
    from fq.actor import AnyActor
    from fq.handle import Handle

Q = ParamSpec("Q")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Accepts(Protocol[T_contra, Q, S_co]):
    """An actor whose first parameter takes the result of the step before it."""

    def call(self, value: T_contra, /, *args: Q.args, **kwargs: Q.kwargs) -> "Call[S_co]":
        """See `Actor.call`."""


class AcceptsOne(Protocol[T_contra, S_co]):
    """An actor that can be called with nothing but the result of the step before it."""

    def call(self, value: T_contra, /) -> "Call[S_co]":
        """See `Actor.call`."""


@runtime_checkable
class MakesStages(Protocol):
    """What makes an actor usable as a step."""

    def stage(self, args: tuple[object, ...], kwargs: Mapping[str, object], options: Mapping[str, object], partial: bool = False) -> "Stage":
        """See `Actor.stage`."""


FIRST = "first"
"""The result of the step before becomes the first argument, ahead of those given."""


@frozen
class Stage:
    """
    One step of a pipeline, as a template for the message that will run it.

    Attributes:
        actor: which actor.

        args, kwargs: JSON values.

        options: what goes into the message's options.

        delay: ms.
    """

    actor: "AnyActor"
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default=NOTHING, converter=frozen_dict)
    options: Mapping[str, object] = field(default=NOTHING, converter=frozen_dict)
    queue_name: str = "default"
    priority: int = 0
    delay: int = 0

    def message(self, message_id: str, now: int, **more: object) -> Message:
        """Return the message that runs this stage, with *more* options."""
        return Message(
            message_id=message_id,
            actor_name=self.actor.name,
            queue_name=self.queue_name,
            args=self.args,
            kwargs=self.kwargs,
            options={**self.options, **more} if more else self.options,
            message_timestamp=now,
            priority=self.priority,
        )

    def as_json(self) -> dict[str, object]:
        """Return the form in which a stage travels in the options of the stages before it; what has its default is left out."""
        fields = {
            "actor_name": self.actor.name,
            "queue_name": self.queue_name,
            "args": self.args,
            "kwargs": self.kwargs,
            "options": self.options,
            "priority": self.priority,
            "delay": self.delay,
        }
        return {name: value for name, value in fields.items() if value}


@frozen
class Call(Generic[R_co]):
    """
    A call of an actor, or a pipeline of calls; *R* is the type of the final result.

    >>> from fq import App
    >>> app = App("memory://")
    >>> @app.actor
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> handle = (double.call(1).delay(100) | double).send()
    >>> app.run_until_idle()
    2
    >>> handle.get()
    <Success: 4>
    """

    stages: tuple[Stage, ...]

    def delay(self, duration: Duration) -> "Call[R_co]":
        """Return this call, to start only after *duration*: ms, or a timedelta. Of a pipeline, the whole of it."""
        first, *rest = self.stages
        return Call((evolve(first, delay=to_ms(duration)), *rest))

    def with_options(self, **options: Unpack[CallOptions]) -> "Call[R_co]":
        """
        Return this call with *options* in force for it alone. Of a pipeline, for its last step.

        Raises:
            OptionError: an unknown option, or a value that it cannot take.
        """
        *before, last = self.stages
        return Call((*before, last.actor.optioned(last, options)))

    def then(self, actor: Accepts[R_co, Q, S], /, *args: Q.args, **kwargs: Q.kwargs) -> "Call[S]":
        """Return the pipeline of this call and then *actor*, which gets the result as its first argument, and *args* and *kwargs* after it."""
        if not isinstance(actor, MakesStages):
            raise TypeError(f"found {actor!r}, expected an actor after `then`")
        return Call((*self.stages, actor.stage(args, kwargs, {"takes": FIRST} if args else {}, partial=True)))

    def __or__(self, step: AcceptsOne[R_co, S]) -> "Call[S]":
        """Return the pipeline of this call and then *step*, which is called with the result."""
        return self.then(step)

    def send(self) -> "Handle[R_co]":
        """
        Send it, and return a handle on its result.

        Raises:
            BrokerUnavailable: the broker could not be reached.
            DeclarationError: the actor belongs to no app.
        """
        return self.stages[0].actor.app.send(self)

    async def asend(self) -> "Handle[R_co]":
        """`send`, for async producers."""
        return await self.stages[0].actor.app.asend(self)

    def enqueue(self, message_id: str, now: int) -> Enqueue:
        """Return the effect of sending this call as *message_id*, made at *now*, ms since the epoch."""
        first, *rest = self.stages
        more = {"pipe": tuple(stage.as_json() for stage in rest)} if rest else {}
        return Enqueue(first.message(message_id, now, **more), first.delay)

    def result_id(self, message_id: str) -> str:
        """Return the id under which the final result will be stored when the call is sent as *message_id*."""
        for _ in self.stages[1:]:
            message_id = child_id(message_id, "pipe")
        return message_id
