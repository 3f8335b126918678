"""
`split_commits`: the commits of a turn in batches, so that one script for each batch has the same effect as one commit after the other. Pure.

A script looks at all tokens first, removes all messages that are done, and stores plain results; then it does the rest, in the order of the
commits. So commits that depend on the order of these steps are in different batches; they hardly ever occur.
"""

from collections.abc import Iterator, Sequence

from fq.brokers.records import ArriveOp, Commit, EnqueueOp, Operation, StoreResultOp


def split_commits(commits: Sequence[Commit], limit: int) -> list[Sequence[Commit]]:
    """
    Return *commits* in batches of *limit* at most, each with *limit* follow-ups at most, unless it is of one commit, which is never split.

    A batch ends before a commit about a message that is in it already, or was enqueued by it, and before a second result for one message.
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
    followups = 0
    for commit in commits:
        results = {operation.message_id for operation in commit.operations if isinstance(operation, StoreResultOp)}
        added = sum(type(operation) is EnqueueOp for operation in commit.operations)
        if len(batch) == limit or (batch and followups + added > limit) or commit.message_id in message_ids or results & with_results:
            batches.append(batch)
            batch, message_ids, with_results, followups = [], set(), set(), 0
        batch.append(commit)
        followups += added
        message_ids.add(commit.message_id)
        message_ids.update(id_ for operation in commit.operations for id_ in _enqueued_ids(operation))
        with_results |= results
    return [*batches, batch]


def _is_rare(commit: Commit) -> bool:
    """Does *commit* do more than store the result of its own message?"""
    return any(type(operation) is not StoreResultOp or operation.message_id != commit.message_id for operation in commit.operations)


def _enqueued_ids(operation: Operation) -> Iterator[str]:
    if isinstance(operation, EnqueueOp):
        yield operation.message_id
    elif isinstance(operation, ArriveOp):
        yield from (followup.op.message_id for followup in operation.then)
