"""
What calls are made of: `CallTemplate`, one call, and `GroupTemplate`, the members of a group; templates of messages that will be.

They hold actors and JSON values; ``fq.workflows.pipeline`` says in which form they travel.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeAlias

from attrs import evolve, field, frozen

from fq.core.frozen import EMPTY, frozen_dict, unchecked_constructor
from fq.core.message import Message, new_message
from fq.errors import DeclarationError
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
        """The app that it belongs to."""
        ...

    @property
    def ignores_pipe(self) -> bool:
        """Does it run without the result of the step before?"""
        ...

    def stage(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> "CallTemplate":
        """Return a call of it with these arguments."""
        ...

    def with_options(self, stage: "CallTemplate", options: CallOptions) -> "CallTemplate":
        """Return *stage*, a call of it, with *options* in force."""
        ...


@frozen(weakref_slot=False)
class CallTemplate:
    """
    One call, as a template for the message that will make it.

    Attributes:
        actor: which actor.

        args, kwargs: JSON values.

        options: what goes into the message's options.

        queue_name, priority: of the message.

        delay: ms.

        takes: where the result of the step before goes: ``"first"`` or ``"last"``.

        missing_arguments_error: what is wrong with the arguments unless the result of a step before is among them; ``""`` if nothing is.
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

    def message(self, message_id: str, now: int) -> Message:
        """Return the message that makes this call."""
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
        """Return the form in which a stage travels in the messages before it; what has its default is left out."""
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
        """Return this stage, to start no sooner than *delay* ms from when it could."""
        return evolve(self, delay=max(self.delay, delay))

    def with_options(self, options: CallOptions) -> "CallTemplate":
        """Return this stage with *options* in force."""
        return self.actor.with_options(self, options)

    def all_calls(self) -> Iterator["CallTemplate"]:
        """Return this stage."""
        yield self


new_template = unchecked_constructor(CallTemplate)
"""`CallTemplate` by position, for the hot path: mappings must be frozen already."""


@frozen
class GroupTemplate:
    """
    Several pipelines at once, as templates: the *members* of a group, its *policy*, and the *callbacks* that are told when it is complete.

    *as_tuple* is for those who wait for the result: a tuple, or else a list.
    """

    members: tuple["tuple[Node, ...]", ...]
    policy: str = "fail"
    callbacks: tuple[CallTemplate, ...] = ()
    as_tuple: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the form in which a fork travels; see ``fq.workflows.pipeline``."""
        pipes = map(as_json, self.members)
        fields: dict[str, object] = {"members": [nodes if len(nodes) > 1 else nodes[0] for nodes in pipes]}
        if self.policy != "fail":
            fields["policy"] = self.policy
        if self.callbacks:
            fields["callbacks"] = as_json(self.callbacks)
        return fields

    def delayed_by(self, delay: int) -> "GroupTemplate":
        """Return this fork with each member to start no sooner than *delay* ms from when it could."""
        return evolve(self, members=tuple((first.delayed_by(delay), *rest) for first, *rest in self.members))

    def with_options(self, options: CallOptions) -> "GroupTemplate":
        """Return this fork with *options* in force for the last step of each member."""
        return evolve(self, members=tuple((*before, last.with_options(options)) for *before, last in self.members))

    def all_calls(self) -> Iterator[CallTemplate]:
        """Return the stages in this fork, callbacks included."""
        for member in self.members:
            for node in member:
                yield from node.all_calls()
        yield from self.callbacks

    @property
    def is_idle(self) -> bool:
        """Is there nothing in it to run?"""
        return all(isinstance(node, GroupTemplate) and node.is_idle for member in self.members for node in member)


Node: TypeAlias = CallTemplate | GroupTemplate


def as_json(nodes: tuple[Node, ...]) -> list[dict[str, object]]:
    """Return *nodes* as they travel."""
    return [node.as_json() for node in nodes]


def first_calls(nodes: tuple[Node, ...]) -> Iterator[CallTemplate]:
    """Return the stages of *nodes* that run before any other and so have no result of a step before."""
    node = nodes[0]
    if isinstance(node, CallTemplate):
        yield node
    else:
        for member in node.members:
            yield from first_calls(member)


def concatenate(before: tuple[Node, ...], after: tuple[Node, ...]) -> tuple[Node, ...]:
    """
    Return *before* and then *after* as one pipeline.

    Raises:
        DeclarationError: a group of nothing after a group: the group's results would go nowhere, nor would a failure.
    """
    first = after[0]
    if isinstance(before[-1], GroupTemplate) and isinstance(first, GroupTemplate) and first.is_idle and not before[-1].is_idle:
        raise DeclarationError("found a group of nothing right after a group, expected members: leave it out")
    return (*before, *after)
