"""
Metrics for Prometheus.

``fq worker`` serves the metrics of all its processes at http_host and http_port; inside your own process they are in a registry.

It prints::

    Prometheus(http_host='0.0.0.0', http_port=8000, registry=None)
    fq_messages_total 3
    fq_message_errors_total 1
    fq_message_duration_seconds_count 3
    fq_workers_total 1
"""

import logging
import time

from prometheus_client import CollectorRegistry

from fq import App, Prometheus, compose, default_middleware, prometheus

# The page's: metrics at http://localhost:8000/metrics, from any machine
print(Prometheus(http_host="0.0.0.0", http_port=8000))

registry = CollectorRegistry()
app = App("memory://", middleware=compose(prometheus(registry=registry), default_middleware))


@app.actor(max_retries=0)
def divide(a: int, b: int) -> float:
    return a / b


def sample(name: str) -> int:
    labels = {} if name == "fq_workers_total" else {"queue_name": "default", "actor_name": "divide"}
    return int(registry.get_sample_value(name, labels) or 0)


if __name__ == "__main__":
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    for number in range(3):
        divide.send(6, number)
    with app.worker(threads=1):
        while sample("fq_messages_total") < 3:
            time.sleep(0.01)
        for name in ("fq_messages_total", "fq_message_errors_total", "fq_message_duration_seconds_count", "fq_workers_total"):
            print(name, sample(name))
