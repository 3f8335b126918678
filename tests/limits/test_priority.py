"""The line at a limit is in the order of ready messages: by priority, and then by arrival; the same in every store."""

import pytest

from fq.brokers.limits.policy import AcquireRequest, Granted, Limit, Refused, Slot, Slots, Window
from tests.limits.stores import Backend

LIMITS = {"slots": Slots(1, 1_000_000), "window": Window(1, 1_000)}


def asking(backend: Backend, limit: Limit, owner: str, priority: int = 0, number: int = 0) -> Granted | Refused:
    return backend.limits.store.take(AcquireRequest(limit.name("k"), limit, owner, f"{owner}-{number}", queues_up=True, priority=priority))


def served(backend: Backend, limit: Limit, waiting: dict[str, int]) -> list[str]:
    """Let all waiting owners come back at their time, those with the same time in the order of their names; return those that got slots, in order."""
    asked = {owner: asking(backend, limit, owner, priority) for owner, priority in waiting.items()}
    due = {owner: answer.retry_in for owner, answer in asked.items() if isinstance(answer, Refused)}
    order = [owner for owner in waiting if owner not in due]
    holder = order[-1] if order else ""
    now, number = 0, 0
    while due:
        owner = min(due, key=lambda each: (due[each], each))
        backend.advance(due[owner] - now)
        now, number = due[owner], number + 1
        if isinstance(limit, Slots) and holder:
            backend.limits.store.release(Slot(limit.name("k"), holder, f"{holder}-0"), learn=True)
            holder = ""
        answer = asking(backend, limit, owner, waiting[owner], 0 if isinstance(limit, Slots) else number)
        if isinstance(answer, Granted):
            order.append(owner)
            holder = owner
            del due[owner]
        else:
            due[owner] = now + answer.retry_in
    return order


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_an_urgent_message_gets_one_of_the_next_slots(backend: Backend, limit: Limit) -> None:
    waiting = {"first": 0, **{f"usual-{number:02}": 0 for number in range(10)}, "urgent": -100}

    assert served(backend, limit, waiting).index("urgent") <= 2


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_a_message_that_is_less_urgent_waits_until_the_others_have_had_slots(backend: Backend, limit: Limit) -> None:
    waiting = {"first": 0, "later": 5, **{f"usual-{number}": 0 for number in range(4)}}

    assert served(backend, limit, waiting)[-1] == "later"


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("priority", [-(2**31) + 1, 0, 2**31 - 1])
def test_within_a_priority_the_order_is_that_of_arrival(backend: Backend, limit: Limit, priority: int) -> None:
    waiting = dict.fromkeys(("e", "d", "c", "b", "a"), priority)

    assert served(backend, limit, waiting) == ["e", "d", "c", "b", "a"]


def test_one_that_does_not_wait_yields_to_those_that_are_as_urgent_and_not_to_others(backend: Backend) -> None:
    limit, store = LIMITS["slots"], backend.limits.store
    name = limit.name("k")
    store.take(AcquireRequest(name, limit, "holder", "t"))
    told = asking(backend, limit, "waiting", 5)
    assert isinstance(told, Refused)
    store.release(Slot(name, "holder", "t"), learn=False)
    backend.advance(told.retry_in)

    assert isinstance(store.take(AcquireRequest(name, limit, "late", "late", priority=5)), Refused)
    assert isinstance(store.take(AcquireRequest(name, limit, "urgent", "urgent", priority=4)), Granted)
