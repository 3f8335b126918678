"""``fq queues``."""

import click
from attrs import asdict
from rich.console import Console
from rich.table import Table

from fq.cli.common import app_path, as_json, load_app, plain_errors, print_json


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
        table = Table("queue", title=str(app.broker), title_justify="left")
        for column in ("ready", "oldest", "delayed", "in flight", "dead"):
            table.add_column(column, justify="right")
        for queue in stats:
            oldest = f"{queue.oldest / 1000:.1f} s" if queue.ready else "-"
            name = f"{queue.queue_name} (paused)" if queue.paused else queue.queue_name
            table.add_row(name, *map(str, (queue.ready, oldest, queue.delayed, queue.in_flight, queue.dead)))
        Console().print(table)


@click.command()
@app_path
@click.argument("queue")
def pause(app_path: str, queue: str) -> None:
    """Let nobody claim from QUEUE of APP until it is resumed."""
    with plain_errors():
        load_app(app_path).broker.pause(queue)


@click.command()
@app_path
@click.argument("queue")
def resume(app_path: str, queue: str) -> None:
    """Let workers claim from QUEUE of APP again."""
    with plain_errors():
        load_app(app_path).broker.resume(queue)


@click.command()
@app_path
@click.argument("queue")
@click.confirmation_option(prompt="Delete everything that waits in this queue?")
def purge(app_path: str, queue: str) -> None:
    """Delete what waits in QUEUE of APP: ready and delayed messages, not running ones, not dead letters."""
    with plain_errors():
        click.echo(f"{load_app(app_path).broker.purge(queue)} deleted")
