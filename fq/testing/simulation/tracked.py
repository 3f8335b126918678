"""What a `Ledger` is made of: messages and groups. Continue with ``fq.testing.simulation.ledger``."""

from attrs import define, field

from fq.brokers.records import DeferredEnqueue, EnqueueOp


@define(eq=False)
class Entry:
    """
    Mutable: a message from its being sent to its final outcome.

    *worker* holds it; *retries* is None until somebody has read it; *untold* if its holder has not heard that it was cancelled.
    """

    op: EnqueueOp
    due: int
    worker: str = ""
    token: int = 0
    deliveries: int = 0
    interrupted: str = ""
    retries: int | None = None
    cancelled: bool = False
    untold: bool = False


@define(eq=False)
class Assembly:
    """Mutable: a group, what comes *then*, which one of its members brings, its values by member, and until when it is remembered."""

    size: int = 0
    then: tuple[DeferredEnqueue, ...] = ()
    cancelled: bool = False
    values: dict[int, bytes] = field(factory=dict)
    until: int = 0
