"""
The layers that come with fq, one file each, and `default_middleware`, the stack that an `App` starts from.

Layers that act on the final outcome are outside Retries. GroupCallbacks is the outermost, so that it reports every failure further inside to the
group. Pipelines is inside Callbacks: if a step cannot be called because the group before it failed, its callbacks run.
"""

from fq.layers.age_limit import AgeLimit, age_limit
from fq.layers.callbacks import Callbacks, callbacks
from fq.layers.cancellation import Cancellation, cancellation
from fq.layers.current_message import CurrentMessage, current_message, get_current_message
from fq.layers.follow_ups import FollowUps, follow_ups
from fq.layers.group_callbacks import GroupCallbacks, group_callbacks
from fq.layers.keep import Keep, keep
from fq.layers.pipelines import Pipelines, pipelines
from fq.layers.poison_limit import PoisonLimit, poison_limit
from fq.layers.results import Results, results
from fq.layers.retries import Retries, retries
from fq.layers.shutdown_notifications import ShutdownNotifications, shutdown, shutdown_notifications
from fq.layers.time_limit import TimeLimit, time_limit
from fq.layers.unique import Unique, unique
from fq.middleware.stack import compose

default_middleware = compose(
    group_callbacks(),
    results(),
    callbacks(),
    pipelines(),
    age_limit(),
    poison_limit(),
    cancellation(),
    follow_ups(),
    shutdown_notifications(),
    retries(),
    time_limit(),
    current_message(),
)

__all__ = [
    "AgeLimit",
    "Callbacks",
    "Cancellation",
    "CurrentMessage",
    "FollowUps",
    "GroupCallbacks",
    "Keep",
    "Pipelines",
    "PoisonLimit",
    "Results",
    "Retries",
    "ShutdownNotifications",
    "TimeLimit",
    "Unique",
    "age_limit",
    "callbacks",
    "cancellation",
    "current_message",
    "default_middleware",
    "follow_ups",
    "get_current_message",
    "group_callbacks",
    "keep",
    "pipelines",
    "poison_limit",
    "results",
    "retries",
    "shutdown",
    "shutdown_notifications",
    "time_limit",
    "unique",
]
