"""Requeueing dead letters: what the planner asks for is read, and its plan is carried out by one script if nothing has changed meanwhile."""

from collections.abc import Sequence
from typing import cast

from attrs import define, field

from fq.brokers.records import OPEN_GROUP_TTL_MS, EnqueueOp
from fq.brokers.redis.namespace import Server
from fq.brokers.redis.script_protocol import PLACE, Argument, Sheet
from fq.brokers.requeue import LiveMessage, RequeuePlan, RequeuePlanner
from fq.errors import BrokerError

AT_ONCE = 500
"""How many letters one script requeues, with the groups that they open."""

TRIES = 100
"""How often everything is read again, at most, because it had changed before the script ran."""


@define
class _View:
    """A `RequeueView`. Mutable: remembers of the letters that it has shown the queue and when they died, of messages the queue and the place."""

    server: Server
    died: dict[str, tuple[str, bytes]] = field(factory=dict)
    places: dict[str, tuple[str, bytes]] = field(factory=dict)

    def dead_letters(self, message_ids: Sequence[str]) -> dict[str, EnqueueOp]:
        found: dict[str, EnqueueOp] = {}
        for message_id, letter in self._read(self.server.keys.letters, message_ids):
            died, _, _, record = letter.split(b"\0", 3)
            op = found[message_id] = _post(message_id, record)
            self.died[message_id] = op.queue_name, died
        return found

    def live_messages(self, message_ids: Sequence[str]) -> dict[str, LiveMessage]:
        found: dict[str, LiveMessage] = {}
        for message_id, record in self._read(self.server.keys.messages, message_ids):
            op = _post(message_id, record)
            self.places[message_id] = op.queue_name, record[:PLACE]
            found[message_id] = LiveMessage(op, not self._waits(op, record[:PLACE]))
        return found

    def open_groups(self, groups: Sequence[str]) -> set[str]:
        ask = self.server.line.command
        keys = {group: self.server.keys.group(group) for group in groups}
        return {group for group, key in keys.items() if ask("EXISTS", key) and ask("HGET", key, "done") != b"1"}

    def _read(self, key: str, message_ids: Sequence[str]) -> list[tuple[str, bytes]]:
        """Return those of *message_ids* that the hash *key* has, with what it has."""
        found: list[tuple[str, bytes]] = []
        for first in range(0, len(message_ids), AT_ONCE):
            part = message_ids[first : first + AT_ONCE]
            values = cast(list[bytes | None], self.server.line.command("HMGET", key, *part))
            found += [(message_id, value) for message_id, value in zip(part, values, strict=True) if value is not None]
        return found

    def _waits(self, op: EnqueueOp, place: bytes) -> bool:
        ready, delayed, _, _ = self.server.keys.queue(op.queue_name)
        message_id = op.message_id.encode()
        return any(
            self.server.line.command("ZSCORE", key, member) is not None
            for key, member in ((ready, place + message_id), (delayed, b"%b%d\0%b" % (place, op.priority, message_id)))
        )


def _post(message_id: str, record: bytes) -> EnqueueOp:
    """Return what a record says; one that is none of fq's is posted as it is."""
    parts = record[PLACE:].split(b"\0", 3)
    if len(parts) < 4:
        return EnqueueOp(message_id, "", "", 0, 0, record)
    priority, queue, actor, body = parts
    number = int(priority) if priority.removeprefix(b"-").isdigit() else 0
    return EnqueueOp(message_id, queue.decode("utf-8", "backslashreplace"), actor.decode("utf-8", "backslashreplace"), number, 0, body)


def requeue(server: Server, message_ids: Sequence[str], plan: RequeuePlanner, now: int) -> int:
    """Put dead letters back on their queues at the time *now*, and open the groups that failed with them; return how many there were."""
    distinct = list(dict.fromkeys(message_ids))
    return sum(_requeue(server, distinct[first : first + AT_ONCE], plan, now) for first in range(0, len(distinct), AT_ONCE))


def _requeue(server: Server, message_ids: Sequence[str], plan: RequeuePlanner, now: int) -> int:
    for _ in range(TRIES):
        seen = _View(server)
        todo = plan(message_ids, seen, now)
        sheet = server.sheet()
        if not todo.deleted_letters:
            return 0
        count = cast(int, server.run("requeue", sheet, _written(sheet, todo, seen, set(message_ids))))
        if count >= 0:
            return count
    raise BrokerError(f"what was to be requeued changed {TRIES} times while it was looked at, expected it to stay for a moment; try again")


def _written(sheet: Sheet, todo: RequeuePlan, seen: _View, asked: set[str]) -> list[Argument]:
    """Return the arguments of ``lua/requeue.lua``."""
    arguments: list[Argument] = [len(todo.deleted_letters)]
    for message_id in todo.deleted_letters:
        queue, died = seen.died[message_id]
        arguments += (sheet.queue(queue), message_id, died, int(message_id in asked))
    arguments.append(len(todo.taken_messages))
    for message_id in todo.taken_messages:
        queue, place = seen.places[message_id]
        arguments += (sheet.queue(queue), message_id, place)
    arguments.append(len(todo.removed))
    for group, numbers in todo.removed.items():
        arguments += (sheet.key(sheet.keys.group(group)), len(numbers), *sorted(numbers))
    arguments.append(len(todo.reopened))
    for one in todo.reopened:
        arguments += (sheet.group(one.group), OPEN_GROUP_TTL_MS, len(one.values), *(part for item in one.values.items() for part in item))
        arguments += (len(one.then), *(argument for it in one.then for argument in sheet.splice(it)))
    arguments.append(len(todo.enqueues))
    for op in todo.enqueues:
        arguments += (sheet.queue(op.queue_name), op.priority, sheet.heads.of(op), op.message_id, op.body)
    return arguments
