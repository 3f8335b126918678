"""
What a broker is, in its shortest form: a frozen `Model`, and a pure function for each call, from a model to the next one.

No heaps, no indexes, no clock, no bytes saved: only what base.py and records.py say. `test_state_machine.py` holds real brokers against it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from attrs import evolve, field, frozen

from fq.brokers.records import (
    OPEN_GROUP_TTL_MS,
    Ack,
    ArriveOp,
    Bury,
    Commit,
    DeadLetter,
    DeferredEnqueue,
    EnqueueOp,
    QueueStats,
    Release,
    Reschedule,
    Status,
    StoreResultOp,
)
from fq.core.fault import Fault


@frozen
class Message:
    """A message that waits, or runs if a worker holds it."""

    op: EnqueueOp
    due: int
    number: int
    token: int = 0
    worker: str = ""
    deliveries: int = 0
    interrupted: str = ""
    fault: Fault | None = None
    cancelled: bool = False

    @property
    def runs(self) -> bool:
        return self.worker != ""

    def back(self, interrupted: str = "", counted: bool = True) -> "Message":
        """The message as it waits again, in its old place."""
        return evolve(self, token=0, worker="", interrupted=interrupted, deliveries=self.deliveries - (not counted))


@frozen
class Letter:
    """A dead message, and when it died."""

    op: EnqueueOp
    fault: Fault
    died_at: int


@frozen
class Group:
    values: Mapping[int, bytes] = {}
    then: tuple[DeferredEnqueue, ...] = ()
    complete: bool = False
    until: int = 0
    cancelled: bool = False


@frozen
class Model:
    """All that a broker knows. *dead* has the latest last."""

    now: int
    messages: Mapping[str, Message] = {}
    dead: tuple[Letter, ...] = ()
    results: Mapping[str, tuple[bytes, int]] = {}
    waiting: Mapping[
        tuple[str, str], tuple[int, int]
    ] = {}  # by group and message id: how long the result is kept from the group's end; until when
    groups: Mapping[str, Group] = {}
    leases: Mapping[str, int] = {}
    wanted: Mapping[str, frozenset[str]] = {}
    queues: frozenset[str] = frozenset()
    paused: frozenset[str] = frozenset()
    count: int = 0
    dead_ttl: int = field(default=7 * 24 * 60 * 60 * 1000)


# Calls: each returns the next model.


def advance(model: Model, ms: int) -> Model:
    return evolve(model, now=model.now + ms)


def enqueue(model: Model, ops: Iterable[EnqueueOp], cancelled: bool = False) -> Model:
    for op in ops:
        if op.message_id not in model.messages:
            message = hastened(model, Message(op, model.now + op.delay, model.count, cancelled=cancelled))
            model = evolve(with_message(model, message), count=model.count + 1)
    return model


def new_in(model: Model, ops: Iterable[EnqueueOp]) -> int:
    """How many of *posts* are messages that are not there."""
    return len({op.message_id for op in ops} - model.messages.keys())


def begin_turn(model: Model, worker: str, queues: Iterable[str], lease: int) -> Model:
    """The worker's lease is renewed, and what it asks for is remembered with it."""
    wanted = model.wanted.get(worker, frozenset()).union(queues)
    return evolve(model, leases={**model.leases, worker: model.now + lease}, wanted={**model.wanted, worker: wanted})


def apply(model: Model, commit: Commit) -> Model | None:
    """Apply a commit; None if it is stale."""
    message = model.messages.get(commit.message_id)
    if message is None or not message.runs or message.token != commit.token:
        return None
    match commit.disposition:
        case Ack():
            model = without_message(model, commit.message_id)
        case Reschedule(op, fault):
            again = Message(op, model.now + op.delay, message.number, fault=fault or message.fault, cancelled=message.cancelled)
            model = with_message(model, hastened(model, again))
        case Bury(fault):
            dead = tuple(letter for letter in model.dead if letter.op.message_id != commit.message_id)
            model = evolve(without_message(model, commit.message_id), dead=(*dead, Letter(message.op, fault, model.now)))
        case Release(counted, interrupted):
            model = with_message(model, message.back(interrupted, counted))
    for operation in commit.operations:
        match operation:
            case EnqueueOp(continues=continues):
                model = enqueue(model, [operation], message.cancelled and continues)
            case StoreResultOp():
                model = keep(model, operation)
            case ArriveOp():
                model = arrive(model, operation)
    return model


