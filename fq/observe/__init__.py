"""Metrics and health of workers, for monitoring systems."""

from typing import TYPE_CHECKING

from fq.runtime.lazy_names import LazyNames

if TYPE_CHECKING:
    from fq.observe.layer import Prometheus, prometheus

__all__ = ["Prometheus", "prometheus"]

if not TYPE_CHECKING:  # a supervisor imports only what opens the socket
    _names = LazyNames(__name__, {"fq.observe.layer": "Prometheus prometheus"})
    __getattr__, __dir__ = _names.get, _names.names
