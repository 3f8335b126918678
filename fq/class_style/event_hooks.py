"""
`event_calls`: which hooks an event calls, and with which arguments.

`Hooks` itself handles the events of a message that runs.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from fq.class_style.dramatiq_compat import delay_queue
from fq.class_style.hook_layer import HookLayer
from fq.class_style.message_view import MessageView
from fq.core.events import (
    ActorDeclared,
    ActorDeclaring,
    Delayed,
    Enqueued,
    Event,
    ProcessBooted,
    QueueDeclared,
    QueueDeclaring,
    ThreadBooted,
    ThreadStopping,
    WorkerBooted,
    WorkerBooting,
    WorkerStopped,
    WorkerStopping,
)

Arguments: TypeAlias = tuple[object, ...]
"""The arguments of a hook that follow the broker."""

_ArgumentsOf: TypeAlias = Callable[..., Arguments]  # of the layer and the event


def _actor(layer: HookLayer, event: ActorDeclaring | ActorDeclared) -> Arguments:
    return (layer.broker.get_actor(event.actor_name),)


def _queue(_: HookLayer, event: QueueDeclaring | QueueDeclared) -> Arguments:
    return (event.queue_name,)


def _delay_queue(_: HookLayer, event: QueueDeclared) -> Arguments:
    return (delay_queue(event.queue_name),)


def _message(layer: HookLayer, event: Delayed) -> Arguments:
    return (MessageView(layer.broker, event.message, layer.actor_options),)


def _message_and_delay(layer: HookLayer, event: Enqueued) -> Arguments:
    return MessageView(layer.broker, event.message, layer.actor_options), event.delay or None


def _nothing(_: HookLayer, __: ProcessBooted) -> Arguments:
    return ()


def _worker(layer: HookLayer, event: WorkerBooting | WorkerBooted | WorkerStopping | WorkerStopped) -> Arguments:
    return (layer.broker.worker(event.worker),)


CALLS: Mapping[type, tuple[tuple[str, _ArgumentsOf], ...]] = {
    ActorDeclaring: (("before_declare_actor", _actor),),
    ActorDeclared: (("after_declare_actor", _actor),),
    QueueDeclaring: (("before_declare_queue", _queue),),
    QueueDeclared: (("after_declare_queue", _queue), ("after_declare_delay_queue", _delay_queue)),
    Delayed: (("before_delay_message", _message),),
    Enqueued: (("after_enqueue", _message_and_delay),),
    ProcessBooted: (("after_process_boot", _nothing),),
    WorkerBooting: (("before_worker_boot", _worker),),
    WorkerBooted: (("after_worker_boot", _worker),),
    WorkerStopping: (("before_worker_shutdown", _worker),),
    WorkerStopped: (("after_worker_shutdown", _worker),),
}


def event_calls(layer: HookLayer, event: Event) -> Iterator[tuple[str, Arguments]]:
    """Return the names of those hooks of *layer* that *event* calls, each with its arguments after the broker."""
    if isinstance(event, ThreadBooted | ThreadStopping):
        name = _thread_hook(event)
        if name in layer.hooks:
            yield name, (threading.current_thread(),)
    for name, arguments_of in CALLS.get(type(event), ()):
        if name in layer.hooks:
            yield name, arguments_of(layer, event)


def _thread_hook(event: ThreadBooted | ThreadStopping) -> str:
    kind = "consumer" if event.role == "pump" else "worker"
    return f"after_{kind}_thread_boot" if isinstance(event, ThreadBooted) else f"before_{kind}_thread_shutdown"
