"""
`batches`: the commits of a turn, split so that one script for each batch comes to the same as one commit after the other. Pure.

A script looks at all tokens first, forgets all messages that are done, and keeps plain results before it goes on to the rest, which it does in the
order of the commits. So what depends on the order of these steps has to be in different batches; it hardly ever occurs.
"""

from collections.abc import Iterator, Sequence

from fq.brokers.records import ArriveOp, Commit, EnqueueOp, Operation, StoreResultOp


def batches(commits: Sequence[Commit], most: int) -> list[Sequence[Commit]]:
    """
    Return *commits* in batches of *most* at most, each with *most* follow-ups at most, unless it is of one commit, which is never split.

    A batch ends before a commit about a message that is in it already, or was posted by it, and before a second result for one message.
    """
    if (
        len(commits) <= most
        and len({commit.message_id for commit in commits}) == len(commits)
        and not any(commit.operations and _is_rare(commit) for commit in commits)
    ):
        return [commits]
    found: list[Sequence[Commit]] = []
    batch: list[Commit] = []
    about: set[str] = set()
    kept: set[str] = set()
    posted = 0
    for commit in commits:
        store_ops = {operation.message_id for operation in commit.operations if isinstance(operation, StoreResultOp)}
        ops = sum(type(operation) is EnqueueOp for operation in commit.operations)
        if len(batch) == most or (batch and posted + ops > most) or commit.message_id in about or store_ops & kept:
            found.append(batch)
            batch, about, kept, posted = [], set(), set(), 0
        batch.append(commit)
        posted += ops
        about.add(commit.message_id)
        about.update(id_ for operation in commit.operations for id_ in _posted(operation))
        kept |= store_ops
    return [*found, batch]


def _is_rare(commit: Commit) -> bool:
    """Does *commit* do more than keep the result of its own message?"""
    return any(type(operation) is not StoreResultOp or operation.message_id != commit.message_id for operation in commit.operations)


def _posted(operation: Operation) -> Iterator[str]:
    if isinstance(operation, EnqueueOp):
        yield operation.message_id
    elif isinstance(operation, ArriveOp):
        yield from (deferred.op.message_id for deferred in operation.then)
