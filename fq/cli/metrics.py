"""``fq metrics``: the metrics of the queues, from a process that is no worker."""

import signal
import sys

import click

from fq.cli.common import app_path, load_app, plain_errors
from fq.observe.endpoint import serve_broker_metrics
from fq.observe.metrics_socket import address_of, listen


@click.command()
@app_path
@click.option("--listen", "address", default="127.0.0.1:9191", show_default=True, metavar="HOST:PORT", help="Where to serve.")
@click.option("--once", is_flag=True, help="Print the metrics and end, instead of serving them.")
def metrics(app_path: str, address: str, once: bool) -> None:
    """
    Serve metrics of the queues of APP, without a worker.

    When all workers are scaled to zero, this still shows how many messages wait, and for how long. It serves /metrics for Prometheus, /livez, which
    asks no broker, and /readyz, which does. TERM or Ctrl-C ends it, with exit code 0.
    """
    with plain_errors():
        app = load_app(app_path)
        if once:
            from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415  # as in fq.observe.layer

            from fq.observe.broker_metrics import BrokerCollector  # noqa: PLC0415  # as above

            registry = CollectorRegistry()
            registry.register(BrokerCollector(app))
            sys.stdout.write(generate_latest(registry).decode())
            return
        listener = listen(*address_of(address))
        host, port = listener.getsockname()[:2]
        click.echo(f"serving metrics at http://{f'[{host}]' if ':' in host else host}:{port}/metrics", err=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            serve_broker_metrics(app, listener)
        except KeyboardInterrupt:
            listener.close()