def arrive(model: Model, arrive_op: ArriveOp) -> Model:
    group = group_of(model, arrive_op.group)
    if group.complete or arrive_op.member in group.values:
        return model
    values, then = {**group.values, arrive_op.member: arrive_op.value}, group.then or arrive_op.then
    complete = len(values) >= arrive_op.size
    if arrive_op.size > 1 or then or group.until:
        until = model.now + (min(arrive_op.ttl, 7 * 24 * 60 * 60 * 1000) if complete else arrive_op.ttl)
        after = evolve(group, values=values, then=() if complete else then, complete=complete, until=until)
        model = evolve(model, groups={**model.groups, arrive_op.group: after})
    if not complete:
        return model
    in_order = b",".join(value for _, value in sorted(values.items()))
    model = enqueue(model, [made(splice, in_order, model.now) for splice in arrive_op.then or then], group.cancelled)
    return let_go(model, arrive_op.group)


def made(splice: DeferredEnqueue, values: bytes, now: int) -> EnqueueOp:
    """What follows a group, with its values and the time."""
    time = str(now).encode() if splice.rest else b""
    return evolve(splice.op, body=splice.head + b"[" + values + b"]" + splice.tail + time + splice.rest)


def keep(model: Model, operation: StoreResultOp) -> Model:
    """A result waits for its group, unless that is complete."""
    if not operation.hold or group_of(model, operation.hold).complete:
        return with_result(model, operation.message_id, operation.body, operation.ttl)
    waiting = {**model.waiting, (operation.hold, operation.message_id): (operation.ttl, model.now + OPEN_GROUP_TTL_MS)}
    return with_result(evolve(model, waiting=waiting), operation.message_id, operation.body, max(operation.ttl, OPEN_GROUP_TTL_MS))


def let_go(model: Model, name: str) -> Model:
    """The group is complete: what waits for it is kept for its own time from now on."""
    for (group, message_id), (ttl, until) in model.waiting.items():
        if group == name and until > model.now and (body := result(model, message_id)) is not None:
            model = with_result(model, message_id, body, ttl)
    return evolve(model, waiting={key: value for key, value in model.waiting.items() if key[0] != name})


def with_result(model: Model, message_id: str, body: bytes, ttl: int) -> Model:
    return evolve(model, results={**model.results, message_id: (body, model.now + ttl)})


def take_back(model: Model) -> Model:
    """What workers with expired leases held is ready again."""
    for worker, until in model.leases.items():
        if until <= model.now:
            model = release(model, worker, {})
    return model


def claim(model: Model, worker: str, tokens: Mapping[str, int]) -> Model:
    """Let *worker* hold the messages of *tokens*."""
    for message_id, token in tokens.items():
        message = model.messages[message_id]
        model = with_message(model, evolve(message, token=token, worker=worker, deliveries=message.deliveries + 1))
    return model


def cancel(model: Model, message_id: str) -> Model:
    """A waiting message becomes ready, and its next claim says that it is cancelled; a worker that holds it is told."""
    if message_id not in model.messages:
        return model
    return with_message(model, hastened(model, evolve(model.messages[message_id], cancelled=True)))


def cancel_groups(model: Model, groups: Collection[str]) -> Model:
    """What comes after a group is cancelled when it comes, unless it has come."""
    for name in groups:
        group = group_of(model, name)
        until = group.until if group.until > model.now else model.now + 45 * 24 * 60 * 60 * 1000
        model = evolve(model, groups={**model.groups, name: evolve(group, cancelled=True, until=until)})
    return model


def group_of(model: Model, name: str) -> Group:
    """What is remembered of a group."""
    group = model.groups.get(name, Group())
    return group if group.until > model.now else Group()


