"""The line at a limit is in the order of ready messages: by priority, and then by arrival; the same in every store."""

import pytest

from fq.brokers.limits.policy import AcquireRequest, Granted, Limit, Refused, Slot, Slots, Window
from tests.limits.stores import Place

LIMITS = {"slots": Slots(1, 1_000_000), "window": Window(1, 1_000)}


def asking(place: Place, limit: Limit, owner: str, priority: int = 0, number: int = 0) -> Granted | Refused:
    return place.limits.store.take(AcquireRequest(limit.name("k"), limit, owner, f"{owner}-{number}", queues_up=True, priority=priority))


def served(place: Place, limit: Limit, waiting: dict[str, int]) -> list[str]:
    """Let everybody who waits come back when told to, those who were told the same time in the order of their names; return who got slots, in order."""
    asked = {owner: asking(place, limit, owner, priority) for owner, priority in waiting.items()}
    due = {owner: answer.retry_in for owner, answer in asked.items() if isinstance(answer, Refused)}
    order = [owner for owner in waiting if owner not in due]
    holder = order[-1] if order else ""
    now, number = 0, 0
    while due:
        owner = min(due, key=lambda each: (due[each], each))
        place.advance(due[owner] - now)
        now, number = due[owner], number + 1
        if isinstance(limit, Slots) and holder:
            place.limits.store.release(Slot(limit.name("k"), holder, f"{holder}-0"), learn=True)
            holder = ""
        answer = asking(place, limit, owner, waiting[owner], 0 if isinstance(limit, Slots) else number)
        if isinstance(answer, Granted):
            order.append(owner)
            holder = owner
            del due[owner]
        else:
            due[owner] = now + answer.retry_in
    return order


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_an_urgent_message_gets_one_of_the_next_slots(place: Place, limit: Limit) -> None:
    waiting = {"first": 0, **{f"usual-{number:02}": 0 for number in range(10)}, "urgent": -100}

    assert served(place, limit, waiting).index("urgent") <= 2


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_a_message_that_is_less_urgent_waits_until_the_others_have_had_slots(place: Place, limit: Limit) -> None:
    waiting = {"first": 0, "later": 5, **{f"usual-{number}": 0 for number in range(4)}}

    assert served(place, limit, waiting)[-1] == "later"


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("priority", [-(2**31) + 1, 0, 2**31 - 1])
def test_within_a_priority_the_order_is_that_of_arrival(place: Place, limit: Limit, priority: int) -> None:
    waiting = dict.fromkeys(("e", "d", "c", "b", "a"), priority)

    assert served(place, limit, waiting) == ["e", "d", "c", "b", "a"]


def test_one_that_does_not_wait_yields_to_those_that_are_as_urgent_and_not_to_others(place: Place) -> None:
    limit, store = LIMITS["slots"], place.limits.store
    name = limit.name("k")
    store.take(AcquireRequest(name, limit, "holder", "t"))
    told = asking(place, limit, "waiting", 5)
    assert isinstance(told, Refused)
    store.release(Slot(name, "holder", "t"), learn=False)
    place.advance(told.retry_in)

    assert isinstance(store.take(AcquireRequest(name, limit, "late", "late", priority=5)), Refused)
    assert isinstance(store.take(AcquireRequest(name, limit, "urgent", "urgent", priority=4)), Granted)
