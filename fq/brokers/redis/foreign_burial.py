"""Dead letters of what a worker claimed and cannot read, so that it neither stays claimed nor comes back."""

from collections.abc import Sequence
from typing import cast

from fq.brokers.redis.eviction_policy import eviction_advice
from fq.brokers.redis.foreign_entries import ForeignEntry
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.script_arguments import Argument
from fq.brokers.redis.stored_records import fault_text
from fq.core.fault import Fault
from fq.runtime.logger import logger

log = logger("fq.redis")


def bury_foreign(namespace: Namespace, worker: str, dead_ttl: int, entries: Sequence[ForeignEntry]) -> Sequence[tuple[bytes, bytes]]:
    """Make dead letters of *entries*, which *worker* has claimed, and log each of them; return letters that have a later one now."""
    call = namespace.arguments()
    arguments: list[Argument] = [worker, dead_ttl]
    for entry in entries:
        fault = fault_text(Fault("DecodeError", str(entry)))
        arguments += (call.queue_number(entry.queue), entry.message_id, entry.token, entry.name, fault)
    moved = cast("Sequence[tuple[bytes, bytes]]", namespace.run("bury_foreign", call, arguments, worker))
    evicted = eviction_advice(namespace) if any(entry.found is None for entry in entries) else ""
    for entry in entries:
        reason = evicted if entry.found is None and evicted else entry
        outcome = "was removed from it" if entry.found is None else "is now a dead letter"
        log.error("%r in queue %s is no message of fq's and %s: %s", entry.message_id, entry.queue, outcome, reason)
    return moved


def drop_stale_letters(namespace: Namespace, moved: Sequence[tuple[bytes, bytes]]) -> None:
    """Take letters, of which there is a later one in another queue, from the lists of the queues where they are no longer."""
    if not moved:
        return
    call = namespace.arguments()
    pairs = [(call.queue_number(queue.decode()), id_) for queue, id_ in moved]
    namespace.run("drop_stale_letters", call, [argument for pair in pairs for argument in pair])
