"""`replace`: another message in the place of one that waits. `run_now`: messages that wait are ready. In a transaction that is alone."""

from collections.abc import Iterable

from fq.brokers.planning.states import NEVER
from fq.brokers.postgres.cancellation import cancelled_among
from fq.brokers.postgres.enqueue import list_queues
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.unique_keys import read_keys_of
from fq.brokers.records import EnqueueOp

FIND = "SELECT m.seq, b.body FROM fq.messages m JOIN fq.bodies b ON b.seq = m.seq WHERE m.message_id = %s AND m.state <> 2 FOR UPDATE OF m"

REPLACE = "UPDATE fq.messages SET queue = %s, actor = %s, priority = %s, state = CASE WHEN %s THEN 1 ELSE 0 END, due = %s, size = %s WHERE seq = %s"

REPLACE_BODY = "UPDATE fq.bodies SET body = %s WHERE seq = %s"

COUNT = "SELECT count(*) FROM fq.messages WHERE message_id = ANY (%s::text[]) AND state <> 2"

HASTEN = f"UPDATE fq.messages SET state = 1, due = least(due, %s) WHERE message_id = ANY (%s::text[]) AND state = 0 AND due < {NEVER}"


def replace(tx: Transaction, op: EnqueueOp, expected: bytes | None) -> bool:
    """See `Broker.replace`."""
    found = tx.first(FIND, op.message_id)
    if found is None or expected not in (None, found[1]):
        return False
    due = _due(tx, op)
    list_queues(tx, {op.queue_name})
    tx.run(REPLACE, op.queue_name, op.actor_name, op.priority, due <= tx.now, due, len(op.body), found[0])
    tx.run(REPLACE_BODY, op.body, found[0])
    return True


def _due(tx: Transaction, op: EnqueueOp) -> int:
    """Return when the message is ready: never while it is put aside, and at once if it is cancelled."""
    if cancelled_among(tx, (op.message_id,)):
        return tx.now
    due = tx.now + op.delay
    for holder in read_keys_of(tx, (op.message_id,)).holders.values():
        if holder.aside == op.message_id:
            return NEVER
        if op.unique is not None and op.unique.max_wait:
            due = min(due, max(tx.now, holder.since + op.unique.max_wait))
    return due


def run_now(tx: Transaction, message_ids: Iterable[str]) -> int:
    """Make those of *message_ids* ready that are delayed, but not those that are put aside, and return how many of all wait."""
    ids = list(message_ids)
    tx.run(HASTEN, tx.now, ids)
    return int(tx.row(COUNT, ids)[0])
