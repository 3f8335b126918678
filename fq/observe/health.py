"""Is a worker alive? Answers ``fq health``, and HTTP requests beside the metrics, for containers and load balancers."""

import json
import socket
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from attrs import frozen

from fq.errors import BrokerError

if TYPE_CHECKING:
    from fq.app.app import App

PATH = "/health"


@frozen
class Health:
    """The health of a *host*: how many worker processes are *alive*, or the *error* that prevents an answer."""

    host: str
    alive: int
    error: str = ""

    @property
    def is_good(self) -> bool:
        """Is at least one worker process alive?"""
        return self.alive > 0 and not self.error


def health_of(app: "App", host: str | None = None) -> Health:
    """
    Return the health of the workers of *app* on *host*; default: this host, ``""``: any host.

    Raises:
        BrokerError: the broker cannot be used.
    """
    name = socket.gethostname() if host is None else host
    workers = app.broker.workers()
    alive = sum(worker.lease_left > 0 and (not name or worker.worker.startswith(f"{name}:")) for worker in workers)
    return Health(name, alive)


def answering_health(handler: type[BaseHTTPRequestHandler], app: "App") -> type[BaseHTTPRequestHandler]:
    """Return *handler* that also answers ``/health``: 200 if a worker of this host is alive, 503 if none is, or if the broker cannot be used."""
    get = handler.do_GET  # type: ignore[attr-defined]  # a handler of GET requests

    def do_get(self: BaseHTTPRequestHandler) -> None:
        if self.path.partition("?")[0] != PATH:
            get(self)
            return
        try:
            health = health_of(app)
        except BrokerError as error:
            health = Health(socket.gethostname(), 0, str(error))
        body = json.dumps({"host": health.host, "alive": health.alive, "error": health.error}).encode()
        self.send_response(200 if health.is_good else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    return type("Handler", (handler,), {"do_GET": do_get})
