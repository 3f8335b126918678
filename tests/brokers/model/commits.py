"""Turns: commits are applied, expired leases end, and messages are claimed."""

from collections.abc import Iterable, Mapping

from attrs import evolve

from fq.brokers.records import (
    OPEN_GROUP_TTL_MS,
    Ack,
    ArriveOp,
    Bury,
    Commit,
    Continue,
    DeferredEnqueue,
    EnqueueOp,
    Release,
    Reschedule,
    SetMarkOp,
    StoreResultOp,
)
from tests.brokers.model.keys import ended, freed, place
from tests.brokers.model.marks import set_mark
from tests.brokers.model.operators import release
from tests.brokers.model.questions import result
from tests.brokers.model.records import Letter, Message, Model, group_of, with_message, without_letter


def begin_turn(model: Model, worker: str, queues: Iterable[str], lease: int) -> Model:
    """The worker's lease is renewed, and what it asks for is remembered with it."""
    wanted = model.wanted.get(worker, frozenset()).union(queues)
    return evolve(model, leases={**model.leases, worker: model.now + lease}, wanted={**model.wanted, worker: wanted})


def apply(model: Model, commit: Commit) -> Model | None:
    """Apply a commit; None if it is stale."""
    message = model.messages.get(commit.message_id)
    if message is None or not message.runs or message.token != commit.token:
        return None
    model = disposed(model, message, commit)
    for operation in commit.operations:
        match operation:
            case EnqueueOp(continues=continues):
                model, _ = place(model, operation, message.cancelled and continues)
            case StoreResultOp():
                model = keep(model, operation)
            case ArriveOp():
                model = arrive(model, operation)
            case SetMarkOp():
                model, _ = set_mark(model, operation)
    return model


def disposed(model: Model, message: Message, commit: Commit) -> Model:
    """What becomes of the message of a commit."""
    match commit.disposition:
        case Ack():
            return ended(model, message)
        case Reschedule(op, fault):
            again = evolve(message.back(), op=op, due=model.now + op.delay, deliveries=0, fault=fault or message.fault, hastened=False)
            return with_message(model, again)
        case Bury(fault):
            letters = (*without_letter(model, commit.message_id).dead, Letter(message.op, fault, model.now))
            return ended(evolve(model, dead=letters), message)
        case Release(counted, interrupted):
            return with_message(model, message.back(interrupted, counted))
        case Continue():
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
    for splice in arrive_op.then or then:
        model, _ = place(model, made(splice, in_order, model.now), group.cancelled)
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
    """Let *worker* hold the messages of *tokens*; a key that is held until the start is free."""
    for message_id, token in tokens.items():
        message = model.messages[message_id]
        message = evolve(message, token=token, worker=worker, since=model.now, deliveries=message.deliveries + 1)
        model = with_message(model, message)
        if message.unique and message.unique.until == "start":
            model = freed(model, message)
    return model
