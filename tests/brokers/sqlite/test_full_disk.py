"""The SQLite broker on a full disk: a call about marks, keys or counters takes effect wholly or not at all, and can be made again."""

from collections.abc import Callable

import pytest

from fq.brokers import SqliteBroker
from fq.brokers.counters import Count
from fq.brokers.records import ABSENT, ACK, CONTINUE, Delivery, SetMarkOp
from fq.errors import BrokerError
from tests.brokers.builders import (
    after_op,
    claim,
    claim_one,
    claim_request,
    commit,
    enqueue_op,
    ids,
    mark_body,
    outcome,
    placed,
    state,
    unique_op,
)

LARGE = b"x" * 1_000_000


@pytest.fixture
def holder(broker: SqliteBroker) -> Delivery:
    """A message that runs and holds the key "k", for which "aside" is put aside."""
    broker.place([unique_op("holder", queue="held")])
    delivery = claim_one(broker, "w1", "held")
    broker.place([after_op("aside")])
    return delivery


def full(broker: SqliteBroker) -> Callable[[], object]:
    """Let the disk be full, and return what makes room again."""
    connection = broker._writer._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    return lambda: connection.execute("PRAGMA max_page_count = 1000000")


def test_a_key_is_freed_and_a_mark_set_with_the_commit_or_not_at_all(broker: SqliteBroker, holder: Delivery) -> None:
    make_room = full(broker)
    commits = [outcome(holder, ACK, SetMarkOp("small", b"1", expected=ABSENT), SetMarkOp("large", LARGE, then=(enqueue_op("then"),)))]
    with pytest.raises(BrokerError, match="found no free space"):
        broker.turn(commits, claim_request())
    during = [state(broker, name) for name in ("holder", "aside", "then")], broker.marks(["small", "large"])
    make_room()
    turn = broker.turn(commits, claim_request())

    assert during == (["running", "delayed", "unknown"], {})
    assert turn.stale == ()
    assert ids(turn.deliveries) == ["aside", "then"]
    assert (mark_body(broker, "small"), mark_body(broker, "large")) == (b"1", LARGE)
    assert placed(broker, unique_op("new")) == ("aside", False)


def test_a_message_that_could_not_tell_how_far_it_is_goes_on(broker: SqliteBroker, holder: Delivery) -> None:
    make_room = full(broker)
    with pytest.raises(BrokerError, match="found no free space"):
        commit(broker, holder, CONTINUE, SetMarkOp("progress", LARGE))
    make_room()

    assert mark_body(broker, "progress") is None
    assert commit(broker, holder, CONTINUE, SetMarkOp("progress", b"1")) == ()
    assert commit(broker, holder) == ()


def test_a_key_is_taken_with_its_message_or_not_at_all(broker: SqliteBroker, holder: Delivery) -> None:
    make_room = full(broker)
    ops = [unique_op("small", "new"), unique_op("large", "newer", body=LARGE)]
    with pytest.raises(BrokerError, match="found no free space"):
        broker.place(ops)
    make_room()

    assert (state(broker, "small"), state(broker, "large")) == ("unknown", "unknown")
    assert placed(broker, unique_op("other", "new")) == ("other", True)
    assert [placement.is_new for placement in broker.place(ops)] == [False, True]


def test_marks_replacements_and_counters_change_wholly_or_not_at_all(broker: SqliteBroker, holder: Delivery) -> None:
    broker.enqueue([enqueue_op("m", body=b"old")])
    make_room = full(broker)
    calls = [
        lambda: broker.set_marks([SetMarkOp("small", b"1", then=(enqueue_op("then"),)), SetMarkOp("large", LARGE)]),
        lambda: broker.replace(enqueue_op("m", "r", body=LARGE)),
        lambda: broker.count([Count("b", f"{number:04}" + "n" * 900, 1, 60_000) for number in range(2_000)]),
    ]
    for call in calls:
        with pytest.raises(BrokerError, match="found no free space"):
            call()
    make_room()

    assert broker.marks(["small", "large"]) == broker.counts(["b"]) == {}
    assert [(delivery.message_id, delivery.body) for delivery in claim(broker)] == [("m", b"old")]
    for call in calls:
        call()
    assert len(broker.counts(["b"])["b"]) == 2_000
    assert mark_body(broker, "large") == LARGE
