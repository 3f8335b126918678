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

from typing import TYPE_CHECKING

from fq.runtime.lazy_names import LazyNames

# What a name needs is imported when the name is first used. A new public name is one import here; then type: make names
if TYPE_CHECKING:
    # Applications, actors, calls, handles
    from fq.app.app import App
    from fq.app.counters import RunCounts
    from fq.app.history import MessagePage
    from fq.calls.actor import Actor
    from fq.calls.call import Call
    from fq.calls.declare import actor
    from fq.calls.handle import Handle
    from fq.calls.message_record import MessageRecord
    from fq.calls.task_error import Missing, NotStored, TaskError, TimedOut
    from fq.calls.watch import Watch
    from fq.calls.workflow import Group, group, pipeline

    # Layers of the shell: class-style middleware, metrics
    from fq.class_style import Hooks, hooks

    # The core: messages, outcomes, layers
    from fq.core.attempts import Attempt
    from fq.core.fault import Fault
    from fq.core.message import Key, Message
    from fq.core.outcome import Arrive, Dead, Drop, Effect, Enqueue, KeepRecord, Outcome, Retry, Setback, Store
    from fq.core.progress import Progress

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
        Duplicate,
        FollowError,
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
        ResourceError,
        ResultError,
        ResultFailure,
        ResultMissing,
        ResultNotStored,
        ResultTimeout,
        RetryAfter,
        ScheduleError,
        ScheduleNotFound,
        SelfCancelled,
        Shutdown,
        SkipMessage,
        Snooze,
        StackError,
        TimeLimitExceeded,
    )

    # Log records that name the message
    from fq.execution.log_context import MessageFilter, add_message_fields

    # What a running actor tells
    from fq.execution.reporting import emit, progress

    # Layers
    from fq.layers import (
        AgeLimit,
        Callbacks,
        Cancellation,
        CurrentMessage,
        FollowUps,
        GroupCallbacks,
        Keep,
        Pipelines,
        PoisonLimit,
        Results,
        Retries,
        ShutdownNotifications,
        TimeLimit,
        Unique,
        age_limit,
        callbacks,
        cancellation,
        current_message,
        default_middleware,
        follow_ups,
        get_current_message,
        group_callbacks,
        keep,
        pipelines,
        poison_limit,
        results,
        retries,
        shutdown,
        shutdown_notifications,
        time_limit,
        unique,
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
    from fq.middleware.layer_options import LayerOptions
    from fq.middleware.send_call import SendCall
    from fq.middleware.stack import Stack, compose
    from fq.observe import Prometheus, prometheus
    from fq.outbox import Outbox

    # Resources of a worker: pools, sessions, clients
    from fq.resources.resource import Resource, injected

    # Schedules
    from fq.schedules.current_tick import current_tick
    from fq.schedules.schedule import Schedule
    from fq.schedules.stored import StoredSchedule
    from fq.schedules.when import Cron, Every, cron, every

    # Types of your own as arguments and results
    from fq.wire.convert.scalars import register

# `make names` writes this from the imports above.
_HOMES = {
    "fq.app.app": "App",
    "fq.app.counters": "RunCounts",
    "fq.app.history": "MessagePage",
    "fq.calls.actor": "Actor",
    "fq.calls.call": "Call",
    "fq.calls.declare": "actor",
    "fq.calls.handle": "Handle",
    "fq.calls.message_record": "MessageRecord",
    "fq.calls.task_error": "Missing NotStored TaskError TimedOut",
    "fq.calls.watch": "Watch",
    "fq.calls.workflow": "Group group pipeline",
    "fq.class_style": "Hooks hooks",
    "fq.core.attempts": "Attempt",
    "fq.core.fault": "Fault",
    "fq.core.message": "Key Message",
    "fq.core.outcome": "Arrive Dead Drop Effect Enqueue KeepRecord Outcome Retry Setback Store",
    "fq.core.progress": "Progress",
    "fq.errors": "ActorFailure ActorNotFound AgeLimitExceeded BrokerError BrokerUnavailable Cancelled ConfigError"
    " DeclarationError DecodeError Duplicate FollowError FqError GroupFailed Interrupt InvalidArguments InvalidResult"
    " LayerError MessageFailed MiddlewareError OptionError Poison RateLimitExceeded ResourceError ResultError"
    " ResultFailure ResultMissing ResultNotStored ResultTimeout RetryAfter ScheduleError ScheduleNotFound"
    " SelfCancelled Shutdown SkipMessage Snooze StackError TimeLimitExceeded",
    "fq.execution.log_context": "MessageFilter add_message_fields",
    "fq.execution.reporting": "emit progress",
    "fq.layers": "AgeLimit Callbacks Cancellation CurrentMessage FollowUps GroupCallbacks Keep Pipelines PoisonLimit Results"
    " Retries ShutdownNotifications TimeLimit Unique age_limit callbacks cancellation current_message"
    " default_middleware follow_ups get_current_message group_callbacks keep pipelines poison_limit results retries"
    " shutdown shutdown_notifications time_limit unique",
    "fq.limits": "Barrier BucketRateLimiter ConcurrencyLimit ConcurrentRateLimiter RateLimit WindowRateLimiter concurrency_limit"
    " rate_limit",
    "fq.middleware.around": "Around",
    "fq.middleware.base": "AsyncHandler Handler Middleware Rule Step",
    "fq.middleware.explain": "Explanation explain",
    "fq.middleware.layer_options": "LayerOptions",
    "fq.middleware.send_call": "SendCall",
    "fq.middleware.stack": "Stack compose",
    "fq.observe": "Prometheus prometheus",
    "fq.outbox": "Outbox",
    "fq.resources.resource": "Resource injected",
    "fq.schedules.current_tick": "current_tick",
    "fq.schedules.schedule": "Schedule",
    "fq.schedules.stored": "StoredSchedule",
    "fq.schedules.when": "Cron Every cron every",
    "fq.wire.convert.scalars": "register",
}  # fmt: skip

__all__ = [
    "Actor", "ActorFailure", "ActorNotFound", "AgeLimit", "AgeLimitExceeded", "App", "Around", "Arrive", "AsyncHandler", "Attempt",
    "Barrier", "BrokerError", "BrokerUnavailable", "BucketRateLimiter", "Call", "Callbacks", "Cancellation", "Cancelled",
    "ConcurrencyLimit", "ConcurrentRateLimiter", "ConfigError", "Cron", "CurrentMessage", "Dead", "DeclarationError", "DecodeError",
    "Drop", "Duplicate", "Effect", "Enqueue", "Every", "Explanation", "Fault", "FollowError", "FollowUps", "FqError", "Group",
    "GroupCallbacks", "GroupFailed", "Handle", "Handler", "Hooks", "Interrupt", "InvalidArguments", "InvalidResult", "Keep", "KeepRecord",
    "Key", "LayerError", "LayerOptions", "Message", "MessageFailed", "MessageFilter", "MessagePage", "MessageRecord", "Middleware",
    "MiddlewareError", "Missing", "NotStored", "OptionError", "Outbox", "Outcome", "Pipelines", "Poison", "PoisonLimit", "Progress",
    "Prometheus", "RateLimit", "RateLimitExceeded", "Resource", "ResourceError", "ResultError", "ResultFailure", "ResultMissing",
    "ResultNotStored", "ResultTimeout", "Results", "Retries", "Retry", "RetryAfter", "Rule", "RunCounts", "Schedule", "ScheduleError",
    "ScheduleNotFound", "SelfCancelled", "SendCall", "Setback", "Shutdown", "ShutdownNotifications", "SkipMessage", "Snooze", "Stack",
    "StackError", "Step", "Store", "StoredSchedule", "TaskError", "TimeLimit", "TimeLimitExceeded", "TimedOut", "Unique", "Watch",
    "WindowRateLimiter", "actor", "add_message_fields", "age_limit", "callbacks", "cancellation", "compose", "concurrency_limit", "cron",
    "current_message", "current_tick", "default_middleware", "emit", "every", "explain", "follow_ups", "get_current_message", "group",
    "group_callbacks", "hooks", "injected", "keep", "pipeline", "pipelines", "poison_limit", "progress", "prometheus", "rate_limit",
    "register", "results", "retries", "shutdown", "shutdown_notifications", "time_limit", "unique",
]  # fmt: skip
# The end of what it writes.

if not TYPE_CHECKING:  # a type checker that saw these would believe that fq has any name
    _names = LazyNames(__name__, _HOMES)
    __getattr__, __dir__ = _names.get, _names.names
