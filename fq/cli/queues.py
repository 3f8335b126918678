"""Commands for queues: ``fq queues``, ``fq pause``, ``fq resume``, ``fq purge``."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from attrs import asdict

from fq.brokers.protocol import Broker
from fq.brokers.records import QueueStats
from fq.cli.common import app_path, as_json, check_queue, counted, load_app, plain_errors, print_json
from fq.cli.tables import Kind, show

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
@as_json
def queues(app_path: str, as_json: bool) -> None:
    """
    Show the queues of APP and their messages.

    For each queue: how many messages are ready, delayed, in flight and dead, and how long the oldest ready message has waited.
    """
    with plain_errors():
        app = load_app(app_path)
        stats = app.broker.queues()
        if as_json:
            print_json([asdict(queue) for queue in stats])
            return
        show(str(app.broker), COLUMNS, list(map(_row, stats)))


def _row(queue: QueueStats) -> list[str]:
    oldest = f"{queue.oldest / 1000:.1f} s" if queue.ready else "-"
    name = f"{queue.queue_name} (paused)" if queue.paused else queue.queue_name
    return [name, *map(str, (queue.ready, oldest, queue.delayed, queue.in_flight, queue.dead))]


@contextmanager
def _broker_with(queue: str, app_path: str) -> Iterator[Broker]:
    """Yield the broker of the app, which must have *queue*."""
    with plain_errors():
        app = load_app(app_path)
        check_queue(app, queue)
        yield app.broker


@click.command()
@app_path
@click.argument("queue")
def pause(app_path: str, queue: str) -> None:
    """Stop workers from claiming messages of QUEUE of APP."""
    with _broker_with(queue, app_path) as broker:
        broker.pause(queue)


@click.command()
@app_path
@click.argument("queue")
def resume(app_path: str, queue: str) -> None:
    """Let workers claim messages of QUEUE of APP again."""
    with _broker_with(queue, app_path) as broker:
        broker.resume(queue)


@click.command()
@app_path
@click.argument("queue")
@click.confirmation_option(prompt="Delete all waiting messages of this queue?", help="Do not ask.")
def purge(app_path: str, queue: str) -> None:
    """
    Delete the waiting messages of QUEUE of APP.

    These are the ready and the delayed messages; running messages and dead letters are kept.
    """
    with _broker_with(queue, app_path) as broker:
        click.echo(f"{counted(broker.purge(queue), 'message')} deleted")
