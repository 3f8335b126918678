"""`LimitStore`: what limiters ask of a place that keeps their state. Two are here: `fq.limits.local` (memory, SQLite) and `fq.limits.redis`."""

from typing import Protocol

from fq.limits.terms import Answer, Limit


class LimitStore(Protocol):
    """
    Keeps slots, lines and barriers, by one clock: that of the broker. Every call is one step that applies wholly or not at all, and may be repeated.

    Calls may come from any thread; all but `wait` are short. Each may raise `BrokerError`.
    """

    def take(self, key: str, limit: Limit, owner: str, token: str, waits: bool) -> Answer:
        """
        Take a slot of *key* for *owner*, if one is free; *token* is another for every attempt.

        Of slots that are given back, an owner has one at most: another token of the same owner takes it over, since the earlier attempt is dead.
        One who *waits* and is refused stands in the line from then on, and is expected back.
        """

    def renew(self, key: str, owner: str, token: str, ttl: int) -> bool:
        """Let a slot run for *ttl* ms from now; return whether it was still the holder's."""

    def release(self, key: str, owner: str, token: str, learn: bool) -> bool:
        """Give a slot back, and return whether it was still the holder's; *learn* from it for how long slots are held."""

    def create(self, key: str, parties: int, ttl: int) -> bool:
        """Make a barrier for so many *parties*, to go *ttl* ms after the latest has come; return False, and change nothing, if there is one."""

    def arrive(self, key: str, party: str, ttl: int) -> int | None:
        """Let *party* come to a barrier, and return how many are still missing; None if there is no such barrier."""

    def wait(self, key: str, timeout: float) -> bool:
        """Block until nobody is missing at a barrier, and return True; or return False after *timeout* seconds, perhaps earlier."""
