"""Every broker: the status of a message that has ended, while a mark says so, and of a group."""

import pytest

from fq.brokers.operations import FINISHED, finished_key
from fq.brokers.protocol import Broker
from fq.brokers.records import MAX_KEY_BYTES, SetMarkOp, Status
from tests.brokers.builders import arrive_op, deferred_enqueue, enqueue_op, run, state
from tests.brokers.harness import Harness


def finish(broker: Broker, message_id: str, ttl: int = 10_000) -> None:
    """Run a message, and let its commit say that it has ended."""
    run(broker, SetMarkOp(finished_key(message_id), b"{}", ttl, index=FINISHED, order=1), message_id=message_id)


def test_a_message_is_done_while_a_mark_says_that_it_has_ended(harness: Harness, broker: Broker) -> None:
    finish(broker, "m")

    assert state(broker, "m") == "done"

    harness.advance(10_000)

    assert state(broker, "m") == "unknown"


@pytest.mark.parametrize("message_id", ["x" * 1_010, "x" * 1_016, "ä" * 600, "m\N{SNOWMAN}"])
def test_the_key_of_that_mark_is_never_too_long(broker: Broker, message_id: str) -> None:
    finish(broker, message_id)

    assert len(finished_key(message_id).encode()) <= MAX_KEY_BYTES
    assert state(broker, message_id) == "done"


def test_a_message_that_is_sent_again_is_where_it_is(broker: Broker) -> None:
    finish(broker, "m")
    broker.enqueue([enqueue_op("m")])

    assert state(broker, "m") == "ready"


def test_the_id_of_a_group_says_how_many_members_have_arrived(harness: Harness, broker: Broker) -> None:
    seen = [broker.status("g")]
    for member in (0, 1):
        run(broker, arrive_op(member, 2, b"0", *([deferred_enqueue("then")] if member == 0 else [])), message_id=f"m{member}")
        seen.append(broker.status("g"))
    harness.advance(60_000)

    assert seen == [Status("g", "unknown"), Status("g", "waiting", arrived=1), Status("g", "done")]
    assert state(broker, "g") == "unknown"


def test_a_group_that_is_cancelled_before_any_arrival_waits_for_all(broker: Broker) -> None:
    broker.cancel_all((), ("g",))

    assert broker.status("g") == Status("g", "waiting")
