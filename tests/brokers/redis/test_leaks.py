"""The leak checker itself finds what it is there to find."""

import pytest
import redis

from fq.brokers.limits.policy import Slot
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.stored_records import AWAY
from fq.limits import Slots, limiter_backend
from tests.brokers.redis.leaks import leaks
from tests.brokers.redis.servers import Server


def test_an_empty_namespace_has_no_leaks(client: redis.Redis, valkey: Server) -> None:
    assert leaks(client) == []


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (("SET", "{fq}:unheard-of", "1"), "no such key"),
        (("SET", "{fq}:messages", "1", "PX", "100000"), "expected hash"),
        (("SET", "{fq}:result:m", "R1"), "has no end"),
        (("ZADD", "{fq}:ready:q", "0", "00000000000000m"), "there is no message"),
        (("HSET", "{fq}:messages", "m", "000000000000000\0q\0act\0{}"), "is nowhere"),
        (("HSET", "{fq}:again", "m", "1\0\0"), "there is no message"),
        (("ZADD", "{fq}:leases", "0", "w"), "a lease or a memory"),
        (("HSET", "{fq}:claimed:q:w", "m", "1"), "no worker that will be missed"),
        (("ZADD", "{fq}:dead:q", "0", "m"), "the dead letter"),
        (("ZADD", "{fq}:cancelled", "0", "\0m"), "is cancelled but not there"),
        (("HSET", "{fq}:holders", "m", "e\0k\0{fq}:ready:q\0{fq}:delayed:q"), "but its entry is"),
        (("HSET", "{fq}:unique", "k", "m\x001\x001\x001\0"), "but its entry is"),
        (("HSET", "{fq}:unique", "k", "m\x001\x001\x000\0"), "is held by no message and has no end"),
        (("ZADD", "{fq}:delayed:q", str(AWAY), "9007199254740991" + "0\0m"), "put aside for a unique key is False"),
        (("HSET", "{fq}:marks", "m", "7\0\x000\0body"), "is listed to end at"),
        (("HSET", "{fq}:marks", "m", "0\0due\x007\0body"), "is listed in an index or kept as a mark, not both"),
        (("ZADD", "{fq}:listed", "0", "due\x000000000000000007\0m"), "is listed in an index or kept as a mark, not both"),
        (("ZADD", "{fq}:ends", "7", "mm"), "there is no such mark"),
        (("ZADD", "{fq}:ends", "7", "kk"), "there is no such mark"),
        (("HSET", "{fq}:count:m:1", "done", "1"), "has no end"),
    ],
)
def test_a_key_without_an_owner_or_an_end_is_found(client: redis.Redis, valkey: Server, command: tuple[str, ...], found: str) -> None:
    client.execute_command(*command)
    if "expected hash" in found:
        with pytest.raises(redis.exceptions.ResponseError):
            leaks(client)
        return

    assert any(found in leak for leak in leaks(client))


def test_an_owner_that_never_comes_back_to_a_limit_is_known_as_long_as_it_stands_in_the_line(
    broker: RedisBroker, client: redis.Redis
) -> None:
    limits, one = limiter_backend(broker), Slots(1, 60_000)
    slot = limits.take_in_turn("mutex", one, "holder")
    assert isinstance(slot, Slot)
    limits.take_in_turn("mutex", one, "gone")
    limits.give_back(slot)  # how long it was held is known for a day

    facts, waiting, returns = (
        client.pttl(next(iter(client.scan_iter(f"*:limit:*mutex*:{kind}")))) for kind in ("facts", "waiting", "returns")
    )
    assert min(waiting, returns) > facts - 1_000
