"""`LimitStore` keeps the state of limiters; `KeepsLimits` is a broker that has one. Go on with ``fq.brokers.limits.local_store``."""

from typing import Protocol, runtime_checkable

from fq.brokers.limits.policy import AcquireRequest, Granted, Refused, Slot


class LimitStore(Protocol):
    """
    Keeps slots, lines and barriers, by the broker's clock.

    Every call applies wholly or not at all, and may be repeated. Calls may come from any thread; all but `wait` are short. Each may raise `BrokerError`.
    """

    def take(self, request: AcquireRequest) -> Granted | Refused:
        """Take a slot, if one is free."""
        ...

    def renew(self, slot: Slot) -> bool:
        """Renew *slot* for its ttl; return whether its owner still held it."""
        ...

    def release(self, slot: Slot, learn: bool) -> bool:
        """Give *slot* back; return whether its owner still held it. *learn*: update the estimate of how long slots are held."""
        ...

    def holders(self, key: str, limit: int) -> list[tuple[str, str]]:
        """Return owner and token of at most *limit* slots that are held, those first that expire first."""
        ...

    def waiting(self, key: str, limit: int) -> list[str]:
        """Return at most *limit* of the owners in the line, in the order of their turns."""
        ...

    def create(self, key: str, parties: int, ttl: int) -> bool:
        """Create a barrier for *parties*, to expire *ttl* ms after the latest arrival; return False if it exists."""
        ...

    def arrive(self, key: str, party: str, ttl: int) -> int | None:
        """Let *party* arrive at a barrier, and return how many are missing; None if there is no such barrier."""
        ...

    def wait(self, key: str, timeout: float) -> bool:
        """Block until no party is missing at a barrier, and return True; return False after *timeout* seconds, or if the barrier has expired."""
        ...


@runtime_checkable
class KeepsLimits(Protocol):
    """A broker whose apps can have limiters; a broker of your own may be one."""

    def limit_store(self) -> LimitStore:
        """Return the store of limiters, on the broker's connections and by its clock. It connects at its first call."""
        ...
