"""Metrics and health of workers, for monitoring systems."""

from fq.observe.layer import Prometheus, prometheus

__all__ = ["Prometheus", "prometheus"]
