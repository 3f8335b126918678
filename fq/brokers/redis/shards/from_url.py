"""`sharded_broker`: the broker of a URL that says how many shards there are."""

from fq.brokers.redaction import without_password
from fq.brokers.redis.broker import RedisBroker
from fq.brokers.redis.shards.broker import MAX_SHARDS, ShardedRedisBroker
from fq.errors import ConfigError


def sharded_broker(url: str, count: str) -> RedisBroker | ShardedRedisBroker:
    """
    Return the broker of a URL that says ``shards=``: *url* without that, and the *count*. One shard is a namespace as it is without.

    >>> sharded_broker("redis://localhost:6379/0", "1"), sharded_broker("redis://localhost:6379/0", "4")
    (RedisBroker(...), ShardedRedisBroker('redis://localhost:6379/0', namespace='fq', shards=4))

    Raises:
        ConfigError: *count* is no number of shards, or the URL none of the known forms.
    """
    if not count.isdecimal():
        raise ConfigError(
            f"found shards={count} in {without_password(url)}, expected a whole number from 1 to {MAX_SHARDS}; type: shards=16"
        )
    return RedisBroker(url) if int(count) == 1 else ShardedRedisBroker(url, shards=int(count))
