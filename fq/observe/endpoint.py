"""Serving the metrics of all processes of ``fq worker`` at one address, from a process that no actor can block. ``metrics_socket.py`` opens the socket."""

import socket
from typing import TYPE_CHECKING

from fq.middleware.stack import Stack, compose
from fq.observe.bounded_server import BoundedServer
from fq.observe.health import answering_health
from fq.observe.layer import Prometheus, prometheus
from fq.observe.metrics_socket import address_of

if TYPE_CHECKING:
    from fq.app.app import App


def metrics_address(app: "App", address: str | None) -> tuple[str, int] | None:
    """
    Return the host and the port at which the metrics of the workers of *app* are served; None if they are not.

    They are if the stack of the app has a `Prometheus` layer, or if *address* is given: ``HOST:PORT``, ``:PORT`` or ``PORT``, which has precedence over
    that of the layer. Then the layer of the app has that address from now on.

    Raises:
        ConfigError: *address* is not an address.
    """
    if address is not None:
        host, port = address_of(address)
        app.edit_stack(lambda stack: with_metrics(stack, host, port))
    layer = app.stack.get(Prometheus)
    return None if layer is None else (layer.http_host, layer.http_port)


def with_metrics(stack: Stack, host: str, port: int) -> Stack:
    """Return *stack* with a `Prometheus` layer for this address: its own one changed, or a new outermost one."""
    layer = stack.get(Prometheus)
    if layer is None:
        return compose(prometheus(http_host=host, http_port=port), stack)
    return stack.replace(prometheus(http_host=host, http_port=port, registry=layer.registry))


def serve(app: "App", address: str | None, listener: socket.socket) -> None:
    """Serve the metrics and the health of *app* on *listener*, which was opened for the option *address*, without end."""
    from prometheus_client import CollectorRegistry, MetricsHandler  # noqa: PLC0415  # as in fq.observe.layer

    from fq.observe.collector import Collector  # noqa: PLC0415  # as above
    from fq.observe.user_metrics import MergedMetrics  # noqa: PLC0415  # as above

    metrics_address(app, address)
    layer = app.stack.get(Prometheus) or prometheus()
    registry = CollectorRegistry()
    registry.register(Collector(layer.meter, app))
    if layer.registry is not None:
        registry.register(MergedMetrics(layer.registry, layer.meter))
    BoundedServer(listener, answering_health(MetricsHandler.factory(registry), app)).serve_forever()


def serve_broker_metrics(app: "App", listener: socket.socket) -> None:
    """Serve the metrics of the queues of *app*, and the health of this process, on *listener*, without end."""
    from prometheus_client import CollectorRegistry, MetricsHandler  # noqa: PLC0415  # as in fq.observe.layer

    from fq.observe.broker_metrics import BrokerCollector  # noqa: PLC0415  # as above

    registry = CollectorRegistry()
    registry.register(BrokerCollector(app))
    BoundedServer(listener, answering_health(MetricsHandler.factory(registry), app)).serve_forever()
