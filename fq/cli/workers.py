"""``fq workers`` and ``fq health``."""

import click
from attrs import asdict
from rich.console import Console
from rich.table import Table

from fq.app import App
from fq.cli.common import app_path, as_json, load_app, plain_errors, print_json
from fq.observe.health import health_of


@click.command()
@app_path
@as_json
def workers(app_path: str, as_json: bool) -> None:
    """Show the worker processes of APP that are alive, and what each of them holds, since when."""
    with plain_errors():
        app = load_app(app_path)
        if as_json:
            print_json(
                [{**asdict(worker), "held": [asdict(held) for held in app.broker.held(worker.worker)]} for worker in app.broker.workers()]
            )
            return
        Console().print(table(app))


def table(app: App) -> Table:
    """Return the table of workers: a line for each, and one for each message that it holds."""
    drawn = Table("worker", "lease left", "holds", "actor", "since", title=str(app.broker), title_justify="left")
    now = app.broker.now()
    for worker in app.broker.workers():
        drawn.add_row(worker.worker, f"{worker.lease_left / 1000:.1f} s", str(worker.in_flight), "", "")
        for held in app.broker.held(worker.worker):
            drawn.add_row("", "", held.message_id, held.actor_name, f"{(now - held.since) / 1000:.1f} s")
    return drawn


@click.command()
@app_path
@click.option("--any-host", is_flag=True, help="Be content with a worker on any host.")
def health(app_path: str, any_host: bool) -> None:
    """Tell if a worker of APP lives on this host: exit code 0 if it does, 1 if not, 3 if the broker cannot be used. For containers."""
    with plain_errors():
        app = load_app(app_path)
        health = health_of(app, "" if any_host else None)
        click.echo(f"{health.alive} worker processes are alive")
        raise SystemExit(0 if health.is_good else 1)
