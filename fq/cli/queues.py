"""Commands for queues: ``fq queues``, ``fq pause``, ``fq resume``, ``fq purge``."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from attrs import asdict

from fq.brokers.protocol import Broker
from fq.brokers.records import QueueStats
from fq.brokers.sights import COUNT_ALL, MOST_COUNTED, has_more
from fq.cli.common import app_path, as_json, check_queue, complete_queues, confirm, load_app, plain_errors, print_json
from fq.cli.tables import Kind, show
from fq.cli.times import duration
from fq.core.counted import counted
from fq.core.printable import printable

queue_argument = click.argument("queue", shell_complete=complete_queues)

COLUMNS: dict[str, Kind] = {
    "queue": "name",
    "ready": "number",
    "oldest": "number",
    "delayed": "number",
    "in flight": "number",
    "dead": "number",
}


@click.command()
@app_path
@click.option("--exact", is_flag=True, help="Count all messages.")
@as_json
def queues(app_path: str, exact: bool, as_json: bool) -> None:
    """
    Show the queues of APP and their messages.

    For each queue: how many messages are ready, delayed, in flight and dead, and how long the oldest ready message has waited.

    A broker in an SQL database stops counting at 10,000, and a + says that there are more, unless you ask for --exact: that takes a second for ten million
    messages. With --json, at_least names the counts that have a +.
    """
    with plain_errors():
        app = load_app(app_path)
        stats = app.broker.queues(COUNT_ALL if exact else MOST_COUNTED)
        if as_json:
            print_json([asdict(queue) for queue in stats])
            return
        show(str(app.broker), COLUMNS, list(map(_row, stats)))


def _row(queue: QueueStats) -> list[str]:
    oldest = duration(queue.oldest) if queue.ready else "-"
    name = f"{queue.queue_name} (paused)" if queue.paused else queue.queue_name
    return [name, queue.shown("ready"), oldest, *map(queue.shown, ("delayed", "in_flight", "dead"))]


@contextmanager
def _broker_with(queue: str, app_path: str) -> Iterator[Broker]:
    """Yield the broker of the app, which must have *queue*."""
    with plain_errors():
        app = load_app(app_path)
        check_queue(app, queue)
        yield app.broker


@click.command()
@app_path
@queue_argument
@as_json
def pause(app_path: str, queue: str, as_json: bool) -> None:
    """Stop workers from claiming messages of QUEUE of APP."""
    with _broker_with(queue, app_path) as broker:
        broker.pause(queue)
        if as_json:
            print_json({"queue": queue, "paused": True})


@click.command()
@app_path
@queue_argument
@as_json
def resume(app_path: str, queue: str, as_json: bool) -> None:
    """Let workers claim messages of QUEUE of APP again."""
    with _broker_with(queue, app_path) as broker:
        broker.resume(queue)
        if as_json:
            print_json({"queue": queue, "paused": False})


@click.command()
@app_path
@queue_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def purge(app_path: str, queue: str, yes: bool, as_json: bool) -> None:
    """
    Delete the waiting messages of QUEUE of APP.

    These are the ready and the delayed messages; running messages and dead letters are kept. The command says how many there are, and asks.
    """
    with _broker_with(queue, app_path) as broker:
        if not yes:
            found = [stats for stats in broker.queues(MOST_COUNTED) if stats.queue_name == queue]
            waiting = sum(stats.ready + stats.delayed for stats in found)
            messages = counted(waiting, "waiting message", more=has_more(found, "ready", "delayed"))
            confirm(f"Delete {messages} of the queue {printable(queue)} of {printable(str(broker))}?")
        count = broker.purge(queue)
        if as_json:
            print_json({"queue": queue, "deleted": count})
        else:
            click.echo(f"{counted(count, 'message')} deleted")
