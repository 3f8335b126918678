"""
The layers that come with fq: one file each, and `default_middleware`, the stack that an `App` starts from.

One sentence explains the order: whatever acts on a final result is outside Retries.
"""

from fq.layers.age_limit import AgeLimit, age_limit
from fq.layers.current_message import CurrentMessage, current_message, get_current_message
from fq.layers.pipelines import Pipelines, pipelines
from fq.layers.poison_limit import PoisonLimit, poison_limit
from fq.layers.results import Results, results
from fq.layers.retries import Retries, retries
from fq.layers.time_limit import TimeLimit, time_limit
from fq.stack import compose

default_middleware = compose(
    results(),
    pipelines(),
    age_limit(),
    poison_limit(),
    retries(),
    time_limit(),
    current_message(),
)

__all__ = [
    "AgeLimit",
    "CurrentMessage",
    "Pipelines",
    "PoisonLimit",
    "Results",
    "Retries",
    "TimeLimit",
    "age_limit",
    "current_message",
    "default_middleware",
    "get_current_message",
    "pipelines",
    "poison_limit",
    "results",
    "retries",
    "time_limit",
]
