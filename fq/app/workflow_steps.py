"""
`workflow_steps`: asks the broker for the steps of the workflow of one message; `states_of` for the state of each.

The broker keeps no list of them. A message knows what comes after it and in which groups it is; where records are kept, they say what came before.
"""

from collections.abc import Mapping, Sequence

from returns.pipeline import is_successful

from fq.app.workflow_tree import MOST_MEMBERS, StepNode, Steps, chain_of, group_slots, member_ids, steps_after_group
from fq.brokers.operations import finished_key
from fq.brokers.protocol import Broker
from fq.calls.message_record import find_record
from fq.core.message import Message
from fq.errors import DecodeError
from fq.wire.codec import decode, decode_result
from fq.workflows.group_slot import GroupSlot

MOST_STEPS, MOST_BEFORE = 100, 20
"""Of how many steps the state is asked for, and how many of those before the message are."""


def workflow_steps(broker: Broker, message_id: str) -> Steps:
    """Return the steps of the workflow of a message, the first one first, as far as they are known; none if the message is not known."""
    message = live_message(broker, message_id)
    before = _before(broker, message_id, is_live=message is not None)
    return (*before, *(() if message is None else _around(broker, message)))


def live_message(broker: Broker, message_id: str) -> Message | None:
    """Return a message that has not ended, or is dead; None if there is none, or it cannot be read."""
    entry = broker.peek(message_id)
    try:
        return None if entry is None else decode(entry.body)
    except DecodeError:
        return None


def states_of(broker: Broker, ids: Sequence[str]) -> Mapping[str, str]:
    """
    Return the state of each of *ids*; ``""`` if it is not known: it has not been sent, or has ended without a trace.

    Beside the states of messages there are ``"done"`` and ``"failed"``, for those that have ended: what follows a dead letter fails without a run.
    """
    kept, ended = broker.ids_with_results(ids), broker.marks([finished_key(each) for each in ids])
    states = dict.fromkeys(ids, "")
    for message_id in ids:
        entry = broker.peek(message_id)
        if entry is not None:
            failed = entry.status.state == "delayed" and entry.status.fault is not None
            states[message_id] = "retrying" if failed else entry.status.state
        elif message_id in kept:
            states[message_id] = "done" if _has_succeeded(broker.result(message_id)) else "failed"
        elif finished_key(message_id) in ended:
            states[message_id] = "done"
    return states


def _has_succeeded(result: bytes | None) -> bool:
    """Is *result*, which may just have ended, no failure?"""
    try:
        return result is None or is_successful(decode_result(result))
    except DecodeError:
        return True


def _before(broker: Broker, message_id: str, *, is_live: bool) -> Steps:
    """Return the steps before a message, the first one first, as far as records are kept."""
    found: list[StepNode] = []
    record = find_record(broker, message_id)
    if record is not None and not is_live:
        found.append(StepNode(message_id, record.actor_name))
    while record is not None and record.parent_id and len(found) < MOST_BEFORE:
        record = find_record(broker, record.parent_id)
        if record is not None:
            found.append(StepNode(record.message_id, record.actor_name))
    return tuple(reversed(found))


def _around(broker: Broker, message: Message) -> Steps:
    """Return the steps that *message* knows: its own pipeline, and its groups with what comes after them."""
    steps = chain_of(message)
    for slot in group_slots(message):
        firsts = {member: live_message(broker, member) for member in member_ids(slot)}
        chains = {
            member: (StepNode(member, _actor_of(broker, member)),) if each is None else chain_of(each) for member, each in firsts.items()
        }
        chains[steps[0].message_id] = steps  # it may be a later step of a member
        known = (own for each in firsts.values() if each for own in group_slots(each) if own.group_id == slot.group_id and own.pipeline)
        following = steps_after_group(next(known, slot)) or _follow_up(broker, slot)
        steps = (StepNode(slot.group_id, members=tuple(chains.values()), size=max(slot.size, len(chains))), *following)
    return steps


def _actor_of(broker: Broker, message_id: str) -> str:
    """Return the actor of a message that has ended, if a record of it is kept."""
    record = find_record(broker, message_id)
    return "" if record is None else record.actor_name


def _follow_up(broker: Broker, slot: GroupSlot) -> Steps:
    """Return the steps after a group that is complete, from the message that it has sent."""
    for message_id in reversed(list(slot.follow_up_ids())[:MOST_MEMBERS]):
        message = live_message(broker, message_id)
        if message is not None:
            return chain_of(message)
    return ()
