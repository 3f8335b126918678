"""`Callbacks`: other actors are told what came of a message."""

from collections.abc import Iterator

from attrs import field, frozen

from fq.core.derived_ids import child_id
from fq.core.fault import fault_data
from fq.core.message import ACTOR_DEFAULTS, Message
from fq.core.outcome import Dead, Enqueue, Outcome
from fq.errors import OptionError
from fq.layers.received import as_received
from fq.middleware.base import Step
from fq.middleware.options import Callback
from fq.wire.codec import as_json
from fq.workflows.group_results import with_group_values

_FIELDS = frozenset(as_json(Message(message_id="m", actor_name="a")))


class MessageData(dict[str, object]):
    """
    The message that a callback is told of, where the callback does not say by an annotation what it takes: a dict whose fields are attributes, too.

    >>> data = MessageData(message_id="m1", actor_name="add")
    >>> data["message_id"], data.actor_name
    ('m1', 'add')
    """

    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"a message has no field {name}") from None


def with_message_data(args: tuple[object, ...]) -> tuple[object, ...]:
    """Return *args*; where the first is a message as JSON, as `MessageData`."""
    first = args[0] if args else None
    return (MessageData(first), *args[1:]) if type(first) is dict and first.keys() >= _FIELDS else args


def _name(target: object) -> str | None:
    if isinstance(target, Callback):
        return target.name
    if target is None or (isinstance(target, str) and target):
        return target
    raise OptionError(f"found {target!r}, expected an actor or the name of one")


@frozen
class Callbacks(Step):
    """
    Actors that are called after a message, each by a message that is enqueued in the same commit.

    All get the message first: annotated so, as a `Message` or a dict; without an annotation as a dict whose fields are attributes, too.
    The place of the layer decides: outside Retries, the default, *on_failure* hears of the final failure; inside, of every attempt that
    failed. A name that no actor has makes the callback a dead letter, not the message.

    >>> from fq import Outcome, callbacks
    >>> from fq.testing import message
    >>> handle = callbacks(on_success="celebrate").wrap(lambda message: Outcome.success(3))
    >>> follow_up = handle(message("add", 1, 2)).effects[0].message
    >>> follow_up.actor_name, follow_up.args[0]["actor_name"], follow_up.args[1]
    ('celebrate', 'add', 3)

    Attributes:
        on_success: called with the message and its result.

        on_failure: called with the message and ``{"type": ..., "message": ...}`` of the error.

        on_retry_exhausted: called with the message and ``{"retries": ..., "max_retries": ...}`` when `Retries`, further inside, gave up.
    """

    on_success: str | None = field(default=None, converter=_name)
    on_failure: str | None = field(default=None, converter=_name)
    on_retry_exhausted: str | None = field(default=None, converter=_name)

    def idle(self) -> bool:
        return self.on_success is None

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Enqueue the callbacks that this outcome calls for."""
        if self.on_success is self.on_failure is self.on_retry_exhausted is None:
            return outcome
        sent = as_received(with_group_values(message))
        return outcome.also(*(_call(sent, kind, target, said) for kind, target, said in self.due(outcome) if target is not None))

    def due(self, outcome: Outcome) -> Iterator[tuple[str, str | None, object]]:
        """Return which callbacks *outcome* calls for: the option, the actor that it names, and what that is told besides the message."""
        if outcome.succeeded:
            yield "on_success", self.on_success, outcome.result.unwrap()
            return
        setback = outcome.result.failure()
        if isinstance(setback, Dead):
            yield "on_failure", self.on_failure, fault_data(setback.error)
            if setback.exhausted is not None:
                retries, max_retries = setback.exhausted
                yield "on_retry_exhausted", self.on_retry_exhausted, {"retries": retries, "max_retries": max_retries}


def _call(message: Message, kind: str, target: str, said: object) -> Enqueue:
    """Return the effect that calls *target*; its id counts the attempts, since inside Retries each of them has callbacks of its own."""
    return Enqueue(
        Message(
            message_id=child_id(message.message_id, kind, message.options.get("retries", 0)),
            actor_name=target,
            queue_name=ACTOR_DEFAULTS,
            args=(as_json(message), said),
            message_timestamp=message.received_at,
        )
    )


def callbacks(
    *,
    on_success: Callback | str | None = None,
    on_failure: Callback | str | None = None,
    on_retry_exhausted: Callback | str | None = None,
) -> Callbacks:
    """Return a `Callbacks` layer; each target is an actor or the name of one."""
    return Callbacks(on_success=on_success, on_failure=on_failure, on_retry_exhausted=on_retry_exhausted)
