"""The leak checker itself finds what it is there to find."""

import pytest
import redis

from tests.redis.leaks import leaks
from tests.redis.servers import Server


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
    ],
)
def test_a_key_without_an_owner_or_an_end_is_found(client: redis.Redis, valkey: Server, command: tuple[str, ...], found: str) -> None:
    client.execute_command(*command)
    if "expected hash" in found:
        with pytest.raises(redis.exceptions.ResponseError):
            leaks(client)
        return

    assert any(found in leak for leak in leaks(client))
