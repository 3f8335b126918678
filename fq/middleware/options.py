"""
The options of actors and of single calls, as types.

An option is the name of a field of a layer; precedence is message, actor, stack. The records here let type checkers find a misspelt name or a wrong
type before anything runs; a test compares them with the layers. Pass options of your own layers by ``options={...}``, or pass layer values.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypedDict, runtime_checkable

from fq.core.duration import Duration
from fq.errors import Error
from fq.middleware.stack import Stack


@runtime_checkable
class Callback(Protocol):
    """An actor that accepts the two positional arguments of a callback: the message, and what happened to it."""

    @property
    def name(self) -> str:
        """See `Actor.name`."""
        ...

    def call(self, message: Any, said: Any, /) -> object:  # noqa: ANN401  # each kind of callback has another second argument
        """See `Actor.call`."""
        ...


class CallOptions(TypedDict, total=False):
    """
    The options of one call, which travel in its message.

    *queue* and *priority* say where and in which order it waits: lower is sooner. *options* adds entries of JSON values to the message; on an actor, a value
    that is not JSON stays with the actor, for layers that accept it. All others override fields of layers: see the classes in ``fq.layers``.
    """

    queue: str
    priority: int
    options: Mapping[str, object]
    max_retries: int | None
    min_backoff: Duration
    max_backoff: Duration
    time_limit: Duration | float
    max_age: Duration | None
    max_deliveries: int
    store_results: bool
    result_ttl: Duration
    pipe_ignore: bool
    on_success: "Callback | str | None"
    on_failure: "Callback | str | None"
    on_retry_exhausted: "Callback | str | None"
    group_ttl: Duration
    cancellable: bool
    notify_shutdown: bool


class Options(CallOptions, total=False):
    """
    The options of an actor: those of a call, and those that cannot travel in a message.

    *name* is the name of the actor, by default that of its function. *stack* is a function from stack to stack, applied last.
    """

    name: str
    stack: Callable[[Stack], Stack]
    interval: Duration
    retry_when: Callable[[int, Error], bool] | None
    throws: type[BaseException] | tuple[type[BaseException], ...]


NON_LAYER_OPTIONS = frozenset(("name", "queue", "priority", "options", "stack"))
"""Options that are not fields of a layer."""
