"""
Sends in the transaction of a user's own connection: one statement, which takes no lock that others wait for.

Plain messages become visible with the commit. Those with unique keys wait in the table ``inbox`` until the next turn of a worker, which places them.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence

from attrs import asdict

from fq.brokers.postgres.placing import place
from fq.brokers.postgres.transaction import Transaction, in_schema
from fq.brokers.records import EnqueueOp, UniqueKey

SEND = "SELECT fq.send(CAST(:ops AS text))"

TAKE = "DELETE FROM fq.inbox WHERE seq IN (SELECT seq FROM fq.inbox ORDER BY seq LIMIT 1000) RETURNING seq, made, op"


def statement(ops: Sequence[EnqueueOp], schema: str) -> tuple[str, dict[str, object]]:
    """Return the statement that enqueues *ops*, and its parameter."""
    return in_schema(SEND, schema), {"ops": json.dumps([_to_json(op) for op in ops])}


def _to_json(op: EnqueueOp) -> dict[str, object]:
    fields: dict[str, object] = {
        "id": op.message_id,
        "queue": op.queue_name,
        "actor": op.actor_name,
        "priority": op.priority,
        "delay": op.delay,
        "body": b64encode(op.body).decode(),
    }
    return fields if op.unique is None else {**fields, "unique": asdict(op.unique)}


def take_in(tx: Transaction, rows: Sequence[tuple[int, int, str]]) -> None:
    """Place messages with unique keys whose transactions have committed: the *rows* of `TAKE`, in order. The transaction is alone."""
    if rows:
        place(tx, [_from_json(op, tx.now - made) for _, made, op in rows])


def _from_json(text: str, age: int) -> EnqueueOp:
    fields = json.loads(text)
    delay = max(0, fields["delay"] - max(0, age))
    names = fields["id"], fields["queue"], fields["actor"], fields["priority"]
    return EnqueueOp(*names, delay, b64decode(fields["body"]), unique=UniqueKey(**fields["unique"]))
