"""`plain_arguments`: a turn as the arguments of ``fq.plain_turn``, which takes it in one statement, beside others. Pure."""

from collections.abc import Sequence

from fq.brokers.postgres.arrays import bigints, byteas, smallints, texts
from fq.brokers.postgres.commits import CONTINUED, DEAD, DONE, RESCHEDULED, dead_columns, released_columns, reschedule_columns
from fq.brokers.postgres.enqueue import ARRAYS, columns
from fq.brokers.records import Ack, Bury, ClaimRequest, Commit, Disposition, EnqueueOp, Release, Reschedule, StoreResultOp

PLAIN_TURN = f"""
    SELECT * FROM fq.plain_turn(%s, %s, %s, %s::text[], %s::text[], %s::int, %s,
        %s::text[], %s::bigint[], %s::smallint[], %s::text[], %s::text[],
        %s::int[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::text[], %s::text[], %s::bytea[],
        {ARRAYS}, %s::text[], %s::bigint[], %s::bytea[])
"""

MAX_INT = 2**31 - 1


def plain_arguments(commits: Sequence[Commit], request: ClaimRequest, turn_id: str) -> list[object] | None:
    """Return the arguments; None if a commit does more than such a turn can."""
    ids = {commit.message_id for commit in commits}
    enqueues: list[tuple[EnqueueOp, bool]] = []
    results: list[StoreResultOp] = []
    for commit in commits:
        for operation in commit.operations:
            if isinstance(operation, StoreResultOp) and not operation.hold:
                results.append(operation)
            elif isinstance(operation, EnqueueOp) and operation.unique is None and operation.message_id not in ids:
                enqueues.append((operation, False))
            else:
                return None
    if len(ids) != len(commits):
        return None
    rescheduled = [(place, each.disposition) for place, each in enumerate(commits, 1) if isinstance(each.disposition, Reschedule)]
    are_done = all(isinstance(commit.disposition, Ack) for commit in commits)
    settled = [] if are_done else [_settled(commit.disposition) for commit in commits]
    return [
        *(request.worker, request.lease, turn_id, sorted(set(request.queues)), list(dict.fromkeys(request.queues))),
        *(min(request.limit, MAX_INT), min(request.max_bytes, 2**62)),
        *(texts([commit.message_id for commit in commits]), bigints([commit.token for commit in commits])),
        *(smallints([kind for kind, _, _ in settled]), texts([text for _, text, _ in settled]), texts([error for _, _, error in settled])),
        *([place for place, _ in rescheduled], *reschedule_columns([each for _, each in rescheduled])),
        *columns(enqueues),
        *(texts([op.message_id for op in results]), bigints([op.ttl for op in results]), byteas([op.body for op in results])),
    ]


def _settled(disposition: Disposition) -> tuple[int, str, str]:
    """Return the kind of *disposition*, and its texts."""
    match disposition:
        case Ack():
            return DONE, "", ""
        case Bury():
            return DEAD, *dead_columns(disposition)
        case Release():
            return released_columns(disposition)
        case Reschedule():
            return RESCHEDULED, "", ""
        case _:
            return CONTINUED, "", ""
