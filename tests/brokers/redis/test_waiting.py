"""Waiting for work and for results: woken at once, only by a message of its queue, never missed, and nothing asked of the server meanwhile."""

import asyncio
import random
import threading
import time
from collections.abc import Callable

import pytest
import redis

from fq.brokers.records import ACK, ClaimRequest, EnqueueOp, StoreResultOp
from fq.brokers.redis import RedisBroker, results
from fq.brokers.redis.tuning import Tuning
from fq.execution.requeue_plan import plan_requeue
from tests.brokers.builders import PATIENCE_SECONDS, bury, enqueue_op, in_thread, run
from tests.brokers.redis.builders import done, tune
from tests.brokers.redis.servers import Server
from tests.wait_until import wait_until

WANT = ClaimRequest("w", ("q",), 10)
LONG = 60_000


def calls(client: redis.Redis) -> int:
    """Return how many commands the server has had, those of this very question apart."""
    stats = client.info("commandstats")
    return sum(
        each["calls"] for name, each in stats.items() if name not in ("cmdstat_info", "cmdstat_config|resetstat", "cmdstat_client|list")
    )


def listeners(client: redis.Redis) -> list[dict[str, str]]:
    return [each for each in client.client_list() if int(each["sub"]) > 0]


def idle(broker: RedisBroker, request: ClaimRequest = WANT) -> "Waiter":
    """A worker in a thread, which waits when this returns."""
    waiter = Waiter(broker, request)
    waiter.thread.start()
    assert waiter.ready.wait(60)
    time.sleep(0.02)
    return waiter


class Waiter:
    """Waits once, having found nothing. Mutable: says when it came back."""

    def __init__(self, broker: RedisBroker, request: ClaimRequest) -> None:
        self.ready, self.back = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, args=(broker, request), daemon=True)

    def _run(self, broker: RedisBroker, request: ClaimRequest) -> None:
        broker.wait(request, 0)
        assert broker.turn((), request).deliveries == ()
        self.ready.set()
        broker.wait(request, LONG)
        self.back.set()

    def comes_back(self) -> bool:
        return self.back.wait(15)

    def stays(self) -> bool:
        return not self.back.wait(0.1)


def test_a_message_wakes_a_worker_that_waits(connect: Callable[..., RedisBroker], shared: Server) -> None:
    waiter = idle(connect())
    connect().enqueue([enqueue_op("m")])

    assert waiter.comes_back()


@pytest.mark.parametrize("count", [1, 2])
def test_a_message_wakes_one_worker_and_lets_the_others_sleep(connect: Callable[..., RedisBroker], client: redis.Redis, count: int) -> None:
    waiters = [idle(connect(), ClaimRequest(f"w{number}", ("q",), 10)) for number in range(4)]
    wait_until(lambda: client.zcard("{fq}:waiting") == 4)
    connect().enqueue([enqueue_op(f"m{number}") for number in range(count)])
    wait_until(lambda: sum(waiter.back.is_set() for waiter in waiters) >= count)
    time.sleep(0.1)  # another would be woken as soon

    assert sum(waiter.back.is_set() for waiter in waiters) == count


def test_a_message_of_another_queue_wakes_no_worker(connect: Callable[..., RedisBroker]) -> None:
    waiter = idle(connect())
    connect().enqueue([enqueue_op("m", "q2"), enqueue_op("n", "p")])

    assert waiter.stays()


