"""A connection may end at any moment: nothing is lost, and nothing is stranded."""

import psycopg
import pytest

from fq.brokers.postgres import PostgresBroker, turn_recovery
from fq.brokers.postgres.turn import take_turn
from fq.errors import BrokerUnavailable
from tests.brokers.builders import PATIENCE_SECONDS, claim_one, claim_request, enqueue_op, ids, in_thread, outcome


def end_all(admin: "psycopg.Connection[tuple[object, ...]]") -> None:
    """End all other connections to the server."""
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


def test_calls_go_on_after_the_connections_have_ended(broker: PostgresBroker, admin) -> None:
    broker.enqueue([enqueue_op("m1")])
    delivery = claim_one(broker)
    end_all(admin)
    assert broker.status("m1").state == "running"

    end_all(admin)
    assert broker.turn([outcome(delivery)], claim_request()).stale == ()
    end_all(admin)
    assert broker.enqueue([enqueue_op("m2")]) == 1


def test_a_turn_whose_answer_was_lost_is_told_at_the_next(broker: PostgresBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.enqueue([enqueue_op("m1"), enqueue_op("m2"), enqueue_op("m3")])
    first = claim_one(broker)

    def lost(*arguments):
        take_turn(*arguments)
        raise BrokerUnavailable("the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(turn_recovery, "take_turn", lost)
        with pytest.raises(BrokerUnavailable):
            broker.turn([outcome(first)], claim_request(limit=1))

    turn = broker.turn([outcome(first)], claim_request(limit=0))
    assert turn.stale == ()
    assert ids(turn.deliveries) == ["m2", "m3"]  # the call was made twice
    assert broker.turn([outcome(delivery) for delivery in turn.deliveries], claim_request(limit=0)).stale == ()


def test_a_turn_that_never_arrived_is_taken_again(broker: PostgresBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.enqueue([enqueue_op("m1"), enqueue_op("m2")])
    first = claim_one(broker)

    def lost(*arguments):
        raise BrokerUnavailable("it was not reached")

    with monkeypatch.context() as patched:
        patched.setattr(turn_recovery, "take_turn", lost)
        with pytest.raises(BrokerUnavailable):
            broker.turn([outcome(first)], claim_request(limit=1))

    turn = broker.turn([outcome(first)], claim_request(limit=1))
    assert (turn.stale, ids(turn.deliveries)) == ((), ["m2"])


def test_a_turn_that_is_applied_after_the_worker_has_looked_is_told(broker: PostgresBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server goes on with what it has, whatever becomes of the connection."""
    broker.enqueue([enqueue_op("a"), enqueue_op("b")])
    calls: list[tuple[object, ...]] = []

    def lost(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) != 2:
            take_turn(*calls[0 if len(calls) == 1 else 1])  # the second arrives late
        raise BrokerUnavailable("lost")

    with monkeypatch.context() as patched:
        patched.setattr(turn_recovery, "take_turn", lost)
        with pytest.raises(BrokerUnavailable):
            broker.turn((), claim_request(limit=1))
        patched.setattr(turn_recovery.TurnRunner, "run", turn_recovery.TurnRunner._run)
        with pytest.raises(BrokerUnavailable):
            broker.turn((), claim_request(limit=1))

    assert sorted(ids(broker.turn((), claim_request(limit=1)).deliveries)) == ["a", "b"]


def test_a_wait_hears_of_messages_after_its_connection_has_ended(brokers: list[PostgresBroker], admin) -> None:
    broker, other, *_ = brokers
    wait = in_thread(lambda: broker.wait(claim_request(), int(PATIENCE_SECONDS * 1_000)))
    end_all(admin)
    other.enqueue([enqueue_op("m")])

    wait.result(PATIENCE_SECONDS)
    assert broker.turn((), claim_request()).deliveries


def test_without_listen_a_wait_looks_every_so_often(url: str, broker: PostgresBroker) -> None:
    waiter = PostgresBroker(f"{url}&listen=false&poll=20")
    wait = in_thread(lambda: waiter.wait(claim_request(), 60_000))
    broker.enqueue([enqueue_op("m")])

    wait.result(PATIENCE_SECONDS)
    found = {finding.what: finding.level for finding in waiter.diagnose()}
    waiter.close()
    assert found["listening"] == "warn"
