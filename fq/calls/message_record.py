"""`MessageRecord`: what is known of one message, whether it waits, runs, is dead or has ended. `find_record` finds one; ``fq.app.history`` lists them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Literal, TypeAlias, cast

from attrs import evolve, field, frozen

from fq.brokers.browsing import Entry
from fq.brokers.operations import Mark, finished_key
from fq.brokers.protocol import Broker
from fq.calls.reading_progress import with_progress
from fq.core.attempts import Attempt, attempts_of
from fq.core.fault import Fault
from fq.core.frozen import EMPTY, frozen_dict
from fq.core.message import Message
from fq.core.progress import Progress
from fq.core.reserved_options import FIRST_DELAY, PARENT, ROOT, TAGS
from fq.errors import DecodeError
from fq.wire.codec import decode
from fq.wire.json import loads
from fq.wire.progress import progress_from

MessageState: TypeAlias = Literal["ready", "delayed", "retrying", "running", "dead", "finished"]
"""``"delayed"`` messages wait for their time, ``"retrying"`` ones are those among them that have failed before; ``"finished"`` ones have a record."""

MessageOutcome: TypeAlias = Literal["", "success", "dead", "dropped", "cancelled", "expired"]
"""What a message came to: ``"dropped"`` by `SkipMessage`, ``"expired"`` by its `max_age`; ``""`` if it has not ended."""


@frozen(kw_only=True)
class MessageRecord:
    """
    What is known of a message.

    Attributes:
        message_id, actor_name, queue_name, priority: those of the message.

        state: where it is. A dead letter of which a record is kept is ``"finished"``, with the outcome ``"dead"``.

        outcome: what it came to.

        reason: why it was dropped.

        args, kwargs: its arguments, as JSON values. *left_out* says why they are missing: ``"redacted"``, ``"too large"`` or ``"unreadable"``.

        tags: its tags.

        made_at, ready_at: when it was made, and when it was first ready, ms since the epoch on the broker's clock.

        since: when it came into its state, or, if delayed, when it will be ready.

        attempts: its runs, the first 5 and the latest 10. Only the layer `Keep` notes them.

        error: the latest error, with the traceback as far as it is kept.

        worker, deliveries: who runs it now, and how often it was claimed since its last outcome.

        has_result: was a result stored? `Handle.get` reads it while it is kept.

        parent_id: the message or group that it follows, as a callback or a step; ``""`` if it was sent, or `Keep` does not keep what it follows.

        root_id: the message or workflow that all of it began with.

        progress: what the running actor has told; once the message has ended, the latest of the last attempt.
    """

    message_id: str
    state: MessageState
    actor_name: str
    queue_name: str
    priority: int = 0
    outcome: MessageOutcome = ""
    reason: str = ""
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default=EMPTY, converter=frozen_dict)
    left_out: str = ""
    tags: tuple[str, ...] = ()
    made_at: int = 0
    ready_at: int = 0
    since: int = 0
    attempts: tuple[Attempt, ...] = ()
    error: Fault | None = None
    worker: str = ""
    deliveries: int = 0
    has_result: bool = False
    parent_id: str = ""
    root_id: str = ""
    progress: Progress | None = None

    @property
    def started_at(self) -> int:
        """When it first ran, ms since the epoch on the broker's clock; 0 if it has not, or that is not known."""
        return next((attempt.started for attempt in self.attempts if attempt.started), 0)

    @property
    def took(self) -> int:
        """How long it ran, all attempts that are kept together, ms."""
        return sum(attempt.took for attempt in self.attempts)


def find_record(broker: Broker, message_id: str) -> MessageRecord | None:
    """Return what *broker* knows of a message; None if it knows nothing, or only that the message has ended."""
    entry = broker.peek(message_id)
    if entry is not None and entry.status.state != "dead":
        return evolve(record_of_entry(entry), progress=with_progress(broker, entry.status).progress)
    key = finished_key(message_id)
    kept = record_of_mark(mark, message_id) if (mark := broker.marks([key]).get(key)) else None
    return kept or (None if entry is None else record_of_entry(entry))


def record_of_entry(entry: Entry) -> MessageRecord:
    """Return the record of a message that has not ended, or of a dead letter."""
    status = entry.status
    state = "retrying" if status.state == "delayed" and status.fault is not None else status.state
    known: dict[str, object] = {"left_out": "unreadable"}
    with suppress(DecodeError):
        known = _of_message(decode(entry.body))
    return MessageRecord(
        message_id=status.message_id,
        state=cast(MessageState, state),
        actor_name=status.actor_name,
        queue_name=status.queue_name,
        priority=entry.priority,
        since=entry.since,
        error=status.fault,
        worker=status.worker,
        deliveries=status.deliveries,
        **known,  # type: ignore[arg-type]  # by name, as `_of_message` has them
    )


def _of_message(message: Message) -> dict[str, object]:
    options = message.options
    made, delay = message.message_timestamp, options.get(FIRST_DELAY, 0)
    return {
        "args": message.args,
        "kwargs": message.kwargs,
        "tags": _texts(options.get(TAGS)),
        "made_at": made,
        "ready_at": made + delay if isinstance(delay, int) else made,
        "attempts": attempts_of(message),
        "parent_id": str(options.get(PARENT, "")),
        "root_id": str(options.get(ROOT, message.message_id)),
    }


def record_of_mark(mark: Mark, message_id: str = "") -> MessageRecord | None:
    """Return the record that *mark* holds; None if the mark only says that its message has ended."""
    fields = cast("Mapping[str, object]", loads(mark.body.decode()))
    if "actor" not in fields:
        return None
    get = fields.get
    attempts = tuple(map(Attempt.from_json, cast("Sequence[Mapping[str, object]]", get("attempts", ()))))
    written = get("fault")
    message_id = message_id or mark.key.partition(":")[2]
    made = cast(int, get("made", 0))
    return MessageRecord(
        message_id=message_id,
        state="finished",
        actor_name=str(get("actor")),
        queue_name=str(get("queue", "")),
        priority=cast(int, get("priority", 0)),
        outcome=cast(MessageOutcome, get("outcome", "")),
        reason=str(get("reason", "")),
        args=tuple(cast("Sequence[object]", get("args", ()))),
        kwargs=cast("Mapping[str, object]", get("kwargs", EMPTY)),
        left_out=str(get("left_out", "")),
        tags=_texts(get("tags")),
        made_at=made,
        ready_at=made + cast(int, get("delay", 0)),
        since=cast(int, get("ended", 0)),
        attempts=attempts,
        error=Fault.from_json(written) if isinstance(written, Mapping) else attempts[-1].error if attempts else None,
        has_result=get("result") is True,
        parent_id=str(get("parent", "")),
        root_id=str(get("root", message_id)),
        progress=_progress(get("progress"), cast(int, get("ended", 0))),
    )


def _progress(written: object, ended: int) -> Progress | None:
    return progress_from(written, ended) if isinstance(written, Mapping) else None


def _texts(written: object) -> tuple[str, ...]:
    return tuple(map(str, written)) if isinstance(written, list | tuple) else ()
