"""``fq queues``."""

import click
from attrs import asdict

from fq.brokers.records import QueueStats
from fq.cli.common import app_path, as_json, known_queue, load_app, plain_errors, print_json
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
    """Show the queues of APP: how many messages are ready, delayed, in flight and dead, and how long the oldest ready one has waited."""
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


@click.command()
@app_path
@click.argument("queue")
def pause(app_path: str, queue: str) -> None:
    """Let nobody claim from QUEUE of APP until it is resumed."""
    with plain_errors():
        app = load_app(app_path)
        known_queue(app, queue)
        app.broker.pause(queue)


@click.command()
@app_path
@click.argument("queue")
def resume(app_path: str, queue: str) -> None:
    """Let workers claim from QUEUE of APP again."""
    with plain_errors():
        app = load_app(app_path)
        known_queue(app, queue)
        app.broker.resume(queue)


@click.command()
@app_path
@click.argument("queue")
@click.confirmation_option(prompt="Delete everything that waits in this queue?")
def purge(app_path: str, queue: str) -> None:
    """Delete what waits in QUEUE of APP: ready and delayed messages, not running ones, not dead letters."""
    with plain_errors():
        app = load_app(app_path)
        known_queue(app, queue)
        click.echo(f"{app.broker.purge(queue)} deleted")
