"""The calls of operators and supervisors."""

from collections.abc import Collection, Mapping, Sequence

from attrs import evolve

from fq.brokers.records import EnqueueOp
from tests.brokers.model.keys import ended, freed, held_by, holder_of, place
from tests.brokers.model.questions import claimed_by, letters
from tests.brokers.model.records import Model, group_of, with_message, without_letter


def cancel(model: Model, message_id: str) -> Model:
    """A waiting message becomes ready, its next claim says that it is cancelled, and it frees its key; a worker that holds it is told."""
    if message_id not in model.messages:
        return model
    model = with_message(model, evolve(model.messages[message_id], cancelled=True))
    message = model.messages[message_id]
    return model if message.runs else freed(model, message)


def cancel_groups(model: Model, groups: Collection[str]) -> Model:
    """What comes after a group is cancelled when it comes, unless it has come."""
    for name in groups:
        group = group_of(model, name)
        until = group.until if group.until > model.now else model.now + 45 * 24 * 60 * 60 * 1000
        model = evolve(model, groups={**model.groups, name: evolve(group, cancelled=True, until=until)})
    return model


def renew(model: Model, workers: Collection[str], lease: int) -> Model:
    return evolve(model, leases={worker: model.now + lease if worker in workers else until for worker, until in model.leases.items()})


def release(model: Model, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> Model:
    for message_id in claimed_by(model, worker):
        message = model.messages[message_id]
        counts = counted is None or message_id in counted
        model = with_message(model, message.back(interrupted.get(message_id, ""), counts))
    leases = {name: until for name, until in model.leases.items() if name != worker}
    return evolve(model, leases=leases, wanted={name: queues for name, queues in model.wanted.items() if name != worker})


def requeue(model: Model, ops: Sequence[EnqueueOp]) -> Model:
    """Put letters back as *ops*, but for those whose unique key another message has."""
    for op in ops:
        if op.message_id not in {letter.message_id for letter in letters(model)}:
            continue
        if op.unique and (held := held_by(model, op.unique.key)):
            if held.message_id != op.message_id:
                continue
            if not holder_of(model, op.unique.key):  # its own window
                model = evolve(model, keys={key: each for key, each in model.keys.items() if key != op.unique.key})
        model, _ = place(without_letter(model, op.message_id), op)
    return model


def discard(model: Model, message_ids: Sequence[str]) -> Model:
    for message_id in message_ids:
        model = without_letter(model, message_id)
        if message_id in model.messages and not model.messages[message_id].runs:
            model = ended(model, model.messages[message_id])
    return model


def purge(model: Model, queue: str) -> Model:
    for message_id in [key for key, message in model.messages.items() if message.op.queue_name == queue and not message.runs]:
        model = ended(model, model.messages[message_id])
    return model


def pause(model: Model, queue: str) -> Model:
    return evolve(model, paused=model.paused | {queue})


def resume(model: Model, queue: str) -> Model:
    return evolve(model, paused=model.paused - {queue})
