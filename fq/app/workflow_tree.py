"""
The steps of the workflow of one message, as far as it knows them: those after it, those of its groups, and, where records are kept, those before it.

Each step has an id that follows from the id of the first, so a step is known before it is sent. Pure.
"""

from collections.abc import Iterator

from attrs import frozen

from fq.core.derived_ids import child_id
from fq.core.message import Message
from fq.workflows.group_results import pipeline_of, slots_of, workflow_of
from fq.workflows.group_slot import GroupSlot
from fq.workflows.nodes import Pipeline, as_pipeline, is_group, members

MOST_MEMBERS = 24
"""How many members of a group are shown."""


@frozen
class StepNode:
    """A call of *actor_name*; or, with *members*, a group of *size* pipelines."""

    message_id: str
    actor_name: str = ""
    members: tuple[tuple["StepNode", ...], ...] = ()
    size: int = 0

    @property
    def is_group(self) -> bool:
        """Is it a group?"""
        return self.size > 0


Steps = tuple[StepNode, ...]


def steps_after(pipeline: Pipeline, message_id: str) -> Iterator[StepNode]:
    """Yield the steps of *pipeline*, the first of which has the id *message_id*."""
    for node in pipeline:
        if is_group(node):
            inner = members(node)
            shown = tuple(tuple(steps_after(member, child_id(message_id, at))) for at, member in enumerate(inner[:MOST_MEMBERS]))
            yield StepNode(message_id, members=shown, size=max(1, len(inner)))
        else:
            yield StepNode(message_id, str(node.get("actor_name", "")))
        message_id = child_id(message_id, "pipe")


def chain_of(message: Message) -> Steps:
    """Return *message* and the steps after it in its own pipeline."""
    first = StepNode(message.message_id, message.actor_name)
    return (first, *steps_after(pipeline_of(message), child_id(message.message_id, "pipe")))


def group_slots(message: Message) -> tuple[GroupSlot, ...]:
    """Return the slots of *message*, the innermost group first, without the one in which the whole workflow ends."""
    return tuple(slot for slot in slots_of(message) if slot.group_id != workflow_of(message))


def member_ids(slot: GroupSlot) -> list[str]:
    """Return the ids of the first messages of the members of the group of *slot*."""
    return [child_id(slot.group_id, at) for at in range(min(slot.size, MOST_MEMBERS))]


def steps_after_group(slot: GroupSlot) -> Steps:
    """Return what comes after the group of *slot*; only the slot of its first member knows."""
    tail = as_pipeline(slot.shared_tail.get("pipe", ()))
    return tuple(steps_after((*slot.pipeline, *tail), child_id(slot.group_id, "pipe")))


def all_ids(steps: Steps) -> Iterator[str]:
    """Yield the ids of the messages of *steps*, in order."""
    for step in steps:
        if not step.is_group:
            yield step.message_id
        for member in step.members:
            yield from all_ids(member)


def group_ids(steps: Steps) -> Iterator[str]:
    """Yield the ids of the groups in *steps*."""
    for step in steps:
        if step.is_group:
            yield step.message_id
        for member in step.members:
            yield from group_ids(member)
