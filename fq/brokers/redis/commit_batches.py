"""
`split_commits`: the commits of a turn in batches, so that one script for each batch has the same effect as one commit after the other. Pure.

A script looks at all tokens first, removes all messages that are done, and stores plain results; then it does the rest, in the order of the
commits. So commits that depend on the order of these steps are in different batches; they hardly ever occur.
"""

from collections.abc import Iterable, Sequence

from fq.brokers.records import ArriveOp, Commit, EnqueueOp, Operation, SetMarkOp, StoreResultOp


def split_commits(commits: Sequence[Commit], limit: int) -> list[Sequence[Commit]]:
    """
    Return *commits* in batches of *limit* at most, each with *limit* follow-ups at most, unless it is of one commit, which is never split.

    A batch ends before a commit about a message that is in it already, or was enqueued by it, and before a second result for one message. And it ends
    after a commit that enqueues a message with a unique key, since later commits may free that key.
    """
    if (
        len(commits) <= limit
        and len({commit.message_id for commit in commits}) == len(commits)
        and not any(commit.operations and _is_rare(commit) for commit in commits)
    ):
        return [commits]
    batches: list[Sequence[Commit]] = []
    batch: list[Commit] = []
    message_ids: set[str] = set()
    with_results: set[str] = set()
    followups, is_closed = 0, False
    for commit in commits:
        results = {operation.message_id for operation in commit.operations if isinstance(operation, StoreResultOp)}
        enqueued = [op for operation in commit.operations for op in _enqueued(operation)]
        added = sum(type(operation) is not ArriveOp for operation in commit.operations for _ in _enqueued(operation))
        is_full = len(batch) == limit or (batch and followups + added > limit)
        if is_full or is_closed or commit.message_id in message_ids or results & with_results:
            batches.append(batch)
            batch, message_ids, with_results, followups = [], set(), set(), 0
        batch.append(commit)
        followups += added
        message_ids.add(commit.message_id)
        message_ids.update(op.message_id for op in enqueued)
        is_closed = any(op.unique is not None for op in enqueued)
        with_results |= results
    return [*batches, batch]


def _is_rare(commit: Commit) -> bool:
    """Does *commit* do more than store the result of its own message?"""
    return any(type(operation) is not StoreResultOp or operation.message_id != commit.message_id for operation in commit.operations)


def _enqueued(operation: Operation) -> Iterable[EnqueueOp]:
    match operation:
        case EnqueueOp():
            return (operation,)
        case SetMarkOp(then=then):
            return then
        case ArriveOp(then=followups):
            return [followup.op for followup in followups]
        case StoreResultOp():
            return ()
