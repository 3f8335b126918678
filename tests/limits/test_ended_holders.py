"""What ends a message, or puts it off, gives back the slot that a dead process left to it; on every broker."""

from collections.abc import Callable

import pytest

from fq.brokers.limits.policy import Refused, Slot
from fq.brokers.records import ACK, Bury, ClaimRequest, Commit, Delivery, EnqueueOp, Reschedule, StoreResultOp
from fq.core.fault import Fault
from fq.limits import Limits, Slots
from tests.limits.stores import Backend

ONE = Slots(1, ttl=900_000)


def another(backend: Backend, look_again_seconds: float = 0.0) -> Limits:
    """The limits of another process, which look at the holders every time, or only so often."""
    return Limits(backend.another().store, backend.broker, look_again_seconds)


def claimed(backend: Backend, message_id: str, worker: str = "w") -> Delivery:
    backend.broker.enqueue([EnqueueOp(message_id, "q", "work", 0, 0, b"{}")])
    (delivery,) = backend.broker.turn((), ClaimRequest(worker, ("q",), 1)).deliveries
    return delivery


def take(limits: Limits, message_id: str) -> Slot | Refused:
    return limits.take_in_turn("k", ONE, message_id, is_claimed=True)


def die(backend: Backend, worker: str = "w", why: str = "") -> None:
    backend.broker.release(worker, {"dead": why} if why else {}, {"dead"})


def end(backend: Backend, disposition: object, *operations: StoreResultOp) -> None:
    (delivery,) = backend.broker.turn((), ClaimRequest("other", ("q",), 1)).deliveries
    backend.broker.turn((Commit("dead", "q", delivery.token, disposition, operations),), ClaimRequest("other", ("q",), 0))


def put_off(backend: Backend) -> None:
    end(backend, Reschedule(EnqueueOp("dead", "q", "work", 0, 60_000, b"{}")))


ENDS: dict[str, Callable[[Backend], object]] = {
    "handed back": lambda backend: None,
    "acknowledged": lambda backend: end(backend, ACK),
    "acknowledged with a result": lambda backend: end(backend, ACK, StoreResultOp("dead", b"1", 60_000)),
    "dead letter": lambda backend: end(backend, Bury(Fault("Poison", "it killed its process"))),
    "put off after a hard kill": put_off,
    "discarded": lambda backend: backend.broker.discard(["dead"]),
    "purged": lambda backend: backend.broker.purge("q"),
    "discarded as a dead letter": lambda backend: (end(backend, Bury(Fault("Poison", ""))), backend.broker.discard(["dead"])),
}


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_the_slot_of_a_message_that_died_with_its_process_is_free_once_that_runs_no_more(
    backend: Backend, ends: Callable[[Backend], object]
) -> None:
    claimed(backend, "dead")
    dead, other = backend.limits, another(backend)
    assert isinstance(take(dead, "dead"), Slot)
    assert isinstance(take(other, "next"), Refused), "it runs"
    die(backend)
    ends(backend)

    assert isinstance(take(other, "next"), Slot)


def test_a_slot_whose_message_runs_stays_its_own(backend: Backend) -> None:
    claimed(backend, "dead")
    slot, other = take(backend.limits, "dead"), another(backend)
    assert isinstance(slot, Slot)
    die(backend)
    (again,) = backend.broker.turn((), ClaimRequest("w2", ("q",), 1)).deliveries

    assert again.message_id == "dead"
    assert isinstance(take(other, "next"), Refused), "its next delivery takes it over"
    assert isinstance(take(another(backend), "dead"), Slot)


def test_slots_outside_of_messages_and_of_messages_of_another_broker_stay(backend: Backend) -> None:
    assert isinstance(backend.limits.take("k", ONE), Slot)
    assert isinstance(take(another(backend), "next"), Refused)
    assert isinstance(backend.limits.take_in_turn("j", ONE, "elsewhere"), Slot)
    assert isinstance(another(backend).take_in_turn("j", ONE, "next"), Refused)


def test_holders_are_looked_at_once_in_a_while_only(backend: Backend) -> None:
    claimed(backend, "dead")
    other = another(backend, look_again_seconds=3_600.0)
    take(backend.limits, "dead")
    assert isinstance(take(other, "next"), Refused)
    die(backend)

    assert isinstance(take(other, "next"), Refused), "another look is an hour away"
