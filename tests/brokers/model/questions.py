"""What a broker answers. Nothing here changes a model."""

from collections.abc import Callable, Collection

from fq.brokers.browsing import BrowsedState, Entry
from fq.brokers.operations import finished_key
from fq.brokers.records import DeadLetter, QueueStats, Status
from tests.brokers.model.marks import due_marks, mark
from tests.brokers.model.records import NEVER, Message, Model


def interruption(message: Message) -> str:
    """The reason that its next claim gives."""
    return "cancelled" if message.cancelled else message.interrupted


def claimable(model: Model, queue: str) -> list[Message]:
    """What can be claimed from *queue*."""
    ready = [message for message in model.messages.values() if state(model, message) == "ready" and message.op.queue_name == queue]
    return [] if queue in model.paused else ready


Order = Callable[[Message, Message], bool]
"""Does one message come before another?"""


def claimed_next(model: Model, queue: str, claimed: Collection[str], comes_before: "Order | None" = None) -> set[str]:
    """What may be claimed next from *queue*: nothing else that is not *claimed* comes before it."""
    left = [message for message in claimable(model, queue) if message.op.message_id not in claimed]
    return {each.op.message_id for each in left if not any((comes_before or precedes)(other, each) for other in left)}


def precedes(one: Message, other: Message) -> bool:
    """Does *one* come before *other* in the order of their queue?"""
    place, other_place = (one.op.priority, one.due), (other.op.priority, other.due)
    return place < other_place or (place == other_place and one.number < other.number and not one.hastened and not other.hastened)


def claimed_by(model: Model, worker: str) -> list[str]:
    return [message_id for message_id, message in model.messages.items() if message.worker == worker]


def state(model: Model, message: Message) -> str:
    if message.runs:
        return "running"
    return "ready" if message.due <= model.now else "delayed"


def status(model: Model, message_id: str) -> Status:
    if message := model.messages.get(message_id):
        name, op = state(model, message), message.op
        due = message.due if name == "delayed" and message.due < NEVER else 0
        place = name, op.queue_name, op.actor_name, message.deliveries, due, message.worker
        return Status(message_id, *place, message.fault, token=message.token)
    for letter in letters(model):
        if letter.message_id == message_id:
            return Status(message_id, "dead", letter.queue_name, letter.actor_name, fault=letter.fault)
    if result(model, message_id) is not None or mark(model, finished_key(message_id)) is not None:
        return Status(message_id, "done")
    group = model.groups.get(message_id)
    if group is None or group.until <= model.now:
        return Status(message_id, "unknown")
    return Status(message_id, "done") if group.complete else Status(message_id, "waiting", arrived=len(group.values))


def result(model: Model, message_id: str) -> bytes | None:
    body, until = model.results.get(message_id, (None, 0))
    return body if until > model.now else None


def letters(model: Model) -> list[DeadLetter]:
    """Dead letters, the latest first."""
    return [
        DeadLetter(op.message_id, op.queue_name, op.actor_name, op.body, letter.fault, letter.died_at)
        for letter in reversed(model.dead)
        if letter.died_at + model.dead_ttl > model.now
        for op in [letter.op]
    ]


def queue(model: Model, name: str) -> QueueStats:
    messages = [message for message in model.messages.values() if message.op.queue_name == name]
    states = [state(model, message) for message in messages]
    dead = sum(letter.queue_name == name for letter in letters(model))
    oldest = max((model.now - message.due for message in messages if state(model, message) == "ready"), default=0)
    return QueueStats(name, states.count("ready"), states.count("delayed"), states.count("running"), dead, oldest, name in model.paused)


def next_due(model: Model, worker: str, wanted: Collection[str]) -> int | None:
    """When something falls due: a delayed message of the queues *wanted*, a mark, or the lease of a worker other than *worker*."""
    delayed = (message for message in model.messages.values() if state(model, message) == "delayed" and message.due < NEVER)
    due = [message.due for message in delayed if message.op.queue_name in wanted]
    due += [until for name, until in model.leases.items() if name != worker]
    _, next_mark = due_marks(model)
    return min(due if next_mark is None else [*due, next_mark], default=None)


def entry(model: Model, message_id: str) -> Entry | None:
    """What a look at a message shows."""
    found = status(model, message_id)
    if message := model.messages.get(message_id):
        since = {"running": message.since, "ready": message.due, "delayed": found.due}[found.state]
        return Entry(found, message.op.priority, since, message.op.body)
    for letter in reversed(model.dead):
        if found.state == "dead" and letter.op.message_id == message_id:
            return Entry(found, letter.op.priority, letter.died_at, letter.op.body)
    return None


PLACES: dict[BrowsedState, Callable[[Model, Message], tuple[int | str, ...]]] = {
    "ready": lambda model, message: (message.op.queue_name, message.op.priority, message.due),
    "delayed": lambda model, message: (message.due,),
    "retrying": lambda model, message: (message.due,),
    "running": lambda model, message: (message.since,),
}


def shown(model: Model, wanted: BrowsedState) -> dict[str, tuple[int | str, ...]]:
    """What the pages of a state show, with the place of each; two that share a place may come in any order."""
    if wanted == "dead":
        return {letter.message_id: (place,) for place, letter in enumerate(letters(model))}
    return {
        key: PLACES[wanted](model, message)
        for key, message in model.messages.items()
        if state(model, message) == ("delayed" if wanted == "retrying" else wanted) and (wanted != "retrying" or message.fault)
    }


def holders(model: Model) -> list[tuple[str, bool]]:
    """The unique keys that messages hold, and those that they are put aside for: none of them twice."""
    return [(message.unique.key, message.aside) for message in model.messages.values() if message.unique]
