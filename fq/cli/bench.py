"""``fq bench``: how fast this machine and this broker are, with messages that do nothing."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from fq.app.app import App
from fq.cli.common import plain_errors, print_json

QUEUE = "fq-bench"
"""The queue of the messages, so that no worker of an application takes them."""


@click.command()
@click.option("--url", metavar="URL", help="The broker. Default: a new SQLite file, deleted at the end.")
@click.option("--messages", "-n", "count", type=click.IntRange(1), default=10_000, show_default=True, help="How many messages.")
@click.option(
    "--threads", "-t", type=click.IntRange(1), default=4, show_default=True, help="Threads of the worker, which runs in this process."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(url: str | None, count: int, threads: int, as_json: bool) -> None:
    """
    Measure how many messages a second this machine sends and runs.

    The messages do nothing, so the figures are those of fq and the broker. They are in a queue of their own, fq-bench, and are gone at the end.
    """
    with plain_errors(), tempfile.TemporaryDirectory() as folder:
        app = App(url or f"sqlite:///{Path(folder) / 'bench.db'}")

        @app.actor(name="fq-bench", queue=QUEUE, store_results=False)
        def nothing() -> None: ...

        try:
            figures = {"sent_one_by_one": _rate(lambda: [nothing.send() for _ in range(min(count, 1_000))], min(count, 1_000))}
            figures["sent_in_bulk"] = _rate(lambda: app.send_many(nothing.call() for _ in range(count)), count)
            figures["run"] = _run_rate(app, threads)
        finally:
            app.broker.purge(QUEUE)
            app.broker.close()
    if as_json:
        print_json({"broker": str(app.broker), **figures})
        return
    click.echo(str(app.broker) if url else "a new SQLite file")
    for name, rate in figures.items():
        click.echo(f"{name.replace('_', ' '):>16}  {rate:>10,.0f} messages a second")


def _rate(send: Callable[[], object], count: int) -> float:
    started = time.perf_counter()
    send()
    return count / (time.perf_counter() - started)


def _run_rate(app: App, threads: int) -> float:
    waiting = _waiting(app)
    started = time.perf_counter()
    with app.worker(threads=threads, queues=[QUEUE]):
        while _waiting(app):
            time.sleep(0.01)
    return waiting / (time.perf_counter() - started)


def _waiting(app: App) -> int:
    return sum(queue.ready + queue.in_flight for queue in app.broker.queues() if queue.queue_name == QUEUE)
