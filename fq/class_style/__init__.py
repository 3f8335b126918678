"""
Class-style middleware: objects with methods such as ``before_process_message``, as they are written for Dramatiq, in an fq stack.

`hooks` makes a layer of such an object. `Middleware` is a base class that documents every hook; deriving from it is optional. The arguments of
the hooks are mutable: see `MessageView`, `BrokerView`, `ActorView` and `WorkerView`.
"""

from fq.class_style.actor_view import ActorView
from fq.class_style.adapter import Hooks, hooks
from fq.class_style.broker_view import BrokerView, ResultsView, WorkerView
from fq.class_style.hook_place import to_hook_thread
from fq.class_style.message_view import MessageView
from fq.class_style.middleware import Middleware
from fq.errors import ActorNotFound, Interrupt, MiddlewareError, RateLimitExceeded, Shutdown, SkipMessage, TimeLimitExceeded
from fq.worker.executors.interrupts import raise_thread_exception

__all__ = [
    "ActorNotFound",
    "ActorView",
    "BrokerView",
    "Hooks",
    "Interrupt",
    "MessageView",
    "Middleware",
    "MiddlewareError",
    "RateLimitExceeded",
    "ResultsView",
    "Shutdown",
    "SkipMessage",
    "TimeLimitExceeded",
    "WorkerView",
    "hooks",
    "raise_thread_exception",
    "to_hook_thread",
]
