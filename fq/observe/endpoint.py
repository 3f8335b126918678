"""The address at which ``fq worker`` serves the metrics of all its processes, from a process that no actor can block."""

import os
import socket
from functools import partial
from typing import TYPE_CHECKING

from fq.errors import ConfigError
from fq.middleware.stack import Stack, compose
from fq.observe.bounded_server import BoundedServer
from fq.observe.health import answering_health
from fq.observe.layer import Prometheus, prometheus
from fq.observe.meter import find_shared_counters, share
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import hand_on

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.observe")

SOCKET_VARIABLE = "FQ_METRICS_SOCKET"
"""Environment variable by which a reloaded program finds its socket: process id, descriptor, host, port."""


def metrics_servers(app: "App", address: str | None, processes: int) -> list[partial[None]]:
    """
    Return the functions that have to run beside the workers of *app* to serve their metrics.

    There are none unless the stack of the app has a `Prometheus` layer, or *address* is given.

    *address* is ``HOST:PORT``, ``:PORT`` or ``PORT``, and has precedence over that of the layer.

    Raises:
        ConfigError: *address* is not an address, or is in use.
    """
    if address is not None:
        host, port = address_of(address)
        app.edit_stack(lambda stack: with_metrics(stack, host, port))
    layer = app.stack.get(Prometheus)
    if layer is None:
        return []
    listener = listen(layer.http_host, layer.http_port)
    share(4 * processes + 8)  # retiring children and their successors need slots of their own
    host, port = listener.getsockname()[:2]
    log.info("serving metrics at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, port)
    return [partial(serve, app, layer, listener)]


def join_metrics(app: "App") -> None:
    """Give *app*, in a child that was started as a new interpreter, the metrics layer that its supervisor has added."""
    if find_shared_counters() is not None and Prometheus not in app.stack:
        app.edit_stack(lambda stack: compose(prometheus(), stack))


def with_metrics(stack: Stack, host: str, port: int) -> Stack:
    """Return *stack* with a `Prometheus` layer for this address: its own one changed, or a new outermost one."""
    layer = stack.get(Prometheus)
    if layer is None:
        return compose(prometheus(http_host=host, http_port=port), stack)
    return stack.replace(prometheus(http_host=host, http_port=port, registry=layer.registry))


def address_of(text: str) -> tuple[str, int]:
    """
    Return the host and the port in *text*; the default host is the loopback address.

    >>> address_of("0.0.0.0:9100"), address_of(":9100"), address_of("[::1]:9100")
    (('0.0.0.0', 9100), ('127.0.0.1', 9100), ('::1', 9100))

    Raises:
        ConfigError: *text* is not an address.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ConfigError(f"found the address {text!r}, expected HOST:PORT, such as 127.0.0.1:9191")
    return host.strip("[]") or "127.0.0.1", int(port)


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens at this address. After a reload, it is the socket of the previous program.

    Raises:
        ConfigError: the address is in use, or does not belong to this machine.
    """
    pid, _, rest = os.environ.pop(SOCKET_VARIABLE, "").partition(":")
    descriptor, _, address = rest.partition(":")
    if pid == str(os.getpid()):
        listener = socket.socket(fileno=int(descriptor))
        if address != f"{host}:{port}":
            listener.close()
            listener = _new_listener(host, port)
    else:
        listener = _new_listener(host, port)
    hand_on(listener.fileno())
    os.environ[SOCKET_VARIABLE] = f"{os.getpid()}:{listener.fileno()}:{host}:{port}"
    return listener


def adopt_parent_socket() -> None:
    """Let this process, which checks whether it can replace its parent, use the parent's socket."""
    pid, _, rest = os.environ.get(SOCKET_VARIABLE, "").partition(":")
    if pid == str(os.getppid()):
        os.environ[SOCKET_VARIABLE] = f"{os.getpid()}:{rest}"


def _new_listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0].lower()
        found = f"metrics cannot be served at {host}:{port}: {reason}"
        raise ConfigError(f"{found}; choose another address with --metrics HOST:PORT") from None


def serve(app: "App", layer: Prometheus, listener: socket.socket) -> None:
    """Serve the metrics and the health of *app* on *listener*, without end."""
    from prometheus_client import CollectorRegistry, MetricsHandler  # noqa: PLC0415  # as in fq.observe.layer

    from fq.observe.collector import Collector  # noqa: PLC0415  # as above
    from fq.observe.user_metrics import MergedMetrics  # noqa: PLC0415  # as above

    registry = CollectorRegistry()
    registry.register(Collector(layer.meter, app))
    if layer.registry is not None:
        registry.register(MergedMetrics(layer.registry, layer.meter))
    BoundedServer(listener, answering_health(MetricsHandler.factory(registry), app)).serve_forever()
