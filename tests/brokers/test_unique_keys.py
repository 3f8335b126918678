"""Every broker: no two messages hold one unique key; it is taken by the enqueue, freed with the message, and kept for its window."""

import asyncio
from collections.abc import Callable
from threading import Barrier
from typing import Literal

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, CONTINUE, RELEASE, Bury, Disposition, EnqueueOp, Placement, Release, Reschedule
from fq.brokers.requeue import RequeuePlan
from tests.brokers.builders import (
    FAULT,
    LEASE_MS,
    bury,
    claim,
    claim_one,
    claim_request,
    commit,
    enqueue_op,
    ids,
    in_thread,
    outcome,
    placed,
    settle,
    state,
    unique_op,
)
from tests.brokers.harness import Harness

# Placing.


def test_a_key_that_is_free_is_taken(broker: Broker, other: Broker) -> None:
    assert placed(broker, unique_op("m")) == ("m", True)
    assert placed(other, unique_op("n")) == ("m", False)
    assert (state(other, "m"), state(other, "n")) == ("ready", "unknown")
    assert ids(claim(other)) == ["m"]


def test_keys_are_apart(broker: Broker) -> None:
    assert [placed(broker, unique_op(name, key)) for name, key in (("a", "k"), ("b", "k "), ("c", "K"), ("d", "kk"))] == [
        (name, True) for name in "abcd"
    ]


def test_a_key_is_of_all_queues_and_actors(broker: Broker) -> None:
    broker.place([unique_op("m")])

    assert placed(broker, unique_op("n", queue="elsewhere")) == ("m", False)


def test_a_message_without_a_key_is_held_back_by_none(broker: Broker) -> None:
    broker.place([unique_op("m", "n")])

    assert placed(broker, enqueue_op("n")) == ("n", True)


@pytest.mark.parametrize(
    "again", [enqueue_op("m", body=b"new"), unique_op("m"), unique_op("m", "else"), unique_op("m", on_conflict="after")], ids=str
)
@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("first", [enqueue_op("m"), unique_op("m")], ids=["plain", "unique"])
def test_a_message_that_waits_or_runs_is_never_changed(broker: Broker, first: EnqueueOp, running: bool, again: EnqueueOp) -> None:
    broker.place([first])
    if running:
        claim_one(broker)
    before = broker.peek("m")

    assert placed(broker, again) == ("m", False)
    assert broker.peek("m") == before
    assert placed(broker, unique_op("n", "else")) == ("n", True)


def test_a_call_says_for_each_message_which_one_stands_for_it(broker: Broker) -> None:
    broker.place([unique_op("held", "h"), enqueue_op("known")])
    ops = [
        unique_op("a", "1"),
        unique_op("a", "1"),
        unique_op("b", "1"),
        enqueue_op("known"),
        unique_op("c", "h"),
        enqueue_op("d"),
        enqueue_op("d"),
        unique_op("e", "2"),
        unique_op("e", "3"),
        unique_op("f", "3"),
    ]
    found = broker.place(ops)

    assert [(each.message_id, each.is_new) for each in found] == [
        ("a", True),
        ("a", False),
        ("a", False),
        ("known", False),
        ("held", False),
        ("d", True),
        ("d", False),
        ("e", True),
        ("e", False),
        ("f", True),
    ]
    assert ids(claim(broker)) == ["held", "known", "a", "d", "e", "f"]


def test_a_call_that_is_repeated_adds_nothing(broker: Broker) -> None:
    ops = [unique_op("a", "1"), unique_op("b", "1"), enqueue_op("c")]
    broker.place(ops)

    assert broker.place(ops) == (Placement("a", False), Placement("a", False), Placement("c", False))
    assert broker.place([]) == ()


def test_enqueue_counts_what_is_new(broker: Broker) -> None:
    assert broker.enqueue([unique_op("a"), unique_op("b"), enqueue_op("c"), enqueue_op("c")]) == 2
    assert broker.enqueue([unique_op("b"), enqueue_op("d")]) == 1
    assert ids(claim(broker)) == ["a", "c", "d"]


