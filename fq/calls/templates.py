"""
Templates of messages: `CallTemplate` is one call, `GroupTemplate` is a group of calls. A `Call` is made of them.

They hold actors and JSON values. ``fq.workflows.nodes`` describes the JSON in which they travel.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

from attrs import evolve, field, frozen

from fq.core.frozen import EMPTY, frozen_dict, unchecked_constructor
from fq.core.message import Message, new_message
from fq.core.uniqueness import Uniqueness
from fq.errors import DeclarationError
from fq.middleware.layer_options import LayerOptions
from fq.middleware.options import CallOptions
from fq.wire.signature import Signature
from fq.workflows.pipeline import TAKES_LAST


class Callee(Protocol):
    """The actor of a call, as the call sees it."""

    @property
    def name(self) -> str:
        """See `Actor.name`."""
        ...

    @property
    def signature(self) -> Signature:
        """How its arguments and its result are converted."""
        ...

    @property
    def app(self) -> object:
        """See `Actor.app`."""
        ...

    @property
    def emits(self) -> object:
        """See `Actor.emits`."""
        ...

    @property
    def ignores_pipe(self) -> bool:
        """See `Actor.ignores_pipe`."""
        ...

    def template(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> "CallTemplate":
        """See `Actor.template`."""
        ...

    def with_options(self, template: "CallTemplate", options: CallOptions, layers: tuple[LayerOptions, ...] = ()) -> "CallTemplate":
        """See `Actor.with_options`."""
        ...


@frozen(weakref_slot=False)
class CallTemplate:
    """
    One call, from which its message is made.

    Attributes:
        actor: the actor to call.

        args, kwargs: its arguments, as JSON values.

        options: the options of the message.

        queue_name, priority: of the message.

        delay: how long the message waits before it is ready, ms.

        due: when it is ready at the earliest, ms since the epoch on the broker's clock.

        takes: where the result of the step before goes: ``"first"`` or ``"last"``.

        missing_arguments_error: the error text of a call that lacks arguments and gets no result of a step before; ``""`` if none are missing.
    """

    actor: Callee
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict)
    options: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict)
    queue_name: str = "default"
    priority: int = 0
    delay: int = 0
    takes: str = TAKES_LAST
    missing_arguments_error: str = ""
    due: int = 0

    def message(self, message_id: str, now: int) -> Message:
        """Return the message of this call, made at *now*, ms since the epoch."""
        return new_message(
            message_id,
            self.actor.name,
            self.queue_name,
            self.args,
            self.kwargs,
            self.options,
            now,
            self.priority,
            0,
            1,
            "",
            float("inf"),
            EMPTY,
            None,
        )

    def as_json(self) -> dict[str, object]:
        """Return this call as JSON for the messages of earlier steps, without the fields that have their defaults."""
        fields: dict[str, object] = {
            "actor_name": self.actor.name,
            "args": self.args,
            "kwargs": self.kwargs,
            "options": {"pipe_ignore": True, **self.options} if self.actor.ignores_pipe else self.options,
            "priority": self.priority,
            "delay": self.delay,
        }
        if self.queue_name != "default":
            fields["queue_name"] = self.queue_name
        if self.takes != TAKES_LAST:
            fields["takes"] = self.takes
        return {name: value for name, value in fields.items() if value}

    def delayed_by(self, delay: int) -> "CallTemplate":
        """Return this call with a delay of at least *delay* ms."""
        return evolve(self, delay=max(self.delay, delay))

    def due_at(self, due: int) -> "CallTemplate":
        """Return this call with a start not before *due*, ms since the epoch."""
        return evolve(self, due=max(self.due, due))

    def timed(self, now: int) -> "CallTemplate":
        """Return this call with its delay as it is at *now*, ms since the epoch, since messages have no `due`."""
        return evolve(self, delay=max(self.delay, self.due - now), due=0) if self.due else self

    @property
    def uniqueness(self) -> Uniqueness | None:
        """The unique key that the call itself was given; None if it was given none, or was told to have none."""
        return Uniqueness.in_options(self.options)

    def with_options(self, options: CallOptions, layers: tuple[LayerOptions, ...] = ()) -> "CallTemplate":
        """Return this call with *options*, and those of *layers*, in force."""
        return self.actor.with_options(self, options, layers)

    def all_calls(self) -> Iterator["CallTemplate"]:
        """Yield this call."""
        yield self


new_template = unchecked_constructor(CallTemplate)
"""`CallTemplate` by position, for the hot path. The mappings must be frozen already."""


@frozen
class GroupTemplate:
    """
    Pipelines that run at the same time.

    Attributes:
        members: the steps of each pipeline.

        policy: what happens if a member fails: ``"fail"`` or ``"collect"``.

        callbacks: calls that get the results once the group is complete, beside the step that comes next.

        as_tuple: does `Handle.get` return the results as a tuple? If not, as a list.
    """

    members: tuple["tuple[StepTemplate, ...]", ...]
    policy: str = "fail"
    callbacks: tuple[CallTemplate, ...] = ()
    as_tuple: bool = False

    options: ClassVar[Mapping[str, object]] = EMPTY  # a group has no message that could have any

    def as_json(self) -> dict[str, object]:
        """Return this group as JSON for the messages of earlier steps; see ``fq.workflows.nodes``."""
        members = map(as_json, self.members)
        fields: dict[str, object] = {"members": [steps if len(steps) > 1 else steps[0] for steps in members]}
        if self.policy != "fail":
            fields["policy"] = self.policy
        if self.callbacks:
            fields["callbacks"] = as_json(self.callbacks)
        return fields

    def delayed_by(self, delay: int) -> "GroupTemplate":
        """Return this group with a delay of at least *delay* ms before each member."""
        return evolve(self, members=tuple((first.delayed_by(delay), *rest) for first, *rest in self.members))

    def due_at(self, due: int) -> "GroupTemplate":
        """Return this group with a start of each member not before *due*, ms since the epoch."""
        return evolve(self, members=tuple((first.due_at(due), *rest) for first, *rest in self.members))

    def timed(self, now: int) -> "GroupTemplate":
        """See `CallTemplate.timed`."""
        return evolve(self, members=tuple((first.timed(now), *rest) for first, *rest in self.members))

    def with_options(self, options: CallOptions, layers: tuple[LayerOptions, ...] = ()) -> "GroupTemplate":
        """Return this group with *options*, and those of *layers*, in force for the last step of each member."""
        return evolve(self, members=tuple((*before, last.with_options(options, layers)) for *before, last in self.members))

    def all_calls(self) -> Iterator[CallTemplate]:
        """Yield the calls in this group, callbacks included."""
        for member in self.members:
            for step in member:
                yield from step.all_calls()
        yield from self.callbacks

    @property
    def is_empty(self) -> bool:
        """Does it contain no call? A group of empty groups is empty, too."""
        return all(isinstance(step, GroupTemplate) and step.is_empty for member in self.members for step in member)


StepTemplate: TypeAlias = CallTemplate | GroupTemplate
"""One step of a pipeline."""


@runtime_checkable
class Chainable(Protocol):
    """An actor, or a group of actors, that can be a step of a pipeline."""

    def as_step(self, args: tuple[object, ...], kwargs: Mapping[str, object], takes: str) -> StepTemplate:
        """Return the step that gets *args* and *kwargs* beside the result of the step before; *takes* says where the result goes."""
        ...


def as_json(steps: tuple[StepTemplate, ...]) -> list[dict[str, object]]:
    """Return *steps* as JSON."""
    return [step.as_json() for step in steps]


def first_calls(steps: tuple[StepTemplate, ...]) -> Iterator[CallTemplate]:
    """Yield the calls that start the pipeline *steps*: they get no result of a step before."""
    first = steps[0]
    if isinstance(first, CallTemplate):
        yield first
    else:
        for member in first.members:
            yield from first_calls(member)


def has_due(steps: tuple[StepTemplate, ...]) -> bool:
    """Does a call in *steps* have a time at which it is due?"""
    return any(call.due for step in steps for call in step.all_calls())


def concatenate(before: tuple[StepTemplate, ...], after: tuple[StepTemplate, ...]) -> tuple[StepTemplate, ...]:
    """
    Return the pipeline of *before* and *after*.

    Raises:
        DeclarationError: an empty group follows a group with members: it would lose their results and their failures. Or a call of *after* has a time.
    """
    if has_due(after):
        raise DeclarationError(
            "found a time for a step after the first, expected it for the first: a later step starts when the one before ends"
        )
    last, first = before[-1], after[0]
    if isinstance(last, GroupTemplate) and isinstance(first, GroupTemplate) and first.is_empty and not last.is_empty:
        raise DeclarationError("found an empty group right after a group, expected members: leave the empty group out")
    return (*before, *after)
