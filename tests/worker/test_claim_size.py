"""How many messages a worker asks for, and from which queues, by its load alone."""

import pytest
from attrs import evolve

from fq import App
from fq.worker.process.claim_size import ClaimedQueues, ClaimSize, Load, QueueKind, claim_size
from fq.worker.process.prefetch import MAX_CLAIM, MIN_ASYNC_WINDOW, Prefetch

SLOW = Prefetch()
FAST = Prefetch(rate=1.0)
"""50 messages in a window."""

SYNC = Load(threads=8)
BOTH = Load(threads=8, loop_used=True, loop_room=1_000)
FULL_THREADS = evolve(BOTH, claimed=8)
FULL_LOOP = evolve(BOTH, claimed=1_000, on_loop=1_000, loop_room=0)

TABLE = {
    "an idle worker asks for a message a thread": (SYNC, SLOW, ClaimSize(8)),
    "a fast one asks for what it finishes in a window": (SYNC, FAST, ClaimSize(58)),
    "what waits for a thread counts": (evolve(SYNC, claimed=20, waiting=20), FAST, ClaimSize(38)),
    "a thread that runs a message is not free": (evolve(SYNC, claimed=3), SLOW, ClaimSize(5)),
    "a message in quarantine has a thread of its own": (evolve(SYNC, claimed=3, quarantined=True), SLOW, ClaimSize(6)),
    "messages on the loop need no thread": (evolve(BOTH, claimed=100, on_loop=100, loop_room=0), SLOW, ClaimSize(8, QueueKind.SYNC)),
    "returned messages come first, and others behind them": (evolve(SYNC, returned=4), SLOW, ClaimSize(12)),
    "with large messages, only free threads count": (evolve(SYNC, heavy=True), FAST, ClaimSize(8)),
    "with large messages that wait, nothing is asked for": (evolve(SYNC, heavy=True, claimed=10, waiting=10), FAST, ClaimSize()),
    "a full backlog asks for nothing": (evolve(SYNC, claimed=100, waiting=92), FAST, ClaimSize()),
    "a worker of both asks for the larger number": (BOTH, SLOW, ClaimSize(MIN_ASYNC_WINDOW)),
    "nothing more than the most": (SYNC, Prefetch(rate=1e6), ClaimSize(MAX_CLAIM)),
    "full threads leave the queues of async actors": (FULL_THREADS, SLOW, ClaimSize(MIN_ASYNC_WINDOW, QueueKind.ASYNC)),
    "for a while after a hand-back, mixed queues are left out": (
        evolve(FULL_THREADS, threads_late=True),
        SLOW,
        ClaimSize(MIN_ASYNC_WINDOW, QueueKind.ASYNC_ONLY),
    ),
    "a full loop leaves the queues of sync actors": (FULL_LOOP, SLOW, ClaimSize(8, QueueKind.SYNC)),
    "little room on the loop is not overdrawn": (evolve(FULL_THREADS, loop_room=3), SLOW, ClaimSize(3, QueueKind.ASYNC)),
    "full threads and a full loop ask for nothing": (evolve(FULL_LOOP, claimed=1_008), SLOW, ClaimSize()),
    "a loop that was never used may begin": (evolve(SYNC, claimed=8, loop_room=1_000), SLOW, ClaimSize(MIN_ASYNC_WINDOW, QueueKind.ASYNC)),
}


@pytest.mark.parametrize(("load", "prefetch", "expected"), TABLE.values(), ids=TABLE.keys())
def test_what_a_worker_asks_for(load: Load, prefetch: Prefetch, expected: ClaimSize) -> None:
    assert claim_size(load, prefetch) == expected


@pytest.fixture
def queues() -> ClaimedQueues:
    app = App("memory://", queues=["any"])
    for name, queue in (("one", "sync"), ("two", "mixed")):
        app.actor(name=name, queue=queue)(lambda: None)

    async def later() -> None: ...

    for name, queue in (("three", "async"), ("four", "mixed")):
        app.actor(name=name, queue=queue)(later)
    return ClaimedQueues(app.registry)


def test_a_queue_without_declared_actors_may_have_messages_of_either_colour(queues: ClaimedQueues) -> None:
    assert queues.of(QueueKind.ALL) == ("any", "sync", "mixed", "async")
    assert queues.of(QueueKind.SYNC) == ("any", "sync", "mixed")
    assert queues.of(QueueKind.ASYNC) == ("any", "mixed", "async")
    assert queues.of(QueueKind.ASYNC_ONLY) == ("async",)


def test_named_queues_are_the_only_ones() -> None:
    app = App("memory://")
    app.actor(name="one")(lambda: None)

    assert ClaimedQueues(app.registry, ["slow"]).all == ("slow",)
