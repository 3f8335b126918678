"""
`MessageView`, a message as class-style middleware sees it, and `BrokerPort`, what such a view needs of its broker.

``fq.class_style.deliveries`` keeps one view for each delivery in progress.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import evolve

from fq.calls.handle import DEFAULT_RESULT_TIMEOUT_MS
from fq.core.duration import Duration
from fq.core.fault import Fault
from fq.core.frozen import EMPTY, frozen_dict
from fq.core.message import Message, evolve_message
from fq.core.outcome import Retry
from fq.core.reserved_options import RESERVED, check_message_options
from fq.layers.received import as_received
from fq.wire.codec import encode_value

if TYPE_CHECKING:
    from fq.app.app import App

_REMOVED: Final = object()

FIELDS = ("queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp")


class ResultsPort(Protocol):
    """Reads results: the part of `ResultsView` that a message view calls."""

    def get_result(self, message: "MessageView", *, block: bool = False, timeout: Duration | None = None) -> object: ...


class BrokerPort(Protocol):
    """The part of `BrokerView` that views of messages and actors call. `BrokerView` itself is made of these views."""

    @property
    def app(self) -> "App": ...

    def enqueue(self, message: object, *, delay: Duration | None = None) -> "MessageView": ...

    def get_results_backend(self) -> ResultsPort: ...


class MessageView:
    """
    Mutable: one delivery of a message, or one message that is being sent, as the hooks see it. All hooks of a delivery share one view.

    A hook may set any attribute on it; later hooks find the attribute there. A change to *options* is a change to the message: inner layers
    see it, retries keep it, and it is sent along. The actor is called with *args* and *kwargs* as the hooks leave them.

    Attributes:
        queue_name, actor_name, message_id, message_timestamp: as on ``fq.Message``.

        args, kwargs: JSON values.

        options: the options of the message, and the options of the actor that the middleware names in ``actor_options``. After a failure
            also ``traceback``, and before a retry ``requeue_timestamp``, ms since the epoch. The retry carries both.
    """

    queue_name: str
    actor_name: str
    message_id: str
    message_timestamp: int

    def __init__(self, broker: BrokerPort, message: Message, defaults: Mapping[str, object] = EMPTY) -> None:
        self._broker = broker
        self._users = 0  # layers that hold this view; see Deliveries
        self._exception: BaseException | None = None
        self._failed = self._dead = False
        self._open_runs = 0  # layers that may still change the outcome; see Deliveries
        self._replacement: Retry | None = None
        self._failure_options: dict[str, object] = {}  # options that describe the latest failure
        self._changes: dict[str, object] = {}  # options that hooks have written
        self._defaults = dict(defaults)
        self._baseline: dict[str, object] = {}  # the options before any hook could write into them
        self.options: dict[str, object] = {}
        self.refresh(message)

    def refresh(self, message: Message) -> None:
        """Show *message* from now on. Where *message* and a hook set the same option, *message* has precedence."""
        self._message = message
        self.queue_name, self.actor_name = message.queue_name, message.actor_name
        self.message_id, self.message_timestamp = message.message_id, message.message_timestamp
        self.args: tuple[object, ...] = message.args
        self.kwargs: dict[str, object] = _mutable_dict(message.kwargs)
        self._collect_changes()
        self._changes = {name: value for name, value in self._changes.items() if message.options.get(name, _REMOVED) == value}
        self.options.clear()  # always the same dict: hooks may keep a reference to it
        self.options.update({**self._defaults, **_mutable_dict(message.options), **self._failure_options})
        self._baseline = {**self._defaults, **message.options, **self._failure_options}

    def add_defaults(self, defaults: Mapping[str, object]) -> None:
        """Add *defaults*, options of the actor, to the options that the message does not set itself."""
        self._defaults.update(defaults)
        for options in (self._baseline, self.options):
            options.update({name: value for name, value in defaults.items() if name not in options})

    def record_failure(self, error: BaseException, requeued: bool) -> None:
        """Add to the options what Dramatiq's Retries writes there about *error*, which the actor or a layer raised."""
        if self._exception is not error:
            self._exception = error
            self._failure_options = {"traceback": Fault.of(error).traceback}
        if requeued and "requeue_timestamp" not in self._failure_options:
            self._failure_options["requeue_timestamp"] = time.time_ns() // 1_000_000
        for options in (self._baseline, self.options):
            options.update(self._failure_options)

    def as_retry(self, message: Message) -> Message:
        """Return *message*, the retry of this delivery, with the changes of the hooks and the options that describe the failure."""
        changed = self.apply_changes(message)
        if self._exception is None or not self._failure_options:
            return changed
        self.record_failure(self._exception, requeued=True)
        return changed.with_options(**self._failure_options)

    def put_back(self, message: Message) -> None:
        """Show *message*, which a hook has put back instead of the current one, exactly as the hook sent it."""
        self._failure_options = {}
        self.refresh(message)

    def apply_changes(self, message: Message) -> Message:
        """Return *message* with the changes that the hooks made to the options of this view."""
        self._collect_changes()
        if not self._changes:
            return message
        kept = {name: value for name, value in self._changes.items() if value is not _REMOVED or name not in RESERVED}
        check_message_options({name: value for name, value in kept.items() if value is not _REMOVED})
        options = {name: value for name, value in {**message.options, **_mutable_dict(kept)}.items() if value is not _REMOVED}
        return message if options == message.options else evolve_message(message, options=frozen_dict(options))

    def to_message(self) -> Message:
        """Return the message of this view, with all changes of the hooks."""
        message = self.apply_changes(self._message)
        if self.args is not message.args or self.kwargs != message.kwargs:
            message = evolve_message(message, args=tuple(self.args), kwargs=frozen_dict(self.kwargs))
        return message

    def _collect_changes(self) -> None:
        """Record the changes that hooks have made to the options."""
        if self.options == self._baseline:
            return
        for name in self._baseline.keys() | self.options.keys():
            value = self.options.get(name, _REMOVED)
            if self._baseline.get(name, _REMOVED) != value:
                self._changes[name] = value
                self._baseline[name] = _mutable_copy(value)

    @property
    def failed(self) -> bool:
        """Is the message a dead letter, as far as is known now?"""
        return self._failed or self._dead

    @failed.setter
    def failed(self, failed: bool) -> None:
        self._failed = failed

    @property
    def failed_by_hook(self) -> bool:
        """Has a hook called `fail`?"""
        return self._failed

    def set_dead(self, dead: bool) -> None:
        """Record whether the message becomes a dead letter."""
        self._dead = dead

    def fail(self) -> None:
        """Make the message a dead letter: it is not run, unless it has run already, and not retried."""
        self._failed = True

    def stuff_exception(self, exception: BaseException) -> None:
        """Store the exception that the actor raised."""
        self._exception = exception

    def clear_exception(self) -> None:
        """Drop the exception, and with it the frames that it holds."""
        self._exception = None

    @property
    def message_datetime(self) -> datetime:
        """When the message was made, in UTC."""
        return datetime.fromtimestamp(self.message_timestamp / 1_000, UTC)

    def asdict(self) -> dict[str, object]:
        """Return the fields that a Dramatiq message has, by name."""
        message = as_received(self.to_message())
        fields: dict[str, object] = {name: getattr(message, name) for name in FIELDS}
        return {**fields, "kwargs": dict(message.kwargs), "options": {**message.options, **self._failure_options}}

    def encode(self) -> bytes:
        """Return these fields as JSON, as Dramatiq's ``Message.decode`` reads it."""
        return encode_value(self.asdict(), self.actor_name)

    def copy(self, **changes: object) -> "MessageView":
        """Return a copy with *changes* of fields; ``options`` are merged into the existing ones."""
        message = self.to_message()
        changes = whole_ms(changes)
        added = changes.pop("options", {})
        if isinstance(added, Mapping) and added:
            check_message_options(added)
            message = message.with_options(**added)
        return MessageView(self._broker, evolve(message, **changes))  # type: ignore[arg-type]  # fields are checked by the message

    def get_result(
        self, *, backend: ResultsPort | None = None, block: bool = False, timeout: Duration = DEFAULT_RESULT_TIMEOUT_MS
    ) -> object:
        """
        Return what the actor returned; with *block*, wait up to *timeout* (ms or timedelta) for it.

        Raises:
            ResultError: see `Handle.get_result`.
        """
        return (backend or self._broker.get_results_backend()).get_result(self, block=block, timeout=timeout)

    def __getattr__(self, name: str) -> object:
        if name == "_message":  # not set yet
            raise AttributeError(name)
        return getattr(self._message, name)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Message):
            return self.to_message() == other
        return self.to_message() == other.to_message() if isinstance(other, MessageView) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.message_id)

    def __str__(self) -> str:
        return str(self.to_message())

    def __repr__(self) -> str:
        return f"MessageView({self.to_message()!r})"


def whole_ms(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return *fields* of a message, with a float timestamp, as class-style code may give, rounded to an integer."""
    timestamp = fields.get("message_timestamp")
    return {**fields, "message_timestamp": round(timestamp)} if isinstance(timestamp, float) and isfinite(timestamp) else dict(fields)


def _mutable_dict(mapping: Mapping[str, object]) -> dict[str, object]:
    return {name: _mutable_copy(value) for name, value in mapping.items()}


def _mutable_copy(value: object) -> object:
    """Return a deep copy of a JSON value, which a hook may change."""
    if isinstance(value, dict):
        return _mutable_dict(value)
    return [_mutable_copy(item) for item in value] if isinstance(value, list) else value
