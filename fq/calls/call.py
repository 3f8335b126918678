"""
`Call`: an actor and its arguments, not sent yet. A call is immutable: each method returns a new one.

``|`` and `then` chain calls into pipelines. A type checker compares each step with the result before it. Groups are in ``fq.calls.workflow``.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast, runtime_checkable

from attrs import evolve, frozen

from fq.calls.handle import Handle
from fq.calls.templates import Callee, CallTemplate, StepTemplate, as_json, concatenate, first_calls
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
    """The app, as its actors and calls see it."""

    def send(self, call: "Call[S]") -> Handle[S]:
        """See `App.send`."""
        ...

    async def asend(self, call: "Call[S]") -> Handle[S]:
        """See `App.asend`."""
        ...

    def stack_of(self, actor: Callee) -> Stack:
        """See `App.stack_of`."""
        ...

    def expect_workers(self, queue_name: str) -> None:
        """See `App.expect_workers`."""
        ...


class Accepts(Protocol[T_contra, Q, S_co]):
    """An actor whose first parameter takes the result of the step before."""

    def call(self, value: T_contra, /, *args: Q.args, **kwargs: Q.kwargs) -> "Call[S_co]":
        """See `Actor.call`."""
        ...


class AcceptsOne(Protocol[T_contra, S_co]):
    """An actor, or a group of actors, that needs no argument but the result of the step before."""

    def call(self, value: T_contra, /) -> "Call[S_co]":
        """See `Actor.call`."""
        ...


@runtime_checkable
class Chainable(Protocol):
    """An actor, or a group of actors, that can be a step of a pipeline."""

    def as_step(self, args: tuple[object, ...], kwargs: Mapping[str, object], takes: str) -> StepTemplate:
        """Return the step that gets *args* and *kwargs* beside the result of the step before; *takes* says where the result goes."""
        ...


@frozen
class Call(Generic[R_co]):
    """
    A call of an actor, or a pipeline of calls. *R* is the type of the final result.

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

    steps: tuple[StepTemplate, ...]

    def delay(self, duration: Duration) -> Self:
        """
        Return this call with a delay of *duration* (ms or timedelta) before it starts.

        For a pipeline or a group, the delay applies to the calls that start it. Where one of them has a delay of its own, the longer delay counts.
        """
        first, *rest = self.steps
        if isinstance(first, CallTemplate) and not rest:
            return evolve(self, steps=(evolve(first, delay=to_ms(duration)),))
        return evolve(self, steps=(first.delayed_by(to_ms(duration)), *rest))

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """
        Return this call with *options* in force for it alone.

        For a pipeline, the options apply to its last step; for a group, to the last step of each member.

        Raises:
            OptionError: an unknown option, or a value that the option cannot take or that is not JSON.
            DeclarationError: a bad queue name, or a callback that is an actor of another app.
        """
        *before, last = self.steps
        return evolve(self, steps=(*before, last.with_options(options)))

    def then(self, step: Accepts[R_co, Q, S], /, *args: Q.args, **kwargs: Q.kwargs) -> "Call[S]":
        """Return the pipeline of this call and then *step*, an actor. It gets the result as its first argument, then *args* and *kwargs*."""
        if not isinstance(step, Chainable):
            raise DeclarationError(f"found {step!r}, expected an actor as the argument of `then`")
        return Call(concatenate(self.steps, (step.as_step(args, kwargs, TAKES_FIRST if args else TAKES_LAST),)))

    def __or__(self, step: "AcceptsOne[R_co, S] | Call[S]") -> "Call[S]":
        """
        Return the pipeline of this call and then *step*.

        An actor is called with the result. A call gets the result as its last positional argument; in a group, each member gets it.
        """
        if isinstance(step, Call):
            return Call(concatenate(self.steps, step.steps))
        return self.then(step)

    def send(self) -> Handle[R_co]:
        """
        Send this call, and return a handle on its result.

        Raises:
            BrokerUnavailable: the broker could not be reached.
            DeclarationError: an actor belongs to no app, or to another app than the first actor.
            InvalidArguments: a call that starts it lacks arguments.
            StackError: an actor's stack lacks a layer that the workflow needs.
        """
        return self.app.send(self)

    async def asend(self) -> Handle[R_co]:
        """`send`, for async producers."""
        return await self.app.asend(self)

    @property
    def app(self) -> CallSender:
        """The app of its first actor."""
        for call in self.all_calls():
            return cast(CallSender, call.actor.app)
        raise DeclarationError("found an empty group that belongs to no app: make it with app.group([])")

    @property
    def is_single(self) -> bool:
        """Is it the call of one actor, not a workflow?"""
        return len(self.steps) == 1 and isinstance(self.steps[0], CallTemplate)

    def all_calls(self) -> Iterator[CallTemplate]:
        """Yield the calls in it, in order."""
        for step in self.steps:
            yield from step.all_calls()

    def enqueues(self, message_id: str, now: int, reports_end: bool = True) -> tuple[Enqueue, ...]:
        """
        Return what is enqueued to start this call at *now*, ms since the epoch. Its id is *message_id*.

        With *reports_end*, the broker keeps the results of a workflow until its end; otherwise only as long as those of single calls.

        Raises:
            InvalidArguments: a call that starts it lacks arguments.
        """
        first = self.steps[0]
        for call in (first,) if type(first) is CallTemplate else first_calls(self.steps):
            if call.missing_arguments_error:
                raise InvalidArguments(call.missing_arguments_error)
        if type(first) is CallTemplate and len(self.steps) == 1:
            return (new_enqueue(first.message(message_id, now), first.delay),)
        pipeline = as_json(self.steps)
        return tuple(start_workflow(pipeline, message_id, now) if reports_end else start(pipeline, message_id, StepInput(now)))
