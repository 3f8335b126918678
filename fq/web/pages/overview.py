"""Overview: is work being done, does it keep up, and what fails."""

from collections.abc import Iterable, Sequence

from attrs import asdict

from fq.app.worker_processes import WorkerProcess, worker_processes
from fq.brokers.records import QueueStats
from fq.brokers.sights import has_more
from fq.web.failures import failure_groups
from fq.web.site import Page, Query, Site, View
from fq.web.throughput import throughput

MOST_SHOWN = 100
"""How many queues, and how many groups of failures, are shown: the page refreshes itself again and again."""


def view(site: Site, _: Query) -> View:
    """Return the queues, the throughput of two hours, and the failures."""
    queues, failures, chart = site.queues.get(), failure_groups(site), throughput(site.app)
    alive = [process for process in worker_processes(site.app.broker) if process.is_alive]
    return {
        "queues": [
            {
                **asdict(queue),
                "retrying": failures.retrying.get(queue.queue_name, 0),
                "places": places(site, alive, queue.queue_name),
                **chart.of(queue.queue_name),
            }
            for queue in shown_queues(queues)
        ],
        "queue_count": len(queues),
        "totals": totals(queues),
        "oldest": max((queue.oldest for queue in queues), default=0),
        "workers": len(alive),
        "throughput": chart.whole.as_view(),
        "failures": failures.as_view(MOST_SHOWN),
    }


def shown_queues(queues: Sequence[QueueStats]) -> list[QueueStats]:
    """Return those of *queues* that hold the most messages, in the order of *queues*."""
    by_size = sorted(queues, key=lambda queue: -(queue.ready + queue.in_flight + queue.delayed + queue.dead))
    chosen = {queue.queue_name for queue in by_size[:MOST_SHOWN]}
    return [queue for queue in queues if queue.queue_name in chosen]


def places(site: Site, processes: Iterable[WorkerProcess], queue: str) -> int:
    """
    Return how many messages of *queue* can run at once: threads if sync actors of the app use it, and the concurrency of event loops if async ones do.

    0 if no worker that claims from it has reported.
    """
    colours = {actor.signature.is_async for actor in site.app.actors.values() if actor.queue_name == queue} or {False}
    reports = [process.report for process in processes if process.report is not None and queue in process.stats.queues]
    return sum((report.threads if False in colours else 0) + (report.concurrency if True in colours else 0) for report in reports)


def totals(queues: tuple[QueueStats, ...]) -> View:
    """Return how many messages there are in all *queues*, by state, and for which states there are more."""
    names = ("ready", "in_flight", "delayed", "dead")
    sums = {name: sum(getattr(queue, name) for queue in queues) for name in names}
    return {**sums, "at_least": [name for name in names if has_more(queues, name)]}


OVERVIEW = Page("overview", "/", "Overview", view, "o")
