"""`ShardedLimitStore`: the state of limiters, each in the shard of its key, so that busy limiters share the servers."""

from collections.abc import Callable

from fq.brokers.limits.policy import AcquireRequest, Granted, Refused, Slot
from fq.brokers.redis.limit_store import RedisLimitStore


class ShardedLimitStore:
    """A `LimitStore`; *store_of* returns that of the shard in which a key is."""

    def __init__(self, store_of: Callable[[str], RedisLimitStore]) -> None:
        self._store_of = store_of

    def take(self, request: AcquireRequest) -> Granted | Refused:
        """See `LimitStore.take`."""
        return self._store_of(request.key).take(request)

    def renew(self, slot: Slot) -> bool:
        """See `LimitStore.renew`."""
        return self._store_of(slot.key).renew(slot)

    def release(self, slot: Slot, learn: bool) -> bool:
        """See `LimitStore.release`."""
        return self._store_of(slot.key).release(slot, learn)

    def holders(self, key: str, limit: int) -> list[tuple[str, str]]:
        """See `LimitStore.holders`."""
        return self._store_of(key).holders(key, limit)

    def waiting(self, key: str, limit: int) -> list[str]:
        """See `LimitStore.waiting`."""
        return self._store_of(key).waiting(key, limit)

    def create(self, key: str, parties: int, ttl: int) -> bool:
        """See `LimitStore.create`."""
        return self._store_of(key).create(key, parties, ttl)

    def arrive(self, key: str, party: str, ttl: int) -> int | None:
        """See `LimitStore.arrive`."""
        return self._store_of(key).arrive(key, party, ttl)

    def wait(self, key: str, timeout: float) -> bool:
        """See `LimitStore.wait`."""
        return self._store_of(key).wait(key, timeout)
