"""
Plans a requeue of dead letters. A pure function: it reads messages, and the broker shows it what is stored.

A requeued message starts again with no retries used up and no age. If it is a member of a group that failed, the group can go on once the member
succeeds. So the plan reopens the group. The arrivals of its other members are in the message after the group, the follow-up, which could not be
called. The plan deletes that message; the broker enqueues it again when the group is complete.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import define, evolve, field, frozen
from returns.pipeline import is_successful

from fq.brokers.records import DeferredEnqueue, EnqueueOp, UniqueKey
from fq.brokers.requeue import ReopenedGroup, RequeuePlan, RequeueView
from fq.core.frozen import frozen_dict
from fq.core.message import RETRIES, Message, evolve_message
from fq.core.outcome import Enqueue
from fq.core.reserved_options import ATTEMPTS, FIRST_DELAY, GATHERED, UNKNOWN_SINCE
from fq.errors import FqError
from fq.execution.outcome_encoding import split_at_group_values, unique_key
from fq.wire.codec import decode, encode, encode_value
from fq.workflows.group_results import arrivals_before, resolve_group_values, slots_with_numbers
from fq.workflows.group_slot import GroupSlot

USED_UP_OPTIONS = (RETRIES.name, UNKNOWN_SINCE, ATTEMPTS, FIRST_DELAY)
"""Options that say what a message has been through, and used up."""


def plan_requeue(message_ids: Iterable[str], view: RequeueView, now: int) -> RequeuePlan:
    """
    Return the plan that requeues the dead letters *message_ids*, in this order, at *now*, ms since the epoch.

    A member of a group stays dead while a worker holds the group's follow-up: that worker is about to find out that it cannot be called.
    """
    names = list(dict.fromkeys(message_ids))
    found = view.dead_letters(names)
    letters = {message_id: found[message_id] for message_id in names if message_id in found}  # enqueued in this order
    while True:
        draft = _Draft(view)
        draft.reopen_groups_of(letters)
        if not draft.blocked_letters:
            return draft.plan(letters, now)
        letters = {message_id: op for message_id, op in letters.items() if message_id not in draft.blocked_letters}


def restarted(op: EnqueueOp, now: int) -> EnqueueOp:
    """Return *op* as if sent at *now*: no retries used up, no age, and with its unique key. Bytes that are not a message stay as they are."""
    message = read_message(op)
    if message is None:
        return op
    options = frozen_dict({name: value for name, value in message.options.items() if name not in USED_UP_OPTIONS})
    return evolve(op, body=encode(evolve_message(message, options=options, message_timestamp=now)), unique=key_of(message))


@frozen
class _Restart:
    """A *message* that runs again because the dead letters *letter_ids* are requeued: one of them, or a follow-up of its group."""

    message: Message
    letter_ids: frozenset[str]


@define
class _ReturningMembers:
    """Mutable: the *numbers* of the members of a group that run again, because of *letter_ids*. *follow_up_ids* are the messages after the group."""

    follow_up_ids: tuple[str, ...]
    numbers: set[int] = field(factory=set)
    letter_ids: frozenset[str] = frozenset()


@define
class _Draft:
    """
    Mutable: a plan in the making.

    Attributes:
        blocked_letters: the ids of letters that must stay dead for now.

        open_groups: the ids of groups that are open anyway.

        reopened: the groups to reopen, by id.

        returning: the numbers of the members that run again, by the id of their group.

        taken_letters, taken_messages: the ids of dead letters and of waiting messages that reopened groups will enqueue.
    """

    view: RequeueView
    blocked_letters: set[str] = field(factory=set)
    open_groups: set[str] = field(factory=set)
    reopened: dict[str, ReopenedGroup] = field(factory=dict)
    returning: dict[str, set[int]] = field(factory=dict)
    taken_letters: dict[str, None] = field(factory=dict)
    taken_messages: dict[str, None] = field(factory=dict)

    def reopen_groups_of(self, letters: Mapping[str, EnqueueOp]) -> None:
        """Reopen the groups of *letters*. Their follow-ups failed with them, so reopen the groups of these, too, and so on."""
        restarts = [_Restart(message, frozenset((message_id,))) for message_id, op in letters.items() if (message := read_message(op))]
        while restarts:
            groups = _returning_members(restarts)
            new = [group_id for group_id in groups if group_id not in self.returning]
            self.open_groups |= self.view.open_groups(new)
            closed = [group_id for group_id in new if group_id not in self.open_groups]
            restarts = [restart for group_id in closed for restart in self._reopen(group_id, groups[group_id])]
            for group_id, members in groups.items():
                self.returning.setdefault(group_id, set()).update(members.numbers)

    def _reopen(self, group_id: str, members: _ReturningMembers) -> Iterator[_Restart]:
        """Reopen a group if it failed. Return its follow-ups that are dead letters because of that."""
        letters, live = self.view.dead_letters(members.follow_up_ids), self.view.live_messages(members.follow_up_ids)
        stored = {**letters, **{message_id: message.op for message_id, message in live.items()}}
        failed = {message_id: message for message_id, op in stored.items() if (message := failed_with_group(op))}
        if any(message_id in live and live[message_id].running for message_id in failed):
            self.blocked_letters |= members.letter_ids
        elif failed:
            arrivals = arrivals_before(next(iter(failed.values())))
            values = dict(enumerate(map(encode_value, arrivals)))
            self.reopened[group_id] = ReopenedGroup(group_id, values, tuple(map(_deferred, failed.values())))
            self.taken_letters.update(dict.fromkeys(message_id for message_id in failed if message_id in letters))
            self.taken_messages.update(dict.fromkeys(message_id for message_id in failed if message_id in live))
            yield from (_Restart(message, members.letter_ids) for message_id, message in failed.items() if message_id not in live)

    def plan(self, letters: Mapping[str, EnqueueOp], now: int) -> RequeuePlan:
        """Return the plan that requeues *letters*. It does not enqueue those that a reopened group will enqueue."""
        return RequeuePlan(
            tuple(restarted(op, now) for message_id, op in letters.items() if message_id not in self.taken_letters),
            tuple(self.taken_letters),
            tuple(self.taken_messages),
            tuple(self._without_returning(group) for group in self.reopened.values()),
            {group_id: self.returning[group_id] for group_id in self.open_groups},
        )

    def _without_returning(self, group: ReopenedGroup) -> ReopenedGroup:
        """Return *group* without the arrivals of members that run again."""
        returning = self.returning[group.group]
        return evolve(group, values={number: value for number, value in group.values.items() if number not in returning})


def _returning_members(restarts: Iterable[_Restart]) -> dict[str, _ReturningMembers]:
    """Return which members of which groups the messages of *restarts* are, by group id."""
    groups: dict[str, _ReturningMembers] = {}
    for restart in restarts:
        for slot, numbers in _slots(restart.message):
            members = groups.setdefault(slot.group_id, _ReturningMembers(tuple(slot.follow_up_ids())))
            members.numbers.update(numbers)
            members.letter_ids |= restart.letter_ids
    return groups


def _slots(message: Message) -> Sequence[tuple[GroupSlot, range]]:
    """Return the slots of *message* in groups; none if its options cannot be read."""
    try:
        return tuple(slots_with_numbers(message))
    except FqError:
        return ()


def _deferred(follow_up: Message) -> DeferredEnqueue:
    """Return what enqueues *follow_up* again, with the new values of its group as its last argument."""
    return split_at_group_values(Enqueue(evolve_message(follow_up, args=follow_up.args[:-1])), lambda enqueue: enqueue)


def key_of(message: Message) -> UniqueKey | None:
    """Return the unique key of *message*; None if its option cannot be read."""
    try:
        return unique_key(message.options)
    except FqError:
        return None


def read_message(op: EnqueueOp) -> Message | None:
    """Return the message in *op*; None if its bytes are none."""
    try:
        return decode(op.body)
    except FqError:
        return None


def failed_with_group(op: EnqueueOp) -> Message | None:
    """Return the message of *op* if it cannot be called because members of the group before it failed; otherwise None."""
    message = read_message(op)
    if message is None or GATHERED not in message.options:
        return None
    try:
        return None if is_successful(resolve_group_values(message)) else message
    except FqError:
        return None
