"""
The options of actors and of single calls, as types.

An option is the name of a field of a layer; precedence is message, actor, stack. The records here let type checkers find a misspelt name or a wrong
type before anything runs; a test compares them with the layers. Pass options of your own layers by ``options={...}``, or pass layer values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

from fq.core.duration import Duration
from fq.core.message import Message
from fq.core.shown_call import Redact
from fq.core.uniqueness import OnConflict, Until
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
    that is not JSON stays with the actor, for layers that accept it. *tags* are short texts by which `App.messages` finds the message; those of a call replace
    those of the actor. All others override fields of layers: see the classes in ``fq.layers``.
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
    follow_sends: bool
    notify_shutdown: bool
    tags: Sequence[str]
    ttl: Duration
    count: int
    failures: Literal["always", "only", "sampled"]
    sample: int
    by: Sequence[str] | str | Callable[[Message], str] | None
    across: str
    until: Until
    window: Duration
    on_conflict: OnConflict
    max_wait: Duration


class Options(CallOptions, total=False):
    """
    The options of an actor: those of a call, and those that cannot travel in a message.

    *name* is the name of the actor, by default that of its function. *stack* is a function from stack to stack, applied last. *redact* says how logs show the
    arguments of its messages (see `fq.core.shown_call.Redact`); by default, as the app says.
    """

    name: str
    stack: Callable[[Stack], Stack]
    interval: Duration
    retry_when: Callable[[int, Error], bool] | None
    throws: type[BaseException] | tuple[type[BaseException], ...]
    redact: Redact | None


NON_LAYER_OPTIONS = frozenset(("name", "queue", "priority", "options", "redact", "stack", "tags"))
"""Options that are not fields of a layer."""
