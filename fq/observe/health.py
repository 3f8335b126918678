"""Is a worker alive? Answers ``fq health``, and HTTP requests beside the metrics, for containers and load balancers."""

import json
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from attrs import frozen

from fq.errors import BrokerError

if TYPE_CHECKING:
    from fq.app.app import App


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
    """Return *handler* that also answers the paths of `PROBES`: each with 200 or 503, and with JSON."""
    get = handler.do_GET  # type: ignore[attr-defined]  # a handler of GET requests

    def do_get(self: BaseHTTPRequestHandler) -> None:
        probe = PROBES.get(self.path.partition("?")[0])
        if probe is None:
            get(self)
            return
        is_good, fields = probe(app)
        body = json.dumps(fields).encode()
        self.send_response(200 if is_good else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    return type("Handler", (handler,), {"do_GET": do_get})


def _probe_worker(app: "App") -> tuple[bool, dict[str, object]]:
    """Is a worker of this host alive?"""
    try:
        health = health_of(app)
    except BrokerError as error:
        health = Health(socket.gethostname(), 0, str(error))
    return health.is_good, {"host": health.host, "alive": health.alive, "error": health.error}


def _probe_process(_: "App") -> tuple[bool, dict[str, object]]:
    """Does this process answer? It asks no broker, so that an outage of the broker restarts nothing."""
    return True, {"alive": True}


def _probe_broker(app: "App") -> tuple[bool, dict[str, object]]:
    """Does the broker answer?"""
    try:
        app.broker.workers()  # a cheap question: it counts no messages
    except BrokerError as error:
        return False, {"ready": False, "error": str(error)}
    return True, {"ready": True, "error": ""}


PROBES: dict[str, Callable[["App"], tuple[bool, dict[str, object]]]] = {
    "/health": _probe_worker,
    "/livez": _probe_process,
    "/readyz": _probe_broker,
}
"""By path, a function that says whether to answer 200 or 503, and with which JSON object."""
