"""Commits: `plan_commits` finds the stale ones and sorts the others by what they do; `enqueue_ops` puts in order what they enqueue. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import define, evolve, field

from fq.brokers.planning.groups import CompletedGroup
from fq.brokers.records import Ack, ArriveOp, Bury, Commit, Continue, EnqueueOp, Operation, Release, Reschedule, SetMarkOp, StoreResultOp
from fq.brokers.validation import resolve_deferred

Ordered: TypeAlias = EnqueueOp | ArriveOp | SetMarkOp
"""An operation that enqueues, or may."""


@define
class CommitPlan:
    """
    Mutable while it is made: what the commits of a turn do. Messages are named by their ``seq``.

    *ended* are the ids of messages that are done or dead, if asked for. Each of the *operations* comes with: does it continue a cancelled workflow?
    """

    stale: list[str] = field(factory=list)
    done: list[int] = field(factory=list)
    buried: list[tuple[int, Bury]] = field(factory=list)
    released: list[tuple[int, Release]] = field(factory=list)
    rescheduled: list[tuple[int, Reschedule]] = field(factory=list)
    ended: list[str] = field(factory=list)
    store_ops: list[StoreResultOp] = field(factory=list)
    operations: list[tuple[Ordered, bool]] = field(factory=list)


def plan_commits(
    commits: Iterable[Commit], left: dict[str, tuple[int, int]], cancelled: Collection[str] = (), notes_ended: bool = False
) -> CommitPlan:
    """
    Plan *commits*, given the token and the ``seq`` of the running messages that are *left*, and which of these are *cancelled*.

    A message that does not go on running is removed from *left*, so the second of two commits that end a message is stale.
    """
    result = CommitPlan()
    for commit in commits:
        token, seq = left.get(commit.message_id, (0, 0))
        if not token or token != commit.token:
            result.stale.append(commit.message_id)
            continue
        del left[commit.message_id]
        if notes_ended and isinstance(commit.disposition, Ack | Bury):
            result.ended.append(commit.message_id)
        match commit.disposition:
            case Ack():
                result.done.append(seq)
            case Bury() as bury:
                result.buried.append((seq, bury))
            case Release() as release:
                result.released.append((seq, release))
            case Reschedule() as reschedule:
                result.rescheduled.append((seq, reschedule))
            case Continue():
                left[commit.message_id] = token, seq
        if commit.operations:
            _plan_operations(result, commit, left, commit.message_id in cancelled)
    return result


def _plan_operations(result: CommitPlan, commit: Commit, left: Collection[str], is_cancelled: bool) -> None:
    for operation in commit.operations:
        if isinstance(operation, StoreResultOp):
            result.store_ops.append(operation)
        else:
            continues = is_cancelled and isinstance(operation, EnqueueOp) and operation.continues
            result.operations += [(each, continues) for each in _in_order(operation, left)]


def unique_keys(operations: Iterable[Operation]) -> set[str]:
    """Return the unique keys that *operations* ask for."""
    keys: set[str] = set()
    for operation in operations:
        if isinstance(operation, EnqueueOp):
            if operation.unique is not None:
                keys.add(operation.unique.key)
        elif isinstance(operation, SetMarkOp):
            keys.update(op.unique.key for op in operation.then if op.unique is not None)
    return keys


def _in_order(operation: Ordered, running: Collection[str]) -> list[Ordered]:
    """
    Return *operation* without enqueues that change nothing: of messages that are *running* still, and end only with a later commit of the same turn.

    The statement cannot find them, since all dispositions are applied before all operations.
    """
    if isinstance(operation, EnqueueOp):
        return [] if operation.message_id in running else [operation]
    if isinstance(operation, SetMarkOp):
        if any(op.message_id in running for op in operation.then):
            return [evolve(operation, then=tuple(op for op in operation.then if op.message_id not in running))]
        return [operation]
    if any(deferred.op.message_id in running for deferred in operation.then):
        return [evolve(operation, then=tuple(deferred for deferred in operation.then if deferred.op.message_id not in running))]
    return [operation]


def enqueue_ops(
    operations: Sequence[tuple[Ordered, bool]], completed: Mapping[int, CompletedGroup], were_as_expected: Iterable[bool], now: int
) -> list[tuple[EnqueueOp, bool]]:
    """
    Return all messages that *operations* enqueue, in order, each with: is it cancelled?

    *completed* are the groups that arrivals complete, by the place of the arrival among all of them; *were_as_expected* says it of each mark to set.
    """
    positions, expected = iter(range(len(operations))), iter(were_as_expected)
    ops: list[tuple[EnqueueOp, bool]] = []
    for operation, is_cancelled in operations:
        if isinstance(operation, EnqueueOp):
            ops.append((operation, is_cancelled))
        elif isinstance(operation, SetMarkOp):
            if next(expected):
                ops += [(op, False) for op in operation.then]
        elif (position := next(positions)) in completed:
            group = completed[position]
            ops += [(resolve_deferred(deferred, group.values, now), group.cancelled) for deferred in group.then]
    return ops


def in_parts(commits: Iterable[Commit], keys: Mapping[str, str]) -> Iterator[list[Commit]]:
    """
    Yield *commits* in parts; a message whose key an operation asks for is committed in a later part than that operation.

    *keys* are the unique keys that messages hold, or are put aside for, by message id.
    """
    asked: set[str] = set()
    part: list[Commit] = []
    for commit in commits:
        if keys.get(commit.message_id) in asked:
            yield part
            part, asked = [], set()
        part.append(commit)
        asked |= unique_keys(commit.operations)
    yield part


def asks_for_keys(plan: CommitPlan) -> bool:
    """Does any operation of *plan* ask for a unique key?"""
    return bool(plan.operations and unique_keys(operation for operation, _ in plan.operations))
