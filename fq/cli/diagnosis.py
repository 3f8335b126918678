"""What ``fq doctor`` has to say about workers and queues: pure functions, from what the broker tells to findings with the command to type."""

from collections.abc import Collection, Iterator, Sequence
from shlex import quote

from attrs import frozen

from fq.brokers.findings import Finding
from fq.brokers.records import QueueStats, WorkerStats


@frozen
class Site:
    """What is looked after: *path* is that of the application as it is typed, *declared* are its queues, None if no application was named."""

    path: str = "APP"
    declared: Collection[str] | None = None


def alive(workers: Sequence[WorkerStats]) -> list[WorkerStats]:
    """Return those of *workers* whose lease still runs: the others are gone, and nobody has come by to take back what they held."""
    return [worker for worker in workers if worker.lease_left > 0]


def about_workers(workers: Sequence[WorkerStats], queues: Sequence[QueueStats] | None, site: Site) -> Iterator[Finding]:
    """Yield what there is to say about *workers*: is there any, and has any lease run out? *queues*, if known, tell what waits for them."""
    live = alive(workers)
    ready = sum(queue.ready for queue in queues or () if not queue.paused)
    if live:
        held = sum(worker.in_flight for worker in live)
        yield Finding("workers", "good", f"{len(live)} processes alive, {held} messages in flight")
    else:
        found = "none is alive" if queues is None else f"none is alive, {ready} messages are ready"
        yield Finding("workers", "bad" if ready else "warn", found, f"fq worker {site.path}")
    if late := [worker for worker in workers if worker.lease_left <= 0]:
        names, held = ", ".join(worker.worker for worker in late), sum(worker.in_flight for worker in late)
        found = f"run out: {names}, with {held} messages in flight"
        yield Finding("leases", "warn", found, "the next turn of any worker takes them back")


def claimed(workers: Sequence[WorkerStats] | None) -> Collection[str] | None:
    """Return the queues that live *workers* claim from; None if these, or what any of them claims from, are not known."""
    if workers is None or not all(worker.queues for worker in alive(workers)):
        return None
    return {name for worker in alive(workers) for name in worker.queues}


def about_queues(queues: Sequence[QueueStats], workers: Sequence[WorkerStats] | None, site: Site) -> list[Finding]:
    """Return what there is to say about *queues*: those that nobody works on, that are paused, and that hold dead letters."""
    served = claimed(workers)
    findings = [finding for queue in queues for finding in _about(queue, served, site)]
    return findings or [Finding("queues", "good", f"{len(queues)} in use, nothing is stuck")]


def _about(queue: QueueStats, served: Collection[str] | None, site: Site) -> Iterator[Finding]:
    what, name, waiting = f"queue {queue.queue_name}", quote(queue.queue_name), queue.ready + queue.delayed
    if waiting and (served is None or queue.queue_name not in served):
        yield from _unserved(queue, served is not None, site)
    if queue.paused:
        yield Finding(what, "warn", f"paused, {waiting} messages wait", f"fq resume {site.path} {name}")
    if queue.dead:
        yield Finding(what, "warn", f"{queue.dead} dead letters", f"fq dead {site.path} --queue {name}")


def _unserved(queue: QueueStats, is_known: bool, site: Site) -> Iterator[Finding]:
    """Yield what there is to say about a queue with messages that no live worker claims from, or may not, if that *is_known* or not."""
    what, name = f"queue {queue.queue_name}", quote(queue.queue_name)
    waiting = f"{queue.ready} messages are ready, {queue.delayed} delayed"
    is_ours = site.declared is None or queue.queue_name in site.declared
    others = "start a worker of the app whose actors use it"
    if is_known:
        advice = f"fq worker {site.path} --queues {name}"
        if not is_ours:
            advice += f", or App(queues=[{queue.queue_name!r}]); or {others}; or delete what waits: fq purge {site.path} {name}"
        found = f"{waiting}, and no live worker claims from it{'' if is_ours else ', nor does an actor here use it'}"
        yield Finding(what, "bad" if queue.ready and not queue.paused else "warn", found, advice)
    elif not is_ours:
        yield Finding(what, "warn", f"{waiting}, and no actor here uses it", others)
