"""The one address at which all processes of ``fq worker`` have their metrics served, from a process that no actor can hold up."""

import os
import socket
from functools import partial
from typing import TYPE_CHECKING

from fq.errors import ConfigError
from fq.middleware.stack import Stack, compose
from fq.observe.bounded_server import BoundedServer
from fq.observe.health import answering_health
from fq.observe.layer import Prometheus, prometheus
from fq.observe.meter import share, shared_table
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import hand_on

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.observe")

SOCKET = "FQ_METRICS_SOCKET"
"""Environment variable by which a program that was reloaded finds its socket: process id, descriptor, host, port."""


def metrics_servers(app: "App", address: str | None, processes: int) -> list[partial[None]]:
    """
    Return what has to run beside the workers of *app* to serve their metrics.

    That is nothing, unless its stack has a `Prometheus`, or *address* is given.

    *address* is ``HOST:PORT``, ``:PORT`` or ``PORT`` and has precedence over the layer's.

    Raises:
        ConfigError: *address* is none, or is in use.
    """
    if address is not None:
        host, port = address_of(address)
        app.edit_stack(lambda stack: with_metrics(stack, host, port))
    layer = app.stack.get(Prometheus)
    if layer is None:
        return []
    listener = listen(layer.http_host, layer.http_port)
    share(4 * processes + 8)  # children that retire, and their successors, have parts of their own
    host, port = listener.getsockname()[:2]
    log.info("metrics are at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, port)
    return [partial(serve, app, layer, listener)]


def join_metrics(app: "App") -> None:
    """Let *app*, in a child that was started as a fresh interpreter, count as the other children of its worker do."""
    if shared_table() is not None and Prometheus not in app.stack:
        app.edit_stack(lambda stack: compose(prometheus(), stack))


def with_metrics(stack: Stack, host: str, port: int) -> Stack:
    """Return *stack* with a `Prometheus` that serves at this address: the one that it has, or a new one, outermost."""
    layer = stack.get(Prometheus)
    if layer is None:
        return compose(prometheus(http_host=host, http_port=port), stack)
    return stack.replace(prometheus(http_host=host, http_port=port, registry=layer.registry))


def address_of(text: str) -> tuple[str, int]:
    """
    Return the host and the port that *text* names; without a host, this machine only.

    >>> address_of("0.0.0.0:9100"), address_of(":9100"), address_of("[::1]:9100")
    (('0.0.0.0', 9100), ('127.0.0.1', 9100), ('::1', 9100))

    Raises:
        ConfigError: it names none.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ConfigError(f"found the address {text!r}, expected HOST:PORT, such as 127.0.0.1:9191")
    return host.strip("[]") or "127.0.0.1", int(port)


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens there; the one that the program before this one had, if it was reloaded.

    Raises:
        ConfigError: somebody else does, or the address is none of this machine.
    """
    pid, _, rest = os.environ.pop(SOCKET, "").partition(":")
    descriptor, _, place = rest.partition(":")
    if pid == str(os.getpid()):
        listener = socket.socket(fileno=int(descriptor))
        if place != f"{host}:{port}":
            listener.close()
            listener = _fresh_listener(host, port)
    else:
        listener = _fresh_listener(host, port)
    hand_on(listener.fileno())
    os.environ[SOCKET] = f"{os.getpid()}:{listener.fileno()}:{host}:{port}"
    return listener


def join_parent() -> None:
    """Let this process, which finds out whether it could take the place of its parent, find the socket of that as its own."""
    pid, _, rest = os.environ.get(SOCKET, "").partition(":")
    if pid == str(os.getppid()):
        os.environ[SOCKET] = f"{os.getpid()}:{rest}"


def _fresh_listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0].lower()
        found = f"the metrics cannot be served at {host}:{port}: {reason}"
        raise ConfigError(f"{found}; choose another place with --metrics HOST:PORT") from None


def serve(app: "App", layer: Prometheus, listener: socket.socket) -> None:
    """Serve the metrics and the health of *app* on *listener*, for ever."""
    from prometheus_client import CollectorRegistry, MetricsHandler  # noqa: PLC0415  # as in fq.observe.layer

    from fq.observe.collector import Collector  # noqa: PLC0415  # the same
    from fq.observe.user_metrics import SingleFlight  # noqa: PLC0415  # the same

    registry = CollectorRegistry()
    registry.register(Collector(layer.meter, app))
    if layer.registry is not None:
        registry.register(SingleFlight(layer.registry, layer.meter))
    BoundedServer(listener, answering_health(MetricsHandler.factory(registry), app)).serve_forever()
