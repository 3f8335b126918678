"""What ends a message, or puts it off, gives back the slot that a dead process left to it; on every broker."""

from collections.abc import Callable

import pytest

from fq.brokers.limits.policy import Refused, Slot
from fq.brokers.records import ACK, Bury, ClaimRequest, Commit, Delivery, EnqueueOp, Reschedule, StoreResultOp
from fq.core.fault import Fault
from fq.limits import Limits, Slots
from fq.limits import ended_holders as module
from tests.limits.stores import Place

ONE = Slots(1, ttl=900_000)


@pytest.fixture(autouse=True)
def look_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_SECONDS", 0.0)


def claimed(place: Place, message_id: str, worker: str = "w") -> Delivery:
    place.broker.enqueue([EnqueueOp(message_id, "q", "work", 0, 0, b"{}")])
    (delivery,) = place.broker.turn((), ClaimRequest(worker, ("q",), 1)).deliveries
    return delivery


def take(limits: Limits, message_id: str) -> Slot | Refused:
    return limits.take_in_turn("k", ONE, message_id, is_claimed=True)


def die(place: Place, worker: str = "w", why: str = "") -> None:
    place.broker.release(worker, {"dead": why} if why else {}, {"dead"})


def end(place: Place, disposition: object, *operations: StoreResultOp) -> None:
    (delivery,) = place.broker.turn((), ClaimRequest("other", ("q",), 1)).deliveries
    place.broker.turn((Commit("dead", "q", delivery.token, disposition, operations),), ClaimRequest("other", ("q",), 0))


def put_off(place: Place) -> None:
    end(place, Reschedule(EnqueueOp("dead", "q", "work", 0, 60_000, b"{}")))


ENDS: dict[str, Callable[[Place], object]] = {
    "handed back": lambda place: None,
    "acknowledged": lambda place: end(place, ACK),
    "acknowledged with a result": lambda place: end(place, ACK, StoreResultOp("dead", b"1", 60_000)),
    "dead letter": lambda place: end(place, Bury(Fault("Poison", "it killed its process"))),
    "put off after a hard kill": put_off,
    "discarded": lambda place: place.broker.discard(["dead"]),
    "purged": lambda place: place.broker.purge("q"),
    "discarded as a dead letter": lambda place: (end(place, Bury(Fault("Poison", ""))), place.broker.discard(["dead"])),
}


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_the_slot_of_a_message_that_died_with_its_process_is_free_once_that_runs_no_more(
    place: Place, ends: Callable[[Place], object]
) -> None:
    claimed(place, "dead")
    dead, other = place.limits, place.another()
    assert isinstance(take(dead, "dead"), Slot)
    assert isinstance(take(other, "next"), Refused), "it runs"
    die(place)
    ends(place)

    assert isinstance(take(other, "next"), Slot)


def test_a_slot_whose_message_runs_stays_its_own(place: Place) -> None:
    claimed(place, "dead")
    slot, other = take(place.limits, "dead"), place.another()
    assert isinstance(slot, Slot)
    die(place)
    (again,) = place.broker.turn((), ClaimRequest("w2", ("q",), 1)).deliveries

    assert again.message_id == "dead"
    assert isinstance(take(other, "next"), Refused), "its next delivery takes it over"
    assert isinstance(take(place.another(), "dead"), Slot)


def test_slots_outside_of_messages_and_of_messages_of_another_broker_stay(place: Place) -> None:
    assert isinstance(place.limits.take("k", ONE), Slot)
    assert isinstance(take(place.another(), "next"), Refused)
    assert isinstance(place.limits.take_in_turn("j", ONE, "elsewhere"), Slot)
    assert isinstance(place.another().take_in_turn("j", ONE, "next"), Refused)


def test_holders_are_looked_at_once_in_a_while_only(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_SECONDS", 3_600.0)
    claimed(place, "dead")
    other = place.another()
    take(place.limits, "dead")
    assert isinstance(take(other, "next"), Refused)
    die(place)

    assert isinstance(take(other, "next"), Refused), "another look is an hour away"
