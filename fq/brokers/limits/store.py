"""`LimitStore` keeps the state of limiters; `KeepsLimits` is a broker that has one. Go on with ``fq.brokers.limits.local_store``."""

from typing import Protocol, runtime_checkable

from fq.brokers.limits.policy import AcquireRequest, Granted, Refused, Slot


class LimitStore(Protocol):
    """
    Keeps slots, lines and barriers, by one clock: the broker's.

    Every call is one step that applies wholly or not at all; to repeat it does no harm. Calls may come from any thread; all but `wait` are
    short. Each may raise `BrokerError`.
    """

    def take(self, request: AcquireRequest) -> Granted | Refused:
        """Take a slot, if one is free."""
        ...

    def renew(self, slot: Slot) -> bool:
        """Let *slot* run for another ttl from now; return whether it was still its owner's."""
        ...

    def release(self, slot: Slot, learn: bool) -> bool:
        """Give *slot* back; return whether it was still its owner's. *Learn* from it for how long slots are held."""
        ...

    def holders(self, key: str, limit: int) -> list[tuple[str, str]]:
        """Return the owner and the token of at *most* so many slots that are held, those first that lapse first."""
        ...

    def create(self, key: str, parties: int, ttl: int) -> bool:
        """Make a barrier for so many *parties*, to go *ttl* ms after the latest has come; return False if there is one already."""
        ...

    def arrive(self, key: str, party: str, ttl: int) -> int | None:
        """Let *party* come to a barrier, and return how many are still missing; None if there is no such barrier."""
        ...

    def wait(self, key: str, timeout: float) -> bool:
        """Block until nobody is missing at a barrier, and return True; or False after *timeout* seconds, or if the barrier has gone."""
        ...


@runtime_checkable
class KeepsLimits(Protocol):
    """A broker whose apps can have limiters. One that is written elsewhere can, too."""

    def limit_store(self) -> LimitStore:
        """Return the store of limiters, on the broker's own connections and by its clock. Nothing connects before its first call."""
        ...
