"""What the processes beside the children run: `serve_metrics` and `run_fork` import the app there."""

import socket

from fq.class_style.adapter import forks_in
from fq.cli.common import load_app
from fq.observe.endpoint import serve


def serve_metrics(app_path: str, address: str | None, listener: socket.socket) -> None:
    """Serve the metrics of the app at *app_path*, for the option *address*, on *listener*, without end."""
    serve(load_app(app_path), address, listener)


def run_fork(app_path: str, number: int) -> None:
    """Run the function with this *number* among those that class-style middleware of the app wants to be run."""
    forks_in(load_app(app_path).stack)[number]()
