"""`FormerNames`: the names that methods of brokers had in the release before. They are removed at 1.0."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

from fq.brokers.findings import Finding
from fq.brokers.protocol import Broker
from fq.brokers.records import ClaimedMessage, DeadLetter


class Filters(TypedDict, total=False):
    """See `Broker.dead_letters`."""

    queue: str | None
    actor: str | None
    error: str | None
    until: int | None
    limit: int


class FormerNames:
    """Passes calls by a former name to the method that has it now."""

    def dead(self: Broker, **filters: Unpack[Filters]) -> tuple[DeadLetter, ...]:
        """See `Broker.dead_letters`."""
        return self.dead_letters(**filters)

    def held(self: Broker, worker: str, limit: int = 100) -> tuple[ClaimedMessage, ...]:
        """See `Broker.claimed_by`."""
        return self.claimed_by(worker, limit)

    def kept(self: Broker, message_ids: Sequence[str]) -> set[str]:
        """See `Broker.ids_with_results`."""
        return set(self.ids_with_results(message_ids))

    def checkup(self: Broker) -> tuple[Finding, ...]:
        """See `Broker.diagnose`."""
        return self.diagnose()
