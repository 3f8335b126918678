"""
The options of actors and of single calls, as types.

An option is the name of a field of a layer; precedence is message, actor, stack. The records here exist for type checkers, so that a
misspelt name or a wrong type is found before anything runs; a test holds them against the layers. Options of your own
layers go through ``options={...}``, or come as layer values.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypedDict, runtime_checkable

from fq.core.duration import Duration
from fq.errors import Error
from fq.middleware.stack import Stack


@runtime_checkable
class Callback(Protocol):
    """An actor that can be called with two positional arguments, such as `Callbacks` has for it."""

    @property
    def name(self) -> str:
        """See `Actor.name`."""
        ...

    def call(self, message: Any, said: Any, /) -> object:  # noqa: ANN401  # each kind of callback says something else
        """See `Actor.call`."""
        ...


class CallOptions(TypedDict, total=False):
    """
    What may be said of one call, and travels in its message.

    *queue* and *priority* say where and in which order it waits (lower is sooner); *options* adds open entries of JSON values to the message; on an actor,
    a value that is no JSON stays with the actor, for the layers that take the option. The rest overrides fields of layers: see their classes in ``fq.layers``.
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
    What may be said of an actor: all that may be said of one call, and what cannot travel.

    *name* is the actor's name, that of its function unless given; *stack* is any function from stack to stack, and comes last.
    """

    name: str
    stack: Callable[[Stack], Stack]
    interval: Duration
    retry_when: Callable[[int, Error], bool] | None
    throws: type[BaseException] | tuple[type[BaseException], ...]


NON_LAYER_OPTIONS = frozenset(("name", "queue", "priority", "options", "stack"))
"""Options that are not fields of a layer."""
