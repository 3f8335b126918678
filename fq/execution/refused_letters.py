"""`refused_letters`: dead letters that were not requeued, since other messages hold their unique keys."""

from collections.abc import Iterable

from attrs import frozen

from fq.brokers.protocol import Broker
from fq.brokers.records import EnqueueOp
from fq.execution.requeue_plan import key_of, read_message


@frozen
class RefusedLetter:
    """A dead letter that stays, since another message holds its unique *key*."""

    message_id: str
    key: str

    def __str__(self) -> str:
        return f"{self.message_id} stays a dead letter: another message holds its unique key {self.key!r}"


def refused_letters(broker: Broker, message_ids: Iterable[str]) -> tuple[RefusedLetter, ...]:
    """Return those of *message_ids*, which were requeued just now, that are dead letters with a unique key still."""
    entries = [entry for message_id in dict.fromkeys(message_ids) if (entry := broker.peek(message_id)) and entry.status.state == "dead"]
    refused: list[RefusedLetter] = []
    for entry in entries:
        status = entry.status
        message = read_message(EnqueueOp(status.message_id, status.queue_name, status.actor_name, 0, 0, entry.body))
        key = None if message is None else key_of(message)
        if key is not None:
            refused.append(RefusedLetter(status.message_id, key.key))
    return tuple(refused)
