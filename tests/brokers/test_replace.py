"""Every broker: `replace` changes a message that waits, and only one that waits; it keeps its key, its deliveries and its fault."""

from collections.abc import Callable

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, RELEASE, EnqueueOp, Release, Reschedule
from fq.errors import BrokerError
from tests.brokers.builders import (
    FAULT,
    after_op,
    bury,
    claim,
    claim_one,
    claim_request,
    commit,
    enqueue_op,
    enqueue_ops,
    ids,
    in_thread,
    placed,
    run,
    settle,
    state,
    unique_op,
)
from tests.brokers.harness import Harness

NEW = EnqueueOp("m", "r", "other", -5, 20_000, b"new")


@pytest.mark.parametrize("delay", [0, 90_000], ids=["ready", "delayed"])
def test_a_message_that_waits_is_replaced(harness: Harness, broker: Broker, other: Broker, delay: int) -> None:
    broker.enqueue([enqueue_op("m", delay=delay)])
    harness.advance(10_000)
    replaced = other.replace(NEW)
    entry = broker.peek("m")

    assert replaced
    assert entry is not None
    assert (entry.status.state, entry.status.queue_name, entry.status.actor_name) == ("delayed", "r", "other")
    assert (entry.priority, entry.body) == (-5, b"new")
    assert abs(entry.status.due - broker.now() - 20_000) <= harness.slack
    harness.advance(20_000)
    assert [(each.message_id, each.actor_name, each.body) for each in claim(broker, "w1", "r")] == [("m", "other", b"new")]
    harness.advance(90_000)
    assert claim(broker, "w1", "q") == ()


BY_STATE: dict[str, Callable[[Broker], object]] = {
    "unknown": lambda broker: None,
    "running": lambda broker: (broker.enqueue(enqueue_ops("m")), claim_one(broker)),
    "dead": lambda broker: bury(broker, enqueue_op("m")),
    "done": lambda broker: run(broker, message_id="m"),
}


@pytest.mark.parametrize("wanted", BY_STATE)
@pytest.mark.parametrize("expected", [None, b"{}"])
def test_what_does_not_wait_is_not_replaced(broker: Broker, wanted: str, expected: bytes | None) -> None:
    BY_STATE[wanted](broker)
    before = broker.peek("m")

    assert not broker.replace(NEW, expected)
    assert broker.peek("m") == before
    assert claim(broker, "w1", "r") == ()


@pytest.mark.parametrize(("expected", "fits"), [(None, True), (b"{}", True), (b"{} ", False), (b"", False), (b"new", False)])
def test_a_message_is_replaced_if_its_body_is_as_expected(broker: Broker, expected: bytes | None, fits: bool) -> None:
    broker.enqueue(enqueue_ops("m"))
    before = broker.peek("m")

    assert broker.replace(enqueue_op("m", body=b"new"), expected) is fits
    assert fits or broker.peek("m") == before
    assert claim_one(broker).body == (b"new" if fits else b"{}")