def test_a_worker_that_is_gone_is_not_woken_in_place_of_one_that_lives(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    connect().turn((), ClaimRequest("a-first", ("q",), 1))
    client.zadd("{fq}:waiting", {f"q\0{{fq}}:bell:gone{number}": 0 for number in range(6)})
    waiter = idle(connect())
    connect().enqueue([enqueue_op("m")])

    assert waiter.comes_back()
    assert client.zcard("{fq}:waiting") == 0


@pytest.mark.parametrize("how", ["follow_up", "released", "resumed", "requeued", "taken_back", "earlier"])
def test_whatever_makes_a_message_ready_wakes_a_worker(connect: Callable[..., RedisBroker], how: str) -> None:
    broker = connect()
    if how == "released":
        broker.enqueue([enqueue_op("m")])
        broker.turn((), ClaimRequest("other", ("q",), 1))
    if how == "resumed":
        broker.pause("q")
        broker.enqueue([enqueue_op("m")])
    if how == "taken_back":
        broker.enqueue([enqueue_op("m")])
        broker.turn((), ClaimRequest("other", ("q",), 1))
    if how == "requeued":
        bury(broker, enqueue_op("m"))
    if how == "earlier":
        broker.enqueue([enqueue_op("late", delay=LONG)])
    waiter = idle(connect())
    if how == "follow_up":
        run(broker, enqueue_op("m"))
    if how == "released":
        broker.release("other", {})
    if how == "resumed":
        broker.resume("q")
    if how == "taken_back":
        broker.offset = 15_000
        broker.turn((), ClaimRequest("heir", ("elsewhere",), 0))
    if how == "requeued":
        broker.requeue(["m"], plan_requeue)
    if how == "earlier":
        broker.enqueue([enqueue_op("m", delay=100)])

    assert waiter.comes_back()


def test_a_worker_wakes_when_a_delayed_message_falls_due(connect: Callable[..., RedisBroker]) -> None:
    broker = connect()
    broker.enqueue([enqueue_op("m", delay=150)])
    started = time.monotonic()
    waiter = idle(broker)

    assert waiter.comes_back()
    assert time.monotonic() - started >= 0.14
    assert [delivery.message_id for delivery in broker.turn((), WANT).deliveries] == ["m"]


def test_no_wake_up_is_lost_however_the_moments_fall(connect: Callable[..., RedisBroker], shared: Server) -> None:
    """Nothing but a wake-up ends a wait before a minute is over, and so one that is lost would show."""
    worker, producer = tune(connect(), max_wait_seconds=LONG / 1_000), connect()
    chance, got, count = random.Random(1), threading.Semaphore(0), 300

    def work() -> None:
        request, commits, seen = WANT, [], 0
        while seen < count:
            turn = worker.turn(commits, request)
            commits = done(turn.deliveries)
            seen += len(commits)
            for _ in commits:
                got.release()
            if not commits:
                worker.wait(request, LONG)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    for number in range(count):
        producer.enqueue([enqueue_op(f"m{number}")])

        assert got.acquire(timeout=LONG / 2_000)
        time.sleep(chance.choice((0, 0, 0.000_1, 0.000_3, 0.001)))
    thread.join(LONG / 1_000)


def test_a_worker_that_waits_asks_the_server_nothing(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    waiters = [idle(connect(), ClaimRequest(f"w{number}", ("q",), 10)) for number in range(3)]
    wait_until(lambda: client.zcard("{fq}:waiting") == 3)
    before = calls(client)
    time.sleep(1)

    assert calls(client) == before
    assert not any(waiter.back.is_set() for waiter in waiters)


def test_an_idle_worker_asks_less_than_one_command_a_second(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    assert Tuning().max_wait_seconds >= 1, "a wait lasts that long if nothing happens"
    broker = tune(connect(), max_wait_seconds=0.1)
    broker.wait(WANT, 0)
    before = scripts_called(client)
    for _ in range(5):
        broker.wait(WANT, broker.turn((), WANT).idle_for)

    assert scripts_called(client) - before == 5, "one for each turn, none for a wait"


def scripts_called(client: redis.Redis) -> int:
    """Return how many scripts were called; what is called within them is not a command of a client."""
    return client.info("commandstats")["cmdstat_evalsha"]["calls"]


def test_wake_ends_a_wait_at_once(connect: Callable[..., RedisBroker]) -> None:
    broker = tune(connect(), max_wait_seconds=LONG / 1_000)
    waiter = idle(broker)
    broker.wake()

    assert waiter.comes_back()


def test_a_worker_is_woken_again_when_the_connection_was_cut(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    broker = connect()
    waiter = idle(broker)
    client.client_kill_filter(_type="pubsub")
    assert waiter.comes_back(), "it may have missed something, and must look"
    waiter = idle(broker)
    connect().enqueue([enqueue_op("m")])

    assert waiter.comes_back()


def test_a_worker_is_woken_again_when_the_server_was_restarted() -> None:
    server = Server("valkey").start()
    broker, producer = RedisBroker(server.url), RedisBroker(server.url)
    waiter = idle(broker)
    server.kill()
    server.start()
    assert waiter.comes_back()
    waiter = idle(broker)
    producer.enqueue([enqueue_op("m")])

    assert waiter.comes_back()
    broker.close()
    producer.close()
    server.remove()


def test_an_idle_worker_is_told_of_each_message_and_asks_for_none(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    worker, producer = connect(), connect()
    came: list[str] = []

    def work() -> None:
        commits = []
        while len(came) < 100:
            turn = worker.turn(commits, WANT)
            came.extend(delivery.message_id for delivery in turn.deliveries)
            commits = done(turn.deliveries)
            if not commits:
                worker.wait(WANT, LONG)
        worker.turn(commits, WANT)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    wait_until(lambda: client.zcard("{fq}:waiting"))
    before = scripts_called(client)
    for number in range(100):
        producer.enqueue([enqueue_op(f"m{number}")])
        wait_until(lambda: len(came) > number)  # noqa: B023  # called at once
    thread.join(PATIENCE_SECONDS)

    assert came == [f"m{number}" for number in range(100)]
    assert scripts_called(client) - before <= 100 * 4, (
        "a send, and turns to claim, commit and find nothing more: no polling, however long it takes"
    )


# Results.


def test_many_who_wait_for_results_share_one_connection(connect: Callable[..., RedisBroker], client: redis.Redis, shared: Server) -> None:
    reader, writer = connect(), connect()
    waits = [in_thread(lambda number=number: reader.wait_result(f"m{number}", LONG)) for number in range(50)]
    wait_until(lambda: len(client.keys("{fq}:result:*")) == 50)
    connections = len(listeners(client))
    for number in range(50):
        run(writer, keep(f"m{number}"), message_id=f"r{number}")

    assert [wait.result(PATIENCE_SECONDS) for wait in waits] == [b"m%d" % number for number in range(50)]
    assert connections == 1


def test_a_result_is_heard_by_all_its_readers_and_stays_for_the_next(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    brokers = [connect() for _ in range(4)]
    waits = [in_thread(lambda broker=broker: broker.wait_result("m", LONG)) for broker in brokers for _ in range(2)]
    wait_until(lambda: (client.get("{fq}:result:m") or b"").count(b"reader") == 4)
    run(brokers[0], keep("m"))

    assert {wait.result(PATIENCE_SECONDS) for wait in waits} == {b"m"}
    assert brokers[0].result("m") == b"m"


def test_no_result_is_missed_however_the_moments_fall(connect: Callable[..., RedisBroker]) -> None:
    reader, writer = connect(), connect()
    chance = random.Random(2)
    for number in range(150):
        writer.enqueue([enqueue_op(f"m{number}")])
        (delivery,) = writer.turn((), WANT).deliveries
        wait = in_thread(lambda number=number: reader.wait_result(f"m{number}", LONG))
        time.sleep(chance.choice((0, 0.000_1, 0.000_3, 0.001)))
        writer.turn(done([delivery], ACK, keep(f"m{number}")), WANT)

        assert wait.result(PATIENCE_SECONDS) == b"m%d" % number


def test_a_result_too_large_to_be_announced_is_fetched(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    reader, writer = connect(), connect()
    wait = in_thread(lambda: reader.wait_result("m", LONG))
    wait_until(lambda: client.exists("{fq}:result:m"))
    run(writer, keep("m", b"x" * 100_000))

    assert wait.result(PATIENCE_SECONDS) == b"x" * 100_000


def test_a_reader_finds_what_came_while_its_connection_was_cut(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    reader, writer = connect(), connect()
    wait = in_thread(lambda: reader.wait_result("m", LONG))
    wait_until(lambda: client.exists("{fq}:result:m"))
    for _ in range(3):
        client.client_kill_filter(_type="pubsub")
    client.set("{fq}:result:m", "Rm", px=60_000)

    assert wait.result(PATIENCE_SECONDS) == b"m"
    assert writer.result("m") == b"m"


def test_a_result_that_does_not_come_leaves_nothing_behind(broker: RedisBroker, client: redis.Redis) -> None:
    assert broker.wait_result("m", 50) is None
    assert broker.result("m") is None
    assert broker.status("m").state == "unknown"
    assert 0 < client.pttl("{fq}:result:m") <= 1_050


def test_who_waits_for_ever_is_registered_for_a_bounded_time_and_again_while_it_waits(
    connect: Callable[..., RedisBroker], client: redis.Redis
) -> None:
    reader, writer = connect(), connect()
    reader._state.results._waiters._max_sleep = 0.01
    wait = in_thread(lambda: reader.wait_result("m", 10**15))
    wait_until(lambda: client.exists("{fq}:result:m"))
    left = client.pttl("{fq}:result:m")
    client.delete("{fq}:result:m")
    wait_until(lambda: client.exists("{fq}:result:m"))
    run(writer, keep("m"))

    assert 0 < left <= results.MAX_REGISTERED_MS
    assert wait.result(PATIENCE_SECONDS) == b"m"


def test_coroutines_of_several_event_loops_wait_together(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    reader, writer = connect(), connect()

    async def several(loop: int) -> list[bytes | None]:
        return await asyncio.gather(*(reader.await_result(f"m{loop}-{number}", LONG) for number in range(10)))

    waits = [in_thread(lambda loop=loop: asyncio.run(several(loop))) for loop in range(3)]
    wait_until(lambda: len(client.keys("{fq}:result:*")) == 30)
    for loop in range(3):
        for number in range(10):
            run(writer, keep(f"m{loop}-{number}"), message_id=f"r{loop}-{number}")

    assert [wait.result(PATIENCE_SECONDS) for wait in waits] == [[b"m%d-%d" % (loop, number) for number in range(10)] for loop in range(3)]


def keep(message_id: str, body: bytes | None = None) -> StoreResultOp:
    return StoreResultOp(message_id, message_id.encode() if body is None else body, 60_000)


def test_a_queue_is_listed_by_its_first_message_even_after_one_that_was_known_already(connect: Callable[..., RedisBroker]) -> None:
    broker = connect()
    broker.enqueue([EnqueueOp("m0", "qb", "act", 0, 0, b"")])
    broker.enqueue([EnqueueOp("m0", "qa", "act", 0, 0, b"")])  # known already, and on another queue
    broker.enqueue([EnqueueOp("m1", "qa", "act", 0, 0, b"")])

    assert [queue.queue_name for queue in broker.queues()] == ["qa", "qb"]
