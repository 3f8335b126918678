"""
`Call`: an actor and its arguments, not yet sent. Immutable: every method returns a new one, until `send`.

Calls chain into pipelines with ``|`` and `then`; a type checker holds each step against the result before it. What a call is made of, stages and forks,
is at the top; groups are in `fq.workflow`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeAlias, TypeVar, Unpack, overload, runtime_checkable

from attrs import evolve, field, frozen

from fq.duration import Duration, to_ms
from fq.errors import DeclarationError, InvalidArguments
from fq.frozen import NOTHING, frozen_dict
from fq.identity import child_id
from fq.message import Message
from fq.options import CallOptions
from fq.outcome import Enqueue
from fq.pipe import FIRST, LAST, start

if TYPE_CHECKING:
    from fq.actor import AnyActor, Sends
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
    """An actor, or a group of actors, that can be called with nothing but the result of the step before it."""

    def call(self, value: T_contra, /) -> "Call[S_co]":
        """See `Actor.call`."""


@runtime_checkable
class MakesNodes(Protocol):
    """What makes an actor, or a group of actors, usable as a step."""

    def node(self, args: tuple[object, ...], kwargs: Mapping[str, object], takes: str) -> "Node":
        """Return the step that gets a result, and besides *args* and *kwargs*."""


@frozen
class Stage:
    """
    One call, as a template for the message that will make it.

    Attributes:
        actor: which actor.

        args, kwargs: JSON values.

        options: what goes into the message's options.

        queue_name, priority: of the message.

        delay: ms.

        takes: where the result of the step before goes: ``"first"`` or ``"last"``.

        lacks: what is wrong with the arguments, if the result of a step before it has to be among them.
    """

    actor: "AnyActor"
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default=NOTHING, converter=frozen_dict)
    options: Mapping[str, object] = field(default=NOTHING, converter=frozen_dict)
    queue_name: str = "default"
    priority: int = 0
    delay: int = 0
    takes: str = LAST
    lacks: InvalidArguments | None = None

    def message(self, message_id: str, now: int) -> Message:
        """Return the message that makes this call."""
        return Message(
            message_id=message_id,
            actor_name=self.actor.name,
            queue_name=self.queue_name,
            args=self.args,
            kwargs=self.kwargs,
            options=self.options,
            message_timestamp=now,
            priority=self.priority,
        )

    def as_json(self) -> dict[str, object]:
        """Return the form in which a stage travels in the messages before it; what has its default is left out."""
        fields: dict[str, object] = {
            "actor_name": self.actor.name,
            "args": self.args,
            "kwargs": self.kwargs,
            "options": self.options if "pipe_ignore" in self.options or not self.actor.ignores_pipe else {**self.options, "pipe_ignore": True},
            "priority": self.priority,
            "delay": self.delay,
        }
        if self.queue_name != "default":
            fields["queue_name"] = self.queue_name
        if self.takes != LAST:
            fields["takes"] = self.takes
        return {name: value for name, value in fields.items() if value}

    def postponed(self, delay: int) -> "Stage":
        """Return this stage, to start no sooner than *delay* ms from when it could."""
        return evolve(self, delay=max(self.delay, delay))

    def optioned(self, options: CallOptions) -> "Stage":
        """Return this stage with *options* in force."""
        return self.actor.optioned(self, options)

    def all_stages(self) -> "Iterator[Stage]":
        """Return this stage."""
        yield self


@frozen
class Fork:
    """Several pipelines at once, as templates: the members of a group, its policy, and the *callbacks* that are told when it is complete."""

    members: tuple["tuple[Node, ...]", ...]
    policy: str = "fail"
    callbacks: tuple[Stage, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the form in which a fork travels; see `fq.pipe`."""
        fields: dict[str, object] = {"members": [as_json(member) if len(member) > 1 else member[0].as_json() for member in self.members]}
        if self.policy != "fail":
            fields["policy"] = self.policy
        if self.callbacks:
            fields["callbacks"] = as_json(self.callbacks)
        return fields

    def postponed(self, delay: int) -> "Fork":
        """Return this fork with each member to start no sooner than *delay* ms from when it could."""
        return evolve(self, members=tuple((first.postponed(delay), *rest) for first, *rest in self.members))

    def optioned(self, options: CallOptions) -> "Fork":
        """Return this fork with *options* in force for the last step of each member."""
        return evolve(self, members=tuple((*before, last.optioned(options)) for *before, last in self.members))

    def all_stages(self) -> Iterator[Stage]:
        """Return the stages in this fork, callbacks included."""
        for member in self.members:
            for node in member:
                yield from node.all_stages()
        yield from self.callbacks

    @property
    def is_idle(self) -> bool:
        """Is there nothing in it to run?"""
        return all(isinstance(node, Fork) and node.is_idle for member in self.members for node in member)


