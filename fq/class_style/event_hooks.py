"""
Which hooks an event stands for, and what they are given.

The events of a message that is being run are left to `Hooks` itself.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeAlias

from fq.class_style.broker_view import delay_queue
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

if TYPE_CHECKING:
    from fq.class_style.adapter import Hooks

Given: TypeAlias = tuple[object, ...]
_Gives: TypeAlias = Callable[..., Given]  # of the layer and the event: what a hook is given after the broker


def _actor(layer: "Hooks", event: ActorDeclaring | ActorDeclared) -> Given:
    return (layer.broker.get_actor(event.actor_name),)


def _queue(_: "Hooks", event: QueueDeclaring | QueueDeclared) -> Given:
    return (event.queue_name,)


def _delay_queue(_: "Hooks", event: QueueDeclared) -> Given:
    return (delay_queue(event.queue_name),)


def _message(layer: "Hooks", event: Delayed) -> Given:
    return (MessageView(layer.broker, event.message, layer.options),)


def _message_and_delay(layer: "Hooks", event: Enqueued) -> Given:
    return MessageView(layer.broker, event.message, layer.options), event.delay or None


def _nothing(_: "Hooks", __: ProcessBooted) -> Given:
    return ()


def _worker(layer: "Hooks", event: WorkerBooting | WorkerBooted | WorkerStopping | WorkerStopped) -> Given:
    return (layer.broker.worker(event.worker),)


CALLS: Mapping[type, tuple[tuple[str, _Gives], ...]] = {
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


def calls_for(layer: "Hooks", event: Event) -> Iterator[tuple[str, Given]]:
    """Return the names of the hooks that *event* stands for and that *layer* has, each with what it is given after the broker."""
    if isinstance(event, ThreadBooted | ThreadStopping):
        name = _thread_hook(event)
        if name in layer.hooks:
            yield name, (threading.current_thread(),)
    for name, gives in CALLS.get(type(event), ()):
        if name in layer.hooks:
            yield name, gives(layer, event)


def _thread_hook(event: ThreadBooted | ThreadStopping) -> str:
    kind = "consumer" if event.role == "pump" else "worker"
    return f"after_{kind}_thread_boot" if isinstance(event, ThreadBooted) else f"before_{kind}_thread_shutdown"
