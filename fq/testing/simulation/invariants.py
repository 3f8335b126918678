"""`audit`: when nothing moves any more, what the broker keeps must be what the ledger says. Asks the broker only what anybody may ask."""

from collections.abc import Collection, Mapping

from fq.brokers.protocol import Broker
from fq.brokers.records import StoreResultOp
from fq.brokers.validation import DEAD_TTL_MS
from fq.execution.requeue_plan import failed_with_group
from fq.testing.simulation.ledger import Ledger
from fq.workflows.group_results import arrivals_before

WAITING = ("ready", "delayed", "running")
MANY = 1_000_000
"""More dead letters than a run leaves."""


def audit(ledger: Ledger, broker: Broker, queues: Collection[str]) -> None:
    """Note in *ledger* what *broker* has lost, has twice, or holds for ever; workers claim from *queues*."""
    now = broker.now()
    _audit_messages(ledger, broker, queues)
    _audit_dead(ledger, broker, now)
    _audit_mended(ledger, now)
    for message_id, (body, until) in ledger.results.items():
        check_result(ledger, broker, message_id, body if until > now else None)
    for group, assembly in ledger.groups.items():
        if len(assembly.values) < assembly.size and assembly.until > now:
            arrived = f"{len(assembly.values)} of its {assembly.size} members have arrived"
            ledger.flag("stuck", f"group {group} waits for ever: {arrived}, and nobody is left to")


def _audit_mended(ledger: Ledger, now: int) -> None:
    """Note what did not go on after a group whose failed members have succeeded since. One that was cancelled cannot be mended."""
    for message_id, (op, died_at) in ledger.dead.items():
        message = failed_with_group(op) if died_at + DEAD_TTL_MS > now else None
        for arrival in arrivals_before(message) if message is not None else ():
            failed = isinstance(arrival, Mapping) and arrival.get("type") != "Cancelled"
            member = str(arrival.get("by", "")).rpartition(" ")[2] if isinstance(arrival, Mapping) and failed else ""
            if ledger.ended.get(member) == "done" and ledger.succeeded(member):
                ledger.flag("stuck", f"{ledger.name(message_id)} is dead, since {ledger.name(member)} failed, which has succeeded since")


def check_results(ledger: Ledger, broker: Broker, kept: Collection[StoreResultOp]) -> None:
    """Note where a result is not kept that was committed just now."""
    for store_op in kept:
        check_result(ledger, broker, store_op.message_id, ledger.results[store_op.message_id][0])


def check_result(ledger: Ledger, broker: Broker, message_id: str, expected: bytes | None) -> None:
    """Note it if the result of a message is another one than was committed."""
    found = broker.result(message_id)
    if found != expected:
        kind = "lost" if found is None else "changed"
        ledger.flag(kind, f"the result of {ledger.name(message_id)} is {found!r}, expected {expected!r}")


def _audit_messages(ledger: Ledger, broker: Broker, queues: Collection[str]) -> None:
    for message_id, entry in ledger.alive.items():
        state, name = broker.status(message_id).state, ledger.name(message_id)
        if state not in WAITING:
            ledger.flag("lost", f"{name} was sent and has no outcome, and does not wait either: the broker says {state}")
        elif entry.op.queue_name not in queues:
            ledger.flag("stuck", f"{name} waits in queue {entry.op.queue_name}, from which no worker claims")
        else:
            ledger.flag("stuck", f"{name} is {state} after {entry.deliveries} deliveries, and nothing moves any more")
    surplus = sum(stats.ready + stats.delayed + stats.in_flight for stats in broker.queues()) - len(ledger.alive)
    if surplus > 0:
        ledger.flag("duplicated", f"the queues hold {surplus} more messages than were sent")
    for message_id, how in ledger.ended.items():
        if message_id not in ledger.alive and (state := broker.status(message_id).state) in WAITING:
            ledger.flag("duplicated", f"{ledger.name(message_id)} was {how} and is {state} all the same")


def _audit_dead(ledger: Ledger, broker: Broker, now: int) -> None:
    found = {letter.message_id for letter in broker.dead_letters(limit=MANY)}
    expected = {message_id: None for message_id, (_, died_at) in ledger.dead.items() if died_at + DEAD_TTL_MS > now}
    for message_id in expected:
        if message_id not in found:
            ledger.flag("lost", f"the dead letter of {ledger.name(message_id)} is gone")
    for message_id in sorted(found.difference(expected)):
        ledger.flag("duplicated", f"{ledger.name(message_id)} is a dead letter, and nobody committed that")