Node: TypeAlias = Stage | Fork


def as_json(nodes: tuple[Node, ...]) -> tuple[dict[str, object], ...]:
    """Return *nodes* as they travel."""
    return tuple(node.as_json() for node in nodes)


def first_stages(nodes: tuple[Node, ...]) -> Iterator[Stage]:
    """Return the stages of *nodes* that run before any other and so have no result of a step before."""
    node = nodes[0]
    if isinstance(node, Stage):
        yield node
    else:
        for member in node.members:
            yield from first_stages(member)


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

    def delay(self, duration: Duration) -> "Call[R_co]":
        """
        Return this call, to start only after *duration*: ms, or a timedelta.

        Of a pipeline or a group the whole of it: where what starts it has a delay already, the longer one counts.
        """
        first, *rest = self.stages
        if isinstance(first, Stage) and not rest:
            return evolve(self, stages=(evolve(first, delay=to_ms(duration)),))
        return evolve(self, stages=(first.postponed(to_ms(duration)), *rest))

    def with_options(self, **options: Unpack[CallOptions]) -> "Call[R_co]":
        """
        Return this call with *options* in force for it alone. Of a pipeline, for its last step; of a group, for the last step of each member.

        Raises:
            OptionError: an unknown option, or a value that it cannot take.
        """
        *before, last = self.stages
        return evolve(self, stages=(*before, last.optioned(options)))

    def then(self, step: Accepts[R_co, Q, S], /, *args: Q.args, **kwargs: Q.kwargs) -> "Call[S]":
        """Return the pipeline of this call and then *step*, an actor, which gets the result as its first argument, and *args* and *kwargs* after it."""
        if not isinstance(step, MakesNodes):
            raise DeclarationError(f"found {step!r}, expected an actor after `then`")
        return Call(joined(self.stages, (step.node(args, kwargs, FIRST if args else LAST),)))

    @overload
    def __or__(self, step: AcceptsOne[R_co, S]) -> "Call[S]": ...
    @overload
    def __or__(self, step: "Call[S]") -> "Call[S]": ...
    def __or__(self, step: "AcceptsOne[R_co, S] | Call[S]") -> "Call[S]":
        """
        Return the pipeline of this call and then *step*: an actor, which is called with the result; or a call, to which the result is appended as its last
        positional argument (of a group, to each member).
        """
        if isinstance(step, Call):
            return Call(joined(self.stages, step.stages))
        return self.then(step)

    def send(self) -> "Handle[R_co]":
        """
        Send it, and return a handle on its result.

        Raises:
            BrokerUnavailable: the broker could not be reached.
            DeclarationError: an actor belongs to no app, or to another one than the first.
            InvalidArguments: arguments are missing from the call that starts it.
        """
        return self.app.send(self)

    async def asend(self) -> "Handle[R_co]":
        """`send`, for async producers."""
        return await self.app.asend(self)

    @property
    def app(self) -> "Sends":
        """The app of its first actor."""
        for stage in self.all_stages():
            return stage.actor.app
        raise DeclarationError("found a group of nothing that belongs to no app: make it with app.group([])")

    def all_stages(self) -> Iterator[Stage]:
        """Return all stages in it, in order."""
        for node in self.stages:
            yield from node.all_stages()

    def enqueues(self, message_id: str, now: int) -> tuple[Enqueue, ...]:
        """
        Return the effects of sending this call under the id *message_id*, made at *now*, ms since the epoch.

        Raises:
            InvalidArguments: arguments are missing from a call that nothing goes before.
        """
        for first in first_stages(self.stages):
            if first.lacks is not None:
                raise first.lacks
        stage = self.stages[0]
        if isinstance(stage, Stage) and len(self.stages) == 1:
            return (Enqueue(stage.message(message_id, now), stage.delay),)
        return tuple(start(as_json(self.stages), message_id, now))


def joined(before: tuple[Node, ...], after: tuple[Node, ...]) -> tuple[Node, ...]:
    """
    Return *before* and then *after* as one pipeline.

    Raises:
        DeclarationError: a group of nothing after a group: nothing would be left of the group's results, and nobody to report their failure.
    """
    first = after[0]
    if isinstance(before[-1], Fork) and isinstance(first, Fork) and first.is_idle and not before[-1].is_idle:
        raise DeclarationError("found a group of nothing right after a group, expected members: leave it out")
    return (*before, *after)


def node_id(message_id: str, at: int) -> str:
    """Return the id of node number *at* of what is sent as *message_id*."""
    for _ in range(at):
        message_id = child_id(message_id, "pipe")
    return message_id
