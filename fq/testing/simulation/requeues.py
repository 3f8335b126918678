"""`record_requeue`: records that dead letters were requeued: they start anew, and their groups are open again."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve, frozen

from fq.brokers.records import OPEN_GROUP_TTL_MS, EnqueueOp
from fq.brokers.requeue import LiveMessage, RequeuePlanner
from fq.brokers.validation import DEAD_TTL_MS
from fq.testing.simulation.ledger import Ledger


def record_requeue(ledger: Ledger, message_ids: Iterable[str], plan: RequeuePlanner, count: int, now: int) -> None:
    """Record in *ledger* that *plan* requeued dead letters; *count* is the number that the broker returned."""
    chosen = dict.fromkeys(message_ids)
    todo = plan(chosen, _View(ledger, now), now)
    for message_id in todo.taken_messages:
        ledger.end(ledger.alive[message_id], "taken back", now)
    for group, numbers in todo.removed.items():
        for number in numbers:
            ledger.groups[group].values.pop(number, None)
    for one in todo.reopened:
        group_state = ledger.groups[one.group]
        group_state.values, group_state.then, group_state.cancelled, group_state.until = (
            dict(one.values),
            one.then,
            False,
            now + OPEN_GROUP_TTL_MS,
        )
    for message_id in todo.taken_letters:
        del ledger.dead[message_id]
    refused = 0
    for op in todo.enqueues:
        if ledger.keys.refuses(op, now):
            refused += 1
            continue
        del ledger.dead[op.message_id]
        is_new = op.message_id not in ledger.alive
        ledger.record_enqueue([op], now)
        ledger.alive[op.message_id].retries = 0 if is_new else ledger.alive[op.message_id].retries
    expected = todo.count(chosen) - refused
    if count != expected:
        ledger.add_violation("changed", f"{expected} of {ledger.names(list(chosen))} could be requeued, but the broker says {count}")


@frozen
class _View:
    """A `RequeueView` of *ledger* at the time *now*."""

    ledger: Ledger
    now: int

    def dead_letters(self, message_ids: Sequence[str]) -> dict[str, EnqueueOp]:
        found = ((message_id, *self.ledger.dead[message_id]) for message_id in message_ids if message_id in self.ledger.dead)
        return {message_id: evolve(op, delay=0) for message_id, op, died_at in found if died_at + DEAD_TTL_MS > self.now}

    def live_messages(self, message_ids: Sequence[str]) -> dict[str, LiveMessage]:
        found = ((message_id, self.ledger.alive[message_id]) for message_id in message_ids if message_id in self.ledger.alive)
        return {message_id: LiveMessage(evolve(entry.op, delay=0), bool(entry.worker)) for message_id, entry in found}

    def open_groups(self, groups: Sequence[str]) -> AbstractSet[str]:
        found = {name: self.ledger.groups[name] for name in groups if name in self.ledger.groups}
        return {name for name, group in found.items() if group.until > self.now and not (group.size and len(group.values) >= group.size)}
