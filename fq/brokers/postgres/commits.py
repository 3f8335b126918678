"""
Commits of a turn that is alone: `apply_commits` does what ``fq.brokers.planning.commits`` plans, in one part, or in several where the order matters.

In a part, all dispositions come first, then all operations. See ``fq.plain_turn`` in ``sql/functions.sql`` for the turns that run side by side.
"""

from collections.abc import Iterator, Mapping, Sequence

from attrs import define, field

from fq.brokers.planning.commits import CommitPlan, Ordered, asks_for_keys, enqueue_ops, in_parts, plan_commits
from fq.brokers.planning.statuses import fault_to_json
from fq.brokers.postgres.cancellation import MARKED, cancel, unmark_ended
from fq.brokers.postgres.enqueue import store_results
from fq.brokers.postgres.groups import apply_arrivals
from fq.brokers.postgres.marks import set_marks
from fq.brokers.postgres.placing import place
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.postgres.unique_keys import ask_keys_of, free_keys
from fq.brokers.records import ArriveOp, Bury, Commit, EnqueueOp, Release, Reschedule, SetMarkOp, StoreResultOp

DONE, DEAD, RELEASED, COUNTED, RESCHEDULED, CONTINUED = range(6)
"""The kinds of dispositions, as ``fq.settle`` takes them."""

SETTLE = "SELECT fq.settle(%s::bigint[], %s::smallint[], %s::text[], %s::text[], %s)"

RESCHEDULE = "SELECT fq.reschedule(%s::bigint[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::text[], %s::text[], %s::bytea[], %s)"

READ_RUNNING = "SELECT message_id, token, seq FROM fq.messages WHERE message_id = ANY (%s::text[]) AND state + 0 = 2 FOR UPDATE"


@define
class AppliedCommits:
    """Mutable while it is made: the ids of *stale* commits, and the stored results."""

    stale: list[str] = field(factory=list)
    store_ops: list[StoreResultOp] = field(factory=list)


def apply_commits(tx: Transaction, commits: Sequence[Commit]) -> AppliedCommits:
    """Apply those of *commits* that are not stale."""
    result = AppliedCommits()
    if not commits:
        return result
    ids = [commit.message_id for commit in commits]
    asked, read_keys, marked = tx.ask(READ_RUNNING, ids), ask_keys_of(tx, ids), tx.ask(MARKED, ids)
    running = {name: (token, seq) for name, token, seq in asked.fetchall()}
    keys = {name: key for name, key in read_keys().by_message().items() if name in running}
    cancelled = {name for (name,) in marked.fetchall() if name in running}
    left = dict(running)
    for plan in _plans(commits, running, keys, left, cancelled):
        apply_dispositions(tx, plan)
        if keys:
            free_keys(tx, plan.ended)
        if cancelled:
            cancel(tx, cancelled.difference(plan.ended, left))  # what was rescheduled is ready at once
            unmark_ended(tx, cancelled.intersection(plan.ended))
            cancelled.difference_update(plan.ended)
        apply_operations(tx, plan)
        result.stale += plan.stale
        result.store_ops += plan.store_ops
    return result


def _plans(
    commits: Sequence[Commit],
    running: Mapping[str, tuple[int, int]],
    keys: Mapping[str, str],
    left: dict[str, tuple[int, int]],
    cancelled: set[str],
) -> Iterator[CommitPlan]:
    """Yield the plans of all parts; *left* are the messages that run after the part."""
    plan = plan_commits(commits, left, cancelled, notes_ended=True)
    if not (keys and asks_for_keys(plan)):
        yield plan
        return
    left |= running
    for part in in_parts(commits, keys):
        yield plan_commits(part, left, cancelled, notes_ended=True)


def apply_dispositions(tx: Transaction, plan: CommitPlan) -> None:
    """Apply the dispositions of messages."""
    rows: list[tuple[int, int, str, str]] = [(seq, DONE, "", "") for seq in plan.done]
    rows += [(seq, DEAD, *dead_columns(bury)) for seq, bury in plan.buried]
    rows += [(seq, COUNTED if release.counted else RELEASED, clean(release.interrupted), "") for seq, release in plan.released]
    if rows:
        tx.run(SETTLE, *(list(column) for column in zip(*rows, strict=True)), tx.now)
    if plan.rescheduled:
        tx.run(RESCHEDULE, [seq for seq, _ in plan.rescheduled], *reschedule_columns([each for _, each in plan.rescheduled]), tx.now)


def dead_columns(bury: Bury) -> tuple[str, str]:
    """Return what ``fq.settle`` takes of *bury*: the fault as JSON, and its type."""
    return fault_to_json(bury.fault), clean(bury.fault.type)


def clean(text: str) -> str:
    """Return *text* without what PostgreSQL cannot keep: NUL and lone surrogates."""
    return text.replace("\0", "").encode(errors="replace").decode()


def released_columns(release: Release) -> tuple[int, str, str]:
    """Return what ``fq.settle`` takes of *release*."""
    return COUNTED if release.counted else RELEASED, clean(release.interrupted), ""


def reschedule_columns(rescheduled: Sequence[Reschedule]) -> tuple[list[object], ...]:
    """Return *rescheduled* as the arrays that ``fq.reschedule`` takes after those of the messages."""
    ops = [each.op for each in rescheduled]
    return (
        [op.queue_name for op in ops],
        [op.actor_name for op in ops],
        [op.priority for op in ops],
        [op.delay for op in ops],
        [None if each.fault is None else fault_to_json(each.fault) for each in rescheduled],
        [None if each.fault is None else clean(each.fault.type) for each in rescheduled],
        [op.body for op in ops],
    )


def apply_operations(tx: Transaction, plan: CommitPlan) -> None:
    """Apply the operations."""
    store_results(tx, plan.store_ops)
    if not plan.operations:
        return
    ops = _enqueue_ops(tx, plan.operations)
    if not ops:
        return
    placements = place(tx, [op for op, _ in ops])
    new = [placed.message_id for (_, is_cancelled), placed in zip(ops, placements, strict=True) if is_cancelled and placed.is_new]
    if new:
        cancel(tx, new)


def _enqueue_ops(tx: Transaction, operations: Sequence[tuple[Ordered, bool]]) -> list[tuple[EnqueueOp, bool]]:
    """Return all messages to enqueue, in order, those that follow completed groups and marks included; each with: is it cancelled?"""
    completed = apply_arrivals(tx, [operation for operation, _ in operations if isinstance(operation, ArriveOp)])
    were_as_expected = set_marks(tx, [operation for operation, _ in operations if isinstance(operation, SetMarkOp)])
    return enqueue_ops(operations, completed, were_as_expected, tx.now)
