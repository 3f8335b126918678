"""
The layers that come with fq: one file each, and `default_middleware`, the stack that an `App` starts from.

One sentence explains the order: whatever acts on a final result is outside Retries. Of those, GroupCallbacks is the outermost, so that a group hears of
whatever goes wrong further inside; and Pipelines is inside Callbacks, which thus hear of a step that could not be called because the group before it failed.
"""

from fq.layers.age_limit import AgeLimit, age_limit
from fq.layers.callbacks import Callbacks, callbacks
from fq.layers.current_message import CurrentMessage, current_message, get_current_message
from fq.layers.group_callbacks import GroupCallbacks, group_callbacks
from fq.layers.pipelines import Pipelines, pipelines
from fq.layers.poison_limit import PoisonLimit, poison_limit
from fq.layers.results import Results, results
from fq.layers.retries import Retries, retries
from fq.layers.shutdown_notifications import ShutdownNotifications, shutdown, shutdown_notifications
from fq.layers.time_limit import TimeLimit, time_limit
from fq.stack import compose

default_middleware = compose(
    group_callbacks(),
    results(),
    callbacks(),
    pipelines(),
    age_limit(),
    poison_limit(),
    shutdown_notifications(),
    retries(),
    time_limit(),
    current_message(),
)

__all__ = [
    "AgeLimit",
    "Callbacks",
    "CurrentMessage",
    "GroupCallbacks",
    "Pipelines",
    "PoisonLimit",
    "Results",
    "Retries",
    "ShutdownNotifications",
    "TimeLimit",
    "age_limit",
    "callbacks",
    "current_message",
    "default_middleware",
    "get_current_message",
    "group_callbacks",
    "pipelines",
    "poison_limit",
    "results",
    "retries",
    "shutdown",
    "shutdown_notifications",
    "time_limit",
]
