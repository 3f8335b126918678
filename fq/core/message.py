"""`Message`, the immutable record of one call, and `Key`, a typed slot in its options. Continue with ``fq.core.outcome``."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeAlias, TypeVar, cast

from attrs import Attribute, field, frozen, validators

from fq.core.frozen import EMPTY, frozen_dict, unchecked_constructor
from fq.errors import OptionError

T = TypeVar("T")


def _as_tuple(values: Iterable[object]) -> tuple[object, ...]:
    return tuple(values)


def _whole_number(_: object, attribute: "Attribute[int]", value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        meant = f": write round({value!r})" if isinstance(value, float) else ""
        raise OptionError(f"{attribute.name}: found {value!r}, expected a whole number, as the wire form has it{meant}")


@frozen(kw_only=True, weakref_slot=False)
class Message:
    """
    One call of an actor, as it travels.

    >>> message = Message(message_id="m1", actor_name="add", args=(1, 2))
    >>> message.with_options(retries=1).options
    {'retries': 1}

    Attributes:
        message_id: its identity, which retries keep.

        actor_name: the actor that it is for.

        queue_name: the queue in which it waits.

        args, kwargs: the arguments of the call, as JSON values.

        options: an open mapping of JSON values that travels with the message and survives retries. An option with the name of a field of a layer overrides
            that field for this message alone. ``retries`` counts the retries so far. Tracers put their headers here.

        message_timestamp: when it was made, ms since the epoch.

        priority: lower runs sooner.

        received_at: when it was claimed, ms since the epoch on the broker's clock. Never encoded.

        deliveries: how often it was claimed since its last outcome, this time included. Never encoded.

        interrupted: why the previous delivery was interrupted; ``""`` if it was not. Never encoded.

        time_limit: how long this delivery may run, ms. `TimeLimit` sets it, the worker enforces it. Never encoded.

        extra: fields of the wire form that this version does not know. They are kept for newer versions.

        origin: *args*, *kwargs* and *options* as they were received, and their bytes. Never encoded. See ``fq.layers.received.as_received``.

    No field can be set. *args* is a tuple; *kwargs* and *options* refuse changes. A list or a dict *inside* of them is an ordinary one: the rest of this
    delivery sees what the actor changes in it, but a retry or a callback gets what was sent.
    """

    message_id: str = field(validator=validators.min_len(1))
    actor_name: str = field(validator=validators.min_len(1))
    queue_name: str = "default"
    args: tuple[object, ...] = field(default=(), converter=_as_tuple)
    kwargs: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict)
    options: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict)
    message_timestamp: int = field(default=0, validator=_whole_number)
    priority: int = field(default=0, validator=_whole_number)
    received_at: int = field(default=0)
    deliveries: int = 1
    interrupted: str = ""
    time_limit: float = float("inf")
    extra: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict)
    origin: "Origin | None" = field(default=None, eq=False, repr=False)

    def __hash__(self) -> int:
        return hash(self.message_id)

    def __str__(self) -> str:
        """Return the call as text: ``add(1, k=2)``; or ``add(...)`` if the arguments nest too deeply to show."""
        try:
            arguments = [repr(value) for value in self.args] + [f"{name}={value!r}" for name, value in self.kwargs.items()]
        except RecursionError:
            return f"{self.actor_name}(...)"
        return f"{self.actor_name}({', '.join(arguments)})"

    def with_options(self, **options: object) -> "Message":
        """Return this message with *options* added; they replace those of the same name."""
        return evolve_message(self, options=frozen_dict({**self.options, **options}))

    def without_options(self, *names: str) -> "Message":
        """Return this message without the options called *names*."""
        return evolve_message(self, options=frozen_dict({k: v for k, v in self.options.items() if k not in names}))


Options: TypeAlias = Mapping[str, object]
Origin: TypeAlias = tuple[tuple[object, ...], Options, Options, bytes]

new_message = cast(
    "Callable[[str, str, str, tuple[object, ...], Options, Options, int, int, int, int, str, float, Options, Origin | None], Message]",
    unchecked_constructor(Message),
)
"""`Message` by position, for the hot path; the values are not checked."""


def evolve_message(message: Message, **changes: object) -> Message:
    """Return *message* with *changes*: `attrs.evolve` for the hot path, four times as fast; the values are not checked."""
    changed = with_time_limit(message, message.time_limit)
    for name, value in changes.items():
        object.__setattr__(changed, name, value)
    return changed


def with_time_limit(message: Message, time_limit: float) -> Message:
    """Return *message* with *time_limit*."""
    return new_message(
        message.message_id,
        message.actor_name,
        message.queue_name,
        message.args,
        message.kwargs,
        message.options,
        message.message_timestamp,
        message.priority,
        message.received_at,
        message.deliveries,
        message.interrupted,
        time_limit,
        message.extra,
        message.origin,
    )


@frozen
class Key(Generic[T]):
    """
    A typed slot in a message's options.

    >>> attempts = Key("attempts", int, 0)
    >>> message = attempts.set(Message(message_id="m1", actor_name="add"), 2)
    >>> attempts.get(message)
    2

    A value of another type raises `OptionError`; only a foreign producer can have put it there.
    """

    name: str
    kind: type[T]
    default: T

    def get(self, message: Message) -> T:
        """Return the value in *message*, or the default."""
        value = message.options.get(self.name, self.default)
        if value is self.default or type(value) is self.kind or isinstance(value, self.kind):
            return value  # pyright: ignore[reportReturnType]  # it has the type *kind*, or is the default
        raise OptionError(f"option {self.name} of message {message.message_id}: found {value!r}, expected {self.kind.__name__}")

    def set(self, message: Message, value: T) -> Message:
        """Return *message* with *value* in this slot."""
        return message.with_options(**{self.name: value})


TIME_LIMIT = "time_limit"
CANCELLED = "cancelled"
"""Values of `Message.interrupted`: the process was killed to enforce the time limit; the message was cancelled."""

RETRIES = Key("retries", int, 0)

ACTOR_DEFAULTS = ""
"""As `queue_name` of a message to send: the app fills in the queue, priority and options of the actor."""
