"""
How the rest of a workflow starts: a *pipeline* of nodes, as it travels in messages, becomes messages to send.

``fq.workflows.nodes`` describes the nodes. Where something is to start when all members of a group are done, each of their messages carries a
`GroupSlot` in its option ``fq.group``. How a group completes is in ``fq.workflows.group_results``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from attrs import evolve, frozen

from fq.core.derived_ids import child_id
from fq.core.message import Message
from fq.core.outcome import Enqueue
from fq.core.reserved_options import GATHERED, GROUP, PIPE, WORKFLOW
from fq.errors import OptionError
from fq.workflows.group_slot import GroupSlot, slots_as_json
from fq.workflows.nodes import Pipeline, WireNode, arrival_shape, callbacks, empty_value, end_count, end_shape, is_empty, is_group, members

TAKES_FIRST, TAKES_LAST, TAKES_NOTHING = "first", "last", "nothing"
"""Where a call takes the result of the step before: as its first argument, as its last positional one (the default), or not at all."""


@frozen
class StepInput:
    """
    What the first messages of a pipeline get from the step before, at the time *now*, ms since the epoch.

    *values* are its results, none or one; or *from_group*, if the broker appends the results of a group. *is_callback*: the pipeline does not go on after
    them. They may stand in *extra_nesting* more groups than that step. *workflow* is the group at which the ends of the workflow arrive.
    """

    now: int
    values: tuple[object, ...] = ()
    from_group: bool = False
    is_callback: bool = False
    extra_nesting: int = 0
    workflow: str = ""


def start_workflow(pipeline: Pipeline, message_id: str, now: int) -> Iterator[Enqueue]:
    """Return what starts *pipeline*, a whole workflow, at the time *now*. All its ends arrive at one group, so that the broker knows when it is over."""
    end = GroupSlot(child_id(message_id, "over"), 0, end_count(end_shape(pipeline)), 0)
    return start(pipeline, message_id, StepInput(now, workflow=end.group_id), (end,))


def start(pipeline: Pipeline, message_id: str, given: StepInput, slots: Sequence[GroupSlot] = ()) -> Iterator[Enqueue]:
    """Return what starts *pipeline* with the input *given*: *message_id* is the id of its first node, *slots* are those of its end."""
    node, tail = pipeline[0], pipeline[1:]
    if not is_group(node):
        yield start_call(node, message_id, given, tail, slots)
    elif not is_empty(pipeline[:1]):
        yield from _start_group(node, tail, message_id, given, slots)
    else:
        yield from _skip_empty_group(node, tail, message_id, evolve(given, values=(empty_value(pipeline[:1]),)), slots)


def _start_group(group: WireNode, tail: Pipeline, message_id: str, given: StepInput, slots: Sequence[GroupSlot]) -> Iterator[Enqueue]:
    own = (_own_slot(group, tail, message_id, slots),) if tail or callbacks(group) else ()
    outer = () if tail else slots
    offset = 0
    for at, member in enumerate(members(group)):
        member_slots = tuple(slot.for_member(offset) for slot in (*own, *outer))
        yield from start(member, child_id(message_id, at), evolve(given, extra_nesting=given.extra_nesting + 1), member_slots)
        offset += end_count(end_shape(member))


def _own_slot(group: WireNode, tail: Pipeline, message_id: str, slots: Sequence[GroupSlot]) -> GroupSlot:
    """Return the slot of *group* itself, around its members, for which `GroupSlot.for_member` makes theirs."""
    shape = arrival_shape(group)
    size = end_count(shape)
    shared: dict[str, object] = {} if shape == ["fail", size] else {"shape": shape}
    if not tail or is_group(tail[0]):
        return GroupSlot(message_id, 0, size, 0, tail, callbacks(group), tuple(slots) if tail else (), shared)
    # One call comes next. What is after it travels with number 0 alone, and from there in the list of results.
    after = {"pipe": tail[1:], "group": slots_as_json(slots)}
    return GroupSlot(
        message_id, 0, size, 0, tail[:1], callbacks(group), (), shared | {name: value for name, value in after.items() if value}
    )


def _skip_empty_group(group: WireNode, tail: Pipeline, message_id: str, given: StepInput, slots: Sequence[GroupSlot]) -> Iterator[Enqueue]:
    """Return what starts after *group*, which is empty: its callbacks, those of the groups in it, and *tail*."""
    for_callback = evolve(given, is_callback=True)
    for at, callback in enumerate(callbacks(group)):
        yield start_call(callback, child_id(message_id, "then", at), for_callback)
    for at, member in enumerate(members(group)):
        yield from start(member, child_id(message_id, at), for_callback)
    if tail:
        yield from start(tail, child_id(message_id, "pipe"), given, slots)


def start_call(call: WireNode, message_id: str, given: StepInput, tail: Pipeline = (), slots: Sequence[GroupSlot] = ()) -> Enqueue:
    """Return what runs *call* with the input *given*; *tail* comes after it, and *slots* are those of the end of that."""
    if not isinstance(call.get("actor_name"), str):
        raise OptionError(f"{PIPE}: found the call {call!r}, expected one with an actor_name")
    own_options = cast("Mapping[str, object]", call.get("options", {}))
    takes = TAKES_NOTHING if own_options.get("pipe_ignore", False) else cast(str, call.get("takes", TAKES_LAST))
    own, values = tuple(cast("Sequence[object]", call.get("args", ()))), () if takes == TAKES_NOTHING else given.values
    travelling = {PIPE: tail, GROUP: slots_as_json(slots), WORKFLOW: "" if given.is_callback else given.workflow}
    options = {**own_options, **{name: value for name, value in travelling.items() if value}}
    if given.from_group:
        # A message that has a value already reads what the broker appends only to see whether members failed.
        appended = TAKES_NOTHING if given.values else takes
        options[GATHERED] = {"takes": appended, "aside": given.is_callback, "below": given.extra_nesting}
    message = Message(
        message_id=message_id,
        actor_name=cast(str, call["actor_name"]),
        queue_name=cast(str, call.get("queue_name", "default")),
        args=(*values, *own) if takes == TAKES_FIRST else (*own, *values),
        kwargs=cast("Mapping[str, object]", call.get("kwargs", {})),
        options=options,
        message_timestamp=given.now,
        priority=cast(int, call.get("priority", 0)),
    )
    return Enqueue(message, cast(int, call.get("delay", 0)), continues=True)
