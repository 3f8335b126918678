"""Builders of records, and the steps that tests of brokers repeat."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Literal, TypeVar

from fq.brokers.protocol import Broker
from fq.brokers.records import (
    ACK,
    ANYTHING,
    MAX_CLAIM_BYTES,
    ArriveOp,
    Bury,
    ClaimRequest,
    Commit,
    DeferredEnqueue,
    Delivery,
    Disposition,
    EnqueueOp,
    Mark,
    Operation,
    SetMarkOp,
    Turn,
    UniqueKey,
)
from fq.core.fault import Fault

T = TypeVar("T")

LEASE_MS = 15_000
FAULT = Fault("ValueError", "boom", "Traceback ...")
PATIENCE_SECONDS = 30.0
"""How long, in seconds, a test waits for something that comes at once unless it is broken."""


def enqueue_op(
    message_id: str, queue: str = "q", *, actor: str = "act", priority: int = 0, delay: int = 0, body: bytes = b"{}"
) -> EnqueueOp:
    return EnqueueOp(message_id, queue, actor, priority, delay, body)


def unique_op(
    message_id: str,
    key: str = "k",
    *,
    queue: str = "q",
    delay: int = 0,
    body: bytes = b"{}",
    until: Literal["start", "end"] = "end",
    window: int = 0,
    on_conflict: Literal["keep", "after"] = "keep",
    max_wait: int = 0,
) -> EnqueueOp:
    return EnqueueOp(message_id, queue, "act", 0, delay, body, unique=UniqueKey(key, until, window, on_conflict, max_wait))


def after_op(message_id: str, key: str = "k", **fields: object) -> EnqueueOp:
    """An enqueue that is put aside while the holder of *key* runs."""
    return unique_op(message_id, key, on_conflict="after", **fields)  # type: ignore[arg-type]


def enqueue_ops(*message_ids: str) -> list[EnqueueOp]:
    return [enqueue_op(message_id) for message_id in message_ids]


def claim_request(
    worker: str = "w1", *queues: str, limit: int = 100, lease: int = LEASE_MS, max_bytes: int = MAX_CLAIM_BYTES
) -> ClaimRequest:
    return ClaimRequest(worker, queues or ("q",), limit, lease, max_bytes)


def claim(broker: Broker, worker: str = "w1", *queues: str, limit: int = 100, lease: int = LEASE_MS) -> tuple[Delivery, ...]:
    return broker.turn((), claim_request(worker, *queues, limit=limit, lease=lease)).deliveries


def claim_one(broker: Broker, worker: str = "w1", *queues: str, lease: int = LEASE_MS) -> Delivery:
    (delivery,) = claim(broker, worker, *queues, limit=1, lease=lease)
    return delivery


def settle(broker: Broker, worker: str = "other") -> Turn:
    """A turn that claims and commits nothing."""
    return broker.turn((), claim_request(worker, limit=0))


def outcome(delivery: Delivery, disposition: Disposition = ACK, *operations: Operation) -> Commit:
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, disposition, operations)


def commit(
    broker: Broker, delivery: Delivery, disposition: Disposition = ACK, *operations: Operation, worker: str = "w1"
) -> tuple[str, ...]:
    """Commit for one message, and return which commits were stale."""
    return broker.turn([outcome(delivery, disposition, *operations)], claim_request(worker, limit=0)).stale


def run(broker: Broker, *operations: Operation, disposition: Disposition = ACK, message_id: str = "runner") -> None:
    """Post a message, claim it, and commit *changes* with it."""
    broker.enqueue([enqueue_op(message_id, "runners")])
    assert commit(broker, claim_one(broker, "runner", "runners"), disposition, *operations, worker="runner") == ()


def bury(broker: Broker, message: EnqueueOp, fault: Fault = FAULT) -> None:
    """Post a message and let it die."""
    broker.enqueue([message])
    assert commit(broker, claim_one(broker, "undertaker", message.queue_name), Bury(fault), worker="undertaker") == ()


def placed(broker: Broker, op: EnqueueOp) -> tuple[str, bool]:
    """Place *op*, and return which message stands for it, and whether it is new."""
    (placement,) = broker.place([op])
    return placement.message_id, placement.is_new


def set_mark(
    broker: Broker,
    key: str,
    body: bytes | None = b"1",
    *then: EnqueueOp,
    ttl: int = 0,
    expected: bytes | Literal["absent", "anything"] = ANYTHING,
    index: str = "",
    order: int = 0,
    most: int = 0,
) -> bool:
    """Set one mark, and return whether it was as expected."""
    (done,) = broker.set_marks([SetMarkOp(key, body, ttl, expected, index, order, most, then)])
    return done


def mark(broker: Broker, key: str) -> Mark | None:
    return broker.marks([key]).get(key)


def mark_body(broker: Broker, key: str) -> bytes | None:
    """Return the body of a mark; None if there is no such mark."""
    found = mark(broker, key)
    return None if found is None else found.body


def ids(deliveries: Iterable[Delivery]) -> list[str]:
    return [delivery.message_id for delivery in deliveries]


def state(broker: Broker, message_id: str) -> str:
    return broker.status(message_id).state


def arrive_op(member: int, size: int, value: bytes = b"0", *then: DeferredEnqueue, group: str = "g", ttl: int = 60_000) -> ArriveOp:
    return ArriveOp(group, member, size, value, then, ttl)


def deferred_enqueue(message_id: str, queue: str = "q", *, delay: int = 0) -> DeferredEnqueue:
    return DeferredEnqueue(enqueue_op(message_id, queue, delay=delay), b'{"args":', b"}")


def in_thread(call: Callable[[], T]) -> Future[T]:
    """Run *call* in a thread of its own."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future
