"""`join_metrics`: a child of ``fq worker`` counts for the metrics that its supervisor has served."""

from typing import TYPE_CHECKING

from fq.middleware.stack import compose
from fq.observe.layer import Prometheus, prometheus
from fq.observe.meter import find_shared_counters

if TYPE_CHECKING:
    from fq.app.app import App


def join_metrics(app: "App") -> None:
    """Give *app*, in a child, the metrics layer that ``--metrics`` asks for."""
    if find_shared_counters() is not None and Prometheus not in app.stack:
        app.edit_stack(lambda stack: compose(prometheus(), stack))
