"""Replacing a message that waits, by ``lua/replace.lua``, and making messages ready, by ``lua/run_now.lua``."""

from collections.abc import Sequence
from typing import cast

from fq.brokers.parts import parts
from fq.brokers.records import EnqueueOp
from fq.brokers.redis.inspection import MAX_LOOKS, MAX_MESSAGES, by_queue, message_lost
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.sender import Sender
from fq.brokers.redis.stored_records import read_record

MOVED = -1
"""What the script returns for a message that is in another queue by then."""


def replace(namespace: Namespace, sender: Sender, op: EnqueueOp, expected: bytes | None) -> bool:
    """Put *op* in the place of the message with its id, if that waits, and has the body that is *expected*; return whether it did."""
    for _ in range(MAX_LOOKS):
        record = cast(bytes | None, namespace.client.command("HGET", namespace.keys.messages, op.message_id))
        if record is None:
            return False
        call = namespace.arguments()
        former_queue = call.queue_number(read_record(record)[0])
        max_wait = 0 if op.unique is None else op.unique.max_wait
        arguments = (former_queue, *call.post(op), op.message_id, op.body, int(expected is not None), expected or b"", max_wait)
        if (found := sender.run("replace", call, arguments)) != MOVED:
            return found == 1
    raise message_lost(namespace, op.message_id)


def run_now(namespace: Namespace, message_ids: Sequence[str]) -> int:
    """Make those of *message_ids* ready that are delayed, and return how many of all wait."""
    return sum(_run_now(namespace, part) for part in parts(message_ids, MAX_MESSAGES))


def _run_now(namespace: Namespace, message_ids: Sequence[str]) -> int:
    """Make messages ready, queue by queue; one that moves to another queue meanwhile is looked for again."""
    remaining, total = list(message_ids), 0
    for _ in range(MAX_LOOKS):
        found = by_queue(namespace, remaining)
        remaining = []
        for queue, ids in found.items():
            count, moved_ids = cast(tuple[int, list[bytes]], namespace.run_for("run_now", (queue,), *ids))
            total += count
            remaining += map(bytes.decode, moved_ids)
        if not remaining:
            return total
    raise message_lost(namespace, remaining[0])
