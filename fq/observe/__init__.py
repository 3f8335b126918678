"""What a worker tells the outside: logs, metrics, health."""

from fq.observe.layer import Prometheus, prometheus

__all__ = ["Prometheus", "prometheus"]
