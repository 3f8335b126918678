"""`MessageView`, a message as class-style middleware sees it: mutable. ``fq.class_style.deliveries`` keeps one for each delivery that is under way."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from fq.core.duration import Duration
from fq.core.fault import Fault
from fq.core.frozen import EMPTY, frozen_dict
from fq.core.message import Message, evolve_message
from fq.core.outcome import Retry
from fq.core.reserved_options import OWN, check_sent
from fq.layers.received import as_received
from fq.wire.codec import encode_value

if TYPE_CHECKING:
    from fq.class_style.broker_view import BrokerView, ResultsView

_REMOVED: Final = object()

FIELDS = ("queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp")


class MessageView:
    """
    Mutable: one delivery of a message, or one message on its way out, as the hooks see it. All hooks of a delivery get the same one.

    Any attribute may be set on it, to be found there by a later hook. What a hook writes into *options* goes into the message:
    it is seen further inside, survives retries and travels. What it writes into *args* or *kwargs* is what the actor is called with.

    Attributes:
        queue_name, actor_name, message_id, message_timestamp: as on ``fq.Message``.

        args, kwargs: JSON values.

        options: those of the message; and those of the actor that the middleware's ``actor_options`` name. After a failure also
            ``traceback``, and before a retry ``requeue_timestamp``, ms since the epoch. Both travel with the retry.
    """

    queue_name: str
    actor_name: str
    message_id: str
    message_timestamp: int

    def __init__(self, broker: "BrokerView", message: Message, defaults: Mapping[str, object] = EMPTY) -> None:
        self._broker = broker
        self._users = 0  # how many hold this view; see Deliveries
        self._exception: BaseException | None = None
        self._failed = self._dead = False
        self._passages = 0  # how many layers may still change the outcome; see Deliveries
        self._again: Retry | None = None
        self._noted: dict[str, object] = {}  # options that tell of the latest failure
        self._written: dict[str, object] = {}  # by hooks, into the options
        self._defaults = dict(defaults)
        self._shown: dict[str, object] = {}  # the options as they were before hooks could write into them
        self.options: dict[str, object] = {}
        self.show(message)

    def show(self, message: Message) -> None:
        """Show *message* from now on; where it and a hook have written the same option, *message* is right."""
        self._message = message
        self.queue_name, self.actor_name = message.queue_name, message.actor_name
        self.message_id, self.message_timestamp = message.message_id, message.message_timestamp
        self.args: tuple[object, ...] = message.args
        self.kwargs: dict[str, object] = _thawed_dict(message.kwargs)
        self._collect()
        self._written = {name: value for name, value in self._written.items() if message.options.get(name, _REMOVED) == value}
        self.options.clear()  # the same dict throughout, since hooks may have kept it
        self.options.update({**self._defaults, **_thawed_dict(message.options), **self._noted})
        self._shown = {**self._defaults, **message.options, **self._noted}

    def offer(self, defaults: Mapping[str, object]) -> None:
        """Show *defaults*, options of the actor, among the options, where the message itself does not say otherwise."""
        self._defaults.update(defaults)
        for options in (self._shown, self.options):
            options.update({name: value for name, value in defaults.items() if name not in options})

    def note(self, error: BaseException, requeued: bool) -> None:
        """Show among the options what Dramatiq's Retries writes there of *error*, which the actor or a layer raised."""
        if self._exception is not error:
            self._exception = error
            self._noted = {"traceback": Fault.of(error).traceback}
        if requeued and "requeue_timestamp" not in self._noted:
            self._noted["requeue_timestamp"] = time.time_ns() // 1_000_000
        for options in (self._shown, self.options):
            options.update(self._noted)

    def requeued(self, message: Message) -> Message:
        """Return *message*, the retry of this delivery, with what the hooks wrote into the options, and what is noted of the failure."""
        folded = self.fold(message)
        if self._exception is None or not self._noted:
            return folded
        self.note(self._exception, requeued=True)
        return folded.with_options(**self._noted)

    def put_back(self, message: Message) -> None:
        """Show *message*, which a hook has put back in the place of the one shown, exactly as the hook has sent it."""
        self._noted = {}
        self.show(message)

    def fold(self, message: Message) -> Message:
        """Return *message* with what the hooks wrote into the options of this view."""
        self._collect()
        if not self._written:
            return message
        kept = {name: value for name, value in self._written.items() if value is not _REMOVED or name not in OWN}
        check_sent({name: value for name, value in kept.items() if value is not _REMOVED})
        options = {name: value for name, value in {**message.options, **_thawed_dict(kept)}.items() if value is not _REMOVED}
        return message if options == message.options else evolve_message(message, options=frozen_dict(options))

    def folded(self) -> Message:
        """Return the message that is shown, with everything that the hooks have written."""
        message = self.fold(self._message)
        if self.args is not message.args or self.kwargs != message.kwargs:
            message = evolve_message(message, args=tuple(self.args), kwargs=frozen_dict(self.kwargs))
        return message

    def _collect(self) -> None:
        """Learn what the hooks have written."""
        if self.options == self._shown:
            return
        for name in self._shown.keys() | self.options.keys():
            value = self.options.get(name, _REMOVED)
            if self._shown.get(name, _REMOVED) != value:
                self._written[name] = value
                self._shown[name] = _thawed(value)

    @property
    def failed(self) -> bool:
        """Is the message, as far as is known by now, a dead letter?"""
        return self._failed or self._dead

    @failed.setter
    def failed(self, failed: bool) -> None:
        self._failed = failed

    @property
    def marked(self) -> bool:
        """Has a hook called `fail`?"""
        return self._failed

    def judge(self, dead: bool) -> None:
        """Take it that the message is a *dead* letter, or is not."""
        self._dead = dead

    def fail(self) -> None:
        """Make the message a dead letter: it is not run, if it has not been, and not retried."""
        self._failed = True

    def stuff_exception(self, exception: BaseException) -> None:
        """Keep the exception that the actor raised."""
        self._exception = exception

    def clear_exception(self) -> None:
        """Forget the exception, and with it all frames that it holds."""
        self._exception = None

    @property
    def message_datetime(self) -> datetime:
        """When the message was made, in UTC."""
        return datetime.fromtimestamp(self.message_timestamp / 1_000, UTC)

    def asdict(self) -> dict[str, object]:
        """Return the fields that a message of Dramatiq has, by name."""
        message = as_received(self.folded())
        fields: dict[str, object] = {name: getattr(message, name) for name in FIELDS}
        return {**fields, "kwargs": dict(message.kwargs), "options": {**message.options, **self._noted}}

    def encode(self) -> bytes:
        """Return these fields as JSON, which Dramatiq's ``Message.decode`` reads."""
        return encode_value(self.asdict(), self.actor_name)

    def copy(self, **changes: object) -> "MessageView":
        """Return a copy with *changes* of fields; ``options`` are added to those that are there."""
        message = self.folded()
        changes = whole_ms(changes)
        added = changes.pop("options", {})
        if isinstance(added, Mapping) and added:
            check_sent(added)
            message = message.with_options(**added)
        return MessageView(self._broker, evolve(message, **changes))  # type: ignore[arg-type]  # fields are checked by the message

    def get_result(self, *, backend: "ResultsView | None" = None, block: bool = False, timeout: Duration = 10_000) -> object:
        """
        Return what the actor returned; with *block*, wait up to *timeout* (ms or timedelta) for it.

        Raises:
            ResultError: see `Handle.get_result`.
        """
        return (backend or self._broker.get_results_backend()).get_result(self, block=block, timeout=timeout)

    def __getattr__(self, name: str) -> object:
        if name == "_message":  # not there yet
            raise AttributeError(name)
        return getattr(self._message, name)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Message):
            return self.folded() == other
        return self.folded() == other.folded() if isinstance(other, MessageView) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.message_id)

    def __str__(self) -> str:
        return str(self.folded())

    def __repr__(self) -> str:
        return f"MessageView({self.folded()!r})"


def whole_ms(fields: Mapping[str, object]) -> dict[str, Any]:
    """Return *fields* of a message with a whole number as its timestamp, where class-style code gave a float."""
    timestamp = fields.get("message_timestamp")
    return {**fields, "message_timestamp": round(timestamp)} if isinstance(timestamp, float) and isfinite(timestamp) else dict(fields)


def _thawed_dict(mapping: Mapping[str, object]) -> dict[str, object]:
    return {name: _thawed(value) for name, value in mapping.items()}


def _thawed(value: object) -> object:
    """Return a copy of a JSON value that may be changed without anybody else seeing it."""
    if isinstance(value, dict):
        return _thawed_dict(value)
    return [_thawed(item) for item in value] if isinstance(value, list) else value
