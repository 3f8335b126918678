"""`Callbacks`: other actors get a message and its result, or its error."""

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
    A message as a dict whose fields are attributes, too. A callback whose first parameter has no annotation gets this.

    >>> data = MessageData(message_id="m1", actor_name="add")
    >>> data["message_id"], data.actor_name
    ('m1', 'add')
    """

    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"found no field {name} in a message, expected one of {', '.join(self)}") from None


def with_message_data(args: tuple[object, ...]) -> tuple[object, ...]:
    """Return *args*. If the first is a message as JSON, make it `MessageData`."""
    first = args[0] if args else None
    return (MessageData(first), *args[1:]) if type(first) is dict and first.keys() >= _FIELDS else args


def _name(target: object) -> str | None:
    if isinstance(target, Callback):
        return target.name
    if target is None or (isinstance(target, str) and target):
        return target
    raise OptionError(f"found {target!r}, expected an actor, or the name of an actor")


@frozen
class Callbacks(Step):
    """
    Calls other actors when a message has succeeded or failed. The commit of the outcome enqueues the call.

    The first argument of a callback is the message: a `Message` or a dict, as its annotation says, or `MessageData` without one. Outside Retries,
    the default, *on_failure* is called for the final failure; inside Retries, for each failed attempt. If no actor has the name of a callback, the
    callback becomes a dead letter, and the message is not affected.

    >>> from fq import Outcome, callbacks
    >>> from fq.testing import message
    >>> handle = callbacks(on_success="celebrate").wrap(lambda message: Outcome.success(3))
    >>> follow_up = handle(message("add", 1, 2)).effects[0].message
    >>> follow_up.actor_name, follow_up.args[0]["actor_name"], follow_up.args[1]
    ('celebrate', 'add', 3)

    Attributes:
        on_success: an actor, or its name; called with the message and its result.

        on_failure: the same; called with the message and ``{"type": ..., "message": ...}`` of the error.

        on_retry_exhausted: the same; called with the message and ``{"retries": ..., "max_retries": ...}`` when no retries are left.
    """

    on_success: str | None = field(default=None, converter=_name)
    on_failure: str | None = field(default=None, converter=_name)
    on_retry_exhausted: str | None = field(default=None, converter=_name)

    def idle(self) -> bool:
        return self.on_success is None

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Enqueue the callbacks of *outcome*."""
        if self.on_success is self.on_failure is self.on_retry_exhausted is None:
            return outcome
        sent = as_received(with_group_values(message))
        return outcome.also(
            *(_call(sent, kind, target, value) for kind, target, value in self.due_callbacks(outcome) if target is not None)
        )

    def due_callbacks(self, outcome: Outcome) -> Iterator[tuple[str, str | None, object]]:
        """Yield, for each callback of *outcome*, its option, the name of the actor in it, and the second argument."""
        if outcome.succeeded:
            yield "on_success", self.on_success, outcome.result.unwrap()
            return
        setback = outcome.result.failure()
        if isinstance(setback, Dead):
            yield "on_failure", self.on_failure, fault_data(setback.error)
            if setback.exhausted is not None:
                retries, max_retries = setback.exhausted
                yield "on_retry_exhausted", self.on_retry_exhausted, {"retries": retries, "max_retries": max_retries}


def _call(message: Message, kind: str, target: str, value: object) -> Enqueue:
    """Return the effect that calls *target*. Its id contains the number of retries: inside Retries, each attempt has its own callbacks."""
    return Enqueue(
        Message(
            message_id=child_id(message.message_id, kind, message.options.get("retries", 0)),
            actor_name=target,
            queue_name=ACTOR_DEFAULTS,
            args=(as_json(message), value),
            message_timestamp=message.received_at,
        )
    )


def callbacks(
    *,
    on_success: Callback | str | None = None,
    on_failure: Callback | str | None = None,
    on_retry_exhausted: Callback | str | None = None,
) -> Callbacks:
    """Return a `Callbacks` layer. Each callback is an actor, or the name of an actor."""
    return Callbacks(on_success=on_success, on_failure=on_failure, on_retry_exhausted=on_retry_exhausted)
