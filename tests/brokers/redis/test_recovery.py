"""What happens when workers die, servers restart and scripts are forgotten: nothing is lost, and no worker commits what another one holds."""

import threading
import time
from collections.abc import Callable

import pytest
import redis

from fq.brokers.records import ACK, ClaimRequest, Commit, EnqueueOp, StoreResultOp
from fq.brokers.redis import RedisBroker
from fq.errors import BrokerError
from tests.brokers.builders import enqueue_op, ids
from tests.brokers.redis.builders import done, done_with_results, drain, fill, tune
from tests.brokers.redis.faults import FaultyConnection, break_at, mend
from tests.brokers.redis.servers import Server
from tests.brokers.redis.test_faults import OPERATIONS, prepare

A = ClaimRequest("a", ("q",), 100, 15_000)
B = ClaimRequest("b", ("q",), 100, 15_000)


def test_15998_messages_of_one_dead_worker_all_come_back(connect: Callable[..., RedisBroker], shared: Server) -> None:
    broker = connect()
    fill(broker, 15_998)
    held = broker.turn((), ClaimRequest("dead", ("q",), 20_000, 1_000)).deliveries
    assert len(held) == 15_998
    broker.offset = 1_000

    assert drain(broker, worker="heir") == ids(held)


def test_a_dead_worker_on_an_idle_queue_is_found_by_a_worker_of_another_queue(broker: RedisBroker) -> None:
    broker.enqueue([enqueue_op("m", "idle")])
    broker.turn((), ClaimRequest("dead", ("idle",), 1, 1_000))
    broker.offset = 1_000
    broker.turn((), ClaimRequest("elsewhere", ("busy",), 1))

    assert broker.status("m").state == "ready"
    assert broker.status("m").deliveries == 1


def test_a_waiting_worker_comes_back_when_the_lease_of_a_dead_one_ends(connect: Callable[..., RedisBroker]) -> None:
    dead, heir = connect(), tune(connect(), max_wait_seconds=60)
    dead.enqueue([enqueue_op("m")])
    dead.turn((), ClaimRequest("dead", ("q",), 1, 200))
    turn = heir.turn((), B)
    started = time.monotonic()
    heir.wait(B, 60_000)

    assert turn.idle_for <= 200
    assert time.monotonic() - started < 30
    assert ids(heir.turn((), B).deliveries) == ["m"]


def test_the_heir_of_a_worker_with_many_queues_gets_all_of_them(broker: RedisBroker) -> None:
    names = tuple(f"q{number}" for number in range(40))
    broker.enqueue([enqueue_op(f"m-{name}", name) for name in names])
    for name in names:
        broker.turn((), ClaimRequest("dead", (name,), 1, 1_000))
    broker.offset = 1_000
    broker.turn((), ClaimRequest("heir", ("another",), 0))

    assert {stats.ready for stats in broker.queues()} == {1}


def test_a_zombie_neither_overwrites_a_result_nor_posts_a_follow_up(connect: Callable[..., RedisBroker]) -> None:
    zombie, heir = connect(), connect()
    zombie.enqueue([enqueue_op("m")])
    (lost,) = zombie.turn((), A).deliveries
    zombie.offset = heir.offset = 15_000
    (taken,) = heir.turn((), B).deliveries
    heir.turn([Commit("m", "q", taken.token, ACK, (StoreResultOp("m", b"heir", 60_000),))], ClaimRequest("b", (), 0))
    late = Commit("m", "q", lost.token, ACK, (StoreResultOp("m", b"zombie", 60_000), EnqueueOp("child", "q", "act", 0, 0, b"")))

    assert zombie.turn([late], ClaimRequest("a", (), 0)).stale == ("m",)
    assert zombie.result("m") == b"heir"
    assert zombie.status("child").state == "unknown"


def test_a_worker_whose_name_is_used_again_still_finds_its_commits_stale(connect: Callable[..., RedisBroker]) -> None:
    broker = connect()
    broker.enqueue([enqueue_op("m")])
    (first,) = broker.turn((), A).deliveries
    broker.offset = 15_000
    broker.turn((), ClaimRequest("other", (), 0))
    (second,) = broker.turn((), A).deliveries

    assert broker.turn(done([first]), ClaimRequest("a", (), 0)).stale == ("m",)
    assert broker.turn(done([second]), ClaimRequest("a", (), 0)).stale == ()


