"""`Unique`: of the messages with one key, one at a time is sent. The key itself is in ``fq.core.uniqueness``."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Self, TypeAlias, cast

from attrs import evolve, field, frozen

from fq.core.duration import Duration, to_ms
from fq.core.frozen import frozen_dict
from fq.core.message import Message, evolve_message
from fq.core.outcome import Enqueue
from fq.core.reserved_options import UNIQUE
from fq.core.uniqueness import OnConflict, Uniqueness, Until, digest_key
from fq.errors import OptionError
from fq.middleware.base import Middleware
from fq.wire.signature import Signature

By: TypeAlias = Sequence[str] | str | Callable[[Message], str] | None
"""What the key of a message is made of: names of parameters, a text, a function of the message, or None for all arguments."""


def _by(value: object) -> By:
    if value is None or callable(value) or (isinstance(value, str) and value):
        return cast(By, value)
    if isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise OptionError(f"found {value!r}, expected a tuple of names of parameters, a text, or a function of the message that returns one")


@frozen(kw_only=True)
class Unique(Middleware):
    """
    While a message waits or runs, no other one with the same key is sent.

    The send takes the key, and the commit of the final outcome frees it, in the same step. So a worker that crashes cannot keep it, and retries do not
    lose it. `send` returns a handle on the message that holds the key; see `Handle.is_duplicate`. To let messages wait for each other instead, use
    `ConcurrencyLimit`.

    >>> from fq import App, unique
    >>> app = App("memory://")
    >>> @app.actor(unique(by=("account",)))
    ... def sync(account: int, reason: str = "") -> int:
    ...     return account
    >>> first, second, other = sync.send(7), sync.send(7, "webhook"), sync.send(8)
    >>> second.is_duplicate, second.message_id == first.message_id, other.is_duplicate
    (True, True, False)
    >>> app.run_until_idle()
    2

    Attributes:
        by: what the key is made of, beside *across*: names of parameters, a text, or a function of the message that returns a text. Default: all
            arguments, defaults included.

        across: a name that several actors may share, so that their messages share keys. Default: the name of the actor.

        until: when the message frees the key: ``"start"``, when a worker claims it, or ``"end"``, at its final outcome: done, dead, dropped, cancelled,
            discarded or purged. Default: ``"end"``.

        window: the key is held for at least this long after the send, ms, whatever becomes of the message. Default: 0.

        on_conflict: what a send does while another message holds the key. ``"keep"``: nothing. ``"raise"``: it raises `Duplicate`. ``"replace"``: it
            puts the arguments, priority and delay of the new message in the place of the one that waits; one that runs stays as it is. ``"after"``:
            the same, but if the first has begun, the new one runs when that ends, or waits for this as the latest one. Default: ``"keep"``.

        max_wait: with ``"replace"``: a message waits no longer than this after its first send, ms. Default: 0, no limit.
    """

    by: By = field(default=None, converter=_by)
    across: str = ""
    until: Until = "end"
    window: int = field(default=0, converter=to_ms)
    on_conflict: OnConflict = "keep"
    max_wait: int = field(default=0, converter=to_ms)
    signature: Signature | None = field(default=None, eq=False, repr=False)  # of the actor that the layer is on

    not_options: ClassVar[frozenset[str]] = frozenset(("signature",))

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.across, str):
            raise OptionError(f"across: found {self.across!r}, expected a name")
        self.with_key("key")  # raises if the fields do not go together
        if self.signature is not None:
            _check_names(self.by, self.signature)

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """Return the fields, without that which fq sets."""
        return super().option_names() - cls.not_options

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Give the message its key, unless it has one: a retry, or a call that was given one."""
        message = enqueue.message
        if UNIQUE in message.options:
            return enqueue
        layer = self.with_options(message.options)
        option = layer.with_key(layer.key_of(message)).as_json()
        return evolve(enqueue, message=evolve_message(message, options=frozen_dict({**message.options, UNIQUE: option})))

    def key_of(self, message: Message) -> str:
        """Return the key of *message*."""
        scope = self.across or message.actor_name
        if callable(self.by):
            return f"{scope}:{_text(self.by, message)}"
        if isinstance(self.by, str):
            return f"{scope}:{self.by}"
        if self.signature is None:
            values: Mapping[str, object] = {"*": message.args, **message.kwargs} if message.args else message.kwargs
        else:
            values = self.signature.by_name(message.args, message.kwargs)
        return digest_key(scope, values if self.by is None else _chosen(values, self.by, message.actor_name))

    def with_key(self, key: str) -> Uniqueness:
        """Return *key* with the terms of this layer."""
        return Uniqueness(key, self.until, self.window, self.on_conflict, self.max_wait)

    def on_actor(self, signature: Signature) -> Self:
        """
        Return this layer for an actor with *signature*.

        Raises:
            OptionError: *by* names a parameter that the actor does not have.
        """
        return evolve(self, signature=signature)


def _text(by: Callable[[Message], str], message: Message) -> str:
    found = by(message)
    if not isinstance(found, str) or not found:
        raise OptionError(f"by: {by!r} returned {found!r} for a call of {message.actor_name}, expected a text that is not empty")
    return found


def _chosen(values: Mapping[str, object], names: Sequence[str], actor_name: str) -> dict[str, object]:
    if missing := [name for name in names if name not in values]:
        raise OptionError(f"by: a call of {actor_name} has no argument {missing[0]}, expected one: the unique key is made of it")
    return {name: values[name] for name in names}


def _check_names(by: By, signature: Signature) -> None:
    """Raise `OptionError` if *by* names no parameter of *signature*, or is a text that looks like the name of one."""
    known = signature.parameter_kinds
    if isinstance(by, str) and by in known:
        raise OptionError(f"by={by!r} is one text for all calls, and {by} is a parameter: write by=({by!r},) for a key of its value")
    if isinstance(by, tuple):
        for name in by:
            if name not in known and not signature.takes_any_name:
                raise OptionError(f"by: found {name!r}, expected a parameter: one of {', '.join(known) or 'none, the actor has none'}")


def unique(
    *,
    by: By = None,
    across: str = "",
    until: Until = "end",
    window: Duration = 0,
    on_conflict: OnConflict = "keep",
    max_wait: Duration = 0,
) -> Unique:
    """Return a `Unique` layer. Durations: ms or timedelta."""
    return Unique(by=by, across=across, until=until, window=window, on_conflict=on_conflict, max_wait=max_wait)
