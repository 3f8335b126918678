"""``fq top``: queues, throughput and running messages, drawn again and again."""

from collections.abc import Iterator
from functools import partial

import click
from attrs import asdict, frozen
from rich.console import Console, Group, RenderableType
from rich.text import Text

from fq.app.app import App
from fq.brokers.records import ClaimedMessage, QueueStats, WorkerStats
from fq.brokers.sights import MOST_COUNTED
from fq.cli.common import app_path, as_json, load_app, plain_errors, print_json
from fq.cli.tables import Kind, drawn, wide_console
from fq.cli.times import clock_time, duration
from fq.cli.watching import interval_option, watch
from fq.core.counted import counted
from fq.core.printable import printable

MAX_RUNNING = 20
"""How many running messages are shown: those that have run longest."""

BARS = " ▁▂▃▄▅▆▇█"
MINUTES = 30

QUEUES: dict[str, Kind] = {
    "queue": "name", "ready": "number", "oldest": "number", "delayed": "number", "running": "number", "dead": "number",
}  # fmt: skip
RUNNING: dict[str, Kind] = {"running": "number", "actor": "name", "queue": "name", "message": "name", "worker": "text"}


@frozen
class Snapshot:
    """What there is *now*: *processed* and *failed* runs by minute, queues, live workers, and what they run, the longest first."""

    now: int
    processed: tuple[int, ...]
    failed: tuple[int, ...]
    queues: tuple[QueueStats, ...]
    workers: tuple[WorkerStats, ...]
    running: tuple[ClaimedMessage, ...]

    @classmethod
    def of(cls, app: App) -> "Snapshot":
        """Ask the broker of *app*."""
        broker, now = app.broker, app.broker.now()
        workers = tuple(worker for worker in broker.workers() if worker.lease_left > 0)
        running = sorted((held for worker in workers for held in broker.claimed_by(worker.worker)), key=lambda held: held.since)
        processed, failed = [0] * MINUTES, [0] * MINUTES
        for counts in app.counters(minutes=MINUTES):
            place = MINUTES - 1 - (now // 60_000 - counts.at // 60_000)
            if 0 <= place < MINUTES:
                processed[place] += counts.processed
                failed[place] += counts.failed
        return cls(now, tuple(processed), tuple(failed), broker.queues(MOST_COUNTED), workers, tuple(running))


@click.command()
@app_path
@interval_option
@click.option("--once", is_flag=True, help="Print it once and end.")
@as_json
def top(app_path: str, interval: float, once: bool, as_json: bool) -> None:
    """
    Watch the queues, the throughput and the running messages of APP, until Ctrl-C.

    The bars show runs of each minute of the last half hour, and below them failed runs. --json prints it once.
    """
    with plain_errors():
        app = load_app(app_path)
        if as_json:
            print_json(asdict(Snapshot.of(app)))
        elif once:
            console = wide_console()
            console.print(screen(app, console))
        else:
            watch(partial(screen, app), interval)


def screen(app: App, console: Console) -> Group:
    """Return all that is shown."""
    found = Snapshot.of(app)
    width = console.width
    live = counted(len(found.workers), "worker process", "worker processes")
    title = f"{app.broker}   {clock_time(found.now)}, {live}, {counted(len(found.running), 'message')} claimed"
    parts: list[RenderableType] = [Text(printable(title), style="bold"), Text(), *_throughput(found), Text()]
    parts.append(drawn(QUEUES, list(map(_queue_row, found.queues)), width))
    if found.running:
        shown = found.running[:MAX_RUNNING]
        parts += [Text(), drawn(RUNNING, [_running_row(held, found.now) for held in shown], width)]
        if len(found.running) > MAX_RUNNING:
            parts.append(Text(f"and {len(found.running) - MAX_RUNNING:,} more", style="italic"))
    return Group(*parts)


def _throughput(found: Snapshot) -> Iterator[Text]:
    yield Text(f"runs   {bars(found.processed)}  {found.processed[-2]:,} in the last whole minute")
    yield Text(f"failed {bars(found.failed)}  {found.failed[-2]:,}", style="red" if found.failed[-2] else "")


def bars(numbers: tuple[int, ...]) -> str:
    """
    Return *numbers* as bars, the highest of them as a whole one.

    >>> bars((0, 1, 4, 8))
    ' ▁▄█'
    """
    most = max(numbers, default=0)
    return "".join(BARS[-(-number * (len(BARS) - 1) // most)] if most else " " for number in numbers)


def _queue_row(queue: QueueStats) -> list[str | Text]:
    oldest = duration(queue.oldest) if queue.ready else "-"
    name = Text(printable(queue.queue_name) + (" (paused)" if queue.paused else ""), style="magenta" if queue.paused else "")
    dead = Text(queue.shown("dead"), style="red" if queue.dead else "")
    return [name, queue.shown("ready"), oldest, queue.shown("delayed"), queue.shown("in_flight"), dead]


def _running_row(held: ClaimedMessage, now: int) -> list[str | Text]:
    return [duration(max(0, now - held.since)), held.actor_name, held.queue_name, held.message_id, held.worker]
