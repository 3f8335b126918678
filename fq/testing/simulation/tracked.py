"""`TrackedMessage` and `TrackedGroup`: the entries of a `Ledger`. Continue with ``fq.testing.simulation.ledger``."""

from attrs import define, field

from fq.brokers.records import DeferredEnqueue, EnqueueOp, UniqueKey


@define(eq=False)
class TrackedMessage:
    """
    Mutable: a message, from when it is sent to its final outcome.

    *worker* holds it; *unique* is the key that it holds, or waits for.

    *retries* is None until a worker has read it; *cancel_unseen* while its worker has not been told that it is cancelled.
    """

    op: EnqueueOp
    due: int
    worker: str = ""
    token: int = 0
    deliveries: int = 0
    interrupted: str = ""
    retries: int | None = None
    cancelled: bool = False
    cancel_unseen: bool = False
    has_failed: bool = False
    unique: UniqueKey | None = None

    @property
    def has_begun(self) -> bool:
        """Does it run, or was it delivered before, or has it failed?"""
        return self.worker != "" or self.deliveries > 0 or self.has_failed


@define(eq=False)
class TrackedGroup:
    """Mutable: a group: its continuation *then*, which a member brings, its values by member, and until when the broker keeps it."""

    size: int = 0
    then: tuple[DeferredEnqueue, ...] = ()
    cancelled: bool = False
    values: dict[int, bytes] = field(factory=dict)
    until: int = 0
