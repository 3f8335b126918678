"""Findings of ``fq doctor`` about workers and queues: pure functions from the broker's records to findings, each with the command to type."""

from collections.abc import Collection, Iterator, Sequence
from shlex import quote

from attrs import frozen

from fq.brokers.findings import Finding
from fq.brokers.records import QueueStats, WorkerStats
from fq.brokers.sights import has_more
from fq.core.counted import counted


@frozen
class Target:
    """
    What is checked: the application at *path*, as the user typed it.

    *declared* are its queues, and *actors* the names of its actors; None if no application was given.
    """

    path: str = "APP"
    declared: Collection[str] | None = None
    actors: Collection[str] | None = None


def alive(workers: Sequence[WorkerStats]) -> list[WorkerStats]:
    """Return those of *workers* whose lease has not expired. The others are gone, and their messages have not been taken back yet."""
    return [worker for worker in workers if worker.lease_left > 0]


def worker_findings(workers: Sequence[WorkerStats], queues: Sequence[QueueStats] | None, target: Target) -> Iterator[Finding]:
    """Yield findings about *workers*: is any alive, and has any lease expired? *queues*, if known, say how many messages are ready."""
    live = alive(workers)
    claimable = [queue for queue in queues or () if not queue.paused]
    ready = sum(queue.ready for queue in claimable)
    if live:
        held = sum(worker.in_flight for worker in live)
        yield Finding("workers", "good", f"{counted(len(live), 'process', 'processes')} alive, {counted(held, 'message')} in flight")
    else:
        found = "none alive" if queues is None else f"none alive, {counted(ready, 'message', more=has_more(claimable, 'ready'))} ready"
        yield Finding("workers", "bad" if ready else "warn", found, f"fq worker {target.path}")
    if late := [worker for worker in workers if worker.lease_left <= 0]:
        names, held = ", ".join(worker.worker for worker in late), sum(worker.in_flight for worker in late)
        found = f"expired: {names}, with {counted(held, 'message')} in flight"
        yield Finding("leases", "warn", found, "any live worker takes these messages back")


def claimed_queues(workers: Sequence[WorkerStats] | None) -> Collection[str] | None:
    """Return the queues that live *workers* claim from; None if that is not known for all of them."""
    if workers is None or not all(worker.queues for worker in alive(workers)):
        return None
    return {name for worker in alive(workers) for name in worker.queues}


def queue_findings(queues: Sequence[QueueStats], workers: Sequence[WorkerStats] | None, target: Target) -> list[Finding]:
    """Return findings about *queues*: no worker claims from them, they are paused, or they hold dead letters."""
    served = claimed_queues(workers)
    findings = [finding for queue in queues for finding in _findings(queue, served, target)]
    return findings or [Finding("queues", "good", f"{len(queues)} in use, none is stuck")]


def _findings(queue: QueueStats, served: Collection[str] | None, target: Target) -> Iterator[Finding]:
    what, name, waiting = f"queue {queue.queue_name}", quote(queue.queue_name), queue.ready + queue.delayed
    if waiting and (served is None or queue.queue_name not in served):
        yield from _unserved_findings(queue, served is not None, target)
    if queue.paused:
        yield Finding(
            what,
            "warn",
            f"paused, {counted(waiting, 'message', more=has_more((queue,), 'ready', 'delayed'))} waiting",
            f"fq resume {target.path} {name}",
        )
    if queue.dead:
        yield Finding(
            what, "warn", counted(queue.dead, "dead letter", more=has_more((queue,), "dead")), f"fq dead {target.path} --queue {name}"
        )


def _unserved_findings(queue: QueueStats, is_known: bool, target: Target) -> Iterator[Finding]:
    """Yield findings about a queue with waiting messages that no live worker claims from, as far as that *is_known*."""
    what, name = f"queue {queue.queue_name}", quote(queue.queue_name)
    waiting = f"{counted(queue.ready, 'message', more=has_more((queue,), 'ready'))} ready, {queue.shown('delayed')} delayed"
    is_ours = target.declared is None or queue.queue_name in target.declared
    others = "start a worker of the app that uses it"
    if is_known:
        advice = f"fq worker {target.path} --queues {name}"
        if not is_ours:
            advice += f", or App(queues=[{queue.queue_name!r}]); or {others}; or delete its messages: fq purge {target.path} {name}"
        found = f"{waiting}; no live worker claims from it{'' if is_ours else ', and no actor of this app uses it'}"
        yield Finding(what, "bad" if queue.ready and not queue.paused else "warn", found, advice)
    elif not is_ours:
        yield Finding(what, "warn", f"{waiting}; no actor of this app uses it", others)