def hastened(model: Model, message: Message) -> Message:
    """A message that is cancelled does not wait for its time."""
    return evolve(message, due=min(message.due, model.now)) if message.cancelled else message


def renew(model: Model, workers: Collection[str], lease: int) -> Model:
    return evolve(model, leases={worker: model.now + lease if worker in workers else until for worker, until in model.leases.items()})


def release(model: Model, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None = None) -> Model:
    for message_id in claimed_by(model, worker):
        message = model.messages[message_id]
        counts = counted is None or message_id in counted
        model = with_message(model, message.back(interrupted.get(message_id, ""), counts))
    leases = {name: until for name, until in model.leases.items() if name != worker}
    return evolve(model, leases=leases, wanted={name: queues for name, queues in model.wanted.items() if name != worker})


def requeue(model: Model, message_ids: Sequence[str]) -> Model:
    for message_id in message_ids:
        for letter in letters(model):
            if letter.message_id == message_id:
                (op,) = (dead.op for dead in model.dead if dead.op.message_id == message_id)
                model = enqueue(without_letter(model, message_id), [evolve(op, delay=0)])
    return model


def discard(model: Model, message_ids: Sequence[str]) -> Model:
    for message_id in message_ids:
        model = without_letter(model, message_id)
        if message_id in model.messages and not model.messages[message_id].runs:
            model = without_message(model, message_id)
    return model


def purge(model: Model, queue: str) -> Model:
    waiting = {key for key, message in model.messages.items() if message.op.queue_name == queue and not message.runs}
    return evolve(model, messages={key: message for key, message in model.messages.items() if key not in waiting})


def pause(model: Model, queue: str) -> Model:
    return evolve(model, paused=model.paused | {queue})


def resume(model: Model, queue: str) -> Model:
    return evolve(model, paused=model.paused - {queue})


# Questions.


def interruption(message: Message) -> str:
    """The reason that its next claim gives."""
    return "cancelled" if message.cancelled else message.interrupted


def claimable(model: Model, queue: str) -> list[str]:
    """What can be claimed from *queue*, in its order."""
    ready = [message for message in model.messages.values() if state(model, message) == "ready" and message.op.queue_name == queue]
    ready.sort(key=lambda message: (message.op.priority, message.due, message.number))
    return [] if queue in model.paused else [message.op.message_id for message in ready]


def claimed_by(model: Model, worker: str) -> list[str]:
    return [message_id for message_id, message in model.messages.items() if message.worker == worker]


def state(model: Model, message: Message) -> str:
    if message.runs:
        return "running"
    return "ready" if message.due <= model.now else "delayed"


def status(model: Model, message_id: str) -> Status:
    if message := model.messages.get(message_id):
        name, op = state(model, message), message.op
        due = message.due if name == "delayed" else 0
        return Status(message_id, name, op.queue_name, op.actor_name, message.deliveries, due, message.worker, message.fault)
    for letter in letters(model):
        if letter.message_id == message_id:
            return Status(message_id, "dead", letter.queue_name, letter.actor_name, fault=letter.fault)
    return Status(message_id, "unknown" if result(model, message_id) is None else "done")


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


def next_due(model: Model, worker: str) -> int | None:
    """When something falls due: a delayed message, or the lease of a worker other than *worker*."""
    due = [message.due for message in model.messages.values() if state(model, message) == "delayed"]
    return min(due + [until for name, until in model.leases.items() if name != worker], default=None)


# Small changes.


def with_message(model: Model, message: Message) -> Model:
    messages = {**model.messages, message.op.message_id: message}
    return evolve(model, messages=messages, queues=model.queues | {message.op.queue_name})


def without_message(model: Model, message_id: str) -> Model:
    return evolve(model, messages={key: message for key, message in model.messages.items() if key != message_id})


def without_letter(model: Model, message_id: str) -> Model:
    return evolve(model, dead=tuple(letter for letter in model.dead if letter.op.message_id != message_id))