def test_of_several_who_replace_one_body_one_succeeds(broker: Broker, other: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    threads = [
        in_thread(lambda number=number, handle=handle: handle.replace(enqueue_op("m", body=b"%d" % number), b"{}"))  # type: ignore[misc]
        for number, handle in enumerate([broker, other] * 4)
    ]
    done = [thread.result(30) for thread in threads]

    assert sum(done) == 1
    assert claim_one(broker).body == b"%d" % done.index(True)


def test_a_message_that_is_replaced_often_is_delivered_once(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    for queue, delay in (("q", 0), ("r", 0), ("q", 5_000), ("q", 0), ("r", 10_000), ("q", 20_000), ("q", 20_000)):
        assert broker.replace(enqueue_op("m", queue, delay=delay))
    harness.advance(10_000)
    assert claim(broker, "w1", "q", "r") == ()
    harness.advance(10_000)
    (delivery,) = claim(broker, "w1", "q", "r")
    assert [(each.queue_name, each.ready, each.delayed, each.in_flight) for each in broker.queues() if each.in_flight] == [("q", 0, 0, 1)]
    commit(broker, delivery, RELEASE)

    assert ids(claim(broker, "w1", "r")) == []
    assert ids(claim(broker, "w1", "q")) == ["m"]


def test_a_replaced_message_comes_from_its_new_queue_only(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    broker.replace(enqueue_op("m", "r"))

    assert claim(broker, "w1", "q") == ()
    assert ids(claim(broker, "w1", "r")) == ["m"]


def test_a_replaced_message_goes_behind_those_that_were_ready_before(harness: Harness, broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    harness.advance(10)
    broker.replace(enqueue_op("a"))

    assert ids(claim(broker)) == ["b", "a"]


def test_a_replaced_message_comes_by_its_new_priority(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    broker.replace(enqueue_op("b", priority=-1))

    assert ids(claim(broker, limit=1)) == ["b"]
    assert ids(claim(broker)) == ["a"]


@pytest.mark.parametrize("delay", [0, 30_000])
def test_deliveries_and_the_latest_fault_stay(harness: Harness, broker: Broker, delay: int) -> None:
    broker.enqueue(enqueue_ops("m"))
    commit(broker, claim_one(broker), Reschedule(enqueue_op("m", delay=10_000), FAULT))
    harness.advance(10_000)
    commit(broker, claim_one(broker), Release(counted=True, interrupted="shutdown"))
    broker.replace(enqueue_op("m", delay=delay, body=b"new"))
    status = broker.status("m")
    harness.advance(delay)
    delivery = claim_one(broker)

    assert (status.deliveries, status.fault) == (1, FAULT)
    assert (delivery.deliveries, delivery.interrupted, delivery.body) == (2, "shutdown", b"new")


def test_a_cancelled_message_stays_cancelled(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    broker.cancel("m")
    replaced = broker.replace(enqueue_op("m", delay=50_000, body=b"new"))
    delivery = claim_one(broker)

    assert replaced
    assert (delivery.interrupted, delivery.body) == ("cancelled", b"new")


@pytest.mark.parametrize("call", ["discard", "purge", "cancel"])
def test_other_calls_find_a_replaced_message_where_it_is_now(broker: Broker, call: str) -> None:
    broker.enqueue(enqueue_ops("m"))
    broker.replace(enqueue_op("m", "r", delay=50_000))

    assert broker.purge("q") == 0
    assert {"discard": lambda: broker.discard(["m"]), "purge": lambda: broker.purge("r"), "cancel": lambda: broker.cancel("m")}[call]() == 1
    assert ids(claim(broker, "w1", "q", "r")) == (["m"] if call == "cancel" else [])


def test_a_replacement_that_is_ready_ends_the_wait(broker: Broker, other: Broker) -> None:
    broker.enqueue([enqueue_op("m", delay=50_000)])
    settle(broker, "w1")
    wait = in_thread(lambda: broker.wait(claim_request(), 60_000))
    other.replace(enqueue_op("m"))

    wait.result(30)
    assert ids(claim(broker)) == ["m"]


@pytest.mark.parametrize(
    "malformed", [enqueue_op("m", delay=-1), enqueue_op("m", ""), enqueue_op("m", body="text")], ids=["delay", "queue", "body"]
)  # type: ignore[arg-type]
def test_what_cannot_be_kept_replaces_nothing(broker: Broker, malformed: EnqueueOp) -> None:
    broker.enqueue(enqueue_ops("m"))
    with pytest.raises(BrokerError, match=r"found .* expected .*nothing of this call was applied"):
        broker.replace(malformed)

    assert claim_one(broker).body == b"{}"


# Keys.


@pytest.mark.parametrize("new", [enqueue_op("m"), unique_op("m"), unique_op("m", "else"), unique_op("m", until="start")], ids=str)
def test_a_replaced_message_keeps_its_key_as_it_took_it(broker: Broker, new: EnqueueOp) -> None:
    broker.place([unique_op("m")])
    replaced = broker.replace(new)
    delivery = claim_one(broker)

    assert replaced
    assert placed(broker, unique_op("n", queue="other")) == ("m", False)
    assert placed(broker, unique_op("o", "else", queue="other")) == ("o", True)
    commit(broker, delivery)
    assert placed(broker, unique_op("n", queue="other")) == ("n", True)


def test_a_message_without_a_key_takes_none_when_it_is_replaced(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))

    assert broker.replace(unique_op("m"))
    assert placed(broker, unique_op("n")) == ("n", True)
    assert broker.replace(unique_op("m"))


def debounced(*, delay: int = 10_000, max_wait: int = 25_000) -> EnqueueOp:
    """The op of a message that each call puts off, up to a limit."""
    return unique_op("m", delay=delay, max_wait=max_wait)


def test_a_message_waits_no_longer_than_its_limit_from_its_first_enqueue_on(harness: Harness, broker: Broker) -> None:
    start = broker.now()
    broker.place([debounced()])
    waits = []
    for _ in range(3):
        harness.advance(8_000)
        assert broker.replace(debounced())
        waits.append(broker.status("m").due - start)
    before = claim(broker)
    harness.advance(1_000)

    for found, expected in zip(waits, [18_000, 25_000, 25_000], strict=True):
        assert abs(found - expected) <= harness.slack
    assert before == ()
    assert ids(claim(broker)) == ["m"]


def test_after_its_limit_a_replaced_message_is_ready_at_once(harness: Harness, broker: Broker) -> None:
    broker.pause("q")
    broker.place([debounced()])
    harness.advance(60_000)
    broker.replace(debounced())

    assert state(broker, "m") == "ready"


def test_without_a_limit_a_message_may_be_put_off_for_ever(harness: Harness, broker: Broker) -> None:
    broker.place([debounced(max_wait=0)])
    for _ in range(10):
        harness.advance(9_000)
        assert broker.replace(debounced(max_wait=0))

    assert state(broker, "m") == "delayed"


def test_a_limit_does_not_make_a_message_wait_longer(harness: Harness, broker: Broker) -> None:
    broker.place([debounced()])
    broker.replace(debounced(delay=1_000))
    harness.advance(1_000)

    assert state(broker, "m") == "ready"


@pytest.mark.parametrize("new", [enqueue_op("m", delay=60_000), unique_op("m", delay=60_000)], ids=["no key", "no limit"])
def test_the_limit_is_that_of_the_replacement(harness: Harness, broker: Broker, new: EnqueueOp) -> None:
    broker.place([debounced()])
    broker.replace(new)
    harness.advance(50_000)

    assert state(broker, "m") == "delayed"


def test_a_message_without_a_key_has_no_limit(harness: Harness, broker: Broker) -> None:
    broker.enqueue([enqueue_op("m", delay=10_000)])
    broker.replace(debounced(delay=60_000))
    harness.advance(50_000)

    assert state(broker, "m") == "delayed"


def test_the_limit_of_what_was_put_aside_begins_when_it_takes_the_key(harness: Harness, broker: Broker) -> None:
    broker.place([unique_op("holder", queue="held")])
    holder = claim_one(broker, "w1", "held", lease=1_000_000)
    broker.place([after_op("m")])
    harness.advance(100_000)
    commit(broker, holder, ACK)
    broker.replace(debounced(delay=60_000))
    harness.advance(20_000)
    before = state(broker, "m")
    harness.advance(5_000)

    assert before == "delayed"
    assert state(broker, "m") == "ready"
