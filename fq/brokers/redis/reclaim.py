"""Taking back what dead workers have claimed, by ``lua/reclaim.lua``, a few messages at a time."""

from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import cast

from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.script_arguments import Argument

MAX_RECLAIM_SCRIPTS = 80
"""One turn runs at most this many scripts that take messages back; the next turn continues."""


def reclaim_dead(
    namespace: Namespace, worker: str, queues: Sequence[str], interrupted: Mapping[str, str], counted: Collection[str] | None
) -> int:
    """Take back everything that *worker*, which is known to be dead, has claimed of *queues*; return how many messages that was."""
    reasons = [text.replace("\0", "") for pair in interrupted.items() for text in pair]
    deliveries: tuple[Argument, ...] = (int(counted is None), len(interrupted), *reasons, *(counted or ()))
    return _reclaim(namespace, worker, queues, True, deliveries, None)[0]


def reclaim_expired(namespace: Namespace, workers: Sequence[tuple[str, Sequence[str]]]) -> bool:
    """Take back what *workers*, each with its queues, have claimed, as far as their leases have run out; return whether that was all, within bounds."""
    max_scripts = MAX_RECLAIM_SCRIPTS // len(workers)
    rest = [worker for worker, queues in workers if not _reclaim(namespace, worker, queues, False, (1, 0), max_scripts)[1]]
    return not rest


def _reclaim(
    namespace: Namespace, worker: str, queues: Sequence[str], is_known_dead: bool, deliveries: Sequence[Argument], max_scripts: int | None
) -> tuple[int, bool]:
    """
    Take back what *worker* has claimed, by as many scripts as it takes unless *max_scripts* are fewer. *deliveries* says which of them count.

    Return how many messages that was, and whether it was all.
    """
    arguments = (worker, int(is_known_dead), namespace.tuning.max_reclaimed, namespace.keys.wake_channel(worker), *deliveries)
    total = 0
    for _ in count() if max_scripts is None else range(max_scripts):
        taken, is_all = cast(list[int], namespace.run_for("reclaim", queues, *arguments, worker=worker))
        total += taken
        if is_all:
            return total, True
    return total, False
