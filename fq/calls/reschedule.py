"""`reschedule`: gives a message that waits another time or priority. `Timing` says which."""

from attrs import Attribute, field, frozen

from fq.brokers.browsing import Entry
from fq.brokers.protocol import Broker
from fq.brokers.records import EnqueueOp
from fq.core.message import evolve_message
from fq.errors import DecodeError, OptionError
from fq.wire.codec import decode, encode

MAX_ATTEMPTS = 5
"""How often a message that changes meanwhile is looked at again."""


def _whole_number(_: object, attribute: "Attribute[int | None]", value: object) -> None:
    if value is not None and type(value) is not int:
        raise OptionError(f"{attribute.name}: found {value!r}, expected a whole number; lower runs sooner")


@frozen
class Timing:
    """
    The new time and priority of a message; None leaves one as it is.

    *delay* is in ms from now, *due* in ms since the epoch on the broker's clock. A time that is past means now.
    """

    delay: int | None = None
    due: int | None = None
    priority: int | None = field(default=None, validator=_whole_number)

    def __attrs_post_init__(self) -> None:
        if self.delay is not None and self.due is not None:
            raise OptionError("found both a delay and a time, expected one of them")
        if self.delay is self.due is self.priority is None:
            raise OptionError("found nothing to change, expected a delay, a time (at) or a priority")

    def delay_at(self, now: int, due: int) -> int:
        """Return the delay at the time *now* of a message that is *due* then, or is ready."""
        if self.delay is not None:
            return self.delay
        return max(0, (due if self.due is None else self.due) - now)


def reschedule(broker: Broker, message_id: str, timing: Timing) -> bool:
    """Give the message *message_id* another *timing* if it waits, and return whether it did."""
    for _ in range(MAX_ATTEMPTS):
        entry = broker.peek(message_id)
        if entry is None or entry.status.state not in ("ready", "delayed"):
            return False
        if broker.replace(rescheduled(entry, timing, broker.now()), expected=entry.body):
            return True
    return False


def rescheduled(entry: Entry, timing: Timing, now: int) -> EnqueueOp:
    """Return what replaces the message *entry*: the same with another *timing*, from the time *now* on. Its own priority changes, so that retries keep it."""
    status, priority = entry.status, entry.priority if timing.priority is None else timing.priority
    return EnqueueOp(
        status.message_id,
        status.queue_name,
        status.actor_name,
        priority,
        timing.delay_at(now, status.due),
        entry.body if timing.priority is None else with_priority(entry.body, priority),
    )


def with_priority(body: bytes, priority: int) -> bytes:
    """Return *body*, an encoded message, with *priority*; bytes that are no message stay as they are."""
    try:
        return encode(evolve_message(decode(body), priority=priority))
    except DecodeError:
        return body
