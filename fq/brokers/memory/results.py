"""`ResultStore`: the results in a `MemoryState`, some of which wait for the end of their workflow. Mutable; the caller passes the time."""

from fq.brokers.memory.items import ExpiringMap
from fq.brokers.records import OPEN_GROUP_TTL_MS, StoreResultOp


class ResultStore:
    """Results by message id; and for each open group, the results that wait for it, and how long each is kept after that."""

    def __init__(self) -> None:
        self._bodies: ExpiringMap[bytes] = ExpiringMap()
        self._waiting: ExpiringMap[dict[str, int]] = ExpiringMap()

    def get(self, message_id: str, now: int) -> bytes | None:
        """Return the result of a message."""
        return self._bodies.get(message_id, now)

    def store(self, store_op: StoreResultOp, waits: bool, now: int) -> None:
        """Store a result, which *waits* for its group or not."""
        if waits:
            waiting = self._waiting.get(store_op.hold, now) or {}
            waiting[store_op.message_id] = store_op.ttl
            self._waiting.put(store_op.hold, waiting, now + OPEN_GROUP_TTL_MS)
        self._bodies.put(store_op.message_id, store_op.body, now + (max(OPEN_GROUP_TTL_MS, store_op.ttl) if waits else store_op.ttl))

    def release(self, group: str, now: int) -> None:
        """Start the ttl of the results that wait for *group*."""
        for message_id, ttl in (self._waiting.pop(group, now) or {}).items():
            if (body := self._bodies.get(message_id, now)) is not None:
                self._bodies.put(message_id, body, now + ttl)

    def expire(self, now: int) -> None:
        """Delete expired results."""
        self._bodies.expire(now)
        self._waiting.expire(now)
