"""``fq workers`` and ``fq health``."""

from collections.abc import Iterator, Sequence

import click
from attrs import asdict

from fq.brokers.protocol import Broker
from fq.brokers.records import WorkerStats
from fq.cli.common import app_path, as_json, counted, load_app, plain_errors, print_json
from fq.cli.tables import Kind, show
from fq.observe.health import health_of

COLUMNS: dict[str, Kind] = {
    "worker": "name",
    "lease left": "number",
    "queues": "text",
    "holds": "name",
    "actor": "name",
    "since": "number",
}


@click.command()
@app_path
@as_json
def workers(app_path: str, as_json: bool) -> None:
    """
    Show the workers of APP and the messages that they hold.

    For each live worker process: the queues that it claims from, and since when it holds each message. A process whose lease has expired is
    shown until another worker takes its messages back.
    """
    with plain_errors():
        broker = load_app(app_path).broker
        shown = [worker for worker in broker.workers() if worker.lease_left > 0 or worker.in_flight]
        if as_json:
            held = [[asdict(held) for held in broker.claimed_by(worker.worker)] for worker in shown]
            print_json([{**asdict(worker), "alive": worker.lease_left > 0, "held": held} for worker, held in zip(shown, held, strict=True)])
            return
        show(str(broker), COLUMNS, list(_rows(broker, shown)))


def _rows(broker: Broker, workers: Sequence[WorkerStats]) -> Iterator[list[str]]:
    """Yield a row for each of *workers*, followed by one for each message that it holds."""
    now = broker.now()
    for worker in workers:
        lease = f"{worker.lease_left / 1000:.1f} s" if worker.lease_left > 0 else "expired"
        yield [worker.worker, lease, ", ".join(worker.queues), str(worker.in_flight), "", ""]
        for held in broker.claimed_by(worker.worker):
            yield ["", "", held.queue_name, held.message_id, held.actor_name, f"{(now - held.since) / 1000:.1f} s"]


@click.command()
@app_path
@click.option("--any-host", is_flag=True, help="Accept a worker on any host.")
def health(app_path: str, any_host: bool) -> None:
    """
    Check that a worker of APP is alive on this host.

    Meant for the health checks of containers. Exit codes: 0 alive, 1 not alive, 3 the broker cannot be used.
    """
    with plain_errors():
        app = load_app(app_path)
        health = health_of(app, "" if any_host else None)
        click.echo(f"{counted(health.alive, 'worker process', 'worker processes')} alive")
        raise SystemExit(0 if health.is_good else 1)
