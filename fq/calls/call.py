"""
`Call`: an actor and its arguments, not sent yet. A call is immutable: each method returns a new one.

``|`` and `then` chain calls into pipelines. A type checker compares each step with the result before it. Groups are in ``fq.calls.workflow``.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast

from attrs import evolve, frozen

from fq.calls.handle import Handle
from fq.calls.starting import AT_ONCE, start_steps
from fq.calls.templates import Callee, CallTemplate, Chainable, StepTemplate, concatenate
from fq.calls.unique_calls import DEFAULT_REMEMBER_MS, chosen_id, with_id, with_key
from fq.core.duration import Duration, to_ms
from fq.core.moment import epoch_ms
from fq.core.outcome import Enqueue, new_enqueue
from fq.core.reserved_options import UNIQUE
from fq.core.uniqueness import OnConflict, Uniqueness, Until
from fq.errors import DeclarationError
from fq.middleware.layer_options import LayerOptions
from fq.middleware.options import CallOptions
from fq.middleware.stack import Stack
from fq.workflows.pipeline import TAKES_FIRST, TAKES_LAST

Q = ParamSpec("Q")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class CallSender(Protocol):
    """The app, as its actors and calls see it."""

    def send(self, call: "Call[S]", *, on: object = AT_ONCE) -> Handle[S]:
        """See `App.send`."""
        ...

    async def asend(self, call: "Call[S]", *, on: object = AT_ONCE) -> Handle[S]:
        """See `App.asend`."""
        ...

    def follow(self, call: "Call[S]", *, always: bool = False) -> Handle[S]:
        """See `App.follow`."""
        ...

    def send_on_commit(self, call: "Call[S]", using: str | None = None) -> Handle[S]:
        """See `App.send_on_commit`."""
        ...

    def stack_of(self, actor: Callee) -> Stack:
        """See `App.stack_of`."""
        ...

    def expect_workers(self, queue_name: str) -> None:
        """See `App.expect_workers`."""
        ...

    def handle_of(self, call: "Call[S]", message_id: str) -> Handle[S]:
        """See `App.handle_of`."""
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

    def at(self, moment: datetime) -> Self:
        """
        Return this call with a start not before *moment*, a datetime with a time zone, by the broker's clock. One that has passed means now.

        It applies where `delay` applies. With both, the later time counts.

        Raises:
            OptionError: *moment* has no time zone; says what to write.
        """
        first, *rest = self.steps
        return evolve(self, steps=(first.due_at(epoch_ms(moment)), *rest))

    def unique(
        self,
        key: str | None,
        *,
        until: Until = "end",
        window: Duration = 0,
        on_conflict: OnConflict = "keep",
        max_wait: Duration = 0,
    ) -> Self:
        """
        Return this call with the unique *key*, a text of 1,024 bytes at most, instead of the key that its actor makes; with None, without one.

        While another message holds the key, `send` sends nothing, and returns a handle on that message. A pipeline holds the key by its first step. See
        `fq.layers.unique.Unique` for the other options.

        Raises:
            OptionError: a key or an option that fq cannot use, or a call that has an id of its own.
            DeclarationError: it begins with a group.
        """
        first, *rest = self.steps
        terms = None if key is None else Uniqueness(key, until, to_ms(window), on_conflict, to_ms(max_wait))
        return evolve(self, steps=(with_key(first, terms), *rest))

    def with_id(self, message_id: str, *, remember: Duration = DEFAULT_REMEMBER_MS) -> Self:
        """
        Return this call with *message_id* as the id of its message, an idempotency key.

        For *remember* (ms or timedelta; default 1 day), and until the message has ended, sending a call with this id again sends nothing, and returns a
        handle on the first. The first step of a pipeline gets the id.

        Raises:
            OptionError: an id that fq cannot use, or a call that has a unique key.
            DeclarationError: it begins with a group.
        """
        first, *rest = self.steps
        return evolve(self, steps=(with_id(first, message_id, to_ms(remember)), *rest))

    @property
    def chosen_id(self) -> str:
        """The message id that `with_id` gave it; ``""`` if none."""
        first = self.steps[0]
        return chosen_id(first) if UNIQUE in first.options else ""

    def handle(self, message_id: str) -> Handle[R_co]:
        """
        Return the handle of this call, sent before, perhaps by another process, as *message_id*; of a pipeline or group: `Handle.root_id`.

        >>> from fq import App
        >>> app = App("memory://")
        >>> @app.actor
        ... def double(n: int) -> int:
        ...     return 2 * n
        >>> sent = (double.call(1) | double).send()
        >>> (double.call(1) | double).handle(sent.root_id) == sent
        True
        """
        return self.app.handle_of(self, message_id)

    def with_options(self, *layers: LayerOptions, **options: Unpack[CallOptions]) -> Self:
        """
        Return this call with *options*, and those of *layers*, in force for it alone: ``call.with_options(OfficeHours.options(opens=0), priority=3)``.

        For a pipeline, the options apply to its last step; for a group, to the last step of each member.

        Raises:
            OptionError: an unknown option, or a value that the option cannot take or that is not JSON.
            DeclarationError: a bad queue name, or a callback that is an actor of another app.
        """
        *before, last = self.steps
        return evolve(self, steps=(*before, last.with_options(options, layers)))

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

    def send(self, *, on: object = AT_ONCE) -> Handle[R_co]:
        """
        Send this call, and return a handle on its result.

        With *on*, a connection to your own database, it is sent if the transaction of that commits, by the app's `Outbox`; nothing asks the broker.

        Raises:
            BrokerUnavailable: the broker could not be reached.
            ConfigError: *on* is no connection that fq can use, or the app has no outbox.
            DeclarationError: an actor belongs to no app, or to another app than the first actor.
            InvalidArguments: a call that starts it lacks arguments.
            StackError: an actor's stack lacks a layer that the workflow needs.
        """
        return self.app.send(self, on=on)

    async def asend(self, *, on: object = AT_ONCE) -> Handle[R_co]:
        """`send`, for async producers."""
        return await self.app.asend(self, on=on)

    def follow(self, *, always: bool = False) -> Handle[R_co]:
        """
        Send this call with the outcome of the actor that runs: its commit enqueues it, if the actor succeeds, or not at all.

        With *always*, any final outcome sends it: a dead letter, a drop and a cancellation, too, but no retry. Outside of an actor this is `send`; a
        thread that an actor starts is outside.

        >>> from fq import App
        >>> app = App("memory://")
        >>> @app.actor
        ... def load(part: str) -> None: ...
        >>> @app.actor
        ... def load_all(parts: str) -> None:
        ...     for part in parts:
        ...         load.call(part).follow()
        >>> load_all.send("abc")
        TaskHandle(message_id='...', actor_name='load_all')
        >>> app.run_until_idle()
        4

        Raises:
            FollowError: the actor has ended. The handle raises it, too, if it is read in the actor.
            DeclarationError: an actor belongs to no app, or to another app than the actor that runs.
            The other errors of `send`, but `BrokerUnavailable` only outside of an actor.
        """
        return self.app.follow(self, always=always)

    def send_on_commit(self, using: str | None = None) -> Handle[R_co]:
        """
        Send this call once the open transaction of your database *using* is committed; never, if it is rolled back. Without a transaction: at once.

        The handle is good before that. If the message turns out to be a duplicate, by its unique key, nothing is ever known of it.

        Raises:
            ConfigError: the app does not know of transactions: see ``on_commit`` of `App`. That of ``fq.django`` does.
            The errors of `send`; at the commit: `BrokerUnavailable` and `Duplicate`.
        """
        return self.app.send_on_commit(self, using)

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
        if type(first) is CallTemplate and len(self.steps) == 1 and not first.missing_arguments_error:  # the hot path
            return (new_enqueue(first.message(message_id, now), first.timed(now).delay if first.due else first.delay),)
        return start_steps(self.steps, message_id, now, reports_end)
