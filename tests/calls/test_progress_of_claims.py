"""On every broker: a progress belongs to one claim, and another claim of the message begins with none."""

from collections.abc import Callable

import pytest

from fq import App, keep
from fq.brokers.operations import message_key
from fq.brokers.protocol import Broker
from fq.brokers.records import CONTINUE, ClaimRequest, Commit, Delivery, Release, SetMarkOp
from fq.wire.progress import encode_progress, with_facts
from tests.brokers.harness import Harness


@pytest.fixture
def everywhere(harness: Harness) -> App:
    return App(broker=harness.broker())


def claim(broker: Broker, worker: str = "w") -> Delivery:
    (delivery,) = broker.turn((), ClaimRequest(worker, ("default",), 1)).deliveries
    return delivery


def told(delivery: Delivery, done: int, worker: str = "w") -> Commit:
    """Return the commit by which *worker*, which has *delivery*, tells a progress."""
    body = with_facts(encode_progress(done, 100, ""), delivery.token, worker, delivery.deliveries, delivery.received_at)
    mark = SetMarkOp(message_key("progress", delivery.message_id), body, 60_000)
    return Commit(delivery.message_id, delivery.queue_name, delivery.token, CONTINUE, (mark,))


def test_a_redelivery_begins_with_none_and_a_zombie_tells_nothing(everywhere: App) -> None:
    @everywhere.actor
    def work() -> None: ...

    broker, handle = everywhere.broker, work.send()
    first = claim(broker)
    assert broker.turn((told(first, 80),), ClaimRequest("w", ("default",), 0)).stale == ()
    found = handle.progress()
    assert found is not None
    assert found.done == 80

    broker.release("w", {})
    assert handle.progress() is None, "it waits"
    second = claim(broker)
    assert handle.progress() is None, "what it told is of an earlier delivery"

    turn = broker.turn((told(first, 90),), ClaimRequest("w", ("default",), 0))
    assert turn.stale == (handle.message_id,)
    assert handle.progress() is None

    broker.turn((told(second, 10),), ClaimRequest("w", ("default",), 0))
    found = handle.progress()
    assert found is not None
    assert found.done == 10


def test_a_message_that_is_handed_back_keeps_none(everywhere: App) -> None:
    @everywhere.actor
    def work() -> None: ...

    broker, handle = everywhere.broker, work.send()
    first = claim(broker)
    broker.turn((told(first, 80),), ClaimRequest("w", ("default",), 0))
    deletion = SetMarkOp(message_key("progress", first.message_id), None)
    broker.turn((Commit(first.message_id, "default", first.token, Release(), (deletion,)),), ClaimRequest("w", ("default",), 0))

    assert claim(broker).deliveries == first.deliveries, "the delivery does not count"
    assert handle.progress() is None


def test_a_delivery_with_the_number_of_one_that_was_lost_begins_with_none(everywhere: App) -> None:
    """The lost one does not count, or belongs to another attempt."""

    @everywhere.actor
    def work() -> None: ...

    broker, handle = everywhere.broker, work.send()
    first = claim(broker)
    broker.turn((told(first, 80),), ClaimRequest("w", ("default",), 0))
    broker.release("w", {}, ())  # its process has died
    second = claim(broker, "other")

    assert second.deliveries == first.deliveries
    assert handle.progress() is None
    assert handle.status().progress is None

    broker.turn((told(second, 10, "other"),), ClaimRequest("other", ("default",), 0))
    found = handle.progress()
    assert found is not None
    assert found.done == 10


AGAIN: dict[str, Callable[[Broker, Delivery], object]] = {
    "it was taken back, and does not count": lambda broker, first: broker.release("w", {}, ()),
    "it was handed back": lambda broker, first: broker.turn(
        (Commit(first.message_id, "default", first.token, Release()),), ClaimRequest("w", ("default",), 0)
    ),
    "it was taken back, and another handed it back": lambda broker, first: (
        broker.release("w", {}, ()),
        broker.turn(
            (Commit(first.message_id, "default", claim(broker, "other").token, Release()),), ClaimRequest("other", ("default",), 0)
        ),
    ),
}


@pytest.mark.parametrize("why", AGAIN)
def test_a_claim_of_the_same_worker_with_the_same_number_begins_with_none(everywhere: App, why: str) -> None:
    """As when a worker stalls, loses its lease, wakes, and claims the message again: only the token tells the two claims apart."""

    @everywhere.actor(keep())
    def work() -> None: ...

    broker, handle = everywhere.broker, work.send()
    first = claim(broker)
    broker.turn((told(first, 80),), ClaimRequest("w", ("default",), 0))
    AGAIN[why](broker, first)
    second = claim(broker)
    record = handle.history()

    assert (second.deliveries, broker.status(handle.message_id).worker) == (first.deliveries, "w")
    assert (handle.progress(), handle.status().progress, record and record.progress) == (None, None, None)

    stale = broker.turn((told(first, 90),), ClaimRequest("w", ("default",), 0)).stale
    assert (stale, handle.progress()) == ((handle.message_id,), None)

    broker.turn((told(second, 10),), ClaimRequest("w", ("default",), 0))
    assert [found and found.done for found in (handle.progress(), handle.status().progress)] == [10, 10]


def test_a_progress_that_an_older_fq_has_written_is_of_its_worker_and_number(everywhere: App) -> None:
    @everywhere.actor
    def work() -> None: ...

    broker, handle = everywhere.broker, work.send()
    first, seen = claim(broker), []
    for older in (b'{"worker":"w","deliveries":1,', b'{"worker":"v","deliveries":1,', b'{"deliveries":1,', b'{"deliveries":2,'):
        broker.set_marks([SetMarkOp(message_key("progress", first.message_id), older + b'"at":5,"done":3}')])
        found = handle.progress()
        seen.append(found and found.done)

    assert seen == [3, None, 3, None]
