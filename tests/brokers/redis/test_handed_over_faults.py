"""What goes wrong while a message is on its way to the worker that waits for it: it is neither stranded nor run twice."""

import threading
import time
from collections.abc import Callable
from unittest.mock import patch

import pytest
import redis
from attrs import evolve

from fq.brokers.records import ClaimRequest
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.handed_over import HandedOver
from fq.errors import BrokerUnavailable
from tests.brokers.builders import ids
from tests.brokers.redis.builders import done, tune
from tests.brokers.redis.servers import Server
from tests.brokers.redis.test_handed_over import ONE, TWO, WANT, arrived, claimed, wait
from tests.wait_until import wait_until


@pytest.fixture
def waiting(connect: Callable[..., RedisBroker]) -> RedisBroker:
    """The broker of a worker that is registered as waiting."""
    broker = connect()
    wait(broker)
    return broker


@pytest.mark.parametrize("is_applied", [False, True])
def test_what_is_handed_back_is_so_by_the_next_turn_if_this_one_fails(waiting: RedisBroker, is_applied: bool) -> None:
    waiting.enqueue([ONE])
    arrived(waiting)
    run, other_queue = waiting._namespace.run, evolve(WANT, queues=("r",))

    def fail(*arguments: object) -> object:
        if is_applied:
            run(*arguments)
        raise BrokerUnavailable("the network has failed")

    with patch.object(waiting._namespace, "run", fail), pytest.raises(BrokerUnavailable):
        waiting.turn((), other_queue)
    turn = waiting.turn((), other_queue)

    assert (turn.deliveries, turn.stale) == ((), ())
    assert waiting.status("m1").state == "ready"
    assert ids(waiting.turn((), WANT).deliveries) == ["m1"]


def test_one_that_comes_while_a_turn_begins_that_wants_nothing_is_handed_back(waiting: RedisBroker, client: redis.Redis) -> None:
    late: list[tuple[str, bytes]] = []
    with patch.object(HandedOver, "receive", lambda _, *message: late.append(message)):
        waiting.enqueue([ONE])
        wait_until(lambda: late, what="the publication")
    handed, begin = waiting._state.turns.handed, waiting._state.turns._find_out

    def receive_and_begin(*arguments: object) -> None:
        handed.receive(*late[0])
        begin(*arguments)

    with patch.object(waiting._state.turns, "_find_out", receive_and_begin):
        assert waiting.turn((), ClaimRequest("w", ("q", "r"), 0)).deliveries == ()

    assert claimed(client) == set()


def test_one_that_was_taken_back_before_its_worker_went_on_is_not_run(waiting: RedisBroker, connect: Callable[..., RedisBroker]) -> None:
    """Its process had been stopped for longer than its lease."""
    waiting.enqueue([ONE])
    arrived(waiting)
    other, real = connect(), time.monotonic
    other.release("w", {})
    assert ids(other.turn((), ClaimRequest("v", ("q",), 5)).deliveries) == ["m1"]
    with patch("time.monotonic", lambda: real() + 10):
        assert waiting.turn((), WANT).deliveries == ()


def test_one_that_comes_late_is_run_if_it_is_still_claimed(waiting: RedisBroker) -> None:
    waiting.enqueue([ONE])
    arrived(waiting)
    real = time.monotonic
    with patch("time.monotonic", lambda: real() + 10):
        deliveries = waiting.turn((), WANT).deliveries
        assert waiting.turn((), WANT).deliveries == ()

    assert ids(deliveries) == ["m1"]
    assert waiting.turn(done(deliveries), WANT).stale == ()


def test_one_that_is_cancelled_before_the_turn_that_tells_it_comes_as_cancelled(waiting: RedisBroker) -> None:
    waiting.enqueue([ONE])
    arrived(waiting)
    (first,) = waiting.turn((), WANT).deliveries
    assert waiting.turn(done([first]), WANT).deliveries == ()
    waiting.enqueue([TWO])
    arrived(waiting)
    assert waiting.cancel("m2")

    assert [each.interrupted for each in waiting.turn(done([first]), WANT).deliveries] == ["cancelled"]


def test_a_wait_ends_at_once_when_one_has_come(waiting: RedisBroker) -> None:
    waiting.enqueue([ONE])
    arrived(waiting)
    waiting._state.signal._woken.clear()  # an earlier wait has had it
    tune(waiting, max_wait_seconds=60)
    waits = threading.Thread(target=waiting.wait, args=(WANT, 60_000), daemon=True)
    waits.start()
    waits.join(15)

    assert not waits.is_alive()
    assert ids(waiting.turn((), WANT).deliveries) == ["m1"]


def test_a_worker_that_listens_to_another_server_is_woken_and_handed_nothing(
    waiting: RedisBroker, connect: Callable[..., RedisBroker], valkey: Server
) -> None:
    """As after a failover in a cluster: its subscription stays with the former master, which passes on what is published, and the claim is another's."""
    with valkey.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    replica = Server("valkey", "--replicaof", "127.0.0.1", str(valkey.port)).start()
    try:
        with replica.client() as client, client.pubsub() as pubsub:
            wait_until(lambda: client.info("replication")["master_link_status"] == "up", what="the replica")
            pubsub.subscribe("{fq}:bell:w")
            assert pubsub.get_message(timeout=20)["type"] == "subscribe"
            waiting._state._subscriber.close()
            waiting._state._subscriber = None
            connect().enqueue([ONE])
            message = pubsub.get_message(timeout=20)
    finally:
        replica.remove()

    assert message["data"] == b"{fq}:messages", "where to look, and no message"
    assert waiting.status("m1").state == "ready"
