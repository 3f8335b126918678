"""Requeueing dead letters: the planner decides what to do, and one script does it, unless something has changed meanwhile."""

from collections.abc import Sequence
from typing import cast

from attrs import define, field

from fq.brokers.parts import parts
from fq.brokers.records import OPEN_GROUP_TTL_MS, EnqueueOp
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.script_arguments import Argument, ScriptArguments
from fq.brokers.redis.stored_records import SEQUENCE_DIGITS
from fq.brokers.requeue import LiveMessage, RequeuePlan, RequeuePlanner
from fq.errors import BrokerError

MAX_LETTERS = 100
"""How many letters one script requeues, with the groups that they open."""

MAX_TRIES = 100
"""Everything is read this many times at most, if it changes each time before the script runs."""


@define
class ServerView:
    """
    A `RequeueView`. Mutable.

    It remembers of each letter that it has shown the queue and when it died, of each message the queue and the sequence.
    """

    namespace: Namespace
    died: dict[str, tuple[str, bytes]] = field(factory=dict)
    sequences: dict[str, tuple[str, bytes]] = field(factory=dict)

    def dead_letters(self, message_ids: Sequence[str]) -> dict[str, EnqueueOp]:
        found: dict[str, EnqueueOp] = {}
        for message_id, letter in self._read(self.namespace.keys.letters, message_ids):
            died, _, _, record = letter.split(b"\0", 3)
            op = found[message_id] = _post(message_id, record)
            self.died[message_id] = op.queue_name, died
        return found

    def live_messages(self, message_ids: Sequence[str]) -> dict[str, LiveMessage]:
        found: dict[str, LiveMessage] = {}
        for message_id, record in self._read(self.namespace.keys.messages, message_ids):
            op = _post(message_id, record)
            self.sequences[message_id] = op.queue_name, record[:SEQUENCE_DIGITS]
            found[message_id] = LiveMessage(op, not self._waits(op, record[:SEQUENCE_DIGITS]))
        return found

    def open_groups(self, groups: Sequence[str]) -> set[str]:
        ask = self.namespace.client.command
        keys = {group: self.namespace.keys.group(group) for group in groups}
        return {group for group, key in keys.items() if ask("EXISTS", key) and ask("HGET", key, "done") != b"1"}

    def show_all(self, plan: RequeuePlan) -> None:
        """Look at what *plan* deletes and has not asked about."""
        self.dead_letters([message_id for message_id in plan.deleted_letters if message_id not in self.died])
        self.live_messages([message_id for message_id in plan.taken_messages if message_id not in self.sequences])

    def _read(self, key: str, message_ids: Sequence[str]) -> list[tuple[str, bytes]]:
        """Return those of *message_ids* that the hash *key* has, with what it has."""
        found: list[tuple[str, bytes]] = []
        for first in range(0, len(message_ids), MAX_LETTERS):
            part = message_ids[first : first + MAX_LETTERS]
            values = cast(list[bytes | None], self.namespace.client.command("HMGET", key, *part))
            found += [(message_id, value) for message_id, value in zip(part, values, strict=True) if value is not None]
        return found

    def _waits(self, op: EnqueueOp, sequence: bytes) -> bool:
        ready, delayed, _, _ = self.namespace.keys.queue(op.queue_name)
        message_id = op.message_id.encode()
        return any(
            self.namespace.client.command("ZSCORE", key, member) is not None
            for key, member in ((ready, sequence + message_id), (delayed, b"%b%d\0%b" % (sequence, op.priority, message_id)))
        )


def _post(message_id: str, record: bytes) -> EnqueueOp:
    """Return what a record says; one that is none of fq's is posted as it is."""
    parts = record[SEQUENCE_DIGITS:].split(b"\0", 3)
    if len(parts) < 4:
        return EnqueueOp(message_id, "", "", 0, 0, record)
    priority, queue, actor, body = parts
    number = int(priority) if priority.removeprefix(b"-").isdigit() else 0
    return EnqueueOp(message_id, queue.decode("utf-8", "backslashreplace"), actor.decode("utf-8", "backslashreplace"), number, 0, body)


def requeue(namespace: Namespace, message_ids: Sequence[str], plan: RequeuePlanner, now: int) -> int:
    """Put dead letters back on their queues at the time *now*, and open the groups that failed with them; return how many there were."""
    return sum(_requeue(namespace, part, plan, now) for part in parts(message_ids, MAX_LETTERS))


def _requeue(namespace: Namespace, message_ids: Sequence[str], plan: RequeuePlanner, now: int) -> int:
    for _ in range(MAX_TRIES):
        view = ServerView(namespace)
        todo = plan(message_ids, view, now)
        if not todo.deleted_letters:
            return 0
        count = carry_out(namespace, todo, view, set(message_ids))
        if count >= 0:
            return count
    raise changed_too_often()


def carry_out(namespace: Namespace, todo: RequeuePlan, view: ServerView, asked_for: set[str]) -> int:
    """Carry out *todo*, of what *view* has shown; return how many of the letters that were *asked_for* there were, or less than 0 if anything has changed."""
    call = namespace.arguments()
    return cast(int, namespace.run("requeue", call, _write_plan(call, todo, view, asked_for)))


def changed_too_often() -> BrokerError:
    """Return the error for messages that others change all the time."""
    return BrokerError(
        f"found that the messages to requeue changed during each of {MAX_TRIES} tries, nothing of this call was applied; try again"
    )


def _write_plan(call: ScriptArguments, todo: RequeuePlan, view: ServerView, asked_for: set[str]) -> list[Argument]:
    """Return the arguments of ``lua/requeue.lua``: five lists, each with its length before it."""
    view.show_all(todo)
    letters = [message_id for message_id in todo.deleted_letters if message_id in view.died]
    arguments: list[Argument] = [len(letters)]
    for message_id in letters:
        queue, died = view.died[message_id]
        arguments += (call.queue_number(queue), message_id, died, int(message_id in asked_for))
    waiting = [message_id for message_id in todo.taken_messages if message_id in view.sequences]
    arguments.append(len(waiting))
    for message_id in waiting:
        queue, sequence = view.sequences[message_id]
        arguments += (call.queue_number(queue), message_id, sequence)
    arguments.append(len(todo.removed))
    for group, members in todo.removed.items():
        arguments += (call.add_key(call.keys.group(group)), len(members), *sorted(members))
    arguments.append(len(todo.reopened))
    for reopened in todo.reopened:
        values = [part for item in reopened.values.items() for part in item]
        arguments += (call.group_number(reopened.group), OPEN_GROUP_TTL_MS, len(values), *values)
        arguments += (len(reopened.then), *(argument for followup in reopened.then for argument in call.followup(followup)))
    arguments.append(len(todo.enqueues))
    for op in todo.enqueues:
        arguments += call.unique_post(op)
    return arguments
