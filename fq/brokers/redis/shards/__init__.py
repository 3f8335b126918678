"""
A namespace in several shards: `ShardedRedisBroker` composes one broker for each, with the scripts of ``fq.brokers.redis`` as they are.

Begin with `routing`: what belongs to which shard. `rewriting` divides a commit into what its shard does and `carriers` for others, `mover` takes these there,
and `turns` goes over the shards for a worker. `shard` is the broker of one of them. The rest merges what the shards say: `inspection`, `browsing`, `records`,
`requeue`, `diagnostics`.
"""

from fq.brokers.redis.shards.broker import ShardedRedisBroker
from fq.brokers.redis.shards.from_url import sharded_broker

__all__ = ["ShardedRedisBroker", "sharded_broker"]
