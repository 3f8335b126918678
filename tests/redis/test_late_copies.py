"""A request that the network delivers late, when it has been repeated over another connection and the world has moved on, changes nothing."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
import redis
from redis.exceptions import TimeoutError as TimedOut

from fq.brokers.redis import RedisBroker
from tests.brokers.kit import post
from tests.redis.faults import mend
from tests.redis.kit import drain


class Holding:
    """Stands in for a `Place`: the first request is held back, its sender times out, and `deliver` brings it to the server after all. Mutable."""

    def __init__(self, broker: RedisBroker) -> None:
        self.name = "a network that holds back"
        self._place = broker._place
        self.held: list[Sequence[bytes]] = []
        broker._server.line.close()
        broker._server.line.place = self

    def connect(self) -> "HoldingConnection":
        return HoldingConnection(self, self._place.connect())

    def moved(self, error: Exception) -> None:
        self._place.moved(error)

    def deliver(self) -> object:
        """Bring what was held back to the server, over a connection of its own; return what it says to that."""
        connection = self._place.connect()
        connection.send_packed_command(self.held[0], check_health=False)
        reply = connection.read_response(disable_decoding=True)
        connection.disconnect()
        return reply


class HoldingConnection:
    def __init__(self, network: Holding, connection: object) -> None:
        self._network = network
        self._connection = connection

    def send_packed_command(self, command: Sequence[bytes], check_health: bool = True) -> None:
        if not self._network.held:
            self._network.held.append(tuple(command))
            raise TimedOut("the request is on its way, says the test")
        self._connection.send_packed_command(command, check_health=check_health)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def send_ahead(broker: RedisBroker) -> None:
    finish = broker.enqueue_ahead([post("m1"), post("m2")])
    other = broker.enqueue_ahead([post("m3")])
    finish()
    other()


SENDS: dict[str, Callable[[RedisBroker], object]] = {
    "one": lambda broker: broker.enqueue([post("m1")]),
    "several": lambda broker: broker.enqueue([post("m1"), post("m2")]),
    "several, one of them later": lambda broker: broker.enqueue([post("m1"), post("m2", "else", delay=60_000)]),
    "two calls under way": send_ahead,
    "one of a coroutine": lambda broker: asyncio.run(broker.aenqueue([post("m1")])),
}


@pytest.fixture
def ready(connect: Callable[..., RedisBroker]) -> RedisBroker:
    """A broker whose scripts the server knows, so that a request that is held back is the one that counts."""
    broker = connect()
    broker.enqueue([post("before")])
    broker.enqueue([post("before1"), post("before2")])
    drain(broker)
    return broker


@pytest.mark.parametrize("later", [0, 1, 5])
@pytest.mark.parametrize("name", SENDS)
def test_a_late_copy_of_a_send_adds_nothing_however_many_calls_came_after_it(ready: RedisBroker, name: str, later: int) -> None:
    network = Holding(ready)
    SENDS[name](ready)
    mend(ready)
    assert "m1" in drain(ready)
    for number in range(later):
        ready.enqueue([post(f"later{number}")])
        ready.enqueue([post(f"later{number}a"), post(f"later{number}b")])
    drain(ready)
    network.deliver()

    assert drain(ready) == []


def test_after_a_late_copy_its_producer_sends_as_before(ready: RedisBroker) -> None:
    network = Holding(ready)
    ready.enqueue([post("m1")])
    mend(ready)
    ready.enqueue([post("m2")])
    network.deliver()
    network.deliver()

    assert ready.enqueue([post("m3")]) == 1
    assert ready.enqueue([post("m4"), post("m5")]) == 2
    assert drain(ready) == ["m1", "m2", "m3", "m4", "m5"]


def test_a_call_that_was_repeated_is_remembered_for_as_long_as_a_network_may_hold_back(ready: RedisBroker, client: redis.Redis) -> None:
    Holding(ready)
    ready.enqueue([post("m1")])
    mend(ready)

    assert [client.pttl(key) > 890_000 for key in client.scan_iter("{fq}:sent:*")] == [True]
    ready.enqueue([post("m2")])
    assert [client.pttl(key) > 890_000 for key in client.scan_iter("{fq}:sent:*")] == [True], "the next call does not cut that short"


def test_calls_that_follow_each_other_are_remembered_in_one_key(broker: RedisBroker, client: redis.Redis) -> None:
    for number in range(20):
        broker.enqueue([post(f"m{number}")])
        broker.enqueue([post(f"n{number}"), post(f"o{number}")])

    (key,) = client.scan_iter("{fq}:sent:*")
    assert client.get(key) == b"40"


def test_a_refused_send_forgets_none_of_the_calls_before_it(ready: RedisBroker, client: redis.Redis) -> None:
    network = Holding(ready)
    ready.enqueue([post("m1")])
    mend(ready)
    drain(ready)
    client.set("{fq}:ready:wrong", "something else")
    with pytest.raises(Exception, match="WRONGTYPE"):
        ready.enqueue([post("m2", "wrong")])
    client.delete("{fq}:ready:wrong")
    network.deliver()

    assert drain(ready) == []
