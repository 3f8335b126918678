"""Messages come and go, and take and free their unique keys."""

from collections.abc import Iterable

from attrs import evolve

from fq.brokers.records import EnqueueOp, Placement, UniqueKey
from tests.brokers.model.records import NEVER, Key, Message, Model, with_message


def place(model: Model, op: EnqueueOp, cancelled: bool = False) -> tuple[Model, Placement]:
    """The message of *op*, or another that stands for it."""
    if op.message_id in model.messages:
        return model, Placement(op.message_id, False)
    held = held_by(model, op.unique.key) if op.unique else None
    if op.unique is None or held is None:
        model = added(model, op, model.now + op.delay, cancelled)
        return (taken(model, op.unique, op.message_id) if op.unique else model), Placement(op.message_id, True)
    holder = holder_of(model, op.unique.key)
    if op.unique.on_conflict == "after" and (aside := aside_of(model, op.unique.key)):
        return model, Placement(aside.op.message_id, False)
    if op.unique.on_conflict == "after" and holder and holder.has_begun:
        longer = evolve(held, until=max(held.until, model.now + op.unique.window))
        model = evolve(model, keys={**model.keys, op.unique.key: longer})
        return added(model, op, NEVER, cancelled, aside=True), Placement(op.message_id, True)
    return model, Placement(held.message_id, False)


def place_all(model: Model, ops: Iterable[EnqueueOp]) -> tuple[Model, tuple[Placement, ...]]:
    placements: list[Placement] = []
    for op in ops:
        model, placement = place(model, op)
        placements.append(placement)
    return model, tuple(placements)


def added(model: Model, op: EnqueueOp, due: int, cancelled: bool, aside: bool = False) -> Model:
    message = Message(op, due, model.count, cancelled=cancelled, unique=op.unique, aside=aside)
    return evolve(with_message(model, message), count=model.count + 1)


def taken(model: Model, unique: UniqueKey, message_id: str) -> Model:
    return evolve(model, keys={**model.keys, unique.key: Key(message_id, model.now, model.now + unique.window)})


def holder_of(model: Model, key: str) -> Message | None:
    """The message that holds *key*."""
    return next((each for each in model.messages.values() if each.unique and each.unique.key == key and not each.aside), None)


def aside_of(model: Model, key: str) -> Message | None:
    """The message that is put aside for *key*."""
    return next((each for each in model.messages.values() if each.unique and each.unique.key == key and each.aside), None)


def held_by(model: Model, key: str) -> Key | None:
    """Who has *key*, unless it is free."""
    found = model.keys.get(key)
    return found if found and (holder_of(model, key) or found.until > model.now) else None


def freed(model: Model, message: Message) -> Model:
    """*message*, which the model still has or not, frees its key; what is put aside takes it, and is ready."""
    if message.op.message_id in model.messages:
        model = with_message(model, evolve(message, unique=None, aside=False))
    if message.unique is None or message.aside or not (aside := aside_of(model, message.unique.key)):
        return model
    key = message.unique.key
    model = evolve(model, keys={**model.keys, key: evolve(model.keys[key], message_id=aside.op.message_id, since=model.now)})
    return with_message(model, evolve(aside, aside=False).at_once(model.now))


def ended(model: Model, message: Message) -> Model:
    """*message* is gone."""
    left = {key: each for key, each in model.messages.items() if key != message.op.message_id}
    return freed(evolve(model, messages=left), message)


def replace(model: Model, op: EnqueueOp, expected: bytes | None) -> Model | None:
    """*op* in the place of the message with its id; None if that does not wait, or is not as expected."""
    message = model.messages.get(op.message_id)
    if message is None or message.runs or expected not in (None, message.op.body):
        return None
    due = model.now + op.delay
    if message.aside:
        due = NEVER
    elif message.unique and op.unique and op.unique.max_wait:
        due = min(due, max(model.now, model.keys[message.unique.key].since + op.unique.max_wait))
    return with_message(model, evolve(message, op=op, due=due, hastened=False))


def run_now(model: Model, names: Iterable[str]) -> Model:
    """Of *names*, what waits for its time is ready."""
    for name in names:
        message = model.messages.get(name)
        if message is not None and not message.runs and not message.aside:
            model = with_message(model, message.at_once(model.now))
    return model
