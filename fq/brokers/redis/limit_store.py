"""`RedisLimitStore`: the state of limiters on the server of a `RedisBroker`, over its connections. What is decided there is in ``lua/``."""

from functools import cache
from importlib.resources import files
from time import monotonic
from typing import cast

from fq.brokers.limits.policy import (
    ESTIMATE_RESOLUTION,
    HELD_SLOT_RECHECK_MS,
    INITIAL_HOLD_MS,
    NO_SHOW_MS,
    SHORT_WAIT_MS,
    SLEEP_DIVISOR,
    AcquireRequest,
    Bucket,
    Granted,
    Limit,
    Refused,
    Slot,
    Slots,
    Window,
)
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.script_arguments import Argument
from fq.brokers.redis.scripts import Script
from fq.runtime.interrupt_mask import checkpoint, shields

BARRIER_READ_MS = 500
"""How long a read at a barrier blocks before it is sent again, ms: less than any sensible timeout of a connection."""


@cache
def script(name: str) -> Script:
    """Return the script in ``lua/<name>.lua``, with what it shares with others put before it."""
    parts = ("common", name) if name in ("create", "arrive") else ("common", "slots", name)
    folder = files("fq") / "brokers" / "redis" / "lua" / "limits"
    return Script(name, b"\n".join((folder / f"{part}.lua").read_bytes() for part in parts))


@shields("create", "arrive", "wait")
class RedisLimitStore:
    """A `LimitStore` on the server of *namespace*, by its clock; *now*, ms since the epoch, is for tests that have to stop the time."""

    def __init__(self, namespace: Namespace, now: int | None = None) -> None:
        self._namespace = namespace
        self.now = now

    def take(self, request: AcquireRequest) -> Granted | Refused:
        """See `LimitStore.take`."""
        arguments = (
            *_written(request.limit),
            request.owner,
            request.token,
            int(request.queues_up),
            request.priority,
            NO_SHOW_MS,
            INITIAL_HOLD_MS,
            ESTIMATE_RESOLUTION,
            SHORT_WAIT_MS,
            SLEEP_DIVISOR,
            HELD_SLOT_RECHECK_MS,
        )
        granted, number = cast(list[int], self._run("take", request.key, *arguments))
        return Granted(number) if granted else Refused(number)

    def renew(self, slot: Slot) -> bool:
        """See `LimitStore.renew`."""
        return self._run("renew", slot.key, slot.owner, slot.token, slot.ttl, probe=self._namespace.client.probe_for(slot.ttl)) == 1

    def release(self, slot: Slot, learn: bool) -> bool:
        """See `LimitStore.release`."""
        last_failure = self._namespace.client.last_failure
        released = self._run("release", slot.key, slot.owner, slot.token, int(learn)) == 1
        return (
            released or self._namespace.client.last_failure != last_failure
        )  # the call was repeated: it was the first time that gave it back, unless it had lapsed

    def holders(self, key: str, limit: int) -> list[tuple[str, str]]:
        """See `LimitStore.holders`."""
        pairs = cast("list[list[bytes]]", self._run("holders", key, limit))
        return [(owner.decode(), token.decode()) for owner, token in pairs]

    def waiting(self, key: str, limit: int) -> list[str]:
        """See `LimitStore.waiting`."""
        return [owner.decode() for owner in cast("list[bytes]", self._run("waiting", key, limit))]

    def create(self, key: str, parties: int, ttl: int) -> bool:
        """See `LimitStore.create`."""
        return self._run("create", key, parties, ttl) == 1

    def arrive(self, key: str, party: str, ttl: int) -> int | None:
        """See `LimitStore.arrive`."""
        missing = cast(int, self._run("arrive", key, party, ttl))
        return missing if missing >= 0 else None

    def wait(self, key: str, timeout: float) -> bool:
        """See `LimitStore.wait`; polls nothing."""
        deadline = monotonic() + timeout
        (opened,) = self._keys(key, "opened")
        while True:
            left = int((deadline - monotonic()) * 1_000)
            if self._namespace.client.command("XREAD", "BLOCK", max(1, min(left, BARRIER_READ_MS)), "STREAMS", opened, "0") is not None:
                return True
            if left <= 0 or self._namespace.client.command("EXISTS", *self._keys(key, "barrier")) == 0:
                return False
            checkpoint()

    def _run(self, name: str, key: str, *arguments: Argument, probe: float | None = None) -> object:
        kinds = ("barrier", "opened") if name in ("create", "arrive") else ("slots", "facts", "waiting", "returns")
        clock: Argument = self._namespace.offset if self.now is None else f"={self.now}"
        return self._namespace.client.call(script(name), self._keys(key, *kinds), (clock, *arguments), probe)

    def _keys(self, key: str, *kinds: str) -> list[str]:
        return [f"{self._namespace.keys.prefix}limit:{key}:{kind}" for kind in kinds]


def _written(limit: Limit) -> tuple[str, int, int]:
    match limit:
        case Slots(limit=count, ttl=ttl):
            return "slots", count, ttl
        case Window(limit=count, window=length):
            return "window", count, length
        case Bucket(limit=count, bucket=length):
            return "bucket", count, length