def test_async_producers_are_held_to_keys_too(broker: Broker, other: Broker) -> None:
    async def send() -> tuple[Placement, ...]:
        await broker.aenqueue([unique_op("m")])
        ops = [unique_op("n"), enqueue_op("o")]
        sending = asyncio.create_task(other.aplace(ops))
        await asyncio.sleep(0)  # until it waits for the first time
        ops[:] = [enqueue_op("changed")]
        return await sending

    assert asyncio.run(send()) == (Placement("m", False), Placement("o", True))
    assert ids(claim(broker)) == ["m", "o"]


def test_of_several_who_place_one_key_one_is_new_and_all_hear_of_it(broker: Broker, other: Broker) -> None:
    handles = [broker, other] * 4
    barrier = Barrier(len(handles))

    def place(handle: Broker, number: int) -> list[tuple[str, bool]]:
        barrier.wait(30)
        return [placed(handle, unique_op(f"m{number}-{key}", f"k{key}")) for key in range(5)]

    threads = [in_thread(lambda handle=handle, number=number: place(handle, number)) for number, handle in enumerate(handles)]  # type: ignore[misc]
    found = [thread.result(60) for thread in threads]

    for each in zip(*found, strict=True):
        assert sum(is_new for _, is_new in each) == 1
        assert len({message_id for message_id, _ in each}) == 1
    assert len(claim(broker)) == 5


# Freeing. Every way to end a run, or not, with every kind of key.

W = 1_000_000
"""A window, ms."""


def by_commit(disposition: Disposition) -> Callable[[Harness, Broker], None]:
    def end(harness: Harness, broker: Broker) -> None:
        assert commit(broker, claim_one(broker), disposition) == ()

    return end


def lose_the_lease(harness: Harness, broker: Broker) -> None:
    claim_one(broker)
    harness.advance(LEASE_MS)
    settle(broker)


def take_for_a_group(harness: Harness, broker: Broker) -> None:
    bury(broker, enqueue_op("letter", "letters"))
    assert broker.requeue(["letter"], lambda ids, view, now: RequeuePlan(taken_messages=("m",), taken_letters=("letter",))) == 1


def cancel_and_end(harness: Harness, broker: Broker) -> None:
    assert broker.cancel("m")
    assert commit(broker, claim_one(broker)) == ()


def release_and(call: Callable[[Broker], object]) -> Callable[[Harness, Broker], None]:
    def end(harness: Harness, broker: Broker) -> None:
        commit(broker, claim_one(broker), Release(counted=True))
        call(broker)

    return end


Fate = Literal["waits", "waits again", "runs", "ended"]
WAYS: dict[str, tuple[Fate, Callable[[Harness, Broker], object]]] = {
    "nothing": ("waits", lambda harness, broker: None),
    "cancelled while it runs": ("runs", lambda harness, broker: (claim_one(broker, lease=3 * W), broker.cancel("m"))),
    "cancelled": ("ended", lambda harness, broker: broker.cancel("m")),
    "cancelled later": ("ended", release_and(lambda broker: broker.cancel("m"))),
    "replaced": ("waits", lambda harness, broker: broker.replace(unique_op("m", body=b"new"))),
    "claimed": ("runs", lambda harness, broker: claim_one(broker, lease=3 * W)),
    "goes on": ("runs", lambda harness, broker: commit(broker, claim_one(broker, lease=3 * W), CONTINUE)),
    "released": ("waits again", by_commit(RELEASE)),
    "released and counted": ("waits again", by_commit(Release(counted=True))),
    "retried": ("waits again", by_commit(Reschedule(enqueue_op("m", delay=1_000), FAULT))),
    "put off": ("waits again", by_commit(Reschedule(unique_op("m", "another", delay=1_000)))),
    "taken back": ("waits again", lambda harness, broker: (claim_one(broker), broker.release("w1", {}))),
    "lost with its worker": ("waits again", lose_the_lease),
    "done": ("ended", by_commit(ACK)),
    "dead": ("ended", by_commit(Bury(FAULT))),
    "cancelled and done": ("ended", cancel_and_end),
    "discarded": ("ended", lambda harness, broker: broker.discard(["m"])),
    "discarded later": ("ended", release_and(lambda broker: broker.discard(["m"]))),
    "purged": ("ended", lambda harness, broker: broker.purge("q")),
    "purged later": ("ended", release_and(lambda broker: broker.purge("q"))),
    "taken by a requeue": ("ended", take_for_a_group),
}


