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
from fq.actor import Actor, actor
from fq.app import App
from fq.call import Call
from fq.handle import Handle, Missing, NotStored, TaskError, TimedOut

# The core: messages, outcomes, layers
from fq.fault import Fault
from fq.message import Key, Message
from fq.outcome import Arrive, Dead, Drop, Effect, Enqueue, Outcome, Retry, Setback, Store
from fq.middleware import Around, AsyncHandler, Handler, Middleware, Rule, Step
from fq.stack import Stack, compose
from fq.explain import Explanation, explain

# Layers
from fq.layers import (
    AgeLimit,
    Callbacks,
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

# Errors
from fq.errors import (
    ActorFailure,
    ActorNotFound,
    AgeLimitExceeded,
    BrokerError,
    BrokerUnavailable,
    ConfigError,
    DeclarationError,
    DecodeError,
    FqError,
    GroupFailed,
    Interrupt,
    InvalidArguments,
    InvalidResult,
    LayerError,
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
    Shutdown,
    SkipMessage,
    Snooze,
    StackError,
    TimeLimitExceeded,
)

__all__ = [
    "ActorFailure", "ActorNotFound", "AgeLimit", "AgeLimitExceeded", "Actor", "App", "Around", "Arrive", "AsyncHandler", "BrokerError",
    "BrokerUnavailable", "Call", "ConfigError", "CurrentMessage", "Dead", "DeclarationError", "DecodeError", "Drop", "Effect", "Enqueue",
    "Explanation", "Fault", "FqError", "Handle", "Handler", "Interrupt", "InvalidArguments", "InvalidResult", "Key", "LayerError", "Message",
    "Middleware", "MiddlewareError", "Missing", "NotStored", "OptionError", "Outcome", "Pipelines", "Poison", "PoisonLimit", "RateLimitExceeded",
    "ResultError", "ResultFailure", "ResultMissing", "ResultNotStored", "ResultTimeout", "Results", "Retries", "Retry", "RetryAfter", "Rule",
    "Setback", "Shutdown", "SkipMessage", "Snooze", "Stack", "StackError", "Step", "Store", "TaskError", "TimeLimit", "TimeLimitExceeded",
    "TimedOut", "actor", "age_limit", "compose", "current_message", "default_middleware", "explain", "get_current_message", "pipelines",
    "poison_limit", "results", "retries", "time_limit",
]  # fmt: skip
