"""
The plan of a requeue of dead letters: messages that start afresh, and groups that are open again. Pure: reads messages, and no store.

A requeued message has no retries used up, and no age. A group that failed with a member goes on when that has succeeded after all: its other arrivals are
still there, in the message that was to come after it and could not be called. That message is taken back, and is posted again when the group is complete.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import define, evolve, field
from returns.pipeline import is_successful

from fq.brokers.records import DeferredEnqueue, EnqueueOp
from fq.brokers.requeue import ReopenedGroup, RequeuePlan, RequeueView
from fq.core.frozen import frozen_dict
from fq.core.message import RETRIES, Message, evolve_message
from fq.core.outcome import Enqueue
from fq.core.reserved_options import GATHERED, UNKNOWN_SINCE
from fq.errors import FqError
from fq.execution.outcome_encoding import split_at_group_values
from fq.wire.codec import decode, encode, encode_value
from fq.workflows.group_results import arrivals_before, resolve_group_values, slots_with_numbers
from fq.workflows.group_slot import GroupSlot

USED_UP = (RETRIES.name, UNKNOWN_SINCE)
"""Options that count what a message has used up."""


def plan_requeue(message_ids: Iterable[str], view: RequeueView, now: int) -> RequeuePlan:
    """
    Return what a requeue of *message_ids* at the time *now* comes to.

    A member of a group stays dead for the moment while what comes after the group is held by a worker, which finds out that it cannot be called.
    """
    letters = dict(view.dead_letters(list(dict.fromkeys(message_ids))))
    while True:
        draft = _Draft(view)
        draft.reopen_for(letters)
        if not draft.blocked:
            return draft.plan(letters, now)
        letters = {message_id: op for message_id, op in letters.items() if message_id not in draft.blocked}


def afresh(op: EnqueueOp, now: int) -> EnqueueOp:
    """Return *post* as if it were sent *now*: no retries used up, no age. What is no message stays as it is."""
    message = _read(op)
    if message is None:
        return op
    options = frozen_dict({name: value for name, value in message.options.items() if name not in USED_UP})
    return evolve(op, body=encode(evolve_message(message, options=options, message_timestamp=now)))


@define
class _Stand:
    """Mutable: the *numbers* of a group that are to arrive again, for the sake of the letters *roots*; *follow_up_ids* are the messages after the group."""

    follow_up_ids: tuple[str, ...]
    numbers: set[int] = field(factory=set)
    roots: set[str] = field(factory=set)


@define
class _Draft:
    """Mutable: a plan in the making. Letters that are *blocked* must wait."""

    view: RequeueView
    blocked: set[str] = field(factory=set)
    open: set[str] = field(factory=set)
    reopened: dict[str, ReopenedGroup] = field(factory=dict)
    numbers: dict[str, set[int]] = field(factory=dict)
    taken: dict[str, None] = field(factory=dict)
    waiting: dict[str, None] = field(factory=dict)

    def reopen_for(self, letters: Mapping[str, EnqueueOp]) -> None:
        """Open the groups of *letters*; of what came after them, since that failed; and so on."""
        level = [(message, {message_id}) for message_id, op in letters.items() if (message := _read(op))]
        while level:
            stands = _stands(level)
            new = [group for group in stands if group not in self.numbers]
            self.open |= self.view.open_groups(new)
            level = [found for group in new if group not in self.open for found in self._reopen(group, stands[group])]
            for group, stand in stands.items():
                self.numbers.setdefault(group, set()).update(stand.numbers)

    def _reopen(self, group: str, stand: _Stand) -> Iterator[tuple[Message, set[str]]]:
        """Open *group*, if it failed, and return the messages after it that are dead letters for that."""
        letters, alive = self.view.dead_letters(stand.follow_up_ids), self.view.live_messages(stand.follow_up_ids)
        found = {**letters, **{message_id: one.op for message_id, one in alive.items()}}
        failed = {message_id: message for message_id, op in found.items() if (message := uncallable(op))}
        if any(message_id in alive and alive[message_id].running for message_id in failed):
            self.blocked |= stand.roots
        elif failed:
            values = arrivals_before(next(iter(failed.values())))
            arrived = {number: encode_value(value) for number, value in enumerate(values)}
            self.reopened[group] = ReopenedGroup(group, arrived, tuple(map(_cut_open, failed.values())))
            self.taken.update(dict.fromkeys(message_id for message_id in failed if message_id in letters))
            self.waiting.update(dict.fromkeys(message_id for message_id in failed if message_id in alive))
            yield from ((message, stand.roots) for message_id, message in failed.items() if message_id not in alive)

    def plan(self, letters: Mapping[str, EnqueueOp], now: int) -> RequeuePlan:
        """Return the plan to requeue *letters*, but for those that their groups will post."""
        reopened = tuple(
            evolve(one, values={number: value for number, value in one.values.items() if number not in self.numbers[one.group]})
            for one in self.reopened.values()
        )
        return RequeuePlan(
            tuple(afresh(op, now) for message_id, op in letters.items() if message_id not in self.taken),
            tuple(self.taken),
            tuple(self.waiting),
            reopened,
            {group: self.numbers[group] for group in self.open},
        )


def _stands(level: Iterable[tuple[Message, set[str]]]) -> dict[str, _Stand]:
    """Return where the messages of *level*, each with its roots, stand in groups, by group."""
    stands: dict[str, _Stand] = {}
    for message, roots in level:
        for slot, numbers in _slots(message):
            stand = stands.setdefault(slot.group_id, _Stand(tuple(slot.follow_up_ids())))
            stand.numbers.update(numbers)
            stand.roots |= roots
    return stands


def _slots(message: Message) -> Sequence[tuple[GroupSlot, range]]:
    """Return where *message* stands in groups; nothing where its options say nothing that can be read."""
    try:
        return tuple(slots_with_numbers(message))
    except FqError:
        return ()


def _cut_open(message: Message) -> DeferredEnqueue:
    """Return what posts *message* again, with other values of its group."""
    return split_at_group_values(Enqueue(evolve_message(message, args=message.args[:-1])), lambda enqueue: enqueue)


def _read(op: EnqueueOp) -> Message | None:
    try:
        return decode(op.body)
    except FqError:
        return None


def uncallable(op: EnqueueOp) -> Message | None:
    """Return the message of *post* if it cannot be called, since members failed of the group before it."""
    message = _read(op)
    try:
        return message if message is not None and GATHERED in message.options and not is_successful(resolve_group_values(message)) else None
    except FqError:
        return None
