"""
Connections that are dead and look alive: a firewall forgot them, or the host at their other end failed. The server is there, and no error says what is wrong.

What was sent over one may arrive late, or never.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from attrs import evolve
from returns.result import Success

from fq import App
from fq.brokers.records import ClaimRequest
from fq.brokers.redis import RedisBroker
from fq.calls.handle import Handle
from fq.errors import BrokerUnavailable
from fq.limits import ConcurrentRateLimiter, limiter_backend
from tests.brokers.builders import enqueue_op, in_thread
from tests.brokers.redis.builders import done, drain, tune
from tests.brokers.redis.proxy import Move, Proxy
from tests.brokers.redis.servers import Server
from tests.brokers.redis.test_waiting import idle
from tests.wait_until import wait_until

WANT = ClaimRequest("w", ("q",), 10)
LONG = 60_000
"""A timeout that no test waits for, ms: who takes half of it has waited for it."""


class SoonEnough:
    """Fails if its block takes half of `LONG`. A busy machine makes no test fail."""

    def __enter__(self) -> None:
        self.started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        assert time.monotonic() - self.started < LONG / 2_000


@pytest.fixture
def proxy(valkey: Server) -> Iterator[Proxy]:
    with Proxy(valkey.port) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: Proxy) -> Iterator[Callable[..., RedisBroker]]:
    """Make brokers behind the proxy, which soon ask why there is no reply."""
    brokers: list[RedisBroker] = []

    def make(**settings: object) -> RedisBroker:
        brokers.append(tune(RedisBroker(proxy.url, **settings), probe_seconds=0.1))
        return brokers[-1]

    yield make
    proxy.thaw()
    for broker in brokers:
        broker.close()


WAYS = [{"up": True, "down": True}, {"up": True, "down": False}, {"up": False, "down": True}]

CALLS: dict[str, Callable[[RedisBroker], object]] = {
    "enqueue": lambda broker: broker.enqueue([enqueue_op("m")]),
    "enqueue_several": lambda broker: broker.enqueue([enqueue_op("m"), enqueue_op("n", delay=1_000)]),
    "begin_enqueue": lambda broker: broker.begin_enqueue([enqueue_op("m")])(),
    "aenqueue": lambda broker: asyncio.run(broker.aenqueue([enqueue_op("m")])),
    "turn": lambda broker: broker.turn((), WANT),
    "renew": lambda broker: broker.renew(["w"], 1_000),
    "release": lambda broker: broker.release("w", {}),
    "result": lambda broker: broker.result("m"),
    "status": lambda broker: broker.status("m"),
    "cancel": lambda broker: broker.cancel("m"),
    "queues": lambda broker: broker.queues(),
    "diagnose": lambda broker: broker.diagnose(),
}


@pytest.mark.parametrize("patience", [0, 5_000])
@pytest.mark.parametrize("way", WAYS, ids=["both_ways", "up", "down"])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_repeated_over_a_new_connection_when_the_server_is_there(
    proxy: Proxy, through: Callable[..., RedisBroker], name: str, way: dict[str, bool], patience: int
) -> None:
    broker = through(patience=patience, timeout=LONG)
    CALLS[name](broker)
    proxy.freeze(**way)

    with SoonEnough():
        CALLS[name](broker)


def test_of_several_dead_connections_only_the_first_is_waited_for(proxy: Proxy, through: Callable[..., RedisBroker]) -> None:
    broker = through()
    waits = [in_thread(lambda number=number: broker.enqueue([enqueue_op(f"m{number}")])) for number in range(8)]
    assert all(wait.result(60) for wait in waits)
    dead = list(broker._namespace.client._idle)
    proxy.freeze()
    broker.enqueue([enqueue_op("n")])
    kept = list(broker._namespace.client._idle)
    for number in range(8):
        broker.enqueue([enqueue_op(f"n{number}")])

    assert dead
    assert not set(map(id, kept)) & set(map(id, dead)), "no other call waits for one of them"
    assert len(drain(broker)) == 17


def test_a_timeout_as_long_as_the_patience_leaves_time_for_another_try(proxy: Proxy, valkey: Server) -> None:
    broker = RedisBroker(f"{proxy.url}?socket_timeout=0.15", patience=150)
    broker.enqueue([enqueue_op("m")])
    proxy.freeze()
    broker.enqueue([enqueue_op("n")])

    assert drain(broker) == ["m", "n"]
    broker.close()


def test_what_arrives_late_of_a_send_that_was_repeated_adds_nothing(
    proxy: Proxy, through: Callable[..., RedisBroker], connect: Callable[..., RedisBroker]
) -> None:
    producer, worker = through(), connect()
    producer.enqueue([enqueue_op("m")])
    proxy.freeze()
    producer.enqueue([enqueue_op("n")])
    assert drain(worker) == ["m", "n"]
    proxy.thaw()
    time.sleep(0.1)

    assert drain(worker) == []


def test_a_busy_server_is_waited_for_and_not_asked_twice(shared: Server, connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    """It answers on no connection: what was asked will be done."""
    broker = tune(connect(), probe_seconds=0.1)
    broker.enqueue([enqueue_op("m")])
    client.config_resetstat()
    shared.freeze()
    wait = in_thread(lambda: broker.enqueue([enqueue_op("n")]))
    time.sleep(0.4)
    shared.thaw()
    wait.result(60)

    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == 1


def test_a_server_that_is_away_is_given_up_after_the_patience(proxy: Proxy, through: Callable[..., RedisBroker]) -> None:
    broker = through(patience=300, timeout=400)
    broker.enqueue([enqueue_op("m")])
    proxy.black_hole()

    with SoonEnough(), pytest.raises(BrokerUnavailable, match=r"could not be used for 0.3 s: .*; start it, or check the URL"):
        broker.enqueue([enqueue_op("n")])


@pytest.mark.parametrize("lease", [300, 950, 9_500])
def test_a_lease_is_renewed_in_time_though_the_connection_is_dead(proxy: Proxy, through: Callable[..., RedisBroker], lease: int) -> None:
    """Whatever the timeouts: a renewal that comes after half of a lease must have come through long before the other half is over."""
    broker = tune(through(timeout=LONG, patience=LONG), probe_seconds=LONG / 1_000)
    broker.renew(["w"], lease)
    proxy.freeze()

    with SoonEnough():
        broker.renew(["w"], lease)
    assert broker._namespace.client.probe_for(lease) * 1_000 <= lease / 10


def test_a_connection_made_in_haste_is_not_hasty_afterwards(through: Callable[..., RedisBroker], proxy: Proxy) -> None:
    broker = through(timeout=3_000)
    broker.renew(["w"], 300)
    (connection,) = broker._namespace.client._idle

    assert connection.socket_timeout == 3


def test_a_large_send_over_a_slow_line_is_not_given_up_for_lost(proxy: Proxy, through: Callable[..., RedisBroker]) -> None:
    """It is still on its way when the server would have answered a small one."""
    broker = through()
    broker.enqueue([enqueue_op("m")])
    before = proxy.accepted
    proxy.rate = 400_000
    broker.enqueue([enqueue_op("n", body=b"x" * 400_000)])
    proxy.rate = 0

    assert drain(broker) == ["m", "n"]
    assert proxy.accepted - before <= 1 + 4, "it was asked now and then if the server is there"


def test_a_turn_over_a_dead_connection_loses_nothing(proxy: Proxy, through: Callable[..., RedisBroker]) -> None:
    broker = through()
    broker.enqueue([enqueue_op(f"m{number}") for number in range(20)])
    held = broker.turn((), WANT).deliveries
    proxy.freeze(up=False)
    turn = broker.turn(done(held), WANT)

    assert turn.stale == ()
    assert len(turn.deliveries) == 10
    assert {delivery.deliveries for delivery in turn.deliveries} == {1}


# Results, which are heard of over a connection that listens.


ASK: dict[str, Callable[[Handle[object], int], object]] = {
    "get": lambda handle, timeout: handle.get(timeout),
    "aget": lambda handle, timeout: asyncio.run(handle.aget(timeout)),
}


@pytest.fixture
def app(through: Callable[..., RedisBroker], connect: Callable[..., RedisBroker]) -> Iterator[App]:
    """An app behind the proxy, while a worker beside it runs its messages."""
    beside = App(broker=connect())
    app = App(broker=through())
    for each in (beside, app):

        @each.actor
        def text(size: int) -> str:
            return "x" * size

    with beside.worker(threads=2):
        yield app


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize("workflow", [False, True], ids=["call", "group"])
def test_a_result_is_found_when_the_time_is_over_though_the_listening_connection_is_dead(
    proxy: Proxy, app: App, ask: str, workflow: bool
) -> None:
    text = app.get_actor("text")
    assert text.send(1).get(5_000) == Success("x")
    proxy.freeze(*proxy.listening())
    handle = app.group([text.call(1), text.call(2)]).delay(100).send() if workflow else text.call(1).delay(100).send()

    assert ASK[ask](handle, 1_000) == Success(["x", "xx"] if workflow else "x")


@pytest.mark.parametrize("ask", ASK)
def test_a_large_result_is_fetched_though_the_calling_connection_is_dead(proxy: Proxy, app: App, ask: str) -> None:
    handle = app.get_actor("text").call(100_000).delay(300).send()
    wait = in_thread(lambda: ASK[ask](handle, LONG))
    wait_until(lambda: proxy.listening())
    time.sleep(0.1)
    proxy.freeze(*proxy.calling())

    with SoonEnough():
        assert wait.result() == Success("x" * 100_000)


@pytest.mark.parametrize("ask", ASK)
def test_a_result_is_waited_for_though_nothing_can_be_heard_yet(proxy: Proxy, app: App, ask: str) -> None:
    """The first connection that listens is dead from the beginning."""
    tune(app.broker, subscribe_seconds=0.1, probe_seconds=0.1)
    proxy.judge = lambda link, data: Move.FREEZE if b"SUBSCRIBE" in data else None

    assert ASK[ask](app.get_actor("text").call(1).delay(200).send(), 1_000) == Success("x")


def test_a_connection_that_hears_nothing_is_asked_and_kept_while_it_answers(
    proxy: Proxy, through: Callable[..., RedisBroker], caplog: pytest.LogCaptureFixture
) -> None:
    broker = tune(through(), check_seconds=0.05)
    broker.wait(WANT, 0)
    (link,) = proxy.listening()
    time.sleep(0.5)

    assert proxy.listening() == (link,)
    assert not [record for record in caplog.records if record.name == "fq.redis"]


def test_a_call_of_the_listener_that_asks_for_no_new_channel_awaits_no_answer(
    proxy: Proxy, through: Callable[..., RedisBroker], caplog: pytest.LogCaptureFixture
) -> None:
    """Two threads subscribe, and the listener takes both channels at the first call: the second has nothing to ask for."""
    broker = through()
    broker.wait(WANT, 0)
    (link,) = proxy.listening()
    subscriber = broker._state._subscriber
    assert subscriber is not None
    subscriber._tuning = evolve(subscriber._tuning, answer_seconds=0.1)  # from now on: its first answer may take longer
    os.write(subscriber._outbox, b".")
    time.sleep(0.4)

    assert proxy.listening() == (link,)
    assert not [record for record in caplog.records if record.name == "fq.redis"]


@pytest.mark.parametrize("way", WAYS, ids=["both_ways", "up", "down"])
def test_a_connection_that_hears_nothing_and_does_not_answer_is_made_anew(
    proxy: Proxy, through: Callable[..., RedisBroker], way: dict[str, bool]
) -> None:
    broker = tune(through(), check_seconds=0.05, answer_seconds=1)
    waiter = idle(broker)
    (link,) = proxy.listening()
    proxy.freeze(link, **way)

    assert waiter.comes_back(), "it may have missed something"
    waiter = idle(broker)
    through().enqueue([enqueue_op("m")])
    assert waiter.comes_back()


def test_new_channels_do_not_hide_that_the_connection_is_dead(proxy: Proxy, through: Callable[..., RedisBroker]) -> None:
    broker = tune(through(), answer_seconds=0.2, check_seconds=LONG / 1_000)
    broker.wait(WANT, 0)
    proxy.freeze(*proxy.listening())

    with SoonEnough():
        broker.wait(ClaimRequest("another", ("q",), 10), 0)


# Limits.


@pytest.mark.parametrize("move", [Move.LOSE, Move.TRUNCATE, Move.RESET, Move.CUT], ids=lambda move: move.name)
def test_a_slot_that_is_given_back_by_a_repeated_call_has_not_lapsed(
    proxy: Proxy, through: Callable[..., RedisBroker], caplog: pytest.LogCaptureFixture, move: Move
) -> None:
    mutex = ConcurrentRateLimiter(through(), "mutex")
    with mutex.acquire():
        proxy.next(move, within=b"EVALSHA")

    assert not caplog.records
    with mutex.acquire(raise_on_failure=False) as acquired:
        assert acquired


def test_a_slot_is_renewed_in_time_though_the_connection_is_dead(
    proxy: Proxy, through: Callable[..., RedisBroker], connect: Callable[..., RedisBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is renewed every second, and lapses after three; the timeouts are a minute."""
    limits = limiter_backend(tune(through(timeout=LONG, patience=LONG), probe_seconds=LONG / 1_000))
    renewed, renew = [], limits.store.renew
    monkeypatch.setattr(limits.store, "renew", lambda slot: renewed.append(renew(slot)) or renewed[-1])
    with ConcurrentRateLimiter(limits, "mutex", ttl=3_000).acquire():
        proxy.freeze()
        wait_until(lambda: renewed)
        with ConcurrentRateLimiter(connect(), "mutex", ttl=3_000).acquire(raise_on_failure=False) as acquired:
            assert not acquired
    assert renewed[0]
