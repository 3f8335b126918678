"""
fq, a functional, composable task queue: the public names, grouped like a table of contents.

>>> from fq import App
>>> app = App("memory://")
>>> @app.actor
... def add(a: int, b: int) -> int:
...     return a + b
>>> handle = add.send(1, 2)
>>> app.run_until_idle()
1
>>> handle.get()
<Success: 3>
"""

# Applications, actors, calls, handles
from fq.app.app import App
from fq.calls.actor import Actor
from fq.calls.call import Call
from fq.calls.declare import actor
from fq.calls.handle import Handle, Missing, NotStored, TaskError, TimedOut
from fq.calls.workflow import Group, group, pipeline

# Layers of the shell: class-style middleware, metrics
from fq.class_style import Hooks, hooks

# The core: messages, outcomes, layers
from fq.core.fault import Fault
from fq.core.message import Key, Message
from fq.core.outcome import Arrive, Dead, Drop, Effect, Enqueue, Outcome, Retry, Setback, Store

# Errors
from fq.errors import (
    ActorFailure,
    ActorNotFound,
    AgeLimitExceeded,
    BrokerError,
    BrokerUnavailable,
    Cancelled,
    ConfigError,
    DeclarationError,
    DecodeError,
    FqError,
    GroupFailed,
    Interrupt,
    InvalidArguments,
    InvalidResult,
    LayerError,
    MessageFailed,
    MiddlewareError,
    OptionError,
    Poison,
    RateLimitExceeded,
    ResultError,
    ResultFailure,
    ResultMissing,
    ResultNotStored,
    ResultTimeout,
    RetryAfter,
    SelfCancelled,
    Shutdown,
    SkipMessage,
    Snooze,
    StackError,
    TimeLimitExceeded,
)

# Layers
from fq.layers import (
    AgeLimit,
    Callbacks,
    Cancellation,
    CurrentMessage,
    GroupCallbacks,
    Pipelines,
    PoisonLimit,
    Results,
    Retries,
    ShutdownNotifications,
    TimeLimit,
    age_limit,
    callbacks,
    cancellation,
    current_message,
    default_middleware,
    get_current_message,
    group_callbacks,
    pipelines,
    poison_limit,
    results,
    retries,
    shutdown,
    shutdown_notifications,
    time_limit,
)

# Limiters, and the layers that limit
from fq.limits import (
    Barrier,
    BucketRateLimiter,
    ConcurrencyLimit,
    ConcurrentRateLimiter,
    RateLimit,
    WindowRateLimiter,
    concurrency_limit,
    rate_limit,
)
from fq.middleware.around import Around
from fq.middleware.base import AsyncHandler, Handler, Middleware, Rule, Step
from fq.middleware.explain import Explanation, explain
from fq.middleware.stack import Stack, compose
from fq.observe import Prometheus, prometheus

__all__ = [
    "Actor", "ActorFailure", "ActorNotFound", "AgeLimit", "AgeLimitExceeded", "App", "Around", "Arrive", "AsyncHandler", "Barrier",
    "BrokerError", "BrokerUnavailable", "BucketRateLimiter", "Call", "Callbacks", "Cancellation", "Cancelled", "ConcurrencyLimit",
    "ConcurrentRateLimiter", "ConfigError", "CurrentMessage", "Dead", "DeclarationError", "DecodeError", "Drop", "Effect", "Enqueue",
    "Explanation", "Fault", "FqError", "Group", "GroupCallbacks", "GroupFailed", "Handle", "Handler", "Hooks", "Interrupt",
    "InvalidArguments", "InvalidResult", "Key", "LayerError", "Message", "MessageFailed", "Middleware", "MiddlewareError", "Missing",
    "NotStored", "OptionError", "Outcome", "Pipelines", "Poison", "PoisonLimit", "Prometheus", "RateLimit", "RateLimitExceeded",
    "ResultError", "ResultFailure", "ResultMissing", "ResultNotStored", "Results", "ResultTimeout", "Retries", "Retry", "RetryAfter",
    "Rule", "SelfCancelled", "Setback", "Shutdown", "ShutdownNotifications", "SkipMessage", "Snooze", "Stack", "StackError", "Step",
    "Store", "TaskError", "TimedOut", "TimeLimit", "TimeLimitExceeded", "WindowRateLimiter", "actor", "age_limit", "callbacks",
    "cancellation", "compose", "concurrency_limit", "current_message", "default_middleware", "explain", "get_current_message", "group",
    "group_callbacks", "hooks", "pipeline", "pipelines", "poison_limit", "prometheus", "rate_limit", "results", "retries", "shutdown",
    "shutdown_notifications", "time_limit",
]  # fmt: skip