def test_the_clock_of_the_client_is_never_read(connect: Callable[..., RedisBroker], monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> float:
        raise AssertionError("somebody has read the client's clock")

    monkeypatch.setattr(time, "time", forbidden)
    monkeypatch.setattr(time, "time_ns", forbidden)
    broker = connect()
    broker.enqueue([enqueue_op("m"), enqueue_op("late", delay=1_000)])
    (delivery,) = broker.turn((), A).deliveries
    broker.turn(done_with_results([delivery]), A)
    broker.wait(A, 20)

    assert broker.wait_result("m", 1_000) == b"m"
    assert broker.status("late").due - broker.now() <= 1_000


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_server_that_forgets_its_scripts_is_told_them_again(
    connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = connect()
    prepare(broker)
    connection = type(broker._endpoint.connect())
    original = connection.send_packed_command

    def forgetful(self: object, command: object, check_health: bool = True) -> None:
        if b"EVALSHA" in command[0][:40]:
            client.script_flush()
        original(self, command, check_health=check_health)

    monkeypatch.setattr(connection, "send_packed_command", forgetful)

    OPERATIONS[name](broker)


def test_a_server_that_is_emptied_is_begun_with_anew(broker: RedisBroker, client: redis.Redis) -> None:
    broker.enqueue([enqueue_op("m")])
    (lost,) = broker.turn((), A).deliveries
    client.flushall()
    turn = broker.turn(done([lost]), A)
    broker.enqueue([enqueue_op("m")])

    assert turn.stale == ("m",)
    assert drain(broker) == ["m"]


def test_claims_and_tokens_outlive_a_server_that_is_killed() -> None:
    server = Server("valkey", "--appendonly", "yes", "--appendfsync", "always").start()
    broker = RedisBroker(server.url)
    broker.enqueue([enqueue_op("a"), enqueue_op("b", delay=60_000), enqueue_op("c")])
    first, second = broker.turn((), A).deliveries
    server.kill()
    server.start()

    assert broker.turn(done_with_results([first]), ClaimRequest("a", (), 0)).stale == ()
    assert [broker.status(id_).state for id_ in "abc"] == ["done", "delayed", "running"]
    assert second.message_id == "c"
    broker.close()
    server.remove()


def test_workers_and_producers_go_on_when_the_server_is_killed_under_load() -> None:
    server = Server("valkey", "--appendonly", "yes", "--appendfsync", "always").start()
    producer, worker = RedisBroker(server.url, patience=20_000), RedisBroker(server.url, patience=20_000)
    ran: list[str] = []
    finished = threading.Event()

    def work() -> None:
        request = ClaimRequest("w", ("q",), 50)
        turn, nothing_more = worker.turn((), request), False
        while turn.deliveries or not nothing_more:
            ran.extend(ids(turn.deliveries))
            if not turn.deliveries:
                worker.wait(request, 50)
            nothing_more = finished.is_set()  # before the turn that finds nothing
            turn = worker.turn(done_with_results(turn.deliveries, ttl=3_600_000), request)
            stale.extend(turn.stale)

    stale: list[str] = []
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    for number in range(2_000):
        producer.enqueue([enqueue_op(f"m{number}")])
        if number % 500 == 250:
            server.kill()
            server.start(ready=False)
    finished.set()
    thread.join(60)

    assert sorted(ran) == sorted(f"m{number}" for number in range(2_000))
    assert stale == []
    assert all(producer.result(f"m{number}") == b"m%d" % number for number in range(2_000))
    producer.close()
    worker.close()
    server.remove()


def test_a_commit_whose_reply_was_lost_is_not_stale_and_its_claims_are_not_stranded(broker: RedisBroker) -> None:
    broker.enqueue([enqueue_op("a"), enqueue_op("b"), enqueue_op("c", priority=-1)])
    (first,) = broker.turn((), ClaimRequest("a", ("q",), 1)).deliveries
    break_at(broker, 0, replied=True)
    turn = broker.turn([*done([first]), Commit("nobody", "q", 1)], A)
    mend(broker)

    assert first.message_id == "c"
    assert turn.stale == ("nobody",)
    assert ids(turn.deliveries) == ["a", "b"]
    assert {delivery.deliveries for delivery in turn.deliveries} == {1}
    assert broker.turn(done(turn.deliveries), A).stale == ()


def test_a_message_that_has_run_is_not_posted_again_by_a_producer_whose_reply_was_lost(connect: Callable[..., RedisBroker]) -> None:
    producer, worker = connect(), connect()
    connection = producer._endpoint.connect()
    producer._namespace.client._idle.append(LostReply(connection, lambda: drain(worker)))
    producer.enqueue([enqueue_op("m")])

    assert drain(worker) == []


class LostReply(FaultyConnection):
    """Sends the command, lets *meanwhile* happen, and fails."""

    def __init__(self, connection: object, meanwhile: Callable[[], object]) -> None:
        self._connection = connection
        self._meanwhile = meanwhile

    def send_packed_command(self, command: object, check_health: bool = True) -> None:
        self._connection.send_packed_command(command, check_health=check_health)
        self._connection.read_response(disable_decoding=True)
        assert self._meanwhile() == ["m"]
        raise redis.exceptions.ConnectionError("the network has failed, says the test")


def test_an_error_of_the_server_loses_no_connection(broker: RedisBroker, client: redis.Redis) -> None:
    client.set("{fq}:paused", "not a set")
    for _ in range(30):
        with pytest.raises(BrokerError):
            broker.pause("q")
    client.delete("{fq}:paused")

    assert len(client.client_list()) < 10