@pytest.mark.parametrize("window", [0, W], ids=["", "window"])
@pytest.mark.parametrize("until", ["start", "end"])
@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_free_when_its_message_is_done_with_it_and_its_window_has_ended(
    harness: Harness, broker: Broker, way: str, until: Literal["start", "end"], window: int
) -> None:
    fate, bring_about = WAYS[way]
    broker.place([unique_op("m", until=until, window=window)])
    bring_about(harness, broker)
    held = fate == "waits" or (until == "end" and fate in ("runs", "waits again"))

    assert placed(broker, unique_op("n", queue="other", until="end")) == (("m", False) if held or window else ("n", True))
    if window:
        harness.advance(window)
        assert placed(broker, unique_op("o", queue="other")) == (("m", False) if held else ("o", True))


def test_a_window_begins_with_the_enqueue(harness: Harness, broker: Broker) -> None:
    broker.place([unique_op("m", window=W)])
    harness.advance(W // 2)
    commit(broker, claim_one(broker))
    harness.advance(W // 2 - 10_000)
    before = placed(broker, unique_op("n"))
    harness.advance(10_000)

    assert before == ("m", False)
    assert placed(broker, unique_op("n", window=W)) == ("n", True)


def test_a_message_that_outlasts_its_window_holds_its_key(harness: Harness, broker: Broker) -> None:
    broker.place([unique_op("m", window=10_000)])
    delivery = claim_one(broker, lease=3 * W)
    harness.advance(W)
    during = placed(broker, unique_op("n"))
    commit(broker, delivery)

    assert during == ("m", False)
    assert placed(broker, unique_op("n")) == ("n", True)


def test_a_key_is_taken_anew_when_it_is_free(broker: Broker) -> None:
    for name in ("a", "b", "c"):
        assert placed(broker, unique_op(name)) == (name, True)
        assert placed(broker, unique_op("n")) == (name, False)
        commit(broker, claim_one(broker))


def test_a_message_that_comes_back_after_its_start_holds_no_key(broker: Broker) -> None:
    broker.place([unique_op("m", until="start")])
    commit(broker, claim_one(broker), RELEASE)
    broker.place([unique_op("n", until="start")])
    m, n = claim(broker)
    broker.turn([outcome(m)], claim_request(limit=0))
    broker.place([unique_op("o", queue="later")])
    commit(broker, n)

    assert ids([m, n]) == ["m", "n"]
    assert placed(broker, unique_op("p")) == ("o", False)


@pytest.mark.parametrize("disposition", [ACK, Bury(FAULT), RELEASE, CONTINUE], ids=lambda disposition: type(disposition).__name__)
def test_a_stale_commit_frees_no_key(broker: Broker, disposition: Disposition) -> None:
    broker.place([unique_op("m")])
    delivery = claim_one(broker)
    broker.release("w1", {})
    claim_one(broker, "w2")

    assert commit(broker, delivery, disposition, unique_op("child")) == ("m",)
    assert placed(broker, unique_op("n")) == ("m", False)
    assert state(broker, "child") == "unknown"


def test_a_paused_queue_keeps_the_key(broker: Broker) -> None:
    broker.pause("q")
    broker.place([unique_op("m", until="start")])
    claim(broker)

    assert placed(broker, unique_op("n")) == ("m", False)
