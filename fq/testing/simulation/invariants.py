"""`check_invariants`: at the end of a run, the broker must hold what the ledger says. Uses the public queries of the broker only."""

from collections.abc import Collection, Mapping, Sequence

from fq.brokers.protocol import Broker
from fq.brokers.records import StoreResultOp
from fq.brokers.validation import DEAD_TTL_MS
from fq.execution.requeue_plan import failed_with_group
from fq.testing.simulation.ledger import Ledger
from fq.workflows.group_results import arrivals_before

WRONG_MARKS = {
    (False, True): ("lost", "is gone"),
    (True, False): ("duplicated", "is there, though nothing that counts has set it"),
    (True, True): ("changed", "is not what was set last"),
}
"""By whether a mark exists, and whether it must: what that is called. Its body may hold times of the host, so that a report leaves it out."""

WAITING = ("ready", "delayed", "running")
MAX_DEAD_LETTERS = 1_000_000
"""Larger than the number of dead letters of any run."""


def check_invariants(ledger: Ledger, broker: Broker, queues: Collection[str]) -> None:
    """Add a violation to *ledger* for everything that *broker* has lost, duplicated, or never finishes; workers claim from *queues*."""
    now = broker.now()
    _check_messages(ledger, broker, queues)
    _check_dead_letters(ledger, broker, now)
    _check_mended_groups(ledger, now)
    for message_id, (body, until) in ledger.results.items():
        check_result(ledger, broker, message_id, body if until > now else None)
    check_marks(ledger, broker, list(ledger.marks.keys))
    for group, group_state in ledger.groups.items():
        if len(group_state.values) < group_state.size and group_state.until > now:
            arrived = f"{len(group_state.values)} of its {group_state.size} members have arrived"
            ledger.add_violation("stuck", f"group {group} never completes: {arrived}, and no message is left that could arrive")


def check_marks(ledger: Ledger, broker: Broker, keys: Sequence[str]) -> None:
    """Check that each mark of *keys* is the one that was set last."""
    found, now = broker.marks(keys), broker.now()
    for key in keys:
        expected, has = ledger.marks.get(key, now), found.get(key)
        if has != expected:
            kind, what = WRONG_MARKS[has is not None, expected is not None]
            ledger.add_violation(kind, f"the mark {key} {what}")


def _check_mended_groups(ledger: Ledger, now: int) -> None:
    """Check that a group continued once its failed members had succeeded. A cancelled member cannot be mended."""
    for message_id, (op, died_at) in ledger.dead.items():
        message = failed_with_group(op) if died_at + DEAD_TTL_MS > now else None
        for arrival in arrivals_before(message) if message is not None else ():
            failed = isinstance(arrival, Mapping) and arrival.get("type") != "Cancelled"
            member = str(arrival.get("by", "")).rpartition(" ")[2] if isinstance(arrival, Mapping) and failed else ""
            if ledger.ended.get(member) == "done" and ledger.succeeded(member):
                ledger.add_violation(
                    "stuck", f"{ledger.name(message_id)} is dead because {ledger.name(member)} failed, but that has succeeded since"
                )


def check_results(ledger: Ledger, broker: Broker, kept: Collection[StoreResultOp]) -> None:
    """Check that results that were just committed are stored."""
    for store_op in kept:
        check_result(ledger, broker, store_op.message_id, ledger.results[store_op.message_id][0])


def check_result(ledger: Ledger, broker: Broker, message_id: str, expected: bytes | None) -> None:
    """Check that the stored result of a message is the committed one."""
    found = broker.result(message_id)
    if found != expected:
        kind = "lost" if found is None else "changed"
        ledger.add_violation(kind, f"the result of {ledger.name(message_id)} is {found!r}, expected {expected!r}")


def _check_messages(ledger: Ledger, broker: Broker, queues: Collection[str]) -> None:
    for message_id, entry in ledger.alive.items():
        state, name = broker.status(message_id).state, ledger.name(message_id)
        if state not in WAITING:
            ledger.add_violation("lost", f"{name} was sent, has no outcome and does not wait: the broker says {state}")
        elif entry.op.queue_name not in queues:
            ledger.add_violation("stuck", f"{name} waits in queue {entry.op.queue_name}, from which no worker claims")
        else:
            ledger.add_violation("stuck", f"{name} is {state} after {entry.deliveries} deliveries, and nothing is left to do")
    surplus = sum(stats.ready + stats.delayed + stats.in_flight for stats in broker.queues()) - len(ledger.alive)
    if surplus > 0:
        ledger.add_violation("duplicated", f"the queues hold {surplus} more messages than were sent")
    for message_id, how in ledger.ended.items():
        if message_id not in ledger.alive and (state := broker.status(message_id).state) in WAITING:
            ledger.add_violation("duplicated", f"{ledger.name(message_id)} was {how}, but is {state}")


def _check_dead_letters(ledger: Ledger, broker: Broker, now: int) -> None:
    found = {letter.message_id for letter in broker.dead_letters(limit=MAX_DEAD_LETTERS)}
    expected = {message_id: None for message_id, (_, died_at) in ledger.dead.items() if died_at + DEAD_TTL_MS > now}
    for message_id in expected:
        if message_id not in found:
            ledger.add_violation("lost", f"the dead letter of {ledger.name(message_id)} is gone")
    for message_id in sorted(found.difference(expected)):
        ledger.add_violation("duplicated", f"{ledger.name(message_id)} is a dead letter, but no outcome says so")
