"""
`Call`: an actor and its arguments, not yet sent. Immutable: every method returns a new one, until `send`.

Calls chain into pipelines with ``|`` and `then`; a type checker holds each step against the result before it. Groups are in ``fq.calls.workflow``.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast, runtime_checkable

from attrs import evolve, frozen

from fq.calls.handle import Handle
from fq.calls.templates import Callee, CallTemplate, Node, as_json, concatenate, first_calls
from fq.core.duration import Duration, to_ms
from fq.core.outcome import Enqueue, new_enqueue
from fq.errors import DeclarationError, InvalidArguments
from fq.middleware.options import CallOptions
from fq.middleware.stack import Stack
from fq.workflows.pipeline import TAKES_FIRST, TAKES_LAST, StepInput, start, start_workflow

Q = ParamSpec("Q")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class CallSender(Protocol):
    """An app, as its actors and calls see it."""

    def send(self, call: "Call[S]") -> Handle[S]:
        """Send *call*."""
        ...

    async def asend(self, call: "Call[S]") -> Handle[S]:
        """Send *call*."""
        ...

    def stack_of(self, actor: Callee) -> Stack:
        """Return the stack that *actor* runs in."""
        ...

    def expect_workers(self, queue_name: str) -> None:
        """Warn, once, if none of the app's workers claims from a queue of this name unless it is told to."""
        ...


class Accepts(Protocol[T_contra, Q, S_co]):
    """An actor whose first parameter takes the result of the step before it."""

    def call(self, value: T_contra, /, *args: Q.args, **kwargs: Q.kwargs) -> "Call[S_co]":
        """See `Actor.call`."""
        ...


class AcceptsOne(Protocol[T_contra, S_co]):
    """An actor, or a group of actors, that can be called with nothing but the result of the step before it."""

    def call(self, value: T_contra, /) -> "Call[S_co]":
        """See `Actor.call`."""
        ...


@runtime_checkable
class Chainable(Protocol):
    """What makes an actor, or a group of actors, usable as a step."""

    def as_step(self, args: tuple[object, ...], kwargs: Mapping[str, object], takes: str) -> Node:
        """Return the step that gets a result, and besides *args* and *kwargs*."""
        ...


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

    stages: tuple[Node, ...]

    def delay(self, duration: Duration) -> Self:
        """
        Return this call, to start only after *duration*: ms, or a timedelta.

        Of a pipeline or a group the whole of it: where what starts it has a delay already, the longer one counts.
        """
        first, *rest = self.stages
        if isinstance(first, CallTemplate) and not rest:
            return evolve(self, stages=(evolve(first, delay=to_ms(duration)),))
        return evolve(self, stages=(first.delayed_by(to_ms(duration)), *rest))

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """
        Return this call with *options* in force for it alone: of a pipeline, for its last step; of a group, for that of each member.

        Raises:
            OptionError: an unknown option, or a value that it cannot take.
        """
        *before, last = self.stages
        return evolve(self, stages=(*before, last.with_options(options)))

    def then(self, step: Accepts[R_co, Q, S], /, *args: Q.args, **kwargs: Q.kwargs) -> "Call[S]":
        """Return the pipeline of this call and then *step*, an actor: it gets the result first, and *args* and *kwargs* after it."""
        if not isinstance(step, Chainable):
            raise DeclarationError(f"found {step!r}, expected an actor after `then`")
        return Call(concatenate(self.stages, (step.as_step(args, kwargs, TAKES_FIRST if args else TAKES_LAST),)))

    def __or__(self, step: "AcceptsOne[R_co, S] | Call[S]") -> "Call[S]":
        """
        Return the pipeline of this call and then *step*.

        That is an actor, which is called with the result; or a call, to which the result is added as its last positional argument, in a
        group to each member.
        """
        if isinstance(step, Call):
            return Call(concatenate(self.stages, step.stages))
        return self.then(step)

    def send(self) -> Handle[R_co]:
        """
        Send it, and return a handle on its result.

        Raises:
            BrokerUnavailable: the broker could not be reached.
            DeclarationError: an actor belongs to no app, or to another one than the first.
            InvalidArguments: arguments are missing from the call that starts it.
        """
        return self.app.send(self)

    async def asend(self) -> Handle[R_co]:
        """`send`, for async producers."""
        return await self.app.asend(self)

    @property
    def app(self) -> CallSender:
        """The app of its first actor."""
        for stage in self.all_calls():
            return cast(CallSender, stage.actor.app)
        raise DeclarationError("found a group of nothing that belongs to no app: make it with app.group([])")

    @property
    def is_single(self) -> bool:
        """Is it the call of one actor, and no workflow?"""
        return len(self.stages) == 1 and isinstance(self.stages[0], CallTemplate)

    def all_calls(self) -> Iterator[CallTemplate]:
        """Return all stages in it, in order."""
        for node in self.stages:
            yield from node.all_calls()

    def enqueues(self, message_id: str, now: int, ends_known: bool = True) -> tuple[Enqueue, ...]:
        """
        Return the effects of sending this call under the id *message_id*, made at *now*, ms since the epoch.

        Unless the *ends* of a workflow are *known* to the broker, its results are kept only as long as those of single calls.

        Raises:
            InvalidArguments: arguments are missing from a call that nothing goes before.
        """
        stage = self.stages[0]
        for first in (stage,) if type(stage) is CallTemplate else first_calls(self.stages):
            if first.missing_arguments_error:
                raise InvalidArguments(first.missing_arguments_error)
        if type(stage) is CallTemplate and len(self.stages) == 1:
            return (new_enqueue(stage.message(message_id, now), stage.delay),)
        nodes = as_json(self.stages)
        return tuple(start_workflow(nodes, message_id, now) if ends_known else start(nodes, message_id, StepInput(now)))
